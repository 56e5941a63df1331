//! What the nom parsers of this crate share: the error, white space, words.

use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Parser};
use trisect_ir::diag::Span;

/// Text that is still to be read.
pub(crate) type Input<'a> = &'a str;
/// Result of a parser.
pub(crate) type Parsed<'a, T> = IResult<Input<'a>, T, Fault<'a>>;

/// A parse error: where, what, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault<'a> {
    /// The text from the fault on.
    pub at: Input<'a>,
    /// What is wrong; empty if only "something else was expected".
    pub message: String,
    /// The way out.
    pub help: &'static str,
    /// Whether a value is wrong rather than the grammar.
    pub value: bool,
}

impl<'a> Fault<'a> {
    fn weight(&self) -> (bool, usize) {
        (self.message.is_empty(), self.at.len())
    }

    /// The span of the word, or the character, that the fault stands at.
    pub fn span(&self, source: &str) -> Span {
        let start = source.len().saturating_sub(self.at.len());
        let word = self.at.bytes().take_while(|&b| is_word_byte(b)).count();
        let length = if word > 0 {
            word
        } else {
            self.at.chars().next().map_or(0, char::len_utf8)
        };
        Span::new(start, start + length)
    }
}

impl<'a> ParseError<Input<'a>> for Fault<'a> {
    fn from_error_kind(at: Input<'a>, _: ErrorKind) -> Self {
        Fault {
            at,
            message: String::new(),
            help: "",
            value: false,
        }
    }

    fn append(_: Input<'a>, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of two alternatives the one that came further is the better explanation.
    fn or(self, other: Self) -> Self {
        if other.weight() < self.weight() {
            other
        } else {
            self
        }
    }
}

/// An error that another alternative may turn into success.
pub(crate) fn fail<'a, T>(
    at: Input<'a>,
    message: impl Into<String>,
    help: &'static str,
) -> Parsed<'a, T> {
    Err(nom::Err::Error(Fault {
        at,
        message: message.into(),
        help,
        value: false,
    }))
}

/// An error that is final: the grammar was followed, but the value cannot be used.
pub(crate) fn bad_value<'a, T>(
    at: Input<'a>,
    message: impl Into<String>,
    help: &'static str,
) -> Parsed<'a, T> {
    Err(nom::Err::Failure(Fault {
        at,
        message: message.into(),
        help,
        value: true,
    }))
}

/// Whether a byte can stand in a word, the longest run of which is one token as in pcap's lexer.
pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Blanks, and comments from `#` to the end of the line.
pub(crate) fn skip(mut input: Input<'_>) -> Input<'_> {
    loop {
        input = input.trim_start();
        let Some(comment) = input.strip_prefix('#') else {
            return input;
        };
        input = comment.find('\n').map_or("", |end| &comment[end..]);
    }
}

/// A sign, blanks in front of it skipped.
pub(crate) fn sign<'a>(text: &'static str) -> impl FnMut(Input<'a>) -> Parsed<'a, ()> {
    move |input| {
        let input = skip(input);
        let (rest, _) = nom::bytes::complete::tag(text).parse(input)?;
        Ok((rest, ()))
    }
}
