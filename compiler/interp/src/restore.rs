//! Loading a state.

use crate::Memory;
use crate::lookup::Flow;
use crate::objects::{CellKey, ObjectState};
use trisect_ir::restore::{CellAt, Contents};

impl Memory {
    /// Puts in what a state says. The memory is as at the start.
    pub(crate) fn load(&mut self, contents: Contents) {
        for flow in contents.flows {
            let entry = Flow {
                call: flow.call,
                last_hit_ns: flow.last_hit_ns,
                timeout_ns: flow.timeout_ns,
            };
            self.flows[flow.table].insert(flow.key, entry);
        }
        for (object, at, count) in contents.counters {
            if let ObjectState::Counter(cells) = &mut self.objects[object] {
                cells.insert(key(at), count);
            }
        }
        for (object, at, meter) in contents.meters {
            if let ObjectState::Meter(cells) = &mut self.objects[object] {
                cells.insert(key(at), meter);
            }
        }
        for (object, index, value) in contents.registers {
            if let ObjectState::Register(cells) = &mut self.objects[object] {
                cells.insert(index, value);
            }
        }
        for (object, last_uses) in contents.allocators {
            if let ObjectState::Allocator(allocator) = &mut self.objects[object] {
                allocator.load(&last_uses);
            }
        }
        for (object, messages) in contents.messages {
            if let ObjectState::Messages(waiting) = &mut self.objects[object] {
                *waiting = messages.into();
            }
        }
        for (object, count) in contents.draws {
            if let ObjectState::Random(draws) = &mut self.objects[object] {
                *draws = count;
            }
        }
    }
}

fn key(at: CellAt) -> CellKey {
    match at {
        CellAt::Index(i) => CellKey::At(i),
        CellAt::Entry(i) => CellKey::Entry(i),
        CellAt::Flow(_, key) => CellKey::Flow(key),
    }
}
