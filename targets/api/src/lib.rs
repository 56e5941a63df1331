//! What a target is: capabilities, legality with reasons, cost, lowering, artifacts.
//!
//! A [`Target`] is a kind of machine (`bmv2`, `rte-flow`, `host`); a [`Device`] is one machine of
//! it with the budget that the rack file gives it. The plan asks a device about single nodes
//! ([`Device::check`]), then about the whole piece that it got ([`Device::fit`]), and at the end
//! lowers the piece to artifacts ([`Device::lower`]). A new target is one crate that implements
//! the two traits, and one line in the list from which the CLI builds its [`Registry`].
//!
//! # Invariants
//! - `check`, `fit` and `lower` are pure functions of device and program: same input, same answer,
//!   same bytes.
//! - What `check` answers `Able` for every node of, `fit` may refuse for reasons that only the whole
//!   shows; what `fit` accepts, `lower` lowers.
//! - A device never approximates: what it cannot do exactly as the interpreter does, it refuses
//!   with a [`Refusal`].

mod capability;
mod registry;
mod resources;
pub mod wire;

pub use capability::{Capability, Support};
pub use registry::{DuplicateTarget, Registry};
pub use resources::{Resources, Shortage, names as resource};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use trisect_ir::bridge::Bridge;
use trisect_ir::diag::{Code, Diagnostic};
use trisect_ir::{KeySet, NodeId, Program, TableId};

/// A program that copies packets needs a traffic manager, and the device has none.
pub const NO_TRAFFIC_MANAGER: Code = Code(400);

/// For so many flow tables a number that a NIC gives to a flow can stand.
pub const HINTED_TABLES: usize = 7;

/// What role a device has in a rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A programmable switch: the external ports are on it.
    Switch,
    /// A SmartNIC: sees what the switch sends to its server, before the host does.
    Nic,
    /// The cores of a server.
    Host,
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switch => "switch",
            Self::Nic => "NIC",
            Self::Host => "host",
        })
    }
}

/// A model of a target: a named set of limits and abilities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Name, as rack files write it: `generic`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Its limits where the rack file gives none. A quantity that is not named is unbounded.
    pub budget: Resources,
}

/// One device of a rack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// Unique name in the rack: `switch`, `s1.nic`, `s1`.
    pub name: String,
    /// Which model it is: one of [`Target::models`], or the name of the file whose text is `text`.
    pub model: String,
    /// The text of a model of the user's own, in the target's format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Limits from the rack file; they replace the model's where both name a quantity.
    pub limits: Resources,
    /// For a host: what look-ups in flow tables take, as measured, by the size of the table, ascending; empty: the target's
    /// estimates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub look_ups: Vec<LookUpCycles>,
}

/// What look-ups take in a flow table of a size. Between sizes they grow with the logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookUpCycles {
    /// Bytes of the table's entries.
    pub bytes: u64,
    /// Cycles without a number for the packet's flow.
    pub cycles: u64,
    /// Cycles by number.
    pub by_number: u64,
}

