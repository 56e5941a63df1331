//! New numbers for entities.

use crate::{
    Action, ActionCall, ActionId, Entity, Expr, HeaderId, LValue, MetaId, Node, NodeId, NodeKind,
    ObjectId, Op, ParseTarget, ParserOp, ParserState, Place, Program, StateId, Successors, Table,
    TableId, Transition,
};

/// For every entity of a program its new number: what [`Remap::op`] and the others put in place of
/// the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remap {
    /// Header instances.
    pub headers: Vec<HeaderId>,
    /// Metadata.
    pub metas: Vec<MetaId>,
    /// Parser states.
    pub states: Vec<StateId>,
    /// Parser error codes.
    pub errors: Vec<u8>,
    /// Actions.
    pub actions: Vec<ActionId>,
    /// Tables.
    pub tables: Vec<TableId>,
    /// Objects.
    pub objects: Vec<ObjectId>,
    /// Nodes.
    pub nodes: Vec<NodeId>,
}

fn renumber<K: Entity>(id: &mut K, map: &[K]) {
    *id = map[id.index()];
}

/// New numbers when only the kept entities stay, in their order. What does not stay maps to what
/// must not be used.
pub(super) fn compact<K: Entity>(keep: impl IntoIterator<Item = bool>) -> Vec<K> {
    let mut next = 0;
    keep.into_iter()
        .map(|kept| {
            if !kept {
                return K::new(u32::MAX as usize);
            }
            next += 1;
            K::new(next - 1)
        })
        .collect()
}

impl Remap {
    /// Every entity keeps its number.
    pub fn identity(program: &Program) -> Self {
        Self {
            headers: program.headers.keys().collect(),
            metas: program.metas.keys().collect(),
            states: program.parser.states.keys().collect(),
            errors: (0..=u8::MAX).collect(),
            actions: program.actions.keys().collect(),
            tables: program.tables.keys().collect(),
            objects: program.objects.keys().collect(),
            nodes: program.control.nodes.keys().collect(),
        }
    }

    /// Renumbers within all states, actions, tables and nodes.
    pub(super) fn everything(&self, program: &mut Program) {
        program
            .parser
            .states
            .values_mut()
            .for_each(|s| self.state(s));
        program.actions.values_mut().for_each(|a| self.action(a));
        program.tables.values_mut().for_each(|t| self.table(t));
        program
            .control
            .nodes
            .values_mut()
            .for_each(|n| self.node(n));
    }

    /// Expressions.
    pub fn expr(&self, expr: &mut Expr) {
        expr.walk_mut(&mut |e| match e {
            Expr::Field(field) => renumber(&mut field.header, &self.headers),
            Expr::Valid(header) | Expr::Varbit(header) | Expr::VarbitLen(header) => {
                renumber(header, &self.headers);
            }
            Expr::VarbitEq(a, b) => {
                renumber(a, &self.headers);
                renumber(b, &self.headers);
            }
            Expr::Meta(meta) => renumber(meta, &self.metas),
            _ => {}
        });
    }

    /// Assignment targets.
    pub fn lvalue(&self, to: &mut LValue) {
        match &mut to.place {
            Place::Field(field) => renumber(&mut field.header, &self.headers),
            Place::Meta(meta) => renumber(meta, &self.metas),
        }
    }

    /// Operations, with those within.
    pub fn op(&self, op: &mut Op) {
        op.walk_mut(&mut |op| self.one_op(op));
    }

    fn one_op(&self, op: &mut Op) {
        for expr in op.exprs_mut() {
            self.expr(expr);
        }
        for to in op.targets_mut() {
            self.lvalue(to);
        }
        match op {
            Op::SetValid(header) | Op::SetInvalid(header) => renumber(header, &self.headers),
            Op::Copy { dst, src } | Op::CopyVarbit { dst, src } => {
                renumber(dst, &self.headers);
                renumber(src, &self.headers);
            }
            Op::Count(object, _)
            | Op::Meter { object, .. }
            | Op::Read { object, .. }
            | Op::Write { object, .. }
            | Op::Allocate { object, .. }
            | Op::Touch(object, _)
            | Op::Notify(object, _)
            | Op::Random { object, .. } => renumber(object, &self.objects),
            Op::Search { object, after, .. } => {
                renumber(object, &self.objects);
                renumber(after, &self.headers);
            }
            Op::AddEntry { table, action, .. } => {
                renumber(table, &self.tables);
                renumber(action, &self.actions);
            }
            Op::SetExpire { table, .. } => renumber(table, &self.tables),
            Op::Set(..) | Op::If(..) => {}
        }
    }

    /// Actions.
    pub fn action(&self, action: &mut Action) {
        for op in &mut action.ops {
            self.op(op);
        }
    }

    /// Parser states.
    pub fn state(&self, state: &mut ParserState) {
        for op in &mut state.ops {
            for expr in op.exprs_mut() {
                self.expr(expr);
            }
            match op {
                ParserOp::Extract { header, .. }
                | ParserOp::SetValid(header)
                | ParserOp::SetInvalid(header) => renumber(header, &self.headers),
                ParserOp::Copy { dst, src } | ParserOp::CopyVarbit { dst, src } => {
                    renumber(dst, &self.headers);
                    renumber(src, &self.headers);
                }
                ParserOp::Set(to, _) => self.lvalue(to),
                ParserOp::Verify(_, code) => *code = self.errors[usize::from(*code)],
                ParserOp::Advance(_) => {}
            }
        }
        if let Transition::Select(keys, _) = &mut state.next {
            for key in keys {
                self.expr(key);
            }
        }
        for target in state.next.targets_mut() {
            if let ParseTarget::State(state) = target {
                renumber(state, &self.states);
            }
        }
    }

    fn call(&self, call: &mut ActionCall) {
        renumber(&mut call.action, &self.actions);
    }

    /// Tables with their entries.
    pub fn table(&self, table: &mut Table) {
        for expr in table.exprs_mut() {
            self.expr(expr);
        }
        for action in &mut table.actions {
            renumber(action, &self.actions);
        }
        self.call(&mut table.default);
        for entry in &mut table.entries {
            entry.calls_mut().for_each(|call| self.call(call));
        }
    }

    /// Nodes.
    pub fn node(&self, node: &mut Node) {
        for next in node.kind.successors_mut() {
            renumber(next, &self.nodes);
        }
        match &mut node.kind {
            NodeKind::Apply(table, successors) => {
                renumber(table, &self.tables);
                if let Successors::ByAction { cases, .. } = successors {
                    for (action, _) in cases {
                        renumber(action, &self.actions);
                    }
                }
            }
            NodeKind::Branch(cond, _, _) => self.expr(cond),
            NodeKind::Exec(ops, _) => {
                for op in ops {
                    self.op(op);
                }
            }
            NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {}
        }
    }
}
