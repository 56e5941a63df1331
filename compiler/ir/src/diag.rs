//! Diagnostics: what every reader of text (policy, P4, TOML, entries, IR) answers with.
//!
//! A diagnostic says *what* is wrong, *where*, *why* and the *way out*. Codes are stable: a page
//! per code explains it (`trisect explain E0201`). Ranges of codes:
//!
//! | range       | who                                             |
//! |-------------|-------------------------------------------------|
//! | E0001–E0099 | IR text and verifier                            |
//! | E0100–E0199 | P4 front end                                    |
//! | E0200–E0299 | policy, filters, entries, NF and rack descriptions |
//! | E0300–E0399 | plan                                            |
//! | E0400–E0499 | targets                                         |
//! | E0500–E0549 | ports and rack                                  |
//! | E0550–E0599 | packet tests                                    |

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A stable diagnostic number, shown as `E0123`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{:04}", self.0)
    }
}

/// A half-open range of byte offsets into one source text.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset one past the last byte.
    pub end: u32,
}

impl Span {
    /// The span `start..end`; offsets beyond 4 GiB saturate, an `end` before `start` gives an
    /// empty span.
    pub fn new(start: usize, end: usize) -> Span {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX).max(start);
        Span { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The text under the span, empty where the span does not fit the text.
    pub fn text(self, source: &str) -> &str {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or("")
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The input is taken, but probably does not mean what its author thinks.
    Warning,
}

/// A second place that belongs to a diagnostic, such as an earlier definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Name of the file.
    pub file: Arc<str>,
    /// Place in it.
    pub span: Span,
    /// What is to be seen there.
    pub message: String,
}

/// One finding about one place of one input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable number.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// Name of the file, as the user gave it.
    pub file: Arc<str>,
    /// Place in it.
    pub span: Span,
    /// What is wrong, one sentence without a final stop.
    pub message: String,
    /// Why it is wrong; empty if the message says it already.
    pub reason: String,
    /// The way out; empty if none is known.
    pub help: String,
    /// Further places.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// An error with a place and a message.
    pub fn error(
        code: Code,
        file: impl Into<Arc<str>>,
        span: Span,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            file: file.into(),
            span,
            message: message.into(),
            reason: String::new(),
            help: String::new(),
            related: Vec::new(),
        }
    }

    /// A warning with a place and a message.
    pub fn warning(
        code: Code,
        file: impl Into<Arc<str>>,
        span: Span,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, file, span, message)
        }
    }

    /// Adds why it is wrong.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Diagnostic {
        self.reason = reason.into();
        self
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = help.into();
        self
    }

    /// Adds a second place in the same file.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Diagnostic {
        let file = self.file.clone();
        self.related.push(Related {
            file,
            span,
            message: message.into(),
        });
        self
    }

    /// The diagnostic as text with the source line under it; `source` is the text of `self.file`.
    /// Related places of other files are shown by name only.
    pub fn render(&self, source: &str) -> String {
        use fmt::Write;
        let mut out = String::new();
        let kind = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{kind}[{}]: {}", self.code, self.message);
        excerpt(&mut out, &self.file, source, self.span, "");
        for related in &self.related {
            if related.file == self.file {
                excerpt(
                    &mut out,
                    &related.file,
                    source,
                    related.span,
                    &related.message,
                );
            } else {
                let _ = writeln!(out, "  --> {}: {}", related.file, related.message);
            }
        }
        if !self.reason.is_empty() {
            let _ = writeln!(out, "  why: {}", self.reason);
        }
        if !self.help.is_empty() {
            let _ = writeln!(out, "  way out: {}", self.help);
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    /// One line without the source; use [`Diagnostic::render`] where the source is at hand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// Line and column of a byte offset, both counted from 1; the column counts characters.
pub fn line_column(source: &str, offset: u32) -> (usize, usize) {
    let mut end = (offset as usize).min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = &source[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

fn excerpt(out: &mut String, file: &str, source: &str, span: Span, label: &str) {
    use fmt::Write;
    let (line, column) = line_column(source, span.start);
    let text = source.lines().nth(line - 1).unwrap_or("");
    let rest = text.chars().count().saturating_sub(column - 1).max(1);
    let length = span
        .text(source)
        .chars()
        .take_while(|&c| c != '\n')
        .count()
        .clamp(1, rest);
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    // Tabs are kept in the marker line, so that the marker stands under its text.
    let indent: String = text
        .chars()
        .take(column - 1)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let _ = writeln!(out, "{gutter}--> {file}:{line}:{column}");
    let _ = writeln!(out, "{number} | {text}");
    let _ = writeln!(out, "{gutter} | {indent}{} {label}", "^".repeat(length));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_the_line_with_a_marker_under_the_span() {
        let source = "first\nnf fw = frewall\n";
        let text = Diagnostic::error(Code(201), "a.policy", Span::new(14, 21), "unknown NF")
            .reason("no such file")
            .help("write firewall")
            .render(source);
        assert!(text.starts_with("error[E0201]: unknown NF\n"), "{text}");
        assert!(text.contains(" --> a.policy:2:9\n"), "{text}");
        assert!(text.contains("2 | nf fw = frewall\n"), "{text}");
        assert!(text.contains("  |         ^^^^^^^"), "{text}");
        assert!(text.contains("why: no such file"), "{text}");
    }

    #[test]
    fn offsets_outside_the_text_do_not_panic() {
        let text = Diagnostic::error(Code(1), "x", Span::new(90, 100), "m").render("é");
        assert!(text.contains("x:1:2"), "{text}");
        assert_eq!(
            line_column("é\nb", 1),
            (1, 1),
            "inside a character counts as its start"
        );
    }
}
