//! Entries in the program (specification 14.2.1.4): their key sets suit the match kinds, no two are the same, and
//! priorities stand where entries can overlap.

use std::collections::BTreeMap;

use num_bigint::BigInt;

use super::architecture::architecture;
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Const, Entry, Expr, ExprKind, Key, KeySet, Program, Property, Table, Type};

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for table in program.tables.values() {
        check_properties(table, found);
        for entry in &table.entries {
            for (key, set) in table.keys.iter().zip(&entry.keys) {
                check_form(program, key, set, entry.span, found);
            }
        }
        check_same(program, table, found);
        check_priorities(table, found);
    }
}

// ------------------------------------------------------------------------- forms of key sets

fn check_form(program: &Program, key: &Key, set: &KeySet, span: Span, found: &mut Vec<Diagnostic>) {
    // An architecture of somebody's own may take sets for keys that it calls exact.
    let known = matches!(
        architecture(program),
        Some("V1Switch" | "PSA_Switch" | "PNA_NIC")
    );
    let (form, fits) = match (set, key.match_kind.as_str()) {
        (KeySet::Any, kind) => ("`_`", kind != "exact" || !known),
        (KeySet::Mask(value, mask), "lpm") => {
            if !is_prefix(program, mask) {
                found.push(
                    Diagnostic::error(codes::ENTRY, value.span.to(mask.span), "this is no prefix")
                        .with_note_at(key.span, "the key is matched by longest prefix")
                        .with_help("a prefix's mask has its ones in front, then zeros"),
                );
            }
            return;
        }
        (KeySet::Mask(..), "exact") => ("a masked value", !known),
        (KeySet::Mask(..), kind) => ("a masked value", !matches!(kind, "optional" | "range")),
        (KeySet::Range(..), kind) => (
            "a range",
            !matches!(kind, "exact" | "lpm" | "ternary" | "optional"),
        ),
        (KeySet::Value(_) | KeySet::ValueSet(_), _) => return,
    };
    if !fits {
        let message = format!("{form} does not suit the match kind `{}`", key.match_kind);
        let help = match key.match_kind.as_str() {
            "exact" => "give one value",
            "lpm" => "give a value, `value &&& mask` or `_`",
            "ternary" => "give a value, `value &&& mask` or `_`",
            "range" => "give a value, `low .. high` or `_`",
            _ => "give a value or `_`",
        };
        found.push(
            Diagnostic::error(codes::ENTRY, span_of(set).unwrap_or(span), message)
                .with_note_at(key.span, "the key")
                .with_help(help),
        );
    }
}

fn span_of(set: &KeySet) -> Option<Span> {
    match set {
        KeySet::Value(value) => Some(value.span),
        KeySet::Mask(a, b) | KeySet::Range(a, b) => Some(a.span.to(b.span)),
        KeySet::Any | KeySet::ValueSet(_) => None,
    }
}

fn int(expr: &Expr) -> Option<&BigInt> {
    match &expr.kind {
        ExprKind::Const(Const::Int(value)) => Some(value),
        _ => None,
    }
}

fn width(program: &Program, ty: &Type) -> Option<u32> {
    match program.base(ty) {
        Type::Bit(width) | Type::Int(width) => Some(*width),
        Type::Bool => Some(1),
        Type::Enum(id) => width(program, program.enums[*id].repr.as_ref()?),
        _ => None,
    }
}

/// All ones of the width.
fn ones(width: u32) -> BigInt {
    (BigInt::from(1) << width) - 1
}

/// Whether a mask is ones followed by zeros. What is not known is not judged.
fn is_prefix(program: &Program, mask: &Expr) -> bool {
    let (Some(value), Some(width)) = (int(mask), width(program, &mask.ty)) else {
        return true;
    };
    let wildcard = ones(width) - (value & ones(width));
    let next: BigInt = &wildcard + 1;
    (wildcard & next) == BigInt::ZERO
}

// ----------------------------------------------------------------------------- equal entries

/// A key set in one way of writing it, so that equal sets are equal.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Any,
    /// Value under the mask, and mask.
    Mask(BigInt, BigInt),
    Range(BigInt, BigInt),
    /// What has no width: an enum's member, an error, a boolean.
    Value(String),
}

fn form(program: &Program, set: &KeySet) -> Option<Form> {
    Some(match set {
        KeySet::Any => Form::Any,
        KeySet::Value(value) => match (int(value), width(program, &value.ty)) {
            (Some(number), Some(width)) => Form::Mask(number & ones(width), ones(width)),
            _ => match &value.kind {
                ExprKind::Const(value) => Form::Value(format!("{value:?}")),
                _ => return None,
            },
        },
        KeySet::Mask(value, mask) => {
            let ones = ones(width(program, &value.ty)?);
            let mask = int(mask)? & &ones;
            match mask == BigInt::ZERO {
                true => Form::Any,
                false => Form::Mask(int(value)? & &mask, mask),
            }
        }
        KeySet::Range(lo, hi) => Form::Range(int(lo)?.clone(), int(hi)?.clone()),
        KeySet::ValueSet(_) => return None,
    })
}

