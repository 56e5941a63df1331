//! Operators.

use super::Build;
use super::value::{Val, ones};
use crate::helpers::{Helper, WIDE_OPS};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use trisect_ir::{BinOp, Bits};

impl Build<'_, '_> {
    pub(super) fn complement(&mut self, a: &Val) -> Val {
        let mask = self.constant(&Bits::ones(a.width));
        self.zip(a, &mask, |this, x, y| this.b.ins().bxor(x, y))
    }
    /// `a + b`, and whether it does not fit.
    fn add_carry(&mut self, a: &Val, b: &Val) -> (Val, Value) {
        let mut carry: Option<Value> = None;
        let mut limbs = Vec::new();
        for (x, y) in a.limbs.iter().copied().zip(b.limbs.iter().copied()) {
            let partial = self.b.ins().iadd(x, y);
            let over = self.b.ins().icmp(IntCC::UnsignedLessThan, partial, x);
            let over = self.truth(over).limbs[0];
            let (sum, out) = match carry {
                None => (partial, over),
                Some(carry) => {
                    let sum = self.b.ins().iadd(partial, carry);
                    let again = self.b.ins().icmp(IntCC::UnsignedLessThan, sum, partial);
                    let again = self.truth(again).limbs[0];
                    (sum, self.b.ins().bor(over, again))
                }
            };
            limbs.push(sum);
            carry = Some(out);
        }
        let spare = a.width % 64;
        let carry = match (limbs.last().copied(), carry) {
            (Some(top), _) if spare > 0 => self.shift_right(top, spare),
            (_, Some(carry)) => carry,
            _ => self.number(0),
        };
        (self.trim(Self::val(a.width, limbs)), carry)
    }
    /// `a - b` modulo 2^width.
    pub(super) fn subtract(&mut self, a: &Val, b: &Val) -> Val {
        let mut borrow: Option<Value> = None;
        let mut limbs = Vec::new();
        let count = a.limbs.len();
        for (i, (x, y)) in a
            .limbs
            .iter()
            .copied()
            .zip(b.limbs.iter().copied())
            .enumerate()
        {
            let partial = self.b.ins().isub(x, y);
            let difference = match borrow {
                None => partial,
                Some(borrow) => self.b.ins().isub(partial, borrow),
            };
            limbs.push(difference);
            if i + 1 < count {
                let under = self.b.ins().icmp(IntCC::UnsignedLessThan, x, y);
                let under = self.truth(under).limbs[0];
                borrow = Some(match borrow {
                    None => under,
                    Some(borrow) => {
                        let again = self.b.ins().icmp(IntCC::UnsignedLessThan, partial, borrow);
                        let again = self.truth(again).limbs[0];
                        self.b.ins().bor(under, again)
                    }
                });
            }
        }
        self.trim(Self::val(a.width, limbs))
    }
    /// An operation that the interpreter's definition does, for wide values.
    fn wide(&mut self, op: BinOp, a: &Val, b: &Val) -> Val {
        let number = WIDE_OPS.iter().position(|w| *w == op).unwrap_or(0);
        let memory = self.temporary(2 * a.limbs.len() + b.limbs.len());
        let b_at = 8 * a.limbs.len() as i32;
        let result_at = b_at + 8 * b.limbs.len() as i32;
        self.spill(a, memory, 0);
        self.spill(b, memory, b_at);
        let op = self.number(number as u64);
        let width = self.number(u64::from(a.width));
        let b_width = self.number(u64::from(b.width));
        let b_address = self.b.ins().iadd_imm_s(memory, i64::from(b_at));
        let result = self.b.ins().iadd_imm_s(memory, i64::from(result_at));
        self.call(
            Helper::Wide,
            &[op, width, b_width, memory, b_address, result],
        );
        self.unspill(a.width, memory, result_at)
    }
    /// Applies a binary operator.
    pub(super) fn binary(&mut self, op: BinOp, a: &Val, b: &Val) -> Val {
        if a.width == 0 && !op.is_comparison() {
            return a.clone();
        }
        match op {
            BinOp::Add => self.add_carry(a, b).0,
            BinOp::Sub => self.subtract(a, b),
            BinOp::And => self.zip(a, b, |this, x, y| this.b.ins().band(x, y)),
            BinOp::Or => self.zip(a, b, |this, x, y| this.b.ins().bor(x, y)),
            BinOp::Xor => self.zip(a, b, |this, x, y| this.b.ins().bxor(x, y)),
            BinOp::AddSat => {
                let (sum, carry) = self.add_carry(a, b);
                let most = self.constant(&Bits::ones(a.width));
                self.choose(carry, &most, &sum)
            }
            BinOp::SubSat => {
                let difference = self.subtract(a, b);
                let under = self.less(a, b, false);
                let zero = self.zero(a.width);
                self.choose(under, &zero, &difference)
            }
            BinOp::Mul | BinOp::Div | BinOp::Rem | BinOp::SAddSat | BinOp::SSubSat => {
                match (&a.limbs[..], &b.limbs[..]) {
                    ([x], [y]) => self.small_op(op, a.width, *x, *y),
                    _ => self.wide(op, a, b),
                }
            }
            BinOp::Shl | BinOp::Shr | BinOp::Sar => match a.limbs[..] {
                [x] => {
                    let by = self.index(b);
                    self.small_shift(op, a.width, x, by)
                }
                _ => self.wide(op, a, b),
            },
            _ => {
                let flag = self.compare(op, a, b);
                self.truth(flag)
            }
        }
    }
    /// A comparison's result, as something to branch on.
    pub(super) fn compare(&mut self, op: BinOp, a: &Val, b: &Val) -> Value {
        match op {
            BinOp::Ne => match (&a.limbs[..], &b.limbs[..]) {
                ([x], [y]) => self.b.ins().icmp(IntCC::NotEqual, *x, *y),
                _ => {
                    let equal = self.equal(a, b);
                    let equal = self.truth(equal).limbs[0];
                    let zero = self.number(0);
                    self.b.ins().icmp(IntCC::Equal, equal, zero)
                }
            },
            BinOp::Lt => self.less(a, b, false),
            BinOp::Le => self.less(a, b, true),
            BinOp::Gt => self.less(b, a, false),
            BinOp::Ge => self.less(b, a, true),
            BinOp::SLt => self.signed_less(a, b, false),
            BinOp::SLe => self.signed_less(a, b, true),
            BinOp::SGt => self.signed_less(b, a, false),
            BinOp::SGe => self.signed_less(b, a, true),
            _ => self.equal(a, b),
        }
    }
    /// With the signs flipped, signed order is unsigned order.
    fn signed_less(&mut self, a: &Val, b: &Val, or_equal: bool) -> Value {
        if a.width == 0 {
            return self.number(u64::from(or_equal));
        }
        let sign = self.constant(&Bits::prefix_mask(a.width, 1));
        let a = self.zip(a, &sign, |this, x, y| this.b.ins().bxor(x, y));
        let b = self.zip(b, &sign, |this, x, y| this.b.ins().bxor(x, y));
        self.less(&a, &b, or_equal)
    }
    fn small_op(&mut self, op: BinOp, width: u32, x: Value, y: Value) -> Val {
        let value = match op {
            BinOp::Mul => {
                let product = self.b.ins().imul(x, y);
                self.low(product, width)
            }
            BinOp::Div | BinOp::Rem => {
                // A division by 0 would trap: divide by 1 and drop the result.
                let zero = self.number(0);
                let one = self.number(1);
                let divisor = self.b.ins().select(y, y, one);
                let result = if op == BinOp::Div {
                    self.b.ins().udiv(x, divisor)
                } else {
                    self.b.ins().urem(x, divisor)
                };
                self.b.ins().select(y, result, zero)
            }
            _ if width == 64 => {
                let (a, b) = (Self::small(64, x), Self::small(64, y));
                return self.wide(op, &a, &b);
            }
            _ => {
                let x = self.sign_extend_limb(x, width);
                let y = self.sign_extend_limb(y, width);
                let exact = if op == BinOp::SAddSat {
                    self.b.ins().iadd(x, y)
                } else {
                    self.b.ins().isub(x, y)
                };
                let most = self.number(ones(width - 1));
                let least = self.number(!ones(width - 1));
                let above = self.b.ins().icmp(IntCC::SignedGreaterThan, exact, most);
                let clamped = self.b.ins().select(above, most, exact);
                let below = self.b.ins().icmp(IntCC::SignedLessThan, clamped, least);
                let clamped = self.b.ins().select(below, least, clamped);
                self.low(clamped, width)
            }
        };
        Self::small(width, value)
    }
    fn small_shift(&mut self, op: BinOp, width: u32, x: Value, by: Value) -> Val {
        let limit = self.number(u64::from(width));
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, by, limit);
        let zero = self.number(0);
        let value = match op {
            BinOp::Shl => {
                let shifted = self.b.ins().ishl(x, by);
                let shifted = self.low(shifted, width);
                self.b.ins().select(inside, shifted, zero)
            }
            BinOp::Shr => {
                let shifted = self.b.ins().ushr(x, by);
                self.b.ins().select(inside, shifted, zero)
            }
            _ => {
                let most = self.number(63);
                let by = self.b.ins().select(inside, by, most);
                let extended = self.sign_extend_limb(x, width);
                let shifted = self.b.ins().sshr(extended, by);
                self.low(shifted, width)
            }
        };
        Self::small(width, value)
    }
    /// Shift by a constant.
    pub(super) fn shift_constant(&mut self, op: BinOp, a: &Val, by: u32) -> Val {
        let by = by.min(a.width);
        match op {
            BinOp::Shl => {
                let high = self.extract(a, 0, a.width - by);
                let low = self.zero(by);
                self.concat(&[high, low])
            }
            BinOp::Shr => {
                let low = self.extract(a, by, a.width - by);
                self.resize(&low, a.width)
            }
            _ => {
                // At least the sign stays.
                let by = by.min(a.width.saturating_sub(1));
                let low = self.extract(a, by, a.width - by);
                self.sign_resize(&low, a.width)
            }
        }
    }
}
