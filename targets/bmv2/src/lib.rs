//! BMv2 target: packet programs as v1model P4-16, as the JSON that simple_switch loads, and table entries.
//!
//! A piece becomes `switch.p4`, which the P4 compiler accepts for BMv2's `simple_switch`,
//! `entries.json` with what the control plane loads ([`runtime`] states the format), and, without a P4
//! compiler, `switch.json` with `switch.p4info.txt` ([`json`]).
//!
//! | step      | what it does                                                           |
//! |-----------|------------------------------------------------------------------------|
//! | `check`, `limits` | what v1model or BMv2 cannot do (with reasons)                     |
//! | `model`   | what a switch has: the files in `models/`                               |
//! | `demand`, `pack` | what nodes take of it, and in which stages there is room         |
//! | `fixed`   | what fits the tables of a fixed pipeline                                |
//! | `names`   | P4 identifiers                                                         |
//! | `graph`   | joins and dominators of the control graph                              |
//! | `valid`   | which headers are certainly valid where                                |
//! | `expr`, `ops`, `control`, `parser`, `emit` | text                                  |
//! | `runtime` | entries                                                                |
//! | `json`    | the same program as JSON, and P4Info                                   |
//! | `readback` | from the artifacts back to the IR: what the embedded switch runs       |
//! | `whole`   | a program that copies packets, as its author wrote it                  |
//!
//! # How the IR's meaning is kept
//! - Fields of invalid headers read as 0: reads are guarded by `isValid()` unless the header is
//!   known to be valid. A header that becomes valid is set to zeros.
//! - One's complement sums are additions in 32 bits with the carries folded in; hashes that v1model
//!   computes otherwise (Toeplitz, identity, XOR) are plain arithmetic.
//! - All parts of the control graph stand once; a table that several nodes apply is written once for
//!   each of them, with the same entries.
//! - `timestamp` is in nanoseconds. BMv2's clock counts microseconds, so on BMv2 it has that
//!   resolution, and meters follow BMv2's own clock. The embedded rack, which sets the real
//!   arrival time, skips the line that reads the clock.
//! - A dropped packet is counted by reason in `drops` and marked to drop.

mod check;
pub mod codes;
mod control;
mod demand;
mod emit;
mod expr;
mod fixed;
mod graph;
pub mod json;
mod limits;
pub mod model;
mod names;
mod ops;
mod pack;
mod parser;
mod readback;
pub mod runtime;
mod text;
mod valid;
mod walk;
mod whole;

pub use model::SwitchModel;
pub use readback::{ReadBackError, read_back, read_back_whole};
use trisect_ir::diag::Diagnostic;
use trisect_ir::{NodeId, NodeKind, Program};
use trisect_target::{
    Artifact, Capability, Device, DeviceError, DeviceSpec, LowerError, Model, Refusal, Resources,
    Support, Target, TargetKind, Use, Verdict, Whole, resource,
};

use check::Form;
use demand::{Demand, Quantity};
use runtime::Runtime;

/// Name of the artifact with the program.
pub const PROGRAM_FILE: &str = "switch.p4";
/// Name of the artifact with the entries.
pub const ENTRIES_FILE: &str = "entries.json";

/// Name of the artifact with the program in the form that simple_switch loads.
pub const JSON_FILE: &str = "switch.json";
/// Name of the artifact that describes the program to a controller.
pub const P4INFO_FILE: &str = "switch.p4info.txt";
/// Name of the artifact that says where copies of packets go.
pub const COMMANDS_FILE: &str = "commands.txt";

/// The target `bmv2`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bmv2;

impl Target for Bmv2 {
    fn name(&self) -> &'static str {
        "bmv2"
    }

    fn kind(&self) -> TargetKind {
        TargetKind::Switch
    }

    fn description(&self) -> &'static str {
        "v1model P4-16 and JSON for BMv2's simple_switch, and the embedded switch, within the limits of a model"
    }

    fn models(&self) -> Vec<Model> {
        SwitchModel::builtin().into_iter().map(listed).collect()
    }

    fn read_model(&self, text: &str, file: &str) -> Option<Result<Model, Vec<Diagnostic>>> {
        Some(SwitchModel::parse(text, file).map(listed))
    }

    fn capabilities(&self, model: &str) -> Vec<Capability> {
        let figures = SwitchModel::named(model).map(|model| model.listing());
        capabilities()
            .into_iter()
            .chain(figures.into_iter().flatten())
            .collect()
    }

    fn device(&self, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError> {
        let model = match &spec.text {
            Some(text) => SwitchModel::parse(text, &spec.model)
                .map_err(|found| DeviceError::bad_model(&spec.model, found))?,
            None => SwitchModel::named(&spec.model).ok_or_else(|| {
                let known = SwitchModel::builtin().into_iter();
                DeviceError::UnknownModel {
                    target: self.name().to_owned(),
                    model: spec.model.clone(),
                    known: known.map(|model| model.name).collect(),
                }
            })?,
        };
        let bad = |quantity: &str, value, reason: &str| DeviceError::BadLimit {
            device: spec.name.clone(),
            quantity: quantity.to_owned(),
            value,
            reason: reason.to_owned(),
        };
        for (quantity, value) in spec.limits.iter() {
            if quantity == resource::STAGES && value == 0 {
                return Err(bad(quantity, value, "a pipeline has at least one stage"));
            }
            let of_stages = [
                resource::STAGES,
                resource::STAGE_SRAM_BITS,
                resource::STAGE_TCAM_BITS,
            ];
            if !model.tables.is_empty() && of_stages.contains(&quantity) {
                return Err(bad(
                    quantity,
                    value,
                    "a fixed pipeline has tables, not stages",
                ));
            }
        }
        Ok(Box::new(Switch::new(model, spec.limits.clone())))
    }
}

