//! Values of any width as 64-bit limbs.

use super::{Build, flags};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use trisect_ir::Bits;
use trisect_table::limbs;

/// How many limbs a value of this width takes.
pub(super) fn limb_count(width: u32) -> usize {
    limbs::count(width)
}

/// 2^bits - 1, for up to 64 bits.
pub(super) fn ones(bits: u32) -> u64 {
    match bits {
        0 => 0,
        64.. => u64::MAX,
        _ => u64::MAX >> (64 - bits),
    }
}

/// A value: limbs, lowest first. Bits at `width` and above are always 0.
#[derive(Clone, Debug)]
pub(super) struct Val {
    pub width: u32,
    pub limbs: Vec<Value>,
}

impl Val {
    /// Bits that limb `i` holds.
    pub fn limb_bits(&self, i: usize) -> u32 {
        (self.width - 64 * i as u32).min(64)
    }
}

impl Build<'_, '_> {
    pub(super) fn val(width: u32, limbs: Vec<Value>) -> Val {
        debug_assert_eq!(limbs.len(), limb_count(width));
        Val { width, limbs }
    }
    /// A value of one limb.
    pub(super) fn small(width: u32, value: Value) -> Val {
        Val {
            width,
            limbs: vec![value],
        }
    }
    pub(super) fn constant(&mut self, bits: &Bits) -> Val {
        let limbs = limbs::from_bits(bits)
            .into_iter()
            .map(|limb| self.number(limb))
            .collect();
        Self::val(bits.width(), limbs)
    }
    pub(super) fn zero(&mut self, width: u32) -> Val {
        self.constant(&Bits::zero(width))
    }
    /// The lowest `bits` bits of a word.
    pub(super) fn low(&mut self, value: Value, bits: u32) -> Value {
        if bits >= 64 {
            return value;
        }
        let mask = self.number(ones(bits));
        self.b.ins().band(value, mask)
    }
    pub(super) fn shift_left(&mut self, value: Value, by: u32) -> Value {
        match by {
            0 => value,
            64.. => self.number(0),
            _ => {
                let by = self.number(u64::from(by));
                self.b.ins().ishl(value, by)
            }
        }
    }
    pub(super) fn shift_right(&mut self, value: Value, by: u32) -> Value {
        match by {
            0 => value,
            64.. => self.number(0),
            _ => {
                let by = self.number(u64::from(by));
                self.b.ins().ushr(value, by)
            }
        }
    }
    /// Drops the bits at the width and above.
    pub(super) fn trim(&mut self, mut value: Val) -> Val {
        let top = value.limbs.len().saturating_sub(1);
        if let Some(limb) = value.limbs.last().copied() {
            let bits = value.limb_bits(top);
            value.limbs[top] = self.low(limb, bits);
        }
        value
    }
    /// Zero-extends or truncates.
    pub(super) fn resize(&mut self, value: &Val, width: u32) -> Val {
        let mut limbs = value.limbs.clone();
        let count = limb_count(width);
        limbs.truncate(count);
        while limbs.len() < count {
            limbs.push(self.number(0));
        }
        let out = Self::val(width, limbs);
        if width < value.width {
            self.trim(out)
        } else {
            out
        }
    }
    /// Sign-extends or truncates.
    pub(super) fn sign_resize(&mut self, value: &Val, width: u32) -> Val {
        let Some(top) = value.limbs.len().checked_sub(1) else {
            return self.zero(width);
        };
        if width <= value.width {
            return self.resize(value, width);
        }
        let mut limbs = value.limbs.clone();
        limbs[top] = self.sign_extend_limb(limbs[top], value.limb_bits(top));
        let by = self.number(63);
        let sign = self.b.ins().sshr(limbs[top], by);
        limbs.resize(limb_count(width), sign);
        self.trim(Self::val(width, limbs))
    }
    /// Sign-extends the lowest `bits` bits of a word.
    pub(super) fn sign_extend_limb(&mut self, limb: Value, bits: u32) -> Value {
        if bits >= 64 {
            return limb;
        }
        let by = self.number(u64::from(64 - bits));
        let high = self.b.ins().ishl(limb, by);
        self.b.ins().sshr(high, by)
    }
    /// The bits `lo ..` of a value, as many as `width` says.
    pub(super) fn extract(&mut self, value: &Val, lo: u32, width: u32) -> Val {
        let skip = (lo / 64) as usize;
        let by = lo % 64;
        let limbs = (0..limb_count(width))
            .map(|i| {
                let low = match value.limbs.get(skip + i) {
                    Some(limb) => self.shift_right(*limb, by),
                    None => self.number(0),
                };
                match value.limbs.get(skip + i + 1) {
                    Some(limb) if by > 0 => {
                        let high = self.shift_left(*limb, 64 - by);
                        self.b.ins().bor(low, high)
                    }
                    _ => low,
                }
            })
            .collect();
        let out = Self::val(width, limbs);
        if lo + width < value.width {
            self.trim(out)
        } else {
            out
        }
    }
    /// Values one after the other, the first in the highest bits.
    pub(super) fn concat(&mut self, parts: &[Val]) -> Val {
        let width = parts.iter().map(|p| p.width).sum();
        let mut limbs: Vec<Option<Value>> = vec![None; limb_count(width)];
        let mut at = 0u32;
        for part in parts.iter().rev() {
            for (i, limb) in part.limbs.iter().enumerate() {
                let bit = at + 64 * i as u32;
                let (index, by) = ((bit / 64) as usize, bit % 64);
                let low = self.shift_left(*limb, by);
                self.or_into(&mut limbs[index], low);
                if by + part.limb_bits(i) > 64 {
                    let high = self.shift_right(*limb, 64 - by);
                    self.or_into(&mut limbs[index + 1], high);
                }
            }
            at += part.width;
        }
        let limbs = limbs
            .into_iter()
            .map(|limb| match limb {
                Some(limb) => limb,
                None => self.number(0),
            })
            .collect();
        Self::val(width, limbs)
    }
    fn or_into(&mut self, limb: &mut Option<Value>, value: Value) {
        *limb = Some(match *limb {
            Some(old) => self.b.ins().bor(old, value),
            None => value,
        });
    }
    /// `value` with the bits `hi ..= lo` replaced.
    pub(super) fn with_slice(&mut self, value: &Val, hi: u32, lo: u32, part: &Val) -> Val {
        let part = self.resize(part, hi - lo + 1);
        let high = self.extract(value, hi + 1, value.width - 1 - hi);
        let low = self.extract(value, 0, lo);
        self.concat(&[high, part, low])
    }
    /// As many zero bits on the left as make a whole number of bytes.
    pub(super) fn whole_bytes(&mut self, value: &Val) -> Val {
        self.resize(value, value.width.next_multiple_of(8))
    }
    /// Whether any bit is set, as something to branch on.
    pub(super) fn is_nonzero(&mut self, value: &Val) -> Value {
        match value.limbs[..] {
            [] => self.number(0),
            [limb] => limb,
            [first, ref rest @ ..] => {
                let rest = rest.to_vec();
                rest.into_iter()
                    .fold(first, |acc, limb| self.b.ins().bor(acc, limb))
            }
        }
    }
    /// The value as an index: 2^64 - 1 if it does not fit in 64 bits.
    pub(super) fn index(&mut self, value: &Val) -> Value {
        match value.limbs[..] {
            [] => self.number(0),
            [limb] => limb,
            [low, ref rest @ ..] => {
                let high = Self::val(value.width - 64, rest.to_vec());
                let high = self.is_nonzero(&high);
                let none = self.number(u64::MAX);
                self.b.ins().select(high, none, low)
            }
        }
    }
    /// Limb by limb.
    pub(super) fn zip(
        &mut self,
        a: &Val,
        b: &Val,
        mut f: impl FnMut(&mut Self, Value, Value) -> Value,
    ) -> Val {
        let limbs = a
            .limbs
            .iter()
            .zip(&b.limbs)
            .map(|(x, y)| f(self, *x, *y))
            .collect();
        Self::val(a.width, limbs)
    }
    /// `cond ? a : b`
    pub(super) fn choose(&mut self, cond: Value, a: &Val, b: &Val) -> Val {
        self.zip(a, b, |this, x, y| this.b.ins().select(cond, x, y))
    }
    /// Whether values of the same width are equal.
    pub(super) fn equal(&mut self, a: &Val, b: &Val) -> Value {
        match (&a.limbs[..], &b.limbs[..]) {
            ([], _) | (_, []) => self.number(1),
            ([x], [y]) => self.b.ins().icmp(IntCC::Equal, *x, *y),
            _ => {
                let different = self.zip(a, b, |this, x, y| this.b.ins().bxor(x, y));
                let any = self.is_nonzero(&different);
                let zero = self.number(0);
                self.b.ins().icmp(IntCC::Equal, any, zero)
            }
        }
    }
    /// Whether `a < b`, or `a <= b` if `or_equal`, unsigned.
    pub(super) fn less(&mut self, a: &Val, b: &Val, or_equal: bool) -> Value {
        let lowest = if or_equal {
            IntCC::UnsignedLessThanOrEqual
        } else {
            IntCC::UnsignedLessThan
        };
        let mut result = None;
        for (x, y) in a.limbs.iter().copied().zip(b.limbs.iter().copied()) {
            result = Some(match result {
                None => self.b.ins().icmp(lowest, x, y),
                Some(below) => {
                    let less = self.b.ins().icmp(IntCC::UnsignedLessThan, x, y);
                    let same = self.b.ins().icmp(IntCC::Equal, x, y);
                    let carried = self.b.ins().band(same, below);
                    self.b.ins().bor(less, carried)
                }
            });
        }
        match result {
            Some(result) => result,
            None => self.number(u64::from(or_equal)),
        }
    }
    /// A comparison's result as a value of width 1.
    pub(super) fn truth(&mut self, flag: Value) -> Val {
        let ty = self.b.func.dfg.value_type(flag);
        let wide = if ty == cranelift_codegen::ir::types::I64 {
            flag
        } else {
            self.b
                .ins()
                .uextend(cranelift_codegen::ir::types::I64, flag)
        };
        Self::small(1, wide)
    }
    /// Writes the limbs to memory, lowest first.
    pub(super) fn spill(&mut self, value: &Val, at: Value, offset: i32) {
        for (i, limb) in value.limbs.iter().enumerate() {
            self.b
                .ins()
                .store(flags(), *limb, at, offset + 8 * i as i32);
        }
    }
    /// Reads limbs from memory.
    pub(super) fn unspill(&mut self, width: u32, at: Value, offset: i32) -> Val {
        let limbs = (0..limb_count(width))
            .map(|i| self.load_native(at, offset + 8 * i as i32, 8))
            .collect();
        Self::val(width, limbs)
    }
    /// Writes a value of whole bytes big-endian and gives the address of its first byte.
    pub(super) fn big_endian(&mut self, value: &Val) -> Value {
        let bytes = value.width / 8;
        // Limbs are written whole; the highest may begin up to seven bytes in front.
        let base = self.temporary(value.limbs.len() + 1);
        for (i, limb) in value.limbs.iter().enumerate() {
            let at = 8 + bytes as i32 - 8 * (i as i32 + 1);
            self.store_big(*limb, base, at, 8);
        }
        let at = self.number(8);
        self.b.ins().iadd(base, at)
    }
}
