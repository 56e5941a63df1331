//! The whole v1model program.
//!
//! All of the packet program runs in ingress; egress and the checksum controls are empty, since the
//! IR states checksums as ordinary arithmetic.

use std::collections::BTreeSet;

use trisect_ir::{
    ActionCall, CountUnit, Entry, FieldKind, Index, MatchKind, MetaId, ObjectKind, Op, Origin,
    ParserOp, Place, Program, StdMeta, Table, TableId, Transition,
};

use trisect_target::wire;

use crate::control::{self, Application, ControlText};
use crate::expr::constant;
use crate::graph::Graph;
use crate::names::{Names, Scope};
use crate::ops::{Statements, zero_header};
use crate::parser::{self, key_set};
use crate::text::Text;
use crate::valid::Facts;

/// The control that the program stands in.
pub(crate) const PIPELINE: &str = "Pipeline";
/// The macro that is defined when Trisect's own front end reads the program back.
pub(crate) const EMBEDDED: &str = "TRISECT";

/// The session by which packets are cloned that are sampled: its port leads to the collector.
pub(crate) const COLLECTOR: u32 = 250;
/// The list of metadata that clones keep.
pub(crate) const REPORTED: u32 = 1;

/// What writing takes.
pub(crate) struct Emitter<'a> {
    pub program: &'a Program,
    pub names: &'a Names,
    /// Names of the control and of variables.
    pub scope: Scope,
    /// Metadata that something reads or writes.
    used: BTreeSet<MetaId>,
    pub parser_reads_standard: bool,
}

/// The program's text and what its tables are called.
pub(crate) struct Emitted {
    pub text: String,
    pub applications: Vec<Application>,
}

/// Writes the program. It must have passed the checks.
pub(crate) fn program(program: &Program, names: &Names) -> Emitted {
    let mut emitter = Emitter {
        program,
        names,
        scope: names.control.clone(),
        used: used_metadata(program),
        parser_reads_standard: false,
    };
    emitter.parser_reads_standard = parser_metadata(program).iter().any(|meta| is_loaded(*meta));
    let graph = Graph::new(program);
    let facts = Facts::new(program, &graph.order);
    let mut text = Text::default();
    emitter.head(&mut text);
    emitter.types(&mut text);
    parser::write(&mut emitter, &facts, &mut text);
    let applications = emitter.ingress(&graph, &facts, &mut text);
    emitter.tail(&mut text);
    Emitted {
        text: text.into_string(),
        applications,
    }
}

/// Standard metadata that BMv2 knows under another name or unit.
fn is_loaded(meta: MetaId) -> bool {
    [
        StdMeta::IngressPort,
        StdMeta::PacketLength,
        StdMeta::Timestamp,
    ]
    .iter()
    .any(|std| std.id() == meta)
}

