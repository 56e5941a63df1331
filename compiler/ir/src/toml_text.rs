//! Reading TOML with diagnostics that point into the text.

use crate::diag::{Code, Diagnostic, Span};
use serde::de::DeserializeOwned;

/// One step from a TOML value to a value inside it.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The value of a key of a table.
    Key(&'a str),
    /// The element of an array with this number, from 0.
    Index(usize),
}

/// Deserialises `text`.
///
/// # Errors
/// One diagnostic with this code, which points at the offending key or value.
pub fn parse<T: DeserializeOwned>(
    text: &str,
    file: &str,
    code: Code,
) -> Result<T, Vec<Diagnostic>> {
    toml::from_str(text).map_err(|error| {
        let span = error
            .span()
            .map_or(Span::default(), |range| Span::new(range.start, range.end));
        let message = error
            .message()
            .lines()
            .next()
            .unwrap_or("malformed TOML")
            .to_string();
        let help = format!("`trisect explain {code}` shows how such a file is written");
        vec![Diagnostic::error(code, file, span, message).help(help)]
    })
}

/// The place of the value at `path`, or of the longest prefix of it that exists. `text` has been
/// parsed before, so that a failure here only loses precision.
pub fn span_at(text: &str, path: &[Step<'_>]) -> Span {
    use toml::de::{DeTable, DeValue};
    let Ok(root) = DeTable::parse(text) else {
        return Span::default();
    };
    let mut span = Span::default();
    let (first, rest) = match path {
        [Step::Key(key), rest @ ..] => (*key, rest),
        _ => return span,
    };
    let Some(mut value) = root.get_ref().get(first) else {
        return span;
    };
    span = Span::new(value.span().start, value.span().end);
    for step in rest {
        let next = match (value.get_ref(), step) {
            (DeValue::Table(table), Step::Key(key)) => table.get(*key),
            (DeValue::Array(array), Step::Index(index)) => array.get(*index),
            _ => None,
        };
        let Some(next) = next else { return span };
        value = next;
        span = Span::new(value.span().start, value.span().end);
    }
    span
}
