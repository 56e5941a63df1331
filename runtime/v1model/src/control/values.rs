//! Values of keys, parameters and cells.

use crate::stf::{KeyValue, Number};
use num_bigint::BigUint;
use trisect_ir::{Bits, KeySet, MatchKind, MeterConfig};

/// Why a value does not fit: what is wrong, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub message: String,
    pub help: String,
}

impl Misfit {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// A number of this width.
pub(super) fn bits(number: &Number, width: u32) -> Result<Bits, Misfit> {
    if number.has_wildcards() {
        return Err(Misfit::new(
            format!("`{number}` is not one value"),
            "write all digits; `*` is for ternary, lpm and optional keys",
        ));
    }
    fitting(number, width)
}

/// A number of this width, with 0 for wildcards.
fn fitting(number: &Number, width: u32) -> Result<Bits, Misfit> {
    let value = number.value();
    if value.bits() > u64::from(width) {
        return Err(Misfit::new(
            format!("`{number}` does not fit into {width} bits"),
            format!("write a value below 2^{width}"),
        ));
    }
    Ok(Bits::new(width, value))
}

/// What a key matches where the test leaves it out.
pub(super) fn left_out(kind: MatchKind, width: u32) -> KeySet {
    match kind {
        MatchKind::Exact => KeySet::Exact(Bits::zero(width)),
        _ => KeySet::Any,
    }
}

/// What a key matches. The bounds of a `signed` one are given in two's complement.
pub(super) fn key_set(
    value: &KeyValue,
    kind: MatchKind,
    width: u32,
    signed: bool,
) -> Result<KeySet, Misfit> {
    let bound = |number: &Number| {
        let value = bits(number, width)?;
        Ok(if signed { value.flip_sign() } else { value })
    };
    match (kind, value) {
        (MatchKind::Exact, KeyValue::Number(n)) => Ok(KeySet::Exact(bits(n, width)?)),
        (MatchKind::Lpm, KeyValue::Number(n)) => prefix_of_digits(n, width),
        (MatchKind::Lpm, KeyValue::Prefix(n, length)) => {
            let length = prefix_length(length, width)?;
            let value = fitting(n, width)?;
            Ok(KeySet::Prefix(
                masked(&value, &Bits::prefix_mask(width, length)),
                length,
            ))
        }
        (MatchKind::Ternary, KeyValue::Number(n)) => {
            let value = fitting(n, width)?;
            let Some(care) = n.care() else {
                return Ok(KeySet::Exact(value));
            };
            let mask = Bits::new(width.max(1), care).resize(width);
            Ok(KeySet::Mask(value, mask))
        }
        (MatchKind::Ternary, KeyValue::Mask(n, mask)) => {
            let mask = bits(mask, width)?;
            Ok(KeySet::Mask(masked(&bits(n, width)?, &mask), mask))
        }
        (MatchKind::Ternary, KeyValue::Prefix(n, length)) => {
            let mask = Bits::prefix_mask(width, prefix_length(length, width)?);
            Ok(KeySet::Mask(masked(&fitting(n, width)?, &mask), mask))
        }
        (MatchKind::Range, KeyValue::Number(n)) => {
            let value = bound(n)?;
            Ok(KeySet::Range(value.clone(), value))
        }
        (MatchKind::Range, KeyValue::Range(low, high)) => {
            let (low, high) = (bound(low)?, bound(high)?);
            if low > high {
                return Err(Misfit::new(
                    "the range is empty",
                    "write the lower end first",
                ));
            }
            Ok(KeySet::Range(low, high))
        }
        (MatchKind::Optional, KeyValue::Number(n)) => match n.care() {
            Some(care) if n.has_wildcards() && care == BigUint::ZERO => Ok(KeySet::Any),
            _ => Ok(KeySet::Exact(bits(n, width)?)),
        },
        (kind, _) => {
            let (name, help) = match kind {
                MatchKind::Exact => ("an exact", "write one value"),
                MatchKind::Lpm => ("an lpm", "write a value with `/LENGTH`"),
                MatchKind::Ternary => ("a ternary", "write `VALUE&&&MASK`, or `*` for any digit"),
                MatchKind::Range => ("a range", "write `LOW..HIGH`"),
                MatchKind::Optional => ("an optional", "write one value, or leave the key out"),
            };
            Err(Misfit::new(format!("{name} key does not take this"), help))
        }
    }
}

/// The digits that are no `*` are the prefix.
fn prefix_of_digits(n: &Number, width: u32) -> Result<KeySet, Misfit> {
    let value = fitting(n, width)?;
    let Some(length) = n.significant_bits() else {
        return Ok(KeySet::Prefix(value, width));
    };
    let length = length.min(width);
    let prefix = masked(&value, &Bits::prefix_mask(width, length));
    if prefix != value {
        return Err(Misfit::new(
            format!("the digits of `{n}` are a prefix of {length} bits, and cut the value off"),
            "write all digits of the key, or `/LENGTH`",
        ));
    }
    Ok(KeySet::Prefix(value, length))
}

fn prefix_length(number: &Number, width: u32) -> Result<u32, Misfit> {
    number
        .to_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n <= width)
        .ok_or_else(|| {
            Misfit::new(
                format!("`{number}` is no prefix length"),
                format!("a prefix of this key has at most {width} bits"),
            )
        })
}

fn masked(value: &Bits, mask: &Bits) -> Bits {
    Bits::new(value.width(), value.value() & mask.value())
}

