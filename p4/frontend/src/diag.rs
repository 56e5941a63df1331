//! Diagnostics: what is wrong, where, why, and a way out.

use std::fmt::Write as _;

use codespan_reporting::diagnostic as report;
use codespan_reporting::term;
use serde::Serialize;
use serde_json::{Value, json};
use trisect_ir::diag as common;

use crate::span::{Shown, SourceMap, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the program is still used.
    Warning,
    /// The program cannot be used.
    Error,
}

/// An addition to a diagnostic, with the place it speaks of if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The text.
    pub message: String,
    /// The place.
    pub span: Option<Span>,
}

/// One finding of the front end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, e.g. `E0101`; see [`crate::codes`].
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Text beside the marked place, if it says more than the message.
    pub label: Option<String>,
    /// Related places and reasons.
    pub notes: Vec<Note>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with this code at this place.
    #[must_use]
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: None,
            notes: Vec::new(),
            help: None,
        }
    }

    /// A warning with this code at this place.
    #[must_use]
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// Sets the text beside the marked place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds a reason without a place.
    #[must_use]
    pub fn with_note(mut self, message: impl Into<String>) -> Self {
        self.notes.push(Note {
            message: message.into(),
            span: None,
        });
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn with_note_at(mut self, span: Span, message: impl Into<String>) -> Self {
        self.notes.push(Note {
            message: message.into(),
            span: Some(span),
        });
        self
    }

    /// Sets the way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether this is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The diagnostic as text with the source lines it speaks of, without colours.
    #[must_use]
    pub fn render(&self, sources: &SourceMap) -> String {
        let severity = match self.severity {
            Severity::Warning => report::Severity::Warning,
            Severity::Error => report::Severity::Error,
        };
        let place = |span: Span| (span.file, sources.shown_name(span));
        let primary = report::Label::primary(place(self.span), self.span.range())
            .with_message(self.label.clone().unwrap_or_default());
        let related = self.notes.iter().filter_map(|note| {
            let span = note.span?;
            Some(report::Label::secondary(place(span), span.range()).with_message(&note.message))
        });
        let plain = self.notes.iter().filter(|note| note.span.is_none());
        let notes = plain.map(|note| format!("note: {}", note.message));
        let help = self.help.iter().map(|help| format!("help: {help}"));
        let diagnostic = report::Diagnostic::new(severity)
            .with_code(self.code)
            .with_message(&self.message)
            .with_labels(std::iter::once(primary).chain(related).collect())
            .with_notes(notes.chain(help).collect());
        match term::emit_into_string(&term::Config::default(), &Shown(sources), &diagnostic) {
            Ok(text) => text,
            Err(_) => format!("{}\n", self.one_line(sources)),
        }
    }

    /// The diagnostic in the form that all readers of text share.
    #[must_use]
    pub fn to_common(&self, sources: &SourceMap) -> common::Diagnostic {
        let code = self.code.trim_start_matches('E').parse().unwrap_or(0);
        let span = |span: Span| common::Span {
            start: span.lo,
            end: span.hi,
        };
        let plain = self.notes.iter().filter(|note| note.span.is_none());
        let reasons: Vec<&str> = plain.map(|note| note.message.as_str()).collect();
        let related = self.notes.iter().filter_map(|note| {
            let place = note.span?;
            Some(common::Related {
                file: sources.name(place.file).into(),
                span: span(place),
                message: note.message.clone(),
            })
        });
        common::Diagnostic {
            code: common::Code(code),
            severity: match self.severity {
                Severity::Warning => common::Severity::Warning,
                Severity::Error => common::Severity::Error,
            },
            file: sources.name(self.span.file).into(),
            span: span(self.span),
            message: self.message.clone(),
            reason: reasons.join("; "),
            help: self.help.clone().unwrap_or_default(),
            related: related.collect(),
        }
    }

    /// `file:line:column: error[E0101]: message`.
    #[must_use]
    pub fn one_line(&self, sources: &SourceMap) -> String {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        format!(
            "{}: {word}[{}]: {}",
            sources.location(self.span),
            self.code,
            self.message
        )
    }
}

/// All diagnostics as text, in the order given.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", diagnostic.render(sources).trim_end());
    }
    out
}

/// All diagnostics for editors and other programs, in the order given: an array of objects with
///
/// | key | value |
/// |---|---|
/// | `code` | stable code, `"E0120"` |
/// | `severity` | `"error"` or `"warning"` |
/// | `message` | what is wrong, one sentence |
/// | `file` | name of the file, as `#line` has it where that is used |
/// | `start`, `end` | the place, as `{"line", "column", "offset"}`; `end` is just behind it |
/// | `label` | text for the place, or `null` |
/// | `notes` | reasons and related places: objects with `message`, and `file`, `start` and `end`, which are `null` where a note has no place |
/// | `help` | the way out, or `null` |
///
/// Lines and columns count from 1, columns in characters (Unicode scalar values); a tab is one. Offsets
/// count bytes from 0 in the text that was read, whatever `#line` says. Keys may be added, never renamed.
#[must_use]
pub fn to_json(diagnostics: &[Diagnostic], sources: &SourceMap) -> Value {
    let one = |d: &Diagnostic| {
        let mut object = json!({
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "label": d.label,
            "notes": d.notes.iter().map(|note| note_json(note, sources)).collect::<Vec<_>>(),
            "help": d.help,
        });
        add_place(&mut object, Some(d.span), sources);
        object
    };
    Value::Array(diagnostics.iter().map(one).collect())
}

fn note_json(note: &Note, sources: &SourceMap) -> Value {
    let mut object = json!({ "message": note.message });
    add_place(&mut object, note.span, sources);
    object
}

/// Adds `file`, `start` and `end`.
fn add_place(object: &mut Value, span: Option<Span>, sources: &SourceMap) {
    let position = |span: Span| {
        let at = sources.location(span);
        json!({ "line": at.line, "column": at.column, "offset": span.lo })
    };
    object["file"] = span.map(|span| sources.shown_name(span)).into();
    object["start"] = span.map(position).into();
    object["end"] = span.map(|span| position(span.end())).into();
}
