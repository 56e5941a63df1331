//! Flow tables: entries added from the data path, which age.

use crate::index::KeyIndex;
use crate::table::{MISS, Record};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Set in a record's handle if it is that of a flow entry.
pub const FLOW: u64 = 1 << 32;

/// Records per chunk; chunks never move, so that a record stays where it is while an action that it
/// runs adds entries.
const CHUNK: usize = 1024;

/// Flow entries by key. An entry is gone when `now - last_hit >= timeout`.
///
/// Expired entries stay until their key is added again or their room is needed. To find them then, a
/// queue holds for every entry a lower bound of the time at which it expires; a hit only writes the
/// entry, and the bound is corrected when it comes to the front. So a hit is O(1), and adding is
/// O(log n) amortised.
#[derive(Clone, Debug)]
pub struct FlowTable {
    limit: usize,
    timeouts_ns: Vec<u64>,
    stride: usize,
    index: KeyIndex,
    slots: Vec<Slot>,
    free: Vec<u32>,
    chunks: Vec<Box<[u64]>>,
    queue: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// The key of the last look-up that missed, and whether that was the last look-up.
    pending: Vec<u8>,
    missed: bool,
    /// The entry of the last lookup.
    current: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    last_hit_ns: u64,
    timeout_ns: u64,
    /// Changes when the slot is given to another key.
    generation: u32,
    live: bool,
}

impl Slot {
    fn expired(&self, now: u64) -> bool {
        now.saturating_sub(self.last_hit_ns) >= self.timeout_ns
    }
    /// The earliest time at which `expired` can hold.
    fn deadline(&self) -> u64 {
        if self.timeout_ns == 0 {
            0
        } else {
            self.last_hit_ns.saturating_add(self.timeout_ns)
        }
    }
}

/// One live flow entry, for dumps.
#[derive(Clone, Copy, Debug)]
pub struct FlowEntry<'a> {
    /// Its slot.
    pub slot: u32,
    /// Its key.
    pub key: &'a [u8],
    /// What it runs.
    pub record: Record<'a>,
    /// Time of its last hit in nanoseconds.
    pub last_hit_ns: u64,
    /// Idle timeout in nanoseconds.
    pub timeout_ns: u64,
}

