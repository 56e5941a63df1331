//! An open-addressing index from byte strings of one length to dense slots.
//!
//! The caller owns what the slots stand for; the index keeps the keys (slot after slot in one
//! array, so that a hit touches one bucket and one key). Deletion shifts back, so there are no
//! tombstones and the index does not decay under churn.

use std::hash::{BuildHasher, RandomState};

/// Index from byte strings to slots.
#[derive(Clone, Debug)]
pub struct KeyIndex {
    key_len: usize,
    seed: u64,
    /// High half: part of the hash; low half: slot + 1, or 0 for an empty bucket.
    buckets: Vec<u64>,
    keys: Vec<u8>,
    len: usize,
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folded multiplication: both halves of the 128-bit product.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

fn word(bytes: &[u8]) -> u64 {
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(padded)
}

impl KeyIndex {
    /// An empty index for keys of this length.
    pub fn new(key_len: usize) -> Self {
        Self {
            key_len,
            // Keys come from the network: a seed per process keeps collisions from being chosen.
            // Nothing that can be observed depends on it.
            seed: RandomState::new().hash_one(0u8) | 1,
            buckets: vec![0; 8],
            keys: Vec::new(),
            len: 0,
        }
    }
    /// Length of a key in bytes.
    pub fn key_len(&self) -> usize {
        self.key_len
    }
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// The key of a slot that is in the index.
    pub fn key(&self, slot: u32) -> &[u8] {
        let at = slot as usize * self.key_len;
        &self.keys[at..at + self.key_len]
    }
    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hash = self.seed;
        let mut chunks = key.chunks_exact(8);
        for chunk in &mut chunks {
            hash = fold(hash ^ word(chunk), MULTIPLIER ^ self.seed);
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            hash = fold(hash ^ word(rest), MULTIPLIER ^ self.seed);
        }
        fold(hash, MULTIPLIER)
    }
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.buckets.len() - 1)
    }
    /// The slot of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<u32> {
        self.find(key).map(|(_, slot)| slot)
    }
    #[inline]
    fn find(&self, key: &[u8]) -> Option<(usize, u32)> {
        if key.len() != self.key_len {
            return None;
        }
        let hash = self.hash(key);
        let tag = hash >> 32;
        let mut at = self.home(hash);
        loop {
            let bucket = self.buckets[at];
            let slot = (bucket as u32).checked_sub(1)?;
            if bucket >> 32 == tag && self.key(slot) == key {
                return Some((at, slot));
            }
            at = self.next(at);
        }
    }
    /// Adds a key for a slot that is not in use; does nothing if the key is there or has another
    /// length.
    pub fn insert(&mut self, key: &[u8], slot: u32) {
        if key.len() != self.key_len || self.find(key).is_some() {
            return;
        }
        let at = slot as usize * self.key_len;
        if self.keys.len() < at + self.key_len {
            self.keys.resize(at + self.key_len, 0);
        }
        self.keys[at..at + self.key_len].copy_from_slice(key);
        self.len += 1;
        if self.len * 4 > self.buckets.len() * 3 {
            self.grow();
        }
        let hash = self.hash(key);
        self.place(hash, slot);
    }
    fn place(&mut self, hash: u64, slot: u32) {
        let mut at = self.home(hash);
        while self.buckets[at] != 0 {
            at = self.next(at);
        }
        self.buckets[at] = hash >> 32 << 32 | u64::from(slot + 1);
    }
    fn grow(&mut self) {
        let new_len = self.buckets.len() * 2;
        let old = std::mem::replace(&mut self.buckets, vec![0; new_len]);
        for bucket in old.into_iter().filter(|b| *b != 0) {
            let slot = bucket as u32 - 1;
            self.place(self.hash(self.key(slot)), slot);
        }
    }
    /// Removes a key and returns its slot.
    pub fn remove(&mut self, key: &[u8]) -> Option<u32> {
        let (mut hole, slot) = self.find(key)?;
        self.len -= 1;
        let mut at = hole;
        loop {
            at = self.next(at);
            let bucket = self.buckets[at];
            if bucket == 0 {
                break;
            }
            let home = self.home(self.hash(self.key(bucket as u32 - 1)));
            let mask = self.buckets.len() - 1;
            // Move back unless the key's home lies behind the hole.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.buckets[hole] = bucket;
                hole = at;
            }
        }
        self.buckets[hole] = 0;
        Some(slot)
    }
}
