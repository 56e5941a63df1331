//! Arithmetic on scalars, with constant folding.

use num_bigint::{BigInt, Sign};
use trisect_ir::{BinOp, Bits, Expr, LValue, Place, UnOp, eval};

use super::{R, error, unsupported};
use crate::ast;
use crate::{Span, codes};

/// The farthest that a compile-time integer is shifted.
const MAX_SHIFT: u32 = 1 << 16;

/// The value modulo 2^width.
pub(super) fn to_bits(value: &BigInt, width: u32) -> Bits {
    let modulus = BigInt::from(1) << width;
    let mut rest = value % &modulus;
    if rest.sign() == Sign::Minus {
        rest += modulus;
    }
    Bits::new(width, rest.magnitude().clone())
}

/// A bit vector as a number; two's complement if signed.
pub(super) fn from_bits(bits: &Bits, signed: bool) -> BigInt {
    let value = BigInt::from(bits.value());
    if signed && bits.sign() {
        value - (BigInt::from(1) << bits.width())
    } else {
        value
    }
}

/// The place of an assignment's target as an expression.
pub(super) fn read_lvalue(target: &LValue) -> Expr {
    let whole = match target.place {
        Place::Field(field) => Expr::Field(field),
        Place::Meta(meta) => Expr::Meta(meta),
    };
    match target.slice {
        Some((hi, lo)) => Expr::Slice(Box::new(whole), hi, lo),
        None => whole,
    }
}

/// Truth as an expression.
pub(super) fn truth(value: bool) -> Expr {
    Expr::Const(Bits::bool(value))
}

/// Whether the expression is the constant `value` of width 1.
pub(super) fn is_truth(expr: &Expr, value: bool) -> bool {
    matches!(expr, Expr::Const(bits) if bits.width() == 1 && bits.is_zero() != value)
}

/// Zero- or sign-extends or truncates.
pub(super) fn resize(expr: Expr, from: u32, to: u32, signed: bool) -> Expr {
    match expr {
        expr if from == to => expr,
        Expr::Const(bits) if signed => Expr::Const(bits.sign_resize(to)),
        Expr::Const(bits) => Expr::Const(bits.resize(to)),
        expr if signed => Expr::SignResize(Box::new(expr), to),
        expr => Expr::Resize(Box::new(expr), to),
    }
}

/// The bits `hi..=lo`.
pub(super) fn slice(expr: Expr, hi: u32, lo: u32) -> Expr {
    match expr {
        Expr::Const(bits) => Expr::Const(bits.slice(hi, lo)),
        Expr::Slice(inner, _, base) => Expr::Slice(inner, hi + base, lo + base),
        expr => Expr::Slice(Box::new(expr), hi, lo),
    }
}

/// Bitwise (or logical) complement.
pub(super) fn complement(expr: Expr) -> Expr {
    match expr {
        Expr::Const(bits) => Expr::Const(eval::unary(UnOp::Not, &bits)),
        Expr::Unary(UnOp::Not, inner) => *inner,
        other => other.not(),
    }
}

/// Two's complement negation.
pub(super) fn negate(expr: Expr) -> Expr {
    match expr {
        Expr::Const(bits) => Expr::Const(eval::unary(UnOp::Neg, &bits)),
        other => Expr::Unary(UnOp::Neg, Box::new(other)),
    }
}

/// `cond ? a : b`
pub(super) fn mux(cond: Expr, a: Expr, b: Expr) -> Expr {
    match cond {
        Expr::Const(bits) if bits.is_zero() => b,
        Expr::Const(_) => a,
        _ if a == b => a,
        cond => Expr::Mux(Box::new(cond), Box::new(a), Box::new(b)),
    }
}

