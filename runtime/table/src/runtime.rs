//! All mutable state of one program, and the operations on it.

use crate::alloc::Allocator;
use crate::cells::{Cells, Meters, Registers, count};
use crate::flow::{Handle, split_handle};
use crate::limbs;
use crate::messages::{Messages, Random};
use crate::pattern::{PatternSet, PatternSetError};
use crate::table::{MatchTable, Record};
use std::collections::BTreeMap;
use trisect_ir::meter::{GREEN, MeterState};
use trisect_ir::restore::{CellAt, Contents};
use trisect_ir::state::{Cell, Count, FlowState, State, key_text};
use trisect_ir::{
    Bits, Entity, ObjectId, ObjectKind, Param, PrimaryMap, Program, RestoreError, TableId,
};

/// A stateful object.
#[derive(Clone, Debug)]
pub enum ObjectState {
    /// Counters.
    Counter(Cells<Count>),
    /// Meters.
    Meter(Meters),
    /// Registers.
    Register(Registers),
    /// Patterns.
    PatternSet(PatternSet),
    /// Numbers.
    Allocator(Allocator),
    /// Messages.
    Messages(Messages),
    /// Random numbers.
    Random(Random),
}

/// Which cell of a counter or meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellRef {
    /// By index; ignored past the end.
    Index(u64),
    /// Of the entry of this table with this handle; ignored for a miss.
    Entry(TableId, u64),
}

/// A program's tables and objects.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// By table.
    pub tables: PrimaryMap<TableId, MatchTable>,
    /// By object.
    pub objects: PrimaryMap<ObjectId, ObjectState>,
}

/// Why a runtime cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// A pattern set is too large.
    #[error("object `{object}`: {source}")]
    Patterns {
        /// The pattern set.
        object: String,
        /// The reason.
        source: PatternSetError,
    },
}

