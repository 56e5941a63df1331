//! What the control plane loads beside the program: `entries.json`.
//!
//! The format follows P4Runtime's messages, with P4's notation for values (`32w0xa000001`), so that a
//! controller can translate it line by line:
//!
//! ```json
//! {
//!   "format": "trisect-bmv2-entries-1",
//!   "drop_reasons": ["Firewall.deny"],
//!   "tables": [{
//!     "name": "fw_acl", "origin": "fw.acl",
//!     "entries": [{
//!       "match": [{"key": "src", "ternary": {"value": "32w0xa000000", "mask": "32w0xff000000"}}],
//!       "priority": 10, "action": "fw_allow", "args": []
//!     }]
//!   }],
//!   "objects": [{"name": "rl_meter", "origin": "rl.meter",
//!                "rates": {"default": {"cir": 0, "cbs": 0, "pir": 0, "pbs": 0}, "cells": {}}}]
//! }
//! ```
//!
//! `name` is the P4 identifier (`Pipeline.fw_acl` to a controller), `origin` the name in the plan.
//! A program that copies packets keeps its own names, so that `name` and `origin` are the same, and a table
//! of it may have a `default` action with its arguments, in place of the program's.
//!
//! A key that is not named matches everything. Of several entries that match, the largest
//! `priority` wins, then the earlier one. Entries of tables that are fixed stand in the program.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trisect_ir::{
    ActionId, Bits, Entry, KeySet, MatchKind, MeterConfig, ObjectId, ObjectKind, Origin, Program,
    Table,
};

use trisect_target::Whole;

use crate::control::Application;
use crate::emit::has_const_entries;
use crate::names::Names;

/// The value of [`Runtime::format`].
pub const FORMAT: &str = "trisect-bmv2-entries-1";

/// All of `entries.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// [`FORMAT`].
    pub format: String,
    /// Texts of the drop reasons; the first has number 1.
    pub drop_reasons: Vec<String>,
    /// Tables.
    pub tables: Vec<RuntimeTable>,
    /// Counters, meters and registers.
    pub objects: Vec<RuntimeObject>,
    /// Value sets of the parser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value_sets: Vec<RuntimeValueSet>,
}

/// A value set's members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeValueSet {
    /// Name in the P4 program.
    pub name: String,
    /// One set of values per part of a member; `null` matches everything.
    pub members: Vec<Vec<Option<ValueSet>>>,
}

/// A table's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeTable {
    /// Identifier in the P4 program.
    pub name: String,
    /// Name in the plan.
    pub origin: String,
    /// Entries to insert.
    pub entries: Vec<RuntimeEntry>,
    /// What runs on a miss, if that is not left to the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<RuntimeCall>,
}

/// An action with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeCall {
    /// Identifier of the action.
    pub action: String,
    /// Its arguments, in order.
    pub args: Vec<Bits>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeEntry {
    /// What matches, by key.
    #[serde(rename = "match")]
    pub keys: Vec<KeyMatch>,
    /// Largest wins.
    pub priority: u32,
    /// Identifier of the action.
    pub action: String,
    /// Its arguments, in order.
    pub args: Vec<Bits>,
}

/// What one key must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMatch {
    /// Name of the key.
    pub key: String,
    /// The set of values.
    #[serde(flatten)]
    pub set: ValueSet,
}

/// A set of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueSet {
    /// One value.
    Exact {
        /// The value.
        value: Bits,
    },
    /// One value of an optional key.
    Optional {
        /// The value.
        value: Bits,
    },
    /// A prefix.
    Lpm {
        /// The value.
        value: Bits,
        /// Length of the prefix in bits.
        prefix_len: u32,
    },
    /// Value and mask.
    Ternary {
        /// The value.
        value: Bits,
        /// Bits that count.
        mask: Bits,
    },
    /// From `low` to `high`, both included.
    Range {
        /// Smallest value.
        low: Bits,
        /// Largest value.
        high: Bits,
    },
}

/// A counter, meter or register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeObject {
    /// Identifier in the P4 program.
    pub name: String,
    /// Name in the plan.
    pub origin: String,
    /// Rates of a meter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
    /// What the cells of a register hold at the start, if not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Bits>,
}

/// Rates of a meter: units (bytes or packets) per second, and bursts in units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Of every cell that is not named.
    pub default: MeterConfig,
    /// Of single cells.
    pub cells: BTreeMap<u32, MeterConfig>,
}

