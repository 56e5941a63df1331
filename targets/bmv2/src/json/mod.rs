//! The JSON program that simple_switch loads, without a P4 compiler in between.
//!
//! [`emit`] writes version 2.24 of the format that the behavioral-model repository documents in
//! `docs/JSON_format.md`; [`p4info()`] describes the same tables, actions and objects to a controller that speaks
//! P4Runtime. Names are those of the emitted P4 text, `Pipeline.` in front.
//!
//! | file | what it writes |
//! |---|---|
//! | `value`, `code` | values; expressions with what must be computed before them |
//! | `ops` | operations as primitives |
//! | `parser`, `control`, `tables` | parser states; nodes; keys and entries |
//! | `validate` | no part of what is written: checks that all that is named is there |
//! | `p4info` | P4Info |
//!
//! # How the IR's meaning is kept
//! - Numbers of BMv2 have no width until they are stored, so every operator that can leave its width is cut to it.
//! - Fields of invalid headers read as 0: see `valid`. Headers that become valid are set to zeros.
//! - Divisions by zero and indices past the end, at which BMv2 stops, are guarded.
//! - A packet is sent by `egress_spec` and dropped by `mark_to_drop`. The ports are 16 bits wide, as the IR's are.
//! - Header stacks are single headers: the IR has unrolled them.

mod code;
mod control;
mod ops;
mod p4info;
mod parser;
mod tables;
mod validate;
mod value;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trisect_ir::{
    ActionId, CountUnit, Entity, FieldKind, MetaId, ObjectId, ObjectKind, Program, StdMeta, TableId,
};
use trisect_target::{LowerError, Refusal};

use crate::control::{Applied, applied};
use crate::emit::{direct_objects, used_metadata};
use crate::graph::Graph;
use crate::names::Names;
use crate::valid::{Facts, Valid};
use crate::{check, codes};

use code::{Calculation, Code, Shared, Within, calculation_name};
use control::table_size;
use ops::{DROPS, public};
use value::{META, SCRATCH, STANDARD, binary, choose, field, leaf, meta, number, zero_header};

pub use p4info::p4info;

/// The version of the format.
const VERSION: [u32; 2] = [2, 24];

/// Which entries stand in the program. Those that do cannot be changed while the switch runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entries {
    /// Entries of tables all of whose entries are `const`; the others are the control plane's, as in
    /// [`crate::runtime`].
    #[default]
    Const,
    /// All entries: the program runs without a control plane. What only a control plane can set (rates of meters,
    /// initial values of registers) is refused.
    All,
}

/// The program as simple_switch loads it.
///
/// # Errors
/// The program is not valid, or asks for what simple_switch cannot do.
pub fn emit(program: &Program, entries: Entries) -> Result<Value, LowerError> {
    check_all(program, entries)?;
    let names = Names::new(program);
    let graph = Graph::new(program);
    let facts = Facts::new(program, &graph.order);
    let metas = used_metadata(program);
    let mut emitter = Emitter {
        program,
        names: &names,
        graph: &graph,
        facts: &facts,
        metas: &metas,
        entries,
        shared: Shared::default(),
        actions: Vec::new(),
        load_error: None,
    };
    let json = emitter.program();
    debug_assert_eq!(validate::problems(&json), Vec::<String>::new());
    Ok(json)
}

/// That the program is one, and one that simple_switch can run.
pub(crate) fn check_all(program: &Program, entries: Entries) -> Result<(), LowerError> {
    trisect_ir::verify(program).map_err(|errors| LowerError::Invalid(errors.to_string()))?;
    check::refuse(program, check::Form::Json)?;
    if entries == Entries::All
        && let Some(refusal) = left_to_the_control_plane(program)
    {
        return Err(LowerError::Refused {
            node: String::new(),
            refusal,
        });
    }
    Ok(())
}

fn left_to_the_control_plane(program: &Program) -> Option<Refusal> {
    program.objects.values().find_map(|object| {
        let what = match &object.kind {
            ObjectKind::Meter { .. } => "rates of the meter",
            ObjectKind::Register { init, .. } if !init.is_zero() => {
                "initial values of the register"
            }
            _ => return None,
        };
        Some(Refusal {
            code: codes::LIMIT,
            operation: format!("{what} `{}` in the program", object.name),
            capability: "BMv2's programs have no place for them; the control plane sets them"
                .to_owned(),
            hint: "leave the entries to the control plane, too".to_owned(),
        })
    })
}

/// What writing takes.
struct Emitter<'a> {
    program: &'a Program,
    names: &'a Names,
    graph: &'a Graph,
    facts: &'a Facts,
    /// Metadata in use.
    metas: &'a BTreeSet<MetaId>,
    entries: Entries,
    shared: Shared,
    /// All actions; those of the program have their own numbers.
    actions: Vec<Value>,
    /// The action that takes over simple_switch's parser error.
    load_error: Option<usize>,
}

