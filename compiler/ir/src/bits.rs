//! Bit vectors of any width.

use num_bigint::BigUint;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An unsigned bit vector: a width in bits and a value below 2^width.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    width: u32,
    value: BigUint,
}

impl Bits {
    /// The value modulo 2^width.
    pub fn new(width: u32, value: impl Into<BigUint>) -> Self {
        let mut value = value.into();
        if value.bits() > u64::from(width) {
            value &= mask(width);
        }
        Self { width, value }
    }
    /// Zero of this width.
    pub fn zero(width: u32) -> Self {
        Self {
            width,
            value: BigUint::ZERO,
        }
    }
    /// All ones of this width.
    pub fn ones(width: u32) -> Self {
        Self {
            width,
            value: mask(width),
        }
    }
    /// A width-1 value.
    pub fn bool(value: bool) -> Self {
        Self::new(1, u32::from(value))
    }
    /// The value if it fits in 128 bits.
    pub fn to_u128(&self) -> Option<u128> {
        let mut digits = self.value.iter_u64_digits();
        let low = u128::from(digits.next().unwrap_or(0));
        let high = u128::from(digits.next().unwrap_or(0));
        digits.next().is_none().then_some(high << 64 | low)
    }
    /// From big-endian bytes, right-aligned: the last byte holds the lowest bits.
    pub fn from_be_bytes(width: u32, bytes: &[u8]) -> Self {
        Self::new(width, BigUint::from_bytes_be(bytes))
    }
    /// The width in bits.
    pub fn width(&self) -> u32 {
        self.width
    }
    /// The value.
    pub fn value(&self) -> &BigUint {
        &self.value
    }
    /// Whether all bits are 0.
    pub fn is_zero(&self) -> bool {
        self.value.bits() == 0
    }
    /// The lowest 64 bits.
    pub fn low_u64(&self) -> u64 {
        self.value.iter_u64_digits().next().unwrap_or(0)
    }
    /// The value if it fits in 64 bits.
    pub fn to_u64(&self) -> Option<u64> {
        (self.value.bits() <= 64).then(|| self.low_u64())
    }
    /// ceil(width / 8) big-endian bytes, right-aligned.
    pub fn to_be_bytes(&self) -> Vec<u8> {
        let len = self.width.div_ceil(8) as usize;
        let raw = self.value.to_bytes_be();
        let raw = if self.is_zero() { &[][..] } else { &raw[..] };
        let mut out = vec![0; len - raw.len()];
        out.extend_from_slice(raw);
        out
    }
    /// The bits `hi..=lo`, counted from the least significant bit; width is `hi - lo + 1`.
    pub fn slice(&self, hi: u32, lo: u32) -> Self {
        Self::new(hi - lo + 1, &self.value >> lo)
    }
    /// This value with the bits `hi..=lo` replaced by `part`.
    pub fn with_slice(&self, hi: u32, lo: u32, part: &Self) -> Self {
        let field = mask(hi - lo + 1) << lo;
        let cleared = &self.value & (mask(self.width) ^ (field & mask(self.width)));
        Self::new(self.width, cleared | (&part.value << lo))
    }
    /// `self` in the high bits, `low` in the low bits.
    pub fn concat(&self, low: &Self) -> Self {
        Self {
            width: self.width + low.width,
            value: (&self.value << low.width) | &low.value,
        }
    }
    /// Zero-extended or truncated to a width.
    pub fn resize(&self, width: u32) -> Self {
        Self::new(width, self.value.clone())
    }
    /// Sign-extended (bit `width - 1` is the sign) or truncated to a width.
    pub fn sign_resize(&self, width: u32) -> Self {
        if width <= self.width || !self.sign() {
            return self.resize(width);
        }
        let high = mask(width) ^ mask(self.width);
        Self {
            width,
            value: &self.value | high,
        }
    }
    /// The most significant bit.
    pub fn sign(&self) -> bool {
        self.width > 0 && self.value.bit(u64::from(self.width - 1))
    }
    /// The same with the most significant bit flipped: numbers in two's complement and, flipped, unsigned ones have the
    /// same order.
    #[must_use]
    pub fn flip_sign(&self) -> Self {
        match self.width {
            0 => self.clone(),
            width => Self::new(width, &self.value ^ (BigUint::from(1u32) << (width - 1))),
        }
    }
    /// `value & mask == want & mask`, for ternary matching.
    pub fn matches(&self, want: &Self, care: &Self) -> bool {
        (&self.value & &care.value) == (&want.value & &care.value)
    }
    /// The mask of a prefix: `len` ones followed by zeros.
    pub fn prefix_mask(width: u32, len: u32) -> Self {
        let len = len.min(width);
        Self {
            width,
            value: mask(width) ^ mask(width - len),
        }
    }
}

/// 2^width - 1.
fn mask(width: u32) -> BigUint {
    (BigUint::from(1u32) << width) - 1u32
}

impl fmt::Display for Bits {
    /// P4's notation: `16w0x800`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}w0x{:x}", self.width, self.value)
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
        let value = BigUint::parse_bytes(hex.as_bytes(), 16).ok_or_else(bad)?;
        if value.bits() > u64::from(width) {
            return Err(bad());
        }
        Ok(Self { width, value })
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
