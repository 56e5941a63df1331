//! The reference interpreter of the packet-program IR: it *is* the semantics.
//!
//! Whatever runs a program elsewhere (compiled code, an emitted P4 program, flow rules) must do what
//! [`Interpreter::run`] does: the same bytes on the same port, the same drop reason, the same
//! [`State`] afterwards. So this crate is written to be read. Each file holds
//! one part of the meaning:
//!
//! - [`packet`]: what a packet is while it is processed; extraction of fields and deparsing,
//! - `parse`: the parser state machine,
//! - `lookup`: which entry of a table wins, by trying every one,
//! - `objects`: counters, meters, registers, pattern sets, allocators, messages, random numbers,
//! - `restore`: loading a state that was dumped,
//! - `replay`: one packet again, from the part of the state that it touched,
//! - `touch`: which part of the state a packet read and wrote,
//! - `control`: the walk through the control graph, actions and flow tables.
//!
//! Time never comes from a clock: everything that ages looks at the packet's `timestamp`.

mod control;
mod lookup;
mod objects;
pub mod packet;
mod parse;
mod replay;
mod restore;
mod touch;
mod trace;

pub use packet::{HeaderValue, Packet, PacketState};
pub use trace::{EntryRef, Hit, Outcome, Step, Trace};

use lookup::FlowEntries;
use objects::ObjectState;
use std::collections::BTreeSet;
use std::sync::Arc;
use trisect_ir::state::{Cell, State, key_text};
use trisect_ir::{Entity, NodeId, ObjectId, PrimaryMap, Program, RestoreError, TableId};

/// A program with its state.
#[derive(Clone, Debug)]
pub struct Interpreter {
    program: Arc<Program>,
    memory: Memory,
    visits: PrimaryMap<NodeId, u64>,
}

/// Everything that outlives a packet.
#[derive(Clone, Debug)]
struct Memory {
    /// Entries of the program, prepared for matching.
    entries: PrimaryMap<TableId, lookup::Entries>,
    /// Entries that the data path added.
    flows: PrimaryMap<TableId, FlowEntries>,
    objects: PrimaryMap<ObjectId, ObjectState>,
    /// The table whose entries the cells of a direct object belong to.
    owners: PrimaryMap<ObjectId, Option<TableId>>,
    /// Tables that are to have no room, whatever is in them: see [`Interpreter::replay`].
    full: BTreeSet<TableId>,
}

impl Memory {
    /// As it is at the start.
    fn new(program: &Program) -> Self {
        let tables = program.tables.values();
        Self {
            entries: tables.clone().map(lookup::Entries::new).collect(),
            flows: tables.map(|_| FlowEntries::new()).collect(),
            objects: program.objects.values().map(ObjectState::new).collect(),
            owners: trisect_ir::analysis::direct_owners(program),
            full: BTreeSet::new(),
        }
    }
}

impl Interpreter {
    /// The program in its initial state.
    ///
    /// # Panics
    ///
    /// The program must be verified ([`trisect_ir::verify()`]): with another one, this panics in debug
    /// builds, and running it may panic.
    pub fn new(program: &Program) -> Self {
        debug_assert_eq!(trisect_ir::verify(program), Ok(()));
        Self {
            program: Arc::new(program.clone()),
            memory: Memory::new(program),
            visits: program.control.nodes.values().map(|_| 0).collect(),
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Processes one packet.
    pub fn run(&mut self, packet: Packet) -> Outcome {
        self.process(packet, None)
    }

    /// Processes one packet and tells the way it took and the state that it read and wrote.
    pub fn run_traced(&mut self, packet: Packet) -> (Outcome, Trace) {
        let mut trace = Trace::default();
        let outcome = self.process(packet, Some(&mut trace));
        (outcome, trace)
    }

    fn process(&mut self, packet: Packet, trace: Option<&mut Trace>) -> Outcome {
        let program = self.program.clone();
        control::Run {
            program: &program,
            memory: &mut self.memory,
            visits: &mut self.visits,
            packet: PacketState::new(&program, packet),
            touch: trace.is_some().then(touch::Touch::default),
            trace,
        }
        .run()
    }

    /// How many packets each node has seen since the start.
    pub fn visits(&self) -> &PrimaryMap<NodeId, u64> {
        &self.visits
    }

    /// Makes the state what [`Interpreter::state`] gave at a time that is not after `now_ns`, here or in
    /// an engine of another program with the same tables and objects; packets that arrive from `now_ns`
    /// on then see no difference. What the state leaves out is as at the start.
    ///
    /// # Errors
    ///
    /// The state names what the program does not have; nothing has changed then.
    pub fn restore(&mut self, state: &State, now_ns: u64) -> Result<(), RestoreError> {
        let contents = state.contents(&self.program, now_ns)?;
        self.memory = Memory::new(&self.program);
        self.memory.load(contents);
        Ok(())
    }

    /// The state as seen at time `now_ns`, in canonical form: what is still as it was at the start
    /// and what has expired is left out.
    pub fn state(&self, now_ns: u64) -> State {
        let mut state = State::default();
        for (id, table) in self.program.tables.iter() {
            let live = self.memory.flows[id]
                .iter()
                .filter(|(_, flow)| flow.is_live(now_ns))
                .map(|(key, flow)| (key_text(key), touch::flow_state(&self.program, flow)))
                .collect::<std::collections::BTreeMap<_, _>>();
            if !live.is_empty() {
                state.flows.insert(table.name.clone(), live);
            }
        }
        for (id, object) in self.program.objects.iter() {
            let live = |cell: &Cell| match (cell, self.memory.owners[id]) {
                (Cell::Flow(key), Some(table)) => state
                    .flows
                    .get(&self.program.tables[table].name)
                    .is_some_and(|flows| flows.contains_key(key)),
                _ => true,
            };
            match self.memory.objects[id].dump(object) {
                objects::Dump::Counters(mut cells) => {
                    cells.retain(|cell, _| live(cell));
                    insert(&mut state.counters, &object.name, cells);
                }
                objects::Dump::Meters(mut cells) => {
                    cells.retain(|cell, _| live(cell));
                    insert(&mut state.meters, &object.name, cells);
                }
                objects::Dump::Registers(cells) => {
                    insert(&mut state.registers, &object.name, cells);
                }
                objects::Dump::Allocator(cells) => {
                    insert(&mut state.allocators, &object.name, cells);
                }
                objects::Dump::Messages(messages) if !messages.is_empty() => {
                    state.messages.insert(object.name.clone(), messages);
                }
                objects::Dump::Draws(draws) if draws > 0 => {
                    state.draws.insert(object.name.clone(), draws);
                }
                objects::Dump::Messages(_) | objects::Dump::Draws(_) | objects::Dump::Nothing => {}
            }
        }
        state
    }
}

type Named<K, V> = std::collections::BTreeMap<String, std::collections::BTreeMap<K, V>>;

fn insert<K: Ord, V>(into: &mut Named<K, V>, name: &str, cells: std::collections::BTreeMap<K, V>) {
    if !cells.is_empty() {
        into.insert(name.to_owned(), cells);
    }
}

/// The name of a drop reason by its number (`drop` metadata), for people.
pub fn reason_text(program: &Program, number: u16) -> &str {
    usize::from(number)
        .checked_sub(1)
        .and_then(|i| program.drop_reasons.get(trisect_ir::DropReasonId::new(i)))
        .map_or("no reason given", String::as_str)
}