/// Rates and bursts as STF has them, committed first: units per microsecond.
pub(super) fn meter_config(rates: &[(&str, &Number)]) -> Result<MeterConfig, Misfit> {
    let [(cir, cbs), (pir, pbs)] = rates else {
        return Err(Misfit::new(
            "a meter has two rates",
            "write RATE:BURST RATE:BURST, the lower rate first",
        ));
    };
    let burst = |number: &Number| {
        number.to_u64().ok_or_else(|| {
            let message = format!("`{number}` is no burst size");
            Misfit::new(message, "write a number of packets or bytes below 2^64")
        })
    };
    let config = MeterConfig {
        cir: per_second(cir)?,
        cbs: burst(cbs)?,
        pir: per_second(pir)?,
        pbs: burst(pbs)?,
    };
    if config.cir > config.pir {
        return Err(Misfit::new(
            "the first rate is larger than the second",
            "write the committed rate first, then the peak rate",
        ));
    }
    Ok(config)
}

/// Units per second, from a decimal number of units per microsecond.
fn per_second(rate: &str) -> Result<u64, Misfit> {
    let (whole, fraction) = rate.split_once('.').unwrap_or((rate, ""));
    let (kept, lost) = fraction.split_at_checked(6).unwrap_or((fraction, ""));
    let number = format!("{whole}{kept:0<6}").parse();
    match number {
        Ok(number) if lost.bytes().all(|b| b == b'0') => Ok(number),
        _ => Err(Misfit::new(
            format!("`{rate}` is no rate"),
            "a rate is in units per microsecond, with at most 6 digits after the point",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> KeyValue {
        KeyValue::Number(Number::read(text).unwrap())
    }
    fn two(a: &str, b: &str) -> (Number, Number) {
        (Number::read(a).unwrap(), Number::read(b).unwrap())
    }
    fn b(width: u32, value: u64) -> Bits {
        Bits::new(width, value)
    }

    #[test]
    fn every_kind_takes_its_values() {
        use MatchKind::*;
        let pair = |f: fn(Number, Number) -> KeyValue, x, y| {
            let (x, y) = two(x, y);
            f(x, y)
        };
        let cases = [
            (n("0x2a"), Exact, KeySet::Exact(b(16, 42))),
            (
                n("0x2a**"),
                Ternary,
                KeySet::Mask(b(16, 0x2a00), b(16, 0xff00)),
            ),
            // Digits that are not written do not count, as in the reference.
            (n("0x2a"), Ternary, KeySet::Mask(b(16, 0x2a), b(16, 0xff))),
            (n("42"), Ternary, KeySet::Exact(b(16, 42))),
            (n("0b*1"), Ternary, KeySet::Mask(b(16, 1), b(16, 1))),
            (n("0x0a**"), Lpm, KeySet::Prefix(b(16, 0x0a00), 8)),
            (n("0x0a01"), Lpm, KeySet::Prefix(b(16, 0x0a01), 16)),
            (n("10"), Lpm, KeySet::Prefix(b(16, 10), 16)),
            (
                pair(KeyValue::Prefix, "0x0a01", "8"),
                Lpm,
                KeySet::Prefix(b(16, 0x0a00), 8),
            ),
            (
                pair(KeyValue::Prefix, "0x0a01", "8"),
                Ternary,
                KeySet::Mask(b(16, 0x0a00), b(16, 0xff00)),
            ),
            (
                pair(KeyValue::Mask, "0x0a01", "0xf"),
                Ternary,
                KeySet::Mask(b(16, 1), b(16, 0xf)),
            ),
            (
                pair(KeyValue::Range, "1", "0x10"),
                Range,
                KeySet::Range(b(16, 1), b(16, 16)),
            ),
            (n("7"), Range, KeySet::Range(b(16, 7), b(16, 7))),
            (n("7"), Optional, KeySet::Exact(b(16, 7))),
            (n("0x*"), Optional, KeySet::Any),
        ];
        for (value, kind, set) in cases {
            assert_eq!(
                key_set(&value, kind, 16, false),
                Ok(set),
                "{value} {kind:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        use MatchKind::*;
        let prefix = |x, y| {
            let (x, y) = two(x, y);
            KeyValue::Prefix(x, y)
        };
        let range = |x, y| {
            let (x, y) = two(x, y);
            KeyValue::Range(x, y)
        };
        for (value, kind) in [
            (n("0x10000"), Exact),
            (n("0x1*"), Exact),
            (n("0x0a"), Lpm),
            (prefix("1", "17"), Lpm),
            (prefix("1", "8"), Exact),
            (range("2", "1"), Range),
            (range("1", "2"), Ternary),
            (n("0x1*"), Range),
            (n("0x1*"), Optional),
            (n("65536"), Ternary),
        ] {
            assert!(
                key_set(&value, kind, 16, false).is_err(),
                "{value} {kind:?}"
            );
        }
    }

    #[test]
    fn rates_are_exact() {
        let burst = Number::read("4").unwrap();
        let config = |a, b| meter_config(&[(a, &burst), (b, &burst)]);
        let good = config("0.000005", "2.5").unwrap();
        assert_eq!((good.cir, good.pir, good.cbs), (5, 2_500_000, 4));
        assert!(config("0.0000005", "1").is_err());
        assert!(config("2", "1").is_err());
        assert!(config("99999999999999999999", "1").is_err());
        assert!(meter_config(&[("1", &burst)]).is_err());
    }
}
