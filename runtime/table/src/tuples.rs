//! Tuple-space search (Srinivasan, Suri and Varghese, SIGCOMM 1999): one hash table per distinct
//! tuple of masks. Ranges count as "any" in the tuple and are checked per candidate.

use crate::index::KeyIndex;
use crate::key::{KeyLayout, mask_form};
use std::collections::BTreeMap;
use trisect_ir::KeySet;

/// A range to check: which bytes, and its inclusive bounds as big-endian bytes.
type RangeCheck = (std::ops::Range<usize>, Vec<u8>, Vec<u8>);

#[derive(Clone, Debug)]
struct Candidate {
    rank: u32,
    entry: u32,
    ranges: Vec<RangeCheck>,
}

#[derive(Clone, Debug)]
struct Tuple {
    mask: Vec<u8>,
    index: KeyIndex,
    /// By slot, best first.
    candidates: Vec<Vec<Candidate>>,
    best_rank: u32,
}

/// A classifier for any match kinds and any number of entries.
#[derive(Clone, Debug)]
pub struct TupleSpace {
    /// By best rank.
    tuples: Vec<Tuple>,
}

impl TupleSpace {
    /// From entries in their order of precedence.
    pub fn new(layout: &KeyLayout, ordered: &[(u32, &[KeySet])]) -> Self {
        let mut by_mask: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut tuples: Vec<Tuple> = Vec::new();
        for (rank, (entry, sets)) in ordered.iter().enumerate() {
            let mut mask = Vec::with_capacity(layout.len());
            let mut value = Vec::with_capacity(layout.len());
            let mut ranges = Vec::new();
            for (part, set) in sets.iter().enumerate() {
                let width = layout.widths()[part];
                let range = layout.range(part);
                if let Some((v, m)) = mask_form(width, set) {
                    value.extend(v.to_be_bytes());
                    mask.extend(m.to_be_bytes());
                } else {
                    value.resize(value.len() + range.len(), 0);
                    mask.resize(mask.len() + range.len(), 0);
                    if let KeySet::Range(lo, hi) = set {
                        ranges.push((range, lo.to_be_bytes(), hi.to_be_bytes()));
                    }
                }
            }
            let rank = rank as u32;
            let at = *by_mask.entry(mask.clone()).or_insert_with(|| {
                tuples.push(Tuple {
                    mask,
                    index: KeyIndex::new(layout.len()),
                    candidates: Vec::new(),
                    best_rank: rank,
                });
                tuples.len() - 1
            });
            tuples[at].add(
                &value,
                Candidate {
                    rank,
                    entry: *entry,
                    ranges,
                },
            );
        }
        tuples.sort_by_key(|t| t.best_rank);
        Self { tuples }
    }
    /// The matching entry.
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        let mut best: Option<&Candidate> = None;
        let mut masked = vec![0; key.len()];
        for tuple in &self.tuples {
            if best.is_some_and(|b| b.rank < tuple.best_rank) {
                break;
            }
            for ((m, k), mask) in masked.iter_mut().zip(key).zip(&tuple.mask) {
                *m = k & mask;
            }
            let Some(slot) = tuple.index.get(&masked) else {
                continue;
            };
            let found = tuple.candidates[slot as usize]
                .iter()
                .find(|c| c.in_ranges(key));
            if let Some(found) = found
                && best.is_none_or(|b| found.rank < b.rank)
            {
                best = Some(found);
            }
        }
        best.map(|c| c.entry)
    }
}

impl Tuple {
    fn add(&mut self, value: &[u8], candidate: Candidate) {
        let slot = self.index.get(value).unwrap_or_else(|| {
            let slot = self.candidates.len() as u32;
            self.index.insert(value, slot);
            self.candidates.push(Vec::new());
            slot
        });
        self.candidates[slot as usize].push(candidate);
    }
}

impl Candidate {
    fn in_ranges(&self, key: &[u8]) -> bool {
        self.ranges
            .iter()
            .all(|(range, lo, hi)| (&lo[..]..=&hi[..]).contains(&&key[range.clone()]))
    }
}
