//! One packet again, from the part of the state that it touched.

use crate::objects::{Allocator, ObjectState};
use crate::{Interpreter, Memory, Outcome, Packet, Trace};
use std::borrow::Cow;
use std::collections::BTreeMap;
use trisect_ir::state::Touched;
use trisect_ir::{ObjectKind, Program, RestoreError};

impl Interpreter {
    /// Runs a packet in a state of which only what it touched is known, as [`Interpreter::run_traced`]
    /// told it: the outcome and the state afterwards are then the same again. Everything else is as at
    /// the start, and the interpreter's own state is lost.
    ///
    /// Of an allocator, the numbers that the packet touched are taken for all that it has: those in
    /// `before` for handed out, those in `after` alone for the next to be.
    ///
    /// # Errors
    ///
    /// The state names what the program does not have; nothing was run then.
    pub fn replay(
        &mut self,
        packet: Packet,
        touched: &Touched,
    ) -> Result<(Outcome, Trace), RestoreError> {
        let program = self.program.clone();
        let now_ns = packet.time_ns;
        let mut known = Cow::Borrowed(&touched.before);
        if !(known.allocators.is_empty() && known.messages.is_empty()) {
            let known = known.to_mut();
            known.allocators.clear();
            known.messages.clear();
        }
        let contents = known.contents(&program, now_ns)?;
        self.memory.reset(&program);
        self.memory.load(contents);
        self.memory.load_numbers(&program, touched)?;
        for name in &touched.full {
            let table = program.tables.find(|t| t.name == *name);
            let table = table.ok_or_else(|| RestoreError::NoFlowTable(name.clone()))?;
            self.memory.full.insert(table);
        }
        let ran = self.run_traced(packet);
        self.memory.full.clear();
        Ok(ran)
    }
}

impl Memory {
    /// As at the start; what never changes is kept.
    fn reset(&mut self, program: &Program) {
        for flows in self.flows.values_mut() {
            flows.clear();
        }
        for (object, state) in program.objects.values().zip(self.objects.values_mut()) {
            if !matches!(object.kind, ObjectKind::PatternSet { .. }) {
                *state = ObjectState::new(object);
            }
        }
    }

    fn load_numbers(&mut self, program: &Program, touched: &Touched) -> Result<(), RestoreError> {
        let none = BTreeMap::new();
        let names = touched.before.allocators.keys();
        for name in names.chain(touched.after.allocators.keys()) {
            let id = program.objects.find(|o| o.name == *name);
            let state = id.and_then(|id| self.objects.get_mut(id));
            let Some(ObjectState::Allocator(allocator)) = state else {
                let kind = "allocator";
                let name = name.clone();
                return Err(RestoreError::NoObject { kind, name });
            };
            let before = touched.before.allocators.get(name).unwrap_or(&none);
            let after = touched.after.allocators.get(name).unwrap_or(&none);
            let fresh: Vec<u64> = after
                .keys()
                .filter(|n| !before.contains_key(n))
                .copied()
                .collect();
            *allocator = Allocator::of(before, &fresh);
        }
        Ok(())
    }
}
