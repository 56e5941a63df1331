//! Host target: packet programs compiled to machine code by Cranelift.
//!
//! [`HostProgram::compile`] turns a [`Program`](trisect_ir::Program) into one function that runs it
//! over a batch of [`Packet`]s, and [`HostProgram::run_batch`] calls it. It does what
//! `trisect-interp` does, packet for packet and state for state; property tests compare the two.
//!
//! # Isolation
//!
//! Compiled code sees packets, its program's tables and objects, and its stack, and nothing else
//! (NetBricks, OSDI 2016): programs have no pointers, every access to a header follows a check that
//! the header is in the frame, indices are checked against sizes, and loops of the parser end. The
//! unsafe code is in five files: `packet` (buffers), `helpers` (functions that compiled code calls),
//! `program` (calling the compiled code), `hints` (prefetching) and `sampling` (instructions that not all processors have);
//! each states what it relies on.

mod build;
mod cost;
mod facts;
mod hash;
mod helpers;
mod hints;
mod info;
mod memory;
mod packet;
mod program;
mod sampling;
mod target;

pub use hints::{HintCounts, MOST_TABLES};
pub use memory::flow_entry as flow_entry_bytes;
pub use packet::{HEADROOM, Outcome, Packet};
pub use program::{CodeText, CompileError, HostProgram, Limit, Options};
pub use sampling::{BatchSampler, Carried, Chosen};
pub use target::HostTarget;
