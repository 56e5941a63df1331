//! Actions, operations and the control graph.

use super::expr::Scope;
use super::{Checker, Invariant};
use crate::analysis::graph;
use crate::{
    ActionId, Expr, HeaderId, Index, LValue, NodeKind, ObjectId, ObjectKind, Op, Place, PrimaryMap,
    Successors, TableId,
};
use std::collections::BTreeSet;

impl<'a> Checker<'a> {
    pub(super) fn actions(&mut self) {
        for action in self.program.actions.values() {
            let place = format!("action `{}`", action.name);
            for param in &action.params {
                self.check_width(param.width, &format!("{place}, parameter `{}`", param.name));
            }
            self.ops(&action.ops, Scope::Action(&action.params), &place);
        }
    }

    fn ops(&mut self, ops: &[Op], scope: Scope<'_>, place: &str) {
        for (i, op) in ops.iter().enumerate() {
            self.op(op, scope, &format!("{place}, operation {i}"));
        }
    }

    pub(super) fn copy_varbit(&mut self, dst: HeaderId, src: HeaderId, place: &str) {
        let (to, from) = (self.varbit(dst, place), self.varbit(src, place));
        if let (Some(to), Some(from)) = (to, from)
            && to != from
        {
            let message = format!("a varbit of up to {from} bits for one of up to {to}");
            self.report(Invariant::VarbitUse, place, message);
        }
    }

    fn op(&mut self, op: &Op, scope: Scope<'_>, place: &str) {
        let headers = &self.program.headers;
        match op {
            Op::Set(to, expr) => self.assignment(to, expr, scope, place),
            Op::SetValid(header) | Op::SetInvalid(header) => {
                self.exists(headers, *header, place);
            }
            Op::Copy { dst, src } => self.copy(*dst, *src, place),
            Op::CopyVarbit { dst, src } => self.copy_varbit(*dst, *src, place),
            Op::If(cond, yes, no) => {
                self.expr_of(cond, 1, scope, place);
                self.ops(yes, scope, place);
                self.ops(no, scope, place);
            }
            Op::Count(object, index) => {
                if let Some(ObjectKind::Counter { size, .. }) = self.object(*object, op, place) {
                    self.index(index, *size, scope, place);
                }
            }
            Op::Meter {
                object,
                index,
                color,
                dst,
            } => {
                if let Some(ObjectKind::Meter { size, .. }) = self.object(*object, op, place) {
                    self.index(index, *size, scope, place);
                }
                if let Some(color) = color {
                    self.expr(color, scope, place);
                }
                if self.lvalue(dst, place).is_some_and(|width| width < 2) {
                    let message = "a colour needs at least 2 bits";
                    self.report(Invariant::WidthAgrees, place, message);
                }
            }
            Op::Read { object, index, dst } => {
                self.expr(index, scope, place);
                if let Some(ObjectKind::Register { width, .. }) = self.object(*object, op, place) {
                    self.lvalue_of(dst, *width, place);
                }
            }
            Op::Write {
                object,
                index,
                value,
            } => {
                self.expr(index, scope, place);
                if let Some(ObjectKind::Register { width, .. }) = self.object(*object, op, place) {
                    self.expr_of(value, *width, scope, place);
                }
            }
            Op::Search { object, after, dst } => {
                self.object(*object, op, place);
                self.lvalue_of(dst, 16, place);
                if self.exists(headers, *after, place) && !self.program.deparser.contains(after) {
                    let message = format!("`{}` is never emitted", headers[*after].name);
                    self.report(Invariant::SearchEmitted, place, message);
                }
            }
            Op::Allocate { object, ok, value } => {
                self.lvalue_of(ok, 1, place);
                if let Some(ObjectKind::Allocator { width, .. }) = self.object(*object, op, place) {
                    self.lvalue_of(value, *width, place);
                }
            }
            Op::Touch(object, number) => {
                self.object(*object, op, place);
                self.expr(number, scope, place);
            }
            Op::Notify(object, values) => self.notify(*object, op, values, scope, place),
            Op::Random {
                object,
                lo,
                hi,
                dst,
            } => {
                self.object(*object, op, place);
                if let Some(width) = self.expr(lo, scope, place) {
                    self.expr_of(hi, width, scope, place);
                    self.lvalue_of(dst, width, place);
                }
            }
            Op::AddEntry {
                table,
                action,
                args,
                profile,
            } => {
                self.expr(profile, scope, place);
                self.add_entry(*table, *action, args, scope, place);
            }
            Op::SetExpire { table, profile } => {
                self.expr(profile, scope, place);
                self.flow_table(*table, place);
            }
        }
    }

