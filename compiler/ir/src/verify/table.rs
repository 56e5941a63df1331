//! Tables and their entries.

use super::expr::Scope;
use super::{Checker, Invariant};
use crate::{ActionCall, Entry, KeySet, MatchKind, Table};

impl Checker<'_> {
    pub(super) fn tables(&mut self) {
        for table in self.program.tables.values() {
            let place = format!("table `{}`", table.name);
            self.table(table, &place);
        }
    }

    fn table(&mut self, table: &Table, place: &str) {
        let widths: Vec<_> = table
            .keys
            .iter()
            .map(|key| {
                let place = format!("{place}, key `{}`", key.name);
                self.expr(&key.expr, Scope::Control, &place)
            })
            .collect();
        if let Some(selector) = &table.selector {
            let place = format!("{place}, selector");
            self.hash(
                &selector.algorithm,
                &selector.inputs,
                Scope::Control,
                &place,
            );
        }
        for action in &table.actions {
            self.exists(&self.program.actions, *action, place);
        }
        self.call(table, &table.default, &format!("{place}, default action"));
        for (i, entry) in table.entries.iter().enumerate() {
            self.entry(table, entry, &widths, &format!("{place}, entry {i}"));
        }
        self.table_shape(table, place);
    }

    fn table_shape(&mut self, table: &Table, place: &str) {
        let lpm = table
            .keys
            .iter()
            .filter(|k| k.kind == MatchKind::Lpm)
            .count();
        if lpm > 1 {
            self.report(Invariant::TableShape, place, format!("{lpm} lpm keys"));
        }
        if table.flow.is_none() && table.entries.len() > table.size as usize {
            let message = format!(
                "{} entries in a size of {}",
                table.entries.len(),
                table.size
            );
            self.report(Invariant::TableShape, place, message);
        }
        let Some(flow) = &table.flow else { return };
        if table.selector.is_some() {
            let message = "a flow table has a selector";
            self.report(Invariant::SelectorShape, place, message);
        }
        if table.keys.is_empty() || table.keys.iter().any(|k| k.kind != MatchKind::Exact) {
            let message = "the keys of a flow table are exact, at least one";
            self.report(Invariant::FlowTableShape, place, message);
        }
        if flow.timeouts_ns.is_empty() {
            self.report(Invariant::FlowTableShape, place, "no idle timeout");
        }
    }

    fn entry(&mut self, table: &Table, entry: &Entry, widths: &[Option<u32>], place: &str) {
        for call in entry.calls() {
            self.call(table, call, place);
        }
        if table.selector.is_none() && !entry.members.is_empty() {
            let message = "several members, but the table has no selector";
            self.report(Invariant::SelectorShape, place, message);
        }
        if entry.keys.len() != table.keys.len() {
            let message = format!("{} sets for {} keys", entry.keys.len(), table.keys.len());
            self.report(Invariant::EntryKeys, place, message);
            return;
        }
        for ((set, key), width) in entry.keys.iter().zip(&table.keys).zip(widths) {
            if !allowed(key.kind, set) {
                let message = format!("{set:?} does not fit the {:?} key `{}`", key.kind, key.name);
                self.report(Invariant::EntryKeys, place, message);
            }
            if let Some(width) = width {
                self.key_set(set, *width, place);
            }
        }
    }

    /// Checks a call of one of the table's actions.
    fn call(&mut self, table: &Table, call: &ActionCall, place: &str) {
        if !table.actions.contains(&call.action) {
            let message = format!("{} is not among the table's actions", call.action);
            self.report(Invariant::ActionCalls, place, message);
        }
        if !self.exists(&self.program.actions, call.action, place) {
            return;
        }
        let action = &self.program.actions[call.action];
        if call.args.len() != action.params.len() {
            let message = format!(
                "{} arguments for the {} parameters of `{}`",
                call.args.len(),
                action.params.len(),
                action.name
            );
            self.report(Invariant::ActionCalls, place, message);
            return;
        }
        for (arg, param) in call.args.iter().zip(&action.params) {
            if arg.width() != param.width {
                let message = format!(
                    "{arg} for parameter `{}` of {} bits",
                    param.name, param.width
                );
                self.report(Invariant::WidthAgrees, place, message);
            }
        }
    }
}

/// Whether an entry of a key of this kind may have this set.
fn allowed(kind: MatchKind, set: &KeySet) -> bool {
    match kind {
        MatchKind::Exact => matches!(set, KeySet::Exact(_)),
        MatchKind::Lpm => matches!(set, KeySet::Prefix(..) | KeySet::Exact(_) | KeySet::Any),
        MatchKind::Ternary => matches!(set, KeySet::Mask(..) | KeySet::Exact(_) | KeySet::Any),
        MatchKind::Range => matches!(set, KeySet::Range(..) | KeySet::Exact(_) | KeySet::Any),
        MatchKind::Optional => matches!(set, KeySet::Exact(_) | KeySet::Any),
    }
}
