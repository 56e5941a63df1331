//! Trisect cuts network-function pipelines between a switch, a SmartNIC and host cores.

pub mod pages;
pub mod problems;
