//! Evaluation of expressions: what every operator means on [`Bits`].
//!
//! The interpreter, constant folding and the tests of compiled code share this one definition.

use crate::{BinOp, Bits, Expr, FieldRef, HashAlgorithm, HeaderId, MetaId, UnOp, hash};
use num_bigint::BigUint;

/// Where an expression gets its inputs from.
pub trait Env {
    /// A fixed-width header field; 0 of the field's width if the header is invalid.
    fn field(&self, field: FieldRef) -> Bits;
    /// A metadata field.
    fn meta(&self, meta: MetaId) -> Bits;
    /// A parameter of the enclosing action.
    fn param(&self, index: u32) -> Bits;
    /// Whether a header is valid.
    fn valid(&self, header: HeaderId) -> bool;
    /// `width` bits that start `offset` bits after the parser's cursor. Asked for only in parsers,
    /// and only where these bits exist.
    fn lookahead(&self, offset: u32, width: u32) -> Bits;
    /// The frame as it was last parsed.
    fn frame(&self) -> &[u8];
    /// The bytes of a header's varbit; none if it is invalid.
    fn varbit(&self, header: HeaderId) -> &[u8];
    /// The bytes of the frame behind what the last parse consumed.
    fn payload(&self) -> &[u8];
}

/// The value of an expression. All operands are evaluated: expressions have no effects.
pub fn eval(expr: &Expr, env: &impl Env) -> Bits {
    match expr {
        Expr::Const(bits) => bits.clone(),
        Expr::Field(field) => env.field(*field),
        Expr::Meta(meta) => env.meta(*meta),
        Expr::Param(index) => env.param(*index),
        Expr::Valid(header) => Bits::bool(env.valid(*header)),
        Expr::Unary(op, a) => unary(*op, &eval(a, env)),
        Expr::Binary(op, a, b) => binary(*op, &eval(a, env), &eval(b, env)),
        Expr::Resize(a, width) => eval(a, env).resize(*width),
        Expr::SignResize(a, width) => eval(a, env).sign_resize(*width),
        Expr::Slice(a, hi, lo) => eval(a, env).slice(*hi, *lo),
        Expr::Concat(parts) => parts
            .iter()
            .fold(Bits::zero(0), |acc, part| acc.concat(&eval(part, env))),
        Expr::Mux(cond, a, b) => {
            if eval(cond, env).is_zero() {
                eval(b, env)
            } else {
                eval(a, env)
            }
        }
        Expr::Lookahead { offset, width } => env.lookahead(*offset, *width),
        Expr::Frame { offset, len } => frame_bytes(env.frame(), &eval(offset, env), *len),
        Expr::FrameLen => Bits::new(32, env.frame().len()),
        Expr::Hash(algorithm, inputs) => hash_inputs(algorithm, inputs, env),
        Expr::VarbitLen(header) => Bits::new(32, env.varbit(*header).len() * 8),
        Expr::VarbitEq(a, b) => Bits::bool(env.varbit(*a) == env.varbit(*b)),
        // No values: see `hash_inputs`.
        Expr::Varbit(_) | Expr::Payload => Bits::zero(0),
        Expr::OnesSum(init, terms) => terms.iter().fold(eval(init, env), |sum, term| {
            ones_term(&sum, &eval(&term.value, env), term.subtract)
        }),
    }
}

/// The hash of some inputs, byte strings among them.
pub fn hash_inputs(algorithm: &HashAlgorithm, inputs: &[Expr], env: &impl Env) -> Bits {
    let mut data = Vec::new();
    for input in inputs {
        match input {
            Expr::Varbit(header) => data.extend(env.varbit(*header)),
            Expr::Payload => data.extend(env.payload()),
            _ => eval(input, env).append_be_bytes(&mut data),
        }
    }
    Bits::new(algorithm.width(), hash::compute(algorithm, &data))
}

