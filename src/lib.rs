//! Trisect cuts network-function pipelines between a switch, a SmartNIC and host cores.
//!
//! The facade over the crates of the workspace: a [`project::Project`] is read from a folder, compiled
//! into a [`trisect_plan::plan::Plan`], turned into [`artifacts`], and [`run`].

pub mod artifacts;
pub mod pages;
pub mod problems;
pub mod project;
pub mod registry;
pub mod run;
