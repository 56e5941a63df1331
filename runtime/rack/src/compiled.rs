//! Device pieces as machine code.

use trisect_host::{CompileError, HostProgram, Options, Outcome, Packet};
use trisect_interp::reason_text;
use trisect_ir::Program;
use trisect_ir::state::State;

use crate::{Engine, EngineError, Fate, FlowDriver, FlowReport, Frame};

/// A device piece compiled by the host target: what runs on hosts, and what the embedded switch runs
/// after its P4 was read back.
#[derive(Debug)]
pub struct Compiled {
    code: HostProgram,
    /// Reused for every frame, so that its buffer is.
    packet: Packet,
    cycles: u64,
    driver: Option<FlowDriver>,
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
            driver: None,
        })
    }

    /// The same behind a NIC that numbers flows, for look-ups in these tables.
    ///
    /// # Errors
    /// If the host target cannot compile it.
    pub fn with_flows(
        program: &Program,
        cycles: u64,
        driver: FlowDriver,
        tables: Vec<String>,
    ) -> Result<Compiled, CompileError> {
        let options = Options {
            hinted: tables,
            ..Options::default()
        };
        Ok(Compiled {
            code: HostProgram::compile(program, &options)?,
            packet: Packet::new(&[]),
            cycles,
            driver: Some(driver),
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
        let code = &mut self.code;
        let arrived = self.driver.as_mut().map(|d| d.arrives(code, &frame));
        let (hint, new_flow) = arrived.unwrap_or_default();
        packet.hint = hint;
        code.run_batch(std::slice::from_mut(packet));
        if let (Some(driver), Some(flow)) = (&mut self.driver, new_flow) {
            let done = driver.departs(code, flow, time_ns);
            done.map_err(|e| EngineError(e.to_string()))?;
        }
        let fate = match (packet.outcome(), packet.egress_port()) {
            (Outcome::Emit, Some(port)) => {
                let (mark, meta) = (packet.mark, packet.meta);
                Fate::Emit {
                    port,
                    frame: Frame {
                        bytes: packet.frame().to_vec(),
                        mark,
                        meta,
                        flow: 0,
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
    fn flows(&self) -> Option<FlowReport> {
        let driver = self.driver.as_ref();
        driver.map(|driver| driver.report(&self.code))
    }
    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError> {
        let restored = self.code.restore(state, now_ns);
        restored.map_err(|e| EngineError(e.to_string()))
    }
}
