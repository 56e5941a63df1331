//! Cells of counters, registers and meters, and rates of meters.

use super::{Answer, Control, Outcome, names, values};
use crate::codes::{UNKNOWN_NAME, VALUE};
use crate::control::names::Miss;
use crate::stf::{CellRef, Name, NumberAt, Rate};
use crate::switch::Switch;
use std::collections::BTreeMap;
use trisect_ir::analysis::direct_owners;
use trisect_ir::state::{Cell, Count};
use trisect_ir::{Bits, Object, ObjectKind, Program, Table};

impl Control {
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

    pub(super) fn count(&self, counter: &Name, cell: &CellRef, switch: &Switch) -> Outcome<Count> {
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

    pub(super) fn counter_write(
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
        let (program, state) = switch.change_state();
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

    pub(super) fn register_cell(
        &self,
        name: &Name,
        index: &NumberAt,
        switch: &Switch,
    ) -> Outcome<Bits> {
        let (object, size, init) = self.register(name, switch.program())?;
        let index = self.index(index, object, size)?;
        let state = switch.state();
        let cells = state.registers.get(&object.name);
        let found = cells.and_then(|cells| cells.get(&index)).cloned();
        Ok(found.unwrap_or_else(|| init.clone()))
    }

    pub(super) fn register_write(
        &self,
        name: &Name,
        index: &NumberAt,
        value: &NumberAt,
        switch: &mut Switch,
    ) -> Outcome<()> {
        let (program, state) = switch.change_state();
        let (object, size, init) = self.register(name, program)?;
        let index = self.index(index, object, size)?;
        let value = self.value(value, init.width())?;
        let cell = (index, (value != *init).then_some(value));
        set_cell(&mut state.registers, &object.name, cell);
        Ok(())
    }

    pub(super) fn register_reset(&self, name: &Name, switch: &mut Switch) -> Outcome<()> {
        let (program, state) = switch.change_state();
        let (object, ..) = self.register(name, program)?;
        state.registers.remove(&object.name);
        Ok(())
    }

    pub(super) fn meter_get_rates(
        &self,
        name: &Name,
        index: &NumberAt,
        program: &Program,
    ) -> Outcome<Answer> {
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
    pub(super) fn meter_set_rates(
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
}

/// The table that the cells of a direct object belong to.
fn owned_table<'p>(program: &'p Program, object: &Object) -> Option<&'p Table> {
    let id = program.objects.find(|o| o.name == object.name)?;
    program.tables.get((*direct_owners(program).get(id)?)?)
}

/// Sets a cell of a canonical state, where `None` is its initial value.
fn set_cell<K: Ord, V>(
    all: &mut BTreeMap<String, BTreeMap<K, V>>,
    object: &str,
    (cell, value): (K, Option<V>),
) {
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
