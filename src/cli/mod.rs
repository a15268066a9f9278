//! The commands: each reads its arguments, calls the modules below, and says how the process ends.

mod apply;
mod arguments;
mod decide;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod exemptions;
mod explain;
mod freeze;
mod grants;
pub mod health;
mod history;
mod opening;
mod permissions;
mod plan;
mod principal;
mod report;
mod results;
mod review;
mod rollback;
mod rules;
mod run;
mod snapshot;
mod state;
mod validate;

use std::io::Write;
use std::process::ExitCode;

pub use arguments::{Arguments, Command};
use opening::Opening;

use crate::daemon::{Reload, Shutdown};

/// How a command ends, as the exit code says (see `iamwarden --help` and the README).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Ok,
    /// 1: an error, or an unhealthy daemon.
    Error,
    /// 2: `plan` proposes something, or something waits for approval.
    Proposed,
    /// 3: a needed read failed, or an action failed or was stale.
    Failed,
    /// 4: held by guardrail, freeze, dry run, lease or missing consent of the caller.
    Held,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Error => 1,
            Exit::Proposed => 2,
            Exit::Failed => 3,
            Exit::Held => 4,
        })
    }
}

/// Runs the command. Boxed one by one: the future of a command is as large as all that it awaits.
///
/// # Errors
/// Whatever went wrong, told once by the caller.
pub async fn run(arguments: Arguments, shutdown: Shutdown, reload: Reload) -> anyhow::Result<Exit> {
    let opening = Opening {
        config: arguments.config,
        shutdown,
    };
    match arguments.command {
        Command::Plan(plan) => unless_stopped(&opening, Box::pin(plan::run(&opening, &plan))).await,
        Command::Apply(apply) => Box::pin(apply::run(&opening, &apply)).await,
        Command::Run(run) => Box::pin(run::run(&opening, &run, reload)).await,
        Command::Approve(decision) => {
            Box::pin(decide::run(&opening, &decision, crate::model::Verdict::Approved)).await
        }
        Command::Reject(decision) => {
            Box::pin(decide::run(&opening, &decision, crate::model::Verdict::Rejected)).await
        }
        Command::Rollback(rollback) => Box::pin(rollback::run(&opening, &rollback)).await,
        Command::Freeze { reason, by } => freeze::freeze(&opening, &reason, by).await,
        Command::Unfreeze { by } => freeze::unfreeze(&opening, by).await,
        Command::History {
            format,
            verify,
            head,
            limit,
        } => Box::pin(history::run(&opening, format, verify, head.as_deref(), limit)).await,
        Command::Explain { principal, account } => {
            let explain = Box::pin(explain::run(&opening, &principal, account.as_deref()));
            unless_stopped(&opening, explain).await
        }
        Command::Snapshot { output, account } => {
            let snapshot = Box::pin(snapshot::run(&opening, &output, account.as_deref()));
            unless_stopped(&opening, snapshot).await
        }
        Command::Review { command } => Box::pin(review::run(&opening, &command)).await,
        Command::Exemptions { command, format } => {
            Box::pin(exemptions::run(&opening, command.as_ref(), format)).await
        }
        Command::Report { format, send } => Box::pin(report::run(&opening, format, send)).await,
        Command::Rules { command } => rules::run(&opening, command.as_ref()),
        Command::State { command } => Box::pin(state::run(&opening, &command)).await,
        Command::Validate => validate::validate(&opening),
        Command::Schema => validate::schema(),
        Command::Permissions { member, rollback } => permissions::run(&opening, member, rollback),
        Command::Doctor { send } => unless_stopped(&opening, Box::pin(doctor::run(&opening, send))).await,
        Command::Health => {
            let healthy = health::run(&opening.load_silently()?.config.server).await;
            Ok(if healthy { Exit::Ok } else { Exit::Error })
        }
        #[cfg(feature = "demo")]
        Command::Demo { output } => Box::pin(demo::run(&opening, output)).await,
    }
}

/// A command that changes nothing is abandoned when the process is told to stop.
async fn unless_stopped(
    opening: &Opening,
    command: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let ended = opening.shutdown.unless_requested(command).await;
    ended.unwrap_or_else(|| Err(anyhow::anyhow!("told to stop before there was an answer")))
}

/// Writes an answer to standard output. A reader that went away (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
