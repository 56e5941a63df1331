//! The expressions of `#if` and `#elif`: C's integer operators, on 64 bits.

use std::rc::Rc;

use super::Preprocessor;
use super::macros::PpToken;
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Tok, Token, parse_int};
use crate::span::Span;

/// Deepest nesting of parentheses and unary operators.
const MAX_DEPTH: usize = 128;

impl Preprocessor<'_> {
    /// The truth of a `#if` line; false, with a diagnostic, if it is malformed.
    pub(super) fn evaluate(&mut self, span: Span, tokens: &[Token]) -> bool {
        let tokens = self.resolve_defined(tokens);
        let tokens = self.expand_list(tokens, span);
        let tokens: Vec<Token> = tokens.into_iter().map(|token| token.token).collect();
        let mut reader = Reader {
            tokens: &tokens,
            at: 0,
            depth: 0,
            place: span,
        };
        let value = reader.ternary().and_then(|value| match reader.peek() {
            None => Ok(value),
            Some(token) => Err((
                token.span,
                format!("{} is unexpected here", token.tok.describe()),
            )),
        });
        match value {
            Ok(value) => value != 0,
            Err((place, message)) => {
                self.diagnostics.push(Diagnostic::error(
                    codes::CONDITION,
                    place,
                    format!("cannot evaluate this condition: {message}"),
                ));
                false
            }
        }
    }

    /// Replaces `defined X` and `defined(X)` by 1 or 0.
    fn resolve_defined(&self, tokens: &[Token]) -> Vec<PpToken> {
        let mut out = Vec::new();
        let mut rest = tokens;
        while let Some((first, tail)) = rest.split_first() {
            let is_defined = matches!(&first.tok, Tok::Word(word) if &**word == "defined");
            let (name, after) = match tail {
                [
                    Token {
                        tok: Tok::Word(name),
                        ..
                    },
                    after @ ..,
                ] if is_defined => (name, after),
                [
                    Token {
                        tok: Tok::Punct("("),
                        ..
                    },
                    Token {
                        tok: Tok::Word(name),
                        ..
                    },
                    Token {
                        tok: Tok::Punct(")"),
                        ..
                    },
                    after @ ..,
                ] if is_defined => (name, after),
                _ => {
                    out.push(PpToken::plain(first.clone()));
                    rest = tail;
                    continue;
                }
            };
            let value = if self.is_defined(name) { "1" } else { "0" };
            out.push(PpToken::fixed(Token {
                tok: Tok::Int(Rc::from(value)),
                span: first.span,
            }));
            rest = after;
        }
        out
    }
}

type Failure = (Span, String);

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    place: Span,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token { tok: Tok::Punct(found), .. }) if *found == text);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), Failure> {
        if self.eat(text) {
            return Ok(());
        }
        let place = self.peek().map_or(self.place, |token| token.span);
        Err((place, format!("`{text}` is missing")))
    }

    fn ternary(&mut self) -> Result<i64, Failure> {
        let cond = self.binary(0)?;
        if !self.eat("?") {
            return Ok(cond);
        }
        let then = self.nested(Self::ternary)?;
        self.expect(":")?;
        let otherwise = self.nested(Self::ternary)?;
        Ok(if cond != 0 { then } else { otherwise })
    }

    fn nested(&mut self, read: impl Fn(&mut Self) -> Result<i64, Failure>) -> Result<i64, Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((self.place, "it is nested too deep".to_owned()));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn binary(&mut self, min: u8) -> Result<i64, Failure> {
        let mut left = self.unary()?;
        loop {
            let Some(Token {
                tok: Tok::Punct(op),
                span,
            }) = self.peek()
            else {
                return Ok(left);
            };
            let (op, span) = (*op, *span);
            let Some(level) = precedence(op).filter(|level| *level >= min) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.nested(|reader| reader.binary(level + 1))?;
            left = apply(op, left, right)
                .ok_or_else(|| (span, "division by zero or overflow".to_owned()))?;
        }
    }

    fn unary(&mut self) -> Result<i64, Failure> {
        let Some(token) = self.peek().cloned() else {
            return Err((self.place, "a value is missing at the end".to_owned()));
        };
        self.at += 1;
        match &token.tok {
            Tok::Punct("!") => Ok(i64::from(self.nested(Self::unary)? == 0)),
            Tok::Punct("~") => Ok(!self.nested(Self::unary)?),
            Tok::Punct("-") => Ok(self.nested(Self::unary)?.wrapping_neg()),
            Tok::Punct("+") => self.nested(Self::unary),
            Tok::Punct("(") => {
                let value = self.nested(Self::ternary)?;
                self.expect(")")?;
                Ok(value)
            }
            Tok::Int(text) => {
                let literal = parse_int(text).map_err(|reason| (token.span, reason))?;
                i64::try_from(literal.value)
                    .map_err(|_| (token.span, "the number is too large".to_owned()))
            }
            // Names that are not macros count as 0, as in C.
            Tok::Word(word) => Ok(i64::from(&**word == "true")),
            other => Err((
                token.span,
                format!("{} is unexpected here", other.describe()),
            )),
        }
    }
}

fn precedence(op: &str) -> Option<u8> {
    Some(match op {
        "||" => 0,
        "&&" => 1,
        "|" => 2,
        "^" => 3,
        "&" => 4,
        "==" | "!=" => 5,
        "<" | ">" | "<=" | ">=" => 6,
        "<<" | ">>" => 7,
        "+" | "-" => 8,
        "*" | "/" | "%" => 9,
        _ => return None,
    })
}

/// The value of `a op b`; `None` for a division by zero or one that overflows.
fn apply(op: &str, a: i64, b: i64) -> Option<i64> {
    let shift = u32::try_from(b.clamp(0, 63)).unwrap_or(63);
    Some(match op {
        "||" => i64::from(a != 0 || b != 0),
        "&&" => i64::from(a != 0 && b != 0),
        "|" => a | b,
        "^" => a ^ b,
        "&" => a & b,
        "==" => i64::from(a == b),
        "!=" => i64::from(a != b),
        "<" => i64::from(a < b),
        ">" => i64::from(a > b),
        "<=" => i64::from(a <= b),
        ">=" => i64::from(a >= b),
        "<<" => a.wrapping_shl(shift),
        ">>" => a.wrapping_shr(shift),
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "/" => a.checked_div(b)?,
        _ => a.checked_rem(b)?,
    })
}
