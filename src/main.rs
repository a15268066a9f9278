//! The `iamwarden` binary: parse, install signal handlers, start logging, run the command, say how it ended.
// The futures of a run are nested deeper than the compiler looks by default.
#![recursion_limit = "256"]

use std::process::ExitCode;

use clap::Parser;
use iamwarden::cli::{self, Arguments, Exit};
use iamwarden::config::Environment;
use iamwarden::daemon::{Reload, Shutdown, Signals};
use iamwarden::telemetry::{self, Traces};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help_or_error) => {
            // Help and version are answers; anything else is an error like any other (clap's own code 2 has a meaning).
            let is_answer = !help_or_error.use_stderr();
            let printed = help_or_error.print();
            return if is_answer && printed.is_ok() {
                Exit::Ok.into()
            } else {
                Exit::Error.into()
            };
        }
    };
    match runtime_for(&arguments) {
        Ok(runtime) => {
            let ended = tell_and_run(&runtime, arguments);
            // A blocking task (a name that never resolves) must not hold the process.
            runtime.shutdown_background();
            ended
        }
        Err(error) => fail(&error.into()),
    }
}

/// The daemon answers its health check whatever its runs do; a command has but one thing to do, and needs no thread to
/// hand its calls over to.
fn runtime_for(arguments: &Arguments) -> std::io::Result<Runtime> {
    let mut builder = if arguments.command.is_daemon() {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.worker_threads(2);
        threads
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// Starts logs and spans, runs the command, and sends the last spans.
fn tell_and_run(runtime: &Runtime, arguments: Arguments) -> ExitCode {
    let environment = Environment::of_process();
    let traces = match Traces::begin(|name| environment.get(name), runtime.handle()) {
        Ok(traces) => traces,
        Err(error) => return fail(&error.into()),
    };
    let level = arguments.log_level.as_deref();
    if let Err(error) = telemetry::install(arguments.log_format, level, traces.as_ref()) {
        return fail(&error.into());
    }
    telemetry::report_panics();
    let ended = runtime.block_on(async {
        let ended = run(arguments).await;
        if let Some(traces) = traces {
            traces.finish().await;
        }
        ended
    });
    ended.into()
}

fn fail(error: &anyhow::Error) -> ExitCode {
    report(error);
    Exit::Error.into()
}

/// Runs the command; a second interrupt ends it at once.
async fn run(arguments: Arguments) -> Exit {
    let (shutdown, reload) = (Shutdown::new(), Reload::new());
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => {
            report(&error.into());
            return Exit::Error;
        }
    };
    tokio::select! {
        ended = cli::run(arguments, shutdown.clone(), reload.clone()) => ended.unwrap_or_else(|error| {
            report(&error);
            Exit::Error
        }),
        _interrupted = signals.listen(&shutdown, &reload) => Exit::Error,
    }
}

/// The one place where an error of a command is told: on standard error, with its causes.
fn report(error: &anyhow::Error) {
    use std::io::Write;
    let mut text = String::from("error: ");
    for (n, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        if n > 0 {
            text.push_str("\n  caused by: ");
        }
        text.push_str(&cause);
    }
    // Nowhere is left to tell that standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
