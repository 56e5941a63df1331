//! Tables and their entries.
//!
//! | key | in BMv2 |
//! |---|---|
//! | `exact`, `ternary`, `range` | the same |
//! | `lpm` | the same if it is a whole number of bytes, else `ternary`: BMv2 compares prefixes of whole bytes |
//! | `optional` | `ternary`, under a mask of all bits or of none |

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use trisect_ir::{ActionCall, Bits, Entry, KeySet, MatchKind, Program, Table};

use super::value::{hex, hex_bytes};

/// A match kind that BMv2 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Exact,
    Lpm,
    Ternary,
    Range,
}

impl Kind {
    pub(crate) fn of(kind: MatchKind, width: u32) -> Self {
        match kind {
            MatchKind::Exact => Self::Exact,
            MatchKind::Lpm if width.is_multiple_of(8) => Self::Lpm,
            MatchKind::Lpm | MatchKind::Ternary | MatchKind::Optional => Self::Ternary,
            MatchKind::Range => Self::Range,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Lpm => "lpm",
            Self::Ternary => "ternary",
            Self::Range => "range",
        }
    }

    /// How a table with these keys is looked up.
    pub(crate) fn of_table(keys: &[Kind]) -> Self {
        [Self::Range, Self::Ternary, Self::Lpm]
            .into_iter()
            .find(|kind| keys.contains(kind))
            .unwrap_or(Self::Exact)
    }
}

/// The kinds of a table's keys.
pub(crate) fn kinds(program: &Program, table: &Table) -> Vec<Kind> {
    let keys = table.keys.iter();
    keys.map(|key| Kind::of(key.kind, program.width(&key.expr, &[])))
        .collect()
}

/// The entries, in the order in which they win: the longest prefix where the IR goes by it, else the largest
/// priority, then the earlier one. An entry with the key of one before it never wins, and BMv2 refuses it in some
/// tables.
pub(crate) fn by_precedence<'t>(table: &'t Table, widths: &[u32]) -> Vec<&'t Entry> {
    let has = |kind| table.keys.iter().any(|key| key.kind == kind);
    let by_prefix = has(MatchKind::Lpm)
        && ![MatchKind::Ternary, MatchKind::Range, MatchKind::Optional]
            .into_iter()
            .any(has);
    let length = |entry: &Entry| -> u32 {
        let keys = table.keys.iter().zip(&entry.keys).zip(widths);
        let prefix = keys.filter(|((key, _), _)| key.kind == MatchKind::Lpm);
        prefix
            .map(|((_, set), width)| prefix_length(set, *width))
            .sum()
    };
    let mut entries: Vec<&Entry> = table.entries.iter().collect();
    if by_prefix {
        entries.sort_by_key(|entry| Reverse(length(entry)));
    } else {
        entries.sort_by_key(|entry| Reverse(entry.priority));
    }
    let mut seen = BTreeSet::new();
    entries.retain(|entry| {
        let sets = entry.keys.iter().zip(widths);
        seen.insert(
            sets.map(|(set, width)| canonical(set, *width))
                .collect::<Vec<_>>(),
        )
    });
    entries
}

fn prefix_length(set: &KeySet, width: u32) -> u32 {
    match set {
        KeySet::Prefix(_, len) => *len,
        KeySet::Any => 0,
        _ => width,
    }
}

/// A set as bounds or as value and mask, the same for the same set of one kind.
fn canonical(set: &KeySet, width: u32) -> (bool, Bits, Bits) {
    let masked = |value: &Bits, mask: Bits| {
        let value = trisect_ir::eval::binary(trisect_ir::BinOp::And, value, &mask);
        (false, value, mask)
    };
    match set {
        KeySet::Any => masked(&Bits::zero(width), Bits::zero(width)),
        KeySet::Exact(value) => masked(value, Bits::ones(width)),
        KeySet::Prefix(value, len) => masked(value, Bits::prefix_mask(width, *len)),
        KeySet::Mask(value, mask) => masked(value, mask.clone()),
        KeySet::Range(low, high) if low == high => masked(low, Bits::ones(width)),
        KeySet::Range(low, high) if low.is_zero() && *high == Bits::ones(width) => {
            masked(low, Bits::zero(width))
        }
        KeySet::Range(low, high) => (true, low.clone(), high.clone()),
    }
}

/// The call of an action by an entry or by default.
pub(crate) fn arguments(call: &ActionCall) -> Vec<Value> {
    call.args.iter().map(|arg| json!(hex(arg))).collect()
}

/// Entries that stand in the program.
pub(crate) fn entries(
    table: &Table,
    kinds: &[Kind],
    widths: &[u32],
    action: impl Fn(&ActionCall) -> usize,
) -> Vec<Value> {
    let ordered = by_precedence(table, widths);
    let entries = ordered.iter().enumerate().map(|(at, entry)| {
        let keys = entry.keys.iter().zip(kinds).zip(widths);
        let keys: Vec<Value> = keys
            .map(|((set, kind), width)| key(set, *kind, *width))
            .collect();
        json!({
            "match_key": keys,
            "action_entry": {
                "action_id": action(&entry.call),
                "action_data": arguments(&entry.call),
            },
            "priority": at + 1,
        })
    });
    entries.collect()
}

fn key(set: &KeySet, kind: Kind, width: u32) -> Value {
    let bytes = |bits: &Bits| format!("0x{}", hex_bytes(bits));
    let (is_range, value, mask) = canonical(set, width);
    match kind {
        Kind::Exact => json!({ "match_type": "exact", "key": bytes(&value) }),
        Kind::Lpm => json!({
            "match_type": "lpm",
            "key": bytes(&value),
            "prefix_length": prefix_length(set, width),
        }),
        Kind::Ternary => json!({
            "match_type": "ternary",
            "key": bytes(&value),
            "mask": bytes(&mask),
        }),
        Kind::Range => {
            let (low, high) = match (is_range, mask.is_zero()) {
                (true, _) => (value, mask),
                (false, true) => (Bits::zero(width), Bits::ones(width)),
                (false, false) => (value.clone(), value),
            };
            json!({ "match_type": "range", "start": bytes(&low), "end": bytes(&high) })
        }
    }
}
