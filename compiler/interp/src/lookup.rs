//! Which entry of a table wins: every one is tried.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use trisect_ir::{ActionCall, Bits, Entry, FlowTable, KeySet, MatchKind, Table};

/// The entries of a table, with their sets prepared so that trying one costs a few instructions.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    keys: usize,
    /// `keys` matchers per entry; those first that win among matching entries.
    matchers: Vec<Matcher>,
    /// The entries' positions in the table, in the same order.
    positions: Vec<usize>,
}

/// A [`KeySet`], as numbers where they fit.
#[derive(Clone, Debug)]
enum Matcher {
    Masked { value: u128, mask: u128 },
    Between { low: u128, high: u128 },
    Wide(Box<KeySet>),
}

impl Matcher {
    fn new(set: &KeySet) -> Self {
        let masked = |value: &Bits, mask: &Bits| {
            let (value, mask) = (value.to_u128()?, mask.to_u128()?);
            Some(Self::Masked {
                value: value & mask,
                mask,
            })
        };
        let narrow = match set {
            KeySet::Any => Some(Self::Masked { value: 0, mask: 0 }),
            KeySet::Exact(value) => masked(value, &Bits::ones(value.width())),
            KeySet::Prefix(value, len) => masked(value, &Bits::prefix_mask(value.width(), *len)),
            KeySet::Mask(value, mask) => masked(value, mask),
            KeySet::Range(low, high) => low
                .to_u128()
                .zip(high.to_u128())
                .map(|(low, high)| Self::Between { low, high }),
        };
        narrow.unwrap_or_else(|| Self::Wide(Box::new(set.clone())))
    }

    /// `small` is the value of `key` if it fits; a key of at most 128 bits always does, and a wider
    /// key whose value happens to fit is compared as it is.
    fn contains(&self, key: &Bits, small: Option<u128>) -> bool {
        match (self, small) {
            (Self::Masked { value, mask }, Some(key)) => key & mask == *value,
            (Self::Between { low, high }, Some(key)) => *low <= key && key <= *high,
            (Self::Wide(set), _) => set.contains(key),
            // The key has bits above the 128 lowest. Those of a mask that fits do not care.
            (Self::Masked { value, mask }, None) => {
                let low = key.slice(127, 0).to_u128().unwrap_or(0);
                *mask == 0 || low & mask == *value
            }
            (Self::Between { .. }, None) => false,
        }
    }
}

impl Entries {
    pub fn new(table: &Table) -> Self {
        let by_prefix = longest_prefix_key(table);
        let rank = |entry: &Entry| match by_prefix {
            Some(at) => prefix_length(&entry.keys[at]),
            None => entry.priority,
        };
        // The larger rank wins, the earlier entry on a tie.
        let mut positions: Vec<usize> = (0..table.entries.len()).collect();
        positions.sort_by_key(|at| Reverse(rank(&table.entries[*at])));
        let keys = positions.iter().flat_map(|at| &table.entries[*at].keys);
        Self {
            keys: table.keys.len(),
            matchers: keys.map(Matcher::new).collect(),
            positions,
        }
    }

    /// The position of the winning entry; a table without keys always misses.
    pub fn find(&self, key: &[Bits]) -> Option<usize> {
        if self.keys == 0 {
            return None;
        }
        let small: Vec<Option<u128>> = key.iter().map(Bits::to_u128).collect();
        let matches = |sets: &[Matcher]| {
            sets.iter()
                .zip(key.iter().zip(&small))
                .all(|(set, (key, small))| set.contains(key, *small))
        };
        let first = self.matchers.chunks_exact(self.keys).position(matches)?;
        Some(self.positions[first])
    }
}

/// The lpm key, if prefix length alone decides.
fn longest_prefix_key(table: &Table) -> Option<usize> {
    let by_priority = table.keys.iter().any(|k| {
        matches!(
            k.kind,
            MatchKind::Ternary | MatchKind::Range | MatchKind::Optional
        )
    });
    let at = table.keys.iter().position(|k| k.kind == MatchKind::Lpm)?;
    (!by_priority).then_some(at)
}

fn prefix_length(set: &KeySet) -> u32 {
    match set {
        KeySet::Prefix(_, len) => *len,
        KeySet::Exact(value) => value.width(),
        KeySet::Any | KeySet::Mask(..) | KeySet::Range(..) => 0,
    }
}

/// An entry that the data path added.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub call: ActionCall,
    pub last_hit_ns: u64,
    pub timeout_ns: u64,
}

impl Flow {
    /// Whether it has not expired.
    pub fn is_live(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_hit_ns) < self.timeout_ns
    }
}

/// Flow entries by key. Expired ones stay until their room is needed; nobody sees them.
pub(crate) type FlowEntries = BTreeMap<Vec<Bits>, Flow>;

/// The idle timeout of an expire-time profile.
pub(crate) fn timeout(flow: &FlowTable, profile: &Bits) -> u64 {
    let last = flow.timeouts_ns.len().saturating_sub(1);
    let at = profile
        .to_u64()
        .and_then(|p| usize::try_from(p).ok())
        .map_or(last, |p| p.min(last));
    flow.timeouts_ns.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets(width: u32) -> impl Strategy<Value = KeySet> {
        let value = move || {
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(move |bytes| Bits::from_be_bytes(width, &bytes))
        };
        prop_oneof![
            Just(KeySet::Any),
            value().prop_map(KeySet::Exact),
            (value(), 0..=width).prop_map(|(v, len)| KeySet::Prefix(v, len)),
            (value(), value()).prop_map(|(v, m)| KeySet::Mask(v, m)),
            (value(), value()).prop_map(|(a, b)| KeySet::Range(a, b)),
        ]
    }

    proptest! {
        /// The prepared form accepts the same values as the set itself.
        #[test]
        fn matcher_is_the_set(
            (set, bytes) in prop_oneof![Just(8u32), Just(128), Just(129), Just(300)]
                .prop_flat_map(|w| (sets(w).prop_map(move |s| (w, s)), proptest::collection::vec(any::<u8>(), 0..40)))
        ) {
            let (width, set) = set;
            let own = match &set {
                KeySet::Any => Bits::zero(width),
                KeySet::Exact(v) | KeySet::Prefix(v, _) | KeySet::Mask(v, _) | KeySet::Range(v, _) => v.clone(),
            };
            let flipped = trisect_ir::eval::binary(trisect_ir::BinOp::Xor, &own, &Bits::new(width, 1u32));
            for key in [Bits::from_be_bytes(width, &bytes), own, flipped] {
                prop_assert_eq!(Matcher::new(&set).contains(&key, key.to_u128()), set.contains(&key));
            }
        }
    }
}
