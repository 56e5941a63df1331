//! A match-action table: entries, default, and the look-up structure that fits them.

use crate::bitvec::BitVectorTable;
use crate::flow::{FlowTable, Handle, split_handle};
use crate::index::KeyIndex;
use crate::key::KeyLayout;
use crate::limbs;
use crate::lpm::LpmTable;
use crate::tuples::TupleSpace;
use trisect_ir::{ActionCall, KeySet, MatchKind, Program, Table};

/// Something that finds the matching entry of a key. [`crate::linear::LinearTable`] is the reference.
pub trait Lookup {
    /// The position of the entry, or `None` for a miss.
    fn lookup(&self, key: &[u8]) -> Option<u32>;
}

/// The handle of a default action's record.
pub const MISS: u64 = u64::MAX;

/// What a look-up gives: `[action, handle, arguments...]`, where `action` is the
/// [`ActionId`](trisect_ir::ActionId)'s number and each argument takes whole limbs, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a>(pub &'a [u64]);

impl Record<'_> {
    /// Words in front of the arguments.
    pub const HEAD: usize = 2;
    /// The action's number.
    pub fn action(&self) -> u32 {
        self.0[0] as u32
    }
    /// The handle; see [`crate::flow::split_handle`].
    pub fn handle(&self) -> u64 {
        self.0[1]
    }
    /// The arguments' limbs, and what is left of the stride.
    pub fn args(&self) -> &[u64] {
        &self.0[Self::HEAD..]
    }
}

/// How many limbs the arguments of an action take.
pub fn arg_limbs(program: &Program, action: trisect_ir::ActionId) -> usize {
    program.actions[action]
        .params
        .iter()
        .map(|p| limbs::count(p.width))
        .sum()
}

/// The positions of the entries, best first: the longest prefix if there is an lpm key and no
/// ternary, range or optional one, else the largest priority; ties go to the earlier entry.
pub fn precedence(
    _layout: &KeyLayout,
    kinds: &[MatchKind],
    entries: &[(&[KeySet], u32)],
) -> Vec<u32> {
    use MatchKind::{Lpm, Optional, Range, Ternary};
    let by_priority = kinds
        .iter()
        .any(|k| matches!(k, Ternary | Range | Optional));
    let lpm = kinds
        .iter()
        .position(|k| *k == Lpm)
        .filter(|_| !by_priority);
    let rank = |i: &u32| {
        let (sets, priority) = entries[*i as usize];
        match lpm.and_then(|at| sets.get(at)) {
            Some(KeySet::Prefix(_, len)) => *len,
            Some(KeySet::Exact(value)) => value.width(),
            Some(_) => 0,
            None => priority,
        }
    };
    let mut order: Vec<u32> = (0..entries.len() as u32).collect();
    order.sort_by_key(|i| std::cmp::Reverse(rank(i)));
    order
}

/// Up to this many entries are classified by bit vectors, more by tuple-space search.
const BIT_VECTOR_LIMIT: usize = 4096;

/// Entries of the program in the structure that fits them. They do not change.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// No entries, or no keys.
    Never,
    /// All exact: slots and the entries behind them.
    Exact(KeyIndex, Vec<u32>),
    /// One prefix, the rest exact.
    Lpm(LpmTable),
    /// Few of any kind.
    BitVector(BitVectorTable),
    /// Many of any kind.
    Tuples(TupleSpace),
}

impl Matcher {
    /// Chooses a structure.
    pub fn new(layout: &KeyLayout, kinds: &[MatchKind], entries: &[(&[KeySet], u32)]) -> Self {
        if layout.is_empty() || entries.is_empty() {
            return Self::Never;
        }
        let ordered: Vec<(u32, &[KeySet])> = precedence(layout, kinds, entries)
            .into_iter()
            .map(|i| (i, entries[i as usize].0))
            .collect();
        Self::exact(layout, &ordered)
            .or_else(|| Self::lpm(layout, kinds, &ordered))
            .or_else(|| {
                (ordered.len() <= BIT_VECTOR_LIMIT)
                    .then(|| BitVectorTable::new(layout, &ordered))
                    .flatten()
                    .map(Self::BitVector)
            })
            .unwrap_or_else(|| Self::Tuples(TupleSpace::new(layout, &ordered)))
    }
    fn exact(layout: &KeyLayout, ordered: &[(u32, &[KeySet])]) -> Option<Self> {
        let mut index = KeyIndex::new(layout.len());
        let mut entries = Vec::with_capacity(ordered.len());
        for (entry, sets) in ordered {
            let mut key = Vec::with_capacity(layout.len());
            for (set, width) in sets.iter().zip(layout.widths()) {
                let KeySet::Exact(value) = set else {
                    return None;
                };
                key.extend(value.resize(*width).to_be_bytes());
            }
            if index.get(&key).is_none() {
                index.insert(&key, entries.len() as u32);
                entries.push(*entry);
            }
        }
        Some(Self::Exact(index, entries))
    }
    fn lpm(layout: &KeyLayout, kinds: &[MatchKind], ordered: &[(u32, &[KeySet])]) -> Option<Self> {
        if kinds
            .iter()
            .any(|k| !matches!(k, MatchKind::Exact | MatchKind::Lpm))
        {
            return None;
        }
        let mut at = kinds
            .iter()
            .enumerate()
            .filter(|(_, k)| **k == MatchKind::Lpm);
        let (lpm, None) = (at.next()?.0, at.next()) else {
            return None;
        };
        // What ranks 0 must also be a prefix of length 0 for the trie's order to hold.
        let forms_rank = ordered.iter().all(|(_, sets)| {
            matches!(
                sets[lpm],
                KeySet::Prefix(..) | KeySet::Exact(_) | KeySet::Any
            )
        });
        forms_rank
            .then(|| LpmTable::new(layout.clone(), lpm, ordered))
            .flatten()
            .map(Self::Lpm)
    }
}

