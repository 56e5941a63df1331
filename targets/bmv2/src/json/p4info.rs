//! P4Info: what a controller that speaks P4Runtime must know of a program, as a text protocol buffer.
//!
//! Numbers follow the P4Runtime specification (section 6.3): the kind in the top byte, and below it a hash of the name,
//! so that a number stays when something else is added. The P4 compiler's choice of hash (Jenkins' one-at-a-time,
//! then the next free number) gives the numbers that it gives for the emitted P4 text.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::{ActionId, CountUnit, MatchKind, ObjectId, ObjectKind, Program, TableId};
use trisect_target::LowerError;

use super::control::table_size;
use super::ops::{DROPS, public};
use super::tables::{Kind, kinds};
use super::{Entries, check_all};
use crate::control::{Applied, applied};
use crate::emit::{direct_objects, has_const_entries};
use crate::graph::Graph;
use crate::names::Names;
use crate::text::Text;

/// The top byte of the numbers of one kind (`P4Ids.Prefix` in `p4info.proto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
enum Prefix {
    Action = 0x01,
    Table = 0x02,
    Counter = 0x12,
    DirectCounter = 0x13,
    Meter = 0x14,
    DirectMeter = 0x15,
    Register = 0x16,
}

/// The P4Info of [`super::emit`]'s program.
///
/// # Errors
/// The program is not valid, or asks for what simple_switch cannot do.
pub fn p4info(program: &Program) -> Result<String, LowerError> {
    check_all(program, Entries::Const)?;
    let names = Names::new(program);
    let applied = applied(program, &names, &Graph::new(program));
    let mut info = Info {
        program,
        names: &names,
        applied: &applied,
        ids: BTreeMap::new(),
        text: Text::default(),
    };
    info.number();
    info.write();
    Ok(info.text.into_string())
}

struct Info<'a> {
    program: &'a Program,
    names: &'a Names,
    applied: &'a [Applied],
    ids: BTreeMap<(Prefix, String), u32>,
    text: Text,
}

