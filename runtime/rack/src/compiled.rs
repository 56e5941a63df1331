//! Device pieces as machine code.

use trisect_host::{CompileError, HostProgram, Options, Outcome, Packet};
use trisect_interp::reason_text;
use trisect_ir::Program;
use trisect_ir::state::State;

use crate::{Engine, EngineError, Fate, Frame};

/// A device piece compiled by the host target: what runs on hosts, and what the embedded switch runs
/// after its P4 was read back.
#[derive(Debug)]
pub struct Compiled {
    code: HostProgram,
    /// Reused for every frame, so that its buffer is.
    packet: Packet,
    cycles: u64,
}

impl Compiled {
    /// Compiles a verified program; every packet is said to take `cycles`.
    ///
    /// # Errors
    /// If the host target cannot compile it.
    pub fn new(program: &Program, cycles: u64) -> Result<Compiled, CompileError> {
        let code = HostProgram::compile(program, &Options::default())?;
        Ok(Compiled {
            code,
            packet: Packet::new(&[]),
            cycles,
        })
    }
}

impl Engine for Compiled {
    fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: Frame,
    ) -> Result<(Fate, u64), EngineError> {
        let packet = &mut self.packet;
        packet.refill(&frame.bytes);
        packet.port = port;
        packet.time_ns = time_ns;
        packet.mark = frame.mark;
        packet.meta = frame.meta;
        self.code.run_batch(std::slice::from_mut(packet));
        let fate = match (packet.outcome(), packet.egress_port()) {
            (Outcome::Emit, Some(port)) => {
                let (mark, meta) = (packet.mark, packet.meta);
                Fate::Emit {
                    port,
                    frame: Frame {
                        bytes: packet.frame().to_vec(),
                        mark,
                        meta,
                    },
                }
            }
            (Outcome::Drop(reason), _) => Fate::Drop {
                reason: reason_text(self.code.program(), reason).to_owned(),
            },
            _ => {
                return Err(EngineError(
                    "compiled code left a packet without outcome".into(),
                ));
            }
        };
        Ok((fate, self.cycles))
    }

    fn state(&self, now_ns: u64) -> State {
        self.code.state(now_ns)
    }
    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError> {
        let restored = self.code.restore(state, now_ns);
        restored.map_err(|e| EngineError(e.to_string()))
    }
}
