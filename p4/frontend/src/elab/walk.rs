//! Which variables statements read and write, and what they may do, found in the typed tree.

use std::collections::BTreeSet;

use crate::ast::Direction;
use crate::typed::{
    ActionId, Arg, Call, Callee, Expr, ExprKind, FunctionId, InstanceId, Program, Stmt, StmtKind,
    StructId, TableId, Type, VarId,
};

/// What some statements name.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    /// Variables, whether read or written.
    pub reads: BTreeSet<VarId>,
    /// Variables of which something is written.
    pub writes: BTreeSet<VarId>,
    /// Fields of structs that are written by themselves.
    pub fields: BTreeSet<(StructId, u32)>,
    /// Structs that are assigned as a whole.
    pub whole: BTreeSet<StructId>,
    /// Variables declared there.
    pub declared: BTreeSet<VarId>,
    /// Instances that are applied; twice if in a loop or at several places.
    pub applied: Vec<InstanceId>,
    /// Actions that are called.
    pub actions: BTreeSet<ActionId>,
    /// Functions that are called, extern or not.
    pub functions: BTreeSet<FunctionId>,
    /// Tables that are applied.
    pub tables: BTreeSet<TableId>,
    /// Expressions whose `next`, `last` or `lastIndex` is taken are counted.
    pub cursors: usize,
    loops: usize,
}

impl Uses {
    /// What the statements name.
    pub fn of(stmts: &[Stmt]) -> Self {
        let mut uses = Self::default();
        uses.stmts(stmts);
        uses
    }

    /// What an action names, and the actions that it calls.
    pub fn of_action(tree: &Program, action: ActionId) -> Self {
        let mut uses = Self::default();
        let mut work = vec![action];
        let mut seen = BTreeSet::new();
        while let Some(id) = work.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(action) = tree.actions.get(id) else {
                continue;
            };
            uses.declared.extend(&action.params);
            uses.stmts(&action.body);
            work.extend(uses.actions.iter().filter(|id| !seen.contains(id)));
        }
        uses
    }

    pub fn stmts(&mut self, stmts: &[Stmt]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Block(stmts) => self.stmts(stmts),
            StmtKind::Var(id, value) => {
                self.declared.insert(*id);
                value.iter().for_each(|value| self.expr(value));
            }
            StmtKind::Assign { target, value, .. } => {
                self.written(target);
                if let Type::Struct(id, _) = &target.ty {
                    self.whole.insert(*id);
                }
                self.expr(target);
                self.expr(value);
            }
            StmtKind::Call(call) => self.expr(call),
            StmtKind::If(cond, a, b) => {
                self.expr(cond);
                self.stmts(a);
                self.stmts(b);
            }
            StmtKind::SwitchAction { table, cases } => {
                self.tables.insert(*table);
                cases.iter().for_each(|case| self.stmts(&case.body));
            }
            StmtKind::SwitchValue { on, cases } => {
                self.expr(on);
                for case in cases {
                    case.labels
                        .iter()
                        .flatten()
                        .for_each(|label| self.expr(label));
                    self.stmts(&case.body);
                }
            }
            StmtKind::For {
                init,
                cond,
                update,
                body,
            } => {
                self.stmts(init);
                self.loops += 1;
                self.expr(cond);
                self.stmts(body);
                self.stmts(update);
                self.loops -= 1;
            }
            StmtKind::ForRange { var, lo, hi, body } => {
                self.writes.insert(*var);
                self.reads.insert(*var);
                self.expr(lo);
                self.expr(hi);
                self.loops += 1;
                self.stmts(body);
                self.loops -= 1;
            }
            StmtKind::ForEach {
                var,
                collection,
                body,
            } => {
                self.writes.insert(*var);
                self.reads.insert(*var);
                self.expr(collection);
                self.loops += 1;
                self.stmts(body);
                self.loops -= 1;
            }
            StmtKind::Return(value) => value.iter().for_each(|value| self.expr(value)),
            StmtKind::Instance(_) | StmtKind::Break | StmtKind::Continue | StmtKind::Exit => {}
        }
    }

    fn written(&mut self, target: &Expr) {
        if let Some(root) = root_of(target) {
            self.writes.insert(root);
        }
        let mut at = target;
        loop {
            at = match &at.kind {
                ExprKind::Field(base, index) => {
                    if let Type::Struct(id, _) = &base.ty {
                        self.fields.insert((*id, *index));
                    }
                    return;
                }
                ExprKind::Slice(base, ..)
                | ExprKind::SliceAt { base, .. }
                | ExprKind::Cast(base) => base,
                _ => return,
            };
        }
    }

    pub fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Var(id) => {
                self.reads.insert(*id);
            }
            ExprKind::Next(_) | ExprKind::Last(_) | ExprKind::LastIndex(_) => self.cursors += 1,
            ExprKind::Hit { table, .. } => {
                self.tables.insert(*table);
            }
            ExprKind::Call(call) => self.call(call),
            _ => {}
        }
        for operand in expr.operands() {
            self.expr(operand);
        }
    }

    /// What a call names, but for what its operands do.
    fn call(&mut self, call: &Call) {
        match &call.callee {
            Callee::Function(id) | Callee::Method { method: id, .. } => {
                self.functions.insert(*id);
            }
            Callee::Action(id) => {
                self.actions.insert(*id);
            }
            Callee::Apply { block } => {
                if let ExprKind::Instance(id) = &block.kind {
                    let times = if self.loops > 0 { 2 } else { 1 };
                    self.applied.extend(std::iter::repeat_n(*id, times));
                }
            }
            Callee::Table(id) => {
                self.tables.insert(*id);
            }
            Callee::BuiltIn(_, of) => self.written(of),
        }
        call.args.iter().for_each(|arg| self.given_back(arg));
    }

    /// What a call writes through an argument.
    fn given_back(&mut self, arg: &Arg) {
        if let Some(value) = &arg.value
            && matches!(arg.direction, Direction::Out | Direction::InOut)
        {
            self.written(value);
        }
    }
}

