//! Changes from the control plane: entries, default actions, counters, registers, meters, groups and
//! sessions.
//!
//! Entries, default actions and rates are part of the program, cells are part of the state; both are
//! changed in the [`Switch`] between packets.

mod names;
mod values;

use crate::codes::{REFUSED, UNKNOWN_NAME, VALUE};
use crate::stf::{ActionUse, Add, CellRef, Command, CounterUnit, Name, NumberAt, Rate, Script};
use crate::switch::{Replication, ReplicationError, Session, Switch};
use names::Miss;
use std::collections::BTreeMap;
use std::sync::Arc;
use trisect_ir::analysis::direct_owners;
use trisect_ir::diag::{Code, Diagnostic, Span};
use trisect_ir::state::{Cell, Count};
use trisect_ir::{
    ActionCall, Bits, Entry, KeySet, MatchKind, Object, ObjectKind, Origin, Program, Table, TableId,
};
use values::Misfit;

/// The control plane of one run of a script.
#[derive(Clone, Debug)]
pub struct Control {
    file: Arc<str>,
    /// Entries by the name that `add ... = $NAME` gave them.
    handles: BTreeMap<String, (TableId, usize)>,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// What it was asked to read.
    Read(String),
    /// A comparison: whether it holds, and what was found.
    Compared(bool, String),
}

/// What a command ends in.
pub type Outcome<T> = Result<T, Box<Diagnostic>>;

impl Control {
    /// For a script that nothing of has run yet.
    pub fn new(script: &Script) -> Self {
        Self {
            file: script.file.clone(),
            handles: BTreeMap::new(),
        }
    }

    /// Runs a command; those about packets and time are not for the control plane and do nothing.
    ///
    /// # Errors
    ///
    /// If the command names what there is not, a value does not fit, or the change is not allowed.
    pub fn run(&mut self, command: &Command, switch: &mut Switch) -> Outcome<Answer> {
        match command {
            Command::Add(add) => self.add(add, switch.change().0)?,
            Command::SetDefault { table, action } => {
                self.set_default(table, action, switch.change().0)?;
            }
            Command::RemoveAll => self.remove_all(switch),
            Command::CheckCounter {
                counter,
                cell,
                check,
            } => {
                let count = self.count(counter, cell, switch)?;
                let Some((unit, condition, value)) = check else {
                    return Ok(Answer::Read(shown(count)));
                };
                let found = match unit {
                    CounterUnit::Packets => count.packets,
                    CounterUnit::Bytes => count.bytes,
                };
                let holds = condition.holds(&found.into(), &value.value.value());
                return Ok(Answer::Compared(holds, shown(count)));
            }
            Command::CheckRegister {
                register,
                index,
                condition,
                value,
            } => {
                let found = self.register_cell(register, index, switch)?;
                let wanted = self.value(value, found.width())?;
                let holds = condition.holds(found.value(), wanted.value());
                return Ok(Answer::Compared(holds, found.value().to_string()));
            }
            Command::CounterRead { counter, index } => {
                let cell = CellRef::Index(index.clone());
                return Ok(Answer::Read(shown(self.count(counter, &cell, switch)?)));
            }
            Command::RegisterRead { register, index } => {
                let found = self.register_cell(register, index, switch)?;
                return Ok(Answer::Read(found.value().to_string()));
            }
            Command::CounterWrite {
                counter,
                index,
                packets,
                bytes,
            } => self.counter_write(counter, index, packets, bytes, switch)?,
            Command::RegisterWrite {
                register,
                index,
                value,
            } => self.register_write(register, index, value, switch)?,
            Command::RegisterReset(register) => self.register_reset(register, switch)?,
            Command::MeterGetRates { meter, index } => {
                return self.meter_get_rates(meter, index, switch.program());
            }
            Command::MeterSetRates {
                meter,
                index,
                rates,
            } => self.meter_set_rates(meter, Some(index), rates, switch)?,
            Command::MeterArraySetRates { meter, rates } => {
                self.meter_set_rates(meter, None, rates, switch)?;
            }
            other => return self.replicate(other, &mut switch.replication),
        }
        Ok(Answer::Done)
    }

    fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file.clone(), span, message)
    }

    fn missed(&self, what: &str, name: &Name, miss: Miss) -> Box<Diagnostic> {
        let wanted = &name.value;
        let error = |message| self.error(UNKNOWN_NAME, name.span, message);
        Box::new(match miss {
            Miss::None(names) if names.is_empty() => {
                error(format!("there is no {what} `{wanted}`"))
                    .reason(format!("there is no {what} at all"))
            }
            Miss::None(names) => error(format!("there is no {what} `{wanted}`"))
                .help(format!("there are {}", names.join(", "))),
            Miss::Ambiguous(names) => error(format!("`{wanted}` is more than one {what}"))
                .help(format!("write more of the name: {}", names.join(", "))),
        })
    }

    fn misfit(&self, span: Span, misfit: Misfit) -> Box<Diagnostic> {
        Box::new(self.error(VALUE, span, misfit.message).help(misfit.help))
    }

    fn refused(&self, span: Span, message: String, help: &str) -> Box<Diagnostic> {
        Box::new(self.error(REFUSED, span, message).help(help))
    }

    fn value(&self, number: &NumberAt, width: u32) -> Outcome<Bits> {
        values::bits(&number.value, width).map_err(|m| self.misfit(number.span, m))
    }

    /// A number of 16 bits: a port, a group, a session.
    fn small(&self, number: &NumberAt) -> Outcome<u16> {
        Ok(self.value(number, 16)?.low_u64() as u16)
    }

    fn table(&self, name: &Name, program: &Program) -> Outcome<TableId> {
        names::table(program, &name.value).map_err(|m| self.missed("table", name, m))
    }

    fn add(&mut self, add: &Add, program: &mut Program) -> Outcome<()> {
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
            let value = values::key_set(&wanted.value.value, key.kind, width)
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

    fn set_default(&self, table: &Name, action: &ActionUse, program: &mut Program) -> Outcome<()> {
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
    fn remove_all(&mut self, switch: &mut Switch) {
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

    /// An object with this name that `is` one of the wanted kind.
    fn object<'p>(
        &self,
        name: &Name,
        program: &'p Program,
        what: &str,
        is: fn(&ObjectKind) -> bool,
    ) -> Outcome<&'p Object> {
        let all = names::object(program, &name.value);
        let id = all.map_err(|miss| self.missed(what, name, miss))?;
        let object = &program.objects[id];
        if is(&object.kind) {
            return Ok(object);
        }
        let kind = match object.kind {
            ObjectKind::Counter { .. } => "a counter",
            ObjectKind::Meter { .. } => "a meter",
            ObjectKind::Register { .. } => "a register",
            ObjectKind::PatternSet { .. } => "a pattern set",
            ObjectKind::Allocator { .. } => "an allocator",
            ObjectKind::Message { .. } => "a message",
            ObjectKind::Random { .. } => "a source of random numbers",
        };
        let message = format!("`{}` is no {what}", object.name);
        let error = self.error(UNKNOWN_NAME, name.span, message);
        Err(Box::new(error.reason(format!("it is {kind}"))))
    }

    /// A cell below `size`.
    fn index(&self, number: &NumberAt, object: &Object, size: u32) -> Outcome<u32> {
        let index = number.value.to_u64().and_then(|n| u32::try_from(n).ok());
        index.filter(|n| *n < size).ok_or_else(|| {
            let message = format!("`{}` has no cell {}", object.name, number.value);
            let error = self.error(VALUE, number.span, message);
            Box::new(error.help(format!("it has {size} cells, from 0")))
        })
    }

    fn counter<'p>(&self, name: &Name, program: &'p Program) -> Outcome<(&'p Object, Option<u32>)> {
        let is = |kind: &ObjectKind| matches!(kind, ObjectKind::Counter { .. });
        let object = self.object(name, program, "counter", is)?;
        match object.kind {
            ObjectKind::Counter { size, .. } => Ok((object, size)),
            _ => Ok((object, None)),
        }
    }

    fn count(&self, counter: &Name, cell: &CellRef, switch: &Switch) -> Outcome<Count> {
        let (object, size) = self.counter(counter, switch.program())?;
        let cell = self.cell(object, size, cell, switch.program())?;
        let state = switch.state();
        let cells = state.counters.get(&object.name);
        Ok(cells
            .and_then(|cells| cells.get(&cell))
            .copied()
            .unwrap_or_default())
    }

    fn cell(
        &self,
        object: &Object,
        size: Option<u32>,
        cell: &CellRef,
        program: &Program,
    ) -> Outcome<Cell> {
        match (cell, size) {
            (CellRef::Index(index), Some(size)) => {
                Ok(Cell::Index(self.index(index, object, size)?))
            }
            // Of a direct counter: of the entry with that place.
            (CellRef::Index(index), None) => {
                let entries = owned_table(program, object).map_or(0, |t| t.entries.len());
                let entries = u32::try_from(entries).unwrap_or(u32::MAX);
                Ok(Cell::Entry(self.index(index, object, entries)?))
            }
            (CellRef::Entry(handle), None) => match self.handles.get(&handle.value) {
                Some((_, at)) => Ok(Cell::Entry(u32::try_from(*at).unwrap_or(u32::MAX))),
                None => {
                    let names = self.handles.keys().map(|name| format!("${name}")).collect();
                    Err(self.missed("entry named", handle, Miss::None(names)))
                }
            },
            (CellRef::Entry(handle), Some(_)) => {
                let message = format!("`{}` has no cells of entries", object.name);
                let help = "its cells have numbers: NAME(INDEX)";
                Err(self.refused(handle.span, message, help))
            }
        }
    }

    fn counter_write(
        &self,
        counter: &Name,
        index: &NumberAt,
        packets: &NumberAt,
        bytes: &NumberAt,
        switch: &mut Switch,
    ) -> Outcome<()> {
        let count = Count {
            packets: self.value(packets, 64)?.low_u64(),
            bytes: self.value(bytes, 64)?.low_u64(),
        };
        let (program, state) = switch.change();
        let (object, size) = self.counter(counter, program)?;
        let cell = self.cell(object, size, &CellRef::Index(index.clone()), program)?;
        let cell = (cell, (count != Count::default()).then_some(count));
        set_cell(&mut state.counters, &object.name, cell);
        Ok(())
    }

    /// A register with its width, size and initial value.
    fn register<'p>(
        &self,
        name: &Name,
        program: &'p Program,
    ) -> Outcome<(&'p Object, u32, &'p Bits)> {
        let is = |kind: &ObjectKind| matches!(kind, ObjectKind::Register { .. });
        let object = self.object(name, program, "register", is)?;
        match &object.kind {
            ObjectKind::Register { size, init, .. } => Ok((object, *size, init)),
            _ => {
                let message = format!("`{}` is no register", object.name);
                Err(self.refused(name.span, message, ""))
            }
        }
    }

    fn register_cell(&self, name: &Name, index: &NumberAt, switch: &Switch) -> Outcome<Bits> {
        let (object, size, init) = self.register(name, switch.program())?;
        let index = self.index(index, object, size)?;
        let state = switch.state();
        let cells = state.registers.get(&object.name);
        let found = cells.and_then(|cells| cells.get(&index)).cloned();
        Ok(found.unwrap_or_else(|| init.clone()))
    }

    fn register_write(
        &self,
        name: &Name,
        index: &NumberAt,
        value: &NumberAt,
        switch: &mut Switch,
    ) -> Outcome<()> {
        let (program, state) = switch.change();
        let (object, size, init) = self.register(name, program)?;
        let index = self.index(index, object, size)?;
        let value = self.value(value, init.width())?;
        let cell = (index, (value != *init).then_some(value));
        set_cell(&mut state.registers, &object.name, cell);
        Ok(())
    }

    fn register_reset(&self, name: &Name, switch: &mut Switch) -> Outcome<()> {
        let (program, state) = switch.change();
        let (object, size, init) = self.register(name, program)?;
        state.registers.remove(&object.name);
        if !init.is_zero() {
            let zero = Bits::zero(init.width());
            let cells = (0..size).map(|i| (i, zero.clone())).collect();
            state.registers.insert(object.name.clone(), cells);
        }
        Ok(())
    }

    fn meter_get_rates(&self, name: &Name, index: &NumberAt, program: &Program) -> Outcome<Answer> {
        let is = |kind: &ObjectKind| matches!(kind, ObjectKind::Meter { .. });
        let object = self.object(name, program, "meter", is)?;
        let ObjectKind::Meter {
            size,
            default,
            cells,
            ..
        } = &object.kind
        else {
            return Ok(Answer::Done);
        };
        let index = self.index(index, object, size.unwrap_or(u32::MAX))?;
        let config = cells.get(&index).unwrap_or(default);
        Ok(Answer::Read(format!(
            "cir {} cbs {} pir {} pbs {} (per second)",
            config.cir, config.cbs, config.pir, config.pbs
        )))
    }

    /// Sets the rates of one cell or of all; buckets are then full.
    fn meter_set_rates(
        &self,
        name: &Name,
        index: Option<&NumberAt>,
        rates: &[Rate],
        switch: &mut Switch,
    ) -> Outcome<()> {
        let (program, state) = switch.change();
        let is = |kind: &ObjectKind| matches!(kind, ObjectKind::Meter { .. });
        let object = self.object(name, program, "meter", is)?;
        let pairs: Vec<_> = rates
            .iter()
            .map(|rate| (rate.rate.value.as_str(), &rate.burst.value))
            .collect();
        let span = |rates: &[Rate]| {
            let first = rates.first().map_or(name.span, |r| r.rate.span);
            rates.last().map_or(first, |r| first.to(r.burst.span))
        };
        let new = values::meter_config(&pairs).map_err(|m| self.misfit(span(rates), m))?;
        let size = match object.kind {
            ObjectKind::Meter { size, .. } => size,
            _ => None,
        };
        let index = match (index, size) {
            (Some(index), Some(size)) => Some(self.index(index, object, size)?),
            (Some(index), None) => {
                let message = format!("`{}` is direct: its cells belong to entries", object.name);
                let help = "set the rates of all its cells: meter_array_set_rates";
                return Err(self.refused(index.span, message, help));
            }
            (None, _) => None,
        };
        let name = object.name.clone();
        match index {
            Some(index) => {
                if let Some(used) = state.meters.get_mut(&name) {
                    used.remove(&Cell::Index(index));
                    if used.is_empty() {
                        state.meters.remove(&name);
                    }
                }
            }
            None => {
                state.meters.remove(&name);
            }
        }
        for object in program.objects.values_mut().filter(|o| o.name == name) {
            if let ObjectKind::Meter { default, cells, .. } = &mut object.kind {
                match index {
                    Some(index) => {
                        cells.insert(index, new);
                    }
                    None => {
                        *default = new;
                        cells.clear();
                    }
                }
            }
        }
        Ok(())
    }

    fn replicate(&self, command: &Command, to: &mut Replication) -> Outcome<Answer> {
        let session = |number: &NumberAt| {
            let id = self
                .value(number, 15)
                .map_err(|error| Box::new(error.help("sessions are numbered from 0 to 32767")))?;
            Ok::<_, Box<Diagnostic>>(id.low_u64() as u16)
        };
        let ports = |ports: &[NumberAt]| -> Outcome<Vec<u16>> {
            ports.iter().map(|port| self.small(port)).collect()
        };
        let node = |number: &NumberAt| Ok::<_, Box<Diagnostic>>(self.value(number, 64)?.low_u64());
        let refused = |at: &NumberAt, error: ReplicationError| {
            let help = "groups are made by mc_mgrp_create, nodes by mc_node_create (numbered from 0), \
                        sessions by mirroring_add";
            self.refused(at.span, error.to_string(), help)
        };
        match command {
            Command::MirroringAdd { session: id, port } => {
                to.set_session(session(id)?, Session::Port(self.small(port)?));
            }
            Command::MirroringAddMc { session: id, group } => {
                to.set_session(session(id)?, Session::Group(self.small(group)?));
            }
            Command::MirroringDelete(id) => {
                let result = to.delete_session(session(id)?);
                result.map_err(|error| refused(id, error))?;
            }
            Command::MirroringGet(id) => {
                return Ok(Answer::Read(match to.session(session(id)?) {
                    Some(Session::Port(port)) => format!("port {port}"),
                    Some(Session::Group(group)) => format!("multicast group {group}"),
                    None => "not set up".to_owned(),
                }));
            }
            Command::McGroupCreate(group) => {
                let result = to.create_group(self.small(group)?);
                result.map_err(|error| refused(group, error))?;
            }
            Command::McNodeCreate { rid, ports: list } => {
                let number = to.create_node(self.small(rid)?, ports(list)?);
                return Ok(Answer::Read(format!("node {number}")));
            }
            Command::McNodeUpdate {
                node: id,
                ports: list,
            } => {
                let result = to.update_node(node(id)?, ports(list)?);
                result.map_err(|error| refused(id, error))?;
            }
            Command::McNodeAssociate { group, node: id } => {
                let result = to.associate(self.small(group)?, node(id)?);
                result.map_err(|error| {
                    let at = match error {
                        ReplicationError::NoGroup(_) => group,
                        _ => id,
                    };
                    refused(at, error)
                })?;
            }
            _ => {}
        }
        Ok(Answer::Done)
    }
}

fn shown(count: Count) -> String {
    format!("{} packets, {} bytes", count.packets, count.bytes)
}

/// The table that the cells of a direct object belong to.
fn owned_table<'p>(program: &'p Program, object: &Object) -> Option<&'p Table> {
    let id = program.objects.find(|o| o.name == object.name)?;
    program.tables.get((*direct_owners(program).get(id)?)?)
}

type Cells<K, V> = BTreeMap<String, BTreeMap<K, V>>;

/// Gives the cells of entries the entries' new places; those without one go.
fn move_cells<V>(all: &mut Cells<Cell, V>, object: &str, places: &[Option<u32>]) {
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

/// Sets a cell of a canonical state, where `None` is its initial value.
fn set_cell<K: Ord, V>(all: &mut Cells<K, V>, object: &str, (cell, value): (K, Option<V>)) {
    let cells = all.entry(object.to_owned()).or_default();
    match value {
        Some(value) => {
            cells.insert(cell, value);
        }
        None => {
            cells.remove(&cell);
        }
    }
    if cells.is_empty() {
        all.remove(object);
    }
}
