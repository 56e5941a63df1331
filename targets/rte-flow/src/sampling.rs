//! Sampling in the card: what goes to the host goes to one queue or the other, by the hash of its addresses and
//! ports ([`sampled`]), or by what the switch says, which hashes whatever a card cannot ([`carried`]).
//!
//! The redirection table has a bucket for each value of the lowest bits of the hash. A packet is sampled if its
//! hash, the bits in reverse order, lies in the agreed range, which is some of the buckets if its size is a power
//! of two; else the buckets at its ends hold others, too. The hash is in the packet's descriptor, so that the host
//! has only to look at those of the sampled queue.

use crate::caps::{Capabilities, Rss};
use crate::item::ItemKind;
use crate::rule::{Action, Item, Rule, RuleSet};
use trisect_target::wire;

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
    /// What the switch says cannot be matched.
    #[error(
        "NIC model {0} does not match fields of NSH: the host looks at what the switch says of every packet"
    )]
    NoNsh(String),
    /// There is no room for the rules.
    #[error("NIC model {0} has no group left for the two rules that tell sampled packets apart")]
    NoGroup(String),
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
    deliver(&mut rules, &Action::Rss { queues, key });
    Ok(rules)
}

/// The same rules, with packets told apart where they deliver to the host by what the switch says in NSH's service
/// index ([`wire::SERVICE_INDEX_SAMPLED`]): the last group holds what does that. Where the rules deliver is not touched if
/// they only pass everything on.
///
/// # Errors
/// See [`SamplingRefusal`].
pub fn carried(rules: &RuleSet, caps: &Capabilities) -> Result<RuleSet, SamplingRefusal> {
    if !caps.matching.nsh_fields || !caps.has_item(ItemKind::Nsh) {
        return Err(SamplingRefusal::NoNsh(caps.name.clone()));
    }
    let last = rules.rules.iter().map(|rule| rule.group).max();
    let group = last.map_or(0, |last| last + 1);
    let more = group > 0;
    let jumps = more && !caps.has_action(&Action::Jump { group });
    let room = caps.limits.groups.is_none_or(|groups| group < groups);
    if jumps || !room || caps.limits.priorities.is_some_and(|levels| levels < 2) {
        return Err(SamplingRefusal::NoGroup(caps.name.clone()));
    }
    let mut rules = rules.clone();
    deliver(&mut rules, &Action::Jump { group });
    let says = u128::from(wire::SERVICE_INDEX_SAMPLED);
    let field = "sindex";
    let sampled = Item::any(ItemKind::Nsh).with(field, says, u128::from(u8::MAX));
    for (priority, pattern, index) in [
        (0, vec![Item::any(ItemKind::Eth), sampled], SAMPLED_QUEUE),
        (1, vec![Item::any(ItemKind::Eth)], PLAIN_QUEUE),
    ] {
        rules.rules.push(Rule {
            group,
            priority,
            pattern,
            actions: vec![Action::Queue { index }],
            drop_reason: None,
        });
    }
    Ok(rules)
}

/// Does something else where the rules, and those that are inserted later, deliver to the host.
fn deliver(rules: &mut RuleSet, otherwise: &Action) {
    let later = rules.flows.iter_mut().map(|flows| &mut flows.fate);
    let now = rules.rules.iter_mut().flat_map(|rule| &mut rule.actions);
    for action in now.chain(later) {
        if *action == (Action::Queue { index: PLAIN_QUEUE }) {
            *action = otherwise.clone();
        }
    }
}

/// The queue of each bucket.
fn table(rss: Rss, first: u32, last: u32) -> Vec<u16> {
    let bits = rss.table.max(1).ilog2();
    let queue = |bucket: u32| {
        let start = bucket.reverse_bits();
        let end = start | u32::MAX.checked_shr(bits).unwrap_or(0);
        // What a card does not hash, since it is no IP, is in bucket 0: the host looks at it.
        match bucket == 0 || start <= last && first <= end {
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

    #[test]
    fn what_is_not_hashed_is_looked_at() {
        let rss = Rss {
            key_bytes: 52,
            table: 8,
        };
        let table = table(rss, 1 << 31, (1 << 31) + 1);
        assert_eq!(table, [1, 1, 0, 0, 0, 0, 0, 0]);
    }
}