/// A binary operation, evaluated if both operands are constants.
pub(super) fn fold(op: BinOp, a: Expr, b: Expr) -> Expr {
    match (&a, &b) {
        (Expr::Const(x), Expr::Const(y)) => Expr::Const(eval::binary(op, x, y)),
        (Expr::Const(x), _) if x.width() == 1 => {
            identity(op, x, b.clone()).unwrap_or_else(|| Expr::binary(op, a.clone(), b))
        }
        (_, Expr::Const(y)) if y.width() == 1 => {
            identity(op, y, a.clone()).unwrap_or_else(|| Expr::binary(op, a, b.clone()))
        }
        _ => Expr::binary(op, a, b),
    }
}

/// `true && x`, `false || x` and the like.
fn identity(op: BinOp, constant: &Bits, other: Expr) -> Option<Expr> {
    match (op, constant.is_zero()) {
        (BinOp::And, false) | (BinOp::Or, true) => Some(other),
        (BinOp::And, true) | (BinOp::Or, false) => Some(Expr::Const(constant.clone())),
        _ => None,
    }
}

/// The IR's operator for operands of the same width. Not for shifts and `++`.
pub(super) fn operator(op: ast::BinOp, signed: bool, span: Span) -> R<BinOp> {
    use ast::BinOp as B;
    let pick = |unsigned: BinOp, with_sign: BinOp| if signed { with_sign } else { unsigned };
    Ok(match op {
        B::Add => BinOp::Add,
        B::Sub => BinOp::Sub,
        B::Mul => BinOp::Mul,
        B::Div | B::Mod if signed => return Err(unsupported(span, "division of signed numbers")),
        B::Div => BinOp::Div,
        B::Mod => BinOp::Rem,
        B::SatAdd => pick(BinOp::AddSat, BinOp::SAddSat),
        B::SatSub => pick(BinOp::SubSat, BinOp::SSubSat),
        B::BitAnd | B::And => BinOp::And,
        B::BitOr | B::Or => BinOp::Or,
        B::BitXor => BinOp::Xor,
        B::Lt => pick(BinOp::Lt, BinOp::SLt),
        B::Le => pick(BinOp::Le, BinOp::SLe),
        B::Gt => pick(BinOp::Gt, BinOp::SGt),
        B::Ge => pick(BinOp::Ge, BinOp::SGe),
        B::Eq => BinOp::Eq,
        B::Ne => BinOp::Ne,
        B::Shl => BinOp::Shl,
        B::Shr => pick(BinOp::Shr, BinOp::Sar),
        B::Concat => return Err(error(codes::TYPE, span, "this operator takes no numbers")),
    })
}

/// What a binary operation on compile-time integers gives.
pub(super) enum Integer {
    Number(BigInt),
    Truth(bool),
}

/// A binary operation on compile-time integers.
pub(super) fn integer_binary(op: ast::BinOp, a: &BigInt, b: &BigInt, span: Span) -> R<Integer> {
    use ast::BinOp as B;
    let zero = BigInt::ZERO;
    Ok(Integer::Number(match op {
        B::Add => a + b,
        B::Sub => a - b,
        B::Mul => a * b,
        B::Div | B::Mod if *b == zero => {
            return Err(error(codes::NOT_CONSTANT, span, "division by zero"));
        }
        B::Div => a / b,
        B::Mod => a % b,
        B::BitAnd => a & b,
        B::BitOr => a | b,
        B::BitXor => a ^ b,
        B::Shl | B::Shr => match u32::try_from(b) {
            Ok(count) if count <= MAX_SHIFT => match op {
                B::Shl => a << count,
                _ => a >> count,
            },
            _ => return Err(error(codes::NOT_CONSTANT, span, "this shift is too far")),
        },
        B::Lt => return Ok(Integer::Truth(a < b)),
        B::Le => return Ok(Integer::Truth(a <= b)),
        B::Gt => return Ok(Integer::Truth(a > b)),
        B::Ge => return Ok(Integer::Truth(a >= b)),
        B::Eq => return Ok(Integer::Truth(a == b)),
        B::Ne => return Ok(Integer::Truth(a != b)),
        B::And | B::Or | B::SatAdd | B::SatSub | B::Concat => {
            return Err(error(codes::TYPE, span, "this operator needs a width"));
        }
    }))
}
