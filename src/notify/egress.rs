//! Where messages may go. A channel's URL comes from a secret that somebody else may have written, and the daemon's own
//! network holds things that answer to anybody inside: 169.254.170.2 hands out the task's credentials.
//!
//! So: HTTPS only; no credentials in the URL; the host is looked up here, once, and *all* its addresses must be public;
//! the connection goes to the addresses that were checked and to no other, so a name whose address flips between two
//! look-ups gains nothing. Redirects and proxies are off in the client. `notifications.allow_networks` and
//! `allow_http` widen this.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::config::Notifications;

/// A destination that messages may not go to. The URL is a secret and is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressRefusal {
    /// Not a URL.
    #[error("the channel's URL cannot be read: store it as it was issued, from `https://` on")]
    Unreadable,
    /// `http:` or something else.
    #[error(
        "the channel's URL is `{0}:`, and messages go out by `https:` only: mend the URL, or set notifications.allow_http"
    )]
    Scheme(String),
    /// `user:password@`.
    #[error("the channel's URL holds a user name or password, which is not supported: use one without")]
    Credentials,
    /// Not a public address.
    #[error(
        "the channel's host is at {address} ({class}), where messages may not go: mend the URL, or list the network in notifications.allow_networks"
    )]
    Address {
        /// The address.
        address: IpAddr,
        /// What kind of network it belongs to.
        class: &'static str,
    },
    /// An answer to a click would leave Slack.
    #[error("the answer would go to a host that is none of notifications.slack_hosts: it is not sent")]
    NotSlack,
    /// The name has no address.
    #[error("the channel's host has no address: check the URL and the name service")]
    NoAddress,
}

/// Looks names up. Tests give their own.
pub trait HostLookup: Send + Sync {
    /// All addresses of the host.
    fn lookup(&self, host: &str) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's name service.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl HostLookup for SystemLookup {
    fn lookup(&self, host: &str) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Decides where messages may go.
#[derive(Clone)]
pub struct EgressGuard {
    allow_networks: Vec<IpNet>,
    allow_http: bool,
    lookup: Arc<dyn HostLookup>,
}

impl std::fmt::Debug for EgressGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressGuard")
            .field("allow_networks", &self.allow_networks)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

impl EgressGuard {
    /// A guard as configured.
    pub fn new(notifications: &Notifications, lookup: Arc<dyn HostLookup>) -> Self {
        Self {
            allow_networks: notifications.allow_networks.clone(),
            allow_http: notifications.allow_http,
            lookup,
        }
    }

    /// Whether plain HTTP is allowed.
    pub(super) fn allows_http(&self) -> bool {
        self.allow_http
    }

    /// Parses a URL and checks all that can be checked without a look-up. An address in place of a name is checked here,
    /// however it is written (`http://2130706433`, `http://0x7f.1`): the client does not look such a host up.
    ///
    /// # Errors
    /// [`EgressRefusal`], which does not repeat the URL.
    pub fn check_url(&self, url: &str) -> Result<Url, EgressRefusal> {
        let url = Url::parse(url.trim()).map_err(|_| EgressRefusal::Unreadable)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            other => return Err(EgressRefusal::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressRefusal::Credentials);
        }
        match url.host() {
            None => return Err(EgressRefusal::Unreadable),
            Some(Host::Domain(_)) => {}
            Some(Host::Ipv4(address)) => self.check_address(address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(address.into())?,
        }
        Ok(url)
    }

    /// Checks one address.
    ///
    /// # Errors
    /// [`EgressRefusal::Address`] unless it is public or allowed.
    pub fn check_address(&self, address: IpAddr) -> Result<(), EgressRefusal> {
        let plain = embedded(address).map_or(address, IpAddr::V4);
        let Some(class) = class_of(address) else {
            return Ok(());
        };
        let allowed = self
            .allow_networks
            .iter()
            .any(|network| network.contains(&address) || network.contains(&plain));
        if allowed {
            Ok(())
        } else {
            Err(EgressRefusal::Address { address, class })
        }
    }

    /// Looks a host up and checks every address that it has.
    ///
    /// # Errors
    /// The refusal, or what the name service says.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let addresses = self.lookup.lookup(host).await?;
        if addresses.is_empty() {
            return Err(EgressRefusal::NoAddress.into());
        }
        for address in &addresses {
            self.check_address(*address)?;
        }
        Ok(addresses)
    }
}

/// The client asks this at each connection, and connects to the answer.
impl reqwest::dns::Resolve for EgressGuard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = EgressGuard::resolve(&guard, name.as_str()).await?;
            // Port 0 stands for the URL's.
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as reqwest::dns::Addrs)
        })
    }
}

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// IANA's registry of special-purpose IPv4 addresses, multicast and class E.
const SPECIAL_V4: [(Ipv4Net, &str); 17] = [
    (v4(0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 8), "private"),
    (v4(100, 64, 0, 10), "carrier-grade NAT"),
    (v4(127, 0, 0, 8), "loopback"),
    (
        v4(169, 254, 0, 16),
        "link-local, where credentials are handed out",
    ),
    (v4(172, 16, 0, 12), "private"),
    (v4(192, 0, 0, 24), "reserved"),
    (v4(192, 0, 2, 24), "documentation"),
    (v4(192, 31, 196, 24), "reserved"),
    (v4(192, 52, 193, 24), "reserved"),
    (v4(192, 88, 99, 24), "6to4 relay"),
    (v4(192, 168, 0, 16), "private"),
    (v4(198, 18, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 24), "documentation"),
    (v4(203, 0, 113, 24), "documentation"),
    (v4(224, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 4), "reserved or broadcast"),
];

