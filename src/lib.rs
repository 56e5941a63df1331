//! Trisect cuts network-function pipelines between a switch, a SmartNIC and host cores.
//!
//! The facade over the crates of the workspace: a [`project::Project`] is read from a folder, or is
//! somebody's [`own`] program; it is compiled into a [`trisect_plan::plan::Plan`], turned into
//! [`artifacts`], and [`run`]. The command `trisect` is a thin layer over it: arguments in, text or JSON
//! out.
//!
//! # Invariants
//! - Whatever is wrong with a user's input comes back as [`problems::Problems`], all of it at once where
//!   that is possible; strings are made at the command's edge only.
//! - Every diagnostic code has a page in [`pages`].
//! - The plan is the one hand-over point: [`artifacts`] and the rack are made from it alone.

pub mod artifacts;
pub mod audit;
pub mod measure;
pub mod models;
pub mod own;
pub mod pages;
pub mod problems;
pub mod profile;
pub mod project;
pub mod records;
pub mod registry;
pub mod run;
pub mod sampling;
pub mod whole;