impl Lookup for Matcher {
    #[inline]
    fn lookup(&self, key: &[u8]) -> Option<u32> {
        match self {
            Self::Never => None,
            Self::Exact(index, entries) => index.get(key).map(|slot| entries[slot as usize]),
            Self::Lpm(table) => table.lookup(key),
            Self::BitVector(table) => table.lookup(key),
            Self::Tuples(table) => table.lookup(key),
        }
    }
}

/// A table with its entries, records and flow entries.
#[derive(Clone, Debug)]
pub struct MatchTable {
    /// Layout of its keys.
    pub layout: KeyLayout,
    matcher: Matcher,
    stride: usize,
    records: Box<[u64]>,
    default: Box<[u64]>,
    /// By entry, where its further members begin among those of all entries; at the end, where they end.
    groups: Box<[u32]>,
    /// Records of the further members.
    members: Box<[u64]>,
    /// Entries from the data path, if it is a flow table.
    pub flow: Option<FlowTable>,
}

impl MatchTable {
    /// Builds the structures of a program's table.
    pub fn new(program: &Program, table: &Table) -> Self {
        let layout = KeyLayout::new(table.keys.iter().map(|k| program.width(&k.expr, &[])));
        let kinds: Vec<MatchKind> = table.keys.iter().map(|k| k.kind).collect();
        let entries: Vec<(&[KeySet], u32)> = table
            .entries
            .iter()
            .map(|e| (&e.keys[..], e.priority))
            .collect();
        let stride = Record::HEAD
            + table
                .actions
                .iter()
                .chain([&table.default.action])
                .map(|a| arg_limbs(program, *a))
                .max()
                .unwrap_or(0);
        let mut records = Vec::with_capacity(stride * table.entries.len());
        let (mut members, mut groups, mut count) = (Vec::new(), vec![0], 0);
        for (i, entry) in table.entries.iter().enumerate() {
            records.extend(record(&entry.call, i as u64, stride));
            for call in &entry.members {
                members.extend(record(call, i as u64, stride));
            }
            count += entry.members.len() as u32;
            groups.push(count);
        }
        let flow = table.flow.as_ref().map(|flow| {
            FlowTable::new(
                layout.len(),
                table.size as usize,
                flow.timeouts_ns.clone(),
                stride - Record::HEAD,
            )
        });
        Self {
            matcher: Matcher::new(&layout, &kinds, &entries),
            layout,
            stride,
            records: records.into(),
            default: record(&table.default, MISS, stride).into(),
            groups: groups.into(),
            members: members.into(),
            flow,
        }
    }
    /// Looks up a key at a time in nanoseconds.
    #[inline]
    pub fn lookup(&mut self, key: &[u8], now: u64) -> Record<'_> {
        if let Some(entry) = self.matcher.lookup(key) {
            if let Some(flow) = &mut self.flow {
                flow.forget();
            }
            return self.entry(entry);
        }
        if let Some(flow) = &mut self.flow
            && !self.layout.is_empty()
            && let Some(words) = flow.lookup(key, now)
        {
            return Record(words);
        }
        Record(&self.default)
    }
    /// The same, for somebody who thinks that the key's flow entry is in the slot `hint`
    /// ([`FlowTable::lookup_at`]). Also gives the slot of the flow entry that was found.
    #[inline]
    pub fn lookup_at(&mut self, hint: u32, key: &[u8], now: u64) -> (Option<u32>, Record<'_>) {
        if !matches!(self.matcher, Matcher::Never) || self.layout.is_empty() {
            return (None, self.lookup(key, now));
        }
        match self.flow.as_mut().and_then(|f| f.lookup_at(hint, key, now)) {
            Some((slot, words)) => (Some(slot), Record(words)),
            None => (None, Record(&self.default)),
        }
    }
    /// The record of an entry of the program.
    #[inline]
    pub fn entry(&self, entry: u32) -> Record<'_> {
        let at = entry as usize * self.stride;
        Record(&self.records[at..at + self.stride])
    }
    /// The record of the further member that a selector's hash chooses for the entry of the program with
    /// this handle; `None` if it chooses the entry's own, or for another handle.
    #[inline]
    pub fn member(&self, handle: u64, hash: u64) -> Option<Record<'_>> {
        let Handle::Entry(entry) = split_handle(handle) else {
            return None;
        };
        let first = *self.groups.get(entry as usize)?;
        let end = *self.groups.get(entry as usize + 1)?;
        let number = (hash % (1 + u64::from(end - first))).checked_sub(1)?;
        let at = (first as usize + number as usize) * self.stride;
        self.members.get(at..at + self.stride).map(Record)
    }
    /// The records of all entries of the program, one after the other.
    pub fn records(&self) -> &[u64] {
        &self.records
    }
    /// The record of the default action.
    pub fn default_record(&self) -> Record<'_> {
        Record(&self.default)
    }
    /// The structure that the program's entries are in.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }
}

fn record(call: &ActionCall, handle: u64, stride: usize) -> Vec<u64> {
    let mut out = vec![u64::from(call.action.0), handle];
    out.extend(call.args.iter().flat_map(limbs::from_bits));
    out.resize(stride, 0);
    out
}
