//! Trajectory sampling: which packets, and which way they went.
//!
//! Every device hashes the same *invariant* fields of a packet (those that no network function of
//! the plan changes) with the same keyed hash and records the packet if the hash falls into the
//! agreed range, so that a sampled packet is seen at every hop (Duffield and Grossglauser,
//! "Trajectory Sampling for Direct Traffic Observation", SIGCOMM 2000; PSAMP hash-based selection,
//! RFC 5475 section 6.2). Joining the records gives the path of each sampled packet.
//!
//! * [`Algorithm`]: the hashes. [`Toeplitz`] is what NICs compute for RSS, and a switch computes it as an XOR
//!   of per-byte table look-ups; [`HalfSipHash`] is for surroundings that are not trusted.
//! * [`SampleSpec`]: hash, key, range and fields; made by the compiler, given to every device.
//! * [`Record`]: what a device reports ([`files`] keeps them); a [`Joiner`] makes [`Trajectory`]s of them, [`Paths`]
//!   counts the paths.
//!
//! Invariants
//! * whether a packet is sampled depends on key, range and its invariant fields only, so all devices
//!   agree without talking to each other;
//! * sampling reads packets and never changes one;
//! * joining loses no record, and its result does not depend on the order of records.

mod clocks;
pub mod files;
pub mod hash;
mod join;
mod layout;
mod log;
mod observation;
mod record;
mod spec;
mod walk;

pub use clocks::{Clocks, Delays, Offset};
pub use hash::{
    Algorithm, HalfSipHash, KeyedHash, MICROSOFT_KEY, Toeplitz, bitwise, bob, crc32, symmetric_key,
};
pub use join::{
    Hop, JoinCounts, Joiner, PathCount, Paths, Topology, Trajectory, join, measure, sort,
};
pub use layout::{Layouts, Piece, Transport, Usual};
pub use log::{Arrival, Beside, Log};
pub use observation::{Elements, Observation, TooManyElements};
pub use record::{Found, Lookup, Point, Record, Used, Work, digest, state_bytes};
pub use spec::{Field, HashRange, KEY_BYTES, SampleSpec, Sampler, Verdict, labelled, selected_by};