impl Emitter<'_> {
    fn head(&self, text: &mut Text) {
        text.comment(&format!(
            "{}: written by Trisect for v1model (BMv2's simple_switch).\n\
             Entries of the control plane are in entries.json beside this file.",
            self.program.name
        ));
        text.line("#include <core.p4>");
        text.line("#include <v1model.p4>");
        text.line("");
        let own = self
            .names
            .errors
            .get(trisect_ir::parser::CORE_ERRORS.len()..)
            .unwrap_or_default();
        if !own.is_empty() {
            text.block("error", "", |text| {
                for (at, error) in own.iter().enumerate() {
                    let comma = if at + 1 < own.len() { "," } else { "" };
                    text.line(format!("{error}{comma}"));
                }
            });
            text.line("");
        }
    }

    fn types(&self, text: &mut Text) {
        for (id, ty) in self.program.header_types.iter() {
            text.block(format!("header {}", self.names.types[id]), "", |text| {
                for (field, name) in ty.fields.iter().zip(&self.names.fields[id]) {
                    text.line(match field.kind {
                        FieldKind::Fixed(width) => format!("bit<{width}> {name};"),
                        FieldKind::Varbit(max) => format!("varbit<{max}> {name};"),
                    });
                }
            });
            text.line("");
        }
        text.block("struct headers_t", "", |text| {
            for (id, header) in self.program.headers.iter() {
                text.line(format!(
                    "{} {};",
                    self.names.types[header.ty], self.names.headers[id]
                ));
            }
            for (id, ty) in self.program.header_types.iter() {
                if ty.varbit().is_some() {
                    text.comment("never on the wire: all zeros, to set a header from");
                    text.line(format!(
                        "{} {};",
                        self.names.types[id],
                        zero_header(self.names, id)
                    ));
                }
            }
        });
        text.line("");
        text.block("struct metadata_t", "", |text| {
            for (id, meta) in self.program.metas.iter() {
                if self.used.contains(&id) {
                    let kept = match self.sampling().is_some_and(|(_, tag)| tag == id) {
                        true => format!("@field_list({REPORTED}) "),
                        false => String::new(),
                    };
                    let name = &self.names.metas[id];
                    text.line(format!("{kept}bit<{}> {name};", meta.width));
                }
            }
        });
        text.line("");
    }

    /// The IR's standard metadata from BMv2's.
    pub(crate) fn load_standard(&self, text: &mut Text) {
        let loads = [
            (
                StdMeta::IngressPort,
                "(bit<16>)standard_metadata.ingress_port",
                "",
            ),
            (StdMeta::PacketLength, "standard_metadata.packet_length", ""),
            (
                StdMeta::Timestamp,
                "(bit<64>)standard_metadata.ingress_global_timestamp * 64w1000",
                "Nanoseconds; BMv2's clock counts microseconds since the switch started.",
            ),
        ];
        let loads: Vec<_> = loads
            .iter()
            .filter(|(meta, ..)| self.used.contains(&meta.id()))
            .collect();
        if loads.is_empty() {
            return;
        }
        text.line(format!("#ifndef {EMBEDDED}"));
        for (meta, value, comment) in loads {
            text.comment(comment);
            text.line(format!("meta.{} = {value};", self.names.metas[meta.id()]));
        }
        text.line("#endif");
    }

    /// `parser_error` as a number. The numbers follow the order of declaration.
    fn load_parser_error(&self, text: &mut Text) {
        if !self.used.contains(&StdMeta::ParserError.id()) {
            return;
        }
        let target = &self.names.metas[StdMeta::ParserError.id()];
        text.line(format!("#ifndef {EMBEDDED}"));
        for (code, error) in self.names.errors.iter().enumerate().skip(1) {
            let word = if code == 1 { "if" } else { "} else if" };
            text.line(format!(
                "{word} (standard_metadata.parser_error == error.{error}) {{"
            ));
            text.line(format!("    meta.{target} = 8w{code};"));
        }
        text.line("}");
        text.line("#endif");
    }

    fn ingress(&mut self, graph: &Graph, facts: &Facts, text: &mut Text) -> Vec<Application> {
        text.line("");
        text.line("control NoChecks(inout headers_t hdr, inout metadata_t meta) { apply { } }");
        text.line("");
        text.open(format!(
            "control {PIPELINE}(inout headers_t hdr, inout metadata_t meta,\n                 \
             inout standard_metadata_t standard_metadata)",
        ));
        self.objects(text);
        self.drop_action(text);
        self.actions(facts, text);
        text.reopen();
        let depth = text.beside();
        text.dedent();
        let ControlText {
            variables,
            applications,
            flags,
            body,
        } = control::write(self, graph, facts, &depth);
        variables.iter().for_each(|variable| text.line(variable));
        for application in &applications {
            self.table(application, text);
        }
        text.open("apply");
        self.load_standard(text);
        self.load_parser_error(text);
        flags
            .iter()
            .for_each(|flag| text.line(format!("bool {flag} = false;")));
        text.append(body);
        let egress = &self.names.metas[StdMeta::EgressPort.id()];
        text.line(format!(
            "standard_metadata.egress_spec = meta.{egress}[8:0];"
        ));
        self.report("I2E", "", text);
        text.close("");
        text.close("");
        applications
    }

    /// The metadata that say whether a packet is sampled, and by which tag.
    fn sampling(&self) -> Option<(MetaId, MetaId)> {
        let sampled = self.program.meta_named(wire::SAMPLED)?;
        let tag = self.program.meta_named(wire::TAG)?;
        self.used.contains(&sampled).then_some((sampled, tag))
    }

    /// Sends a sampled packet, as it came in (`I2E`) or as it leaves (`E2E`), to the session of the collector, its tag
    /// with it. The embedded switch is asked for its tag instead.
    pub(crate) fn report(&self, which: &str, unless: &str, text: &mut Text) {
        let Some((sampled, _)) = self.sampling() else {
            return;
        };
        let sampled = &self.names.metas[sampled];
        text.line(format!("#ifndef {EMBEDDED}"));
        text.block(format!("if (meta.{sampled} == 1w1{unless})"), "", |text| {
            text.line(format!(
                "clone_preserving_field_list(CloneType.{which}, {COLLECTOR}, {REPORTED});"
            ));
        });
        text.line("#endif");
    }

    fn objects(&self, text: &mut Text) {
        for (id, object) in self.program.objects.iter() {
            let name = &self.names.objects[id];
            if *name != object.name {
                text.comment(&object.name);
            }
            let line = match &object.kind {
                ObjectKind::Counter {
                    size: Some(size),
                    unit,
                } => {
                    format!(
                        "counter({size}, CounterType.{}) {name};",
                        counter_type(*unit)
                    )
                }
                ObjectKind::Counter { size: None, unit } => {
                    format!(
                        "direct_counter(CounterType.{}) {name};",
                        counter_type(*unit)
                    )
                }
                ObjectKind::Meter {
                    size: Some(size),
                    unit,
                    ..
                } => {
                    format!("meter({size}, MeterType.{}) {name};", meter_type(*unit))
                }
                ObjectKind::Meter {
                    size: None, unit, ..
                } => {
                    format!(
                        "direct_meter<bit<8>>(MeterType.{}) {name};",
                        meter_type(*unit)
                    )
                }
                ObjectKind::Register { width, size, .. } => {
                    format!("register<bit<{width}>>({size}) {name};")
                }
                // Refused where they are used.
                ObjectKind::PatternSet { .. }
                | ObjectKind::Allocator { .. }
                | ObjectKind::Message { .. }
                | ObjectKind::Random { .. } => continue,
            };
            text.line(line);
        }
    }

    fn drop_action(&self, text: &mut Text) {
        let reasons = self.program.drop_reasons.len() + 1;
        let drop = &self.names.metas[StdMeta::Drop.id()];
        text.line(format!("#ifndef {EMBEDDED}"));
        text.comment("Dropped packets by reason: 0 none given");
        for (id, reason) in self.program.drop_reasons.iter() {
            text.comment(&format!("  {} {reason}", id.number()));
        }
        text.line(format!("counter({reasons}, CounterType.packets) drops;"));
        text.line("#endif");
        text.line("");
        text.block("action drop_packet()", "", |text| {
            text.line(format!("#ifndef {EMBEDDED}"));
            text.line(format!("drops.count((bit<32>)meta.{drop});"));
            text.line("#endif");
            text.line("mark_to_drop(standard_metadata);");
        });
        text.line("");
    }

    fn actions(&mut self, facts: &Facts, text: &mut Text) {
        for (id, action) in self.program.actions.iter() {
            let params = self.names.params[id].iter().zip(&action.params);
            let params: Vec<String> = params
                .map(|(name, p)| format!("bit<{}> {name}", p.width))
                .collect();
            let name = &self.names.actions[id];
            if *name != action.name {
                text.comment(&action.name);
            }
            text.open(format!("action {name}({})", params.join(", ")));
            Statements {
                program: self.program,
                names: self.names,
                scope: &mut self.scope,
                text,
                params: &self.names.params[id],
                param_widths: &action.params,
                valid: facts.actions[id].clone(),
            }
            .all(&action.ops);
            text.close("");
            text.line("");
        }
    }

    fn table(&self, application: &Application, text: &mut Text) {
        let table = &self.program.tables[application.table];
        if application.name != table.name {
            text.comment(&table.name);
        }
        text.open(format!("table {}", application.name));
        if !table.keys.is_empty() {
            text.block("key =", "", |text| {
                for (key, expr) in table.keys.iter().zip(&application.keys) {
                    let kind = match_kind(key.kind);
                    text.line(format!("{expr}: {kind} @name(\"{}\");", key.name));
                }
            });
        }
        text.block("actions =", "", |text| {
            for action in &table.actions {
                text.line(format!("{};", self.names.actions[*action]));
            }
            if !table.actions.contains(&table.default.action) {
                text.line(format!(
                    "@defaultonly {};",
                    self.names.actions[table.default.action]
                ));
            }
        });
        let word = if table.const_default { "const " } else { "" };
        text.line(format!(
            "{word}default_action = {};",
            self.call(&table.default)
        ));
        if has_const_entries(table) {
            text.block("const entries =", "", |text| {
                for entry in by_precedence(table) {
                    let keys: Vec<String> = entry.keys.iter().map(key_set).collect();
                    text.line(format!(
                        "({}): {};",
                        keys.join(", "),
                        self.call(&entry.call)
                    ));
                }
            });
        } else if !table.keys.is_empty() {
            text.line(format!("size = {};", table.size.max(1)));
        }
        for object in direct_objects(self.program, application.table) {
            let property = match self.program.objects[object].kind {
                ObjectKind::Meter { .. } => "meters",
                _ => "counters",
            };
            text.line(format!("{property} = {};", self.names.objects[object]));
        }
        text.close("");
        text.line("");
    }

    fn call(&self, call: &ActionCall) -> String {
        let args: Vec<String> = call.args.iter().map(constant).collect();
        format!("{}({})", self.names.actions[call.action], args.join(", "))
    }

    fn tail(&self, text: &mut Text) {
        text.line("");
        text.open("control Reports(inout headers_t hdr, inout metadata_t meta,\n                inout standard_metadata_t standard_metadata)");
        text.open("apply");
        // A copy is not copied again.
        let unless = " && standard_metadata.instance_type == 0";
        self.report("E2E", unless, text);
        text.close("");
        text.close("");
        text.line("");
        text.line("control NoUpdate(inout headers_t hdr, inout metadata_t meta) { apply { } }");
        text.line("");
        text.block(
            "control PacketDeparser(packet_out packet, in headers_t hdr)",
            "",
            |text| {
                text.block("apply", "", |text| {
                    for header in &self.program.deparser {
                        text.line(format!("packet.emit(hdr.{});", self.names.headers[*header]));
                    }
                });
            },
        );
        text.line("");
        text.line(format!(
            "V1Switch(PacketParser(), NoChecks(), {PIPELINE}(), Reports(), NoUpdate(), PacketDeparser()) main;"
        ));
    }
}

