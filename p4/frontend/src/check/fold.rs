//! Arithmetic on constants, exactly as at run time.
//!
//! Types are given as what stands behind `type` names and enums: `bool`, `int`, `bit<w>`, `int<w>` or `string`.
//! `None` is the answer for what is not computed because it is too large; what the language forbids is an error.

use num_bigint::{BigInt, Sign};

use crate::ast::{BinOp, UnOp};
use crate::typed::{Const, Type};

/// Most bits of a number that is computed; larger ones are left to run time.
pub(super) const MAX_BITS: u64 = 1 << 16;

/// Why two constants cannot be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoldError {
    /// Division or remainder by zero.
    ByZero,
    /// Division or remainder with a negative number.
    Negative,
    /// A shift by a negative number.
    NegativeShift,
    /// An `int` that would have more than [`MAX_BITS`] bits.
    TooLarge,
}

impl FoldError {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ByZero => "division by zero",
            Self::Negative => "division is defined for numbers that are not negative only",
            Self::NegativeShift => "a shift by a negative number means nothing",
            Self::TooLarge => "the result has more than 65536 bits",
        }
    }
}

/// The number that the type holds after `value` was fitted to its width: modulo 2^w, two's complement.
pub(super) fn wrap(value: &BigInt, ty: &Type) -> Option<BigInt> {
    let (width, signed) = match ty {
        Type::Bit(width) => (*width, false),
        Type::Int(width) => (*width, true),
        Type::Integer => return Some(value.clone()),
        _ => return None,
    };
    if fits(value, ty) {
        return Some(value.clone());
    }
    if u64::from(width) > MAX_BITS {
        return None;
    }
    let modulus = BigInt::from(1) << width;
    let mut rest = value % &modulus;
    if rest.sign() == Sign::Minus {
        rest += &modulus;
    }
    if signed && rest.bit(u64::from(width).saturating_sub(1)) {
        rest -= modulus;
    }
    Some(rest)
}

/// Whether the type holds the number as it is.
pub(super) fn fits(value: &BigInt, ty: &Type) -> bool {
    match ty {
        Type::Integer => true,
        Type::Bit(width) => value.sign() != Sign::Minus && value.bits() <= u64::from(*width),
        Type::Int(width) => {
            let room = u64::from(*width).saturating_sub(1);
            if value.sign() == Sign::Minus {
                (value + 1_u8).bits() <= room
            } else {
                value.bits() <= room
            }
        }
        _ => false,
    }
}

/// `op a`
pub(super) fn unary(op: UnOp, ty: &Type, a: &Const) -> Option<Const> {
    match (op, a) {
        (UnOp::Not, Const::Bool(a)) => Some(Const::Bool(!a)),
        (UnOp::Plus, a) => Some(a.clone()),
        (UnOp::Neg, Const::Int(a)) => wrap(&-a, ty).map(Const::Int),
        (UnOp::BitNot, Const::Int(a)) => wrap(&(-a - 1), ty).map(Const::Int),
        _ => None,
    }
}

/// `a op b` for operands of one type; for shifts `ty` is the left operand's. Not for `++` of numbers, which needs
/// both widths: see [`concat`].
pub(super) fn binary(
    op: BinOp,
    ty: &Type,
    a: &Const,
    b: &Const,
) -> Result<Option<Const>, FoldError> {
    use BinOp as B;
    let truth = |value: bool| Ok(Some(Const::Bool(value)));
    match op {
        B::Eq => return truth(a == b),
        B::Ne => return truth(a != b),
        _ => {}
    }
    match (a, b) {
        (Const::Bool(a), Const::Bool(b)) => match op {
            B::And => truth(*a && *b),
            B::Or => truth(*a || *b),
            _ => Ok(None),
        },
        (Const::Str(a), Const::Str(b)) if op == B::Concat => {
            if (a.len() + b.len()) as u64 > MAX_BITS {
                return Err(FoldError::TooLarge);
            }
            Ok(Some(Const::Str(format!("{a}{b}"))))
        }
        (Const::Int(a), Const::Int(b)) => match op {
            B::Lt => truth(a < b),
            B::Le => truth(a <= b),
            B::Gt => truth(a > b),
            B::Ge => truth(a >= b),
            _ => Ok(number(op, ty, a, b)?.map(Const::Int)),
        },
        _ => Ok(None),
    }
}

fn number(op: BinOp, ty: &Type, a: &BigInt, b: &BigInt) -> Result<Option<BigInt>, FoldError> {
    use BinOp as B;
    let too_large = match ty {
        Type::Integer => Err(FoldError::TooLarge),
        _ => Ok(None),
    };
    let exact = match op {
        B::Add => a + b,
        B::Sub => a - b,
        B::Mul if a.bits() + b.bits() > 2 * MAX_BITS => return too_large,
        B::Mul => a * b,
        B::Div | B::Mod if b.sign() == Sign::NoSign => return Err(FoldError::ByZero),
        B::Div | B::Mod if a.sign() == Sign::Minus || b.sign() == Sign::Minus => {
            return Err(FoldError::Negative);
        }
        B::Div => a / b,
        B::Mod => a % b,
        B::BitAnd => a & b,
        B::BitOr => a | b,
        B::BitXor => a ^ b,
        B::SatAdd => return Ok(saturate(a + b, ty)),
        B::SatSub => return Ok(saturate(a - b, ty)),
        B::Shl | B::Shr if b.sign() == Sign::Minus => return Err(FoldError::NegativeShift),
        B::Shl => match (ty, u64::try_from(b)) {
            (Type::Bit(width) | Type::Int(width), Ok(count)) if count < u64::from(*width) => {
                if u64::from(*width) > MAX_BITS {
                    return Ok(None);
                }
                a << count
            }
            (Type::Bit(_) | Type::Int(_), _) => BigInt::ZERO,
            _ if a.sign() == Sign::NoSign => BigInt::ZERO,
            (_, Ok(count)) if count.saturating_add(a.bits()) <= MAX_BITS => a << count,
            _ => return too_large,
        },
        B::Shr => match u64::try_from(b) {
            Ok(count) if count <= a.bits() => a >> count,
            _ if a.sign() == Sign::Minus => BigInt::from(-1),
            _ => BigInt::ZERO,
        },
        _ => return Ok(None),
    };
    if *ty == Type::Integer && exact.bits() > MAX_BITS {
        return Err(FoldError::TooLarge);
    }
    Ok(wrap(&exact, ty))
}

