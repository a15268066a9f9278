//! Logs, metrics and spans: what the process tells its operator.
//!
//! Secrets are kept out by types that cannot be printed; the two things that types cannot hold back are held back
//! here: the debug logs of foreign crates (see [`install`]) and the payloads of panics (see [`report_panics`]).

mod label;
mod logs;
mod metrics;
mod traces;

pub use label::{ActionOutcome, CallResult, OutboxState, ReloadResult, RunResult};
pub use logs::{LogError, LogFormat, install, report_panics};
pub use metrics::{Metrics, MetricsError};
pub use traces::{Traces, TracesError};

/// An error with all its causes on one line, for the one place where it is logged: `Display` of an error never
/// prints its source.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'a));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the ticks")]
    struct Outer {
        source: std::io::Error,
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        let error = Outer {
            source: std::io::Error::other("the disk is full"),
        };
        assert_eq!(
            Chain(&error).to_string(),
            "cannot read the ticks: the disk is full"
        );
    }
}
