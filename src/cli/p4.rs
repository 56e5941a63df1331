//! `trisect p4`: P4 programs by themselves, without policy or rack.

use super::{Ended, print, print_json};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use trisect::problems::Problems;
use trisect_v1model::{CompiledV1, EngineKind, run_script, stf};

/// What to do with a P4 program.
#[derive(Debug, Subcommand)]
pub enum P4 {
    /// Run a packet test (STF) over a v1model program.
    Run(Run),
}

impl P4 {
    /// Whether the answer is wanted as JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.json,
        }
    }
}

/// A program and how it is read.
#[derive(Debug, Args)]
pub struct Source {
    /// The P4 program.
    pub program: PathBuf,
    /// Folder to look for includes in, before those that come with Trisect; may be repeated.
    #[arg(short = 'I', value_name = "DIR")]
    pub include: Vec<PathBuf>,
    /// Macro to define, as 1 without a value; may be repeated.
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub define: Vec<String>,
}

/// `trisect p4 run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The program.
    #[command(flatten)]
    pub source: Source,
    /// The packet test.
    #[arg(long, value_name = "FILE")]
    pub stf: PathBuf,
    /// What runs the program. With both, they must also agree with each other.
    #[arg(long, value_enum, default_value = "both", value_name = "NAME")]
    pub engine: EngineArg,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// The interpreter and compiled code, one after the other.
    Both,
    /// The reference interpreter.
    Interpreter,
    /// Compiled code.
    Jit,
}

impl EngineArg {
    fn kinds(self) -> &'static [EngineKind] {
        match self {
            Self::Both => &[EngineKind::Interpreter, EngineKind::Jit],
            Self::Interpreter => &[EngineKind::Interpreter],
            Self::Jit => &[EngineKind::Jit],
        }
    }
}

/// Does it.
pub fn main(command: &P4) -> anyhow::Result<Ended> {
    match command {
        P4::Run(args) => run(args),
    }
}

fn run(args: &Run) -> anyhow::Result<Ended> {
    let (name, text) = read(&args.stf, "give a packet test: --stf FILE")?;
    let script =
        stf::parse_named(&name, &text).map_err(|found| Problems::of(found, &name, &text))?;
    let compiled = compile(&args.source)?;
    let report = run_script(&script, &compiled, args.engine.kinds())
        .map_err(|found| Problems::of(found, &name, &text))?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&report.to_string())?;
    }
    Ok(if report.passed {
        Ended::Well
    } else {
        Ended::Different
    })
}

fn compile(source: &Source) -> anyhow::Result<CompiledV1> {
    // The front end would report this, too, but at a place in a file that is not there.
    read(&source.program, "give a P4 program")?;
    let mut options = trisect_p4::Options::default();
    options.include_dirs.extend(source.include.iter().cloned());
    options.defines.extend(source.define.iter().map(|define| {
        let (name, value) = define.split_once('=').unwrap_or((define, "1"));
        (name.to_owned(), value.to_owned())
    }));
    let program =
        trisect_p4::compile_file(&source.program, &options).map_err(Problems::in_files)?;
    Ok(CompiledV1 {
        program,
        bridge: None,
    })
}

/// The name and the text of a file. Bytes that are no UTF-8 can only stand in comments.
fn read(path: &Path, help: &str) -> Result<(String, String), Problems> {
    let bytes = std::fs::read(path).map_err(|error| Problems::unreadable(path, &error, help))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((path.display().to_string(), text))
}
