//! Allocators: numbers that return after idle time (NAT ports).

use std::collections::BTreeSet;

/// Hands out `base .. base + size`. See [`trisect_ir::ObjectKind::Allocator`].
///
/// Never used numbers are a suffix of the range. The used ones stand in a queue ordered by a lower
/// bound of their last use, which is corrected when they come to its front; so `touch` is O(1) and
/// `allocate` O(log n), amortised.
#[derive(Clone, Debug)]
pub struct Allocator {
    base: u64,
    size: u32,
    idle_ns: u64,
    /// Last use of the numbers used so far, by offset.
    last_use: Vec<u64>,
    queue: BTreeSet<(u64, u32)>,
}

impl Allocator {
    /// None in use.
    pub fn new(base: u64, size: u32, idle_ns: u64) -> Self {
        Self {
            base,
            size,
            idle_ns,
            last_use: Vec::new(),
            queue: BTreeSet::new(),
        }
    }
    /// The first numbers in use, by their last use.
    pub fn load(&mut self, last_uses: Vec<u64>) {
        self.queue = last_uses.iter().copied().zip(0..).collect();
        self.last_use = last_uses;
    }
    /// Takes the number whose last use is longest ago.
    pub fn allocate(&mut self, now: u64) -> Option<u64> {
        let fresh = self.last_use.len() as u32;
        if fresh < self.size {
            self.last_use.push(now);
            self.queue.insert((now, fresh));
            return Some(self.base.wrapping_add(u64::from(fresh)));
        }
        while let Some((bound, offset)) = self.queue.pop_first() {
            let last = self.last_use[offset as usize];
            if bound < last {
                self.queue.insert((last, offset));
            } else {
                let free = now.saturating_sub(last) >= self.idle_ns;
                let stamp = if free { now } else { last };
                self.last_use[offset as usize] = stamp;
                self.queue.insert((stamp, offset));
                return free.then(|| self.base.wrapping_add(u64::from(offset)));
            }
        }
        None
    }
    /// Renews the last use of a number that was handed out before.
    pub fn touch(&mut self, number: u64, now: u64) {
        let Some(offset) = self.offset(number) else {
            return;
        };
        if let Some(last) = self.last_use.get_mut(offset as usize) {
            *last = now.max(*last);
        }
    }
    fn offset(&self, number: u64) -> Option<u32> {
        let offset = number.wrapping_sub(self.base);
        (offset < u64::from(self.size)).then_some(offset as u32)
    }
    /// Numbers that were handed out, with their last use.
    pub fn used(&self) -> impl Iterator<Item = (u64, u64)> {
        self.last_use
            .iter()
            .enumerate()
            .map(|(i, last)| (self.base.wrapping_add(i as u64), *last))
    }
}

/// The reference: a scan over all numbers.
#[derive(Clone, Debug)]
pub struct NaiveAllocator {
    /// First number.
    pub base: u64,
    /// Idle time in nanoseconds.
    pub idle_ns: u64,
    /// Last use by offset.
    pub last_use: Vec<Option<u64>>,
}

impl NaiveAllocator {
    /// See [`Allocator::allocate`].
    pub fn allocate(&mut self, now: u64) -> Option<u64> {
        // `None` sorts before every time.
        let (offset, last) = self
            .last_use
            .iter()
            .copied()
            .enumerate()
            .min_by_key(|(i, last)| (*last, *i))?;
        if last.is_some_and(|last| now.saturating_sub(last) < self.idle_ns) {
            return None;
        }
        self.last_use[offset] = Some(now);
        Some(self.base + offset as u64)
    }
    /// See [`Allocator::touch`].
    pub fn touch(&mut self, number: u64, now: u64) {
        let offset = number.wrapping_sub(self.base);
        if let Ok(offset) = usize::try_from(offset)
            && let Some(Some(last)) = self.last_use.get_mut(offset)
        {
            *last = now.max(*last);
        }
    }
}
