//! Expressions, places and sets.

use super::{Kind, Reader, Result, SYNTAX, Token, UNKNOWN_NAME};
use crate::{
    BinOp, Bits, Entity, Expr, FieldRef, HashAlgorithm, HeaderId, KeySet, LValue, Place, SumTerm,
    UnOp,
};

const OPERATORS: [BinOp; 25] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::Div,
    BinOp::Rem,
    BinOp::AddSat,
    BinOp::SubSat,
    BinOp::SAddSat,
    BinOp::SSubSat,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Sar,
    BinOp::Eq,
    BinOp::Ne,
    BinOp::Lt,
    BinOp::Le,
    BinOp::Gt,
    BinOp::Ge,
    BinOp::SLt,
    BinOp::SLe,
    BinOp::SGt,
    BinOp::SGe,
];

impl Reader {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.nested(|r| {
            if r.eat("!") {
                return Ok(Expr::Unary(UnOp::Not, Box::new(r.expr()?)));
            }
            if r.eat("-") {
                return Ok(Expr::Unary(UnOp::Neg, Box::new(r.expr()?)));
            }
            let mut expr = r.operand()?;
            while let Some((hi, lo)) = r.slice()? {
                expr = Expr::Slice(Box::new(expr), hi, lo);
            }
            Ok(expr)
        })
    }

    fn boxed(&mut self) -> Result<Box<Expr>> {
        self.expr().map(Box::new)
    }

    /// `[hi:lo]`, if it is next.
    fn slice(&mut self) -> Result<Option<(u32, u32)>> {
        if !self.eat("[") {
            return Ok(None);
        }
        let hi = self.number_u32()?;
        self.punct(":")?;
        let lo = self.number_u32()?;
        self.punct("]")?;
        Ok(Some((hi, lo)))
    }

    fn operand(&mut self) -> Result<Expr> {
        match self.peek() {
            Some(Token::Bits(_)) => self.bits().map(Expr::Const),
            Some(Token::Punct("(")) => self.parenthesised(),
            Some(Token::Punct("%")) => self.param(),
            Some(Token::Punct("$")) => Ok(match self.place()? {
                Place::Meta(meta) => Expr::Meta(meta),
                Place::Field(field) => Expr::Field(field),
            }),
            Some(Token::Word(word)) if self.calls() => {
                let function = word.clone();
                self.function(&function)
            }
            Some(Token::Word(_) | Token::Text(_)) => self.field().map(Expr::Field),
            _ => self.expected("an expression"),
        }
    }

    fn calls(&self) -> bool {
        matches!(self.tokens.get(self.at + 1), Some((Token::Punct("("), _)))
    }

    /// `(a op b)`, `(a as width)`, `(a sext width)` or `(a)`.
    fn parenthesised(&mut self) -> Result<Expr> {
        self.punct("(")?;
        let a = self.expr()?;
        let expr = if self.eat_word("as") {
            Expr::Resize(Box::new(a), self.number_u32()?)
        } else if self.eat_word("sext") {
            Expr::SignResize(Box::new(a), self.number_u32()?)
        } else if self.is_punct(")") {
            a
        } else {
            let op = OPERATORS
                .into_iter()
                .find(|op| self.is_punct(crate::text::print::symbol(*op)));
            let Some(op) = op else {
                return self.expected("an operator");
            };
            self.at += 1;
            Expr::Binary(op, Box::new(a), self.boxed()?)
        };
        self.punct(")")?;
        Ok(expr)
    }

    fn param(&mut self) -> Result<Expr> {
        self.punct("%")?;
        let span = self.span();
        let name = self.name()?;
        match self.params.iter().position(|p| p.name == name) {
            Some(i) => Ok(Expr::Param(i as u32)),
            None => {
                let message = format!("there is no parameter `{name}` here");
                Err(self.error(UNKNOWN_NAME, span, message))
            }
        }
    }

    fn function(&mut self, function: &str) -> Result<Expr> {
        let span = self.span();
        self.at += 1;
        self.punct("(")?;
        let expr = match function {
            "valid" => Expr::Valid(self.header()?),
            "concat" => return self.list(")", Self::expr).map(Expr::Concat),
            "mux" => {
                let cond = self.boxed()?;
                self.punct(",")?;
                let yes = self.boxed()?;
                self.punct(",")?;
                Expr::Mux(cond, yes, self.boxed()?)
            }
            "lookahead" => {
                let offset = self.number_u32()?;
                self.punct(",")?;
                let width = self.number_u32()?;
                Expr::Lookahead { offset, width }
            }
            "frame" => {
                let span = self.span();
                let len = self.number()?;
                let len = u8::try_from(len)
                    .map_err(|_| self.error(SYNTAX, span, format!("{len} bytes are too many")))?;
                self.punct(",")?;
                let offset = self.boxed()?;
                Expr::Frame { offset, len }
            }
            "frame_length" => Expr::FrameLen,
            "varbit" => Expr::Varbit(self.header()?),
            "payload" => Expr::Payload,
            "varbit_length" => Expr::VarbitLen(self.header()?),
            "varbit_equal" => {
                let a = self.header()?;
                self.punct(",")?;
                Expr::VarbitEq(a, self.header()?)
            }
            "crc" => {
                let algorithm = self.crc()?;
                let mut inputs = Vec::new();
                while self.eat(",") {
                    inputs.push(self.expr()?);
                }
                Expr::Hash(algorithm, inputs)
            }
            "toeplitz" | "halfsiphash" => {
                let span = self.span();
                let key = self.bytes()?;
                let algorithm = match (function, <[u8; 8]>::try_from(key.as_slice())) {
                    ("toeplitz", _) => HashAlgorithm::Toeplitz(key),
                    (_, Ok(key)) => HashAlgorithm::HalfSipHash(key),
                    _ => {
                        let message = format!("the key has {} bytes, not 8", key.len());
                        return Err(self.error(SYNTAX, span, message));
                    }
                };
                let mut inputs = Vec::new();
                while self.eat(",") {
                    inputs.push(self.expr()?);
                }
                Expr::Hash(algorithm, inputs)
            }
            "ones_sum" => {
                let init = self.boxed()?;
                let mut terms = Vec::new();
                while self.eat(",") {
                    terms.push(self.sum_term()?);
                }
                Expr::OnesSum(init, terms)
            }
            _ => {
                let Some(algorithm) = hash_named(function) else {
                    let message = format!("there is no function `{function}`");
                    return Err(self.error(UNKNOWN_NAME, span, message));
                };
                let inputs = self.list(")", Self::expr)?;
                return Ok(Expr::Hash(algorithm, inputs));
            }
        };
        self.punct(")")?;
        Ok(expr)
    }

    /// The parameters of a CRC, as far as the last one.
    fn crc(&mut self) -> Result<HashAlgorithm> {
        let span = self.span();
        let polynomial = self.bits()?;
        let mut next = || {
            self.punct(",")?;
            self.bits()
        };
        let (init, reflect_in, reflect_out, xor_out) = (next()?, next()?, next()?, next()?);
        let width = polynomial.width();
        let is_flag = |bits: &Bits| bits.width() == 1;
        let number = |bits: &Bits| {
            let same = bits.width() == width;
            bits.to_u64()
                .filter(|_| same)
                .and_then(|n| u32::try_from(n).ok())
        };
        match (number(&polynomial), number(&init), number(&xor_out)) {
            (Some(polynomial), Some(init), Some(xor_out))
                if is_flag(&reflect_in) && is_flag(&reflect_out) =>
            {
                Ok(HashAlgorithm::Crc {
                    width,
                    polynomial,
                    init,
                    reflect_in: !reflect_in.is_zero(),
                    reflect_out: !reflect_out.is_zero(),
                    xor_out,
                })
            }
            _ => {
                let message = "a CRC has a polynomial, an initial value, two flags and what is added \
                               at the end, all but the flags of one width of at most 32 bits";
                Err(self.error(SYNTAX, span, message))
            }
        }
    }

    fn sum_term(&mut self) -> Result<SumTerm> {
        let subtract = self.eat("-");
        if !subtract {
            self.punct("+")?;
        }
        Ok(SumTerm {
            subtract,
            value: self.expr()?,
        })
    }

    pub(super) fn header(&mut self) -> Result<HeaderId> {
        self.entity(Kind::Header)
    }

    /// `header.field`, each quoted if need be.
    fn field(&mut self) -> Result<FieldRef> {
        let span = self.span();
        let is_text = matches!(self.peek(), Some(Token::Text(_)));
        let first = self.name()?;
        let (header, field) = if self.eat(".") {
            (first, self.name()?)
        } else {
            match first.rsplit_once('.') {
                Some((header, field)) if !is_text => (header.to_owned(), field.to_owned()),
                _ => {
                    let message = format!("expected a field `header.field`, found `{first}`");
                    return Err(self.error(SYNTAX, span, message));
                }
            }
        };
        let id: HeaderId = self.resolve(Kind::Header, &header, span)?;
        // Types and headers are declared before they are used.
        let ty = self
            .program
            .headers
            .get(id)
            .and_then(|h| self.program.header_types.get(h.ty));
        match ty.and_then(|ty| ty.field(&field)) {
            Some(field) => Ok(FieldRef { header: id, field }),
            None => {
                let message = format!("there is no field `{field}` in header `{header}` (yet)");
                Err(self.error(UNKNOWN_NAME, span, message))
            }
        }
    }

    fn place(&mut self) -> Result<Place> {
        if self.eat("$") {
            return self.entity(Kind::Meta).map(Place::Meta);
        }
        if !matches!(self.peek(), Some(Token::Word(_) | Token::Text(_))) {
            return self.expected("a place to assign");
        }
        self.field().map(Place::Field)
    }

    pub(super) fn lvalue(&mut self) -> Result<LValue> {
        let place = self.place()?;
        let slice = self.slice()?;
        Ok(LValue { place, slice })
    }

    pub(super) fn key_set(&mut self) -> Result<KeySet> {
        if self.eat_word("_") {
            return Ok(KeySet::Any);
        }
        let value = self.bits()?;
        if self.eat("/") {
            Ok(KeySet::Prefix(value, self.number_u32()?))
        } else if self.eat("&&&") {
            Ok(KeySet::Mask(value, self.bits()?))
        } else if self.eat("..") {
            Ok(KeySet::Range(value, self.bits()?))
        } else {
            Ok(KeySet::Exact(value))
        }
    }

    /// `(set, set)`
    pub(super) fn key_sets(&mut self) -> Result<Vec<KeySet>> {
        self.punct("(")?;
        self.list(")", Self::key_set)
    }

    /// The entity after a `$`.
    pub(super) fn meta<K: Entity>(&mut self) -> Result<K> {
        self.punct("$")?;
        self.entity(Kind::Meta)
    }
}

fn hash_named(name: &str) -> Option<HashAlgorithm> {
    Some(match name {
        "crc32" => HashAlgorithm::Crc32,
        "crc16" => HashAlgorithm::Crc16,
        "csum16" => HashAlgorithm::Csum16,
        "xor16" => HashAlgorithm::Xor16,
        "identity" => HashAlgorithm::Identity,
        _ => return None,
    })
}