impl Info<'_> {
    /// Actions of tables, in order.
    fn actions(&self) -> BTreeSet<ActionId> {
        let tables = self.applied.iter().map(|a| &self.program.tables[a.table]);
        tables
            .flat_map(|table| table.actions.iter().copied())
            .collect()
    }

    /// The table whose entries have the cells of a direct object.
    fn owner(&self, object: ObjectId) -> Option<&Applied> {
        let owns = |a: &&Applied| direct_objects(self.program, a.table).contains(&object);
        self.applied.iter().find(owns)
    }

    /// The kind of an object that a controller sees.
    fn prefix(&self, object: ObjectId) -> Option<Prefix> {
        let direct = self.owner(object).map(|_| ());
        match &self.program.objects[object].kind {
            ObjectKind::Counter { size: Some(_), .. } => Some(Prefix::Counter),
            ObjectKind::Counter { size: None, .. } => direct.map(|()| Prefix::DirectCounter),
            ObjectKind::Meter { size: Some(_), .. } => Some(Prefix::Meter),
            ObjectKind::Meter { size: None, .. } => direct.map(|()| Prefix::DirectMeter),
            ObjectKind::Register { .. } => Some(Prefix::Register),
            ObjectKind::PatternSet { .. }
            | ObjectKind::Allocator { .. }
            | ObjectKind::Message { .. }
            | ObjectKind::Random { .. } => None,
        }
    }

    fn number(&mut self) {
        let actions = self.actions().into_iter();
        let actions = actions.map(|id| (Prefix::Action, self.names.actions[id].clone()));
        let tables = self.applied.iter().map(|a| (Prefix::Table, a.name.clone()));
        let objects = self.program.objects.keys();
        let objects =
            objects.filter_map(|id| Some((self.prefix(id)?, self.names.objects[id].clone())));
        let drops = [(Prefix::Counter, DROPS.to_owned())];
        // In the order of names, since later ones go out of the way.
        let all: BTreeSet<(Prefix, String)> =
            actions.chain(tables).chain(objects).chain(drops).collect();
        let mut taken = BTreeSet::new();
        for (prefix, name) in all {
            let number = |hash: u32| (prefix as u32) << 24 | hash & 0xff_ffff;
            let mut hash = one_at_a_time(public(&name).as_bytes());
            while !taken.insert(number(hash)) {
                hash = hash.wrapping_add(1);
            }
            self.ids.insert((prefix, name), number(hash));
        }
    }

    fn id(&self, prefix: Prefix, name: &str) -> u32 {
        self.ids
            .get(&(prefix, name.to_owned()))
            .copied()
            .unwrap_or(0)
    }

    fn write(&mut self) {
        self.text.line("# proto-file: p4/config/v1/p4info.proto");
        self.text.line("# proto-message: p4.config.v1.P4Info");
        self.text.line("");
        let name = quoted(&self.program.name);
        self.text.block("pkg_info", "", |text| {
            text.line(format!("name: {name}"));
            text.line("arch: \"v1model\"");
        });
        for application in self.applied {
            self.table(application);
        }
        for action in self.actions() {
            self.action(action);
        }
        for (kind, prefixes) in [
            ("counter", [Prefix::Counter, Prefix::DirectCounter]),
            ("meter", [Prefix::Meter, Prefix::DirectMeter]),
            ("register", [Prefix::Register, Prefix::Register]),
        ] {
            for id in self.program.objects.keys() {
                if let Some(prefix) = self.prefix(id).filter(|p| prefixes.contains(p)) {
                    self.object(id, kind, prefix);
                }
            }
            if kind == "counter" {
                self.drops();
            }
        }
    }

    fn open(&mut self, message: &str, prefix: Prefix, name: &str) {
        let id = self.id(prefix, name);
        self.text.open(message);
        self.text.block("preamble", "", |text| {
            text.line(format!("id: {id}"));
            text.line(format!("name: {}", quoted(&public(name))));
            text.line(format!("alias: {}", quoted(name)));
        });
    }

    fn table(&mut self, application: &Applied) {
        let table = &self.program.tables[application.table];
        self.open("tables", Prefix::Table, &application.name);
        let kinds = kinds(self.program, table);
        for (at, (key, kind)) in table.keys.iter().zip(kinds).enumerate() {
            let width = self.program.width(&key.expr, &[]);
            let kind = match (kind, key.kind) {
                (_, MatchKind::Optional) => "OPTIONAL",
                (Kind::Exact, _) => "EXACT",
                (Kind::Lpm, _) => "LPM",
                (Kind::Ternary, _) => "TERNARY",
                (Kind::Range, _) => "RANGE",
            };
            self.text.block("match_fields", "", |text| {
                text.line(format!("id: {}", at + 1));
                text.line(format!("name: {}", quoted(&key.name)));
                text.line(format!("bitwidth: {width}"));
                text.line(format!("match_type: {kind}"));
            });
        }
        let mut seen = BTreeSet::new();
        for action in table.actions.iter().filter(|action| seen.insert(**action)) {
            let id = self.id(Prefix::Action, &self.names.actions[*action]);
            self.text
                .block("action_refs", "", |text| text.line(format!("id: {id}")));
        }
        if table.const_default {
            let default = &self.names.actions[table.default.action];
            let id = self.id(Prefix::Action, default);
            self.text.line(format!("const_default_action_id: {id}"));
        }
        for object in direct_objects(self.program, application.table) {
            if let Some(prefix) = self.prefix(object) {
                let id = self.id(prefix, &self.names.objects[object]);
                self.text.line(format!("direct_resource_ids: {id}"));
            }
        }
        self.text
            .line(format!("size: {}", self.cells(application.table)));
        if has_const_entries(table) {
            self.text.line("is_const_table: true");
        }
        self.text.close("");
    }

    fn cells(&self, table: TableId) -> u32 {
        table_size(self.program.tables[table].size)
    }

    fn action(&mut self, id: ActionId) {
        let name = self.names.actions[id].clone();
        self.open("actions", Prefix::Action, &name);
        let params = self.program.actions[id].params.iter();
        for (at, (param, name)) in params.zip(&self.names.params[id]).enumerate() {
            self.text.block("params", "", |text| {
                text.line(format!("id: {}", at + 1));
                text.line(format!("name: {}", quoted(name)));
                text.line(format!("bitwidth: {}", param.width));
            });
        }
        self.text.close("");
    }

    fn object(&mut self, object: ObjectId, kind: &str, prefix: Prefix) {
        let name = self.names.objects[object].clone();
        let owner = self.owner(object).map(|a| a.name.clone());
        let message = match owner {
            Some(_) => format!("direct_{kind}s"),
            None => format!("{kind}s"),
        };
        self.open(&message, prefix, &name);
        let size = match &self.program.objects[object].kind {
            ObjectKind::Counter { size, unit } => {
                self.spec(counter_unit(*unit));
                *size
            }
            ObjectKind::Meter { size, unit, .. } => {
                self.spec(meter_unit(*unit));
                *size
            }
            ObjectKind::Register { width, size, .. } => {
                self.text.block("type_spec", "", |text| {
                    text.block("bitstring", "", |text| {
                        text.block("bit", "", |text| text.line(format!("bitwidth: {width}")));
                    });
                });
                Some(*size)
            }
            ObjectKind::PatternSet { .. }
            | ObjectKind::Allocator { .. }
            | ObjectKind::Message { .. }
            | ObjectKind::Random { .. } => None,
        };
        if let Some(owner) = owner {
            let id = self.id(Prefix::Table, &owner);
            self.text.line(format!("direct_table_id: {id}"));
        }
        if let Some(size) = size {
            self.text.line(format!("size: {size}"));
        }
        self.text.close("");
    }

    /// The counter of dropped packets by reason.
    fn drops(&mut self) {
        self.open("counters", Prefix::Counter, DROPS);
        self.spec("PACKETS");
        let size = self.program.drop_reasons.len() + 1;
        self.text.line(format!("size: {size}"));
        self.text.close("");
    }

    fn spec(&mut self, unit: &str) {
        self.text
            .block("spec", "", |text| text.line(format!("unit: {unit}")));
    }
}

