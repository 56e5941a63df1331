//! What runs a program: the reference interpreter or compiled code, behind one trait.

use serde::{Deserialize, Serialize};
use std::fmt;
use trisect_host::HostProgram;
use trisect_interp::Interpreter;
use trisect_ir::Program;
use trisect_ir::state::State;

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves.
    Emit {
        /// On this port.
        port: u16,
        /// As these bytes.
        bytes: Vec<u8>,
    },
    /// It is dropped, for the reason with this number.
    Drop(u16),
}

/// Runs one program, packet by packet.
pub trait Engine {
    /// Processes a packet that comes in on a port at a time in nanoseconds.
    fn run(&mut self, port: u16, time_ns: u64, bytes: &[u8]) -> Fate;
    /// All state as seen at a time in nanoseconds, in canonical form.
    fn state(&self, now_ns: u64) -> State;
    /// Goes on from a state at a time in nanoseconds.
    ///
    /// # Errors
    ///
    /// If the state does not fit the program; nothing has changed then.
    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError>;
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The reference interpreter.
    Interpreter,
    /// Compiled code.
    Jit,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interpreter => "interpreter",
            Self::Jit => "JIT",
        })
    }
}

/// Why there is no engine for a program.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The program breaks an invariant of the IR.
    #[error("the program is not valid: {0}")]
    Invalid(#[from] trisect_ir::VerifyErrors),
    /// The program cannot be compiled.
    #[error(transparent)]
    Compile(#[from] trisect_host::CompileError),
    /// The state does not fit the program.
    #[error("the state does not fit the program: {0}")]
    State(#[from] trisect_ir::restore::RestoreError),
}

impl EngineKind {
    /// An engine for a program that goes on from a state at a time in nanoseconds.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub fn start(
        self,
        program: &Program,
        state: &State,
        now_ns: u64,
    ) -> Result<Box<dyn Engine>, EngineError> {
        trisect_ir::verify(program)?;
        let mut engine: Box<dyn Engine> = match self {
            Self::Interpreter => Box::new(Interpreter::new(program)),
            Self::Jit => Box::new(HostProgram::compile(program, &Default::default())?),
        };
        engine.restore(state, now_ns)?;
        Ok(engine)
    }
}

impl Engine for Interpreter {
    fn run(&mut self, port: u16, time_ns: u64, bytes: &[u8]) -> Fate {
        match self.run(trisect_interp::Packet::new(port, time_ns, bytes)) {
            trisect_interp::Outcome::Emit { port, bytes, .. } => Fate::Emit { port, bytes },
            trisect_interp::Outcome::Drop { reason, .. } => Fate::Drop(reason),
        }
    }

    fn state(&self, now_ns: u64) -> State {
        self.state(now_ns)
    }

    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError> {
        Ok(self.restore(state, now_ns)?)
    }
}

impl Engine for HostProgram {
    fn run(&mut self, port: u16, time_ns: u64, bytes: &[u8]) -> Fate {
        let packet = trisect_host::Packet::new(bytes);
        let mut batch = [packet.on_port(port).at_time(time_ns)];
        self.run_batch(&mut batch);
        let [packet] = batch;
        match (packet.egress_port(), packet.outcome()) {
            (Some(port), _) => Fate::Emit {
                port,
                bytes: packet.frame().to_vec(),
            },
            (None, trisect_host::Outcome::Drop(reason)) => Fate::Drop(reason),
            // Compiled code decides about every packet.
            (None, _) => Fate::Drop(0),
        }
    }

    fn state(&self, now_ns: u64) -> State {
        self.state(now_ns)
    }

    fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), EngineError> {
        Ok(self.restore(state, now_ns)?)
    }
}
