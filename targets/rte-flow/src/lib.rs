//! The target `rte-flow`: packet programs as flow rules of a NIC, and the NIC model that runs them.
//!
//! A NIC's piece (see [`trisect_target::wire`]) becomes groups of rules:
//!
//! - [`caps`]: what a NIC model can do, from the files in `models/`;
//! - [`ItemKind`], [`rule`], [`testpmd`]: rules as data and as text;
//! - `shape`: the ways in which a header can be reached, each of which is a pattern;
//! - `symbolic`, `decide`, `walk`: the program is run with what is known when rules are made, and
//!   what the packet decides becomes an ordered list of patterns;
//! - `effects`: changed fields as actions, with their checksums;
//! - `lower`: lists as rules in groups, within the limits;
//! - [`flows`]: rules that number flows, which the host's driver inserts while packets run;
//! - [`sampling`]: packets that are sampled, told apart by the card;
//! - [`target`]: the target and its devices;
//! - [`model`]: a NIC that runs rules.
//!
//! # Invariants
//! - Rules do exactly what the interpreter does with the piece, on every frame; what they cannot do is
//!   refused with a reason.
//! - Every group ends with a rule that matches everything, so that no packet depends on what a driver
//!   does on a miss.
//! - Of one priority in one group, no packet matches two rules that do different things.
//! - Rules read as data give what was written.

pub mod caps;
pub mod codes;
mod decide;
mod effects;
pub mod flows;
mod item;
mod live;
mod lower;
pub mod model;
mod refuse;
pub mod rule;
pub mod sampling;
mod shape;
mod symbolic;
pub mod target;
pub mod testpmd;
mod walk;

pub use caps::Capabilities;
pub use flows::{Carrier, Flow, FlowRules};
pub use item::{ItemField, ItemKind, Notation};
pub use model::{Change, FlowMatcher, NicModel, RuleError, Verdict};
pub use rule::{Action, CounterUse, Item, Rule, RuleSet};
pub use target::{Nic, RteFlow};
