//! The command line: from arguments to the library, and from its answers to text or JSON.

mod args;
mod audit;
mod calibrate;
mod collect;
mod compare;
mod compile;
mod explain;
mod listing;
mod p4;
mod plan;
mod profile;
mod run;
mod table;

use args::{Cli, Command};
use clap::Parser;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;
use trisect::problems::Problems;

/// Exit status when the input is wrong, or when `--check` found a difference.
const FAILED: u8 = 1;

/// How a command ended, if nothing went wrong.
enum Ended {
    /// As it should.
    Well,
    /// The command did its work, and the answer is no: `--check` found a difference.
    Different,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    if wants_cheats() {
        return ended(listing::cheats(), false);
    }
    let cli = Cli::parse();
    let json = cli.command.json();
    let ended = match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Compile(args) => compile::main(&args),
        Command::Audit(args) => audit::main(&args),
        Command::Manifest(command) => audit::manifest(&command),
        Command::Collect(args) => collect::main(&args),
        Command::Compare(args) => compare::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Targets(args) => listing::targets(&args),
        Command::Nfs(args) => listing::nfs(&args),
        Command::Calibrate(args) => calibrate::main(&args),
        Command::Profile(args) => profile::main(&args),
        Command::P4(command) => p4::main(&command),
    };
    self::ended(ended, json)
}

/// Whether the arguments are `run ... --cheat list`, which needs none of what a run needs.
fn wants_cheats() -> bool {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let list = |two: &[String]| matches!(two, [a, b] if a == "--cheat" && b == "list");
    args.first().is_some_and(|a| a == "run")
        && (args.windows(2).any(list) || args.iter().any(|a| a == "--cheat=list"))
}

/// The exit status, after what went wrong was said.
fn ended(ended: anyhow::Result<Ended>, json: bool) -> ExitCode {
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Different) => ExitCode::from(FAILED),
        Err(error) if error.is::<Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, json);
            ExitCode::from(FAILED)
        }
    }
}

/// Diagnostics go to standard error as text; with `--json` to standard output as an object.
fn report(error: &anyhow::Error, json: bool) {
    let problems = error.downcast_ref::<Problems>();
    if json {
        let errors = problems.map_or_else(
            || json!([{ "message": format!("{error:#}") }]),
            Problems::to_json,
        );
        // Whoever closed standard output does not want to know.
        let _ = print_json(&json!({ "errors": errors }));
    } else if let Some(problems) = problems {
        complain(&problems.to_string());
    } else {
        complain(&format!("error: {error:#}\n"));
    }
}

/// Writes to standard error; nobody is left to be told if that fails.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Standard output was closed by its reader (`trisect ... | head`).
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
struct Closed;

/// Prints a text, and a newline if it does not end in one.
fn print(text: &str) -> anyhow::Result<()> {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => Ok(other?),
    }
}

/// Prints a value as indented JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}
