//! Packet tests of v1model programs: the [`switch`] around a program, changes from the [`control`] plane,
//! the [text format](stf) of packet tests, and what [runs](run) them.
//!
//! ```text
//! script (STF) ── stf ─> Script ──┐
//!                                 ├─ run ─> Report
//! P4 ── trisect-p4 ─> CompiledV1 ─┘   │
//!                                     └ per engine: control (entries, registers, rates)
//!                                                   switch  (passes, copies)
//!                                                   engine  (interpreter | compiled code)
//! ```
//!
//! # Invariants
//!
//! - A script is any text: nothing panics or loops for ever, and memory is bounded by its length.
//! - A packet that never leaves is an error ([`switch::MAX_PASSES`]), not a hang.
//! - The switch knows nothing of the engine: what the interpreter and compiled code do differently
//!   shows in the report.

pub mod codes;
pub mod control;
pub mod engine;
pub mod run;
pub mod stf;
pub mod switch;

pub use engine::{Engine, EngineKind};
pub use run::{Report, run_script};
pub use switch::{CompiledV1, Switch};
