//! Tokens of the text form.

use crate::Bits;
use crate::diag::Span;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::{char, digit1, multispace1, one_of, satisfy};
use nom::combinator::{map, map_opt, map_res, opt, recognize, value};
use nom::multi::many0_count;
use nom::sequence::{delimited, pair, preceded};
use nom::{IResult, Parser};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `ipv4.ttl`, `vlan[0]`: letters, digits, underscores, dots and bracketed numbers.
    Word(String),
    /// A quoted string; bytes, because patterns are no text.
    Text(Vec<u8>),
    /// `16w0x800`
    Bits(Bits),
    /// `17`
    Number(u64),
    /// An operator or bracket.
    Punct(&'static str),
}

/// Longer ones first.
const PUNCTUATION: [&str; 42] = [
    "s|+|", "s|-|", "|+|", "|-|", "&&&", "s>>", "s<=", "s>=", "s<", "s>", "->", "=>", "..", "<<",
    ">>", "==", "!=", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", ":", "=", "+", "-", "*", "/",
    "%", "&", "|", "^", "<", ">", "!", "$", ".", "#",
];

/// All tokens with their places, or the offset at which none begins.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, Span)>, usize> {
    let mut out = Vec::new();
    let mut rest = skip(source);
    while !rest.is_empty() {
        let start = source.len() - rest.len();
        let (after, token) = token(rest).map_err(|_| start)?;
        let end = source.len() - after.len();
        out.push((token, Span::new(start, end)));
        rest = skip(after);
    }
    Ok(out)
}

fn skip(input: &str) -> &str {
    let comment = preceded(char(';'), take_till(|c| c == '\n'));
    let blank: IResult<&str, usize> = many0_count(alt((multispace1, comment))).parse(input);
    blank.map_or(input, |(rest, _)| rest)
}

fn token(input: &str) -> IResult<&str, Token> {
    alt((
        map(signed_operator, Token::Punct),
        map(word, |w: &str| Token::Word(w.to_owned())),
        map(text, Token::Text),
        map(bits, Token::Bits),
        map(map_res(digit1, str::parse), Token::Number),
        map(punctuation, Token::Punct),
    ))
    .parse(input)
}

/// `s<` and the like, which begin as words do.
fn signed_operator(input: &str) -> IResult<&str, &'static str> {
    if input.starts_with("s|") || input.starts_with("s<") || input.starts_with("s>") {
        punctuation(input)
    } else {
        Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Tag,
        )))
    }
}

fn punctuation(input: &str) -> IResult<&str, &'static str> {
    map_opt(nom::combinator::success(()), |()| {
        PUNCTUATION.iter().find(|p| input.starts_with(**p)).copied()
    })
    .parse(input)
    .map(|(_, found)| (&input[found.len()..], found))
}

/// A plain name.
pub(super) fn word(input: &str) -> IResult<&str, &str> {
    let part = || take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_');
    recognize((
        satisfy(|c| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
        many0_count(alt((
            recognize(pair(char('.'), part())),
            recognize((char('['), digit1, char(']'))),
        ))),
    ))
    .parse(input)
}

fn bits(input: &str) -> IResult<&str, Bits> {
    let hex = take_while1(|c: char| c.is_ascii_hexdigit());
    map_res(recognize((digit1, tag("w0x"), hex)), str::parse).parse(input)
}

fn text(input: &str) -> IResult<&str, Vec<u8>> {
    let plain = map(
        take_while1(|c| c != '"' && c != '\\' && c != '\n'),
        |s: &str| s.as_bytes().to_vec(),
    );
    let hex = || one_of("0123456789abcdefABCDEF");
    let byte = map_res(recognize(pair(hex(), hex())), |h| u8::from_str_radix(h, 16));
    let escape = preceded(
        char('\\'),
        alt((
            value(b'"', char('"')),
            value(b'\\', char('\\')),
            preceded(char('x'), byte),
        )),
    );
    let piece = alt((plain, map(escape, |b| vec![b])));
    let pieces = nom::multi::fold_many0(piece, Vec::new, |mut all, piece| {
        all.extend(piece);
        all
    });
    map(
        delimited(char('"'), opt(pieces), char('"')),
        Option::unwrap_or_default,
    )
    .parse(input)
}
