//! Which part of the state a packet read and wrote.

use crate::Memory;
use crate::lookup::Flow;
use crate::objects::{CellKey, ObjectState};
use std::collections::BTreeSet;
use trisect_ir::state::{FlowState, State, Touched, key_text};
use trisect_ir::{Bits, ObjectId, ObjectKind, Program, TableId};

/// A place in the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A flow entry, there or not.
    Flow(TableId, Vec<Bits>),
    /// A cell of a counter or meter.
    Cell(ObjectId, CellKey),
    /// A cell of a register.
    Register(ObjectId, u32),
    /// A number of an allocator.
    Number(ObjectId, u64),
    /// A source of random numbers.
    Draws(ObjectId),
}

/// What one packet has touched so far.
#[derive(Default)]
pub(crate) struct Touch {
    places: BTreeSet<Place>,
    touched: Touched,
    now_ns: u64,
}

impl Touch {
    /// The packet is about to read or write this place.
    pub fn note(&mut self, program: &Program, memory: &Memory, now_ns: u64, place: Place) {
        self.now_ns = now_ns;
        if !self.places.contains(&place) {
            memory.dump_place(program, now_ns, &place, &mut self.touched.before);
            self.places.insert(place);
        }
    }

    /// The packet sends a message.
    pub fn sent(&mut self, program: &Program, object: ObjectId, values: Vec<Bits>) {
        let name = program.objects[object].name.clone();
        let sent = &mut self.touched.after.messages;
        sent.entry(name).or_default().push(values);
    }

    /// A table has no room.
    pub fn full(&mut self, program: &Program, table: TableId) {
        let name = &program.tables[table].name;
        if !self.touched.full.contains(name) {
            self.touched.full.push(name.clone());
        }
    }

    /// What was touched, after the packet.
    pub fn finish(mut self, program: &Program, memory: &Memory) -> Touched {
        for place in &self.places {
            memory.dump_place(program, self.now_ns, place, &mut self.touched.after);
        }
        self.touched
    }
}

impl Memory {
    /// Puts what is at one place into `state`, in canonical form: nothing if it is as at the start.
    fn dump_place(&self, program: &Program, now_ns: u64, place: &Place, state: &mut State) {
        match place {
            Place::Flow(table, key) => {
                let flow = self.flows[*table].get(key).filter(|f| f.is_live(now_ns));
                if let Some(flow) = flow {
                    let name = program.tables[*table].name.clone();
                    let flows = state.flows.entry(name).or_default();
                    flows.insert(key_text(key), flow_state(program, flow));
                }
            }
            Place::Cell(object, cell) => {
                let name = || program.objects[*object].name.clone();
                match &self.objects[*object] {
                    ObjectState::Counter(cells) => {
                        if let Some(count) = cells.get(cell) {
                            let counters = state.counters.entry(name()).or_default();
                            counters.insert(cell.dump(), *count);
                        }
                    }
                    ObjectState::Meter(cells) => {
                        if let Some(meter) = cells.get(cell) {
                            let meters = state.meters.entry(name()).or_default();
                            meters.insert(cell.dump(), *meter);
                        }
                    }
                    _ => {}
                }
            }
            Place::Register(object, index) => {
                let object = (&self.objects[*object], &program.objects[*object]);
                if let (ObjectState::Register(cells), info) = object
                    && let ObjectKind::Register { init, .. } = &info.kind
                    && let Some(value) = cells.get(index).filter(|v| *v != init)
                {
                    let registers = state.registers.entry(info.name.clone()).or_default();
                    registers.insert(*index, value.clone());
                }
            }
            Place::Number(object, number) => {
                if let ObjectState::Allocator(allocator) = &self.objects[*object]
                    && let Some(last) = allocator.last_use(*number)
                {
                    let name = program.objects[*object].name.clone();
                    let numbers = state.allocators.entry(name).or_default();
                    numbers.insert(*number, last);
                }
            }
            Place::Draws(object) => {
                if let ObjectState::Random(draws @ 1..) = &self.objects[*object] {
                    let name = program.objects[*object].name.clone();
                    state.draws.insert(name, *draws);
                }
            }
        }
    }
}

/// A flow entry in canonical form.
pub(crate) fn flow_state(program: &Program, flow: &Flow) -> FlowState {
    FlowState {
        action: program.actions[flow.call.action].name.clone(),
        args: flow.call.args.clone(),
        last_hit_ns: flow.last_hit_ns,
        timeout_ns: flow.timeout_ns,
    }
}
