//! Packet-program IR: entities, text form, verifier, analyses.

pub mod diag;
