//! From a policy, a rack and NF programs to a plan, in steps that are pure functions:
//!
//! ```text
//! policy, library, rack  -> pgraph   one node per NF, edges with conditions and rates
//!                        -> igraph   NFs sized and split, affinity kept
//!                        -> merge    the uncut program: what the policy means
//!                        -> place    which instance on which server
//!                        -> cut      which node on switch, NIC or host
//!                        -> split    one program per device
//!                        -> flows    where NICs number flows for their hosts
//!                        -> plan     all of it, with reasons
//! ```
//!
//! A program that is the whole pipeline comes with a policy graph of its own ([`plan::Source`]). One that copies
//! packets is not cut: the switch runs it whole.
//! [`Plan::make`] does all steps; [`explain`] and [`svg`] show a plan.
//!
//! # Invariants
//! - The pieces, joined by the rack's links, do what the uncut program does: packets, order within
//!   flows, state (`tests/split.rs` holds random programs and cuts to it).
//! - Same input, same plan: nothing depends on hash order, time or addresses.

pub mod analysis;
pub mod cut;
pub mod error;
pub mod explain;
pub mod facts;
pub mod flows;
pub mod igraph;
pub mod legal;
pub mod machines;
pub mod merge;
pub mod pgraph;
pub mod place;
pub mod plan;
pub mod profile;
pub mod sampling;
pub mod site;
pub mod split;
pub mod svg;
mod whole;

pub use cut::Strategy;
pub use error::PlanError;
pub use plan::{Input, Plan, Source};
pub use site::{ServerId, Site};