/// A unary operation.
pub fn unary(op: UnOp, a: &Bits) -> Bits {
    match op {
        UnOp::Not => Bits::new(a.width(), Bits::ones(a.width()).value() ^ a.value()),
        UnOp::Neg => sub(&Bits::zero(a.width()), a),
    }
}

/// A binary operation on operands of equal width (any width on the right of a shift).
pub fn binary(op: BinOp, a: &Bits, b: &Bits) -> Bits {
    let narrow = match (a.to_u64(), b.to_u64()) {
        (Some(x), Some(y)) if a.width() <= 64 => binary_narrow(op, a.width(), x, y),
        _ => None,
    };
    narrow.unwrap_or_else(|| binary_wide(op, a, b))
}

/// The operations that machine words have, on numbers of up to 64 bits: most of a program's are.
fn binary_narrow(op: BinOp, width: u32, a: u64, b: u64) -> Option<Bits> {
    let shift = || u32::try_from(b).ok().filter(|by| *by < width);
    let value = match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => shift().map_or(0, |by| a << by),
        BinOp::Shr => shift().map_or(0, |by| a >> by),
        BinOp::Eq => return Some(Bits::bool(a == b)),
        BinOp::Ne => return Some(Bits::bool(a != b)),
        BinOp::Lt => return Some(Bits::bool(a < b)),
        BinOp::Le => return Some(Bits::bool(a <= b)),
        BinOp::Gt => return Some(Bits::bool(a > b)),
        BinOp::Ge => return Some(Bits::bool(a >= b)),
        _ => return None,
    };
    Some(Bits::new(width, value))
}

/// The operations on numbers of any width.
fn binary_wide(op: BinOp, a: &Bits, b: &Bits) -> Bits {
    let width = a.width();
    match op {
        BinOp::Add => Bits::new(width, a.value() + b.value()),
        BinOp::Sub => sub(a, b),
        BinOp::Mul => Bits::new(width, a.value() * b.value()),
        BinOp::Div if b.is_zero() => Bits::zero(width),
        BinOp::Div => Bits::new(width, a.value() / b.value()),
        BinOp::Rem if b.is_zero() => Bits::zero(width),
        BinOp::Rem => Bits::new(width, a.value() % b.value()),
        BinOp::AddSat => {
            let sum = a.value() + b.value();
            if sum.bits() > u64::from(width) {
                Bits::ones(width)
            } else {
                Bits::new(width, sum)
            }
        }
        BinOp::SubSat if a.value() < b.value() => Bits::zero(width),
        BinOp::SubSat => sub(a, b),
        BinOp::SAddSat => signed_saturating(a, b, BinOp::Add),
        BinOp::SSubSat => signed_saturating(a, b, BinOp::Sub),
        BinOp::And => Bits::new(width, a.value() & b.value()),
        BinOp::Or => Bits::new(width, a.value() | b.value()),
        BinOp::Xor => Bits::new(width, a.value() ^ b.value()),
        BinOp::Shl => match shift_amount(b, width) {
            Some(by) => Bits::new(width, a.value() << by),
            None => Bits::zero(width),
        },
        BinOp::Shr => match shift_amount(b, width) {
            Some(by) => Bits::new(width, a.value() >> by),
            None => Bits::zero(width),
        },
        BinOp::Sar => {
            let by = shift_amount(b, width).unwrap_or(width);
            let shifted = a.value() >> by;
            if a.sign() {
                Bits::new(width, shifted | Bits::prefix_mask(width, by).value())
            } else {
                Bits::new(width, shifted)
            }
        }
        BinOp::Eq => Bits::bool(a.value() == b.value()),
        BinOp::Ne => Bits::bool(a.value() != b.value()),
        BinOp::Lt => Bits::bool(a.value() < b.value()),
        BinOp::Le => Bits::bool(a.value() <= b.value()),
        BinOp::Gt => Bits::bool(a.value() > b.value()),
        BinOp::Ge => Bits::bool(a.value() >= b.value()),
        BinOp::SLt => Bits::bool(signed_less(a, b)),
        BinOp::SLe => Bits::bool(!signed_less(b, a)),
        BinOp::SGt => Bits::bool(signed_less(b, a)),
        BinOp::SGe => Bits::bool(!signed_less(a, b)),
    }
}

