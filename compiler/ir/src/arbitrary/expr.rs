//! Random expressions.

use super::Maker;
use crate::{BinOp, Expr, FieldKind, HashAlgorithm, Param, SumTerm, UnOp};

const SAME_WIDTH: [BinOp; 12] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::AddSat,
    BinOp::SubSat,
    BinOp::SAddSat,
    BinOp::SSubSat,
    BinOp::Div,
    BinOp::Rem,
];
const SHIFTS: [BinOp; 3] = [BinOp::Shl, BinOp::Shr, BinOp::Sar];
const COMPARISONS: [BinOp; 10] = [
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

impl Maker<'_, '_> {
    /// An expression of this width. `params` are those of the enclosing action; `frame` allows reads
    /// of the frame.
    pub(super) fn expr(&mut self, width: u32, depth: u32, params: &[Param], frame: bool) -> Expr {
        if depth == 0 {
            return self.leaf(width, params);
        }
        let deeper = depth - 1;
        match self.c.below(14) {
            0..=3 => self.leaf(width, params),
            4 => {
                let op = if self.c.one_in(2) {
                    UnOp::Neg
                } else {
                    UnOp::Not
                };
                Expr::Unary(op, Box::new(self.expr(width, deeper, params, frame)))
            }
            5 | 6 => {
                let op = self.c.pick(&SAME_WIDTH).copied().unwrap_or(BinOp::Add);
                let a = self.expr(width, deeper, params, frame);
                Expr::binary(op, a, self.expr(width, deeper, params, frame))
            }
            7 => {
                let op = self.c.pick(&SHIFTS).copied().unwrap_or(BinOp::Shl);
                let a = self.expr(width, deeper, params, frame);
                let by = if self.c.one_in(3) { 16 } else { 4 };
                Expr::binary(op, a, self.expr(by, deeper, params, frame))
            }
            8 if width == 1 => {
                let op = self.c.pick(&COMPARISONS).copied().unwrap_or(BinOp::Eq);
                let of = self.width();
                let a = self.expr(of, deeper, params, frame);
                Expr::binary(op, a, self.expr(of, deeper, params, frame))
            }
            9 => {
                let cond = Box::new(self.expr(1, deeper, params, frame));
                let a = Box::new(self.expr(width, deeper, params, frame));
                Expr::Mux(cond, a, Box::new(self.expr(width, deeper, params, frame)))
            }
            10 if width > 1 => {
                let low = 1 + self.c.below(width as usize - 1) as u32;
                let high = self.expr(width - low, deeper, params, frame);
                Expr::Concat(vec![high, self.expr(low, deeper, params, frame)])
            }
            11 => {
                let of = self.width();
                let a = Box::new(self.expr(of, deeper, params, frame));
                if self.c.one_in(2) {
                    Expr::SignResize(a, width)
                } else {
                    Expr::Resize(a, width)
                }
            }
            12 => {
                let above = self.c.below(9) as u32;
                let lo = self.c.below(9) as u32;
                let a = self.expr(width + lo + above, deeper, params, frame);
                Expr::Slice(Box::new(a), width + lo - 1, lo)
            }
            13 => {
                let special = self.special(deeper, params, frame);
                Expr::Resize(Box::new(special), width)
            }
            _ => self.leaf(width, params),
        }
    }

    /// A hash, a sum, or a read of the frame, of whatever width.
    pub(super) fn special(&mut self, depth: u32, params: &[Param], frame: bool) -> Expr {
        if frame && self.shape.frame && self.c.one_in(2) {
            if self.c.one_in(3) {
                return Expr::FrameLen;
            }
            let len = *self.c.pick(&[1, 2, 4]).unwrap_or(&1);
            let offset = if self.c.one_in(4) {
                self.expr(32, depth, params, frame)
            } else {
                Expr::num(32, self.c.below(40) as u64)
            };
            let offset = Box::new(offset);
            return Expr::Frame { offset, len };
        }
        if !self.shape.hashes {
            return self.leaf(16, params);
        }
        let count = 1 + self.c.below(2);
        let mut inputs = Vec::new();
        for _ in 0..count {
            let width = self.width();
            inputs.push(self.expr(width, depth, params, frame));
        }
        if self.shape.varbits && self.c.one_in(3) {
            match self.any_varbit() {
                Some(a) if self.c.one_in(3) => {
                    return match self.any_varbit() {
                        Some(b) if self.c.one_in(2) => Expr::VarbitEq(a, b),
                        _ => Expr::VarbitLen(a),
                    };
                }
                Some(header) => inputs.insert(self.c.below(2), Expr::Varbit(header)),
                None => {}
            }
            if !self.in_parser && self.c.one_in(3) {
                inputs.push(Expr::Payload);
            }
        }
        // A sum takes values only.
        let values = !inputs.iter().any(Expr::is_bytes);
        match self.c.below(if values { 10 } else { 8 }) {
            6 => Expr::Hash(self.crc(), inputs),
            7 => Expr::Hash(HashAlgorithm::HalfSipHash(*b"a secret"), inputs),
            0 => Expr::Hash(HashAlgorithm::Crc32, inputs),
            1 => Expr::Hash(HashAlgorithm::Crc16, inputs),
            2 => Expr::Hash(HashAlgorithm::Csum16, inputs),
            3 => Expr::Hash(HashAlgorithm::Xor16, inputs),
            4 => Expr::Hash(HashAlgorithm::Identity, inputs),
            5 => {
                let key = (0..40).map(|i| i * 37 + 11).map(|b: u32| b as u8).collect();
                Expr::Hash(HashAlgorithm::Toeplitz(key), inputs)
            }
            _ => {
                let init = Box::new(self.expr(16, depth, params, frame));
                let terms = inputs
                    .into_iter()
                    .map(|value| SumTerm {
                        subtract: self.c.one_in(2),
                        value,
                    })
                    .collect();
                Expr::OnesSum(init, terms)
            }
        }
    }

    fn crc(&mut self) -> HashAlgorithm {
        let width = *self.c.pick(&[8, 16, 32]).unwrap_or(&8);
        let mut parameter = || self.c.bits(width).low_u64() as u32;
        let (polynomial, init, xor_out) = (parameter(), parameter(), parameter());
        HashAlgorithm::Crc {
            width,
            polynomial,
            init,
            reflect_in: self.c.one_in(2),
            reflect_out: self.c.one_in(2),
            xor_out,
        }
    }

    fn leaf(&mut self, width: u32, params: &[Param]) -> Expr {
        let (leaf, has) = match self.c.below(5) {
            0 => return Expr::Const(self.c.bits(width)),
            1 if width == 1 => return Expr::Valid(self.any_header()),
            2 if !params.is_empty() => {
                let at = self.c.below(params.len());
                (Expr::Param(at as u32), params[at].width)
            }
            1 | 2 => {
                let at = self.c.below(self.p.metas.len());
                let meta = crate::MetaId(at as u32);
                (Expr::Meta(meta), self.p.metas[meta].width)
            }
            _ => {
                let header = self.any_header();
                let fields = &self.p.header_type(header).fields;
                let at = self.c.below(fields.len());
                match fields[at].kind {
                    FieldKind::Fixed(has) => (Expr::field(header, at as u32), has),
                    FieldKind::Varbit(_) => return Expr::Const(self.c.bits(width)),
                }
            }
        };
        if has == width {
            leaf
        } else {
            Expr::Resize(Box::new(leaf), width)
        }
    }
}
