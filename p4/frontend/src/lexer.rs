//! Text to tokens (P4-16 specification, "Lexical constructs").
//!
//! The lexer knows neither keywords nor macros: words are words. It reports newlines, because
//! preprocessor directives end with their line, and steps over comments and line continuations.

use std::rc::Rc;

use crate::codes;
use crate::diag::Diagnostic;
use crate::span::{FileId, Span};

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tok {
    /// An identifier or keyword.
    Word(Rc<str>),
    /// A number as written, e.g. `8w0xFF`.
    Int(Rc<str>),
    /// A string as written, without its quotes, escapes not resolved.
    Str(Rc<str>),
    /// Punctuation.
    Punct(&'static str),
    /// A character that belongs to no token.
    Bad(char),
    /// End of a line. Only the preprocessor sees these.
    Newline,
    /// End of the text.
    Eof,
}

impl Tok {
    /// The token as somebody would write it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Int(text) => text.to_string(),
            Self::Str(text) => format!("\"{text}\""),
            Self::Punct(text) => (*text).to_owned(),
            Self::Bad(c) => c.to_string(),
            Self::Newline | Self::Eof => String::new(),
        }
    }

    /// How messages call it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Newline => "end of line".to_owned(),
            Self::Eof => "end of file".to_owned(),
            other => format!("`{}`", other.text()),
        }
    }
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub tok: Tok,
    /// Where it stands.
    pub span: Span,
}

/// The punctuation that begins with a character, longest first, so that the first that fits is the right one.
fn punctuation(first: char) -> &'static [&'static str] {
    match first {
        '|' => &["|+|=", "|-|=", "|+|", "|-|", "||", "|=", "|"],
        '<' => &["<<=", "<<", "<=", "<"],
        '>' => &[">>=", ">>", ">=", ">"],
        '&' => &["&&&", "&&", "&=", "&"],
        '.' => &["...", "..", "."],
        '{' => &["{#}", "{"],
        '=' => &["==", "="],
        '!' => &["!=", "!"],
        '+' => &["++", "+=", "+:", "+"],
        '-' => &["-=", "-"],
        '*' => &["*=", "*"],
        '/' => &["/=", "/"],
        '%' => &["%=", "%"],
        '^' => &["^=", "^"],
        '#' => &["##", "#"],
        '~' => &["~"],
        '(' => &["("],
        ')' => &[")"],
        '[' => &["["],
        ']' => &["]"],
        '}' => &["}"],
        ':' => &[":"],
        ',' => &[","],
        '?' => &["?"],
        ';' => &[";"],
        '@' => &["@"],
        _ => &[],
    }
}

