//! Bit vectors of any width.

use num_bigint::BigUint;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An unsigned bit vector: a width in bits and a value below 2^width.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    width: u32,
    value: Number,
}

/// An unsigned number of any size, what [`Bits::new`] takes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Repr);

/// Every number that fits in 128 bits is `Small`, so that no memory is asked for it, and the derived order is that of
/// the numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Small(u128),
    Big(Box<BigUint>),
}

impl Number {
    const ZERO: Self = Self(Repr::Small(0));

    #[inline]
    fn small(&self) -> Option<u128> {
        match &self.0 {
            Repr::Small(value) => Some(*value),
            Repr::Big(_) => None,
        }
    }
    fn big(&self) -> BigUint {
        match &self.0 {
            Repr::Small(value) => BigUint::from(*value),
            Repr::Big(value) => BigUint::clone(value),
        }
    }
}

impl From<BigUint> for Number {
    fn from(value: BigUint) -> Self {
        match u128::try_from(&value) {
            Ok(small) => Self(Repr::Small(small)),
            Err(_) => Self(Repr::Big(Box::new(value))),
        }
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Number {
            #[inline]
            fn from(value: $integer) -> Self {
                Self(Repr::Small(value as u128))
            }
        })*
    };
}
from_integers!(bool, u8, u16, u32, u64, u128, usize);

impl Bits {
    /// The value modulo 2^width.
    #[inline]
    pub fn new(width: u32, value: impl Into<Number>) -> Self {
        let value = match value.into().0 {
            Repr::Small(small) => Number(Repr::Small(small & small_mask(width))),
            Repr::Big(big) if big.bits() > u64::from(width) => (*big & mask(width)).into(),
            big @ Repr::Big(_) => Number(big),
        };
        Self { width, value }
    }
    /// Zero of this width.
    #[inline]
    pub fn zero(width: u32) -> Self {
        Self {
            width,
            value: Number::ZERO,
        }
    }
    /// All ones of this width.
    pub fn ones(width: u32) -> Self {
        match width {
            0..=128 => Self::new(width, u128::MAX),
            _ => Self::new(width, mask(width)),
        }
    }
    /// A width-1 value.
    #[inline]
    pub fn bool(value: bool) -> Self {
        Self::new(1, u32::from(value))
    }
    /// The value if it fits in 128 bits.
    #[inline]
    pub fn to_u128(&self) -> Option<u128> {
        self.value.small()
    }
    /// From big-endian bytes, right-aligned: the last byte holds the lowest bits.
    pub fn from_be_bytes(width: u32, bytes: &[u8]) -> Self {
        match bytes.len() {
            0..=16 => {
                let value = bytes.iter().fold(0, |v, b| v << 8 | u128::from(*b));
                Self::new(width, value)
            }
            _ => Self::new(width, BigUint::from_bytes_be(bytes)),
        }
    }
    /// The width in bits.
    #[inline]
    pub fn width(&self) -> u32 {
        self.width
    }
    /// The value.
    pub fn value(&self) -> BigUint {
        self.value.big()
    }
    /// Whether all bits are 0.
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.value == Number::ZERO
    }
    /// The lowest 64 bits.
    #[inline]
    pub fn low_u64(&self) -> u64 {
        match &self.value.0 {
            Repr::Small(value) => *value as u64,
            Repr::Big(value) => value.iter_u64_digits().next().unwrap_or(0),
        }
    }
    /// The value if it fits in 64 bits.
    #[inline]
    pub fn to_u64(&self) -> Option<u64> {
        u64::try_from(self.value.small()?).ok()
    }
    /// ceil(width / 8) big-endian bytes, right-aligned.
    pub fn to_be_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.width.div_ceil(8) as usize);
        self.append_be_bytes(&mut out);
        out
    }
    /// Appends [`Bits::to_be_bytes`].
    pub fn append_be_bytes(&self, out: &mut Vec<u8>) {
        let len = self.width.div_ceil(8) as usize;
        match &self.value.0 {
            Repr::Small(value) => {
                let bytes = value.to_be_bytes();
                out.resize(out.len() + len.saturating_sub(bytes.len()), 0);
                out.extend_from_slice(&bytes[bytes.len().saturating_sub(len)..]);
            }
            Repr::Big(value) => {
                let bytes = value.to_bytes_be();
                out.resize(out.len() + len - bytes.len(), 0);
                out.extend_from_slice(&bytes);
            }
        }
    }
    /// The bits `hi..=lo`, counted from the least significant bit; width is `hi - lo + 1`.
    #[inline]
    pub fn slice(&self, hi: u32, lo: u32) -> Self {
        self.shifted_right(lo).resize(hi - lo + 1)
    }
    /// The value divided by 2^by.
    #[inline]
    pub(crate) fn shifted_right(&self, by: u32) -> Self {
        match &self.value.0 {
            Repr::Small(value) => Self::new(self.width, value.checked_shr(by).unwrap_or(0)),
            Repr::Big(value) => Self::new(self.width, &**value >> by),
        }
    }
    /// This value with the bits `hi..=lo` replaced by `part`.
    pub fn with_slice(&self, hi: u32, lo: u32, part: &Self) -> Self {
        if let (Some(value), Some(part), 0..=127) = (self.to_u128(), part.to_u128(), hi) {
            let field = small_mask(hi - lo + 1) << lo;
            return Self::new(self.width, value & !field | part << lo);
        }
        let field = mask(hi - lo + 1) << lo;
        let cleared = self.value() & (mask(self.width) ^ (field & mask(self.width)));
        Self::new(self.width, cleared | (part.value() << lo))
    }
    /// `self` in the high bits, `low` in the low bits.
    pub fn concat(&self, low: &Self) -> Self {
        let width = self.width + low.width;
        match (self.to_u128(), low.to_u128()) {
            (Some(high), Some(bits)) if width <= 128 => {
                Self::new(width, high.checked_shl(low.width).unwrap_or(0) | bits)
            }
            _ => Self::new(width, (self.value() << low.width) | low.value()),
        }
    }
    /// Zero-extended or truncated to a width.
    #[inline]
    pub fn resize(&self, width: u32) -> Self {
        Self::new(width, self.value.clone())
    }
    /// Sign-extended (bit `width - 1` is the sign) or truncated to a width.
    pub fn sign_resize(&self, width: u32) -> Self {
        if width <= self.width || !self.sign() {
            return self.resize(width);
        }
        let high = mask(width) ^ mask(self.width);
        Self::new(width, self.value() | high)
    }
    /// The most significant bit.
    pub fn sign(&self) -> bool {
        let Some(at) = self.width.checked_sub(1) else {
            return false;
        };
        match &self.value.0 {
            Repr::Small(value) => value.checked_shr(at).is_some_and(|v| v & 1 == 1),
            Repr::Big(value) => value.bit(u64::from(at)),
        }
    }
    /// The same with the most significant bit flipped: numbers in two's complement and, flipped, unsigned ones have the
    /// same order.
    #[must_use]
    pub fn flip_sign(&self) -> Self {
        match self.width {
            0 => self.clone(),
            width => Self::new(width, self.value() ^ (BigUint::from(1u32) << (width - 1))),
        }
    }
    /// `value & mask == want & mask`, for ternary matching.
    pub fn matches(&self, want: &Self, care: &Self) -> bool {
        match (self.to_u128(), want.to_u128(), care.to_u128()) {
            (Some(value), Some(want), Some(care)) => value & care == want & care,
            _ => (self.value() & care.value()) == (want.value() & care.value()),
        }
    }
    /// The mask of a prefix: `len` ones followed by zeros.
    pub fn prefix_mask(width: u32, len: u32) -> Self {
        let len = len.min(width);
        Self::new(width, mask(width) ^ mask(width - len))
    }
}