impl<'a> Emitter<'a> {
    fn program(&mut self) -> Value {
        let applied = applied(self.program, self.names, self.graph);
        let parser = self.parser();
        self.actions();
        if self.metas.contains(&StdMeta::ParserError.id()) {
            self.load_error = Some(self.load_parser_error());
        }
        let pipelines = self.pipelines(&applied);
        let objects = self.objects(&applied);
        let (types, headers) = self.headers();
        json!({
            "__meta__": {
                "version": VERSION,
                "compiler": concat!("trisect ", env!("CARGO_PKG_VERSION")),
            },
            "program": self.program.name,
            "header_types": types,
            "headers": headers,
            "header_stacks": [],
            "header_union_types": [],
            "header_unions": [],
            "header_union_stacks": [],
            "field_lists": self.field_lists(),
            "errors": self.errors(),
            "enums": [],
            "parsers": [parser],
            "parse_vsets": [],
            "deparsers": [{
                "name": "deparser",
                "id": 0,
                "order": self.program.deparser.iter()
                    .map(|header| &self.names.headers[*header])
                    .collect::<Vec<_>>(),
                "primitives": [],
            }],
            "meter_arrays": objects.meters,
            "counter_arrays": objects.counters,
            "register_arrays": objects.registers,
            "calculations": self.calculations(),
            "learn_lists": [],
            "actions": self.actions,
            "pipelines": pipelines,
            "checksums": [],
            "extern_instances": [],
            "force_arith": [],
            "field_aliases": [
                ["intrinsic_metadata.ingress_global_timestamp", [STANDARD, "ingress_global_timestamp"]],
            ],
        })
    }

