//! BMv2 target: packet programs as v1model P4-16, as the JSON that simple_switch loads, and table entries.
//!
//! A piece becomes `switch.p4`, which the P4 compiler accepts for BMv2's `simple_switch`,
//! `entries.json` with what the control plane loads ([`runtime`] states the format), and, without a P4
//! compiler, `switch.json` with `switch.p4info.txt` ([`json`]).
//!
//! | step      | what it does                                                           |
//! |-----------|------------------------------------------------------------------------|
//! | `check`, `limits` | what v1model or BMv2 cannot do (with reasons), and what the rest uses |
//! | `names`   | P4 identifiers                                                         |
//! | `graph`   | joins and dominators of the control graph                              |
//! | `valid`   | which headers are certainly valid where                                |
//! | `expr`, `ops`, `control`, `parser`, `emit` | text                                  |
//! | `runtime` | entries                                                                |
//! | `json`    | the same program as JSON, and P4Info                                   |
//! | `readback` | from the artifacts back to the IR: what the embedded switch runs       |
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
mod emit;
mod expr;
mod graph;
pub mod json;
mod limits;
mod names;
mod ops;
mod parser;
mod readback;
pub mod runtime;
mod text;
mod valid;
mod walk;

pub use readback::{ReadBackError, read_back};
use trisect_ir::{NodeId, Program};
use trisect_target::{
    Artifact, Capability, Device, DeviceError, DeviceSpec, LowerError, Model, Refusal, Resources,
    Support, Target, TargetKind, Use, Verdict, resource,
};

use check::{Form, Stage};
use runtime::Runtime;

/// Name of the artifact with the program.
pub const PROGRAM_FILE: &str = "switch.p4";
/// Name of the artifact with the entries.
pub const ENTRIES_FILE: &str = "entries.json";

/// Name of the artifact with the program in the form that simple_switch loads.
pub const JSON_FILE: &str = "switch.json";
/// Name of the artifact that describes the program to a controller.
pub const P4INFO_FILE: &str = "switch.p4info.txt";

/// The target `bmv2`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bmv2;

/// Its only model.
const MODEL: &str = "simple_switch";

impl Target for Bmv2 {
    fn name(&self) -> &'static str {
        "bmv2"
    }

    fn kind(&self) -> TargetKind {
        TargetKind::Switch
    }

    fn description(&self) -> &'static str {
        "v1model P4-16 and JSON for BMv2's simple_switch, and the embedded switch"
    }

    fn models(&self) -> Vec<Model> {
        vec![Model {
            name: MODEL.to_owned(),
            description:
                "BMv2 itself has no limits; the rack file gives those of the switch it stands for"
                    .to_owned(),
            budget: Resources::new(),
        }]
    }

    fn capabilities(&self, _model: &str) -> Vec<Capability> {
        capabilities()
    }

    fn device(&self, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError> {
        let known = self.models();
        let Some(model) = known.iter().find(|model| model.name == spec.model) else {
            return Err(DeviceError::UnknownModel {
                target: self.name().to_owned(),
                model: spec.model.clone(),
                known: known.into_iter().map(|model| model.name).collect(),
            });
        };
        if spec.limits.get(resource::STAGES) == Some(0) {
            return Err(DeviceError::BadLimit {
                device: spec.name.clone(),
                quantity: resource::STAGES.to_owned(),
                value: 0,
                reason: "a pipeline has at least one stage".to_owned(),
            });
        }
        Ok(Box::new(Switch {
            budget: model.budget.clone().overridden_by(&spec.limits),
        }))
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

/// One switch.
#[derive(Clone, Debug)]
struct Switch {
    budget: Resources,
}

impl Switch {
    fn stage(&self) -> Stage {
        let per_stage =
            |quantity| Some(self.budget.get(quantity)? / self.budget.get(resource::STAGES)?.max(1));
        Stage {
            sram: per_stage(resource::SRAM_BITS),
            tcam: per_stage(resource::TCAM_BITS),
        }
    }
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
        let resources = check::resources(program, node, &self.stage());
        let short = shortages(&resources, &self.budget);
        if short.is_empty() {
            Verdict::Able(Use {
                resources,
                cycles: 0,
            })
        } else {
            Verdict::Unable(short)
        }
    }

    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>> {
        let resources = check::total(piece, &self.stage());
        let mut refusals = check::piece(piece, Form::P4);
        refusals.extend(shortages(&resources, &self.budget));
        if refusals.is_empty() {
            Ok(Use {
                resources,
                cycles: 0,
            })
        } else {
            Err(refusals)
        }
    }

    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError> {
        let (text, runtime) = lower(piece)?;
        let program = json::emit(piece, json::Entries::Const)?;
        Ok(vec![
            Artifact::text(PROGRAM_FILE, text),
            Artifact::text(ENTRIES_FILE, pretty(&runtime)?),
            Artifact::text(JSON_FILE, pretty(&program)?),
            Artifact::text(P4INFO_FILE, json::p4info(piece)?),
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
