//! Changes from the control plane: entries, default actions, counters, registers, meters, groups and
//! sessions.
//!
//! Entries, default actions and rates are part of the program, cells are part of the state; both are
//! changed in the [`Switch`] between packets.

mod cells;
mod copies;
mod entries;
mod names;
mod value_sets;
mod values;

use crate::codes::{REFUSED, UNKNOWN_NAME, VALUE};
use crate::stf::{CellRef, Command, CounterUnit, Name, NumberAt, Script};
use crate::switch::Switch;
use names::Miss;
use std::collections::BTreeMap;
use std::sync::Arc;
use trisect_ir::diag::{Code, Diagnostic, Span};
use trisect_ir::state::Count;
use trisect_ir::{Bits, TableId};
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
            Command::ValueSetAdd { set, member } => self.value_set_add(set, member, switch)?,
            Command::ValueSetClear(set) => self.value_set_clear(set, switch)?,
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
                let holds = condition.holds(&found.value(), &wanted.value());
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
}

fn shown(count: Count) -> String {
    format!("{} packets, {} bytes", count.packets, count.bytes)
}