/// Reads tokens from one text.
#[derive(Debug)]
pub struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    pos: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at byte `pos` of `text`.
    #[must_use]
    pub fn new(file: FileId, text: &'a str, pos: usize) -> Self {
        Self { file, text, pos }
    }

    /// Byte offset of the next unread character.
    #[must_use]
    pub fn pos(&self) -> usize {
        self.pos
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or("")
    }

    fn span_from(&self, start: usize) -> Span {
        // Files beyond 4 GiB are refused before they come here.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(self.file, offset(start), offset(self.pos))
    }

    fn eat_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.pos += len;
        rest.get(..len).unwrap_or("")
    }

    /// Steps over blanks, comments and line continuations, but not over a newline.
    pub fn skip_blanks(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        loop {
            self.eat_while(|c| matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}'));
            let rest = self.rest();
            if rest.starts_with("//") {
                self.eat_while(|c| c != '\n');
            } else if let Some(body) = rest.strip_prefix("/*") {
                let start = self.pos;
                match body.find("*/") {
                    Some(len) => self.pos += len + 4,
                    None => {
                        self.pos += 2;
                        let open = self.span_from(start);
                        self.pos = self.text.len();
                        diagnostics.push(
                            Diagnostic::error(
                                codes::UNTERMINATED,
                                open,
                                "this comment does not end",
                            )
                            .with_help("close it with `*/`"),
                        );
                    }
                }
            } else if rest.starts_with("\\\n") {
                self.pos += 2;
            } else if rest.starts_with("\\\r\n") {
                self.pos += 3;
            } else {
                return;
            }
        }
    }

    /// The rest of the line as written (continued lines included), without the newline.
    pub fn raw_line(&mut self) -> (&'a str, Span) {
        let start = self.pos;
        loop {
            self.eat_while(|c| c != '\n');
            let line = self.text.get(start..self.pos).unwrap_or("");
            if self.rest().is_empty() || !line.trim_end_matches('\r').ends_with('\\') {
                return (line.trim_end_matches('\r'), self.span_from(start));
            }
            self.pos += 1;
        }
    }

    /// Steps over a line that is not compiled; block comments that begin on it are respected.
    pub fn skip_line(&mut self) {
        loop {
            let rest = self.rest();
            let Some(at) = rest.find(['\n', '/', '"']) else {
                self.pos = self.text.len();
                return;
            };
            self.pos += at;
            let rest = self.rest();
            if rest.starts_with('\n') {
                return;
            } else if rest.starts_with("//") {
                self.eat_while(|c| c != '\n');
            } else if let Some(body) = rest.strip_prefix("/*") {
                self.pos += body.find("*/").map_or(rest.len(), |len| len + 4);
            } else if let Some(body) = rest.strip_prefix('"') {
                self.pos += body.find(['"', '\n']).map_or(rest.len(), |len| {
                    // A quote without partner on its line is no string.
                    if body.get(len..).is_some_and(|tail| tail.starts_with('"')) {
                        len + 2
                    } else {
                        1
                    }
                });
            } else {
                self.pos += 1;
            }
        }
    }

    /// The next token; [`Tok::Newline`] at each end of line, [`Tok::Eof`] for ever at the end.
    pub fn next(&mut self, diagnostics: &mut Vec<Diagnostic>) -> Token {
        self.skip_blanks(diagnostics);
        let start = self.pos;
        let Some(first) = self.rest().chars().next() else {
            return Token {
                tok: Tok::Eof,
                span: self.span_from(start),
            };
        };
        let tok = match first {
            '\n' => {
                self.pos += 1;
                Tok::Newline
            }
            'a'..='z' | 'A'..='Z' | '_' => Tok::Word(Rc::from(self.eat_while(is_word_char))),
            '0'..='9' => Tok::Int(Rc::from(self.number())),
            '"' => self.string(diagnostics),
            other => self.punctuation(other),
        };
        Token {
            tok,
            span: self.span_from(start),
        }
    }

    /// `[digits(w|s)] (digits | 0x.. | 0d.. | 0o.. | 0b..)`; the value is checked by [`parse_int`].
    fn number(&mut self) -> &'a str {
        let start = self.pos;
        self.unprefixed_number();
        let mut ahead = self.rest().chars();
        let width_mark = matches!(ahead.next(), Some('w' | 's'));
        if width_mark && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            self.pos += 1;
            self.unprefixed_number();
        }
        self.text.get(start..self.pos).unwrap_or("")
    }

    fn unprefixed_number(&mut self) {
        let mut ahead = self.rest().chars();
        let zero = ahead.next() == Some('0');
        match ahead.next() {
            Some('x' | 'X') if zero => {
                self.pos += 2;
                self.eat_while(|c| c.is_ascii_hexdigit() || c == '_');
            }
            Some('d' | 'D' | 'o' | 'O' | 'b' | 'B') if zero => {
                self.pos += 2;
                self.eat_while(|c| c.is_ascii_digit() || c == '_');
            }
            _ => {
                self.eat_while(|c| c.is_ascii_digit() || c == '_');
            }
        }
    }

    fn string(&mut self, diagnostics: &mut Vec<Diagnostic>) -> Tok {
        let start = self.pos;
        let body = self.rest().get(1..).unwrap_or("");
        let mut escaped = false;
        for (at, c) in body.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.pos += at + 2;
                    return Tok::Str(Rc::from(body.get(..at).unwrap_or("")));
                }
                _ => {}
            }
        }
        self.pos += 1;
        diagnostics.push(
            Diagnostic::error(
                codes::UNTERMINATED,
                self.span_from(start),
                "this string does not end",
            )
            .with_help("close it with `\"`"),
        );
        self.pos = self.text.len();
        Tok::Str(Rc::from(body))
    }

    fn punctuation(&mut self, first: char) -> Tok {
        let rest = self.rest();
        match punctuation(first)
            .iter()
            .find(|text| rest.starts_with(**text))
        {
            Some(text) => {
                self.pos += text.len();
                Tok::Punct(text)
            }
            None => {
                self.pos += first.len_utf8();
                Tok::Bad(first)
            }
        }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Longest number literal that is read, in characters: enough for 8192 bits in binary.
const MAX_NUMBER_CHARS: usize = 8 * 1024 + 16;

/// The value of a number token.
///
/// # Errors
/// A sentence saying what is wrong with it.
pub fn parse_int(text: &str) -> Result<crate::ast::IntLit, String> {
    if text.len() > MAX_NUMBER_CHARS {
        return Err(format!(
            "this number has {} characters; {MAX_NUMBER_CHARS} are the limit",
            text.len()
        ));
    }
    let (width, signed, digits) = match text.find(['w', 's']) {
        Some(at) => {
            let width = text.get(..at).unwrap_or("");
            let parsed = width.parse::<u32>();
            let width = parsed.map_err(|_| format!("`{width}` is not a width in bits"))?;
            (
                Some(width),
                text.get(at..).is_some_and(|t| t.starts_with('s')),
                text.get(at + 1..).unwrap_or(""),
            )
        }
        None => (None, false, text),
    };
    let lower = digits.get(..2).unwrap_or("").to_ascii_lowercase();
    let (base, digits) = match lower.as_str() {
        "0x" => (16, digits.get(2..).unwrap_or("")),
        "0d" => (10, digits.get(2..).unwrap_or("")),
        "0o" => (8, digits.get(2..).unwrap_or("")),
        "0b" => (2, digits.get(2..).unwrap_or("")),
        _ => (10, digits),
    };
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let value = num_bigint::BigInt::parse_bytes(plain.as_bytes(), base);
    let value = value.ok_or_else(|| format!("`{text}` is not a number in base {base}"))?;
    Ok(crate::ast::IntLit {
        value,
        width,
        signed,
        base: u8::try_from(base).unwrap_or(10),
    })
}

/// The text of a string token with `\"`, `\\`, `\n`, `\t` and `\r` resolved; other escapes stay.
#[must_use]
pub fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(quoted @ ('"' | '\\')) => out.push(quoted),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The reverse of [`unescape`]: text to stand between quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            other => out.push(other),
        }
    }
    out
}
