//! Audit of an outsourced chain.
//!
//! A provider runs a chain of network functions for a customer. Every element on the way of a packet hashes the same
//! fields with the same key and records the packet if the hash is in the agreed range (`trisect_sample`); the records
//! are joined (`trisect_collect`). Here they are held against what was agreed, the [`Manifest`]: whether the functions did
//! what they should, whether performance is as agreed, and whether the bill is right. The method is that of vNFO (Fayazbakhsh,
//! Reiter and Sekar, "Verifiable Network Function Outsourcing: Requirements, Challenges, and Roadmap", HotMiddlebox 2013) and
//! of ALIBI (Chen, Maheshwari, Reiter and Sekar, "Towards Verifiable Resource Accounting for Outsourced Computation", VEE 2013)
//! for the bill.
//!
//! [`Auditor`] takes records one by one and gives a [`Report`]; [`cheat`] simulates providers that cheat.
//!
//! # Invariants
//! * no panic, whatever the records say: they come from a party that is not trusted;
//! * an honest provider fails a check with a probability of at most [`stats::ALPHA`];
//! * the same records give the same report.

mod accounting;
mod auditor;
pub mod bill;
mod blackbox;
pub mod cheat;
mod functional;
pub mod manifest;
mod paths;
mod performance;
mod reach;
pub mod reference;
pub mod report;
pub mod sign;
pub mod stats;
#[cfg(feature = "z3")]
mod symbolic;

pub use auditor::{AuditError, Auditor, Evidence, Looked, Looker, reference_metrics};
pub use bill::{Bill, Price, Resource};
pub use manifest::{Commitment, Granularity, Manifest, ManifestError, Measure, Metric, Statistic};

pub use reference::Reference;
pub use report::{Check, Outcome, Part, Report};
