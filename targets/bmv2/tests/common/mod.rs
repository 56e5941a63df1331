//! What the tests share.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use trisect_ir::{Bits, KeySet, MatchKind};

/// A small generator of numbers, the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Values that packets are likely to have, and others.
    pub fn bits(&mut self, width: u32) -> Bits {
        match self.next() % 3 {
            0 => Bits::new(width, self.next() % 4),
            1 => Bits::new(
                width,
                [0x0800_u64, 0x0806, 6, 17, 53, 80, 443][self.next() as usize % 7],
            ),
            _ => Bits::new(width, self.next() << 32 | self.next()),
        }
    }

    pub fn set(&mut self, kind: MatchKind, width: u32) -> KeySet {
        let value = self.bits(width);
        match kind {
            MatchKind::Exact => KeySet::Exact(value),
            MatchKind::Lpm => KeySet::Prefix(value, self.next() as u32 % (width.min(8) + 1)),
            MatchKind::Ternary if self.next().is_multiple_of(2) => KeySet::Any,
            MatchKind::Ternary => KeySet::Mask(value, Bits::new(width, self.next() % 8)),
            MatchKind::Range => {
                let other = self.bits(width);
                if value <= other {
                    KeySet::Range(value, other)
                } else {
                    KeySet::Range(other, value)
                }
            }
            MatchKind::Optional if self.next().is_multiple_of(2) => KeySet::Any,
            MatchKind::Optional => KeySet::Exact(value),
        }
    }
}
