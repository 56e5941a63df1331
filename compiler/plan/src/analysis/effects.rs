//! What a node reads and writes.

use std::collections::BTreeSet;
use trisect_ir::{
    ActionId, CountUnit, Expr, FieldRef, HeaderId, Index, LValue, MetaId, NodeId, NodeKind,
    ObjectId, ObjectKind, Op, Place, Program, StdMeta, TableId,
};

/// Something that a node can read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// A metadata field.
    Meta(MetaId),
    /// A header field.
    Field(FieldRef),
    /// Whether a header is there.
    Valid(HeaderId),
    /// The bytes of the frame, or its payload.
    Frame,
}

/// What one node does to the packet and to state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What it may read before it has written it.
    pub reads: BTreeSet<Slot>,
    /// What it may write.
    pub writes: BTreeSet<Slot>,
    /// Metadata that it writes whole on every way through it.
    pub kills: BTreeSet<MetaId>,
    /// Tables that it applies or changes.
    pub tables: BTreeSet<TableId>,
    /// Objects that it uses.
    pub objects: BTreeSet<ObjectId>,
    /// Headers that it makes valid or invalid.
    pub restructures: BTreeSet<HeaderId>,
    /// Whether what it writes may depend on state or on the payload.
    pub stateful: bool,
    /// Whether an expression reads the frame by offset, or its length.
    pub reads_raw_frame: bool,
}

impl Effects {
    /// The effects of a node.
    pub fn of_node(program: &Program, node: NodeId) -> Self {
        let mut scan = Scan::new(program);
        match &program.control.nodes[node].kind {
            NodeKind::Apply(table, _) => scan.table(*table),
            NodeKind::Branch(cond, ..) => scan.expr(cond),
            NodeKind::Exec(ops, _) => scan.ops(ops),
            NodeKind::Reparse(_) => scan.reparse(),
            NodeKind::Emit => scan.read(Slot::Meta(StdMeta::EgressPort.id())),
            NodeKind::Drop => scan.read(Slot::Meta(StdMeta::Drop.id())),
        }
        scan.finish()
    }
    /// The effects of an action, whatever its arguments.
    pub fn of_action(program: &Program, action: ActionId) -> Self {
        let mut scan = Scan::new(program);
        scan.ops(&program.actions[action].ops);
        scan.finish()
    }
    /// The places that an expression reads.
    pub fn of_expr(program: &Program, expr: &Expr) -> BTreeSet<Slot> {
        let mut slots = BTreeSet::new();
        expr.walk(&mut |e| match e {
            Expr::Meta(meta) => {
                slots.insert(Slot::Meta(*meta));
            }
            Expr::Field(field) => {
                // A field of an invalid header reads as 0.
                slots.insert(Slot::Field(*field));
                slots.insert(Slot::Valid(field.header));
            }
            Expr::Valid(header) => {
                slots.insert(Slot::Valid(*header));
            }
            Expr::Frame { .. } | Expr::FrameLen | Expr::Lookahead { .. } | Expr::Payload => {
                slots.insert(Slot::Frame);
            }
            _ => {
                for header in e.varbits() {
                    slots.insert(Slot::Valid(header));
                    slots.extend(program.varbit_field(header).map(Slot::Field));
                }
            }
        });
        slots
    }
    /// Whether the order of two nodes with these effects matters.
    pub fn conflicts(&self, later: &Self) -> bool {
        let meets = |a: &BTreeSet<Slot>, b: &BTreeSet<Slot>| a.intersection(b).next().is_some();
        meets(&self.writes, &later.reads)
            || meets(&self.reads, &later.writes)
            || meets(&self.writes, &later.writes)
            || self.objects.intersection(&later.objects).next().is_some()
            || self.tables.intersection(&later.tables).next().is_some()
    }
}

struct Scan<'a> {
    program: &'a Program,
    effects: Effects,
    /// Metadata written whole so far on this way.
    defined: BTreeSet<MetaId>,
    /// Tables whose actions are being scanned.
    open: BTreeSet<TableId>,
}

