//! Every fast structure against its plain reference.

use crate::alloc::{Allocator, NaiveAllocator};
use crate::bitvec::BitVectorTable;
use crate::flow::FlowTable;
use crate::index::KeyIndex;
use crate::key::KeyLayout;
use crate::linear::LinearTable;
use crate::lpm::LpmTable;
use crate::pattern::{PatternSet, search_naive};
use crate::table::{Lookup, Matcher, precedence};
use crate::tuples::TupleSpace;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeMap;
use trisect_ir::{Bits, KeySet, MatchKind};

fn value(width: u32) -> impl Strategy<Value = Bits> {
    // Few distinct bytes, so that entries overlap and keys hit.
    let len = width.div_ceil(8) as usize;
    vec(
        prop_oneof![Just(0u8), Just(1), Just(0x80), Just(0xff), any::<u8>()],
        len,
    )
    .prop_map(move |bytes| Bits::from_be_bytes(width, &bytes))
}

fn set(kind: MatchKind, width: u32) -> BoxedStrategy<KeySet> {
    let v = || value(width);
    match kind {
        MatchKind::Exact => v().prop_map(KeySet::Exact).boxed(),
        MatchKind::Lpm => prop_oneof![
            4 => (v(), 0..=width).prop_map(|(v, len)| KeySet::Prefix(v, len)),
            1 => v().prop_map(KeySet::Exact),
            1 => Just(KeySet::Any),
        ]
        .boxed(),
        MatchKind::Ternary => prop_oneof![
            3 => (v(), v()).prop_map(|(v, m)| KeySet::Mask(v, m)),
            1 => v().prop_map(KeySet::Exact),
            1 => Just(KeySet::Any),
        ]
        .boxed(),
        MatchKind::Range => prop_oneof![
            4 => (v(), v()).prop_map(|(a, b)| KeySet::Range(a, b)),
            1 => Just(KeySet::Any),
        ]
        .boxed(),
        MatchKind::Optional => prop_oneof![v().prop_map(KeySet::Exact), Just(KeySet::Any)].boxed(),
    }
}

#[derive(Clone, Debug)]
struct Case {
    layout: KeyLayout,
    kinds: Vec<MatchKind>,
    entries: Vec<(Vec<KeySet>, u32)>,
    keys: Vec<Vec<Bits>>,
}

impl Case {
    fn entries(&self) -> Vec<(&[KeySet], u32)> {
        self.entries.iter().map(|(s, p)| (&s[..], *p)).collect()
    }
    fn ordered(&self) -> Vec<(u32, &[KeySet])> {
        precedence(&self.layout, &self.kinds, &self.entries())
            .into_iter()
            .map(|i| (i, &self.entries[i as usize].0[..]))
            .collect()
    }
    /// Keys that were generated, and one inside each entry.
    fn probes(&self) -> Vec<Vec<u8>> {
        let inside = self.entries.iter().map(|(sets, _)| {
            sets.iter()
                .zip(self.layout.widths())
                .flat_map(|(set, width)| match set {
                    KeySet::Any => Bits::zero(*width).to_be_bytes(),
                    KeySet::Exact(v) | KeySet::Prefix(v, _) | KeySet::Mask(v, _) => v.to_be_bytes(),
                    KeySet::Range(_, hi) => hi.to_be_bytes(),
                })
                .collect()
        });
        self.keys
            .iter()
            .map(|k| self.layout.pack(k))
            .chain(inside)
            .collect()
    }
    fn linear(&self) -> LinearTable {
        LinearTable::new(self.layout.clone(), &self.kinds, &self.entries())
    }
}

fn case(kinds: &'static [MatchKind]) -> impl Strategy<Value = Case> {
    let width = prop_oneof![
        1u32..=9,
        15u32..=17,
        Just(32u32),
        Just(48),
        63u32..=65,
        Just(128)
    ];
    vec((prop::sample::select(kinds), width), 1..4).prop_flat_map(|keys| {
        let sets: Vec<_> = keys.iter().map(|(k, w)| set(*k, *w)).collect();
        let values: Vec<_> = keys.iter().map(|(_, w)| value(*w).boxed()).collect();
        let (kinds, widths): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        (vec((sets, 0u32..4), 0..40), vec(values, 1..40)).prop_map(move |(entries, keys)| Case {
            layout: KeyLayout::new(widths.iter().copied()),
            kinds: kinds.clone(),
            entries,
            keys,
        })
    })
}

