//! P4-16 front end: preprocessor, parser, checker, elaboration to the IR.
//!
//! ```text
//! text -> pp (tokens, macros expanded) -> parser (ast) -> check (typed tree) -> elab (IR)
//! ```
//!
//! [`compile_file`] and [`compile_str`] go the whole way; [`parse_file`] and [`parse_str`] do the first
//! two steps; [`printer`] turns a tree back into text. [`mod@library`] holds the network functions that
//! come with Trisect.
//! Findings are [`Diagnostic`]s with stable codes.
//!
//! # Invariants
//! - No input panics, loops for ever or fills the memory: depth, macro expansion, inlining and the
//!   number of errors are bounded, and what exceeds a bound is a diagnostic.
//! - A program that compiles passes the verifier of the IR; what cannot be translated exactly is refused
//!   ([`codes::UNSUPPORTED`]), never left out.
//! - [`printer`] and [`parser`] are inverse: printed text parses to the same tree.
//! - The same text and options give the same program, names and order included.

pub mod ast;
pub mod check;
pub mod codes;
pub mod diag;
mod elab;
pub mod embedded;
mod extern_model;
pub mod lexer;
pub mod library;
pub mod options;
pub mod parser;
pub mod pp;
pub mod printer;
mod similar;
pub mod span;
pub mod typed;

use std::io::Read;
use std::path::Path;

pub use diag::{Diagnostic, Severity, render_all, to_json};
pub use library::{LibraryNf, library};
pub use options::Options;
pub use span::{FileId, Location, SourceMap, Span};
pub use trisect_ir::bridge::Bridge;

/// Largest source file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 26;

/// Reads and parses a P4 file with everything it includes.
///
/// The program is `None` only if the file cannot be read; otherwise it holds what could be parsed,
/// also when some of the diagnostics are errors.
#[must_use]
pub fn parse_file(
    path: &Path,
    options: &Options,
) -> (Option<ast::Program>, SourceMap, Vec<Diagnostic>) {
    match read_source(path) {
        Ok(text) => parse_str(&path.to_string_lossy(), &text, options),
        Err(reason) => {
            let mut sources = SourceMap::default();
            let file = sources.add(path.to_string_lossy(), "");
            let diagnostic = Diagnostic::error(
                codes::INCLUDE,
                Span::new(file, 0, 0),
                format!("cannot read `{}`: {reason}", path.display()),
            );
            (None, sources, vec![diagnostic])
        }
    }
}

/// Parses P4 text; `name` is what messages call it, and includes with quotes are looked up beside it.
#[must_use]
pub fn parse_str(
    name: &str,
    text: &str,
    options: &Options,
) -> (Option<ast::Program>, SourceMap, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let mut diagnostics = Vec::new();
    let tokens = pp::preprocess(name, text, options, &mut sources, &mut diagnostics);
    let before = diagnostics.len();
    let file_missing = diagnostics.iter().any(|d| d.code == codes::INCLUDE);
    let mut program = parser::parse(&tokens, options.max_errors, &mut diagnostics);
    if let Some((model, _)) = &options.extern_model
        && !diagnostics.iter().any(Diagnostic::is_error)
    {
        extern_model::put_in(&mut program, model, &sources, &mut diagnostics);
    }
    if file_missing {
        // Without the declarations of a missing file, what uses them cannot be told from a mistake.
        diagnostics.truncate(before);
    }
    (Some(program), sources, diagnostics)
}

/// Reads a P4 file and checks it: see [`check::check`].
///
/// The program is `None` if the file cannot be read or has syntax errors; otherwise it holds what could be made
/// of it, also when some of the diagnostics are errors.
#[must_use]
pub fn check_file(
    path: &Path,
    options: &Options,
) -> (Option<typed::Program>, SourceMap, Vec<Diagnostic>) {
    let (tree, sources, diagnostics) = parse_file(path, options);
    let (program, diagnostics) = check_tree(tree, options, diagnostics);
    (program, sources, diagnostics)
}

/// As [`check_file`] for P4 text; `name` is as in [`parse_str`].
#[must_use]
pub fn check_str(
    name: &str,
    text: &str,
    options: &Options,
) -> (Option<typed::Program>, SourceMap, Vec<Diagnostic>) {
    let (tree, sources, diagnostics) = parse_str(name, text, options);
    let (program, diagnostics) = check_tree(tree, options, diagnostics);
    (program, sources, diagnostics)
}

fn check_tree(
    tree: Option<ast::Program>,
    options: &Options,
    mut diagnostics: Vec<Diagnostic>,
) -> (Option<typed::Program>, Vec<Diagnostic>) {
    // Checking a tree with holes would only report what follows from the errors already found.
    let Some(tree) = tree.filter(|_| !diagnostics.iter().any(Diagnostic::is_error)) else {
        return (None, diagnostics);
    };
    let (program, found) = check::check_at_most(&tree, options.max_errors);
    diagnostics.extend(found);
    (Some(program), diagnostics)
}

