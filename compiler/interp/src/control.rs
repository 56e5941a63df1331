//! The walk through the control graph.

use crate::lookup::{self, Flow};
use crate::objects::{CellKey, ObjectState, index_below};
use crate::packet::{PacketState, Scope};
use crate::touch::{Place, Touch};
use crate::trace::{EntryRef, Hit, Outcome, Step, Trace};
use crate::{Memory, parse};
use trisect_ir::eval;
use trisect_ir::{
    ActionCall, ActionId, Bits, Expr, HashAlgorithm, Index, LValue, NodeId, NodeKind, ObjectId,
    ObjectKind, Op, PrimaryMap, Program, Selector, StdMeta, Successors, TableId,
};

/// One packet's run.
pub(crate) struct Run<'a> {
    pub program: &'a Program,
    pub memory: &'a mut Memory,
    pub visits: &'a mut PrimaryMap<NodeId, u64>,
    pub packet: PacketState,
    pub trace: Option<&'a mut Trace>,
    /// The state that the packet has touched so far, if it is traced.
    pub touch: Option<Touch>,
}

/// What the operations that run belong to.
struct Context<'a> {
    args: &'a [Bits],
    /// The look-up that the enclosing action was run for; `None` in an `Exec` node.
    lookup: Option<&'a Lookup>,
}

/// A look-up and its result.
struct Lookup {
    table: TableId,
    key: Vec<Bits>,
    entry: Option<EntryRef>,
}

impl Lookup {
    fn cell(&self) -> Option<CellKey> {
        match self.entry? {
            EntryRef::Static(i) => Some(CellKey::Entry(i)),
            EntryRef::Flow => Some(CellKey::Flow(self.key.clone())),
        }
    }
}