/// 2^width - 1.
fn mask(width: u32) -> BigUint {
    (BigUint::from(1u32) << width) - 1u32
}

/// 2^width - 1, or all ones.
fn small_mask(width: u32) -> u128 {
    match width {
        0..=127 => (1 << width) - 1,
        _ => u128::MAX,
    }
}

impl fmt::Display for Bits {
    /// P4's notation: `16w0x800`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value.0 {
            Repr::Small(value) => write!(f, "{}w0x{value:x}", self.width),
            Repr::Big(value) => write!(f, "{}w0x{:x}", self.width, **value),
        }
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with the text of a [`Bits`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a bit vector; write it as WIDTHw0xHEX, for example 16w0x800")]
pub struct ParseBitsError(pub String);

impl std::str::FromStr for Bits {
    type Err = ParseBitsError;
    fn from_str(text: &str) -> Result<Self, ParseBitsError> {
        let bad = || ParseBitsError(text.to_owned());
        let (width, hex) = text.split_once("w0x").ok_or_else(bad)?;
        let width: u32 = width.parse().map_err(|_| bad())?;
        if hex.is_empty() || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let value = match u128::from_str_radix(hex, 16) {
            Ok(small) => Number::from(small),
            Err(_) => BigUint::parse_bytes(hex.as_bytes(), 16)
                .ok_or_else(bad)?
                .into(),
        };
        let bits = Self::new(width, value.clone());
        match bits.value == value {
            true => Ok(bits),
            false => Err(bad()),
        }
    }
}

impl Serialize for Bits {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(FromText)
    }
}

struct FromText;

impl serde::de::Visitor<'_> for FromText {
    type Value = Bits;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bit vector like 16w0x800")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bits, E> {
        text.parse().map_err(E::custom)
    }
}
