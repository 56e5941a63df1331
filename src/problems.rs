//! What was found wrong with a user's input, with the texts that it was found in.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use trisect_ir::diag::{Code, Diagnostic, Related, Severity, Span, line_column};

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
        Self { diagnostics, texts: BTreeMap::from([(file.to_owned(), text.to_owned())]) }
    }
    /// A file that could not be read, and what it was wanted for.
    pub fn unreadable(path: &std::path::Path, error: &std::io::Error, help: &str) -> Self {
        let file = path.display().to_string();
        let diagnostic =
            Diagnostic::error(CANNOT_READ, file.clone(), Span::default(), format!("cannot read {file}"))
                .reason(error.to_string())
                .help(help);
        Self { diagnostics: vec![diagnostic], texts: BTreeMap::new() }
    }
    /// The findings of the P4 front end.
    pub fn of_p4(found: &[trisect_p4::Diagnostic], sources: &trisect_p4::SourceMap) -> Self {
        let mut problems = Self::default();
        for diagnostic in found {
            let converted = problems.convert_p4(diagnostic, sources);
            problems.diagnostics.push(converted);
        }
        problems
    }

    fn convert_p4(
        &mut self,
        found: &trisect_p4::Diagnostic,
        sources: &trisect_p4::SourceMap,
    ) -> Diagnostic {
        let code = Code(found.code.trim_start_matches('E').parse().unwrap_or(0));
        let (file, span) = self.place_p4(found.span, sources);
        let mut converted = match found.severity {
            trisect_p4::Severity::Error => Diagnostic::error(code, file, span, &found.message),
            trisect_p4::Severity::Warning => Diagnostic::warning(code, file, span, &found.message),
        };
        let mut reasons: Vec<&str> = found.label.iter().map(String::as_str).collect();
        for note in &found.notes {
            match note.span {
                None => reasons.push(&note.message),
                Some(at) => {
                    let (file, span) = self.place_p4(at, sources);
                    let message = note.message.clone();
                    converted.related.push(Related { file: file.into(), span, message });
                }
            }
        }
        converted.reason = reasons.join("; ");
        converted.help = found.help.clone().unwrap_or_default();
        converted
    }

    /// Name of the file and place in it; keeps the file's text for rendering.
    fn place_p4(
        &mut self,
        span: trisect_p4::Span,
        sources: &trisect_p4::SourceMap,
    ) -> (String, Span) {
        let (name, text) = (sources.name(span.file), sources.text(span.file));
        self.texts.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        let range = span.range();
        (name.to_owned(), Span::new(range.start, range.end))
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
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
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
