//! Values of which some are known and the others are terms over what the state may have been.

use trisect_ir::{BinOp, Bits, HashAlgorithm, SumTerm, UnOp, eval, hash};
use z3::ast::{Ast, BV, Bool};

/// A value. What can be computed is computed, by the reference interpreter's own definition.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Known(Bits),
    /// A term, wider than 0 bits.
    Open(BV),
}

/// A byte of a packet.
#[derive(Clone, Debug)]
pub(super) enum Byte {
    Known(u8),
    Open(BV),
}

/// Why it cannot be told what a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt(pub &'static str);

impl Value {
    pub fn zero(width: u32) -> Value {
        Value::Known(Bits::zero(width))
    }

    pub fn num(width: u32, value: u64) -> Value {
        Value::Known(Bits::new(width, value))
    }

    /// A term; a number if that is what it comes to.
    pub fn of(term: BV) -> Value {
        let term = term.simplify();
        match term.as_u64() {
            Some(value) => Value::num(term.get_size(), value),
            None => Value::Open(term),
        }
    }

    /// A condition, as a value of width 1.
    pub fn holds(condition: &Bool) -> Value {
        Value::of(condition.ite(&BV::from_u64(1, 1), &BV::from_u64(0, 1)))
    }

    pub fn width(&self) -> u32 {
        match self {
            Value::Known(bits) => bits.width(),
            Value::Open(term) => term.get_size(),
        }
    }

    pub fn known(&self) -> Option<&Bits> {
        match self {
            Value::Known(bits) => Some(bits),
            Value::Open(_) => None,
        }
    }

    /// The value as a term; it has at least one bit.
    pub fn term(&self) -> BV {
        match self {
            Value::Known(bits) => constant(bits),
            Value::Open(term) => term.clone(),
        }
    }

    /// That the value of width 1 is 1.
    pub fn is_one(&self) -> Bool {
        self.term().eq(BV::from_u64(1, 1))
    }

    pub fn is_equal(&self, other: &Value) -> Bool {
        match (self, other) {
            (Value::Known(a), Value::Known(b)) => Bool::from_bool(a == b),
            _ => self.term().eq(other.term()),
        }
    }

    pub fn resize(&self, width: u32) -> Value {
        match self {
            Value::Known(bits) => Value::Known(bits.resize(width)),
            Value::Open(_) if width == 0 => Value::zero(0),
            Value::Open(term) => Value::of(resized(term, width)),
        }
    }

    pub fn sign_resize(&self, width: u32) -> Value {
        match self {
            Value::Known(bits) => Value::Known(bits.sign_resize(width)),
            Value::Open(term) if width > term.get_size() => {
                Value::of(term.sign_ext(width - term.get_size()))
            }
            Value::Open(_) => self.resize(width),
        }
    }

    pub fn slice(&self, hi: u32, lo: u32) -> Value {
        match self {
            Value::Known(bits) => Value::Known(bits.slice(hi, lo)),
            Value::Open(term) => Value::of(term.extract(hi, lo)),
        }
    }

    pub fn with_slice(&self, hi: u32, lo: u32, part: &Value) -> Value {
        if let (Value::Known(bits), Value::Known(part)) = (self, part) {
            return Value::Known(bits.with_slice(hi, lo, part));
        }
        let width = self.width();
        let mut value = part.resize(hi - lo + 1);
        if hi + 1 < width {
            value = self.slice(width - 1, hi + 1).concat(&value);
        }
        if lo > 0 {
            value = value.concat(&self.slice(lo - 1, 0));
        }
        value
    }

    /// `self` in the high bits, `low` in the low bits.
    pub fn concat(&self, low: &Value) -> Value {
        match (self, low) {
            (Value::Known(a), Value::Known(b)) => Value::Known(a.concat(b)),
            _ if self.width() == 0 => low.clone(),
            _ if low.width() == 0 => self.clone(),
            _ => Value::of(self.term().concat(low.term())),
        }
    }

    /// `condition ? self : other`.
    pub fn or_else(&self, condition: &Bool, other: &Value) -> Value {
        match self.width() {
            0 => self.clone(),
            _ => Value::of(condition.ite(&self.term(), &other.term())),
        }
    }

    /// Its bytes, the highest first; the highest is padded on its left.
    pub fn bytes(&self) -> Vec<Byte> {
        match self {
            Value::Known(bits) => bits.to_be_bytes().into_iter().map(Byte::Known).collect(),
            Value::Open(_) => {
                let bytes = self.width().div_ceil(8);
                let padded = self.resize(bytes * 8);
                let byte = |i: u32| Byte::of(&padded.slice(i * 8 + 7, i * 8));
                (0..bytes).rev().map(byte).collect()
            }
        }
    }
}

impl Byte {
    /// A value of 8 bits.
    fn of(value: &Value) -> Byte {
        match value {
            Value::Known(bits) => Byte::Known(bits.low_u64() as u8),
            Value::Open(term) => Byte::Open(term.clone()),
        }
    }