/// What goes beside an emitted program.
pub(crate) fn of_program(
    program: &Program,
    names: &Names,
    applications: &[Application],
) -> Runtime {
    let tables = applications.iter().map(|application| {
        let table = &program.tables[application.table];
        let entries = if has_const_entries(table) {
            &[][..]
        } else {
            &table.entries
        };
        RuntimeTable {
            name: application.name.clone(),
            origin: table.name.clone(),
            entries: entries
                .iter()
                .map(|found| entry(table, found, &names.actions[found.call.action]))
                .collect(),
            default: None,
        }
    });
    Runtime {
        format: FORMAT.to_owned(),
        drop_reasons: program.drop_reasons.values().cloned().collect(),
        tables: tables.collect(),
        objects: objects(program, |id| names.objects[id].clone()),
        // Their members stand in the text.
        value_sets: Vec::new(),
    }
}

/// What goes beside a program that stands in its author's words: what that does not say itself.
pub(crate) fn of_whole(program: &Program, whole: &Whole) -> Runtime {
    let action = |id: ActionId| program.actions[id].name.clone();
    let tables = program.tables.values().map(|table| {
        let entries = table.entries.iter();
        let entries = entries.filter(|entry| entry.origin == Origin::Control);
        RuntimeTable {
            name: table.name.clone(),
            origin: table.name.clone(),
            entries: entries
                .map(|found| entry(table, found, &action(found.call.action)))
                .collect(),
            default: (!table.const_default).then(|| RuntimeCall {
                action: action(table.default.action),
                args: table.default.args.clone(),
            }),
        }
    });
    Runtime {
        format: FORMAT.to_owned(),
        drop_reasons: Vec::new(),
        tables: tables.collect(),
        objects: objects(program, |id| program.objects[id].name.clone()),
        value_sets: whole
            .value_sets
            .iter()
            .map(|(name, members)| RuntimeValueSet {
                name: name.clone(),
                members: members
                    .iter()
                    .map(|member| member.iter().map(ValueSet::of_key_set).collect())
                    .collect(),
            })
            .collect(),
    }
}

fn objects(program: &Program, name: impl Fn(ObjectId) -> String) -> Vec<RuntimeObject> {
    let objects = program.objects.iter().map(|(id, object)| {
        let (rates, init) = match &object.kind {
            ObjectKind::Meter { default, cells, .. } => (
                Some(Rates {
                    default: *default,
                    cells: cells.clone(),
                }),
                None,
            ),
            ObjectKind::Register { init, .. } if !init.is_zero() => (None, Some(init.clone())),
            _ => (None, None),
        };
        RuntimeObject {
            name: name(id),
            origin: object.name.clone(),
            rates,
            init,
        }
    });
    objects.collect()
}

fn entry(table: &Table, entry: &Entry, action: &str) -> RuntimeEntry {
    let keys = table.keys.iter().zip(&entry.keys).filter_map(|(key, set)| {
        let set = match (set, key.kind) {
            (KeySet::Exact(value), MatchKind::Optional) => ValueSet::Optional {
                value: value.clone(),
            },
            _ => ValueSet::of_key_set(set)?,
        };
        Some(KeyMatch {
            key: key.name.clone(),
            set,
        })
    });
    RuntimeEntry {
        keys: keys.collect(),
        priority: entry.priority,
        action: action.to_owned(),
        args: entry.call.args.clone(),
    }
}

impl ValueSet {
    /// `None` for every value.
    fn of_key_set(set: &KeySet) -> Option<Self> {
        Some(match set {
            KeySet::Any => return None,
            KeySet::Exact(value) => Self::Exact {
                value: value.clone(),
            },
            KeySet::Prefix(value, len) => Self::Lpm {
                value: value.clone(),
                prefix_len: *len,
            },
            KeySet::Mask(value, mask) => Self::Ternary {
                value: value.clone(),
                mask: mask.clone(),
            },
            KeySet::Range(low, high) => Self::Range {
                low: low.clone(),
                high: high.clone(),
            },
        })
    }

    pub(crate) fn key_set(&self) -> KeySet {
        match self {
            Self::Exact { value } | Self::Optional { value } => KeySet::Exact(value.clone()),
            Self::Lpm { value, prefix_len } => KeySet::Prefix(value.clone(), *prefix_len),
            Self::Ternary { value, mask } => KeySet::Mask(value.clone(), mask.clone()),
            Self::Range { low, high } => KeySet::Range(low.clone(), high.clone()),
        }
    }
}