    /// A place of the program to write code in.
    fn code<'e>(
        &'e mut self,
        params: &'e [trisect_ir::Param],
        valid: Valid,
        within: Within,
    ) -> Code<'e>
    where
        'a: 'e,
    {
        self.shared.scratch.restart();
        Code {
            program: self.program,
            names: self.names,
            shared: &mut self.shared,
            params,
            valid,
            within,
            out: Vec::new(),
            emptied: Vec::new(),
        }
    }

    // ----------------------------------------------------------------------------------- headers

    fn headers(&self) -> (Vec<Value>, Vec<Value>) {
        let mut types = Vec::new();
        let mut headers = Vec::new();
        for (id, ty) in self.program.header_types.iter() {
            let fields = ty.fields.iter().zip(&self.names.fields[id]);
            let fields = fields.map(|(field, name)| match field.kind {
                FieldKind::Fixed(width) => json!([name, width, false]),
                FieldKind::Varbit(_) => json!([name, "*"]),
            });
            let mut json = json!({
                "name": self.names.types[id],
                "id": types.len(),
                "fields": fields.collect::<Vec<_>>(),
            });
            if let Some(most) = ty.varbit() {
                json["max_length"] = json!((ty.fixed_bits() + most) / 8);
            }
            types.push(json);
        }
        let mut instance = |name: &str, ty: &str, metadata: bool| {
            headers.push(json!({
                "name": name, "id": headers.len(), "header_type": ty, "metadata": metadata,
            }));
        };
        for (id, header) in self.program.headers.iter() {
            instance(&self.names.headers[id], &self.names.types[header.ty], false);
        }
        for (id, ty) in self.program.header_types.iter() {
            if ty.varbit().is_some() {
                instance(&zero_header(id), &self.names.types[id], false);
            }
        }
        let metas = self.metas.iter();
        let metas = metas.map(|id| (self.names.metas[*id].clone(), self.program.metas[*id].width));
        let standard = STANDARD_FIELDS
            .iter()
            .map(|(name, width)| ((*name).to_owned(), *width));
        for (name, fields) in [
            (META, metas.collect::<Vec<_>>()),
            (STANDARD, standard.collect()),
            (SCRATCH, self.shared.scratch.fields()),
        ] {
            let ty = format!("{name}_t");
            types.push(json!({ "name": ty, "id": types.len(), "fields": whole_bytes(fields) }));
            instance(name, &ty, true);
        }
        (types, headers)
    }

    fn errors(&self) -> Vec<Value> {
        let errors = self.names.errors.iter().enumerate();
        errors.map(|(code, name)| json!([name, code])).collect()
    }

    // ----------------------------------------------------------------------------------- actions

    fn action_name(&self, id: ActionId) -> String {
        public(&self.names.actions[id])
    }

    fn actions(&mut self) {
        for (id, action) in self.program.actions.iter() {
            let valid = self.facts.actions[id].clone();
            let mut code = self.code(&action.params, valid, Within::Action);
            code.all(&action.ops);
            let primitives = std::mem::take(&mut code.out);
            let params = action.params.iter().zip(&self.names.params[id]);
            let params = params.map(|(p, name)| json!({ "name": name, "bitwidth": p.width }));
            self.actions.push(json!({
                "name": self.action_name(id),
                "id": id.index(),
                "runtime_data": params.collect::<Vec<_>>(),
                "primitives": primitives,
            }));
        }
    }

    /// An action that no table names.
    fn hidden_action(&mut self, name: String, primitives: Vec<Value>) -> usize {
        let id = self.actions.len();
        self.actions.push(json!({
            "name": name, "id": id, "runtime_data": [], "primitives": primitives,
        }));
        id
    }

    /// An error that ended parsing counts more than what the parser assigned.
    fn load_parser_error(&mut self) -> usize {
        let to = meta(self.names, StdMeta::ParserError.id());
        let mut code = self.code(&[], Valid::new(), Within::Action);
        let found = leaf(field(STANDARD, "parser_error"));
        let none = binary("==", found.clone(), number(32, 0));
        code.store(&to, choose(none, leaf(to.clone()), found));
        let primitives = std::mem::take(&mut code.out);
        self.hidden_action("start.parser_error".to_owned(), primitives)
    }

    fn calculations(&self) -> Vec<Value> {
        let calculations = self.shared.calculations.iter().enumerate();
        let json = |(at, Calculation { algorithm, input }): (usize, &Calculation)| json!({ "name": calculation_name(at), "id": at, "algo": algorithm, "input": input });
        calculations.map(json).collect()
    }

    // ----------------------------------------------------------------------------------- objects

    fn objects(&mut self, applied: &[Applied]) -> Objects {
        let mut objects = Objects::default();
        for (id, object) in self.program.objects.iter() {
            let name = public(&self.names.objects[id]);
            match &object.kind {
                ObjectKind::Counter { size, .. } => {
                    let mut json = json!({
                        "name": name, "id": objects.counters.len(), "is_direct": size.is_none(),
                    });
                    match (size, self.owner(id, applied)) {
                        (Some(size), _) => json["size"] = json!(size),
                        (None, Some((table, _))) => json["binding"] = json!(table),
                        (None, None) => continue,
                    }
                    objects.counters.push(json);
                }
                ObjectKind::Meter { size, unit, .. } => {
                    let mut json = json!({
                        "name": name,
                        "id": objects.meters.len(),
                        "type": meter_type(*unit),
                        "rate_count": 2,
                        "is_direct": size.is_none(),
                    });
                    match (size, self.owner(id, applied)) {
                        (Some(size), _) => json["size"] = json!(size),
                        (None, Some((table, size))) => {
                            let color = self.shared.scratch.color(&self.names.objects[id]);
                            json["binding"] = json!(table);
                            json["size"] = json!(size);
                            json["result_target"] = json!([SCRATCH, color]);
                        }
                        (None, None) => continue,
                    }
                    objects.meters.push(json);
                }
                ObjectKind::Register { width, size, .. } => objects.registers.push(json!({
                    "name": name, "id": objects.registers.len(), "size": size, "bitwidth": width,
                })),
                // Refused where they are used.
                ObjectKind::PatternSet { .. }
                | ObjectKind::Allocator { .. }
                | ObjectKind::Message { .. }
                | ObjectKind::Random { .. } => {}
            }
        }
        objects.counters.push(json!({
            "name": public(DROPS),
            "id": objects.counters.len(),
            "is_direct": false,
            "size": self.program.drop_reasons.len() + 1,
        }));
        objects
    }

    /// The table whose entries have the cells of a direct object, with the number of cells.
    fn owner(&self, object: ObjectId, applied: &[Applied]) -> Option<(String, usize)> {
        let owns = |table: TableId| direct_objects(self.program, table).contains(&object);
        let application = applied.iter().find(|application| owns(application.table))?;
        let table = &self.program.tables[application.table];
        let cells = if self.holds_entries(application.table) {
            let widths = table
                .keys
                .iter()
                .map(|key| self.program.width(&key.expr, &[]));
            tables::by_precedence(table, &widths.collect::<Vec<_>>()).len()
        } else {
            table_size(table.size) as usize
        };
        Some((public(&application.name), cells))
    }
}

/// Arrays of each kind.
#[derive(Default)]
struct Objects {
    counters: Vec<Value>,
    meters: Vec<Value>,
    registers: Vec<Value>,
}

/// What simple_switch reads and writes. The ports have the IR's width.
const STANDARD_FIELDS: [(&str, u32); 7] = [
    ("ingress_port", 16),
    ("egress_spec", 16),
    ("egress_port", 16),
    ("instance_type", 32),
    ("packet_length", 32),
    ("ingress_global_timestamp", 48),
    ("parser_error", 32),
];

/// Fields of metadata, filled up to whole bytes.
fn whole_bytes(mut fields: Vec<(String, u32)>) -> Vec<Value> {
    let bits: u32 = fields.iter().map(|(_, width)| width).sum();
    let missing = bits.next_multiple_of(8) - bits;
    if missing > 0 {
        fields.push(("$padding".to_owned(), missing));
    }
    fields
        .into_iter()
        .map(|(name, width)| json!([name, width, false]))
        .collect()
}

fn meter_type(unit: CountUnit) -> &'static str {
    match unit {
        CountUnit::Packets => "packets",
        CountUnit::Bytes | CountUnit::PacketsAndBytes => "bytes",
    }
}
