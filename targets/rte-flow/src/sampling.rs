//! Sampling in the card: what goes to the host goes to one queue or the other, by the hash of its addresses and
//! ports.
//!
//! The redirection table has a bucket for each value of the lowest bits of the hash. A packet is sampled if its
//! hash, the bits in reverse order, lies in the agreed range, which is some of the buckets if its size is a power
//! of two; else the buckets at its ends hold others, too. The hash is in the packet's descriptor, so that the host
//! has only to look at those of the sampled queue.

use crate::caps::{Capabilities, Rss};
use crate::item::ItemKind;
use crate::rule::{Action, Item, Rule, RuleSet};

/// Queue of packets that are not sampled.
pub const PLAIN_QUEUE: u16 = 0;
/// Queue of packets that may be sampled.
pub const SAMPLED_QUEUE: u16 = 1;
/// Bytes of key that addresses and ports of IPv6 need.
pub const KEY_BYTES: usize = 40;

/// Why a NIC cannot sample.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplingRefusal {
    /// Nothing is known of a key and table that could be set.
    #[error("NIC model {0} takes no key for its hash: let the host look at every packet")]
    NoKey(String),
    /// The key does not reach over all that is hashed.
    #[error("the sampling key has {0} bytes; addresses and ports of IPv6 need {KEY_BYTES}")]
    ShortKey(usize),
}

/// The rules of a NIC that passes everything on to the host.
#[must_use]
pub fn passing() -> RuleSet {
    RuleSet {
        rules: vec![Rule {
            group: 0,
            priority: 0,
            pattern: vec![Item::any(ItemKind::Eth)],
            actions: vec![Action::Queue { index: PLAIN_QUEUE }],
            drop_reason: None,
        }],
        ..RuleSet::default()
    }
}

/// The same rules, with sampling where they deliver to the host: nothing else of them changes. `first` and `last`
/// are the ends of the agreed range.
///
/// # Errors
/// See [`SamplingRefusal`].
pub fn sampled(
    rules: &RuleSet,
    caps: &Capabilities,
    key: &[u8],
    (first, last): (u32, u32),
) -> Result<RuleSet, SamplingRefusal> {
    let rss = caps
        .rss
        .ok_or_else(|| SamplingRefusal::NoKey(caps.name.clone()))?;
    if key.len() < KEY_BYTES {
        return Err(SamplingRefusal::ShortKey(key.len()));
    }
    let rest = std::iter::repeat(0);
    let key: Vec<u8> = key
        .iter()
        .copied()
        .chain(rest)
        .take(usize::from(rss.key_bytes))
        .collect();
    let queues = table(rss, first, last);
    let mut rules = rules.clone();
    for action in rules.rules.iter_mut().flat_map(|rule| &mut rule.actions) {
        if *action == (Action::Queue { index: PLAIN_QUEUE }) {
            *action = Action::Rss {
                queues: queues.clone(),
                key: key.clone(),
            };
        }
    }
    Ok(rules)
}

/// The queue of each bucket.
fn table(rss: Rss, first: u32, last: u32) -> Vec<u16> {
    let bits = rss.table.max(1).ilog2();
    let queue = |bucket: u32| {
        let start = bucket.reverse_bits();
        let end = start | u32::MAX.checked_shr(bits).unwrap_or(0);
        match start <= last && first <= end {
            true => SAMPLED_QUEUE,
            false => PLAIN_QUEUE,
        }
    };
    (0..u32::from(rss.table)).map(queue).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_sixty_four_is_eight_buckets_of_512() {
        let rss = Rss {
            key_bytes: 52,
            table: 512,
        };
        let table = table(rss, 0, (1 << 26) - 1);
        let sampled = table
            .iter()
            .enumerate()
            .filter(|(_, q)| **q == SAMPLED_QUEUE);
        let buckets: Vec<usize> = sampled.map(|(i, _)| i).collect();
        assert_eq!(buckets, [0, 64, 128, 192, 256, 320, 384, 448]);
    }
}