impl FlowTable {
    /// An empty table for `limit` live entries with keys of `key_len` bytes and up to `arg_limbs`
    /// limbs of arguments.
    pub fn new(key_len: usize, limit: usize, timeouts_ns: Vec<u64>, arg_limbs: usize) -> Self {
        Self {
            limit,
            timeouts_ns,
            stride: Record::HEAD + arg_limbs,
            index: KeyIndex::new(key_len),
            slots: Vec::new(),
            free: Vec::new(),
            chunks: Vec::new(),
            queue: BinaryHeap::new(),
            pending: Vec::with_capacity(key_len),
            missed: false,
            current: None,
        }
    }
    fn timeout(&self, profile: u64) -> u64 {
        let last = self.timeouts_ns.len().saturating_sub(1);
        let at = usize::try_from(profile).map_or(last, |p| p.min(last));
        self.timeouts_ns.get(at).copied().unwrap_or(0)
    }
    fn words(&self, slot: u32) -> &[u64] {
        let at = slot as usize % CHUNK * self.stride;
        &self.chunks[slot as usize / CHUNK][at..at + self.stride]
    }
    /// The live entry with this key; the hit refreshes it. Remembers the key for [`Self::add`] and the
    /// entry for [`Self::set_expire`].
    #[inline]
    pub fn lookup(&mut self, key: &[u8], now: u64) -> Option<&[u64]> {
        let slot = self.index.get(key);
        self.hit(slot, key, now)
    }
    /// The same, for somebody who thinks that the entry is in the slot `hint`: if it is, nothing is hashed and
    /// no bucket read. Whatever the hint, the answer is that of [`Self::lookup`]. Also gives the entry's slot.
    #[inline]
    pub fn lookup_at(&mut self, hint: u32, key: &[u8], now: u64) -> Option<(u32, &[u64])> {
        let here =
            self.slots.get(hint as usize).is_some_and(|s| s.live) && self.index.key(hint) == key;
        let slot = if here {
            Some(hint)
        } else {
            self.index.get(key)
        };
        let words = self.hit(slot, key, now)?;
        slot.map(|slot| (slot, words))
    }
    /// A look-up whose key is in this slot, or in none.
    #[inline]
    fn hit(&mut self, slot: Option<u32>, key: &[u8], now: u64) -> Option<&[u64]> {
        if let Some(slot) = slot {
            let state = &mut self.slots[slot as usize];
            if !state.expired(now) {
                state.last_hit_ns = state.last_hit_ns.max(now);
                self.current = Some(slot);
                self.missed = false;
                return Some(self.words(slot));
            }
        }
        self.current = None;
        self.missed = true;
        self.pending.clear();
        self.pending.extend_from_slice(key);
        None
    }
    /// Where a look-up that finds its entry in this slot reads: state, first and last byte of the key, record. For
    /// prefetching: nothing is promised about what is there. `None` if there is no such slot.
    #[inline]
    pub fn places(&self, slot: u32) -> Option<[*const u8; 4]> {
        let state = self.slots.get(slot as usize)?;
        let key = self.index.key(slot).as_ptr_range();
        Some([
            std::ptr::from_ref(state).cast(),
            key.start,
            key.end.wrapping_sub(1),
            self.words(slot).as_ptr().cast(),
        ])
    }
    /// Call when the look-up was answered elsewhere (by an entry of the program), so that adding and
    /// changing entries does nothing.
    pub fn forget(&mut self) {
        self.current = None;
        self.missed = false;
    }
    fn release(&mut self, slot: u32) {
        let key = self.index.key(slot).to_vec();
        self.index.remove(&key);
        let state = &mut self.slots[slot as usize];
        state.live = false;
        self.free.push(slot);
    }
    /// Releases everything that has expired.
    fn expire(&mut self, now: u64) {
        let mut still_alive = Vec::new();
        while let Some(Reverse((bound, slot, generation))) = self.queue.peek().copied() {
            if bound > now {
                break;
            }
            self.queue.pop();
            let state = self.slots[slot as usize];
            if !state.live || state.generation != generation {
                continue;
            }
            if state.expired(now) {
                self.release(slot);
            } else {
                still_alive.push(Reverse((state.deadline(), slot, generation)));
            }
        }
        self.queue.extend(still_alive);
    }
    /// Adds an entry for the key whose look-up missed (again: replaces it); `None` if the last look-up
    /// did not miss or there is no room. Returns the entry's slot.
    pub fn add(&mut self, action: u64, args: &[u64], profile: u64, now: u64) -> Option<u32> {
        if !self.missed {
            return None;
        }
        if self.index.len() >= self.limit {
            self.expire(now);
        }
        let slot = match self.index.get(&self.pending) {
            Some(slot) => slot,
            None if self.index.len() < self.limit => self.take_slot(),
            None => return None,
        };
        let timeout_ns = self.timeout(profile);
        self.fill(slot, action, args, now, timeout_ns);
        Some(slot)
    }
    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.index = KeyIndex::new(self.index.key_len());
        self.slots.clear();
        self.free.clear();
        self.queue.clear();
        self.forget();
    }
    /// Loads an entry, also with a timeout that is none of the table's; `None` if there is no room. The key
    /// must have the table's length and not be there. Returns the entry's slot.
    pub fn load(
        &mut self,
        key: &[u8],
        action: u64,
        args: &[u64],
        last_hit_ns: u64,
        timeout_ns: u64,
    ) -> Option<u32> {
        if self.index.len() >= self.limit {
            return None;
        }
        self.forget();
        self.pending.clear();
        self.pending.extend_from_slice(key);
        let slot = self.take_slot();
        self.fill(slot, action, args, last_hit_ns, timeout_ns);
        Some(slot)
    }
    fn fill(&mut self, slot: u32, action: u64, args: &[u64], last_hit_ns: u64, timeout_ns: u64) {
        let state = &mut self.slots[slot as usize];
        *state = Slot {
            last_hit_ns,
            timeout_ns,
            generation: state.generation.wrapping_add(1),
            live: true,
        };
        self.queue
            .push(Reverse((state.deadline(), slot, state.generation)));
        let stride = self.stride;
        let at = slot as usize % CHUNK * stride;
        let words = &mut self.chunks[slot as usize / CHUNK][at..at + stride];
        words.fill(0);
        words[0] = action;
        words[1] = FLOW | u64::from(slot);
        for (word, arg) in words[Record::HEAD..].iter_mut().zip(args) {
            *word = *arg;
        }
    }
    /// A slot for the key whose look-up missed.
    fn take_slot(&mut self) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.slots.len() as u32;
            self.slots.push(Slot::default());
            if slot as usize / CHUNK == self.chunks.len() {
                self.chunks.push(vec![0; CHUNK * self.stride].into());
            }
            slot
        });
        self.index.insert(&self.pending, slot);
        slot
    }
    /// Gives the entry that was hit another expire-time profile.
    pub fn set_expire(&mut self, profile: u64) {
        let timeout_ns = self.timeout(profile);
        let Some(slot) = self.current else { return };
        let state = &mut self.slots[slot as usize];
        let sooner = timeout_ns < state.timeout_ns;
        state.timeout_ns = timeout_ns;
        if sooner {
            self.queue
                .push(Reverse((state.deadline(), slot, state.generation)));
        }
    }
    /// The entries that are live at a time, by slot.
    pub fn live(&self, now: u64) -> impl Iterator<Item = FlowEntry<'_>> {
        self.slots
            .iter()
            .enumerate()
            .filter(move |(_, state)| state.live && !state.expired(now))
            .map(|(slot, state)| FlowEntry {
                slot: slot as u32,
                key: self.index.key(slot as u32),
                record: Record(self.words(slot as u32)),
                last_hit_ns: state.last_hit_ns,
                timeout_ns: state.timeout_ns,
            })
    }
    /// The key of a live entry.
    pub fn key_of(&self, slot: u32, now: u64) -> Option<&[u8]> {
        let state = self.slots.get(slot as usize)?;
        (state.live && !state.expired(now)).then(|| self.index.key(slot))
    }
}

/// Whether a handle is that of an entry of the program, a flow entry, or none.
pub fn split_handle(handle: u64) -> Handle {
    if handle == MISS {
        Handle::Miss
    } else if handle & FLOW != 0 {
        Handle::Flow(handle as u32)
    } else {
        Handle::Entry(handle as u32)
    }
}

/// What a record's handle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// No entry: the default action.
    Miss,
    /// The entry of the program with this position.
    Entry(u32),
    /// The flow entry in this slot.
    Flow(u32),
}
