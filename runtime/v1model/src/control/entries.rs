//! Entries and default actions.

use super::{Control, Outcome, names, values};
use crate::control::names::Miss;
use crate::stf::{ActionUse, Add, Name};
use crate::switch::Switch;
use std::collections::BTreeMap;
use trisect_ir::analysis::direct_owners;
use trisect_ir::state::Cell;
use trisect_ir::{ActionCall, Bits, Entry, KeySet, MatchKind, Origin, Program, Table, TableId};

impl Control {
    fn table(&self, name: &Name, program: &Program) -> Outcome<TableId> {
        names::table(program, &name.value).map_err(|m| self.missed("table", name, m))
    }

    pub(super) fn add(&mut self, add: &Add, program: &mut Program) -> Outcome<()> {
        let id = self.table(&add.table, program)?;
        let table = &program.tables[id];
        self.takes_entries(table, add)?;
        let by_priority = table.keys.iter().any(|key| {
            let kinds = [MatchKind::Ternary, MatchKind::Range, MatchKind::Optional];
            kinds.contains(&key.kind)
        });
        let priority = match (&add.priority, by_priority) {
            (Some(priority), true) => priority.value,
            (None, true) => {
                let message = format!("an entry of `{}` needs a priority", table.name);
                let help = "write a number behind the table's name; the largest wins";
                return Err(self.refused(add.table.span, message, help));
            }
            // Nothing or the longest prefix decides.
            (_, false) => 0,
        };
        let keys = self.keys(add, program, table)?;
        let same =
            |entry: &Entry| entry.keys == keys && (!by_priority || entry.priority == priority);
        if table.entries.iter().any(same) {
            let message = format!("`{}` has an entry with these keys already", table.name);
            let help = "leave one of the two out, or give it other keys or another priority";
            return Err(self.refused(add.table.span, message, help));
        }
        let call = self.call(&add.action, program, table)?;
        let at = table.entries.len();
        if let Some(handle) = &add.handle
            && self
                .handles
                .insert(handle.value.clone(), (id, at))
                .is_some()
        {
            let message = format!("there is an entry named `${}` already", handle.value);
            return Err(self.refused(handle.span, message, "choose another name"));
        }
        program.tables[id].entries.push(Entry {
            keys,
            priority,
            call,
            members: Vec::new(),
            origin: Origin::Control,
        });
        Ok(())
    }

    fn takes_entries(&self, table: &Table, add: &Add) -> Outcome<()> {
        let name = &table.name;
        let (message, help) = if table.keys.is_empty() {
            let help = "set its default action instead: setdefault TABLE ACTION(...)";
            (format!("`{name}` has no keys, so no entries"), help)
        } else if table.entries.iter().any(|e| e.origin == Origin::Const) {
            let help = "write `entries` without `const` in the program";
            (format!("the entries of `{name}` are constant"), help)
        } else if table.entries.len() >= table.size as usize {
            let help = "give the table a larger size in the program";
            (
                format!("`{name}` is full: it has {} entries", table.size),
                help,
            )
        } else {
            return Ok(());
        };
        Err(self.refused(add.table.span, message, help))
    }

    fn keys(&self, add: &Add, program: &Program, table: &Table) -> Outcome<Vec<KeySet>> {
        let mut sets = vec![None; table.keys.len()];
        for wanted in &add.keys {
            let at = names::key(table, &wanted.key.value)
                .map_err(|miss| self.missed("key", &wanted.key, miss))?;
            let (Some(key), Some(set)) = (table.keys.get(at), sets.get_mut(at)) else {
                continue;
            };
            let width = program.width(&key.expr, &[]);
            let value = values::key_set(&wanted.value.value, key.kind, width, key.signed)
                .map_err(|misfit| self.misfit(wanted.value.span, misfit))?;
            if set.replace(value).is_some() {
                let message = format!("key `{}` is given twice", key.name);
                return Err(self.refused(wanted.key.span, message, "leave one of the two out"));
            }
        }
        let given = sets.into_iter().zip(&table.keys);
        Ok(given
            .map(|(set, key)| {
                set.unwrap_or_else(|| values::left_out(key.kind, program.width(&key.expr, &[])))
            })
            .collect())
    }