/// What is special within 2000::/3; all else outside it is refused as a whole.
const SPECIAL_V6: [(Ipv6Net, &str); 5] = [
    (v6(0x2001, 0, 0, 23), "reserved, Teredo among it"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation"),
    (v6(0x2002, 0, 0, 16), "6to4"),
    (v6(0x2620, 0x4f, 0x8000, 48), "reserved"),
    (v6(0x3fff, 0, 0, 20), "documentation"),
];

const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// The IPv4 address that an IPv6 address really leads to: mapped, or through the well-known NAT64 prefix.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    let [.., a, b, c, d] = address.octets();
    NAT64.contains(&address).then(|| Ipv4Addr::new(a, b, c, d))
}

/// The class of an address that is not public; `None`: it is.
fn class_of(address: IpAddr) -> Option<&'static str> {
    let special_v4 = |address: &Ipv4Addr| {
        let found = SPECIAL_V4.iter().find(|(network, _)| network.contains(address));
        found.map(|(_, class)| *class)
    };
    match (address, embedded(address)) {
        (IpAddr::V4(address), _) | (IpAddr::V6(_), Some(address)) => special_v4(&address),
        (IpAddr::V6(address), None) => {
            let found = SPECIAL_V6.iter().find(|(network, _)| network.contains(&address));
            match found {
                Some((_, class)) => Some(*class),
                None if GLOBAL_V6.contains(&address) => None,
                None => Some("loopback, local, multicast or reserved"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sample;

    fn guard(allow: &[&str], allow_http: bool) -> EgressGuard {
        let mut notifications = sample::notifications();
        notifications.allow_networks = allow.iter().map(|n| n.parse().unwrap()).collect();
        notifications.allow_http = allow_http;
        EgressGuard::new(&notifications, Arc::new(SystemLookup))
    }

    #[test]
    fn what_is_not_public_is_refused() {
        let guard = guard(&[], false);
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.170.2",
            "::ffff:10.0.0.1",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let refusal = guard.check_address(refused.parse().unwrap());
            assert!(matches!(refusal, Err(EgressRefusal::Address { .. })), "{refused}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(guard.check_address(public.parse().unwrap()), Ok(()), "{public}");
        }
    }

    #[test]
    fn hosts_written_as_addresses_are_checked_however_they_are_written() {
        let guard = guard(&[], true);
        for url in [
            "http://169.254.170.2/v2/credentials",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://[::1]/",
            "https://[::ffff:169.254.170.2]/",
            "https://①②⑦.0.0.1/",
        ] {
            let refusal = guard.check_url(url).unwrap_err();
            assert!(
                matches!(refusal, EgressRefusal::Address { .. }),
                "{url}: {refusal}"
            );
        }
    }

    #[test]
    fn schemes_and_credentials() {
        let strict = guard(&[], false);
        assert!(
            strict
                .check_url("https://hooks.example.com/services/T/B/x\n")
                .is_ok()
        );
        assert_eq!(
            strict.check_url("http://hooks.example.com/").unwrap_err(),
            EgressRefusal::Scheme("http".to_owned())
        );
        for (url, refusal) in [
            ("https://a:b@hooks.example.com/", EgressRefusal::Credentials),
            ("https://a@hooks.example.com/", EgressRefusal::Credentials),
            ("hooks.example.com", EgressRefusal::Unreadable),
            ("", EgressRefusal::Unreadable),
            ("file:///etc/passwd", EgressRefusal::Scheme("file".to_owned())),
        ] {
            assert_eq!(strict.check_url(url).unwrap_err(), refusal, "{url}");
        }
        assert!(guard(&[], true).check_url("http://hooks.example.com/").is_ok());
    }

    #[test]
    fn allowed_networks_are_allowed_in_either_form() {
        let guard = guard(&["10.0.0.0/8", "fd00::/8"], false);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("fd00::1", true),
            ("192.168.0.1", false),
            ("::ffff:192.168.0.1", false),
        ] {
            assert_eq!(
                guard.check_address(address.parse().unwrap()).is_ok(),
                allowed,
                "{address}"
            );
        }
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_refuses_the_host() {
        struct Both;
        impl HostLookup for Both {
            fn lookup(&self, _: &str) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
                Box::pin(async { Ok(vec![[8, 8, 8, 8].into(), [169, 254, 170, 2].into()]) })
            }
        }
        let guard = EgressGuard::new(&sample::notifications(), Arc::new(Both));
        let refusal = EgressGuard::resolve(&guard, "hooks.example.com")
            .await
            .unwrap_err();
        insta::assert_snapshot!(refusal, @"the channel's host is at 169.254.170.2 (link-local, where credentials are handed out), where messages may not go: mend the URL, or list the network in notifications.allow_networks");
    }
}