    fn value(&self) -> Value {
        match self {
            Byte::Known(byte) => Value::num(8, u64::from(*byte)),
            Byte::Open(term) => Value::Open(term.clone()),
        }
    }

    /// That it is this byte; `None` if it is certain not to be.
    pub fn is(&self, byte: u8) -> Option<Bool> {
        match self {
            Byte::Known(known) => (*known == byte).then(|| Bool::from_bool(true)),
            Byte::Open(term) => Some(term.eq(BV::from_u64(u64::from(byte), 8))),
        }
    }
}

/// The bytes, if all are known.
pub(super) fn known_bytes(bytes: &[Byte]) -> Option<Vec<u8>> {
    let known = bytes.iter().map(|byte| match byte {
        Byte::Known(byte) => Some(*byte),
        Byte::Open(_) => None,
    });
    known.collect()
}

/// `width` bits that start `offset` bits after the start of `bytes`; `None` past their end.
pub(super) fn bits_at(bytes: &[Byte], offset: usize, width: u32) -> Option<Value> {
    let end = offset.checked_add(width as usize)?;
    let covering = bytes.get(offset / 8..end.div_ceil(8))?;
    if width == 0 {
        return Some(Value::zero(0));
    }
    let unread = (end.div_ceil(8) * 8 - end) as u32;
    let all = joined(covering);
    Some(all.slice(unread + width - 1, unread))
}

/// Bytes as one value, the first the highest.
fn joined(bytes: &[Byte]) -> Value {
    match known_bytes(bytes) {
        Some(known) => Value::Known(Bits::from_be_bytes(bytes.len() as u32 * 8, &known)),
        None => bytes
            .iter()
            .fold(Value::zero(0), |all, byte| all.concat(&byte.value())),
    }
}

fn constant(bits: &Bits) -> BV {
    match bits.to_u64() {
        Some(value) => BV::from_u64(value, bits.width()),
        // A decimal number is one that it takes.
        None => BV::from_str(bits.width(), &bits.value().to_string())
            .unwrap_or_else(|| BV::from_u64(bits.low_u64(), bits.width())),
    }
}

fn resized(term: &BV, width: u32) -> BV {
    let is = term.get_size();
    match width.cmp(&is) {
        std::cmp::Ordering::Less => term.extract(width - 1, 0),
        std::cmp::Ordering::Equal => term.clone(),
        std::cmp::Ordering::Greater => term.zero_ext(width - is),
    }
}

pub(super) fn unary(op: UnOp, a: &Value) -> Value {
    match (op, a) {
        (_, Value::Known(a)) => Value::Known(eval::unary(op, a)),
        (UnOp::Not, Value::Open(a)) => Value::of(a.bvnot()),
        (UnOp::Neg, Value::Open(a)) => Value::of(a.bvneg()),
    }
}

/// What [`eval::binary`] says, of terms.
pub(super) fn binary(op: BinOp, a: &Value, b: &Value) -> Value {
    if let (Value::Known(a), Value::Known(b)) = (a, b) {
        return Value::Known(eval::binary(op, a, b));
    }
    if op.is_shift() {
        return shift(op, a, b);
    }
    let width = a.width();
    let (a, b) = (a.term(), b.term());
    let zero = || BV::from_u64(0, width);
    let ones = || zero().bvnot();
    let when = |condition: Bool| Value::holds(&condition);
    match op {
        BinOp::Add => Value::of(a.bvadd(b)),
        BinOp::Sub => Value::of(a.bvsub(b)),
        BinOp::Mul => Value::of(a.bvmul(b)),
        BinOp::Div => Value::of(b.eq(zero()).ite(&zero(), &a.bvudiv(&b))),
        BinOp::Rem => Value::of(b.eq(zero()).ite(&zero(), &a.bvurem(&b))),
        BinOp::AddSat => Value::of(a.bvadd(&b).bvult(&a).ite(&ones(), &a.bvadd(&b))),
        BinOp::SubSat => Value::of(a.bvult(&b).ite(&zero(), &a.bvsub(&b))),
        BinOp::SAddSat => signed_saturating(&a.sign_ext(1).bvadd(b.sign_ext(1))),
        BinOp::SSubSat => signed_saturating(&a.sign_ext(1).bvsub(b.sign_ext(1))),
        BinOp::And => Value::of(a.bvand(b)),
        BinOp::Or => Value::of(a.bvor(b)),
        BinOp::Xor => Value::of(a.bvxor(b)),
        BinOp::Eq => when(a.eq(b)),
        BinOp::Ne => when(a.eq(b).not()),
        BinOp::Lt => when(a.bvult(b)),
        BinOp::Le => when(a.bvule(b)),
        BinOp::Gt => when(a.bvugt(b)),
        BinOp::Ge => when(a.bvuge(b)),
        BinOp::SLt => when(a.bvslt(b)),
        BinOp::SLe => when(a.bvsle(b)),
        BinOp::SGt => when(a.bvsgt(b)),
        BinOp::SGe => when(a.bvsge(b)),
        BinOp::Shl | BinOp::Shr | BinOp::Sar => Value::Open(a),
    }
}