/// A kind of machine that pieces can be compiled for.
pub trait Target: Send + Sync {
    /// Name, as rack files and `--target` write it.
    fn name(&self) -> &'static str;
    /// Its role in a rack.
    fn kind(&self) -> TargetKind;
    /// One line for people.
    fn description(&self) -> &'static str;
    /// Its models; the first is the default. Never empty.
    fn models(&self) -> Vec<Model>;
    /// Reads a model of the user's own; `file` names it in diagnostics. `None`: the target takes no such
    /// files.
    fn read_model(&self, text: &str, file: &str) -> Option<Result<Model, Vec<Diagnostic>>> {
        let _ = (text, file);
        None
    }
    /// What a model can do, for `trisect targets`. In a fixed order.
    fn capabilities(&self, model: &str) -> Vec<Capability>;
    /// The device that a rack file describes.
    ///
    /// # Errors
    /// An unknown model, or limits that cannot be.
    fn device(&self, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError>;
}

/// Why there is no such device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The rack names a model that the target does not have.
    #[error("{target} has no model `{model}`; its models are {}", known.join(", "))]
    UnknownModel {
        /// The target's name.
        target: String,
        /// What the rack file says.
        model: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A model of the user's own cannot be.
    #[error("{file}: {}", reasons.join("; "))]
    BadModel {
        /// The model's file.
        file: String,
        /// What is wrong with it, field by field.
        reasons: Vec<String>,
    },
    /// A limit makes no sense.
    #[error("device {device}: {quantity} = {value}: {reason}")]
    BadLimit {
        /// The device's name.
        device: String,
        /// The quantity of the limit.
        quantity: String,
        /// Its value.
        value: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// No target has the name.
    #[error("there is no target `{name}`; there are {}", known.join(", "))]
    UnknownTarget {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
}

impl DeviceError {
    /// That a model's file cannot be used.
    pub fn bad_model(file: &str, found: Vec<Diagnostic>) -> Self {
        Self::BadModel {
            file: file.to_owned(),
            reasons: found.into_iter().map(|d| d.message).collect(),
        }
    }
}

/// One device: what it can do, what that costs, and how it is configured.
pub trait Device: Send + Sync {
    /// What it has. A quantity that is not named is unbounded.
    fn budget(&self) -> Resources;
    /// Whether this node of the (uncut) program could run here, and what it would use.
    ///
    /// The node is judged alone: `resources` are summed over the nodes of a piece, tables and
    /// objects that several nodes use being counted at the first. For [`resource::STAGES`] the
    /// plan takes the longest chain of dependent nodes instead of the sum.
    fn check(&self, program: &Program, node: NodeId) -> Verdict;
    /// Whether a finished piece fits, and what it uses in all, parser and dispatch included.
    ///
    /// # Errors
    /// What stands in the way. The plan turns it into a constraint and cuts anew.
    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>>;
    /// Host cycles, or whatever this device's `cycles` mean, that a packet costs here however little
    /// is done with it: receiving, parsing, deparsing, sending.
    fn packet_cycles(&self) -> u64 {
        0
    }
    /// For how many flows the device can tell the host a number beside the packet, beside running the piece (none: it
    /// passes everything on), by rules that the host's driver inserts while packets run; or what stands in the way.
    /// `None`: it is no NIC.
    fn flow_numbers(&self, piece: Option<&Program>) -> Option<Result<FlowNumbers, Refusal>> {
        let _ = piece;
        None
    }
    /// What numbers for flows are worth to this device, if it can use them: for `flows` entries in a table that packets
    /// fill.
    fn flow_hints(&self, program: &Program, table: TableId, flows: u64) -> Option<HintCycles> {
        let _ = (program, table, flows);
        None
    }
    /// The configuration that makes the device run the piece.
    ///
    /// # Errors
    /// See [`LowerError`].
    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError>;
    /// Whether the device can run a program that copies packets, whole and with its own traffic manager
    /// between the passes, and what the program uses of it.
    ///
    /// # Errors
    /// What stands in the way; for most devices, that they have no traffic manager.
    fn fit_whole(&self, program: &Program, whole: &Whole) -> Result<Use, Vec<Refusal>> {
        let _ = (program, whole);
        Err(vec![no_traffic_manager()])
    }
    /// The configuration that makes the device run such a program.
    ///
    /// # Errors
    /// See [`LowerError`].
    fn lower_whole(&self, program: &Program, whole: &Whole) -> Result<Vec<Artifact>, LowerError> {
        let _ = (program, whole);
        Err(LowerError::Refused {
            node: String::new(),
            refusal: no_traffic_manager(),
        })
    }
}

/// What a device needs beside a program that copies packets to run it whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// What travels between the passes of the program.
    pub bridge: Bridge,
    /// The program as its author wrote it: P4 for v1model, includes and macros expanded except for the
    /// architecture's own files.
    pub source: String,
    /// Where copies go: mirror sessions and multicast groups, one command of simple_switch's command line
    /// per line.
    pub copies: String,
    /// Members of the parser's value sets, by the sets' names: one set of values per part of a member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub value_sets: BTreeMap<String, Vec<Vec<KeySet>>>,
}

fn no_traffic_manager() -> Refusal {
    Refusal {
        code: NO_TRAFFIC_MANAGER,
        operation: "a program that copies packets or sends them again".to_owned(),
        capability: "only a switch has a traffic manager between ingress and egress".to_owned(),
        hint: String::new(),
    }
}

/// What a NIC offers for numbers of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowNumbers {
    /// Flows at a time.
    pub flows: u64,
    /// Rules that can be inserted or removed in a second; `None`: not known, or no limit.
    pub per_second: Option<u64>,
}

/// Host cycles with and without a number for a packet's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintCycles {
    /// A look-up without number.
    pub look_up: u64,
    /// One whose entry is where the number says.
    pub hinted: u64,
    /// For each packet without number, whatever it looks up: the driver looks whether there is a number for its flow.
    pub unnumbered: u64,
    /// For each flow that gets a number: asking the NIC for a rule, and later for its removal.
    pub insertion: u64,
}