fn counter_type(unit: CountUnit) -> &'static str {
    match unit {
        CountUnit::Packets => "packets",
        CountUnit::Bytes => "bytes",
        CountUnit::PacketsAndBytes => "packets_and_bytes",
    }
}

fn meter_type(unit: CountUnit) -> &'static str {
    match unit {
        CountUnit::Packets => "packets",
        CountUnit::Bytes | CountUnit::PacketsAndBytes => "bytes",
    }
}

fn match_kind(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Exact => "exact",
        MatchKind::Lpm => "lpm",
        MatchKind::Ternary => "ternary",
        MatchKind::Range => "range",
        MatchKind::Optional => "optional",
    }
}

/// A table whose entries are all fixed has them in the program; else all come from the control plane.
pub(crate) fn has_const_entries(table: &Table) -> bool {
    !table.entries.is_empty()
        && table
            .entries
            .iter()
            .all(|entry| entry.origin == Origin::Const)
}

/// The entries, those that win first: a P4 compiler gives priorities in the order of the text. Without those that
/// never win, as one before has the same keys: P4 refuses them.
pub(crate) fn by_precedence(table: &Table) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = table.entries.iter().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.priority));
    let mut seen = BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.keys.iter().map(key_set).collect::<Vec<_>>()));
    entries
}

