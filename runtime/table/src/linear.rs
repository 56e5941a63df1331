//! The reference: every entry, best first.

use crate::key::KeyLayout;
use crate::table::{Lookup, precedence};
use trisect_ir::{Bits, KeySet, MatchKind};

/// Linear scan over the entries in their order of precedence.
#[derive(Clone, Debug)]
pub struct LinearTable {
    layout: KeyLayout,
    rows: Vec<(u32, Vec<KeySet>)>,
}

impl LinearTable {
    /// From the kinds and widths of the keys and the entries' sets and priorities.
    pub fn new(layout: KeyLayout, kinds: &[MatchKind], entries: &[(&[KeySet], u32)]) -> Self {
        let rows = precedence(&layout, kinds, entries)
            .into_iter()
            .map(|i| (i, entries[i as usize].0.to_vec()))
            .collect();
        Self { layout, rows }
    }
    /// The matching entry for key values.
    pub fn lookup_values(&self, values: &[Bits]) -> Option<u32> {
        self.rows
            .iter()
            .find(|(_, sets)| sets.iter().zip(values).all(|(s, v)| s.contains(v)))
            .map(|(i, _)| *i)
    }
}

impl Lookup for LinearTable {
    fn lookup(&self, key: &[u8]) -> Option<u32> {
        if self.layout.is_empty() {
            return None;
        }
        self.lookup_values(&self.layout.unpack(key))
    }
}