/// What a node or a piece uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Space.
    pub resources: Resources,
    /// Time: cycles of one host core for one packet that reaches the node; 0 where packets cost no
    /// time of anything that could run out (a switch pipeline at line rate).
    pub cycles: u64,
}

/// What a device says about a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It can run it.
    Able(Use),
    /// It cannot, for these reasons. Never empty.
    Unable(Vec<Refusal>),
}

impl Verdict {
    /// The use, if able.
    pub fn able(&self) -> Option<&Use> {
        match self {
            Self::Able(used) => Some(used),
            Self::Unable(_) => None,
        }
    }
}

/// Why something cannot run on a device.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[error("{code}: {operation}: {capability}{}{hint}", if hint.is_empty() { "" } else { "; " })]
pub struct Refusal {
    /// Stable code, E0400 to E0499.
    pub code: trisect_ir::diag::Code,
    /// What the program wants, in its own words: ``search in `ids.signatures` ``.
    pub operation: String,
    /// What the device lacks for it: `no access to the payload`.
    pub capability: String,
    /// The way out; empty if none is known.
    pub hint: String,
}

impl Refusal {
    /// The hint, as far as it changes the program; `None` if it only says where else to run. (Hints that say both end in
    /// `, or run it on a host`.)
    pub fn change(&self) -> Option<&str> {
        let change = self.hint.split(", or run it on").next()?;
        let elsewhere = ["run ", "choose another model", "put less", "smaller tables"];
        let changes = !change.is_empty() && !elsewhere.iter().any(|e| change.starts_with(e));
        changes.then_some(change)
    }
}

/// One file for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// File name without folder: `switch.p4`, `rules.json`.
    pub name: String,
    /// Its content: the same for the same piece, always.
    pub bytes: Vec<u8>,
}

impl Artifact {
    /// A text file.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bytes: text.into().into_bytes(),
        }
    }
}

/// Why a piece could not be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// The piece asks for what the device cannot do: the plan, or a hand-made plan, is at fault.
    #[error("{} cannot run here: {refusal}", if node.is_empty() { "the piece" } else { node.as_str() })]
    Refused {
        /// Name of the node, or empty.
        node: String,
        /// Why not.
        refusal: Refusal,
    },
    /// The piece breaks an invariant of the IR: a bug of an earlier step.
    #[error("the piece is not a valid program: {0}")]
    Invalid(String),
    /// The lowering itself failed: a bug of the target.
    #[error("{target}: {message}")]
    Internal {
        /// The target's name.
        target: String,
        /// What went wrong.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let mut refusal = Refusal {
            code: trisect_ir::diag::Code(401),
            operation: "search in `ids.signatures`".into(),
            capability: "the pipeline sees no payload".into(),
            hint: String::new(),
        };
        assert_eq!(
            refusal.to_string(),
            "E0401: search in `ids.signatures`: the pipeline sees no payload"
        );
        refusal.hint = "run it on a host".into();
        assert!(
            refusal
                .to_string()
                .ends_with("no payload; run it on a host")
        );
    }

    #[test]
    fn a_hint_may_say_what_to_change() {
        let refusal = |hint: &str| Refusal {
            code: trisect_ir::diag::Code(447),
            operation: String::new(),
            capability: String::new(),
            hint: hint.to_owned(),
        };
        assert_eq!(refusal("run it on a host").change(), None);
        assert_eq!(refusal("").change(), None);
        let both = refusal("use it colour-blind, or run it on a host");
        assert_eq!(both.change(), Some("use it colour-blind"));
    }
}
