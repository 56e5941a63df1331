//! Match tables, flow tables, meters, allocators and pattern sets: the mutable and the looked-up
//! parts of a packet program, as compiled code uses them.
//!
//! [`Runtime`] is built from a program and holds everything that a packet can change, and the
//! look-up structures of its tables. `trisect-interp` has its own, plain version of all this; both
//! dump into [`trisect_ir::state::State`], so that they can be compared.
//!
//! # Keys
//!
//! A key is a byte string: each key value big-endian, right-aligned in `ceil(width / 8)` bytes, one
//! after the other ([`key::KeyLayout`]). The bits that pad a value are always 0.
//!
//! # Structures
//!
//! | entries | structure | cost of a look-up |
//! |---|---|---|
//! | all exact | [`index::KeyIndex`]: open addressing | one or two cache lines |
//! | one prefix, the rest exact | [`lpm::LpmTable`]: trie of strides 16, 8, 8, ... | one load per level |
//! | up to 4,096 of any kind | [`bitvec::BitVectorTable`] (Lakshman and Stiliadis, SIGCOMM 1998) | per key part, one bit set |
//! | more of any kind | [`tuples::TupleSpace`] (Srinivasan et al., SIGCOMM 1999) | one hash per distinct mask |
//! | added from the data path | [`flow::FlowTable`] | as exact |
//!
//! Each has [`linear::LinearTable`] as its reference, and property tests compare the two.
//!
//! # Invariants
//!
//! - Every structure gives the entry that a linear scan gives, ties included.
//! - Time comes with the call and never from a clock; what ages looks at that.
//! - A dump of the state is in canonical order, whatever the order of insertion.

pub mod alloc;
pub mod bitvec;
pub mod cells;
pub mod flow;
pub mod index;
pub mod key;
pub mod limbs;
pub mod linear;
pub mod lpm;
pub mod messages;
pub mod pattern;
pub mod runtime;
pub mod table;
#[cfg(test)]
mod tests;
pub mod tuples;

pub use runtime::{CellRef, Runtime};
pub use table::{Lookup, MatchTable, Record};
