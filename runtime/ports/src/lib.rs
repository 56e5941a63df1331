//! Where packets come from and go to: capture files and memory, with fault and trace wrappers that
//! stack on any port.
//!
//! * [`Capture`] reads pcap (microseconds and nanoseconds, both byte orders) and pcapng; every error
//!   says which packet, at which offset of the file, and what can be done.
//! * [`CaptureWriter`] writes under a temporary name and renames when it is finished: a file under
//!   its final name is whole.
//! * [`Port`] is what a packet source and sink looks like; [`Faults`] and [`Trace`] wrap one.
//!
//! Invariants
//! * no bytes of a file panic; a capture that ends early or lies about lengths is an error with its
//!   place, never a shorter capture;
//! * times are nanoseconds, and what is written with them reads back the same;
//! * faults are drawn from a seed: the same seed gives the same faults.

mod capture;
mod fault;
mod port;
mod trace;
mod write;

pub use capture::{Capture, CaptureError, Captured, Format, Packets, Problem};
pub use fault::{FaultCounts, FaultSpec, Faults};
pub use port::{MemoryPort, Packet, Port};
pub use trace::Trace;
pub use write::{CaptureWriter, WriteError};
