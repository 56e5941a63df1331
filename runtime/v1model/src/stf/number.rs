//! Numbers as they are written: their digits decide what a ternary key cares about.

use num_bigint::BigUint;
use std::fmt;

/// How many digits a number may have.
pub const MAX_DIGITS: usize = 4096;

/// The base that a number is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// `42`
    Decimal,
    /// `0x2a`
    Hex,
    /// `0b101010`
    Binary,
}

impl Base {
    /// Bits per digit, where that is a whole number.
    fn bits(self) -> Option<u32> {
        match self {
            Self::Decimal => None,
            Self::Hex => Some(4),
            Self::Binary => Some(1),
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Decimal => "",
            Self::Hex => "0x",
            Self::Binary => "0b",
        }
    }
}

/// A number: digits, some of which may be `*` (any digit) unless it is decimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    base: Base,
    /// In lower case, not empty.
    digits: String,
}

impl Number {
    /// Reads a number; the error says what is wrong with it.
    ///
    /// # Errors
    ///
    /// If it is no number, or longer than the limit.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let lower = text.to_ascii_lowercase();
        let (base, digits) = match (lower.strip_prefix("0x"), lower.strip_prefix("0b")) {
            (Some(digits), _) => (Base::Hex, digits),
            (_, Some(digits)) => (Base::Binary, digits),
            _ => (Base::Decimal, lower.as_str()),
        };
        let allowed = |c: char| match base {
            Base::Decimal => c.is_ascii_digit(),
            Base::Hex => c.is_ascii_hexdigit() || c == '*',
            Base::Binary => matches!(c, '0' | '1' | '*'),
        };
        if digits.is_empty() {
            return Err("a number has at least one digit");
        }
        if digits.len() > MAX_DIGITS {
            return Err("a number has at most 4096 digits");
        }
        if !digits.chars().all(allowed) {
            return Err(match base {
                Base::Decimal => "decimal digits are 0 to 9",
                Base::Hex => "hexadecimal digits are 0 to 9, a to f, and `*` for any",
                Base::Binary => "binary digits are 0, 1, and `*` for any",
            });
        }
        Ok(Self {
            base,
            digits: digits.to_owned(),
        })
    }

    /// Whether some digits are `*`.
    pub fn has_wildcards(&self) -> bool {
        self.digits.contains('*')
    }

    /// Whether it is written in decimal, so that its digits are no bits.
    pub fn is_decimal(&self) -> bool {
        self.base == Base::Decimal
    }

    /// The value, with 0 for every `*`.
    pub fn value(&self) -> BigUint {
        self.with_digits(|c| if c == '*' { '0' } else { c })
    }

    /// The bits that its digits stand for, without those of `*`; `None` for a decimal number.
    pub fn care(&self) -> Option<BigUint> {
        let all = match self.base {
            Base::Decimal => return None,
            Base::Hex => 'f',
            Base::Binary => '1',
        };
        Some(self.with_digits(|c| if c == '*' { '0' } else { all }))
    }

    /// How many bits its digits other than `*` are; `None` for a decimal number.
    pub fn significant_bits(&self) -> Option<u32> {
        let digits = self.digits.chars().filter(|c| *c != '*').count() as u32;
        Some(self.base.bits()? * digits)
    }

    /// The value, if it has no wildcards and is less than 2^64.
    pub fn to_u64(&self) -> Option<u64> {
        if self.has_wildcards() {
            return None;
        }
        u64::try_from(self.value()).ok()
    }

    fn with_digits(&self, digit: impl Fn(char) -> char) -> BigUint {
        let radix = match self.base {
            Base::Decimal => 10,
            Base::Hex => 16,
            Base::Binary => 2,
        };
        let digits: String = self.digits.chars().map(digit).collect();
        BigUint::parse_bytes(digits.as_bytes(), radix).unwrap_or_default()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base.prefix(), self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_decide_what_matters() {
        let n = Number::read("0x0A**").unwrap();
        assert_eq!(n.value(), BigUint::from(0x0a00u32));
        assert_eq!(n.care(), Some(BigUint::from(0xff00u32)));
        assert_eq!(n.significant_bits(), Some(8));
        assert_eq!(n.to_u64(), None);
        assert_eq!(n.to_string(), "0x0a**");
        let n = Number::read("0b1*0").unwrap();
        assert_eq!((n.value(), n.care()), (4u32.into(), Some(5u32.into())));
        let n = Number::read("12").unwrap();
        assert_eq!((n.to_u64(), n.care()), (Some(12), None));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "0x",
            "0b",
            "0b2",
            "0xg",
            "1*",
            "-1",
            "é",
            &"1".repeat(5000),
        ] {
            assert!(Number::read(text).is_err(), "{text}");
        }
    }
}
