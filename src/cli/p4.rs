//! `trisect p4`: P4 programs by themselves, without policy or rack.

use super::{Ended, complain, print, print_json};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use trisect::artifacts::ArtifactError;
use trisect::problems::Problems;
use trisect_p4::Compiled;
use trisect_v1model::{CompiledV1, EngineKind, run_script, stf};

/// What to do with a P4 program.
#[derive(Debug, Subcommand)]
pub enum P4 {
    /// Parse and check a program, and say what is wrong with it.
    Check(Check),
    /// Print a program in another form.
    Emit(Emit),
    /// Run a packet test (STF) over a v1model program.
    Run(Run),
}

impl P4 {
    /// Whether the answer is wanted as JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Check(args) => args.json,
            Self::Emit(_) => false,
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
    /// P4 file whose functions are the bodies of the program's extern functions.
    #[arg(long, value_name = "FILE")]
    pub extern_model: Option<PathBuf>,
}

/// `trisect p4 check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The program.
    #[command(flatten)]
    pub source: Source,
    /// Print what is found as JSON, for editors.
    #[arg(long)]
    pub json: bool,
}

/// `trisect p4 emit`.
#[derive(Debug, Args)]
pub struct Emit {
    /// The program.
    #[command(flatten)]
    pub source: Source,
    /// The form.
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Form,
    /// File to write to instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A form in which a program can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// P4-16, with includes and macros expanded.
    P4,
    /// The packet program that everything else works on, as text.
    Ir,
    /// The JSON program that BMv2's simple_switch loads; entries that are not `const` are the control plane's.
    Bmv2Json,
    /// P4Info of that program, for a P4Runtime control plane (text protobuf).
    P4info,
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
        P4::Check(args) => check(args),
        P4::Emit(args) => emit(args),
        P4::Run(args) => run(args),
    }
}

fn run(args: &Run) -> anyhow::Result<Ended> {
    let (name, text) = read(&args.stf, "give a packet test: --stf FILE")?;
    let script =
        stf::parse_named(&name, &text).map_err(|found| Problems::of(found, &name, &text))?;
    let compiled = compile(&args.source)?;
    let compiled = CompiledV1 {
        program: compiled.program,
        bridge: compiled.bridge,
        value_sets: compiled.value_sets,
    };
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

fn check(args: &Check) -> anyhow::Result<Ended> {
    let options = options(&args.source)?;
    let program = &args.source.program;
    let (_, sources, found) = trisect_p4::check_file(program, &options);
    let errors = found.iter().filter(|d| d.is_error()).count();
    if args.json {
        print_json(&json!({
            "program": program,
            "errors": errors,
            "warnings": found.len() - errors,
            "diagnostics": trisect_p4::diag::to_json(&found, &sources),
        }))?;
    } else {
        complain(&trisect_p4::render_all(&found, &sources));
        let count = |number: usize, word: &str| match number {
            0 => format!("no {word}s"),
            1 => format!("1 {word}"),
            number => format!("{number} {word}s"),
        };
        let (errors, warnings) = (
            count(errors, "error"),
            count(found.len() - errors, "warning"),
        );
        print(&format!("{}: {errors}, {warnings}", program.display()))?;
    }
    Ok(if errors == 0 {
        Ended::Well
    } else {
        Ended::Different
    })
}

fn emit(args: &Emit) -> anyhow::Result<Ended> {
    let text = match args.form {
        Form::P4 => printed(&args.source)?,
        Form::Ir => compile(&args.source)?.program.to_string(),
        Form::Bmv2Json => {
            let program = single_pass(&args.source)?;
            let json = trisect_bmv2::json::emit(&program, trisect_bmv2::json::Entries::Const);
            serde_json::to_string_pretty(&json.map_err(refused)?)?
        }
        Form::P4info => trisect_bmv2::json::p4info(&single_pass(&args.source)?).map_err(refused)?,
    };
    match &args.output {
        None => print(&text)?,
        Some(path) => write_whole(path, &text)?,
    }
    Ok(Ended::Well)
}

/// Writes a file that is whole or absent: beside its place first, and moved there when it is complete.
fn write_whole(path: &Path, text: &str) -> Result<(), Problems> {
    let unwritable = |error| Problems::unwritable(path, &error);
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        // A device or pipe stays what it is; a folder is refused.
        return std::fs::write(path, text).map_err(unwritable);
    }
    // What a link leads to is written, not the link.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let partial = place.with_file_name(format!(".{name}.new"));
    let done = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, &place));
    done.map_err(|error| {
        // It may not even be there.
        let _ = std::fs::remove_file(&partial);
        unwritable(error)
    })
}

/// The program, if it is one pass over a packet.
fn single_pass(source: &Source) -> anyhow::Result<trisect_ir::Program> {
    let file = source.program.to_string_lossy();
    let compiled = compile(source)?;
    Ok(compiled.single_pass(&file).map_err(Problems::in_files)?)
}

/// What BMv2 cannot run.
fn refused(error: trisect_target::LowerError) -> Problems {
    let device = "bmv2".to_owned();
    ArtifactError::Lower {
        device,
        error: Box::new(error),
    }
    .into()
}

/// The program as P4. It need not be right beyond its syntax.
fn printed(source: &Source) -> anyhow::Result<String> {
    let options = options(source)?;
    let (tree, sources, found) = trisect_p4::parse_file(&source.program, &options);
    let errors = found.iter().filter(|d| d.is_error());
    let errors: Vec<_> = errors.map(|d| d.to_common(&sources)).collect();
    match tree {
        Some(tree) if errors.is_empty() => Ok(trisect_p4::printer::program(&tree)),
        _ => Err(Problems::in_files(errors).into()),
    }
}

/// How the program is read.
fn options(source: &Source) -> Result<trisect_p4::Options, Problems> {
    // The front end would report this, too, but at a place in a file that is not there.
    read(&source.program, "give a P4 program")?;
    let mut options = trisect_p4::Options::default();
    options.include_dirs.extend(source.include.iter().cloned());
    options.defines.extend(source.define.iter().map(|define| {
        let (name, value) = define.split_once('=').unwrap_or((define, "1"));
        (name.to_owned(), value.to_owned())
    }));
    if let Some(model) = &source.extern_model {
        let help = "it holds bodies for the program's extern functions";
        options.extern_model = Some(read(model, help)?);
    }
    Ok(options)
}

/// Compiles the program; warnings go to standard error.
fn compile(source: &Source) -> anyhow::Result<Compiled> {
    let options = options(source)?;
    let mut compiled =
        trisect_p4::compile_passes_file(&source.program, &options).map_err(Problems::in_files)?;
    let warnings = Problems::in_files(std::mem::take(&mut compiled.warnings));
    complain(&warnings.to_string());
    Ok(compiled)
}

/// The name and the text of a file. Bytes that are no UTF-8 can only stand in comments.
fn read(path: &Path, help: &str) -> Result<(String, String), Problems> {
    let bytes = std::fs::read(path).map_err(|error| Problems::unreadable(path, &error, help))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((path.display().to_string(), text))
}