impl Runtime {
    /// The initial state of a program (which must be verified).
    pub fn new(program: &Program) -> Result<Self, RuntimeError> {
        let objects = program
            .objects
            .values()
            .map(|object| object_state(&object.name, &object.kind))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            tables: program
                .tables
                .values()
                .map(|t| MatchTable::new(program, t))
                .collect(),
            objects: objects.into_iter().collect(),
        })
    }
    /// Looks up a key.
    pub fn lookup(&mut self, table: TableId, key: &[u8], now: u64) -> Option<Record<'_>> {
        Some(self.tables.get_mut(table)?.lookup(key, now))
    }
    /// Looks up a key of which somebody thinks that its flow entry is in the slot `hint`; also gives the slot of
    /// the flow entry that was found ([`MatchTable::lookup_at`]).
    #[inline]
    pub fn lookup_at(
        &mut self,
        table: TableId,
        hint: u32,
        key: &[u8],
        now: u64,
    ) -> Option<(Option<u32>, Record<'_>)> {
        Some(self.tables.get_mut(table)?.lookup_at(hint, key, now))
    }
    /// Adds a flow entry for the key whose look-up missed.
    pub fn add_entry(&mut self, table: TableId, action: u64, args: &[u64], profile: u64, now: u64) {
        let flow = self.tables.get_mut(table).and_then(|t| t.flow.as_mut());
        if let Some(slot) = flow.and_then(|f| f.add(action, args, profile, now)) {
            self.reset_cells(table, slot);
        }
    }
    /// A new flow entry begins with fresh direct objects.
    fn reset_cells(&mut self, table: TableId, slot: u32) {
        for object in self.objects.values_mut() {
            match object {
                ObjectState::Counter(cells) => cells.reset_flow(table.0, slot),
                ObjectState::Meter(meters) => meters.cells.reset_flow(table.0, slot),
                _ => {}
            }
        }
    }
    /// Changes the expire-time profile of the flow entry that was hit.
    pub fn set_expire(&mut self, table: TableId, profile: u64) {
        if let Some(flow) = self.tables.get_mut(table).and_then(|t| t.flow.as_mut()) {
            flow.set_expire(profile);
        }
    }
    /// Counts a packet.
    pub fn count(&mut self, object: ObjectId, cell: CellRef, bytes: u64) {
        let Some(ObjectState::Counter(cells)) = self.objects.get_mut(object) else {
            return;
        };
        if let Some(cell) = find_cell(cells, cell) {
            count(cell, bytes);
        }
    }
    /// Runs a meter cell; green if there is none.
    pub fn meter(
        &mut self,
        object: ObjectId,
        cell: CellRef,
        now: u64,
        units: u64,
        color: u8,
    ) -> u8 {
        let Some(ObjectState::Meter(meters)) = self.objects.get_mut(object) else {
            return GREEN;
        };
        let config = match cell {
            CellRef::Index(i) => u32::try_from(i).map_or(meters.default, |i| meters.config(i)),
            CellRef::Entry(_, handle) => match split_handle(handle) {
                Handle::Entry(i) => meters.config(i),
                _ => meters.default,
            },
        };
        Meters::execute(
            find_cell(&mut meters.cells, cell),
            &config,
            now,
            units,
            color,
        )
    }
    /// Searches bytes for a pattern set's patterns.
    pub fn search(&self, object: ObjectId, data: &[u8]) -> u16 {
        match self.objects.get(object) {
            Some(ObjectState::PatternSet(set)) => set.search(data),
            _ => 0,
        }
    }
    /// Takes a number.
    pub fn allocate(&mut self, object: ObjectId, now: u64) -> Option<u64> {
        match self.objects.get_mut(object) {
            Some(ObjectState::Allocator(allocator)) => allocator.allocate(now),
            _ => None,
        }
    }
    /// Renews a number.
    pub fn touch(&mut self, object: ObjectId, number: u64, now: u64) {
        if let Some(ObjectState::Allocator(allocator)) = self.objects.get_mut(object) {
            allocator.touch(number, now);
        }
    }
    /// Sends a message: the limbs of its values, one value after the other.
    pub fn notify(&mut self, object: ObjectId, words: &[u64]) {
        if let Some(ObjectState::Messages(messages)) = self.objects.get_mut(object) {
            messages.send(words);
        }
    }
    /// Draws a number.
    pub fn random(&mut self, object: ObjectId, lo: &Bits, hi: &Bits) -> Bits {
        match self.objects.get_mut(object) {
            Some(ObjectState::Random(random)) => random.draw(lo, hi),
            _ => lo.clone(),
        }
    }
    /// Makes the state what [`Runtime::state`] gave at a time that is not after `now`, here or in the
    /// runtime of another program with the same tables and objects. What the state leaves out is as at
    /// the start. `program` is the one that this runtime was built from.
    ///
    /// # Errors
    ///
    /// The state names what the program does not have; nothing has changed then.
    pub fn restore(
        &mut self,
        program: &Program,
        state: &State,
        now: u64,
    ) -> Result<(), RestoreError> {
        let contents = state.contents(program, now)?;
        self.clear();
        self.load(contents);
        Ok(())
    }
    /// Sets everything back to the start.
    fn clear(&mut self) {
        for flow in self.tables.values_mut().filter_map(|t| t.flow.as_mut()) {
            flow.clear();
        }
        for object in self.objects.values_mut() {
            match object {
                ObjectState::Counter(cells) => cells.clear(),
                ObjectState::Meter(meters) => meters.cells.clear(),
                ObjectState::Register(registers) => registers.clear(),
                ObjectState::Allocator(allocator) => allocator.load(Vec::new()),
                ObjectState::Messages(messages) => messages.load(Vec::new()),
                ObjectState::Random(random) => random.draws = 0,
                ObjectState::PatternSet(_) => {}
            }
        }
    }
    fn load(&mut self, contents: Contents) {
        // By table and key, for the cells of flow entries.
        let mut slots: BTreeMap<(TableId, Vec<Bits>), u32> = BTreeMap::new();
        for flow in contents.flows {
            let table = &mut self.tables[flow.table];
            let key = table.layout.pack(&flow.key);
            let args: Vec<u64> = flow.call.args.iter().flat_map(limbs::from_bits).collect();
            let (action, last, timeout) = (flow.call.action.0, flow.last_hit_ns, flow.timeout_ns);
            let entries = table.flow.as_mut();
            let slot = entries.and_then(|f| f.load(&key, action.into(), &args, last, timeout));
            slots.extend(slot.map(|slot| ((flow.table, flow.key), slot)));
        }
        for (object, at, count) in contents.counters {
            if let ObjectState::Counter(cells) = &mut self.objects[object] {
                put_cell(cells, at, &slots, count);
            }
        }
        for (object, at, meter) in contents.meters {
            if let ObjectState::Meter(meters) = &mut self.objects[object] {
                put_cell(&mut meters.cells, at, &slots, Some(meter));
            }
        }
        for (object, index, value) in contents.registers {
            if let ObjectState::Register(registers) = &mut self.objects[object]
                && let Some(cell) = registers.get_mut(index.into())
            {
                cell.copy_from_slice(&limbs::from_bits(&value));
            }
        }
        for (object, last_uses) in contents.allocators {
            if let ObjectState::Allocator(allocator) = &mut self.objects[object] {
                allocator.load(last_uses);
            }
        }
        for (object, waiting) in contents.messages {
            if let ObjectState::Messages(messages) = &mut self.objects[object] {
                messages.load(waiting);
            }
        }
        for (object, draws) in contents.draws {
            if let ObjectState::Random(random) = &mut self.objects[object] {
                random.draws = draws;
            }
        }
    }
    /// All state at a time in nanoseconds, in canonical form. `program` is the one that this runtime
    /// was built from.
    pub fn state(&self, program: &Program, now: u64) -> State {
        let mut state = State::default();
        for (id, table) in program.tables.iter() {
            let flows = self.flows(program, id, now);
            if !flows.is_empty() {
                state.flows.insert(table.name.clone(), flows);
            }
        }
        for (id, object) in program.objects.iter() {
            let name = || object.name.clone();
            match &self.objects[id] {
                ObjectState::Counter(cells) => {
                    let cells = self.cells(cells, now, |c| (*c != Count::default()).then_some(*c));
                    put(&mut state.counters, name(), cells);
                }
                ObjectState::Meter(meters) => {
                    put(
                        &mut state.meters,
                        name(),
                        self.cells(&meters.cells, now, |m: &Option<MeterState>| *m),
                    );
                }
                ObjectState::Register(registers) => {
                    put(&mut state.registers, name(), registers.changed().collect());
                }
                ObjectState::Allocator(allocator) => {
                    put(&mut state.allocators, name(), allocator.used().collect());
                }
                ObjectState::Messages(messages) => {
                    let waiting = messages.waiting();
                    if !waiting.is_empty() {
                        state.messages.insert(name(), waiting);
                    }
                }
                ObjectState::Random(random) => {
                    if random.draws > 0 {
                        state.draws.insert(name(), random.draws);
                    }
                }
                ObjectState::PatternSet(_) => {}
            }
        }
        state
    }
    fn flows(&self, program: &Program, table: TableId, now: u64) -> BTreeMap<String, FlowState> {
        let this = &self.tables[table];
        let Some(flow) = &this.flow else {
            return BTreeMap::new();
        };
        flow.live(now)
            .map(|entry| {
                let action = &program.actions[Entity::new(entry.record.action() as usize)];
                let text = key_text(&this.layout.unpack(entry.key));
                let state = FlowState {
                    action: action.name.clone(),
                    args: args_of(&action.params, entry.record.args()),
                    last_hit_ns: entry.last_hit_ns,
                    timeout_ns: entry.timeout_ns,
                };
                (text, state)
            })
            .collect()
    }
    fn cells<T, U>(
        &self,
        cells: &Cells<T>,
        now: u64,
        value: impl Fn(&T) -> Option<U>,
    ) -> BTreeMap<Cell, U> {
        let mut out = BTreeMap::new();
        for (i, cell) in cells.fixed.iter().enumerate() {
            if let Some(value) = value(cell) {
                let i = i as u32;
                let at = if cells.direct {
                    Cell::Entry(i)
                } else {
                    Cell::Index(i)
                };
                out.insert(at, value);
            }
        }
        for (table, cells) in &cells.flows {
            let Some(table) = self.tables.get(TableId(*table)) else {
                continue;
            };
            for (slot, cell) in cells.iter().enumerate() {
                let key = table.flow.as_ref().and_then(|f| f.key_of(slot as u32, now));
                if let (Some(key), Some(value)) = (key, value(cell)) {
                    out.insert(Cell::Flow(key_text(&table.layout.unpack(key))), value);
                }
            }
        }
        out
    }
}