/// Two entries with the same key sets: an error where only one can match, else the later one never does.
fn check_same(program: &Program, table: &Table, found: &mut Vec<Diagnostic>) {
    let overlapping = may_overlap(table);
    if overlapping && table.entries.iter().any(|entry| entry.priority.is_some()) {
        return;
    }
    let mut seen: BTreeMap<Vec<Form>, Span> = BTreeMap::new();
    for entry in &table.entries {
        let forms: Option<Vec<Form>> = entry.keys.iter().map(|set| form(program, set)).collect();
        let Some(forms) = forms else { continue };
        let Some(first) = seen.get(&forms) else {
            seen.insert(forms, entry.span);
            continue;
        };
        let diagnostic = if overlapping {
            Diagnostic::warning(
                codes::ENTRY,
                entry.span,
                "this entry never matches: an earlier one has the same keys",
            )
        } else {
            Diagnostic::error(codes::ENTRY, entry.span, "two entries have the same keys")
        };
        found.push(
            diagnostic
                .with_note_at(*first, "the earlier entry")
                .with_help("remove one of the two, or change its keys"),
        );
    }
}

/// Whether two entries of the table can match the same packet, so that their order matters.
fn may_overlap(table: &Table) -> bool {
    let kinds = table.keys.iter().map(|key| key.match_kind.as_str());
    kinds
        .into_iter()
        .any(|kind| !matches!(kind, "exact" | "lpm"))
}

// -------------------------------------------------------------------------------- priorities

fn property<'a>(table: &'a Table, name: &str) -> Option<&'a Property> {
    table
        .properties
        .iter()
        .find(|property| property.name == name)
}

fn check_properties(table: &Table, found: &mut Vec<Diagnostic>) {
    if let Some(delta) = property(table, "priority_delta")
        && int(&delta.value).is_none_or(|delta| *delta <= BigInt::ZERO)
    {
        found.push(
            Diagnostic::error(
                codes::TABLE,
                delta.span,
                "`priority_delta` is a positive number known at compile time",
            )
            .with_help("without it, priorities are one apart"),
        );
    }
}

fn check_priorities(table: &Table, found: &mut Vec<Diagnostic>) {
    let with_priority = |entry: &&Entry| entry.priority.is_some();
    let Some(entry) = table.entries.iter().find(with_priority) else {
        return;
    };
    if table.const_entries {
        found.push(
            Diagnostic::error(
                codes::ENTRY,
                entry.span,
                "constant entries have no priorities",
            )
            .with_note("the first one that matches wins")
            .with_help("put the entries in order, or make `entries` not `const`"),
        );
        return;
    }
    if !may_overlap(table) {
        found.push(
            Diagnostic::error(
                codes::ENTRY,
                entry.span,
                format!("the entries of `{}` have no priorities", table.name),
            )
            .with_note("its keys are matched exactly or by longest prefix, which leaves no choice")
            .with_help("remove the priority"),
        );
        return;
    }
    check_computed(table, found);
}

/// Entries without a priority get one from the entry before.
fn check_computed(table: &Table, found: &mut Vec<Diagnostic>) {
    let largest_wins = property(table, "largest_priority_wins")
        .is_none_or(|wins| !matches!(wins.value.kind, ExprKind::Const(Const::Bool(false))));
    let delta = property(table, "priority_delta").and_then(|delta| int(&delta.value));
    let delta = delta.cloned().unwrap_or_else(|| BigInt::from(1));
    let mut last: Option<BigInt> = None;
    for entry in &table.entries {
        let priority = match (&entry.priority, last) {
            (Some(priority), _) => priority.clone(),
            (None, Some(last)) if largest_wins => last - &delta,
            (None, Some(last)) => last + &delta,
            (None, None) => {
                found.push(
                    Diagnostic::error(codes::ENTRY, entry.span, "the first entry has no priority")
                        .with_note("others have one, and each counts from the entry before it")
                        .with_help("give the first entry a priority: `priority = 10: ...`"),
                );
                return;
            }
        };
        if priority < BigInt::ZERO {
            found.push(
                Diagnostic::error(
                    codes::ENTRY,
                    entry.span,
                    format!("the priority of this entry is {priority}, which is negative"),
                )
                .with_help(
                    "give an entry before it a greater priority, or make `priority_delta` less",
                ),
            );
            return;
        }
        last = Some(priority);
    }
}
