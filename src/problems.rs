//! What was found wrong with a user's input, with the texts that it was found in.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use trisect_ir::diag::{Code, Diagnostic, Severity, Span, line_column};

/// A file could not be read.
pub const CANNOT_READ: Code = Code(500);

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
    file: &'a str,
    line: usize,
    column: usize,
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
    /// One diagnostic that no text belongs to.
    pub fn plain(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostics: vec![diagnostic],
            texts: BTreeMap::new(),
        }
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
                let text = self.texts.get(&*d.file).map_or("", String::as_str);
                let (line, column) = line_column(text, d.span.start);
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
                None => writeln!(f, "error[{}]: {}", diagnostic.code, plain(diagnostic))?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn plain(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    for (label, part) in [("why", &diagnostic.reason), ("way out", &diagnostic.help)] {
        if !part.is_empty() {
            text.push_str(&format!("\n  {label}: {part}"));
        }
    }
    text
}