    /// Checks a copy of a whole header.
    pub(super) fn copy(&mut self, dst: HeaderId, src: HeaderId, place: &str) {
        let headers = &self.program.headers;
        if self.exists(headers, dst, place)
            && self.exists(headers, src, place)
            && headers[dst].ty != headers[src].ty
        {
            let (dst, src) = (&headers[dst].name, &headers[src].name);
            let message = format!("`{dst}` and `{src}` have different types");
            self.report(Invariant::CopySameType, place, message);
        }
    }

    /// The object, if it is of the operation's kind; reports it if not.
    fn object(&mut self, id: ObjectId, op: &Op, place: &str) -> Option<&'a ObjectKind> {
        if !self.exists(&self.program.objects, id, place) {
            return None;
        }
        let object = &self.program.objects[id];
        let fits = matches!(
            (op, &object.kind),
            (Op::Count(..), ObjectKind::Counter { .. })
                | (Op::Meter { .. }, ObjectKind::Meter { .. })
                | (
                    Op::Read { .. } | Op::Write { .. },
                    ObjectKind::Register { .. }
                )
                | (Op::Search { .. }, ObjectKind::PatternSet { .. })
                | (Op::Notify(..), ObjectKind::Message { .. })
                | (Op::Random { .. }, ObjectKind::Random { .. })
                | (
                    Op::Allocate { .. } | Op::Touch(..),
                    ObjectKind::Allocator { .. }
                )
        );
        if !fits {
            let message = format!("`{}` is not an object for this operation", object.name);
            self.report(Invariant::ObjectKindFits, place, message);
        }
        fits.then_some(&object.kind)
    }

    fn notify(
        &mut self,
        object: ObjectId,
        op: &Op,
        values: &[Expr],
        scope: Scope<'_>,
        place: &str,
    ) {
        let Some(ObjectKind::Message { fields, .. }) = self.object(object, op, place) else {
            return;
        };
        if values.len() != fields.len() {
            let message = format!("{} values for {} fields", values.len(), fields.len());
            self.report(Invariant::MessageFields, place, message);
        }
        for (value, (_, width)) in values.iter().zip(fields) {
            self.expr_of(value, *width, scope, place);
        }
    }

    fn index(&mut self, index: &Index, size: Option<u32>, scope: Scope<'_>, place: &str) {
        match (index, size) {
            (Index::At(expr), Some(_)) => {
                self.expr(expr, scope, place);
            }
            (Index::Entry, None) if matches!(scope, Scope::Action(_)) => {}
            (Index::Entry, None) => {
                let message = "a direct object is used outside an action";
                self.report(Invariant::DirectObject, place, message);
            }
            (Index::Entry, Some(_)) | (Index::At(_), None) => {
                let message = "an object has either a size and numbers, or entries";
                self.report(Invariant::DirectObject, place, message);
            }
        }
    }

    fn flow_table(&mut self, id: TableId, place: &str) -> bool {
        if !self.exists(&self.program.tables, id, place) {
            return false;
        }
        let table = &self.program.tables[id];
        if table.flow.is_none() {
            let message = format!("`{}` is not a flow table", table.name);
            self.report(Invariant::FlowOpInTable, place, message);
        }
        table.flow.is_some()
    }

    fn add_entry(
        &mut self,
        table: TableId,
        action: ActionId,
        args: &[crate::Expr],
        scope: Scope<'_>,
        place: &str,
    ) {
        let widths: Vec<_> = args.iter().map(|a| self.expr(a, scope, place)).collect();
        if !self.flow_table(table, place) || !self.exists(&self.program.actions, action, place) {
            return;
        }
        let (table, action_data) = (&self.program.tables[table], &self.program.actions[action]);
        if !table.actions.contains(&action) {
            let message = format!("`{}` is not among the table's actions", action_data.name);
            self.report(Invariant::ActionCalls, place, message);
        }
        if args.len() != action_data.params.len() {
            let message = format!(
                "{} arguments for the {} parameters of `{}`",
                args.len(),
                action_data.params.len(),
                action_data.name
            );
            self.report(Invariant::ActionCalls, place, message);
            return;
        }
        for (width, param) in widths.into_iter().zip(&action_data.params) {
            if width.is_some_and(|w| w != param.width) {
                let message = format!("parameter `{}` has {} bits", param.name, param.width);
                self.report(Invariant::WidthAgrees, place, message);
            }
        }
    }

    pub(super) fn control(&mut self) {
        let control = &self.program.control;
        let before = self.errors.len();
        for node in control.nodes.values() {
            let place = format!("node `{}`", node.name);
            for next in node.kind.successors() {
                self.exists(&control.nodes, next, &place);
            }
            match &node.kind {
                NodeKind::Apply(table, successors) => {
                    if self.exists(&self.program.tables, *table, &place) {
                        self.cases(*table, successors, &place);
                    }
                }
                NodeKind::Branch(cond, _, _) => self.expr_of(cond, 1, Scope::Control, &place),
                NodeKind::Exec(ops, _) => self.ops(ops, Scope::Control, &place),
                NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {}
            }
        }
        let Some(entry) = control.entry else {
            self.report(Invariant::ControlEntry, "control", "there is no entry");
            return;
        };
        if !self.exists(&control.nodes, entry, "control") || self.errors.len() > before {
            return;
        }
        let next = |node| control.nodes[node].kind.successors();
        if let Some(node) = graph::find_cycle(control.nodes.keys(), next) {
            let place = format!("node `{}`", control.nodes[node].name);
            self.report(
                Invariant::Acyclic,
                &place,
                "control comes back to this node",
            );
        }
        let reached = graph::reachable(entry, next);
        for (id, node) in control.nodes.iter() {
            if !reached.contains(&id) {
                let place = format!("node `{}`", node.name);
                self.report(Invariant::Reachable, &place, "control never gets here");
            }
        }
    }

    fn cases(&mut self, table: TableId, successors: &Successors, place: &str) {
        let Successors::ByAction { cases, .. } = successors else {
            return;
        };
        let mut seen = BTreeSet::new();
        for (action, _) in cases {
            if !seen.insert(*action) {
                let message = format!("{action} has two successors");
                self.report(Invariant::ActionCases, place, message);
            }
            if !self.program.tables[table].actions.contains(action) {
                let message = format!("{action} is not among the table's actions");
                self.report(Invariant::ActionCases, place, message);
            }
        }
    }

    /// Operations that belong to a table stand in actions of that table alone, and a direct object
    /// belongs to one table.
    pub(super) fn flow_ops_and_direct_objects(&mut self) {
        let p = self.program;
        let mut owners: PrimaryMap<ObjectId, Option<TableId>> =
            p.objects.values().map(|_| None).collect();
        for (id, table) in p.tables.iter() {
            for action in &table.actions {
                let action = &p.actions[*action];
                let place = format!("table `{}`, action `{}`", table.name, action.name);
                visit(&action.ops, &mut |op| match op {
                    Op::AddEntry { table: of, .. } | Op::SetExpire { table: of, .. }
                        if *of != id =>
                    {
                        let message = format!("it acts on table `{}`", p.tables[*of].name);
                        self.report(Invariant::FlowOpInTable, &place, message);
                    }
                    Op::Count(object, Index::Entry)
                    | Op::Meter {
                        object,
                        index: Index::Entry,
                        ..
                    } => {
                        if owners[*object].is_some_and(|owner| owner != id) {
                            let message =
                                format!("`{}` belongs to another table", p.objects[*object].name);
                            self.report(Invariant::DirectObject, &place, message);
                        }
                        owners[*object] = Some(id);
                    }
                    _ => {}
                });
            }
        }
        for node in p.control.nodes.values() {
            let NodeKind::Exec(ops, _) = &node.kind else {
                continue;
            };
            visit(ops, &mut |op| {
                if matches!(op, Op::AddEntry { .. } | Op::SetExpire { .. }) {
                    let place = format!("node `{}`", node.name);
                    let message = "a flow table's operation outside its actions";
                    self.report(Invariant::FlowOpInTable, &place, message);
                }
            });
        }
    }

    /// `Frame` is read only where no header was written since the last parse.
    pub(super) fn frame_clean(&mut self) {
        let p = self.program;
        let parser_writes = p
            .parser
            .states
            .values()
            .flat_map(|s| &s.ops)
            .any(|op| op.written_header().is_some());
        let Some(entry) = p.control.entry else { return };
        let mut dirty: PrimaryMap<_, bool> = p.control.nodes.values().map(|_| false).collect();
        dirty[entry] = parser_writes;
        for id in graph::topological(entry, |n| p.control.nodes[n].kind.successors()) {
            let node = &p.control.nodes[id];
            let place = format!("node `{}`", node.name);
            let before = dirty[id];
            let after = match &node.kind {
                NodeKind::Branch(cond, _, _) => {
                    self.frame_expr(cond, before, &place);
                    before
                }
                NodeKind::Exec(ops, _) => self.frame_ops(ops, before, &place),
                NodeKind::Apply(table, _) => {
                    let table = &p.tables[*table];
                    for expr in table.exprs() {
                        self.frame_expr(expr, before, &place);
                    }
                    let mut after = before;
                    for action in &table.actions {
                        let action = &p.actions[*action];
                        let place = format!("{place}, action `{}`", action.name);
                        after |= self.frame_ops(&action.ops, before, &place);
                    }
                    after
                }
                NodeKind::Reparse(_) => parser_writes,
                NodeKind::Emit | NodeKind::Drop => before,
            };
            for next in node.kind.successors() {
                dirty[next] |= after;
            }
        }
    }

    fn frame_ops(&mut self, ops: &[Op], mut dirty: bool, place: &str) -> bool {
        for op in ops {
            for expr in op.exprs() {
                self.frame_expr(expr, dirty, place);
            }
            match op {
                Op::If(_, yes, no) => {
                    let yes = self.frame_ops(yes, dirty, place);
                    let no = self.frame_ops(no, dirty, place);
                    dirty = yes || no;
                }
                Op::SetValid(_) | Op::SetInvalid(_) | Op::Copy { .. } | Op::CopyVarbit { .. } => {
                    dirty = true
                }
                _ => dirty |= op.targets().iter().any(|to| is_header(to)),
            }
        }
        dirty
    }

    fn frame_expr(&mut self, expr: &crate::Expr, dirty: bool, place: &str) {
        let mut reads = false;
        expr.walk(&mut |e| {
            reads |= matches!(e, crate::Expr::Frame { .. } | crate::Expr::FrameLen);
        });
        if reads && dirty {
            let message = "the frame is read after a header may have been written";
            self.report(Invariant::FrameClean, place, message);
        }
    }
}

fn is_header(to: &LValue) -> bool {
    matches!(to.place, Place::Field(_))
}

/// Calls `f` on every operation, also those within `If`.
fn visit<'a>(ops: &'a [Op], f: &mut impl FnMut(&'a Op)) {
    for op in ops {
        op.walk(f);
    }
}
