//! `aws-simulator --seed FILE [--listen ADDRESS] [--print-url]`

use std::io::Write;
use std::process::ExitCode;

use aws_simulator::{Seed, Simulator, demo_seed};

const USAGE: &str = "usage: aws-simulator [--seed FILE | --demo] [--listen 127.0.0.1:0] [--print-url]";

/// What the command line says.
#[derive(Debug, Default)]
struct Options {
    seed: Option<String>,
    demo: bool,
    listen: Option<String>,
    print_url: bool,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value\n{USAGE}"))
        };
        match argument.as_str() {
            "--seed" => options.seed = Some(value()?),
            "--listen" => options.listen = Some(value()?),
            "--demo" => options.demo = true,
            "--print-url" => options.print_url = true,
            "--help" | "-h" => return Err(USAGE.to_owned()),
            other => return Err(format!("unknown argument `{other}`\n{USAGE}")),
        }
    }
    Ok(options)
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let seed = match (&options.seed, options.demo) {
        (Some(path), false) => Seed::load(path)?,
        (None, true) => demo_seed()?,
        (None, false) | (Some(_), true) => return Err(USAGE.into()),
    };
    let simulator = Simulator::from_seed(&seed)?;
    let server = simulator
        .serve(options.listen.as_deref().unwrap_or("127.0.0.1:0"))
        .await?;
    let mut out = std::io::stdout();
    if options.print_url {
        writeln!(out, "{}", server.url())?;
    } else {
        writeln!(out, "AWS_ENDPOINT_URL={}", server.url())?;
    }
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match options(std::env::args().skip(1)) {
        Ok(options) => run(options).await.map_err(|error| error.to_string()),
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "aws-simulator: {problem}");
            ExitCode::from(2)
        }
    }
}