/// Compiles a P4 file to a program of the IR that is one pass over a packet. The program is named after the file.
///
/// # Errors
/// All diagnostics found; at least one is an error. Programs that only have warnings compile; who wants to show these
/// takes [`compile_passes_file`]. A v1model program that copies or resends packets ([`codes::REPLICATION`]) is more
/// than one pass, which also only that function gives.
pub fn compile_file(path: &Path, options: &Options) -> Result<trisect_ir::Program, Findings> {
    compile_passes_file(path, options)?.single_pass(&path.to_string_lossy())
}

/// Compiles P4 text as [`compile_file`] a file; `name` is what messages call it, and its stem names the program.
///
/// # Errors
/// As [`compile_file`].
pub fn compile_str(
    name: &str,
    text: &str,
    options: &Options,
) -> Result<trisect_ir::Program, Findings> {
    compile_passes_str(name, text, options)?.single_pass(name)
}

/// Compiles a P4 file to the IR, also if it takes several passes over a packet.
///
/// # Errors
/// All diagnostics found; at least one is an error.
pub fn compile_passes_file(path: &Path, options: &Options) -> Result<Compiled, Findings> {
    let (tree, sources, diagnostics) = parse_file(path, options);
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    compile(
        &name.unwrap_or_default(),
        tree,
        &sources,
        diagnostics,
        options,
    )
}

/// Compiles P4 text as [`compile_passes_file`] a file; `name` is as in [`compile_str`].
///
/// # Errors
/// As [`compile_passes_file`].
pub fn compile_passes_str(name: &str, text: &str, options: &Options) -> Result<Compiled, Findings> {
    let (tree, sources, diagnostics) = parse_str(name, text, options);
    let stem = Path::new(name).file_stem().map(|s| s.to_string_lossy());
    compile(
        &stem.unwrap_or_default(),
        tree,
        &sources,
        diagnostics,
        options,
    )
}

/// Diagnostics in the form that all readers of text share.
pub type Findings = Vec<trisect_ir::diag::Diagnostic>;

/// A program in the IR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The program.
    pub program: trisect_ir::Program,
    /// Set for v1model programs that clone, resubmit, recirculate, multicast or truncate packets: the program
    /// is then run pass by pass, with a traffic manager in between ([`trisect_ir::bridge`]).
    pub bridge: Option<Bridge>,
    /// The value sets of its parser; they have no members yet.
    pub value_sets: trisect_ir::ValueSets,
    /// What is worth knowing about the program.
    pub warnings: Findings,
}

impl Compiled {
    /// The program, if it is one pass over a packet; `file` is what messages call it.
    ///
    /// # Errors
    /// [`codes::REPLICATION`], behind the warnings.
    pub fn single_pass(mut self, file: &str) -> Result<trisect_ir::Program, Findings> {
        if self.bridge.is_none() {
            return Ok(self.program);
        }
        let mut sources = SourceMap::default();
        let file = sources.add(file, "");
        let diagnostic = Diagnostic::error(
            codes::REPLICATION,
            Span::new(file, 0, 0),
            format!("`{}` copies packets or sends them again", self.program.name),
        )
        .with_note(
            "clone, multicast, resubmit, recirculate and truncate need a traffic manager, which only a switch has",
        )
        .with_help("run it by itself (trisect p4 run), or whole on the switch of a rack (trisect run --p4)");
        self.warnings.push(diagnostic.to_common(&sources));
        Err(self.warnings)
    }
}

fn compile(
    name: &str,
    tree: Option<ast::Program>,
    sources: &SourceMap,
    diagnostics: Vec<Diagnostic>,
    options: &Options,
) -> Result<Compiled, Findings> {
    let (tree, mut diagnostics) = check_tree(tree, options, diagnostics);
    let mut made = None;
    if let Some(tree) = tree.filter(|_| !diagnostics.iter().any(Diagnostic::is_error)) {
        let (compiled, found) = elab::elaborate(&tree, sources, name);
        made = compiled;
        diagnostics.extend(found);
    }
    let findings = diagnostics.iter().map(|d| d.to_common(sources)).collect();
    match made {
        Some(compiled) => Ok(Compiled {
            warnings: findings,
            ..compiled
        }),
        None => Err(findings),
    }
}

/// The text of a file. Bytes that are no UTF-8 (they can only be in comments and strings of a valid
/// program) become replacement characters.
fn read_source(path: &Path) -> Result<String, std::io::Error> {
    // A device or pipe may have no size that is known, and no end.
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("the file has more than {MAX_FILE_BYTES} bytes, which are the limit");
        return Err(std::io::Error::other(message));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
