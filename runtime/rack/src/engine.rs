//! What a device of the rack does with a packet: the one trait behind which switch, NIC and host
//! models stand, and its simplest implementation, the reference interpreter.

use trisect_interp::{Interpreter, Outcome, Packet, reason_text};
use trisect_ir::state::State;
use trisect_ir::{Bits, MetaId, Program};
use trisect_target::wire;

use crate::FlowReport;

/// A frame on its way through the rack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// From the Ethernet header on, without frame check sequence.
    pub bytes: Vec<u8>,
    /// What the NIC hands to the host beside the frame: where to go on (0: nothing was done).
    pub mark: u32,
    /// Live metadata that the NIC has set.
    pub meta: u32,
    /// The number that the NIC has for the packet's flow; 0 for none. It says nothing about the packet, only where the
    /// host's driver may look first.
    pub flow: u32,
}

impl Frame {
    /// A frame without hand-over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Frame {
        Frame {
            bytes,
            mark: 0,
            meta: 0,
            flow: 0,
        }
    }
}

/// What became of a frame at a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It leaves on a port of the device.
    Emit {
        /// The port, in the device's own numbering.
        port: u16,
        /// The frame as it leaves.
        frame: Frame,
    },
    /// It leaves more than once: a traffic manager copied it. In the order in which the copies leave.
    Copies(Vec<(u16, Frame)>),
    /// It is dropped for this reason.
    Drop {
        /// The text of the reason.
        reason: String,
    },
}

/// Why a device could not process a packet: always a bug of ours, never of the packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// A device's program with its state, ready to run.
pub trait Engine {
    /// Processes one frame that arrives on `port` at `time_ns` (nanoseconds of the rack's clock), and
    /// says how many cycles of a host core that takes (0 where time does not depend on the work).
    ///
    /// # Errors
    /// If the device itself failed.
    fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: Frame,
    ) -> Result<(Fate, u64), EngineError>;

    /// The state as seen at time `now_ns`, in canonical form.
    fn state(&self, now_ns: u64) -> State;

    /// What the driver of a NIC that numbers flows has seen and done, if the device is a host that has one.
    fn flows(&self) -> Option<FlowReport> {
        None
    }

    /// Puts the device into this state.
    ///
    /// # Errors
    /// If the device cannot be, or the state is not one of its program.
    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError> {
        let _ = (state, now_ns);
        Err(EngineError("the device takes no state".into()))
    }
}

/// A device that passes everything on, from port 0 to port 0 and without hand-over: a NIC without
/// rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct PassThrough;

impl Engine for PassThrough {
    fn process(&mut self, _: u16, _: u64, frame: Frame) -> Result<(Fate, u64), EngineError> {
        Ok((
            Fate::Emit {
                port: wire::NIC_TO_HOST,
                frame,
            },
            0,
        ))
    }

    fn state(&self, _: u64) -> State {
        State::default()
    }
}

/// A device piece on the reference interpreter.
#[derive(Debug, Clone)]
pub struct Interpreted {
    interpreter: Interpreter,
    mark: Option<MetaId>,
    meta: Option<MetaId>,
    cycles: u64,
}

impl Interpreted {
    /// A verified program in its initial state; every packet is said to take `cycles`.
    #[must_use]
    pub fn new(program: &Program, cycles: u64) -> Interpreted {
        Interpreted {
            mark: program.meta_named(wire::MARK),
            meta: program.meta_named(wire::META),
            interpreter: Interpreter::new(program),
            cycles,
        }
    }
}

/// A frame as a packet for the interpreter; `mark` and `meta` are the metadata of its hand-over, if the
/// program has them.
pub(crate) fn packet(
    port: u16,
    time_ns: u64,
    frame: Frame,
    mark: Option<MetaId>,
    meta: Option<MetaId>,
) -> Packet {
    let mut packet = Packet::new(port, time_ns, frame.bytes);
    for (id, value) in [(mark, frame.mark), (meta, frame.meta)] {
        if let Some(id) = id {
            packet = packet.with_metadata(id, Bits::new(32, u64::from(value)));
        }
    }
    packet
}

/// What an outcome of the interpreter means for the frame.
pub(crate) fn fate(
    program: &Program,
    outcome: Outcome,
    mark: Option<MetaId>,
    meta: Option<MetaId>,
) -> Fate {
    match outcome {
        Outcome::Emit {
            port,
            bytes,
            metadata,
        } => {
            let read = |id: Option<MetaId>| id.map_or(0, |id| metadata[id].low_u64() as u32);
            let frame = Frame {
                bytes,
                mark: read(mark),
                meta: read(meta),
                flow: 0,
            };
            Fate::Emit { port, frame }
        }
        Outcome::Drop { reason, .. } => Fate::Drop {
            reason: reason_text(program, reason).to_owned(),
        },
    }
}

impl Engine for Interpreted {
    fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: Frame,
    ) -> Result<(Fate, u64), EngineError> {
        let packet = packet(port, time_ns, frame, self.mark, self.meta);
        let outcome = self.interpreter.run(packet);
        let fate = fate(self.interpreter.program(), outcome, self.mark, self.meta);
        Ok((fate, self.cycles))
    }

    fn state(&self, now_ns: u64) -> State {
        self.interpreter.state(now_ns)
    }
    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError> {
        let restored = self.interpreter.restore(state, now_ns);
        restored.map_err(|e| EngineError(e.to_string()))
    }
}
