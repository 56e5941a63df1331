//! The preprocessor (P4-16 specification, "Preprocessing"), working on tokens.
//!
//! `#include`, `#define` (with and without parameters, `#` and `##` in bodies), `#undef`, `#if` and
//! its relatives, `#error`, `#warning`, `#line` and line markers (`# 1 "file"`) are acted on; `#pragma` is
//! read over. Tokens that come from a macro body carry the span of the macro's use.

mod cond;
mod include;
mod macros;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Lexer, Tok, Token, unescape};
use crate::options::Options;
use crate::span::{FileId, SourceMap, Span};
use macros::{Macro, PpToken};

/// Deepest chain of includes.
const MAX_INCLUDE_DEPTH: usize = 64;
/// Most files read in one run, counting repeats.
const MAX_INCLUDES: usize = 4096;
/// Most tokens that come out, and most tokens that macros make on the way.
const MAX_TOKENS: usize = 1 << 22;
/// Most conditions of a file that are reported as not closed.
const MAX_UNCLOSED: usize = 10;
/// Most warnings that are made.
const MAX_WARNINGS: usize = 100;
/// Most bytes that are read, counting repeats.
const MAX_BYTES: usize = 1 << 28;

/// Preprocesses a text, and the model of its extern functions behind it if there is one; the result ends with
/// [`Tok::Eof`].
pub fn preprocess(
    name: &str,
    text: &str,
    options: &Options,
    sources: &mut SourceMap,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Token> {
    let mut pp = Preprocessor {
        options,
        sources,
        diagnostics,
        macros: BTreeMap::new(),
        files: Vec::new(),
        pending: Vec::new(),
        out: Vec::new(),
        opened: BTreeMap::new(),
        includes: 0,
        bytes: 0,
        expanded: 0,
        argument_depth: 0,
        warnings: 0,
        max_diagnostics: 0,
        stopped: false,
    };
    pp.max_diagnostics = pp.diagnostics.len() + options.max_errors + MAX_WARNINGS;
    pp.define_from_options();
    pp.open(name.to_owned(), Rc::from(text));
    let mut end = pp.run();
    if let Some((name, text)) = &options.extern_model
        && !pp.stopped
    {
        // Macros and include guards of the program hold here, too.
        pp.open(name.clone(), Rc::from(text.as_str()));
        end = pp.run();
    }
    let mut tokens = pp.out;
    tokens.push(Token {
        tok: Tok::Eof,
        span: end,
    });
    tokens
}

/// One `#if` group being read.
#[derive(Debug)]
struct Conditional {
    /// Where it was opened.
    span: Span,
    /// The lines of the current branch are compiled.
    active: bool,
    /// A branch was taken already.
    taken: bool,
    /// `#else` was seen.
    has_else: bool,
    /// The lines around the group are compiled.
    live: bool,
}

/// One file being read.
#[derive(Debug)]
struct OpenFile {
    id: FileId,
    name: String,
    text: Rc<str>,
    pos: usize,
    at_line_start: bool,
    conditionals: Vec<Conditional>,
}

impl OpenFile {
    /// The lines at this place are compiled.
    fn is_active(&self) -> bool {
        self.conditionals.last().is_none_or(|inner| inner.active)
    }
}

struct Preprocessor<'a> {
    options: &'a Options,
    sources: &'a mut SourceMap,
    diagnostics: &'a mut Vec<Diagnostic>,
    macros: BTreeMap<Rc<str>, Rc<Macro>>,
    files: Vec<OpenFile>,
    /// Tokens to be read again before the file goes on; the next one is last.
    pending: Vec<PpToken>,
    out: Vec<Token>,
    /// Files by name, so that one that is read again keeps its id.
    opened: BTreeMap<String, FileId>,
    includes: usize,
    bytes: usize,
    /// Tokens that macros have made.
    expanded: usize,
    argument_depth: usize,
    warnings: usize,
    /// Diagnostics, also those of the lexer, at which reading ends.
    max_diagnostics: usize,
    /// A limit was hit: read nothing more.
    stopped: bool,
}

