//! Multi-field classification by bit vectors (Lakshman and Stiliadis, SIGCOMM 1998).
//!
//! Each key part maps its value to the set of entries that it satisfies, as a bit set in order of
//! precedence; the and of the sets, and in it the first bit, is the answer. A part whose sets are
//! all ranges (or prefixes, or single values) finds its bit set by binary search over the ranges'
//! boundaries; a part with other masks by one table per byte, since a mask splits into bytes.

use crate::key::{KeyLayout, mask_form, range_form};
use trisect_ir::KeySet;

/// Bit sets of one length, one after the other.
#[derive(Clone, Debug)]
struct BitSets {
    words: usize,
    bits: Vec<u64>,
}

impl BitSets {
    fn new(words: usize, sets: usize) -> Self {
        Self {
            words,
            bits: vec![0; words * sets],
        }
    }
    fn set(&mut self, set: usize, bit: usize) {
        self.bits[set * self.words + bit / 64] |= 1 << (bit % 64);
    }
    #[inline]
    fn get(&self, set: usize) -> &[u64] {
        &self.bits[set * self.words..(set + 1) * self.words]
    }
}

/// How one part of the key finds its bit set.
#[derive(Clone, Debug)]
enum Part {
    /// Sorted lower bounds (big-endian bytes, the first is zero); set `i` holds from bound `i` on.
    Intervals {
        range: std::ops::Range<usize>,
        bounds: Vec<u64>,
        sets: BitSets,
    },
    /// One set per value of a byte.
    Byte { at: usize, sets: BitSets },
}

/// A classifier for any match kinds.
#[derive(Clone, Debug)]
pub struct BitVectorTable {
    entries: Vec<u32>,
    words: usize,
    parts: Vec<Part>,
}

/// Up to eight bytes as a big-endian number.
#[inline]
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |acc, b| acc << 8 | u64::from(*b))
}

impl BitVectorTable {
    /// From entries in their order of precedence; `None` if a range is wider than 64 bits.
    pub fn new(layout: &KeyLayout, ordered: &[(u32, &[KeySet])]) -> Option<Self> {
        let words = ordered.len().div_ceil(64);
        let mut parts = Vec::new();
        for (part, width) in layout.widths().iter().copied().enumerate() {
            let sets: Vec<&KeySet> = ordered.iter().map(|(_, sets)| &sets[part]).collect();
            if sets.iter().all(|s| matches!(s, KeySet::Any)) {
                continue;
            }
            let range = layout.range(part);
            let ranges: Option<Vec<_>> = sets.iter().map(|s| range_form(width, s)).collect();
            match ranges {
                Some(ranges) if width <= 64 => {
                    let ranges: Vec<Option<(u64, u64)>> = ranges
                        .into_iter()
                        .map(|r| r.map(|(lo, hi)| (lo.low_u64(), hi.low_u64())))
                        .collect();
                    parts.push(intervals(range, words, &ranges));
                }
                _ => bytes(&mut parts, range, width, words, &sets)?,
            }
        }
        Some(Self {
            entries: ordered.iter().map(|(i, _)| *i).collect(),
            words,
            parts,
        })
    }
    /// The matching entry.
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        const INLINE: usize = 16;
        let mut sets: [&[u64]; INLINE] = [&[]; INLINE];
        if self.parts.len() > INLINE {
            return self.lookup_many(key);
        }
        for (set, part) in sets.iter_mut().zip(&self.parts) {
            *set = part.find(key);
        }
        self.first(&sets[..self.parts.len()])
    }
    fn lookup_many(&self, key: &[u8]) -> Option<u32> {
        let sets: Vec<&[u64]> = self.parts.iter().map(|p| p.find(key)).collect();
        self.first(&sets)
    }
    #[inline]
    fn first(&self, sets: &[&[u64]]) -> Option<u32> {
        for word in 0..self.words {
            let hits = sets.iter().fold(!0, |acc, set| acc & set[word]);
            if hits != 0 {
                // Bits past the last entry are set only when no part restricts anything.
                return self
                    .entries
                    .get(word * 64 + hits.trailing_zeros() as usize)
                    .copied();
            }
        }
        None
    }
}

impl Part {
    #[inline]
    fn find(&self, key: &[u8]) -> &[u64] {
        match self {
            Self::Intervals {
                range,
                bounds,
                sets,
            } => {
                let value = number(&key[range.clone()]);
                sets.get(bounds.partition_point(|b| *b <= value) - 1)
            }
            Self::Byte { at, sets } => sets.get(usize::from(key[*at])),
        }
    }
}

fn intervals(range: std::ops::Range<usize>, words: usize, ranges: &[Option<(u64, u64)>]) -> Part {
    let mut bounds: Vec<u64> = ranges
        .iter()
        .flatten()
        .flat_map(|(lo, hi)| [Some(*lo), hi.checked_add(1)])
        .flatten()
        .chain([0])
        .collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut sets = BitSets::new(words, bounds.len());
    for (bit, r) in ranges.iter().enumerate() {
        let Some((lo, hi)) = r else { continue };
        let first = bounds.partition_point(|b| b < lo);
        for set in (first..bounds.len()).take_while(|i| bounds[*i] <= *hi) {
            sets.set(set, bit);
        }
    }
    Part::Intervals {
        range,
        bounds,
        sets,
    }
}

fn bytes(
    parts: &mut Vec<Part>,
    range: std::ops::Range<usize>,
    width: u32,
    words: usize,
    sets: &[&KeySet],
) -> Option<()> {
    let masks: Vec<(Vec<u8>, Vec<u8>)> = sets
        .iter()
        .map(|s| mask_form(width, s).map(|(v, m)| (v.to_be_bytes(), m.to_be_bytes())))
        .collect::<Option<_>>()?;
    for (i, at) in range.enumerate() {
        if masks.iter().all(|(_, mask)| mask[i] == 0) {
            continue;
        }
        let mut sets = BitSets::new(words, 256);
        for (bit, (value, mask)) in masks.iter().enumerate() {
            for byte in 0..=255u8 {
                if byte & mask[i] == value[i] & mask[i] {
                    sets.set(usize::from(byte), bit);
                }
            }
        }
        parts.push(Part::Byte { at, sets });
    }
    Some(())
}
