//! Lines and their tokens.

use trisect_ir::diag::Span;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A letter, `_` or `$`, then also digits.
    Word(&'a str),
    /// What stood between quotes.
    Quoted(&'a str),
    /// A digit, then digits, letters and `*`.
    Number(&'a str),
    /// Punctuation.
    Mark(&'static str),
    /// A character that means nothing here.
    Stray(char),
    /// A quote without its other half.
    OpenQuote,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Word(text) | Token::Number(text) => write!(f, "`{text}`"),
            Token::Quoted(text) => write!(f, "`\"{text}\"`"),
            Token::Mark(text) => write!(f, "`{text}`"),
            Token::Stray(c) => write!(f, "`{}`", c.escape_default()),
            Token::OpenQuote => f.write_str("a quote that is not closed"),
        }
    }
}

/// Longest first.
const MARKS: [&str; 17] = [
    "&&&", "==", "!=", "<=", ">=", "..", ":", ",", ".", "[", "]", "(", ")", "=", "<", ">", "/",
];

/// A line without its comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: u32,
    /// Offset of its first byte.
    pub start: usize,
    /// What it says.
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// All lines of a text that say something, from the first character that is no blank.
    pub fn all(text: &'a str) -> impl Iterator<Item = Line<'a>> {
        let mut start = 0;
        text.split('\n')
            .zip(1u32..)
            .filter_map(move |(line, number)| {
                let at = start;
                start += line.len() + 1;
                let said = line.get(..comment(line)).unwrap_or(line).trim_end();
                let blanks = said.len() - said.trim_start().len();
                let text = said.trim_start();
                (!text.is_empty()).then_some(Line {
                    number,
                    start: at + blanks,
                    text,
                })
            })
    }

    /// The place of a part of the line, given by offsets into it.
    pub fn span(&self, from: usize, to: usize) -> Span {
        Span::new(self.start + from, self.start + to)
    }

    /// The first word, and the offset of what follows.
    pub fn first_word(&self) -> (&'a str, usize) {
        let end = self
            .text
            .find(|c: char| !is_word(c))
            .unwrap_or(self.text.len());
        (self.text.get(..end).unwrap_or(""), end)
    }

    /// The tokens from an offset on, with their places.
    pub fn tokens(&self, from: usize) -> Vec<(Span, Token<'a>)> {
        let mut tokens = Vec::new();
        let mut at = from;
        while let Some(rest) = self.text.get(at..).filter(|r| !r.is_empty()) {
            let (token, length) = token(rest);
            if let Some(token) = token {
                tokens.push((self.span(at, at + length), token));
            }
            at += length;
        }
        tokens
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// Where the comment of a line starts: at a `#` that is not between quotes.
fn comment(line: &str) -> usize {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return at,
            _ => {}
        }
    }
    // A quote that is never closed hides no comment.
    if quoted {
        return line.find('#').unwrap_or(line.len());
    }
    line.len()
}

/// The token at the start of a text that is not empty, and its length; `None` for a blank.
fn token(rest: &str) -> (Option<Token<'_>>, usize) {
    let Some(first) = rest.chars().next() else {
        return (None, 0);
    };
    let run = |keep: fn(char) -> bool| {
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        rest.get(..length).unwrap_or("")
    };
    if first.is_whitespace() {
        return (None, first.len_utf8());
    }
    if first.is_ascii_digit() {
        let text = run(|c| c.is_ascii_alphanumeric() || c == '*');
        return (Some(Token::Number(text)), text.len());
    }
    if is_word(first) {
        let text = run(is_word);
        return (Some(Token::Word(text)), text.len());
    }
    if first == '"' {
        return match rest.get(1..).and_then(|r| r.split_once('"')) {
            Some((text, _)) => (Some(Token::Quoted(text)), text.len() + 2),
            None => (Some(Token::OpenQuote), rest.len()),
        };
    }
    match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
        Some(mark) => (Some(Token::Mark(mark)), mark.len()),
        None => (Some(Token::Stray(first)), first.len_utf8()),
    }
}