use MatchKind::{Exact, Lpm, Optional, Range, Ternary};

proptest! {
    #[test]
    fn chosen_structure_agrees_with_linear(case in case(&[Exact, Lpm, Ternary, Range, Optional])) {
        let linear = case.linear();
        let matcher = Matcher::new(&case.layout, &case.kinds, &case.entries());
        for key in case.probes() {
            prop_assert_eq!(matcher.lookup(&key), linear.lookup(&key));
        }
    }

    #[test]
    fn exact_agrees_with_linear(case in case(&[Exact])) {
        let linear = case.linear();
        let matcher = Matcher::new(&case.layout, &case.kinds, &case.entries());
        prop_assert!(case.entries.is_empty() || matches!(matcher, Matcher::Exact(..)));
        for key in case.probes() {
            prop_assert_eq!(matcher.lookup(&key), linear.lookup(&key));
        }
    }

    #[test]
    fn trie_agrees_with_linear(case in case(&[Exact, Exact, Lpm])) {
        let lpm: Vec<_> = case.kinds.iter().enumerate().filter(|(_, k)| **k == Lpm).collect();
        prop_assume!(lpm.len() == 1);
        let linear = case.linear();
        let trie = LpmTable::new(case.layout.clone(), lpm[0].0, &case.ordered()).unwrap();
        for key in case.probes() {
            prop_assert_eq!(trie.lookup(&key), linear.lookup(&key));
        }
    }

    #[test]
    fn bit_vectors_agree_with_linear(case in case(&[Exact, Lpm, Ternary, Range, Optional])) {
        let linear = case.linear();
        if let Some(table) = BitVectorTable::new(&case.layout, &case.ordered()) {
            for key in case.probes() {
                prop_assert_eq!(table.lookup(&key), linear.lookup(&key));
            }
        } else {
            let wide = |(w, k): (&u32, &MatchKind)| *w > 64 && *k == Range;
            prop_assert!(case.layout.widths().iter().zip(&case.kinds).any(wide));
        }
    }

    #[test]
    fn tuples_agree_with_linear(case in case(&[Exact, Lpm, Ternary, Range, Optional])) {
        let linear = case.linear();
        let table = TupleSpace::new(&case.layout, &case.ordered());
        for key in case.probes() {
            prop_assert_eq!(table.lookup(&key), linear.lookup(&key));
        }
    }

    #[test]
    fn index_agrees_with_map(ops in vec((any::<bool>(), 0u8..60), 0..400)) {
        let mut index = KeyIndex::new(3);
        let mut map = BTreeMap::new();
        for (slot, (add, key)) in ops.into_iter().enumerate() {
            let key = [0, key, key / 2];
            if add {
                index.insert(&key, slot as u32);
                map.entry(key).or_insert(slot as u32);
            } else {
                prop_assert_eq!(index.remove(&key), map.remove(&key));
            }
            prop_assert_eq!(index.len(), map.len());
            for (key, slot) in &map {
                prop_assert_eq!(index.get(key), Some(*slot));
            }
        }
    }

    #[test]
    fn flows_agree_with_scan(
        limit in 0usize..6,
        ops in vec((0u8..10, 0u64..40, any::<bool>(), 0u64..3, option::of(0u32..8)), 0..200),
        backwards in any::<bool>(),
    ) {
        let timeouts = vec![30, 100, 0];
        let mut flow = FlowTable::new(1, limit, timeouts.clone(), 1);
        let mut naive: BTreeMap<u8, (u64, u64, u64)> = BTreeMap::new();
        let mut now = 1000u64;
        for (key, step, add, profile, hint) in ops {
            now = if backwards && step > 30 { now - step / 2 } else { now + step };
            // A hint, right or wrong, changes nothing.
            let got = match hint {
                None => flow.lookup(&[key], now).map(|w| w[2]),
                Some(hint) => flow.lookup_at(hint, &[key], now).map(|(slot, words)| {
                    assert_eq!(words[1], crate::flow::FLOW | u64::from(slot));
                    words[2]
                }),
            };
            let live = |e: &(u64, u64, u64), now: u64| now.saturating_sub(e.1) < e.2;
            let hit = naive.get_mut(&key).filter(|e| live(e, now)).map(|e| {
                e.1 = e.1.max(now);
                e.0
            });
            prop_assert_eq!(got, hit);
            if hit.is_some() {
                if add {
                    flow.set_expire(profile);
                    naive.get_mut(&key).unwrap().2 = timeouts[profile as usize];
                }
            } else if add {
                if naive.len() >= limit {
                    naive.retain(|_, e| live(e, now));
                }
                let room = naive.len() < limit || naive.contains_key(&key);
                prop_assert_eq!(flow.add(7, &[now], profile, now).is_some(), room);
                if room {
                    naive.insert(key, (now, now, timeouts[profile as usize]));
                }
            }
            let found: BTreeMap<u8, (u64, u64, u64)> = flow
                .live(now)
                .map(|e| (e.key[0], (e.record.args()[0], e.last_hit_ns, e.timeout_ns)))
                .collect();
            let want: BTreeMap<_, _> = naive
                .iter()
                .filter(|(_, e)| live(e, now))
                .map(|(k, e)| (*k, *e))
                .collect();
            prop_assert_eq!(found, want);
        }
    }

    #[test]
    fn allocator_agrees_with_scan(
        size in 0u32..8,
        idle in 0u64..60,
        ops in vec((any::<bool>(), 0u64..12, 0u64..30, 0u8..10), 0..200),
    ) {
        let mut fast = Allocator::new(100, size, idle);
        let mut naive = NaiveAllocator { base: 100, idle_ns: idle, last_use: vec![None; size as usize] };
        let mut now = 500u64;
        for (take, number, step, direction) in ops {
            now = if direction == 0 { now - step } else { now + step };
            if take {
                prop_assert_eq!(fast.allocate(now), naive.allocate(now));
            } else {
                fast.touch(98 + number, now);
                naive.touch(98 + number, now);
            }
        }
        let used: Vec<_> = fast.used().collect();
        let want: Vec<_> = naive.last_use.iter().enumerate()
            .filter_map(|(i, l)| l.map(|l| (100 + i as u64, l))).collect();
        prop_assert_eq!(used, want);
    }

    #[test]
    fn patterns_agree_with_naive(
        patterns in vec(vec(0u8..3, 1..5), 0..12),
        data in vec(0u8..3, 0..60),
    ) {
        let set = PatternSet::new(&patterns).unwrap();
        prop_assert_eq!(set.search(&data), search_naive(&patterns, &data));
    }
}

#[test]
fn ten_thousand_random_routes() {
    // A linear congruential generator: the same routes on every run.
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    let entries: Vec<(Vec<KeySet>, u32)> = (0..10_000)
        .map(|_| {
            let len = 8 + random() % 25;
            (vec![KeySet::Prefix(Bits::new(32, random()), len)], 0)
        })
        .collect();
    let layout = KeyLayout::new([32]);
    let view: Vec<_> = entries.iter().map(|(s, p)| (&s[..], *p)).collect();
    let matcher = Matcher::new(&layout, &[Lpm], &view);
    assert!(matches!(matcher, Matcher::Lpm(_)));
    let linear = LinearTable::new(layout.clone(), &[Lpm], &view);
    let mut hits = 0;
    for _ in 0..300 {
        let key = layout.pack(&[Bits::new(32, random())]);
        hits += u32::from(linear.lookup(&key).is_some());
        assert_eq!(matcher.lookup(&key), linear.lookup(&key));
    }
    assert!(hits > 50, "{hits} hits");
}