/// The number of the type that is nearest to `value`.
fn saturate(value: BigInt, ty: &Type) -> Option<BigInt> {
    let (width, signed) = match ty {
        Type::Bit(width) => (*width, false),
        Type::Int(width) => (*width, true),
        _ => return None,
    };
    if fits(&value, ty) {
        return Some(value);
    }
    if u64::from(width) > MAX_BITS {
        return None;
    }
    let half = BigInt::from(1) << u64::from(width).saturating_sub(u64::from(signed));
    Some(match (value.sign(), signed) {
        (Sign::Minus, true) => -half,
        (Sign::Minus, false) => BigInt::ZERO,
        _ => half - 1,
    })
}

/// `a ++ b`, with the widths of both; the result has the sign of the left operand's type.
pub(super) fn concat(a: &BigInt, b: &BigInt, b_width: u32, result: &Type) -> Option<BigInt> {
    if let Type::Bit(width) | Type::Int(width) = result
        && u64::from(*width) > MAX_BITS
    {
        return None;
    }
    let low = wrap(b, &Type::Bit(b_width))?;
    wrap(&((a << b_width) + low), result)
}

/// Bits `hi` to `lo` of a number of the type, as `bit<hi - lo + 1>`.
pub(super) fn slice(a: &BigInt, hi: u32, lo: u32) -> Option<BigInt> {
    wrap(&(a >> lo), &Type::Bit(hi.checked_sub(lo)?.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> Const {
        Const::Int(BigInt::from(value))
    }

    fn fold(op: BinOp, ty: &Type, a: i64, b: i64) -> Result<Option<Const>, FoldError> {
        binary(op, ty, &int(a), &int(b))
    }

    #[test]
    fn arithmetic_wraps_at_the_width() {
        let byte = Type::Bit(8);
        assert_eq!(fold(BinOp::Add, &byte, 255, 2), Ok(Some(int(1))));
        assert_eq!(fold(BinOp::Sub, &byte, 0, 1), Ok(Some(int(255))));
        let signed = Type::Int(8);
        assert_eq!(fold(BinOp::Add, &signed, 127, 1), Ok(Some(int(-128))));
        assert_eq!(fold(BinOp::Mul, &signed, -128, -1), Ok(Some(int(-128))));
        assert_eq!(fold(BinOp::Add, &Type::Integer, 255, 2), Ok(Some(int(257))));
    }

    #[test]
    fn saturation_stops_at_the_ends() {
        assert_eq!(
            fold(BinOp::SatAdd, &Type::Bit(8), 200, 100),
            Ok(Some(int(255)))
        );
        assert_eq!(fold(BinOp::SatSub, &Type::Bit(8), 1, 2), Ok(Some(int(0))));
        assert_eq!(
            fold(BinOp::SatSub, &Type::Int(8), -100, 100),
            Ok(Some(int(-128)))
        );
        assert_eq!(fold(BinOp::SatAdd, &Type::Int(1), 0, 0), Ok(Some(int(0))));
    }

    #[test]
    fn shifts_of_any_length_are_cheap() {
        let far = 1_000_000_000_000;
        assert_eq!(fold(BinOp::Shl, &Type::Bit(8), 3, far), Ok(Some(int(0))));
        assert_eq!(fold(BinOp::Shr, &Type::Int(8), -3, far), Ok(Some(int(-1))));
        assert_eq!(
            fold(BinOp::Shl, &Type::Integer, 1, far),
            Err(FoldError::TooLarge)
        );
        assert_eq!(
            fold(BinOp::Shr, &Type::Bit(8), 1, -1),
            Err(FoldError::NegativeShift)
        );
    }

    #[test]
    fn division_is_for_numbers_that_are_not_negative() {
        assert_eq!(fold(BinOp::Div, &Type::Integer, 7, 2), Ok(Some(int(3))));
        assert_eq!(
            fold(BinOp::Mod, &Type::Integer, 7, 0),
            Err(FoldError::ByZero)
        );
        assert_eq!(
            fold(BinOp::Div, &Type::Integer, -7, 2),
            Err(FoldError::Negative)
        );
    }

    #[test]
    fn joined_numbers_keep_their_bits() {
        let joined = concat(&BigInt::from(1), &BigInt::from(-1), 4, &Type::Bit(8));
        assert_eq!(joined, Some(BigInt::from(0x1F)));
        assert_eq!(
            slice(&BigInt::from(0xABCD), 11, 4),
            Some(BigInt::from(0xBC))
        );
    }
}