fn counter_unit(unit: CountUnit) -> &'static str {
    match unit {
        CountUnit::Packets => "PACKETS",
        CountUnit::Bytes => "BYTES",
        CountUnit::PacketsAndBytes => "BOTH",
    }
}

fn meter_unit(unit: CountUnit) -> &'static str {
    match unit {
        CountUnit::Packets => "PACKETS",
        CountUnit::Bytes | CountUnit::PacketsAndBytes => "BYTES",
    }
}

/// A string of the text format.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out += &format!("\\{byte:03o}"),
        }
    }
    out + "\""
}

/// Bob Jenkins' one-at-a-time hash.
fn one_at_a_time(bytes: &[u8]) -> u32 {
    let mixed = bytes.iter().fold(0_u32, |hash, byte| {
        let hash = hash.wrapping_add(u32::from(*byte));
        let hash = hash.wrapping_add(hash << 10);
        hash ^ hash >> 6
    });
    let hash = mixed.wrapping_add(mixed << 3);
    let hash = hash ^ hash >> 11;
    hash.wrapping_add(hash << 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_has_its_published_values() {
        // From the article that published it.
        assert_eq!(one_at_a_time(b"a"), 0xca2e_9442);
        assert_eq!(
            one_at_a_time(b"The quick brown fox jumps over the lazy dog"),
            0x519e_91f5
        );
    }

    #[test]
    fn strings_are_quoted_byte_by_byte() {
        assert_eq!(quoted("a\"b\\é\n"), "\"a\\\"b\\\\\\303\\251\\012\"");
    }
}