    fn call(&self, wanted: &ActionUse, program: &Program, table: &Table) -> Outcome<ActionCall> {
        let id = names::action(program, table, &wanted.name.value).map_err(|miss| {
            let what = format!("action of `{}`", table.name);
            self.missed(&what, &wanted.name, miss)
        })?;
        let action = &program.actions[id];
        let mut args: Vec<Option<Bits>> = vec![None; action.params.len()];
        for arg in &wanted.args {
            let name = &arg.name.value;
            let at = action.params.iter().position(|p| p.name == *name);
            let found = at.and_then(|at| action.params.get(at).zip(args.get_mut(at)));
            let Some((param, slot)) = found else {
                let names = action.params.iter().map(|p| p.name.clone()).collect();
                let what = format!("parameter of `{}`", action.name);
                return Err(self.missed(&what, &arg.name, Miss::None(names)));
            };
            if slot.replace(self.value(&arg.value, param.width)?).is_some() {
                let message = format!("parameter `{name}` is given twice");
                return Err(self.refused(arg.name.span, message, "leave one of the two out"));
            }
        }
        let missing: Vec<&str> = action
            .params
            .iter()
            .zip(&args)
            .filter(|(_, arg)| arg.is_none())
            .map(|(param, _)| param.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!("`{}` also needs {}", action.name, missing.join(", "));
            let help = "give every parameter a value: ACTION(PARAMETER:VALUE, ...)";
            return Err(self.refused(wanted.name.span, message, help));
        }
        Ok(ActionCall {
            action: id,
            args: args.into_iter().flatten().collect(),
        })
    }

    pub(super) fn set_default(
        &self,
        table: &Name,
        action: &ActionUse,
        program: &mut Program,
    ) -> Outcome<()> {
        let id = self.table(table, program)?;
        let found = &program.tables[id];
        if found.const_default {
            let message = format!("the default action of `{}` is constant", found.name);
            let help = "write `default_action` without `const` in the program";
            return Err(self.refused(table.span, message, help));
        }
        let call = self.call(action, program, found)?;
        program.tables[id].default = call;
        Ok(())
    }

    /// Removes what the script added. The cells of direct objects go with their entries, the others
    /// move up with theirs.
    pub(super) fn remove_all(&mut self, switch: &mut Switch) {
        self.handles.clear();
        let (program, state) = switch.change();
        for (id, owner) in direct_owners(program).iter() {
            let Some(table) = owner.and_then(|table| program.tables.get(table)) else {
                continue;
            };
            let mut next = 0;
            let places = table.entries.iter().map(|entry| {
                (entry.origin != Origin::Control).then(|| {
                    next += 1;
                    next - 1
                })
            });
            let places: Vec<Option<u32>> = places.collect();
            let name = &program.objects[id].name;
            move_cells(&mut state.counters, name, &places);
            move_cells(&mut state.meters, name, &places);
        }
        for table in program.tables.values_mut() {
            table
                .entries
                .retain(|entry| entry.origin != Origin::Control);
        }
    }
}

/// Gives the cells of entries the entries' new places; those without one go.
fn move_cells<V>(
    all: &mut BTreeMap<String, BTreeMap<Cell, V>>,
    object: &str,
    places: &[Option<u32>],
) {
    let Some(cells) = all.remove(object) else {
        return;
    };
    let moved: BTreeMap<Cell, V> = cells
        .into_iter()
        .filter_map(|(cell, value)| match cell {
            Cell::Entry(at) => {
                let place = places.get(at as usize).copied().flatten()?;
                Some((Cell::Entry(place), value))
            }
            other => Some((other, value)),
        })
        .collect();
    if !moved.is_empty() {
        all.insert(object.to_owned(), moved);
    }
}
