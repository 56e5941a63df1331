//! What an element did with a packet, as a reference interpreter beside it sees it.
//!
//! Machine code, emitted P4 and flow rules do not tell which entries and state a packet used. So where
//! records are wanted, each device's piece runs a second time, on the interpreter and on every packet, and
//! says it for the sampled ones. That the device does what its piece does is what the law says.

use trisect_interp::{EntryRef, Interpreter, Trace};
use trisect_ir::state::{State, Touched};
use trisect_ir::{MetaId, Program, RestoreError};
use trisect_sample::{Found, Lookup, Record};
use trisect_target::wire;

use crate::{Fate, Frame, engine};

/// A device's piece on the reference interpreter, beside the device.
#[derive(Debug, Clone)]
pub struct Witness {
    interpreter: Interpreter,
    mark: Option<MetaId>,
    meta: Option<MetaId>,
}

/// What a packet used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its look-ups, in order.
    pub lookups: Vec<Lookup>,
    /// The state that it read and wrote.
    pub state: Touched,
}

impl Witness {
    /// A verified program in its initial state.
    #[must_use]
    pub fn new(program: &Program) -> Witness {
        Witness {
            mark: program.meta_named(wire::MARK),
            meta: program.meta_named(wire::META),
            interpreter: Interpreter::new(program),
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.interpreter.program()
    }

    /// Takes a packet along; says what it used.
    pub fn watch(&mut self, port: u16, time_ns: u64, frame: &Frame) -> Seen {
        let packet = engine::packet(port, time_ns, frame.clone(), self.mark, self.meta);
        let (_, trace) = self.interpreter.run_traced(packet);
        Seen {
            lookups: lookups(self.interpreter.program(), &trace),
            state: trace.touched,
        }
    }
}

impl Witness {
    /// Puts it into this state.
    ///
    /// # Errors
    /// If the state is none of the program's.
    pub fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), RestoreError> {
        self.interpreter.restore(state, now_ns)
    }
}

/// Why a visit cannot be run again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Only a part of the packet was recorded.
    #[error("only {recorded} of {len} bytes of the packet were recorded")]
    Cut {
        /// Bytes recorded.
        recorded: usize,
        /// Bytes of the frame.
        len: u32,
    },
    /// The recorded state is none of the program's.
    #[error("the recorded state is not one of the program: {0}")]
    State(#[from] RestoreError),
}

impl Witness {
    /// Runs a recorded visit again, from the record of the packet's arrival and the state that the
    /// element says it touched: what should have become of the packet, and what it should have used. The
    /// witness's own state is lost.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn replay(
        &mut self,
        arrival: &Record,
        touched: &Touched,
    ) -> Result<(Fate, Seen), ReplayError> {
        if arrival.packet.len() != arrival.len as usize {
            return Err(ReplayError::Cut {
                recorded: arrival.packet.len(),
                len: arrival.len,
            });
        }
        let frame = Frame {
            bytes: arrival.packet.clone(),
            mark: arrival.mark,
            meta: arrival.meta,
            flow: 0,
        };
        let (mark, meta) = (self.mark, self.meta);
        let packet = engine::packet(arrival.port, arrival.time_ns, frame, mark, meta);
        let (outcome, trace) = self.interpreter.replay(packet, touched)?;
        let program = self.interpreter.program();
        let seen = Seen {
            lookups: lookups(program, &trace),
            state: trace.touched,
        };
        Ok((engine::fate(program, outcome, mark, meta), seen))
    }
}

fn lookups(program: &Program, trace: &Trace) -> Vec<Lookup> {
    let hits = trace.steps.iter().filter_map(|step| step.hit.as_ref());
    let lookup = |hit: &trisect_interp::Hit| Lookup {
        table: program.tables[hit.table].name.clone(),
        key: trisect_ir::state::key_text(&hit.key),
        found: match hit.entry {
            None => Found::Miss,
            Some(EntryRef::Static(i)) => Found::Entry(i),
            Some(EntryRef::Flow) => Found::Flow,
        },
        action: program.actions[hit.action].name.clone(),
    };
    hits.map(lookup).collect()
}
