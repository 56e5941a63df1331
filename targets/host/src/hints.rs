//! Hints: what a NIC's number for a flow says about the flow's entries.
//!
//! A NIC that matches a flow can hand a number to the host beside the packet (MARK or META). The driver keeps a
//! [`Line`] for each number: in which slots of the flow tables the look-ups of the flow's packets found their
//! entries. Compiled code compares the key there with the packet's and looks it up only if it is another one. So
//! whatever the NIC says, and whatever became of the entry, a packet is treated as without a hint.
//!
//! What it gains is memory latency: a look-up in a large table waits for a bucket, then for the key, the entry's
//! state and its record. The places that a line names are known before the batch begins, so they are fetched for all
//! its packets at once.

#![allow(unsafe_code)]

use crate::packet::Packet;
use trisect_ir::TableId;
use trisect_table::Runtime;

/// Most tables for which hints are kept: with the mark of use, half a cache line.
pub use trisect_target::HINTED_TABLES as MOST_TABLES;

/// A slot that is none.
const NONE: u32 = u32::MAX;

/// The slots of one flow, by position of the table, and whether they were of use.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    slots: [u32; MOST_TABLES],
    used: bool,
}

const EMPTY: Line = Line {
    slots: [NONE; MOST_TABLES],
    used: false,
};

/// How look-ups in tables with hints were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HintCounts {
    /// By comparing the key in the slot of the hint.
    pub hits: u64,
    /// All look-ups in these tables, of packets with and without hint.
    pub lookups: u64,
}

/// The lines of all numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    /// The tables, by position in a line.
    pub tables: Vec<TableId>,
    /// By number. That of 0, which is no number, stays empty.
    lines: Vec<Line>,
    pub counts: HintCounts,
}

impl Hints {
    pub fn new(tables: Vec<TableId>) -> Self {
        Self {
            tables,
            lines: vec![EMPTY],
            counts: HintCounts::default(),
        }
    }
    /// The slot that a packet's hint names for a table; one that is none if it names none.
    #[inline]
    pub fn slot(&self, hint: u32, at: usize) -> u32 {
        let line = self.lines.get(hint as usize).unwrap_or(&EMPTY);
        line.slots.get(at).copied().unwrap_or(NONE)
    }
    /// Notes in which slot a look-up of a packet with this hint found its entry, where `hinted` was named.
    #[inline]
    pub fn found(&mut self, hint: u32, at: usize, hinted: u32, slot: Option<u32>) {
        self.counts.lookups += 1;
        let (Some(slot), 1..) = (slot, hint) else {
            return;
        };
        let Some(line) = self.lines.get_mut(hint as usize) else {
            return;
        };
        line.used = true;
        if slot == hinted {
            self.counts.hits += 1;
        } else if let Some(known) = line.slots.get_mut(at) {
            *known = slot;
        }
    }
    /// Forgets what a number stands for. There is a line for it from then on.
    pub fn clear(&mut self, hint: u32) {
        let at = hint as usize;
        if at >= self.lines.len() {
            self.lines.resize(at + 1, EMPTY);
        }
        self.lines[at] = EMPTY;
    }
    /// Lets a number stand for what another one stands for.
    pub fn copy(&mut self, from: u32, to: u32) {
        if from == to {
            return;
        }
        self.clear(to);
        if let Some(line) = self.lines.get(from as usize) {
            self.lines[to as usize] = *line;
        }
    }
    /// Whether any entry is known for a number.
    pub fn knows(&self, hint: u32) -> bool {
        let line = self.lines.get(hint as usize);
        line.is_some_and(|line| line.slots.iter().any(|slot| *slot != NONE))
    }
    /// Whether a look-up found an entry for a packet with this hint since this was asked last.
    pub fn used(&mut self, hint: u32) -> bool {
        let line = self.lines.get_mut(hint as usize);
        line.is_some_and(|line| std::mem::take(&mut line.used))
    }
    /// Whether any of the slots of a number holds a live entry.
    pub fn live(&self, hint: u32, runtime: &Runtime, now: u64) -> bool {
        let slots = self.tables.iter().enumerate();
        slots.into_iter().any(|(at, table)| {
            let flow = runtime.tables.get(*table).and_then(|t| t.flow.as_ref());
            flow.is_some_and(|flow| flow.key_of(self.slot(hint, at), now).is_some())
        })
    }
    /// Fetches into the cache what the look-ups of these packets will read if their hints are right.
    pub fn prefetch(&self, packets: &[Packet], runtime: &Runtime) {
        for packet in packets {
            if let Some(line) = self.lines.get(packet.hint as usize) {
                fetch(std::ptr::from_ref(line).cast());
            }
        }
        for packet in packets.iter().filter(|packet| packet.hint != 0) {
            for (at, table) in self.tables.iter().enumerate() {
                let flow = runtime.tables.get(*table).and_then(|t| t.flow.as_ref());
                let places = flow.and_then(|flow| flow.places(self.slot(packet.hint, at)));
                places.into_iter().flatten().for_each(fetch);
            }
        }
    }
}

/// Asks for the cache line at an address.
#[inline]
fn fetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching reads nothing that the program sees and cannot fault, whatever the address; SSE is part of
    // every x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