/// The hash of some inputs.
pub fn hash_of(algorithm: &HashAlgorithm, inputs: &[Bits]) -> Bits {
    let value = hash::compute(algorithm, &hash::input_bytes(inputs));
    Bits::new(algorithm.width(), value)
}

/// `sum` (width 16) plus or minus the words of one term of [`Expr::OnesSum`].
pub fn ones_term(sum: &Bits, term: &Bits, subtract: bool) -> Bits {
    let padded = term.width().next_multiple_of(16);
    let aligned = Bits::new(padded, term.value() << (padded - term.width()));
    let sum = aligned
        .to_be_bytes()
        .chunks_exact(2)
        .map(|w| u16::from_be_bytes([w[0], w[1]]))
        .map(|word| if subtract { !word } else { word })
        .fold(sum.low_u64() as u16, hash::ones_add);
    Bits::new(16, sum)
}

/// `len` bytes of the frame at `offset`; 0 where any of them lies past its end.
pub fn frame_bytes(frame: &[u8], offset: &Bits, len: u8) -> Bits {
    let width = u32::from(len) * 8;
    let bytes = offset
        .to_u64()
        .and_then(|at| usize::try_from(at).ok())
        .and_then(|at| frame.get(at..at.checked_add(usize::from(len))?));
    match bytes {
        Some(bytes) => Bits::from_be_bytes(width, bytes),
        None => Bits::zero(width),
    }
}

/// `width` bits that start `offset` bits after the start of `bytes`; `None` past their end.
pub fn bits_at(bytes: &[u8], offset: usize, width: u32) -> Option<Bits> {
    let end = offset.checked_add(width as usize)?;
    let covering = bytes.get(offset / 8..end.div_ceil(8))?;
    let unread = (end.div_ceil(8) * 8 - end) as u32;
    let covering = Bits::from_be_bytes(width + unread, covering);
    Some(covering.shifted_right(unread).resize(width))
}

fn sub(a: &Bits, b: &Bits) -> Bits {
    if a.value() >= b.value() {
        return Bits::new(a.width(), a.value() - b.value());
    }
    let modulus = BigUint::from(1u32) << a.width();
    Bits::new(a.width(), a.value() + modulus - b.value())
}

/// `None` if everything is shifted out.
fn shift_amount(by: &Bits, width: u32) -> Option<u32> {
    let by = u32::try_from(by.to_u64()?).ok()?;
    (by < width).then_some(by)
}

/// `op` with one bit more, clamped to the signed range of the operands' width.
fn signed_saturating(a: &Bits, b: &Bits, op: BinOp) -> Bits {
    let width = a.width();
    let exact = binary(op, &a.sign_resize(width + 1), &b.sign_resize(width + 1));
    let result = exact.resize(width);
    if exact.sign() == result.sign() {
        return result;
    }
    let min = Bits::prefix_mask(width, 1);
    if exact.sign() {
        min
    } else {
        unary(UnOp::Not, &min)
    }
}

