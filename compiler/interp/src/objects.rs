//! Stateful objects: counters, meters, registers, pattern sets, allocators, messages, random numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trisect_ir::meter::MeterState;
use trisect_ir::state::{Cell, Count, key_text};
use trisect_ir::{Bits, CountUnit, MESSAGE_LIMIT, MeterConfig, Object, ObjectKind, random};

/// A cell of a counter or meter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CellKey {
    At(u32),
    Entry(u32),
    Flow(Vec<Bits>),
}

impl CellKey {
    pub fn dump(&self) -> Cell {
        match self {
            Self::At(i) => Cell::Index(*i),
            Self::Entry(i) => Cell::Entry(*i),
            Self::Flow(key) => Cell::Flow(key_text(key)),
        }
    }
}

/// What an object remembers. Cells that were never used are not there.
#[derive(Clone, Debug)]
pub(crate) enum ObjectState {
    Counter(BTreeMap<CellKey, Count>),
    Meter(BTreeMap<CellKey, MeterState>),
    Register(BTreeMap<u32, Bits>),
    PatternSet(Patterns),
    Allocator(Allocator),
    /// In the order of sending.
    Messages(VecDeque<Vec<Bits>>),
    /// How many numbers were drawn.
    Random(u64),
}

/// The state of one object in canonical form.
pub(crate) enum Dump {
    Counters(BTreeMap<Cell, Count>),
    Meters(BTreeMap<Cell, MeterState>),
    Registers(BTreeMap<u32, Bits>),
    Allocator(BTreeMap<u64, u64>),
    Messages(Vec<Vec<Bits>>),
    Draws(u64),
    Nothing,
}

impl ObjectState {
    pub fn new(object: &Object) -> Self {
        match &object.kind {
            ObjectKind::Counter { .. } => Self::Counter(BTreeMap::new()),
            ObjectKind::Meter { .. } => Self::Meter(BTreeMap::new()),
            ObjectKind::Register { .. } => Self::Register(BTreeMap::new()),
            ObjectKind::PatternSet { patterns } => Self::PatternSet(Patterns::new(patterns)),
            ObjectKind::Allocator { base, size, .. } => {
                Self::Allocator(Allocator::new(*base, *size))
            }
            ObjectKind::Message { .. } => Self::Messages(VecDeque::new()),
            ObjectKind::Random { .. } => Self::Random(0),
        }
    }

    /// Counts one packet of this many bytes.
    pub fn count(&mut self, cell: CellKey, bytes: u64) {
        if let Self::Counter(cells) = self {
            let count = cells.entry(cell).or_default();
            count.packets = count.packets.wrapping_add(1);
            count.bytes = count.bytes.wrapping_add(bytes);
        }
    }

    /// Meters a packet of this many bytes and gives its colour.
    pub fn meter(
        &mut self,
        kind: &ObjectKind,
        cell: CellKey,
        now_ns: u64,
        bytes: u64,
        color: u8,
    ) -> u8 {
        let (
            Self::Meter(cells),
            ObjectKind::Meter {
                unit,
                default,
                cells: rates,
                ..
            },
        ) = (self, kind)
        else {
            return trisect_ir::meter::GREEN;
        };
        let config: &MeterConfig = match &cell {
            CellKey::At(i) | CellKey::Entry(i) => rates.get(i).unwrap_or(default),
            CellKey::Flow(_) => default,
        };
        let units = match unit {
            CountUnit::Packets => 1,
            CountUnit::Bytes | CountUnit::PacketsAndBytes => bytes,
        };
        cells
            .entry(cell)
            .or_insert_with(|| MeterState::full(config))
            .execute(config, now_ns, units, color)
    }

    /// Sends a message.
    pub fn send(&mut self, values: Vec<Bits>) {
        if let Self::Messages(messages) = self {
            if messages.len() >= MESSAGE_LIMIT {
                messages.pop_front();
            }
            messages.push_back(values);
        }
    }

    /// Draws a number.
    pub fn draw(&mut self, kind: &ObjectKind, lo: &Bits, hi: &Bits) -> Bits {
        let (Self::Random(draws), ObjectKind::Random { seed }) = (self, kind) else {
            return lo.clone();
        };
        let number = random::draw(*seed, *draws, lo, hi);
        *draws = draws.wrapping_add(1);
        number
    }

    /// Forgets the cell of an entry that is no more.
    pub fn forget(&mut self, cell: &CellKey) {
        match self {
            Self::Counter(cells) => drop(cells.remove(cell)),
            Self::Meter(cells) => drop(cells.remove(cell)),
            Self::Register(_)
            | Self::PatternSet(_)
            | Self::Allocator(_)
            | Self::Messages(_)
            | Self::Random(_) => {}
        }
    }

    pub fn dump(&self, object: &Object) -> Dump {
        match self {
            Self::Counter(cells) => {
                Dump::Counters(cells.iter().map(|(c, v)| (c.dump(), *v)).collect())
            }
            Self::Meter(cells) => Dump::Meters(cells.iter().map(|(c, v)| (c.dump(), *v)).collect()),
            Self::Register(cells) => {
                let initial = match &object.kind {
                    ObjectKind::Register { init, .. } => Some(init),
                    _ => None,
                };
                let changed = cells.iter().filter(|(_, v)| Some(*v) != initial);
                Dump::Registers(changed.map(|(i, v)| (*i, v.clone())).collect())
            }
            Self::Allocator(allocator) => Dump::Allocator(allocator.last_use.clone()),
            Self::Messages(messages) => Dump::Messages(messages.iter().cloned().collect()),
            Self::Random(draws) => Dump::Draws(*draws),
            Self::PatternSet(_) => Dump::Nothing,
        }
    }
}

