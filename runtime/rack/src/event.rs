//! The calendar of the simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events ordered by time; those of equal time in the order in which they were put in, so that a run
/// is the same every time.
#[derive(Debug)]
pub(crate) struct Calendar<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry<E> {
    time_ns: u64,
    sequence: u64,
    event: E,
}

impl<E> Entry<E> {
    fn key(&self) -> (u64, u64) {
        (self.time_ns, self.sequence)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<E> Calendar<E> {
    /// Nothing to happen.
    pub(crate) fn new() -> Calendar<E> {
        Calendar {
            heap: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// Lets `event` happen at `time_ns`.
    pub(crate) fn put(&mut self, time_ns: u64, event: E) {
        self.heap.push(Reverse(Entry {
            time_ns,
            sequence: self.sequence,
            event,
        }));
        self.sequence += 1;
    }

    /// When the next event is.
    pub(crate) fn next_time(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(e)| e.time_ns)
    }

    /// The next event.
    pub(crate) fn take(&mut self) -> Option<(u64, E)> {
        self.heap.pop().map(|Reverse(e)| (e.time_ns, e.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_by_order_of_putting() {
        let mut c = Calendar::new();
        for (t, e) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (0, 'e')] {
            c.put(t, e);
        }
        assert_eq!(c.next_time(), Some(0));
        let order: String = std::iter::from_fn(|| c.take()).map(|(_, e)| e).collect();
        assert_eq!(order, "ebdac");
    }
}