/// The values of arguments.
pub fn args_of(params: &[Param], mut words: &[u64]) -> Vec<Bits> {
    params
        .iter()
        .map(|param| {
            let (value, rest) = words.split_at(limbs::count(param.width).min(words.len()));
            words = rest;
            limbs::to_bits(param.width, value)
        })
        .collect()
}

fn put<K: Ord, V>(
    into: &mut BTreeMap<String, BTreeMap<K, V>>,
    name: String,
    cells: BTreeMap<K, V>,
) {
    if !cells.is_empty() {
        into.insert(name, cells);
    }
}

fn put_cell<T: Clone + Default>(
    cells: &mut Cells<T>,
    at: CellAt,
    slots: &BTreeMap<(TableId, Vec<Bits>), u32>,
    value: T,
) {
    let cell = match at {
        CellAt::Index(i) => cells.fixed.get_mut(i as usize),
        CellAt::Entry(i) => Some(cells.entry(i)),
        CellAt::Flow(table, key) => slots
            .get(&(table, key))
            .map(|slot| cells.flow(table.0, *slot)),
    };
    if let Some(cell) = cell {
        *cell = value;
    }
}

fn find_cell<T: Clone + Default>(cells: &mut Cells<T>, cell: CellRef) -> Option<&mut T> {
    match cell {
        CellRef::Index(i) => usize::try_from(i).ok().and_then(|i| cells.fixed.get_mut(i)),
        CellRef::Entry(table, handle) => match split_handle(handle) {
            Handle::Miss => None,
            Handle::Entry(i) => Some(cells.entry(i)),
            Handle::Flow(slot) => Some(cells.flow(table.0, slot)),
        },
    }
}

fn object_state(name: &str, kind: &ObjectKind) -> Result<ObjectState, RuntimeError> {
    Ok(match kind {
        ObjectKind::Counter { size, .. } => ObjectState::Counter(Cells::new(*size)),
        ObjectKind::Meter {
            size,
            default,
            cells,
            ..
        } => ObjectState::Meter(Meters {
            cells: Cells::new(*size),
            default: *default,
            configs: cells.clone(),
        }),
        ObjectKind::Register { width, size, init } => {
            ObjectState::Register(Registers::new(*width, *size, init))
        }
        ObjectKind::PatternSet { patterns } => {
            ObjectState::PatternSet(PatternSet::new(patterns).map_err(|source| {
                RuntimeError::Patterns {
                    object: name.to_owned(),
                    source,
                }
            })?)
        }
        ObjectKind::Allocator {
            base,
            size,
            idle_ns,
            ..
        } => ObjectState::Allocator(Allocator::new(*base, *size, *idle_ns)),
        ObjectKind::Message { fields, .. } => {
            ObjectState::Messages(Messages::new(fields.iter().map(|f| f.1)))
        }
        ObjectKind::Random { seed } => ObjectState::Random(Random {
            seed: *seed,
            draws: 0,
        }),
    })
}
