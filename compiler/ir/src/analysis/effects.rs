//! What a node reads and writes.

use crate::{
    Expr, FieldRef, HeaderId, MetaId, NodeId, NodeKind, ObjectId, ObjectKind, Op, Place, Program,
    StdMeta, TableId,
};
use std::collections::BTreeSet;

/// Everything that a node may read or write, on any path through it. A slice counts as its whole
/// field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Metadata read, also implicitly: `timestamp` by meters, allocators and flow tables,
    /// `packet_length` by counters and byte meters, `egress_port` by `Emit`, `drop` by `Drop`.
    pub metas_read: BTreeSet<MetaId>,
    /// Metadata written.
    pub metas_written: BTreeSet<MetaId>,
    /// Header fields read (by `Copy`: all of the source's).
    pub fields_read: BTreeSet<FieldRef>,
    /// Header fields written (by `Copy`, `SetValid` and `SetInvalid`: all of the header's).
    pub fields_written: BTreeSet<FieldRef>,
    /// Headers whose validity is asked for, explicitly or by what reads or writes more of them than a field.
    pub validity_read: BTreeSet<HeaderId>,
    /// Headers whose validity may change.
    pub validity_written: BTreeSet<HeaderId>,
    /// Whether the frame as it was parsed is read (`Frame`, `FrameLen`).
    pub reads_frame: bool,
    /// Whether the packet's bytes behind a header are read (`Search`): all later headers and the
    /// payload.
    pub reads_payload: bool,
    /// Whether the bytes behind what was parsed are read (`Payload`).
    pub reads_unparsed: bool,
    /// Objects used.
    pub objects: BTreeSet<ObjectId>,
    /// The table applied.
    pub table: Option<TableId>,
    /// Whether something is remembered: a counter, meter, register, allocator, message, source of
    /// random numbers or flow table is used.
    pub stateful: bool,
}

impl Effects {
    /// Whether a header may be changed in any way.
    pub fn writes_headers(&self) -> bool {
        !self.fields_written.is_empty() || !self.validity_written.is_empty()
    }

    fn expr(&mut self, program: &Program, expr: &Expr) {
        expr.walk(&mut |e| match e {
            Expr::Field(field) => {
                self.fields_read.insert(*field);
            }
            Expr::Meta(meta) => {
                self.metas_read.insert(*meta);
            }
            Expr::Valid(header) => {
                self.validity_read.insert(*header);
            }
            Expr::Frame { .. } | Expr::FrameLen => self.reads_frame = true,
            Expr::Payload => self.reads_unparsed = true,
            _ => {
                for header in e.varbits() {
                    self.fields_read.extend(program.varbit_field(header));
                    self.validity_read.insert(header);
                }
            }
        });
    }

    fn ops(&mut self, program: &Program, ops: &[Op]) {
        for op in ops {
            op.walk(&mut |op| self.op(program, op));
        }
    }

    fn op(&mut self, program: &Program, op: &Op) {
        for expr in op.exprs() {
            self.expr(program, expr);
        }
        for to in op.targets() {
            match to.place {
                Place::Meta(meta) => drop(self.metas_written.insert(meta)),
                Place::Field(field) => drop(self.fields_written.insert(field)),
            }
        }
        match op {
            Op::SetValid(header) | Op::SetInvalid(header) => self.rewrites(program, *header),
            Op::Copy { dst, src } => {
                self.rewrites(program, *dst);
                self.fields_read.extend(fields(program, *src));
                self.validity_read.insert(*src);
            }
            Op::CopyVarbit { dst, src } => {
                self.fields_read.extend(program.varbit_field(*src));
                self.fields_written.extend(program.varbit_field(*dst));
                self.validity_read.extend([*dst, *src]);
            }
            Op::Search { after, .. } => {
                self.reads_payload = true;
                self.validity_read.insert(*after);
            }
            _ => {}
        }
        self.metas_read.extend(implicit_reads(program, op));
        self.objects.extend(op.object());
        self.stateful |= matches!(
            op,
            Op::Count(..)
                | Op::Meter { .. }
                | Op::Read { .. }
                | Op::Write { .. }
                | Op::Allocate { .. }
                | Op::Touch(..)
                | Op::Notify(..)
                | Op::Random { .. }
                | Op::AddEntry { .. }
                | Op::SetExpire { .. }
        );
    }

    fn rewrites(&mut self, program: &Program, header: HeaderId) {
        self.validity_written.insert(header);
        self.fields_written.extend(fields(program, header));
    }
}

/// All fields of a header, with the varbit.
pub(super) fn fields(program: &Program, header: HeaderId) -> impl Iterator<Item = FieldRef> {
    let count = program.header_type(header).fields.len() as u32;
    (0..count).map(move |field| FieldRef { header, field })
}

/// Metadata that an operation uses without naming it.
pub(super) fn implicit_reads(program: &Program, op: &Op) -> Vec<MetaId> {
    let by_bytes = |object: ObjectId| match program.objects[object].kind {
        ObjectKind::Meter { unit, .. } => unit != crate::CountUnit::Packets,
        _ => false,
    };
    match op {
        Op::Count(..) => vec![StdMeta::PacketLength.id()],
        Op::Meter { object, .. } if by_bytes(*object) => {
            vec![StdMeta::PacketLength.id(), StdMeta::Timestamp.id()]
        }
        Op::Meter { .. } | Op::Allocate { .. } | Op::Touch(..) | Op::AddEntry { .. } => {
            vec![StdMeta::Timestamp.id()]
        }
        _ => vec![],
    }
}

/// What some operations read and write.
pub fn op_effects(program: &Program, ops: &[Op]) -> Effects {
    let mut effects = Effects::default();
    effects.ops(program, ops);
    effects
}

/// What a node reads and writes. For a table: its keys and all of its actions.
pub fn node_effects(program: &Program, node: NodeId) -> Effects {
    let mut effects = Effects::default();
    match &program.control.nodes[node].kind {
        NodeKind::Apply(id, _) => {
            let table = &program.tables[*id];
            effects.table = Some(*id);
            for expr in table.exprs() {
                effects.expr(program, expr);
            }
            for action in &table.actions {
                effects.ops(program, &program.actions[*action].ops);
            }
            if table.flow.is_some() {
                effects.stateful = true;
                effects.metas_read.insert(StdMeta::Timestamp.id());
            }
        }
        NodeKind::Branch(cond, _, _) => effects.expr(program, cond),
        NodeKind::Exec(ops, _) => effects.ops(program, ops),
        NodeKind::Reparse(_) => reparse(program, &mut effects),
        NodeKind::Emit => {
            effects.metas_read.insert(StdMeta::EgressPort.id());
            emit(program, &mut effects);
        }
        NodeKind::Drop => drop(effects.metas_read.insert(StdMeta::Drop.id())),
    }
    effects
}

fn emit(program: &Program, effects: &mut Effects) {
    for header in &program.deparser {
        effects.validity_read.insert(*header);
        effects.fields_read.extend(fields(program, *header));
    }
}

fn reparse(program: &Program, effects: &mut Effects) {
    emit(program, effects);
    for header in program.headers.keys() {
        effects.rewrites(program, header);
    }
    effects.metas_written.insert(StdMeta::ParserError.id());
    for state in program.parser.states.values() {
        for op in &state.ops {
            for expr in op.exprs() {
                effects.expr(program, expr);
            }
            if let crate::ParserOp::Set(to, _) = op
                && let Place::Meta(meta) = to.place
            {
                effects.metas_written.insert(meta);
            }
        }
        for key in state.next.exprs() {
            effects.expr(program, key);
        }
    }
}
