//! Expressions and assignment targets: widths, and where they may stand.

use super::{Checker, Invariant, MAX_WIDTH};
use crate::{BinOp, Expr, HashAlgorithm, LValue, Param, Place};

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// In the parser: `Lookahead` is allowed.
    Parser,
    /// In an action with these parameters.
    Action(&'a [Param]),
    /// In a node or a table key.
    Control,
}

impl Checker<'_> {
    /// The expression's width, or `None` if it is not sound (which is reported).
    pub(super) fn expr(&mut self, expr: &Expr, scope: Scope<'_>, place: &str) -> Option<u32> {
        let width = self.expr_width(expr, scope, place)?;
        if width == 0 || width > MAX_WIDTH {
            self.check_width(width, place);
            return None;
        }
        Some(width)
    }

    fn expr_width(&mut self, expr: &Expr, scope: Scope<'_>, place: &str) -> Option<u32> {
        match expr {
            Expr::Const(bits) => Some(bits.width()),
            Expr::Field(field) => self.field(*field, place),
            Expr::Meta(meta) => {
                let metas = &self.program.metas;
                self.exists(metas, *meta, place).then(|| metas[*meta].width)
            }
            Expr::Param(index) => self.param(*index, scope, place),
            Expr::Valid(header) => {
                let headers = &self.program.headers;
                self.exists(headers, *header, place).then_some(1)
            }
            Expr::Unary(_, a) => self.expr(a, scope, place),
            Expr::Binary(op, a, b) => self.binary(*op, a, b, scope, place),
            Expr::Resize(a, width) | Expr::SignResize(a, width) => {
                self.expr(a, scope, place).map(|_| *width)
            }
            Expr::Slice(a, hi, lo) => {
                let width = self.expr(a, scope, place)?;
                self.slice(*hi, *lo, width, place)
            }
            Expr::Concat(parts) => {
                let widths: Vec<_> = parts.iter().map(|p| self.expr(p, scope, place)).collect();
                let total: u64 = widths
                    .into_iter()
                    .map(|w| w.map(u64::from))
                    .sum::<Option<u64>>()?;
                Some(u32::try_from(total).unwrap_or(u32::MAX))
            }
            Expr::Mux(cond, a, b) => {
                self.expr_of(cond, 1, scope, place);
                let a = self.expr(a, scope, place);
                let b = self.expr(b, scope, place);
                self.agree(a?, b?, place, "the arms of a choice")
            }
            Expr::Lookahead { width, .. } => {
                if !matches!(scope, Scope::Parser) {
                    let message = "lookahead outside the parser";
                    self.report(Invariant::LookaheadInParser, place, message);
                }
                Some(*width)
            }
            Expr::Frame { offset, len } => {
                self.expr_of(offset, 32, scope, place);
                if !matches!(len, 1 | 2 | 4) {
                    let message = format!("reads {len} bytes of the frame, not 1, 2 or 4");
                    self.report(Invariant::FrameClean, place, message);
                    return None;
                }
                Some(u32::from(*len) * 8)
            }
            Expr::FrameLen => Some(32),
            Expr::Hash(algorithm, inputs) => {
                self.hash(algorithm, inputs, scope, place);
                Some(algorithm.width())
            }
            Expr::VarbitLen(header) => self.varbit(*header, place).map(|_| 32),
            Expr::VarbitEq(a, b) => {
                let (a, b) = (self.varbit(*a, place), self.varbit(*b, place));
                a.and(b).map(|_| 1)
            }
            Expr::Varbit(_) | Expr::Payload => {
                let message = "a byte string that is not an input of a hash";
                self.report(Invariant::BytesInHash, place, message);
                None
            }
            Expr::OnesSum(init, terms) => {
                self.expr_of(init, 16, scope, place);
                for term in terms {
                    self.expr(&term.value, scope, place);
                }
                Some(16)
            }
        }
    }

    /// Checks a hash.
    pub(super) fn hash(
        &mut self,
        algorithm: &HashAlgorithm,
        inputs: &[Expr],
        scope: Scope<'_>,
        place: &str,
    ) {
        for input in inputs {
            match input {
                Expr::Varbit(header) => drop(self.varbit(*header, place)),
                Expr::Payload if matches!(scope, Scope::Parser) => {
                    let message = "the payload before parsing is done";
                    self.report(Invariant::BytesInHash, place, message);
                }
                Expr::Payload => {}
                _ => drop(self.expr(input, scope, place)),
            }
        }
        if let HashAlgorithm::Crc {
            width,
            polynomial,
            init,
            xor_out,
            ..
        } = algorithm
        {
            let parameters = [polynomial, init, xor_out];
            let fits = |value: &&u32| u64::from(**value) < 1 << width;
            if !matches!(width, 8 | 16 | 32) || !parameters.iter().all(fits) {
                let message = format!("a CRC of {width} bits, or with wider parameters");
                self.report(Invariant::CrcShape, place, message);
            }
        }
    }

    fn param(&mut self, index: u32, scope: Scope<'_>, place: &str) -> Option<u32> {
        let Scope::Action(params) = scope else {
            let message = format!("parameter {index} outside an action");
            self.report(Invariant::ParamInAction, place, message);
            return None;
        };
        let width = params.get(index as usize).map(|p| p.width);
        if width.is_none() {
            let message = format!("the action has no parameter {index}");
            self.report(Invariant::EntityExists, place, message);
        }
        width
    }

    fn binary(
        &mut self,
        op: BinOp,
        a: &Expr,
        b: &Expr,
        scope: Scope<'_>,
        place: &str,
    ) -> Option<u32> {
        let a = self.expr(a, scope, place);
        let b = self.expr(b, scope, place);
        let width = if op.is_shift() {
            b?;
            a?
        } else {
            self.agree(a?, b?, place, "the operands")?
        };
        Some(if op.is_comparison() { 1 } else { width })
    }

    fn agree(&mut self, a: u32, b: u32, place: &str, what: &str) -> Option<u32> {
        if a == b {
            return Some(a);
        }
        let message = format!("{what} have {a} and {b} bits");
        self.report(Invariant::WidthAgrees, place, message);
        None
    }

    fn slice(&mut self, hi: u32, lo: u32, width: u32, place: &str) -> Option<u32> {
        if lo <= hi && hi < width {
            return Some(hi - lo + 1);
        }
        let message = format!("[{hi}:{lo}] does not lie within {width} bits");
        self.report(Invariant::SliceInside, place, message);
        None
    }

    /// Checks an expression that must have this width.
    pub(super) fn expr_of(&mut self, expr: &Expr, want: u32, scope: Scope<'_>, place: &str) {
        if let Some(width) = self.expr(expr, scope, place)
            && width != want
        {
            let message = format!("{width} bits where {want} are wanted");
            self.report(Invariant::WidthAgrees, place, message);
        }
    }

    /// The target's width, or `None` if it is not sound (which is reported).
    pub(super) fn lvalue(&mut self, to: &LValue, place: &str) -> Option<u32> {
        let width = match to.place {
            Place::Field(field) => self.field(field, place)?,
            Place::Meta(meta) => {
                let metas = &self.program.metas;
                self.exists(metas, meta, place).then(|| metas[meta].width)?
            }
        };
        match to.slice {
            Some((hi, lo)) => self.slice(hi, lo, width, place),
            None => Some(width),
        }
    }

    /// Checks a target that must have this width.
    pub(super) fn lvalue_of(&mut self, to: &LValue, want: u32, place: &str) {
        if let Some(width) = self.lvalue(to, place)
            && width != want
        {
            let message = format!("{want} bits are assigned to {width}");
            self.report(Invariant::WidthAgrees, place, message);
        }
    }

    /// Checks an assignment.
    pub(super) fn assignment(&mut self, to: &LValue, expr: &Expr, scope: Scope<'_>, place: &str) {
        if let Some(width) = self.expr(expr, scope, place) {
            self.lvalue_of(to, width, place);
        } else {
            self.lvalue(to, place);
        }
    }
}
