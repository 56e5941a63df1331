//! Longest-prefix match: a trie of strides 16, 8, 8, ... with leaf pushing.
//!
//! Prefixes are expanded to the end of their stride, so that a look-up is one load per level and
//! never backtracks (controlled prefix expansion, Srinivasan and Varghese 1998; DIR-24-8 is the case
//! 24, 8). The first level has 65,536 cells of four bytes, each further block 256. An IPv4 route costs
//! at most three loads.

use crate::index::KeyIndex;
use crate::key::{KeyLayout, prefix_form};
use trisect_ir::{Bits, KeySet};

/// Set in a cell that points to a block; otherwise the cell is an entry + 1, or 0.
const BLOCK: u32 = 1 << 31;

/// One trie over byte strings of one length (at least one byte).
#[derive(Clone, Debug)]
pub struct PrefixTrie {
    /// Bytes that the first level consumes: 1 or 2.
    root_bytes: usize,
    root: Vec<u32>,
    blocks: Vec<[u32; 256]>,
}

impl PrefixTrie {
    /// An empty trie for keys of `len` bytes.
    pub fn new(len: usize) -> Self {
        let root_bytes = len.clamp(1, 2);
        Self {
            root_bytes,
            root: vec![0; 1 << (8 * root_bytes)],
            blocks: Vec::new(),
        }
    }
    /// Adds a prefix of `bits` bits. Prefixes must come shortest first; of equal ones the last wins.
    /// Entries are below 2^31 - 1.
    pub fn insert(&mut self, prefix: &[u8], bits: usize, entry: u32) {
        let cell = entry + 1;
        let root_bits = 8 * self.root_bytes;
        let at = prefix[..self.root_bytes]
            .iter()
            .fold(0, |acc, b| acc << 8 | usize::from(*b));
        if bits <= root_bits {
            let first = at >> (root_bits - bits) << (root_bits - bits);
            fill(
                &mut self.root[first..first + (1 << (root_bits - bits))],
                cell,
            );
            return;
        }
        let mut block = Self::child(&mut self.root[at], &mut self.blocks);
        let mut depth = self.root_bytes;
        loop {
            let byte = usize::from(prefix[depth]);
            let left = bits - 8 * depth;
            if left <= 8 {
                let first = byte >> (8 - left) << (8 - left);
                fill(
                    &mut self.blocks[block][first..first + (1 << (8 - left))],
                    cell,
                );
                return;
            }
            let mut next = self.blocks[block][byte];
            let child = Self::child(&mut next, &mut self.blocks);
            self.blocks[block][byte] = next;
            block = child;
            depth += 1;
        }
    }
    /// The block behind a cell, made from the cell's entry if there is none yet.
    fn child(cell: &mut u32, blocks: &mut Vec<[u32; 256]>) -> usize {
        if *cell & BLOCK == 0 {
            blocks.push([*cell; 256]);
            *cell = BLOCK | (blocks.len() - 1) as u32;
        }
        (*cell & !BLOCK) as usize
    }
    /// The entry of the longest prefix.
    #[inline]
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        let mut cell = match (self.root_bytes, key) {
            (2, [a, b, ..]) => self.root[usize::from(*a) << 8 | usize::from(*b)],
            (_, [a, ..]) => self.root[usize::from(*a)],
            _ => 0,
        };
        let mut rest = key.get(self.root_bytes..).unwrap_or(&[]).iter();
        while cell & BLOCK != 0 {
            let byte = *rest.next()?;
            cell = self.blocks[(cell & !BLOCK) as usize][usize::from(byte)];
        }
        cell.checked_sub(1)
    }
}

/// Only cells that lead nowhere further are overwritten; with prefixes in order of length there are
/// no others.
fn fill(cells: &mut [u32], cell: u32) {
    for c in cells.iter_mut().filter(|c| **c & BLOCK == 0) {
        *c = cell;
    }
}

/// A table with one prefix key; all others are exact.
#[derive(Clone, Debug)]
pub struct LpmTable {
    layout: KeyLayout,
    lpm: usize,
    /// From the exact parts to a trie; without exact parts there is one trie.
    exact: KeyIndex,
    tries: Vec<PrefixTrie>,
}

impl LpmTable {
    /// From entries in their order of precedence (longest prefix first); `None` if some set has not
    /// the form that this structure handles.
    pub fn new(layout: KeyLayout, lpm: usize, ordered: &[(u32, &[KeySet])]) -> Option<Self> {
        let width = layout.widths()[lpm];
        let lpm_len = layout.range(lpm).len();
        let exact_len = layout.len() - lpm_len;
        let mut table = Self {
            layout,
            lpm,
            exact: KeyIndex::new(exact_len),
            tries: Vec::new(),
        };
        if exact_len == 0 {
            table.tries.push(PrefixTrie::new(lpm_len));
        }
        for (entry, sets) in ordered.iter().rev() {
            let (value, len) = prefix_form(width, &sets[lpm])?;
            let mut exact = Vec::with_capacity(exact_len);
            for (part, set) in sets.iter().enumerate().filter(|(part, _)| *part != lpm) {
                let KeySet::Exact(value) = set else {
                    return None;
                };
                exact.extend(value.resize(table.layout.widths()[part]).to_be_bytes());
            }
            let trie = table.trie_of(&exact, lpm_len);
            let padding = lpm_len * 8 - width as usize;
            table.tries[trie].insert(
                &Bits::to_be_bytes(&value),
                if len == 0 { 0 } else { padding + len as usize },
                *entry,
            );
        }
        Some(table)
    }
    fn trie_of(&mut self, exact: &[u8], lpm_len: usize) -> usize {
        if exact.is_empty() {
            return 0;
        }
        if let Some(slot) = self.exact.get(exact) {
            return slot as usize;
        }
        let slot = self.tries.len();
        self.tries.push(PrefixTrie::new(lpm_len));
        self.exact.insert(exact, slot as u32);
        slot
    }
    /// The only trie, if there are no exact keys.
    pub fn single(&self) -> Option<&PrefixTrie> {
        (self.layout.widths().len() == 1)
            .then(|| self.tries.first())
            .flatten()
    }
    /// The matching entry.
    #[inline]
    pub fn lookup(&self, key: &[u8]) -> Option<u32> {
        if let Some(trie) = self.single() {
            return trie.lookup(key);
        }
        let range = self.layout.range(self.lpm);
        let slot = if range.start == 0 {
            self.exact.get(&key[range.end..])
        } else if range.end == key.len() {
            self.exact.get(&key[..range.start])
        } else {
            self.exact
                .get(&[&key[..range.start], &key[range.end..]].concat())
        }?;
        self.tries[slot as usize].lookup(&key[range])
    }
}