/// A shift; the amount may have another width.
fn shift(op: BinOp, a: &Value, by: &Value) -> Value {
    let width = a.width();
    if by.width() == 0 || width == 0 {
        return a.clone();
    }
    let wide = width.max(by.width());
    let (a, by) = (a.term(), resized(&by.term(), wide));
    let shifted = match op {
        BinOp::Shl => resized(&a, wide).bvshl(by),
        BinOp::Sar => a.sign_ext(wide - width).bvashr(by),
        _ => resized(&a, wide).bvlshr(by),
    };
    Value::of(resized(&shifted, width))
}

/// The exact result of one bit more, clamped.
fn signed_saturating(exact: &BV) -> Value {
    let width = exact.get_size() - 1;
    let bit = |at: u32| exact.extract(at, at);
    let negative = bit(width).eq(BV::from_u64(1, 1));
    let fits = bit(width).eq(bit(width - 1));
    let min = constant(&Bits::prefix_mask(width, 1));
    let clamped = negative.ite(&min, &min.bvnot());
    Value::of(fits.ite(&exact.extract(width - 1, 0), &clamped))
}

/// [`trisect_ir::Expr::OnesSum`], whose terms have these values.
pub(super) fn ones_sum(init: Value, terms: &[(&SumTerm, Value)]) -> Value {
    terms.iter().fold(init, |sum, (term, value)| {
        if let (Value::Known(sum), Value::Known(value)) = (&sum, value) {
            return Value::Known(eval::ones_term(sum, value, term.subtract));
        }
        let padding = value.width().next_multiple_of(16) - value.width();
        let padded = value.concat(&Value::zero(padding));
        let words = (0..padded.width() / 16).rev();
        words.fold(sum, |sum, i| {
            let word = padded.slice(i * 16 + 15, i * 16);
            match term.subtract {
                true => ones_add(&sum, &unary(UnOp::Not, &word)),
                false => ones_add(&sum, &word),
            }
        })
    })
}

/// Addition with end-around carry.
fn ones_add(a: &Value, b: &Value) -> Value {
    let sum = binary(BinOp::Add, &a.resize(17), &b.resize(17));
    let carry = sum.slice(16, 16).resize(16);
    binary(BinOp::Add, &sum.slice(15, 0), &carry)
}

/// The hash of bytes.
pub(super) fn hashed(algorithm: &HashAlgorithm, data: &[Byte]) -> Result<Value, Doubt> {
    let width = algorithm.width();
    if let Some(known) = known_bytes(data) {
        return Ok(Value::num(
            width,
            u64::from(hash::compute(algorithm, &known)),
        ));
    }
    match algorithm {
        HashAlgorithm::Csum16 => {
            let term = SumTerm {
                subtract: false,
                value: trisect_ir::Expr::Payload,
            };
            let sum = ones_sum(Value::zero(16), &[(&term, joined(data))]);
            Ok(unary(UnOp::Not, &sum))
        }
        HashAlgorithm::Identity => Ok(joined(data).resize(32)),
        HashAlgorithm::Xor16 => {
            let all = joined(data);
            let padded = all.concat(&Value::zero(all.width().next_multiple_of(16) - all.width()));
            let words = (0..padded.width() / 16).map(|i| padded.slice(i * 16 + 15, i * 16));
            Ok(words.fold(Value::zero(16), |all, word| binary(BinOp::Xor, &all, &word)))
        }
        _ => {
            linear(algorithm, data).ok_or(Doubt("a keyed hash is taken of what the state decides"))
        }
    }
}

/// A hash that is affine over bits, as CRCs and Toeplitz are: what it is of the known bits with the others 0, and what each of
/// the others adds.
fn linear(algorithm: &HashAlgorithm, data: &[Byte]) -> Option<Value> {
    if matches!(algorithm, HashAlgorithm::HalfSipHash(_)) {
        return None;
    }
    let mut bytes: Vec<u8> = data
        .iter()
        .map(|byte| match byte {
            Byte::Known(byte) => *byte,
            Byte::Open(_) => 0,
        })
        .collect();
    let width = algorithm.width();
    let base = hash::compute(algorithm, &bytes);
    let mut sum = Value::num(width, u64::from(base));
    for (at, byte) in data.iter().enumerate() {
        let Byte::Open(term) = byte else { continue };
        for bit in 0..8 {
            *bytes.get_mut(at)? = 1 << bit;
            let adds = Value::num(width, u64::from(base ^ hash::compute(algorithm, &bytes)));
            let set = term.extract(bit, bit).eq(BV::from_u64(1, 1));
            sum = binary(BinOp::Xor, &sum, &adds.or_else(&set, &Value::zero(width)));
        }
        *bytes.get_mut(at)? = 0;
    }
    Some(sum)
}