/// The variable that an l-value is a part of.
fn root_of(mut expr: &Expr) -> Option<VarId> {
    loop {
        expr = match &expr.kind {
            ExprKind::Var(id) => return Some(*id),
            ExprKind::Field(e, _)
            | ExprKind::Element(e, _)
            | ExprKind::Index(e, _)
            | ExprKind::Slice(e, _, _)
            | ExprKind::SliceAt { base: e, .. }
            | ExprKind::Cast(e)
            | ExprKind::Next(e)
            | ExprKind::Last(e) => e,
            _ => return None,
        };
    }
}

/// The names of the fields of a struct that some statement of the program may write, other than by copying back
/// what was passed.
pub(super) fn written_fields(tree: &Program, ty: &Type) -> BTreeSet<String> {
    let Type::Struct(id, _) = tree.base(ty) else {
        return BTreeSet::new();
    };
    let mut uses = Uses::default();
    tree.controls
        .values()
        .for_each(|control| uses.stmts(&control.body));
    tree.actions
        .values()
        .for_each(|action| uses.stmts(&action.body));
    tree.functions
        .values()
        .flat_map(|function| &function.body)
        .for_each(|body| uses.stmts(body));
    for state in tree.parsers.values().flat_map(|parser| &parser.states) {
        uses.stmts(&state.stmts);
    }
    for bound in tree
        .tables
        .values()
        .flat_map(|table| &table.actions)
        .flat_map(|a| &a.bound)
    {
        uses.given_back(bound);
        bound.value.iter().for_each(|value| uses.expr(value));
    }
    let whole = uses.whole.contains(id);
    let fields = tree.structs[*id].fields.iter().enumerate();
    fields
        .filter(|(i, _)| whole || uses.fields.contains(&(*id, *i as u32)))
        .map(|(_, field)| field.name.clone())
        .collect()
}