/// A value as an index below `size`.
pub(crate) fn index_below(value: &Bits, size: u32) -> Option<u32> {
    let index = u32::try_from(value.to_u64()?).ok()?;
    (index < size).then_some(index)
}

/// Patterns by their first byte, so that most places in a packet are passed at once.
#[derive(Clone, Debug)]
pub(crate) struct Patterns {
    by_first: Vec<Vec<(u16, Vec<u8>)>>,
}

impl Patterns {
    fn new(patterns: &[Vec<u8>]) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for (number, pattern) in (1..=u16::MAX).zip(patterns) {
            if let Some(first) = pattern.first() {
                by_first[usize::from(*first)].push((number, pattern.clone()));
            }
        }
        Self { by_first }
    }

    /// The lowest index (plus one) of a pattern that occurs in the data; 0 if none does.
    pub fn search(&self, data: &[u8]) -> u16 {
        let mut found = None;
        for (at, byte) in data.iter().enumerate() {
            for (number, pattern) in &self.by_first[usize::from(*byte)] {
                if found.is_none_or(|f| *number < f) && data[at..].starts_with(pattern) {
                    found = Some(*number);
                }
            }
        }
        found.unwrap_or(0)
    }
}

/// Numbers with their last use.
#[derive(Clone, Debug)]
pub(crate) struct Allocator {
    base: u64,
    size: u32,
    /// Numbers that were ever handed out. They are handed out in order, so the first that never
    /// was is `base + last_use.len()`.
    last_use: BTreeMap<u64, u64>,
    /// The same by time.
    by_time: BTreeSet<(u64, u64)>,
}

impl Allocator {
    fn new(base: u64, size: u32) -> Self {
        Self {
            base,
            size,
            last_use: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// The number that is the next to be handed out, with its last use.
    pub fn next(&self) -> Option<(u64, Option<u64>)> {
        if (self.last_use.len() as u64) < u64::from(self.size) {
            return Some((self.base + self.last_use.len() as u64, None));
        }
        let (last, number) = *self.by_time.first()?;
        Some((number, Some(last)))
    }

    /// The number whose last use is longest ago, if that was at least `idle_ns` ago.
    pub fn allocate(&mut self, now_ns: u64, idle_ns: u64) -> Option<u64> {
        let (number, last) = self.next()?;
        if last.is_some_and(|last| now_ns.saturating_sub(last) < idle_ns) {
            return None;
        }
        self.use_at(number, now_ns);
        Some(number)
    }

    /// The last use of a number that was handed out.
    pub fn last_use(&self, number: u64) -> Option<u64> {
        self.last_use.get(&number).copied()
    }

    /// As if these numbers, with their last uses, were all that was handed out, and the `fresh` ones
    /// (in order, without gap) all that is left.
    pub fn of(numbers: &BTreeMap<u64, u64>, fresh: &[u64]) -> Self {
        let mut allocator = Self::new(0, 0);
        for (number, last) in numbers {
            allocator.use_at(*number, *last);
        }
        // The next fresh number is `base` and as many as there are in use.
        let used = numbers.len() as u64;
        allocator.base = fresh.first().map_or(0, |first| first.saturating_sub(used));
        allocator.size = (numbers.len() + fresh.len()) as u32;
        allocator
    }

    /// Numbers in use, in order, by their last use.
    pub fn load(&mut self, last_uses: &[u64]) {
        for (number, last) in (self.base..).zip(last_uses) {
            self.use_at(number, *last);
        }
    }

    /// Renews the last use of a number that was handed out.
    pub fn touch(&mut self, number: u64, now_ns: u64) {
        if let Some(last) = self.last_use.get(&number) {
            self.use_at(number, now_ns.max(*last));
        }
    }

    fn use_at(&mut self, number: u64, time_ns: u64) {
        if let Some(last) = self.last_use.insert(number, time_ns) {
            self.by_time.remove(&(last, number));
        }
        self.by_time.insert((time_ns, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocator_reuses_the_longest_idle_number() {
        let mut a = Allocator::new(1024, 3);
        assert_eq!(a.allocate(0, 100), Some(1024));
        assert_eq!(a.allocate(10, 100), Some(1025));
        assert_eq!(a.allocate(20, 100), Some(1026));
        assert_eq!(a.allocate(99, 100), None);
        a.touch(1024, 99);
        a.touch(4000, 99);
        assert_eq!(a.allocate(109, 100), None);
        assert_eq!(a.allocate(110, 100), Some(1025));
        assert_eq!(a.allocate(130, 100), Some(1026));
        assert_eq!(a.allocate(130, 100), None);
        assert_eq!(a.last_use.len(), 3);
    }

    #[test]
    fn search_finds_the_lowest_index_not_the_first_place() {
        let patterns: Vec<Vec<u8>> = vec![b"late".to_vec(), b"la".to_vec(), b"x".to_vec()];
        let p = Patterns::new(&patterns);
        assert_eq!(p.search(b"x la late"), 1);
        assert_eq!(p.search(b"x la lat"), 2);
        assert_eq!(p.search(b"..x"), 3);
        assert_eq!(p.search(b""), 0);
    }
}
