//! Fields behind a header's varbit.
//!
//! A header of the IR ends in its varbit. What a P4 header has behind it is a header of its own, the tail, which is
//! valid, made, copied and emitted with the first one.

use std::collections::BTreeMap;

use trisect_ir::{BinOp, Expr, FieldKind, HeaderId, HeaderTypeId, LValue, Op, ParserOp};

use super::ops::fold;
use super::step::Step;
use super::{Elab, R, unsupported};
use crate::Span;

/// How many lengths the varbit of a header with a tail may have.
const MAX_LENGTHS: u32 = 256;

/// Which headers have a tail.
#[derive(Default)]
pub(super) struct Tails {
    /// The tail's type, by the type of what is in front of it.
    pub types: BTreeMap<HeaderTypeId, HeaderTypeId>,
    /// The tail, by what is in front of it.
    pub headers: BTreeMap<HeaderId, HeaderId>,
}

impl Tails {
    /// What is to be done with the tail of a header where this is done with the header.
    pub fn op(&self, op: &Op) -> Option<Op> {
        let tail = |header: &HeaderId| self.headers.get(header).copied();
        Some(match op {
            Op::SetValid(header) => Op::SetValid(tail(header)?),
            Op::SetInvalid(header) => Op::SetInvalid(tail(header)?),
            Op::Copy { dst, src } => Op::Copy {
                dst: tail(dst)?,
                src: tail(src)?,
            },
            _ => return None,
        })
    }
}

impl Elab<'_> {
    /// Extracts a header, with its tail if it has one; `varbit` is the length of its varbit in bits.
    pub(super) fn extract_header(
        &mut self,
        header: HeaderId,
        varbit: Option<Expr>,
        span: Span,
    ) -> R<()> {
        let tail = self.tails.headers.get(&header).copied();
        if let (Some(tail), Some(length)) = (tail, &varbit) {
            self.look_for_tail(header, tail, length, span)?;
        }
        self.out
            .push(Step::Parse(ParserOp::Extract { header, varbit }));
        if let Some(header) = tail {
            let varbit = None;
            self.out
                .push(Step::Parse(ParserOp::Extract { header, varbit }));
        }
        Ok(())
    }

    /// Ends parsing where the packet is too short for header and tail together, before any of it is taken: for each
    /// length of the varbit, the parser looks at the last byte.
    fn look_for_tail(
        &mut self,
        header: HeaderId,
        tail: HeaderId,
        length: &Expr,
        span: Span,
    ) -> R<()> {
        let ty = self.ir.header_type(header);
        let most = ty.fields.iter().map(|field| match field.kind {
            FieldKind::Varbit(most) => most,
            FieldKind::Fixed(_) => 0,
        });
        let most = most.max().unwrap_or(0) / 8;
        let fixed = ty.fixed_bits() + self.ir.header_type(tail).fixed_bits();
        if most > MAX_LENGTHS {
            let message = format!(
                "fields behind a varbit of more than {} bits",
                8 * MAX_LENGTHS
            );
            return Err(unsupported(span, message));
        }
        self.spend(most as usize)?;
        let last = self.temporary("last", 8);
        for bytes in 0..=most {
            let look = Expr::Lookahead {
                offset: fixed + 8 * bytes - 8,
                width: 8,
            };
            let is = fold(
                BinOp::Eq,
                length.clone(),
                Expr::num(32, u64::from(8 * bytes)),
            );
            let ops = vec![Op::Set(LValue::meta(last), look)];
            let look = vec![Step::Ops { name: None, ops }];
            self.out.push(Step::If(is, look, Vec::new()));
        }
        Ok(())
    }
}