impl Run<'_> {
    pub fn run(mut self) -> Outcome {
        let outcome = self.walk();
        if let (Some(trace), Some(touch)) = (self.trace, self.touch) {
            trace.touched = touch.finish(self.program, self.memory);
        }
        outcome
    }

    fn walk(&mut self) -> Outcome {
        self.parse();
        let mut next = self.program.control.entry;
        while let Some(node) = next {
            self.visits[node] += 1;
            if let Some(trace) = self.trace.as_deref_mut() {
                trace.steps.push(Step { node, hit: None });
            }
            next = match &self.program.control.nodes[node].kind {
                NodeKind::Apply(table, successors) => Some(self.apply(*table, successors)),
                NodeKind::Branch(cond, yes, no) => {
                    Some(if self.holds(cond, &[]) { *yes } else { *no })
                }
                NodeKind::Exec(ops, next) => {
                    let context = Context {
                        args: &[],
                        lookup: None,
                    };
                    self.perform_all(ops, &context);
                    Some(*next)
                }
                NodeKind::Reparse(next) => {
                    self.packet.frame = self.packet.deparse(self.program);
                    self.parse();
                    Some(*next)
                }
                NodeKind::Emit => return self.emit(),
                NodeKind::Drop => break,
            };
        }
        Outcome::Drop {
            reason: self.packet.standard(StdMeta::Drop) as u16,
            metadata: std::mem::take(&mut self.packet.metas),
        }
    }

    fn emit(&mut self) -> Outcome {
        Outcome::Emit {
            port: self.packet.standard(StdMeta::EgressPort) as u16,
            bytes: self.packet.deparse(self.program),
            metadata: std::mem::take(&mut self.packet.metas),
        }
    }

    /// Notes that the packet is about to read or write this place, if it is traced.
    fn touch(&mut self, place: impl FnOnce() -> Place) {
        if let Some(touch) = &mut self.touch {
            let now = self.packet.standard(StdMeta::Timestamp);
            touch.note(self.program, self.memory, now, place());
        }
    }

    fn parse(&mut self) {
        parse::parse(self.program, &mut self.packet, self.trace.as_deref_mut());
    }

    fn now(&self) -> u64 {
        self.packet.standard(StdMeta::Timestamp)
    }

    fn eval(&self, expr: &Expr, args: &[Bits]) -> Bits {
        let scope = Scope {
            program: self.program,
            packet: &self.packet,
            args,
        };
        eval::eval(expr, &scope)
    }

    fn hash(&self, algorithm: &HashAlgorithm, inputs: &[Expr]) -> Bits {
        let scope = Scope {
            program: self.program,
            packet: &self.packet,
            args: &[],
        };
        eval::hash_inputs(algorithm, inputs, &scope)
    }

    fn holds(&self, cond: &Expr, args: &[Bits]) -> bool {
        !self.eval(cond, args).is_zero()
    }

    /// Applies a table and says where to go.
    fn apply(&mut self, id: TableId, successors: &Successors) -> NodeId {
        let table = &self.program.tables[id];
        let key: Vec<Bits> = table.keys.iter().map(|k| self.eval(&k.expr, &[])).collect();
        let (entry, call) = self.look_up(id, &key);
        let lookup = Lookup {
            table: id,
            key,
            entry,
        };
        if let Some(step) = self.trace.as_deref_mut().and_then(|t| t.steps.last_mut()) {
            step.hit = Some(Hit {
                table: id,
                key: lookup.key.clone(),
                action: call.action,
                entry,
            });
        }
        let context = Context {
            args: &call.args,
            lookup: Some(&lookup),
        };
        let program = self.program;
        self.perform_all(&program.actions[call.action].ops, &context);
        match successors {
            Successors::Always(next) => *next,
            Successors::HitMiss { hit, miss } => {
                if entry.is_some() {
                    *hit
                } else {
                    *miss
                }
            }
            Successors::ByAction { cases, default } => cases
                .iter()
                .find(|(action, _)| *action == call.action)
                .map_or(*default, |(_, next)| *next),
        }
    }

    /// The winning entry and what it runs: of a group, the member that the selector chooses. Entries of the program come before flow entries; a hit
    /// of a flow entry refreshes it.
    fn look_up(&mut self, id: TableId, key: &[Bits]) -> (Option<EntryRef>, ActionCall) {
        let table = &self.program.tables[id];
        if let Some(i) = self.memory.entries[id].find(key) {
            let entry = &table.entries[i];
            let call = match &table.selector {
                Some(Selector { algorithm, inputs }) => {
                    entry.member(self.hash(algorithm, inputs).low_u64())
                }
                None => &entry.call,
            };
            return (Some(EntryRef::Static(i as u32)), call.clone());
        }
        let now = self.now();
        if table.flow.is_some() {
            self.touch(|| Place::Flow(id, key.to_vec()));
        }
        match self.memory.flows[id].get_mut(key) {
            Some(flow) if flow.is_live(now) => {
                flow.last_hit_ns = flow.last_hit_ns.max(now);
                (Some(EntryRef::Flow), flow.call.clone())
            }
            _ => (None, table.default.clone()),
        }
    }

    fn perform_all(&mut self, ops: &[Op], context: &Context<'_>) {
        for op in ops {
            self.perform(op, context);
        }
    }

    fn perform(&mut self, op: &Op, context: &Context<'_>) {
        match op {
            Op::Set(to, expr) => {
                let value = self.eval(expr, context.args);
                self.packet.assign(to, &value);
            }
            Op::SetValid(header) => self.packet.set_valid(self.program, *header),
            Op::SetInvalid(header) => self.packet.headers[*header] = None,
            Op::Copy { dst, src } => {
                self.packet.headers[*dst] = self.packet.headers[*src].clone();
            }
            Op::CopyVarbit { dst, src } => self.packet.copy_varbit(*dst, *src),
            Op::If(cond, yes, no) => {
                let ops = if self.holds(cond, context.args) {
                    yes
                } else {
                    no
                };
                self.perform_all(ops, context);
            }
            Op::Count(object, index) => {
                if let Some(cell) = self.cell(*object, index, context) {
                    self.touch(|| Place::Cell(*object, cell.clone()));
                    let bytes = self.packet.standard(StdMeta::PacketLength);
                    self.memory.objects[*object].count(cell, bytes);
                }
            }
            Op::Meter {
                object,
                index,
                color,
                dst,
            } => self.meter(*object, index, color.as_ref(), dst, context),
            Op::Read { object, index, dst } => {
                let value = self.read_register(*object, &self.eval(index, context.args));
                self.packet.assign(dst, &value);
            }
            Op::Write {
                object,
                index,
                value,
            } => {
                let index = self.eval(index, context.args);
                let value = self.eval(value, context.args);
                self.write_register(*object, &index, value);
            }
            Op::Search { object, after, dst } => {
                let found = match &self.memory.objects[*object] {
                    ObjectState::PatternSet(patterns) => self
                        .packet
                        .bytes_after(self.program, *after)
                        .map_or(0, |data| patterns.search(&data)),
                    _ => 0,
                };
                self.packet.assign(dst, &Bits::new(16, found));
            }
            Op::Allocate { object, ok, value } => self.allocate(*object, ok, value),
            Op::Touch(object, number) => {
                let number = self.eval(number, context.args).to_u64();
                let now = self.now();
                if let Some(number) = number {
                    self.touch(|| Place::Number(*object, number));
                }
                if let (ObjectState::Allocator(a), Some(n)) =
                    (&mut self.memory.objects[*object], number)
                {
                    a.touch(n, now);
                }
            }
            Op::Notify(object, values) => {
                let values: Vec<Bits> = values.iter().map(|e| self.eval(e, context.args)).collect();
                if let Some(touch) = &mut self.touch {
                    touch.sent(self.program, *object, values.clone());
                }
                self.memory.objects[*object].send(values);
            }
            Op::Random {
                object,
                lo,
                hi,
                dst,
            } => {
                let lo = self.eval(lo, context.args);
                let hi = self.eval(hi, context.args);
                self.touch(|| Place::Draws(*object));
                let kind = &self.program.objects[*object].kind;
                let number = self.memory.objects[*object].draw(kind, &lo, &hi);
                self.packet.assign(dst, &number);
            }
            Op::AddEntry {
                table,
                action,
                args,
                profile,
            } => self.add_entry(*table, *action, args, profile, context),
            Op::SetExpire { table, profile } => self.set_expire(*table, profile, context),
        }
    }

    /// The cell that an index means; `None` past the size, and for a direct object on a miss.
    fn cell(&self, object: ObjectId, index: &Index, context: &Context<'_>) -> Option<CellKey> {
        match index {
            Index::Entry => context.lookup?.cell(),
            Index::At(expr) => {
                let size = match self.program.objects[object].kind {
                    ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => size?,
                    _ => return None,
                };
                index_below(&self.eval(expr, context.args), size).map(CellKey::At)
            }
        }
    }

    fn meter(
        &mut self,
        object: ObjectId,
        index: &Index,
        color: Option<&Expr>,
        dst: &LValue,
        context: &Context<'_>,
    ) {
        let cell = self.cell(object, index, context);
        // Everything above 2 counts as red.
        let so_far = color.map_or(0, |c| {
            self.eval(c, context.args).to_u64().map_or(2, |c| c.min(2)) as u8
        });
        let now = self.now();
        let bytes = self.packet.standard(StdMeta::PacketLength);
        if let Some(cell) = &cell {
            self.touch(|| Place::Cell(object, cell.clone()));
        }
        let kind = &self.program.objects[object].kind;
        let color = cell.map_or(trisect_ir::meter::GREEN, |cell| {
            self.memory.objects[object].meter(kind, cell, now, bytes, so_far)
        });
        self.packet.assign(dst, &Bits::new(8, color));
    }

    fn read_register(&mut self, object: ObjectId, index: &Bits) -> Bits {
        self.touch_register(object, index);
        let (ObjectState::Register(cells), ObjectKind::Register { width, size, init }) = (
            &self.memory.objects[object],
            &self.program.objects[object].kind,
        ) else {
            return Bits::zero(0);
        };
        match index_below(index, *size) {
            Some(i) => cells.get(&i).unwrap_or(init).clone(),
            None => Bits::zero(*width),
        }
    }

    fn touch_register(&mut self, object: ObjectId, index: &Bits) {
        if let ObjectKind::Register { size, .. } = self.program.objects[object].kind
            && let Some(i) = index_below(index, size)
        {
            self.touch(|| Place::Register(object, i));
        }
    }

    fn write_register(&mut self, object: ObjectId, index: &Bits, value: Bits) {
        self.touch_register(object, index);
        if let (ObjectState::Register(cells), ObjectKind::Register { width, size, .. }) = (
            &mut self.memory.objects[object],
            &self.program.objects[object].kind,
        ) && let Some(i) = index_below(index, *size)
        {
            cells.insert(i, value.resize(*width));
        }
    }

    fn allocate(&mut self, object: ObjectId, ok: &LValue, value: &LValue) {
        let now = self.now();
        if let ObjectState::Allocator(a) = &self.memory.objects[object]
            && let Some((number, _)) = a.next()
        {
            self.touch(|| Place::Number(object, number));
        }
        let (ObjectState::Allocator(allocator), ObjectKind::Allocator { width, idle_ns, .. }) = (
            &mut self.memory.objects[object],
            &self.program.objects[object].kind,
        ) else {
            return;
        };
        let number = allocator.allocate(now, *idle_ns);
        self.packet.assign(ok, &Bits::bool(number.is_some()));
        let number = Bits::new(*width, number.unwrap_or(0));
        self.packet.assign(value, &number);
    }

    /// Adds the key that was looked up, if that look-up missed and there is room. A second
    /// `AddEntry` for the same miss replaces the first.
    fn add_entry(
        &mut self,
        id: TableId,
        action: ActionId,
        args: &[Expr],
        profile: &Expr,
        context: &Context<'_>,
    ) {
        let table = &self.program.tables[id];
        let (Some(lookup), Some(kind)) = (context.lookup, &table.flow) else {
            return;
        };
        if lookup.table != id || lookup.entry.is_some() {
            return;
        }
        let now = self.now();
        let flow = Flow {
            call: ActionCall {
                action,
                args: args.iter().map(|a| self.eval(a, context.args)).collect(),
            },
            last_hit_ns: now,
            timeout_ns: lookup::timeout(kind, &self.eval(profile, context.args)),
        };
        let size = match self.memory.full.contains(&id) {
            true => 0,
            false => table.size as usize,
        };
        if self.memory.flows[id].len() >= size {
            self.remove_expired(id, now);
        }
        let known = self.memory.flows[id].contains_key(&lookup.key);
        if !known && self.memory.flows[id].len() >= size {
            if let Some(touch) = &mut self.touch {
                touch.full(self.program, id);
            }
        } else {
            self.memory.forget_cells(id, &lookup.key);
            self.memory.flows[id].insert(lookup.key.clone(), flow);
        }
    }

    fn remove_expired(&mut self, id: TableId, now: u64) {
        let expired: Vec<Vec<Bits>> = self.memory.flows[id]
            .iter()
            .filter(|(_, flow)| !flow.is_live(now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.memory.flows[id].remove(&key);
            self.memory.forget_cells(id, &key);
        }
    }

    fn set_expire(&mut self, id: TableId, profile: &Expr, context: &Context<'_>) {
        let Some(lookup) = context.lookup else { return };
        if lookup.table != id || lookup.entry != Some(EntryRef::Flow) {
            return;
        }
        let profile = self.eval(profile, context.args);
        if let (Some(kind), Some(flow)) = (
            &self.program.tables[id].flow,
            self.memory.flows[id].get_mut(&lookup.key),
        ) {
            flow.timeout_ns = lookup::timeout(kind, &profile);
        }
    }
}

impl Memory {
    /// Direct cells belong to their entry and go with it.
    fn forget_cells(&mut self, table: TableId, key: &[Bits]) {
        let cell = CellKey::Flow(key.to_vec());
        let owners = &self.owners;
        for (object, state) in owners.keys().zip(self.objects.values_mut()) {
            if owners[object] == Some(table) {
                state.forget(&cell);
            }
        }
    }
}