impl<'a> Scan<'a> {
    fn new(program: &'a Program) -> Self {
        Self {
            program,
            effects: Effects::default(),
            defined: BTreeSet::new(),
            open: BTreeSet::new(),
        }
    }
    fn finish(mut self) -> Effects {
        self.effects.kills = self.defined;
        self.effects
    }
    fn read(&mut self, slot: Slot) {
        if !matches!(slot, Slot::Meta(meta) if self.defined.contains(&meta)) {
            self.effects.reads.insert(slot);
        }
    }
    fn std(&mut self, meta: StdMeta) {
        self.read(Slot::Meta(meta.id()));
    }
    fn expr(&mut self, expr: &Expr) {
        expr.walk(&mut |e| {
            self.effects.reads_raw_frame |= matches!(e, Expr::Frame { .. } | Expr::FrameLen);
        });
        for slot in Effects::of_expr(self.program, expr) {
            self.read(slot);
        }
    }
    fn write(&mut self, lvalue: &LValue) {
        match lvalue.place {
            Place::Meta(meta) => {
                self.effects.writes.insert(Slot::Meta(meta));
                if lvalue.slice.is_none() {
                    self.defined.insert(meta);
                } else {
                    self.read(Slot::Meta(meta));
                }
            }
            Place::Field(field) => {
                self.effects.writes.insert(Slot::Field(field));
                // Writing to an invalid header does nothing.
                self.read(Slot::Valid(field.header));
            }
        }
    }
    fn index(&mut self, index: &Index) {
        if let Index::At(expr) = index {
            self.expr(expr);
        }
    }
    fn object(&mut self, object: ObjectId) {
        self.effects.objects.insert(object);
    }
    fn counts_bytes(&mut self, object: ObjectId) {
        let unit = match &self.program.objects[object].kind {
            // Both are kept in the state whatever is reported.
            ObjectKind::Counter { .. } => CountUnit::PacketsAndBytes,
            ObjectKind::Meter { unit, .. } => *unit,
            _ => return,
        };
        if unit != CountUnit::Packets {
            self.std(StdMeta::PacketLength);
        }
    }
    fn all_fields(&mut self, header: HeaderId, write: bool) {
        self.read(Slot::Valid(header));
        for field in 0..self.program.header_type(header).fields.len() {
            let slot = Slot::Field(FieldRef {
                header,
                field: field as u32,
            });
            if write {
                self.effects.writes.insert(slot);
            } else {
                self.read(slot);
            }
        }
    }
    fn restructure(&mut self, header: HeaderId) {
        self.effects.restructures.insert(header);
        self.effects.writes.insert(Slot::Valid(header));
        self.all_fields(header, true);
    }
    /// Ways of which exactly one is taken: what all of them define is defined.
    fn ways(&mut self, ways: impl Iterator<Item = &'a [Op]>) {
        let before = self.defined.clone();
        let mut after: Option<BTreeSet<MetaId>> = None;
        for ops in ways {
            self.defined.clone_from(&before);
            self.ops(ops);
            after = Some(match after {
                None => self.defined.clone(),
                Some(common) => common.intersection(&self.defined).copied().collect(),
            });
        }
        self.defined = after.unwrap_or(before);
    }
    fn ops(&mut self, ops: &'a [Op]) {
        for op in ops {
            self.op(op);
        }
    }
    fn op(&mut self, op: &'a Op) {
        match op {
            Op::Set(lvalue, value) => {
                self.expr(value);
                self.write(lvalue);
            }
            Op::SetValid(header) | Op::SetInvalid(header) => self.restructure(*header),
            Op::Copy { dst, src } => {
                self.all_fields(*src, false);
                self.restructure(*dst);
            }
            Op::CopyVarbit { dst, src } => {
                self.read(Slot::Valid(*src));
                self.read(Slot::Valid(*dst));
                if let Some(from) = self.program.varbit_field(*src) {
                    self.read(Slot::Field(from));
                }
                let to = self.program.varbit_field(*dst).map(Slot::Field);
                self.effects.writes.extend(to);
            }
            Op::If(cond, then, otherwise) => {
                self.expr(cond);
                self.ways([then.as_slice(), otherwise].into_iter());
            }
            Op::Count(object, index) => {
                self.object(*object);
                self.counts_bytes(*object);
                self.index(index);
            }
            Op::Meter {
                object,
                index,
                color,
                dst,
            } => {
                self.object(*object);
                self.counts_bytes(*object);
                self.std(StdMeta::Timestamp);
                self.index(index);
                if let Some(color) = color {
                    self.expr(color);
                }
                self.stateful(&[dst]);
            }
            Op::Read { object, index, dst } => {
                self.object(*object);
                self.expr(index);
                self.stateful(&[dst]);
            }
            Op::Write {
                object,
                index,
                value,
            } => {
                self.object(*object);
                self.expr(index);
                self.expr(value);
            }
            Op::Search { object, after, dst } => {
                self.object(*object);
                self.read(Slot::Valid(*after));
                self.read(Slot::Frame);
                self.stateful(&[dst]);
            }
            Op::Allocate { object, ok, value } => {
                self.object(*object);
                self.std(StdMeta::Timestamp);
                self.stateful(&[ok, value]);
            }
            Op::Touch(object, value) => {
                self.object(*object);
                self.std(StdMeta::Timestamp);
                self.expr(value);
            }
            Op::Notify(object, values) => {
                self.object(*object);
                values.iter().for_each(|value| self.expr(value));
            }
            Op::Random {
                object,
                lo,
                hi,
                dst,
            } => {
                self.object(*object);
                self.expr(lo);
                self.expr(hi);
                self.stateful(&[dst]);
            }
            Op::AddEntry {
                table,
                action,
                args,
                profile,
            } => {
                self.effects.tables.insert(*table);
                self.std(StdMeta::Timestamp);
                for arg in args.iter().chain([profile]) {
                    self.expr(arg);
                }
                // A later packet runs the entry's action at the node that applies the table.
                if self.open.contains(table) {
                    let before = self.defined.clone();
                    self.ops(&self.program.actions[*action].ops);
                    self.defined = before;
                }
            }
            Op::SetExpire { table, profile } => {
                self.effects.tables.insert(*table);
                self.std(StdMeta::Timestamp);
                self.expr(profile);
            }
        }
    }
    fn stateful(&mut self, dsts: &[&LValue]) {
        self.effects.stateful = true;
        for dst in dsts {
            self.write(dst);
        }
    }
    fn table(&mut self, id: TableId) {
        let table = &self.program.tables[id];
        self.effects.tables.insert(id);
        table.exprs().for_each(|e| self.expr(e));
        if table.flow.is_some() {
            self.std(StdMeta::Timestamp);
            self.effects.stateful = true;
        }
        self.open.insert(id);
        let mut actions: Vec<ActionId> = table.actions.clone();
        actions.push(table.default.action);
        actions.sort();
        actions.dedup();
        let program = self.program;
        self.ways(
            actions
                .into_iter()
                .map(move |a| program.actions[a].ops.as_slice()),
        );
        self.open.remove(&id);
    }
    fn reparse(&mut self) {
        self.read(Slot::Frame);
        for header in self.program.headers.keys() {
            self.all_fields(header, false);
        }
        for header in self.program.headers.keys() {
            self.effects.writes.insert(Slot::Valid(header));
            self.all_fields(header, true);
        }
        for meta in parser_metas(self.program) {
            self.effects.writes.insert(Slot::Meta(meta));
        }
    }
}

/// The metadata that the parser may assign.
pub(super) fn parser_metas(program: &Program) -> BTreeSet<MetaId> {
    use trisect_ir::ParserOp;
    let mut metas = BTreeSet::from([StdMeta::ParserError.id()]);
    for state in program.parser.states.values() {
        for op in &state.ops {
            if let ParserOp::Set(lvalue, _) = op
                && let Place::Meta(meta) = lvalue.place
            {
                metas.insert(meta);
            }
        }
    }
    metas
}
