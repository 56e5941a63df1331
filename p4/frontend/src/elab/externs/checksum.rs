//! Hashes and checksums.

use trisect_ir::{BinOp, Expr, HashAlgorithm, LValue, MetaId, Op, SumTerm};

use super::super::ops::{fold, resize};
use super::super::value::Value;
use super::super::{Elab, R, error, unsupported};
use super::ExternCall;
use crate::{Diagnostic, Span, codes};

impl<'a> Elab<'a> {
    /// `h.get_hash(data)` and `h.get_hash(base, data, max)`.
    pub(super) fn hash_method(
        &mut self,
        algorithm: &HashAlgorithm,
        width: u32,
        call: &ExternCall<'a>,
    ) -> R<Value<'a>> {
        let ranged = call.args.len() == 3;
        let data = self.arg(call, usize::from(ranged))?.clone();
        let inputs = self.flatten(&data, call.span)?;
        let range = match ranged {
            true => Some((self.arg_scalar(call, 0)?, self.arg_scalar(call, 2)?)),
            false => None,
        };
        Ok(Value::Bits(hash_in_range(algorithm, inputs, range, width)))
    }

    /// The running sum of an `InternetChecksum`.
    pub(super) fn checksum_method(&mut self, state: MetaId, call: &ExternCall<'a>) -> R<Value<'a>> {
        let whole = LValue::meta(state);
        match call.name {
            "clear" => self.emit(Op::Set(whole, Expr::num(16, 0))),
            "add" | "subtract" => {
                let data = self.arg(call, 0)?.clone();
                let term = SumTerm {
                    subtract: call.name == "subtract",
                    value: self.whole_words(&data, call.span)?,
                };
                let sum = Expr::OnesSum(Box::new(Expr::Meta(state)), vec![term]);
                self.emit(Op::Set(whole, sum));
            }
            "get" => return Ok(Value::Bits(Expr::Meta(state).not())),
            "get_state" => return Ok(Value::Bits(Expr::Meta(state))),
            _ => {
                let (width, value) = self.arg_scalar(call, 0)?;
                self.emit(Op::Set(whole, resize(value, width, 16, false)));
            }
        }
        Ok(Value::Unit)
    }

    /// `Checksum16.get(data)`
    pub(super) fn checksum16_method(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let data = self.arg(call, 0)?.clone();
        let value = self.checksum_of(HashAlgorithm::Csum16, &data, false, call.span)?;
        Ok(Value::Bits(value))
    }

    /// A checksum over data, and over the payload behind it if that is asked for.
    pub(in super::super) fn checksum_of(
        &mut self,
        algorithm: HashAlgorithm,
        data: &Value<'a>,
        with_payload: bool,
        span: Span,
    ) -> R<Expr> {
        let mut inputs = self.flatten(data, span)?;
        if with_payload {
            inputs.push(Expr::Payload);
        }
        Ok(match algorithm {
            HashAlgorithm::Csum16 if !inputs.iter().any(Expr::is_bytes) => {
                let term = SumTerm {
                    subtract: false,
                    value: self.checksum_data(data, span)?,
                };
                let zero = Expr::num(16, 0);
                Expr::OnesSum(Box::new(zero), vec![term]).not()
            }
            other => Expr::Hash(other, whole_bytes(self, inputs)),
        })
    }

    /// Data of a checksum as one value of whole 16-bit words.
    fn whole_words(&mut self, data: &Value<'a>, span: Span) -> R<Expr> {
        let value = self.checksum_data(data, span)?;
        let bits = self.width_in(&value);
        if !bits.is_multiple_of(16) {
            return Err(Box::new(
                Diagnostic::error(codes::WIDTH, span, format!("checksum data of {bits} bits"))
                    .with_note("a checksum is over whole 16-bit words"),
            ));
        }
        Ok(value)
    }

    /// Data of a checksum as one value; the IR fills the last word with zeros.
    fn checksum_data(&mut self, data: &Value<'a>, span: Span) -> R<Expr> {
        let parts = self.flatten(data, span)?;
        if parts.iter().any(Expr::is_bytes) {
            return Err(unsupported(span, "a varbit in the data of this checksum"));
        }
        joined(parts).ok_or_else(|| error(codes::WIDTH, span, "there is no data"))
    }
}

/// Inputs of a hash as one string of bits: neighbours are joined, and the last byte is filled with zeros. (The IR
/// begins each input at a byte of its own.)
pub(in super::super) fn whole_bytes(elab: &Elab<'_>, inputs: Vec<Expr>) -> Vec<Expr> {
    let mut found = Vec::new();
    let mut run: Vec<Expr> = Vec::new();
    let close = |run: &mut Vec<Expr>, found: &mut Vec<Expr>| {
        let bits: u32 = run.iter().map(|part| elab.width_in(part)).sum();
        if !bits.is_multiple_of(8) {
            run.push(Expr::num(8 - bits % 8, 0));
        }
        found.extend(joined(std::mem::take(run)));
    };
    for input in inputs {
        if input.is_bytes() {
            close(&mut run, &mut found);
            found.push(input);
        } else {
            run.push(input);
        }
    }
    close(&mut run, &mut found);
    found
}

/// Values as one, the first most significant.
pub(super) fn joined(parts: Vec<Expr>) -> Option<Expr> {
    match <[Expr; 1]>::try_from(parts) {
        Ok([one]) => Some(one),
        Err(parts) if parts.is_empty() => None,
        Err(parts) => Some(Expr::Concat(parts)),
    }
}

/// A hash as a value of `width` bits: whole, or `base + hash mod max` (each with its width).
pub(in super::super) fn hash_in_range(
    algorithm: &HashAlgorithm,
    inputs: Vec<Expr>,
    range: Option<((u32, Expr), (u32, Expr))>,
    width: u32,
) -> Expr {
    let hash = Expr::Hash(algorithm.clone(), inputs);
    in_range((algorithm.width(), hash), range, width)
}

/// A number (with its width) as a value of `width` bits: whole, or `base + number mod max` (each with its width).
pub(in super::super) fn in_range(
    (number_width, number): (u32, Expr),
    range: Option<((u32, Expr), (u32, Expr))>,
    width: u32,
) -> Expr {
    let Some(((base_width, base), (max_width, max))) = range else {
        return resize(number, number_width, width, false);
    };
    // Wide enough for the number, the bound and the result.
    let wide = number_width.max(max_width).max(width);
    let hash = resize(number, number_width, wide, false);
    let max = resize(max, max_width, wide, false);
    let base = resize(base, base_width, width, false);
    let rest = fold(BinOp::Rem, hash, max);
    let rest = resize(rest, wide, width, false);
    match base {
        Expr::Const(zero) if zero.is_zero() => rest,
        base => fold(BinOp::Add, rest, base),
    }
}
