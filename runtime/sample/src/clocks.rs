//! How far the clocks of elements are apart.

use std::collections::BTreeMap;

/// The shortest times that packets seemed to take from one element to the next, over two clocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays {
    shortest_ns: BTreeMap<(u16, u16), i64>,
}

/// How far the clock of one element is ahead of another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// The best guess in nanoseconds: right if the shortest delays are equal in both directions.
    pub offset_ns: i64,
    /// How far off the guess can be at most, whatever the delays.
    pub error_ns: i64,
}

/// Nothing is known: far above every delay, and far below what would overflow when added.
const UNKNOWN: i64 = i64::MAX / 4;

impl Delays {
    /// A packet left `from` at `out_ns` of its clock and came to `to` at `in_ns` of that one's.
    pub fn note(&mut self, from: u16, to: u16, out_ns: u64, in_ns: u64) {
        let delay = (i128::from(in_ns) - i128::from(out_ns))
            .clamp(i128::from(-UNKNOWN), i128::from(UNKNOWN)) as i64;
        let shortest = self.shortest_ns.entry((from, to)).or_insert(delay);
        *shortest = delay.min(*shortest);
    }

    /// The clocks of `elements` elements.
    ///
    /// No packet arrives before it has left: for each pair, the clock of `to` is ahead of that of `from` by
    /// at most the shortest delay that was seen. These bounds are added along all ways between two elements
    /// (difference constraints; Cormen et al., "Introduction to Algorithms", section 24.4); the truth lies
    /// between the bound in one direction and that in the other.
    #[must_use]
    pub fn clocks(&self, elements: usize) -> Clocks {
        let mut most = vec![UNKNOWN; elements * elements];
        let at = |from: usize, to: usize| from * elements + to;
        for i in 0..elements {
            most[at(i, i)] = 0;
        }
        for ((from, to), delay) in &self.shortest_ns {
            let (from, to) = (usize::from(*from), usize::from(*to));
            if from < elements && to < elements && from != to {
                most[at(from, to)] = *delay;
            }
        }
        for via in 0..elements {
            for from in 0..elements {
                let first = most[at(from, via)];
                if first == UNKNOWN {
                    continue;
                }
                for to in 0..elements {
                    let sum = first.saturating_add(most[at(via, to)]);
                    if most[at(via, to)] != UNKNOWN && sum < most[at(from, to)] {
                        most[at(from, to)] = sum;
                    }
                }
            }
        }
        Clocks { elements, most }
    }
}

/// By pair of elements, by how much the second's clock is ahead of the first's at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    elements: usize,
    most: Vec<i64>,
}

impl Clocks {
    fn most(&self, from: u16, to: u16) -> Option<i64> {
        let (from, to) = (usize::from(from), usize::from(to));
        let known = from < self.elements && to < self.elements;
        let most = self.most.get(from * self.elements + to).filter(|_| known);
        most.copied().filter(|m| *m != UNKNOWN)
    }

    /// How far the clock of `to` is ahead of that of `from`; `None` if packets did not go both ways.
    #[must_use]
    pub fn offset(&self, from: u16, to: u16) -> Option<Offset> {
        let (there, back) = (self.most(from, to)?, self.most(to, from)?);
        Some(Offset {
            offset_ns: there.saturating_sub(back) / 2,
            error_ns: (there.saturating_add(back) / 2).saturating_abs(),
        })
    }

    /// A time of an element's clock, as the clock of element 0 would have shown it; as it is if that is
    /// not known.
    #[must_use]
    pub fn corrected(&self, element: u16, time_ns: u64) -> i128 {
        let offset = self.offset(0, element).map_or(0, |o| o.offset_ns);
        i128::from(time_ns) - i128::from(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_come_out_of_a_ring() {
        // switch > nic > host > switch, with clocks ahead by 0, 1_000_000 and -500_000 ns.
        let ahead = [0i64, 1_000_000, -500_000];
        let mut delays = Delays::default();
        let ways = [(0u16, 1u16, 900), (1, 2, 450), (2, 0, 1350)];
        for (from, to, delay) in ways {
            for extra in [70, 0, 20] {
                let at = |e: u16, t: i64| (t + ahead[usize::from(e)]) as u64;
                let start = 10_000_000;
                delays.note(from, to, at(from, start), at(to, start + delay + extra));
            }
        }
        let clocks = delays.clocks(3);
        for (from, to) in [(0u16, 1u16), (0, 2), (1, 2), (2, 1)] {
            let found = clocks.offset(from, to).unwrap();
            let truth = ahead[usize::from(to)] - ahead[usize::from(from)];
            let off = (found.offset_ns - truth).abs();
            assert!(off <= found.error_ns, "{from} {to}: {found:?}, {truth}");
            assert!(found.error_ns <= (900 + 450 + 1350) / 2, "{found:?}");
        }
    }

    #[test]
    fn one_direction_alone_says_nothing() {
        let mut delays = Delays::default();
        delays.note(0, 1, 5, 100);
        let clocks = delays.clocks(2);
        assert_eq!(clocks.offset(0, 1), None);
        assert_eq!(clocks.corrected(1, 100), 100);
        assert_eq!(clocks.offset(0, 7), None);
    }
}