fn signed_less(a: &Bits, b: &Bits) -> bool {
    match (a.sign(), b.sign()) {
        (true, false) => true,
        (false, true) => false,
        _ => a.value() < b.value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn b(width: u32, value: u64) -> Bits {
        Bits::new(width, value)
    }

    #[test]
    fn wide_arithmetic_wraps_at_2048_bits() {
        let ones = Bits::ones(2048);
        let one = b(2048, 1);
        assert!(binary(BinOp::Add, &ones, &one).is_zero());
        assert_eq!(binary(BinOp::Sub, &Bits::zero(2048), &one), ones);
        assert_eq!(unary(UnOp::Neg, &one), ones);
        assert_eq!(binary(BinOp::AddSat, &ones, &ones), ones);
        // (-1) * (-1) = 1
        assert_eq!(binary(BinOp::Mul, &ones, &ones), one);
        let top = binary(BinOp::Shl, &one, &b(16, 2047));
        assert!(top.sign());
        assert_eq!(binary(BinOp::Sar, &top, &b(16, 2047)), ones);
        assert_eq!(binary(BinOp::Shr, &top, &b(16, 2047)), one);
    }

    #[test]
    fn shifts_by_the_width_or_more() {
        let v = b(8, 0x81);
        for by in [b(8, 8), b(8, 255), Bits::ones(100)] {
            assert_eq!(binary(BinOp::Shl, &v, &by), b(8, 0));
            assert_eq!(binary(BinOp::Shr, &v, &by), b(8, 0));
            assert_eq!(binary(BinOp::Sar, &v, &by), b(8, 0xff));
            assert_eq!(binary(BinOp::Sar, &b(8, 0x7f), &by), b(8, 0));
        }
        assert_eq!(binary(BinOp::Sar, &v, &b(3, 1)), b(8, 0xc0));
        assert_eq!(binary(BinOp::Sar, &v, &b(3, 0)), v);
    }

    #[test]
    fn signed_saturation_clamps() {
        assert_eq!(binary(BinOp::SAddSat, &b(8, 0x7f), &b(8, 1)), b(8, 0x7f));
        assert_eq!(binary(BinOp::SAddSat, &b(8, 0x80), &b(8, 0xff)), b(8, 0x80));
        assert_eq!(binary(BinOp::SAddSat, &b(8, 0x80), &b(8, 0x7f)), b(8, 0xff));
        assert_eq!(binary(BinOp::SSubSat, &b(8, 0x80), &b(8, 1)), b(8, 0x80));
        assert_eq!(binary(BinOp::SSubSat, &b(8, 0), &b(8, 0x80)), b(8, 0x7f));
        // One bit holds -1 and 0.
        assert_eq!(binary(BinOp::SAddSat, &b(1, 1), &b(1, 1)), b(1, 1));
        assert_eq!(binary(BinOp::SSubSat, &b(1, 0), &b(1, 1)), b(1, 0));
    }

    #[test]
    fn division_by_zero_is_zero() {
        assert_eq!(binary(BinOp::Div, &b(8, 7), &b(8, 0)), b(8, 0));
        assert_eq!(binary(BinOp::Rem, &b(8, 7), &b(8, 0)), b(8, 0));
    }

    #[test]
    fn ones_sum_pads_on_the_right_and_subtracts_by_complement() {
        let sum = ones_term(&b(16, 0xffff), &b(16, 1), false);
        assert_eq!(sum, b(16, 1), "end-around carry");
        assert_eq!(ones_term(&b(16, 0), &b(8, 0xab), false), b(16, 0xab00));
        assert_eq!(ones_term(&b(16, 0), &b(24, 0x010203), false), b(16, 0x0402));
        assert_eq!(ones_term(&b(16, 0), &b(16, 0x1234), true), b(16, 0xedcb));
        assert_eq!(ones_term(&b(16, 5), &Bits::zero(0), true), b(16, 5));
    }

    #[test]
    fn frame_reads_past_the_end_are_zero() {
        let frame = [1, 2, 3, 4, 5];
        assert_eq!(frame_bytes(&frame, &b(32, 1), 4), b(32, 0x0203_0405));
        assert_eq!(frame_bytes(&frame, &b(32, 2), 4), b(32, 0));
        assert_eq!(frame_bytes(&frame, &Bits::ones(32), 1), b(8, 0));
        assert_eq!(frame_bytes(&frame, &Bits::ones(64), 2), b(16, 0));
    }

    #[test]
    fn bits_are_read_across_byte_borders() {
        assert_eq!(bits_at(&[0xab, 0xcd], 4, 8), Some(b(8, 0xbc)));
        assert_eq!(bits_at(&[0xab, 0xcd], 9, 7), Some(b(7, 0x4d)));
        assert_eq!(bits_at(&[0xab, 0xcd], 9, 8), None);
        assert_eq!(bits_at(&[], 0, 0), Some(b(0, 0)));
    }

    proptest! {
        /// Short cuts are what they shorten, at every width.
        #[test]
        fn narrow_operations_are_the_wide_ones(a: u64, c: u64, width in 1u32..=64, shift in 0u64..70) {
            let (x, y) = (b(width, a), b(width, c));
            for op in [
                BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::And, BinOp::Or, BinOp::Xor, BinOp::Shl, BinOp::Shr,
                BinOp::Eq, BinOp::Ne, BinOp::Lt, BinOp::Le, BinOp::Gt, BinOp::Ge,
            ] {
                prop_assert_eq!(binary(op, &x, &y), binary_wide(op, &x, &y));
                prop_assert_eq!(binary(op, &x, &x), binary_wide(op, &x, &x));
                prop_assert_eq!(binary(op, &x, &b(width, shift)), binary_wide(op, &x, &b(width, shift)));
            }
        }

        /// Against Rust's own 64-bit arithmetic, at every width up to 64.
        #[test]
        fn agrees_with_machine_arithmetic(a: u64, c: u64, width in 1u32..=64) {
            let mask = u64::MAX >> (64 - width);
            let (x, y) = (a & mask, c & mask);
            let (bx, by) = (b(width, x), b(width, y));
            let signed = |v: u64| i128::from((v << (64 - width)) as i64 >> (64 - width));
            let clamp = |v: i128| {
                let half = 1i128 << (width - 1);
                v.clamp(-half, half - 1) as u64 & mask
            };
            let run = |op| binary(op, &bx, &by).low_u64();
            prop_assert_eq!(run(BinOp::Add), x.wrapping_add(y) & mask);
            prop_assert_eq!(run(BinOp::Sub), x.wrapping_sub(y) & mask);
            prop_assert_eq!(run(BinOp::Mul), x.wrapping_mul(y) & mask);
            prop_assert_eq!(run(BinOp::Div), x.checked_div(y).unwrap_or(0));
            prop_assert_eq!(run(BinOp::Rem), x.checked_rem(y).unwrap_or(0));
            prop_assert_eq!(run(BinOp::SubSat), x.saturating_sub(y));
            prop_assert_eq!(run(BinOp::AddSat), (u128::from(x) + u128::from(y)).min(u128::from(mask)) as u64);
            prop_assert_eq!(run(BinOp::SAddSat), clamp(signed(x) + signed(y)));
            prop_assert_eq!(run(BinOp::SSubSat), clamp(signed(x) - signed(y)));
            prop_assert_eq!(run(BinOp::SLt) == 1, signed(x) < signed(y));
            prop_assert_eq!(run(BinOp::SLe) == 1, signed(x) <= signed(y));
            prop_assert_eq!(run(BinOp::SGt) == 1, signed(x) > signed(y));
            prop_assert_eq!(run(BinOp::SGe) == 1, signed(x) >= signed(y));
            prop_assert_eq!(run(BinOp::Lt) == 1, x < y);
            prop_assert_eq!(run(BinOp::Ge) == 1, x >= y);
            prop_assert_eq!(unary(UnOp::Not, &bx).low_u64(), !x & mask);
            prop_assert_eq!(unary(UnOp::Neg, &bx).low_u64(), x.wrapping_neg() & mask);
            let by = u64::from(width).min(y);
            prop_assert_eq!(run(BinOp::Shl), ((u128::from(x) << by) as u64) & mask);
            prop_assert_eq!(run(BinOp::Shr), (u128::from(x) >> by) as u64);
            prop_assert_eq!(run(BinOp::Sar), (signed(x) >> by) as u64 & mask);
        }
    }
}
