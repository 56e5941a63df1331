//! Records of sampled packets, from the elements to the central log.
//!
//! * [`ipfix`]: records as IPFIX messages with PSAMP's information elements; [`transport`] sends and receives
//!   them.
//! * [`Collector`]: joins the records of all elements by packet, in bounded memory.
//! * [`seal`]: records chained and signed, so that what is removed, inserted or changed is found.
//! * [`keys`]: where signing keys are, in files or in a TPM.
//! * [`disclosure`]: sampling keys that are committed to, and told late.
//!
//! Invariants
//! * no panic on any bytes or records that come from outside;
//! * what is encoded reads back the same;
//! * the joined trajectories do not depend on the order in which records come, nor on duplicates.

mod collector;
pub mod disclosure;
pub mod hex;
pub mod ipfix;
pub mod keys;
pub mod parquet;
pub mod seal;
#[cfg(feature = "tpm")]
pub mod tpm;
pub mod transport;

pub use collector::{CollectError, Collector, Joined};
