//! Patterns files: one payload pattern per line.
//!
//! ```text
//! # A line is the pattern itself, without blanks at its ends ...
//! /etc/passwd
//! # ... or a string in double quotes with escapes: \xNN \n \r \t \0 \\ \"
//! "\x90\x90\x90\x90 "      # only here a comment may follow
//! ```
//!
//! The order counts: a search reports the first pattern of the file that occurs.

use std::collections::BTreeMap;

use trisect_ir::diag::{Diagnostic, Span};

use crate::codes;

/// Reads a patterns file. `file` names the text in diagnostics.
///
/// # Errors
/// One diagnostic per line that is no pattern, is empty, or was given before.
pub fn parse_patterns(text: &str, file: &str) -> Result<Vec<Vec<u8>>, Vec<Diagnostic>> {
    let mut patterns = Vec::new();
    let mut found = Vec::new();
    let mut seen: BTreeMap<Vec<u8>, Span> = BTreeMap::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset + line.len() - line.trim_start().len();
        offset += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let span = Span::new(start, start + line.len());
        let refuse = |message: String| Diagnostic::error(codes::PATTERNS, file, span, message);
        match pattern(line) {
            Err(message) => {
                let help = "write the bytes in double quotes, such as \"GET\\x20/\"";
                found.push(refuse(message).help(help));
            }
            Ok(bytes) => match seen.insert(bytes.clone(), span) {
                Some(first) => {
                    let message = "this pattern was given before".to_string();
                    found.push(
                        refuse(message)
                            .related(first, "first")
                            .help("remove one of the two"),
                    );
                }
                None => patterns.push(bytes),
            },
        }
    }
    if found.is_empty() {
        Ok(patterns)
    } else {
        Err(found)
    }
}

fn pattern(line: &str) -> Result<Vec<u8>, String> {
    let Some(quoted) = line.strip_prefix('"') else {
        return Ok(line.as_bytes().to_vec());
    };
    let mut chars = quoted.chars();
    let mut bytes = Vec::new();
    loop {
        match chars.next().ok_or("the string does not end on its line")? {
            '"' => break,
            '\\' => bytes.push(escape(&mut chars)?),
            other => {
                let mut buffer = [0; 4];
                bytes.extend(other.encode_utf8(&mut buffer).bytes());
            }
        }
    }
    let rest = chars.as_str().trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(format!("unexpected text behind the string: {rest}"));
    }
    if bytes.is_empty() {
        return Err("an empty pattern would match everything".to_string());
    }
    Ok(bytes)
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<u8, String> {
    let bad = || "unknown escape; known are \\xNN \\n \\r \\t \\0 \\\\ \\\"".to_string();
    match chars.next().ok_or_else(bad)? {
        'n' => Ok(b'\n'),
        'r' => Ok(b'\r'),
        't' => Ok(b'\t'),
        '0' => Ok(0),
        '\\' => Ok(b'\\'),
        '"' => Ok(b'"'),
        'x' => {
            let mut digit = || chars.next().and_then(|c| c.to_digit(16)).ok_or_else(bad);
            Ok((digit()? << 4 | digit()?) as u8)
        }
        _ => Err(bad()),
    }
}
