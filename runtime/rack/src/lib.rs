//! The embedded rack: switch, NIC and host models joined by links, in virtual time.
//!
//! ```text
//!   external ports                       server 1
//!        |  |                 link      +-----+  bus  +------+
//!      +------+  ---------------------> | NIC | ----> | host |
//!      |switch|  <--------------------- |     | <---- |      |
//!      +------+                         +-----+       +------+
//!             \----------------------->  server 2 ...
//! ```
//!
//! A run is a discrete-event simulation whose clock is the capture's: packets enter at external
//! ports at the times of the capture, every device takes its time, queues are first in, first out
//! and unbounded, their depth is measured. What the devices do to the packets is not simulated: each
//! is an [`Engine`] that runs the artifacts of the plan.
//!
//! * [`Rack::run`] gives a [`Report`]: the fate of every packet, queues, shares of the work,
//!   sampling records and the final state.
//! * [`check`](fn@check) holds a report against the uncut pipeline on the reference interpreter.
//!
//! Invariants
//! * every packet that arrives has exactly one fate; if that is to be copied, every copy leaves;
//! * the same input gives the same report, bit for bit;
//! * links, buses and hosts keep the order of packets; so does the switch towards each port.

mod assemble;
mod check;
mod compiled;
mod egress;
mod engine;
mod event;
mod flows;
mod ingress;
mod provider;
mod queue;
mod report;
mod rules;
mod shim;
mod sim;
mod specs;
mod summary;
mod tags;
mod tap;
mod witness;

pub use assemble::{Asked, Idle, assemble};
pub use check::{CheckReport, Difference, Expected, Place, check, expect, expect_of};
pub use compiled::Compiled;
pub use egress::write_egress;
pub use engine::{Engine, EngineError, Fate, Frame, Interpreted, PassThrough};
pub use flows::{FlowDriver, FlowReport, SharedNic};
pub use ingress::{Arrival, arrivals, by_flow};
pub use provider::{At, Deed, Provider};
pub use queue::{LinkSpec, wire_bytes};
pub use report::{DeviceReport, Ended, EndedHow, Period, QueueReport, Report, Role};
pub use shim::{INNER, Shim, ShimReport, Totals};
pub use sim::{Periods, Progress, Rack, RackError, Recorder, Server};
pub use specs::{
    BUS_LATENCY_NS, HostSpec, NIC_LATENCY_NS, SWITCH_LATENCY_NS, ServerSpec, SpecError, SwitchSpec,
    specs,
};
pub use summary::{PortCount, Summary, topology};
pub use tags::Tags;
pub use tap::{Queue, Tap};
pub use witness::{ReplayError, Seen, Witness};

/// The port by which a NIC hands a frame to its host, in the NIC's numbering.
pub use trisect_target::wire::NIC_TO_HOST;
