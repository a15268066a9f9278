//! What the operating system and the container platform ask of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Reload, Shutdown};

/// The handlers could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot install the handler of {signal}; check the limits on signals and pipes of this process")]
pub struct SignalsError {
    /// Which one.
    pub signal: &'static str,
    /// What the operating system says.
    pub source: std::io::Error,
}

/// SIGINT came a second time: whoever is at the keyboard wants the process to end now. The journal is made for
/// that: what is open is settled at the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl Interrupted {
    /// The exit code that shells expect of a process ended by SIGINT.
    pub const EXIT_CODE: u8 = 130;
}

/// Installed handlers of SIGTERM, SIGINT and SIGHUP.
///
/// As process 1 of a container there are no default handlers: a signal that nobody handles is dropped, and the
/// platform kills after its patience. So they are installed first of all, and nothing that comes before
/// [`listen`](Self::listen) is lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Installs the handlers, within a tokio runtime.
    ///
    /// # Errors
    /// [`SignalsError`] where the operating system refuses.
    pub fn install() -> Result<Self, SignalsError> {
        let handler = |kind, name| signal(kind).map_err(|source| SignalsError { signal: name, source });
        Ok(Self {
            terminate: handler(SignalKind::terminate(), "SIGTERM")?,
            interrupt: handler(SignalKind::interrupt(), "SIGINT")?,
            hangup: handler(SignalKind::hangup(), "SIGHUP")?,
        })
    }

    /// Turns SIGTERM and SIGINT into a request to stop, SIGHUP into a request to reload. Returns only when SIGINT
    /// comes a second time; the process then ends at once, with [`Interrupted::EXIT_CODE`].
    pub async fn listen(mut self, shutdown: &Shutdown, reload: &Reload) -> Interrupted {
        let mut interrupted_before = false;
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => {
                    tracing::info!(signal = "SIGTERM", "stopping: no new action starts");
                    shutdown.request();
                }
                Some(()) = self.interrupt.recv() => {
                    if interrupted_before {
                        tracing::warn!(signal = "SIGINT", "interrupted again: ending at once");
                        return Interrupted;
                    }
                    interrupted_before = true;
                    tracing::info!(signal = "SIGINT", "stopping: no new action starts; once more ends at once");
                    shutdown.request();
                }
                Some(()) = self.hangup.recv() => {
                    tracing::info!(signal = "SIGHUP", "reading the configuration again");
                    reload.request();
                }
                // The streams end only with the runtime.
                else => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(signal: &str) {
        let pid = std::process::id().to_string();
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{signal} {pid}")])
            .status()
            .unwrap();
        assert!(status.success());
    }

    // One test for all: signals reach the whole process.
    #[tokio::test]
    async fn signals_become_requests() {
        let (shutdown, reload) = (Shutdown::new(), Reload::new());
        let listening = tokio::spawn({
            let (signals, shutdown, reload) = (Signals::install().unwrap(), shutdown.clone(), reload.clone());
            async move { signals.listen(&shutdown, &reload).await }
        });
        send("HUP").await;
        reload.requested().await;
        assert!(!shutdown.is_requested());
        send("INT").await;
        shutdown.requested().await;
        send("INT").await;
        assert_eq!(listening.await.unwrap(), Interrupted);

        let shutdown = Shutdown::new();
        let signals = Signals::install().unwrap();
        send("TERM").await;
        tokio::select! {
            Interrupted = signals.listen(&shutdown, &reload) => panic!("SIGTERM is no interruption"),
            () = shutdown.requested() => {}
        }
    }
}
