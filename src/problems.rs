//! What was found wrong with a user's input, with the texts that it was found in.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trisect_ir::diag::{Code, Diagnostic, Severity, Span, line_column};
use trisect_plan::error::PlanError;
use trisect_target::LowerError;

use crate::artifacts::ArtifactError;
use crate::run::RunError;

/// A file could not be read.
pub const CANNOT_READ: Code = Code(500);
/// A file or folder could not be written.
pub const CANNOT_WRITE: Code = Code(504);
/// A file that should hold a plan does not.
pub const NOT_A_PLAN: Code = Code(505);
/// The command line names a node, target, network function or code that there is not.
pub const NO_SUCH_NAME: Code = Code(506);
/// A device of the embedded rack cannot be set up, or failed.
pub const RACK_FAILED: Code = Code(507);

/// The command line asks for two things that do not go together.
pub const CONTRADICTION: Code = Code(508);

/// Diagnostics of one or several files, with their texts.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    diagnostics: Vec<Diagnostic>,
    texts: BTreeMap<String, String>,
}

/// One diagnostic as programs want it: places as line and column, both from 1.
#[derive(Debug, Serialize)]
struct Row<'a> {
    code: String,
    severity: Severity,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    /// Of what lies in a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    help: &'a str,
}

impl Problems {
    /// Diagnostics that all lie in one text.
    pub fn of(diagnostics: Vec<Diagnostic>, file: &str, text: &str) -> Self {
        Self {
            diagnostics,
            texts: BTreeMap::from([(file.to_owned(), text.to_owned())]),
        }
    }
    /// Diagnostics of files, which are read for the lines that they point to.
    pub fn in_files(diagnostics: Vec<Diagnostic>) -> Self {
        let files: BTreeSet<&str> = diagnostics.iter().map(|d| &*d.file).collect();
        let texts = files.into_iter().filter_map(|file| {
            let bytes = std::fs::read(file).ok()?;
            Some((
                file.to_owned(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ))
        });
        Self {
            texts: texts.collect(),
            diagnostics,
        }
    }
    /// One diagnostic that no text belongs to.
    pub fn plain(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostics: vec![diagnostic],
            texts: BTreeMap::new(),
        }
    }
    /// One error that belongs to no file.
    pub fn error(
        code: Code,
        message: impl Into<String>,
        reason: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let found = Diagnostic::error(code, "", Span::default(), message);
        Self::plain(found.reason(reason).help(help))
    }
    /// A file or folder that could not be written.
    pub fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("cannot write {}", path.display());
        let help = "choose a folder that you may write to, on a disk with room";
        Self::error(CANNOT_WRITE, message, error.to_string(), help)
    }
    /// A file that could not be read, and what it was wanted for.
    pub fn unreadable(path: &std::path::Path, error: &std::io::Error, help: &str) -> Self {
        let file = path.display().to_string();
        let diagnostic = Diagnostic::error(
            CANNOT_READ,
            file.clone(),
            Span::default(),
            format!("cannot read {file}"),
        )
        .reason(error.to_string())
        .help(help);
        Self {
            diagnostics: vec![diagnostic],
            texts: BTreeMap::new(),
        }
    }
    /// Adds all of the other's.
    pub fn extend(&mut self, other: Problems) {
        self.diagnostics.extend(other.diagnostics);
        self.texts.extend(other.texts);
    }
    /// The diagnostics, in the order found.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }
    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
    /// For programs: a JSON array.
    pub fn to_json(&self) -> serde_json::Value {
        let rows: Vec<Row<'_>> = self
            .diagnostics
            .iter()
            .map(|d| {
                let text = self.texts.get(&*d.file);
                let (line, column) = text.map(|t| line_column(t, d.span.start)).unzip();
                Row {
                    code: d.code.to_string(),
                    severity: d.severity,
                    file: &d.file,
                    line,
                    column,
                    message: &d.message,
                    reason: &d.reason,
                    help: &d.help,
                }
            })
            .collect();
        serde_json::json!(rows)
    }
}

impl fmt::Display for Problems {
    /// Each with its source line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.diagnostics {
            match self.texts.get(&*diagnostic.file) {
                Some(text) => f.write_str(&diagnostic.render(text))?,
                None => {
                    let kind = match diagnostic.severity {
                        Severity::Error => "error",
                        Severity::Warning => "warning",
                    };
                    writeln!(f, "{kind}[{}]: {}", diagnostic.code, plain(diagnostic))?;
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<PlanError> for Problems {
    fn from(error: PlanError) -> Self {
        Self::error(error.code(), error.to_string(), "", error.help())
    }
}

impl From<ArtifactError> for Problems {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Rack(error) => error.into(),
            ArtifactError::Lower { device, error } => match *error {
                LowerError::Refused { node, refusal } => {
                    let node = if node.is_empty() { "its piece" } else { &node };
                    let message = format!("{device} cannot run {node}: {}", refusal.operation);
                    Self::error(refusal.code, message, refusal.capability, refusal.hint)
                }
                fault => Self::error(RACK_FAILED, format!("{device}: {fault}"), "", REPORT),
            },
        }
    }
}

impl From<RunError> for Problems {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Artifacts(error) => error.into(),
            RunError::Spec(error) => {
                let help = "the embedded rack has one switch, and servers with one linked NIC each";
                Self::error(RACK_FAILED, error.to_string(), "", help)
            }
            other => Self::error(RACK_FAILED, other.to_string(), "", REPORT),
        }
    }
}

/// The way out of what is not the user's fault.
pub const REPORT: &str =
    "this is a fault of the compiler; please report it with the policy and rack files";

fn plain(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    for (label, part) in [("why", &diagnostic.reason), ("way out", &diagnostic.help)] {
        if !part.is_empty() {
            text.push_str(&format!("\n  {label}: {part}"));
        }
    }
    text
}
