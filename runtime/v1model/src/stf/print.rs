//! Scripts as text.

use super::ast::*;
use std::fmt::{Display, Formatter, Result};

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for statement in &self.statements {
            writeln!(f, "{}", statement.command)?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Add(add) => write!(f, "add {add}"),
            Self::SetDefault { table, action } => {
                write!(f, "setdefault {} {action}", Named(table))
            }
            Self::RemoveAll => f.write_str("remove all"),
            Self::Packet { port, data } => {
                write!(f, "packet {port} ")?;
                data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Expect { port, pattern } => {
                write!(f, "expect {port}")?;
                match pattern {
                    Some(pattern) => write!(f, " {pattern}"),
                    None => Ok(()),
                }
            }
            Self::ValueSetAdd { set, member } => {
                write!(f, "pvs_add {}", Named(set))?;
                let mut values = member.iter();
                values.try_for_each(|value| write!(f, " {}", value.value))
            }
            Self::ValueSetClear(set) => write!(f, "pvs_clear {}", Named(set)),
            Self::NoPacket => f.write_str("no_packet"),
            Self::Wait => f.write_str("wait"),
            Self::CheckCounter {
                counter,
                cell,
                check,
            } => {
                write!(f, "check_counter {}({cell})", Named(counter))?;
                match check {
                    Some((unit, condition, value)) => {
                        write!(f, " {unit} {condition} {}", value.value)
                    }
                    None => Ok(()),
                }
            }
            Self::CheckRegister {
                register,
                index,
                condition,
                value,
            } => write!(
                f,
                "check_register {}({}) {condition} {}",
                Named(register),
                index.value,
                value.value
            ),
            _ => self.switch_command(f),
        }
    }
}

impl Command {
    /// The commands that simple_switch's own command line has.
    fn switch_command(&self, f: &mut Formatter<'_>) -> Result {
        let (word, name): (_, Option<&Name>) = match self {
            Self::MirroringAdd { .. } => ("mirroring_add", None),
            Self::MirroringAddMc { .. } => ("mirroring_add_mc", None),
            Self::MirroringDelete(_) => ("mirroring_delete", None),
            Self::MirroringGet(_) => ("mirroring_get", None),
            Self::McGroupCreate(_) => ("mc_mgrp_create", None),
            Self::McNodeCreate { .. } => ("mc_node_create", None),
            Self::McNodeUpdate { .. } => ("mc_node_update", None),
            Self::McNodeAssociate { .. } => ("mc_node_associate", None),
            Self::CounterRead { counter, .. } => ("counter_read", Some(counter)),
            Self::CounterWrite { counter, .. } => ("counter_write", Some(counter)),
            Self::RegisterRead { register, .. } => ("register_read", Some(register)),
            Self::RegisterWrite { register, .. } => ("register_write", Some(register)),
            Self::RegisterReset(register) => ("register_reset", Some(register)),
            Self::MeterGetRates { meter, .. } => ("meter_get_rates", Some(meter)),
            Self::MeterSetRates { meter, .. } => ("meter_set_rates", Some(meter)),
            Self::MeterArraySetRates { meter, .. } => ("meter_array_set_rates", Some(meter)),
            _ => return Ok(()),
        };
        f.write_str(word)?;
        if let Some(name) = name {
            write!(f, " {}", Named(name))?;
        }
        let numbers: Vec<&NumberAt> = match self {
            Self::MirroringDelete(number)
            | Self::MirroringGet(number)
            | Self::McGroupCreate(number) => vec![number],
            Self::MirroringAdd { session, port } => vec![session, port],
            Self::MirroringAddMc { session, group } => vec![session, group],
            Self::McNodeCreate { rid: first, ports }
            | Self::McNodeUpdate { node: first, ports } => {
                std::iter::once(first).chain(ports).collect()
            }
            Self::McNodeAssociate { group, node } => vec![group, node],
            Self::CounterRead { index, .. }
            | Self::RegisterRead { index, .. }
            | Self::MeterGetRates { index, .. }
            | Self::MeterSetRates { index, .. } => vec![index],
            Self::CounterWrite {
                index,
                packets,
                bytes,
                ..
            } => vec![index, packets, bytes],
            Self::RegisterWrite { index, value, .. } => vec![index, value],
            _ => Vec::new(),
        };
        for number in numbers {
            write!(f, " {}", number.value)?;
        }
        if let Self::MeterSetRates { rates, .. } | Self::MeterArraySetRates { rates, .. } = self {
            for rate in rates {
                write!(f, " {}:{}", rate.rate.value, rate.burst.value)?;
            }
        }
        Ok(())
    }
}

impl Display for Add {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} ", Named(&self.table))?;
        if let Some(priority) = &self.priority {
            write!(f, "{} ", priority.value)?;
        }
        for key in &self.keys {
            write!(f, "{}:{} ", Named(&key.key), key.value.value)?;
        }
        write!(f, "{}", self.action)?;
        match &self.handle {
            Some(handle) => write!(f, " = {}", Handle(handle)),
            None => Ok(()),
        }
    }
}

impl Display for KeyValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Prefix(value, length) => write!(f, "{value}/{length}"),
            Self::Mask(value, mask) => write!(f, "{value}&&&{mask}"),
            Self::Range(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

impl Display for ActionUse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", Named(&self.name))?;
        for (i, arg) in self.args.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}:{}", Named(&arg.name), arg.value.value)?;
        }
        f.write_str(")")
    }
}

impl Display for CellRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Index(index) => write!(f, "{}", index.value),
            Self::Entry(handle) => write!(f, "{}", Handle(handle)),
        }
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for digit in &self.digits {
            match digit {
                Some(digit) => write!(f, "{digit:x}")?,
                None => f.write_str("*")?,
            }
        }
        match (self.exact, self.digits.is_empty()) {
            (true, true) => f.write_str("$"),
            (true, false) => f.write_str(" $"),
            (false, _) => Ok(()),
        }
    }
}

impl Display for CounterUnit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Packets => "packets",
            Self::Bytes => "bytes",
        })
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

/// A name, quoted where it must be.
struct Named<'a>(&'a Name);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let name = &self.0.value;
        if name.split('.').all(is_plain_part) {
            f.write_str(name)
        } else {
            write!(f, "\"{name}\"")
        }
    }
}

/// The name of an entry, with its `$`.
struct Handle<'a>(&'a Name);

impl Display for Handle<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let name = &self.0.value;
        if name.bytes().all(is_word_byte) {
            write!(f, "${name}")
        } else {
            write!(f, "\"${name}\"")
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// `word`, `word[0]`, `word[0][1]`
fn is_plain_part(part: &str) -> bool {
    let (word, indices) = match part.find('[') {
        Some(at) => part.split_at(at),
        None => (part, ""),
    };
    let is_word =
        word.bytes().all(is_word_byte) && word.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    let is_index = |index: &str| {
        index
            .strip_suffix(']')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    is_word && indices.split('[').skip(1).all(is_index)
}
