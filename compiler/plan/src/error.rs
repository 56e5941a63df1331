//! What can go wrong on the way to a plan. Codes E0300 to E0399.

use crate::split::SplitError;
use trisect_ir::diag::Code;
use trisect_ir::transform::ImportError;
use trisect_target::DeviceError;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The library does not hold the NF's function.
    #[error("NF `{nf}`: the library holds no function `{function}`")]
    UnknownFunction {
        /// The NF instance.
        nf: String,
        /// Its function.
        function: String,
    },
    /// No program was given for an NF instance.
    #[error("NF `{0}` has no program")]
    NoProgram(String),
    /// An NF's program cannot be merged with the others.
    #[error("NF `{nf}` cannot be merged into the pipeline: {error}")]
    Import {
        /// The NF instance.
        nf: String,
        /// Why not.
        error: ImportError,
    },
    /// A filter compares an attribute that the NF's program does not give.
    #[error("`{nf}.{attribute}` is compared, but the program of `{nf}` gives no such attribute")]
    NoAttribute {
        /// The NF instance.
        nf: String,
        /// The attribute.
        attribute: String,
    },
    /// A pipeline names a port that the rack does not have.
    #[error("the rack has no external port `{0}`")]
    UnknownPort(String),
    /// The numbering of external ports is not that of the switch.
    #[error(
        "external port `{name}` is number {position} in the rack file's list but port {port} of the switch"
    )]
    PortOrder {
        /// The port's name.
        name: String,
        /// Its position among the external ports.
        position: u16,
        /// Its number on the switch.
        port: u16,
    },
    /// The rack is not of a kind that can be planned for.
    #[error("the rack cannot be used: {0}")]
    Rack(String),
    /// A device of the rack cannot be made.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A profile is of another pipeline.
    #[error("the profile knows an NF `{0}`, which the policy does not have")]
    OtherProfile(String),
    /// The policy has cyclic pipelines.
    #[error("pipeline `{0}` has a cycle")]
    Cycle(String),
    /// A node can run nowhere.
    #[error("`{node}` can run on no device: {}", reasons.join("; "))]
    NowhereToRun {
        /// The node.
        node: String,
        /// What each device says.
        reasons: Vec<String>,
    },
    /// Every node can run somewhere, but not all of them together.
    #[error("no cut keeps all rules: {0}")]
    NoCut(String),
    /// Objectives of classes that no cut meets together.
    #[error("no cut meets {}: {}", if demands.len() == 1 { "this objective" } else { "these objectives together" }, demands.join("; "))]
    Objectives {
        /// A smallest set of them.
        demands: Vec<String>,
    },
    /// Sampling cannot be compiled into this pipeline.
    #[error("packets cannot be sampled as the rack file asks: {0}")]
    Sampling(String),
    /// A program that copies packets is run whole by the switch, which does not go.
    #[error("`{program}` copies packets or sends them again, which only the switch can: {reason}")]
    Whole {
        /// The program.
        program: String,
        /// Why it does not go.
        reason: String,
    },
    /// The program cannot be split: a bug of the cut.
    #[error("the cut cannot be carried out: {0}")]
    Split(#[from] SplitError),
    /// A merged program or a piece breaks an invariant of the IR: a bug of the planner.
    #[error("{what} is not a valid program: {error}")]
    Invalid {
        /// Which program.
        what: String,
        /// Which invariants.
        error: String,
    },
}

impl PlanError {
    /// The stable number of this kind of error.
    pub fn code(&self) -> Code {
        Code(match self {
            Self::UnknownFunction { .. } => 300,
            Self::NoProgram(_) => 301,
            Self::Import { .. } => 302,
            Self::NoAttribute { .. } => 303,
            Self::UnknownPort(_) => 304,
            Self::PortOrder { .. } => 305,
            Self::Rack(_) => 306,
            Self::Device(_) => 307,
            Self::Cycle(_) => 308,
            Self::NowhereToRun { .. } => 309,
            Self::NoCut(_) => 310,
            Self::Split(_) => 312,
            Self::Invalid { .. } => 313,
            Self::Objectives { .. } => 316,
            Self::OtherProfile(_) => 314,
            Self::Sampling(_) => 317,
            Self::Whole { .. } => 318,
        })
    }
    /// The way out.
    pub fn help(&self) -> &'static str {
        match self {
            Self::UnknownFunction { .. } => {
                "name a function of the library, or add its description"
            }
            Self::NoProgram(_) => "compile the NF's P4 program first",
            Self::Import { .. } => {
                "include trisect/std.p4, so that all NFs share headers, parser and deparser"
            }
            Self::NoAttribute { .. } => {
                "declare an `Attribute` of that name in the NF's program, or `method = \"port\"` in its description"
            }
            Self::UnknownPort(_) => "add a [[switch.external]] for it to the rack file",
            Self::PortOrder { .. } => {
                "list the external ports in order of their port numbers, from 0 without gaps"
            }
            Self::Rack(_) => "describe one switch and at least one server with a NIC linked to it",
            Self::Device(_) => "see `trisect targets` for targets, models and their limits",
            Self::OtherProfile(_) => "profile again, or remove profile.toml",
            Self::Cycle(_) => "remove one of its edges",
            Self::NowhereToRun { .. } => {
                "change the NF, or add a device that can do it; hosts can run everything that the IR has"
            }
            Self::NoCut(_) => {
                "try another strategy, more servers, or a switch with more stages and memory"
            }
            Self::Objectives { .. } => {
                "lower one of them, or give the rack more cores, faster links or devices that can do more"
            }
            Self::Sampling(_) => {
                "include trisect/std.p4 in the NFs, or take [sampling] out of the rack file: packets are then hashed at the devices' borders only"
            }
            Self::Whole { .. } => {
                "give the rack a programmable switch with room for all of it, and leave out [sampling] and --strategy"
            }
            Self::Split(_) | Self::Invalid { .. } => {
                "this is a fault of the compiler; please report it with the policy and rack files"
            }
        }
    }
}