fn listed(model: SwitchModel) -> Model {
    Model {
        name: model.name.clone(),
        description: model.description.clone(),
        budget: Switch::new(model, Resources::new()).budget,
    }
}

fn capabilities() -> Vec<Capability> {
    use Support::{No, Yes};
    let limited = |text: &str| Support::Limited(text.to_owned());
    [
        ("match", "exact", Yes),
        ("match", "lpm", limited("one key of a table")),
        ("match", "ternary", Yes),
        ("match", "range", Yes),
        ("match", "optional", Yes),
        ("match", "entries from the data path", No),
        ("match", "search in the payload", No),
        ("action", "set fields and metadata", Yes),
        ("action", "add, remove and copy headers", Yes),
        ("action", "one's complement checksums", Yes),
        ("action", "hashes (CRC, Toeplitz, XOR)", Yes),
        ("action", "division", limited("by powers of two")),
        (
            "action",
            "shift by a variable",
            limited("values of at most 255 bits"),
        ),
        ("state", "counters", Yes),
        (
            "state",
            "direct counters and meters",
            limited("used by every action of one table"),
        ),
        ("state", "registers", Yes),
        (
            "state",
            "meters",
            limited("colour-blind; on BMv2 itself by its own clock"),
        ),
        ("state", "allocators", No),
        ("parser", "select, lookahead, varbit", Yes),
        ("parser", "parse again", No),
        ("hand-over", "NSH", Yes),
        ("hand-over", "ports", limited("numbers up to 510")),
        (
            "hand-over",
            "timestamp",
            limited("nanoseconds; on BMv2 itself in steps of 1000"),
        ),
    ]
    .map(|(group, name, support)| Capability::new(group, name, support))
    .to_vec()
}

/// One switch: its model with the rack file's limits put in, and what it has in all.
#[derive(Clone, Debug)]
struct Switch {
    model: SwitchModel,
    budget: Resources,
}

impl Switch {
    fn new(mut model: SwitchModel, limits: Resources) -> Self {
        let stated = [
            ("stages", limits.get(resource::STAGES)),
            (
                "stage.sram.blocks",
                blocks(&model, "sram", resource::STAGE_SRAM_BITS, &limits),
            ),
            (
                "stage.tcam.blocks",
                blocks(&model, "tcam", resource::STAGE_TCAM_BITS, &limits),
            ),
        ];
        for (path, value) in stated {
            if let Some(value) = value {
                let value = u32::try_from(value).unwrap_or(u32::MAX);
                model.figures.insert(path.to_owned(), value);
            }
        }
        let mut budget = model.whole();
        for name in [resource::ENTRIES, resource::UPDATES] {
            if let Some(amount) = limits.get(name) {
                budget = budget.with(name, amount);
            }
        }
        for quantity in Quantity::ALL {
            if let (Some(each), Some(stages)) = (quantity.available(&model), model.stages()) {
                budget = budget.with(quantity.name(&model), each.saturating_mul(stages));
            }
        }
        Self { model, budget }
    }

    /// The first node for which there is no room.
    fn pack(&self, piece: &Program) -> Result<u64, Box<pack::NoRoom>> {
        pack::pack(piece, &self.model)
    }

    /// What is used, if nothing was refused and the switch has that much.
    fn within_budget(
        &self,
        resources: Resources,
        mut refusals: Vec<Refusal>,
    ) -> Result<Use, Vec<Refusal>> {
        refusals.extend(shortages(&resources, &self.budget));
        match refusals.is_empty() {
            true => Ok(Use {
                resources,
                cycles: 0,
            }),
            false => Err(refusals),
        }
    }

    /// What a piece for the stages takes, whether there is that much or not.
    fn used(&self, piece: &Program) -> Resources {
        let mut used = demand::of_parser(piece);
        used = used
            .iter()
            .filter(|(name, _)| *name == resource::PARSER_STATES || self.budget.get(name).is_some())
            .map(|(name, amount)| (name.to_owned(), amount))
            .collect();
        let mut tables = std::collections::BTreeSet::new();
        for node in trisect_ir::analysis::topological(piece) {
            let again = match piece.control.nodes[node].kind {
                NodeKind::Apply(table, _) => !tables.insert(table),
                _ => false,
            };
            if !again {
                let demand = Demand::of(piece, node, &self.model);
                used.add(&demand.resources(&self.model, 1));
            }
        }
        used
    }
}

