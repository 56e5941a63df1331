//! `#include`: finding and opening files.

use std::path::Path;
use std::rc::Rc;

use super::macros::PpToken;
use super::{MAX_INCLUDE_DEPTH, MAX_INCLUDES, Preprocessor};
use crate::codes;
use crate::diag::Diagnostic;
use crate::embedded;
use crate::lexer::Lexer;
use crate::span::{EMBEDDED_PREFIX, Span};

impl Preprocessor<'_> {
    /// Acts on `#include` with the rest of its line, in which macros are expanded if it names no file as it
    /// stands.
    pub(super) fn include_line(&mut self, line: &str, span: Span) {
        let line = strip_comment(line).trim();
        if let Some((path, quoted)) = file_name(line) {
            return self.include(path, quoted, span);
        }
        let mut lexer = Lexer::new(span.file, line, 0);
        let mut tokens = self.rest_of_line(&mut lexer);
        tokens.iter_mut().for_each(|token| token.span = span);
        let expanded = self.expand_list(tokens.into_iter().map(PpToken::plain).collect(), span);
        let words = expanded.iter().map(|token| token.token.tok.text());
        match file_name(&words.collect::<String>()) {
            Some((path, quoted)) => self.include(path, quoted, span),
            None => self.diagnostics.push(
                Diagnostic::error(codes::DIRECTIVE, span, "`#include` needs a file name")
                    .with_help("write `#include \"file.p4\"` or `#include <file.p4>`"),
            ),
        }
    }

    fn include(&mut self, path: &str, quoted: bool, span: Span) {
        self.includes += 1;
        if self.files.len() >= MAX_INCLUDE_DEPTH || self.includes > MAX_INCLUDES {
            return self.stop(span, "includes go too deep; does a file include itself?");
        }
        match self.find(path, quoted) {
            Ok((name, text)) => self.open(name, text),
            Err(tried) => {
                let mut diagnostic = Diagnostic::error(
                    codes::INCLUDE,
                    span,
                    format!("include file `{path}` was not found"),
                );
                for place in tried {
                    diagnostic = diagnostic.with_note(place);
                }
                self.diagnostics.push(
                    diagnostic.with_help("check the name, or add its folder to the include path"),
                );
            }
        }
    }

    /// Name and text of the included file, or the places that were looked at.
    fn find(&self, path: &str, quoted: bool) -> Result<(String, Rc<str>), Vec<String>> {
        let mut tried = Vec::new();
        let includer = self.files.last().map_or("", |file| file.name.as_str());
        let folder = includer.rsplit_once('/').map_or("", |(folder, _)| folder);
        if quoted {
            if let Some(folder) = includer.strip_prefix(EMBEDDED_PREFIX) {
                let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
                if let Some(found) = find_embedded(&join(folder, path)) {
                    return Ok(found);
                }
            } else {
                let candidate = join(folder, path);
                if let Some(found) = self.find_given(&candidate) {
                    return Ok(found);
                }
                if let Some(found) = read(Path::new(&candidate), &mut tried) {
                    return Ok(found);
                }
            }
        }
        for dir in &self.options.include_dirs {
            if let Some(found) = read(&dir.join(path), &mut tried) {
                return Ok(found);
            }
        }
        if let Some(found) = self.find_given(&join("", path)) {
            return Ok(found);
        }
        if self.options.embedded {
            if let Some(found) = find_embedded(&join("", path)) {
                return Ok(found);
            }
            tried.push("it is not among the files that come with Trisect".to_owned());
        }
        Err(tried)
    }

    fn find_given(&self, path: &str) -> Option<(String, Rc<str>)> {
        let text = self.options.files.get(path)?;
        Some((path.to_owned(), Rc::from(text.as_str())))
    }
}

/// The path in `"path"` or `<path>`, and whether it is in quotes.
fn file_name(line: &str) -> Option<(&str, bool)> {
    let between = |open, close| line.strip_prefix(open)?.strip_suffix(close);
    let quoted = between('"', '"').map(|path| (path, true));
    quoted.or_else(|| between('<', '>').map(|path| (path, false)))
}

fn find_embedded(path: &str) -> Option<(String, Rc<str>)> {
    Some((
        format!("{EMBEDDED_PREFIX}{path}"),
        Rc::from(embedded::find(path)?),
    ))
}

fn read(path: &Path, tried: &mut Vec<String>) -> Option<(String, Rc<str>)> {
    match crate::read_source(path) {
        Ok(text) => Some((path.to_string_lossy().into_owned(), Rc::from(text))),
        Err(reason) => {
            tried.push(format!("`{}`: {reason}", path.display()));
            None
        }
    }
}

/// `folder/path` with `.` and `..` resolved by name.
fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "." => {}
            // An absolute folder begins with an empty part, which stays.
            "" if !parts.is_empty() || !folder.starts_with('/') => {}
            ".." if parts
                .last()
                .is_some_and(|last| !last.is_empty() && *last != "..") =>
            {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn strip_comment(line: &str) -> &str {
    let end = line.find("//").into_iter().chain(line.find("/*")).min();
    // A path may hold `//` between its quotes; only what follows the closing one is a comment.
    let close = line.find(['"', '<']).and_then(|open| {
        let after = open + 1;
        line.get(after..)?
            .find(['"', '>'])
            .map(|len| after + len + 1)
    });
    match (end, close) {
        (Some(end), Some(close)) if end < close => line.get(..close).unwrap_or(line),
        (Some(end), _) => line.get(..end).unwrap_or(line),
        (None, _) => line,
    }
}
