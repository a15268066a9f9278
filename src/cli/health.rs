//! `iamwarden health`: asks the running daemon whether it works, for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::ServerSettings;
use crate::telemetry::Chain;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the daemon does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// There is nothing to ask.
    #[error("HTTP is turned off, so nobody can be asked; set `server.listen`")]
    Off,
    /// Nobody answers.
    #[error("cannot ask {address}; is `iamwarden run` up, with the same `server.listen`?")]
    Unreachable {
        /// Who was asked.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The answer is late.
    #[error("{address} did not answer within {PATIENCE:?}")]
    Late {
        /// Who was asked.
        address: SocketAddr,
    },
    /// The answer is not `200`.
    #[error("{address} answered something else than 200; is it iamwarden?")]
    Refused {
        /// Who was asked.
        address: SocketAddr,
    },
}

/// The command: whether the daemon of this configuration works. Silent, save for a line of the reason at `debug`.
pub async fn run(server: &ServerSettings) -> bool {
    match ask(server).await {
        Ok(()) => true,
        Err(reason) => {
            tracing::debug!(error = %Chain(&reason), "not healthy");
            false
        }
    }
}

/// Asks `/healthz` of the daemon of this configuration.
///
/// One plain request over a socket of our own: no proxy, no TLS, nothing to resolve.
///
/// # Errors
/// [`Unhealthy`], whatever the reason.
pub async fn ask(server: &ServerSettings) -> Result<(), Unhealthy> {
    let address = server.listen.map(reachable).ok_or(Unhealthy::Off)?;
    let status = tokio::time::timeout(PATIENCE, read_status(address))
        .await
        .map_err(|_late| Unhealthy::Late { address })?
        .map_err(|source| Unhealthy::Unreachable { address, source })?;
    match status.split(|byte| *byte == b' ').collect::<Vec<_>>().as_slice() {
        [b"HTTP/1.1" | b"HTTP/1.0", b"200", ..] => Ok(()),
        _ => Err(Unhealthy::Refused { address }),
    }
}

/// Where a daemon that listens there is reached from the same machine: "any address" is none to connect to.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The first bytes of the answer, which hold protocol and status.
async fn read_status(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = Vec::new();
    stream
        .take("HTTP/1.1 200 ".len() as u64)
        .read_to_end(&mut status)
        .await?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn at(listen: SocketAddr) -> ServerSettings {
        ServerSettings {
            listen: Some(listen),
            ..crate::config::Config::built_in().unwrap().server
        }
    }

    /// Answers one request with this text.
    async fn answering(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            stream.write_all(text.as_bytes()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn only_a_200_is_healthy() {
        assert!(run(&at(answering("HTTP/1.1 200 OK\r\n\r\nok\n").await)).await);
        for refused in [
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "HTTP/1.1 2000 x\r\n",
            "200",
            "",
            "SSH-2.0-x\r\n",
        ] {
            let outcome = ask(&at(answering(refused).await)).await;
            assert!(
                matches!(outcome, Err(Unhealthy::Refused { .. })),
                "{refused}: {outcome:?}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_there_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(
            ask(&at(address)).await,
            Err(Unhealthy::Unreachable { .. })
        ));
        assert!(matches!(
            ask(&ServerSettings {
                listen: None,
                ..at(address)
            })
            .await,
            Err(Unhealthy::Off)
        ));
        assert!(!run(&at(address)).await);
    }

    #[tokio::test]
    async fn the_daemons_own_page_is_healthy() {
        let listener = crate::web::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = crate::web::tests::router_of("").await;
        tokio::spawn(crate::web::serve(listener, router, std::future::pending()));
        assert!(run(&at(address)).await);
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
        assert!(run(&at(any)).await);
    }

    #[test]
    fn any_address_is_reached_by_loopback() {
        let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8787"), "127.0.0.1:8787");
        assert_eq!(reached("[::]:8787"), "[::1]:8787");
        assert_eq!(reached("10.0.0.7:80"), "10.0.0.7:80");
    }
}