/// Whole blocks of a stage's memory, if the rack file says how many bits there are.
fn blocks(model: &SwitchModel, kind: &str, quantity: &str, limits: &Resources) -> Option<u64> {
    let memory = model.memory(kind);
    Some(limits.get(quantity)? / (memory.width * memory.depth).max(1))
}

impl Device for Switch {
    fn budget(&self) -> Resources {
        self.budget.clone()
    }

    fn check(&self, program: &Program, node: NodeId) -> Verdict {
        let refusals = check::node(program, node, Form::P4);
        if !refusals.is_empty() {
            return Verdict::Unable(refusals);
        }
        let resources = if self.model.tables.is_empty() {
            let demand = Demand::of(program, node, &self.model);
            let name = &program.control.nodes[node].name;
            pack::alone(name, &demand, &self.model)
                .map(|stages| demand.resources(&self.model, stages))
                .map_err(|refusal| vec![refusal])
        } else {
            fixed::node(program, node, &self.model)
        };
        match resources {
            Err(refusals) => Verdict::Unable(refusals),
            Ok(resources) => match shortages(&resources, &self.budget) {
                short if short.is_empty() => Verdict::Able(Use {
                    resources,
                    cycles: 0,
                }),
                short => Verdict::Unable(short),
            },
        }
    }

    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>> {
        let mut refusals = check::piece(piece, Form::P4);
        let resources = if self.model.tables.is_empty() {
            let used = self.used(piece);
            match self.pack(piece) {
                Ok(stages) => used.with(resource::STAGES, stages),
                Err(no_room) => {
                    refusals.push(no_room.refusal);
                    // Packing has said what is short in a stage.
                    used.with(resource::STAGES, 0)
                }
            }
        } else {
            match fixed::piece(piece, &self.model) {
                Ok(used) => used,
                Err(found) => {
                    refusals.extend(found);
                    Resources::new()
                }
            }
        };
        self.within_budget(resources, refusals)
    }

    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError> {
        let (text, runtime) = lower(piece)?;
        self.pack(piece).map_err(|no_room| LowerError::Refused {
            node: piece.control.nodes[no_room.node].name.clone(),
            refusal: no_room.refusal,
        })?;
        let program = json::emit(piece, json::Entries::Const)?;
        Ok(vec![
            Artifact::text(PROGRAM_FILE, text),
            Artifact::text(ENTRIES_FILE, pretty(&runtime)?),
            Artifact::text(JSON_FILE, pretty(&program)?),
            Artifact::text(P4INFO_FILE, json::p4info(piece)?),
        ])
    }

    fn fit_whole(&self, program: &Program, whole: &Whole) -> Result<Use, Vec<Refusal>> {
        if !self.model.tables.is_empty() {
            return Err(vec![whole::of_fixed_pipeline()]);
        }
        let mut refusals = whole::refusals(program, whole);
        let mut resources = self.used(program);
        match self.pack(program) {
            Ok(stages) => resources = resources.with(resource::STAGES, stages),
            Err(no_room) => refusals.push(no_room.refusal),
        }
        self.within_budget(resources, refusals)
    }

    fn lower_whole(&self, program: &Program, whole: &Whole) -> Result<Vec<Artifact>, LowerError> {
        if let Err(refusals) = self.fit_whole(program, whole)
            && let Some(refusal) = refusals.into_iter().next()
        {
            let node = String::new();
            return Err(LowerError::Refused { node, refusal });
        }
        Ok(vec![
            Artifact::text(PROGRAM_FILE, &*whole.source),
            Artifact::text(ENTRIES_FILE, pretty(&runtime::of_whole(program, whole))?),
            Artifact::text(COMMANDS_FILE, &*whole.copies),
        ])
    }
}

/// Indented JSON with a line end.
fn pretty(value: &impl serde::Serialize) -> Result<String, LowerError> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => Ok(text + "\n"),
        Err(error) => Err(LowerError::Internal {
            target: Bmv2.name().to_owned(),
            message: error.to_string(),
        }),
    }
}

fn shortages(used: &Resources, budget: &Resources) -> Vec<Refusal> {
    let short = used.exceeding(budget).into_iter();
    short
        .map(|shortage| Refusal {
            code: codes::RESOURCES,
            operation: format!("{} {}", shortage.needed, shortage.quantity),
            capability: format!("the switch has {}", shortage.available),
            hint: "smaller tables, or a larger switch".to_owned(),
        })
        .collect()
}

/// The v1model program of a piece, and what its control plane loads.
///
/// # Errors
/// The piece is not a valid program, or asks for what v1model cannot do.
pub fn lower(piece: &Program) -> Result<(String, Runtime), LowerError> {
    check::refuse(piece, Form::P4)?;
    let names = names::Names::new(piece);
    let emitted = emit::program(piece, &names);
    let runtime = runtime::of_program(piece, &names, &emitted.applications);
    Ok((emitted.text, runtime))
}