impl Preprocessor<'_> {
    fn open(&mut self, name: String, text: Rc<str>) {
        self.bytes += text.len();
        let id = match self.opened.get(&name) {
            Some(id) => *id,
            None => self.sources.add(name.clone(), &*text),
        };
        if self.bytes > MAX_BYTES {
            return self.stop(
                Span::new(id, 0, 0),
                format!("more than {MAX_BYTES} bytes of source are read"),
            );
        }
        self.opened.insert(name.clone(), id);
        let byte_order_mark = if text.starts_with('\u{feff}') { 3 } else { 0 };
        self.files.push(OpenFile {
            id,
            name,
            text,
            pos: byte_order_mark,
            at_line_start: true,
            conditionals: Vec::new(),
        });
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.diagnostics
            .push(Diagnostic::error(code, span, message));
    }

    fn warn(&mut self, diagnostic: Diagnostic) {
        self.warnings += 1;
        if self.warnings <= MAX_WARNINGS {
            self.diagnostics.push(diagnostic);
        }
    }

    fn stop(&mut self, span: Span, message: impl Into<String>) {
        if !self.stopped {
            self.error(codes::PP_LIMIT, span, message);
        }
        self.stopped = true;
    }

    /// Reads everything; gives the place where the main file ends.
    fn run(&mut self) -> Span {
        let mut end = Span::default();
        loop {
            let token = self.next_expanded();
            if self.out.len() >= MAX_TOKENS {
                self.stop(
                    token.token.span,
                    "the program is too long after preprocessing",
                );
            }
            if self.stopped {
                return end;
            }
            if token.token.tok == Tok::Eof {
                return token.token.span;
            }
            end = token.token.span.end();
            self.out.push(token.token);
        }
    }

    /// The next token of the files, directives acted on; never a newline.
    fn next_from_files(&mut self) -> Token {
        loop {
            if self.stopped {
                return Token {
                    tok: Tok::Eof,
                    span: Span::default(),
                };
            }
            if self.diagnostics.len() >= self.max_diagnostics {
                self.too_many();
                continue;
            }
            let Some(file) = self.files.last_mut() else {
                return Token {
                    tok: Tok::Eof,
                    span: Span::default(),
                };
            };
            let text = Rc::clone(&file.text);
            let mut lexer = Lexer::new(file.id, &text, file.pos);
            if file.at_line_start {
                file.at_line_start = false;
                lexer.skip_blanks(self.diagnostics);
                let rest = text.get(lexer.pos()..).unwrap_or("");
                if rest.starts_with('#') {
                    self.directive(&mut lexer);
                    continue;
                }
            }
            if !file.is_active() {
                lexer.skip_line();
            }
            let token = lexer.next(self.diagnostics);
            file.pos = lexer.pos();
            match &token.tok {
                Tok::Newline => file.at_line_start = true,
                Tok::Eof => {
                    if self.close_file() {
                        return token;
                    }
                }
                Tok::Punct("@") => {
                    self.legacy_pragma(&mut lexer);
                    return token;
                }
                _ => return token,
            }
        }
    }

    fn too_many(&mut self) {
        let place = self.diagnostics.last().map_or(Span::default(), |d| d.span);
        self.stopped = true;
        self.diagnostics.push(
            Diagnostic::error(
                codes::TOO_MANY,
                place,
                "too many errors; the rest was not read",
            )
            .with_help("mend the first ones; many later ones may follow from them"),
        );
    }

    /// Leaves the innermost file; true if it was the main one.
    fn close_file(&mut self) -> bool {
        let Some(file) = self.files.pop() else {
            return true;
        };
        for conditional in file.conditionals.iter().rev().take(MAX_UNCLOSED) {
            self.diagnostics.push(
                Diagnostic::error(
                    codes::DIRECTIVE,
                    conditional.span,
                    "this condition is not closed",
                )
                .with_help("add `#endif`"),
            );
        }
        self.files.is_empty()
    }

    /// `@pragma name tokens <newline>` is an older way to write `@name(tokens)`: after the `@`, queues
    /// what the new way would read.
    fn legacy_pragma(&mut self, lexer: &mut Lexer<'_>) {
        let mut ignored = Vec::new();
        let is_pragma =
            matches!(lexer.next(&mut ignored).tok, Tok::Word(word) if &*word == "pragma");
        if !is_pragma {
            return;
        }
        let mut line = self.rest_of_line(lexer);
        if let Some(file) = self.files.last_mut() {
            file.pos = lexer.pos();
            file.at_line_start = true;
        }
        let Some(name) = line.first().cloned() else {
            return;
        };
        let end = line.last().map_or(name.span, |token| token.span).end();
        line.insert(
            1,
            Token {
                tok: Tok::Punct("("),
                span: name.span.end(),
            },
        );
        line.push(Token {
            tok: Tok::Punct(")"),
            span: end,
        });
        self.pending
            .extend(line.into_iter().rev().map(PpToken::plain));
    }

    /// The tokens up to the end of the line, which is consumed.
    fn rest_of_line(&mut self, lexer: &mut Lexer<'_>) -> Vec<Token> {
        let mut tokens = Vec::new();
        loop {
            let token = lexer.next(self.diagnostics);
            match token.tok {
                Tok::Newline | Tok::Eof => return tokens,
                _ => tokens.push(token),
            }
        }
    }

    /// Acts on the directive whose `#` the lexer stands before.
    fn directive(&mut self, lexer: &mut Lexer<'_>) {
        let hash = lexer.next(self.diagnostics);
        let active = self.files.last().is_some_and(OpenFile::is_active);
        let name = lexer.next(self.diagnostics);
        let word = match &name.tok {
            Tok::Word(word) => Rc::clone(word),
            // `#` alone does nothing.
            Tok::Newline | Tok::Eof => return self.end_directive(lexer.pos()),
            // A line marker left by another preprocessor.
            Tok::Int(_) if active => {
                let mut tokens = vec![name.clone()];
                tokens.extend(self.rest_of_line(lexer));
                self.line(hash.span.to(name.span), &tokens, lexer.pos());
                return self.end_directive(lexer.pos());
            }
            _ => Rc::from(""),
        };
        let span = hash.span.to(name.span);
        match &*word {
            "if" | "ifdef" | "ifndef" | "elif" | "else" | "endif" => {
                let tokens = self.rest_of_line(lexer);
                self.conditional(&word, span, &tokens);
            }
            _ if !active => {
                lexer.skip_line();
            }
            "define" => {
                let tokens = self.define_line(lexer);
                self.define(span, tokens);
            }
            "undef" => {
                let tokens = self.rest_of_line(lexer);
                self.undef(span, &tokens);
            }
            "include" => {
                let (line, line_span) = lexer.raw_line();
                let line = line.to_owned();
                self.end_directive(lexer.pos());
                return self.include_line(&line, line_span);
            }
            "error" => {
                let (line, _) = lexer.raw_line();
                self.error(codes::HASH_ERROR, span, format!("#error: {}", line.trim()));
            }
            "line" => {
                let tokens = self.rest_of_line(lexer);
                self.line(span, &tokens, lexer.pos());
            }
            "warning" => {
                let (line, _) = lexer.raw_line();
                let message = format!("#warning: {}", line.trim());
                self.warn(Diagnostic::warning(codes::HASH_ERROR, span, message));
            }
            "pragma" => {
                lexer.raw_line();
            }
            _ => {
                lexer.raw_line();
                self.diagnostics.push(
                    Diagnostic::error(codes::DIRECTIVE, span, "unknown preprocessor directive").with_help(
                        "known are include, define, undef, if, ifdef, ifndef, elif, else, endif, error, warning, line, pragma",
                    ),
                );
            }
        }
        self.end_directive(lexer.pos());
    }

    fn end_directive(&mut self, pos: usize) {
        if let Some(file) = self.files.last_mut() {
            file.pos = pos;
            file.at_line_start = true;
        }
    }

    fn conditional(&mut self, word: &str, span: Span, tokens: &[Token]) {
        match word {
            "if" | "ifdef" | "ifndef" => {
                let live = self.files.last().is_some_and(OpenFile::is_active);
                let value = live && self.condition(word, span, tokens);
                if let Some(file) = self.files.last_mut() {
                    file.conditionals.push(Conditional {
                        span,
                        active: value,
                        taken: value,
                        has_else: false,
                        live,
                    });
                }
            }
            "elif" | "else" => self.alternative(word, span, tokens),
            _ => {
                let group = self
                    .files
                    .last_mut()
                    .and_then(|file| file.conditionals.pop());
                if group.is_none() {
                    self.error(codes::DIRECTIVE, span, "`#endif` without `#if`");
                }
            }
        }
    }

    /// `#elif` and `#else`.
    fn alternative(&mut self, word: &str, span: Span, tokens: &[Token]) {
        let innermost = self.files.last().and_then(|file| file.conditionals.last());
        let Some((live, taken, has_else)) = innermost.map(|c| (c.live, c.taken, c.has_else)) else {
            return self.error(codes::DIRECTIVE, span, format!("`#{word}` without `#if`"));
        };
        if has_else {
            self.error(codes::DIRECTIVE, span, format!("`#{word}` after `#else`"));
        }
        let value = live && !taken && (word == "else" || self.condition("if", span, tokens));
        let innermost = self
            .files
            .last_mut()
            .and_then(|file| file.conditionals.last_mut());
        if let Some(group) = innermost {
            group.active = value;
            group.taken |= value;
            group.has_else |= word == "else";
        }
    }

    fn condition(&mut self, word: &str, span: Span, tokens: &[Token]) -> bool {
        if word == "if" {
            return self.evaluate(span, tokens);
        }
        match tokens.first().map(|token| &token.tok) {
            Some(Tok::Word(name)) => self.is_defined(name) == (word == "ifdef"),
            _ => {
                self.error(codes::DIRECTIVE, span, format!("`#{word}` needs a name"));
                false
            }
        }
    }

    fn line(&mut self, span: Span, tokens: &[Token], next_line: usize) {
        let number = match tokens.first().map(|token| &token.tok) {
            // As in C, a line number fits in 31 bits.
            Some(Tok::Int(text)) => text.parse::<i32>().ok(),
            _ => None,
        };
        let number = number.and_then(|number| usize::try_from(number).ok());
        let Some(number) = number else {
            return self.error(
                codes::DIRECTIVE,
                span,
                "`#line` needs a line number below 2147483648",
            );
        };
        let name = match tokens.get(1).map(|token| &token.tok) {
            Some(Tok::Str(name)) => Some(unescape(name)),
            _ => None,
        };
        if let Some(file) = self.files.last() {
            self.sources.mark_line(file.id, next_line, number, name);
        }
    }
}