/// Direct counters and meters of a table, in order.
pub(crate) fn direct_objects(program: &Program, table: TableId) -> BTreeSet<trisect_ir::ObjectId> {
    let table = &program.tables[table];
    let called = table.actions.iter().chain([&table.default.action]);
    let mut found = BTreeSet::new();
    for action in called {
        direct_uses(&program.actions[*action].ops, &mut |object| {
            found.insert(object);
        });
    }
    found
}

/// Calls `f` for every use of the hit entry's own cell.
pub(crate) fn direct_uses(ops: &[Op], f: &mut impl FnMut(trisect_ir::ObjectId)) {
    for op in ops {
        match op {
            Op::Count(object, Index::Entry)
            | Op::Meter {
                object,
                index: Index::Entry,
                ..
            } => f(*object),
            Op::If(_, then, otherwise) => {
                direct_uses(then, f);
                direct_uses(otherwise, f);
            }
            _ => {}
        }
    }
}

// ------------------------------------------------------------------------------ metadata in use

/// Metadata that something reads or writes.
pub(crate) fn used_metadata(program: &Program) -> BTreeSet<MetaId> {
    let mut used = parser_metadata(program);
    used.extend([StdMeta::EgressPort.id(), StdMeta::Drop.id()]);
    let mut see = |meta| {
        used.insert(meta);
    };
    for action in program.actions.values() {
        crate::walk::ops(&action.ops, &mut see);
    }
    for table in program.tables.values() {
        table
            .keys
            .iter()
            .for_each(|key| crate::walk::expr(&key.expr, &mut see));
    }
    for node in program.control.nodes.values() {
        match &node.kind {
            trisect_ir::NodeKind::Branch(cond, ..) => crate::walk::expr(cond, &mut see),
            trisect_ir::NodeKind::Exec(ops, _) => crate::walk::ops(ops, &mut see),
            _ => {}
        }
    }
    used
}

fn parser_metadata(program: &Program) -> BTreeSet<MetaId> {
    let mut used = BTreeSet::new();
    let mut see = |meta| {
        used.insert(meta);
    };
    for state in program.parser.states.values() {
        for op in &state.ops {
            op.exprs()
                .into_iter()
                .for_each(|expr| crate::walk::expr(expr, &mut see));
            if let ParserOp::Set(to, _) = op
                && let Place::Meta(meta) = to.place
            {
                see(meta);
            }
        }
        if let Transition::Select(keys, _) = &state.next {
            keys.iter().for_each(|key| crate::walk::expr(key, &mut see));
        }
    }
    used
}
