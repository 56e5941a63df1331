//! Statements.

use std::collections::HashMap;
use std::hash::Hash;

use super::scope::Binding;
use super::{Checker, codes};
use crate::ast::{self, BinOp, DeclKind};
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{ActionId, Case, Const, Expr, ExprKind, Stmt, StmtKind, TableId, Type, VarKind};

impl<'a> Checker<'a> {
    /// `{ statements }` in a scope of its own.
    pub(super) fn block(&mut self, block: &'a ast::Block) -> Vec<Stmt> {
        self.scoped(|checker| checker.stmts(&block.stmts))
    }

    /// Statements in the innermost scope.
    pub(super) fn stmts(&mut self, stmts: &'a [ast::Stmt]) -> Vec<Stmt> {
        stmts.iter().filter_map(|stmt| self.stmt(stmt)).collect()
    }

    /// A statement; `None` for what leaves no trace.
    pub(super) fn stmt(&mut self, stmt: &'a ast::Stmt) -> Option<Stmt> {
        let kind = self.nested(stmt.span, |checker| checker.stmt_kind(stmt))??;
        let span = stmt.span;
        Some(Stmt { kind, span })
    }

    /// A statement in a scope of its own, as a list.
    fn body(&mut self, stmt: &'a ast::Stmt) -> Vec<Stmt> {
        match &stmt.kind {
            ast::StmtKind::Block(block) => self.block(block),
            _ => self.scoped(|checker| checker.stmt(stmt).into_iter().collect()),
        }
    }

    fn stmt_kind(&mut self, stmt: &'a ast::Stmt) -> Option<StmtKind> {
        use ast::StmtKind as K;
        let span = stmt.span;
        Some(match &stmt.kind {
            K::Empty => return None,
            K::Assign { target, op, value } => return self.assign(target, *op, value, span),
            K::Call(expr) => return self.call_stmt(expr),
            K::If {
                cond,
                then,
                otherwise,
            } => {
                let cond = self.condition(cond);
                let then = self.body(then);
                let otherwise = otherwise.as_ref().map(|stmt| self.body(stmt));
                StmtKind::If(cond, then, otherwise.unwrap_or_default())
            }
            K::Block(block) => StmtKind::Block(self.block(block)),
            K::Switch { expr, cases } => return self.switch(expr, cases),
            K::For {
                init,
                cond,
                update,
                body,
                ..
            } => self.scoped(|checker| {
                let init = checker.stmts(init);
                let cond = checker.condition(cond);
                let update = checker.stmts(update);
                let body = checker.loop_body(body);
                StmtKind::For {
                    init,
                    cond,
                    update,
                    body,
                }
            }),
            K::ForIn {
                var,
                collection,
                body,
                ..
            } => return self.for_in(var, collection, body),
            K::Return(value) => return self.returns(value.as_ref(), span),
            K::Exit => StmtKind::Exit,
            K::Break | K::Continue => {
                let is_break = matches!(stmt.kind, K::Break);
                if self.context.loops == 0 {
                    let word = if is_break { "break" } else { "continue" };
                    let message = format!("`{word}` only means something in a loop");
                    self.error(codes::MISPLACED, span, message);
                }
                if is_break {
                    StmtKind::Break
                } else {
                    StmtKind::Continue
                }
            }
            K::Decl(decl) => return self.local_decl(decl),
        })
    }

    fn loop_body(&mut self, body: &'a ast::Stmt) -> Vec<Stmt> {
        self.context.loops += 1;
        let stmts = self.body(body);
        self.context.loops -= 1;
        stmts
    }

    fn local_decl(&mut self, decl: &'a ast::Decl) -> Option<StmtKind> {
        match &decl.kind {
            DeclKind::Var(var) => {
                let (id, init) = self.local_var(var, &decl.annotations);
                Some(StmtKind::Var(id, init))
            }
            DeclKind::Const(constant) => {
                self.constant(constant, &decl.annotations);
                None
            }
            DeclKind::Instance(instance) => {
                let id = self.instance(instance, &decl.annotations)?;
                Some(StmtKind::Instance(id))
            }
            _ => {
                let message = "only constants, variables and instances can be declared here";
                self.error(codes::MISPLACED, decl.span, message);
                None
            }
        }
    }

    /// `T x;` or `T x = e;`
    pub(super) fn local_var(
        &mut self,
        decl: &'a ast::VarDecl,
        annotations: &[ast::Annotation],
    ) -> (crate::typed::VarId, Option<Expr>) {
        let ty = self.resolve(&decl.ty);
        let init = decl.init.as_ref().map(|value| {
            let mut value = self.expr_as(value, &ty);
            self.close(&mut value);
            value
        });
        let ty = self.zonk(&ty);
        let ty = self.known(ty, decl.ty.span);
        let ty = self.storable(ty, decl.ty.span);
        let id = self.variable(&decl.name, ty, VarKind::Local, annotations);
        (id, init)
    }

    /// The type, if a variable can have it.
    fn storable(&mut self, ty: Type, span: Span) -> Type {
        let reason = match self.base(&ty) {
            Type::Integer => "values of type `int` only exist at compile time",
            Type::String => "strings only exist at compile time",
            Type::List(_) => "lists only exist at compile time",
            Type::MatchKind => "match kinds only exist at compile time",
            Type::Void => "`void` has no values",
            Type::Extern(..) | Type::Block(..) | Type::Parser(_) | Type::Control(_) => {
                "objects are instantiated, with arguments in parentheses"
            }
            _ => return ty,
        };
        let message = format!("a variable cannot have type `{}`", self.show(&ty));
        let error = Diagnostic::error(codes::TYPE, span, message);
        self.report(error.with_note(reason));
        Type::Unknown
    }

    fn assign(
        &mut self,
        target: &'a ast::Expr,
        op: Option<BinOp>,
        value: &'a ast::Expr,
        span: Span,
    ) -> Option<StmtKind> {
        let target = self.expr(target, None);
        let ty = target.ty.clone();
        let writable = self.check_lvalue(&target);
        let value = self.expr(value, Some(&ty));
        let mut value = match op {
            None => self.coerce(value, &ty),
            Some(op) => {
                // The operation says what its right operand may be, and that it gives the target's type.
                let whole = self.combine(op, target.clone(), value, span);
                let whole = self.coerce(whole, &ty);
                match whole.kind {
                    ExprKind::Binary(_, _, right) => *right,
                    _ => return None,
                }
            }
        };
        self.close(&mut value);
        if !writable {
            return None;
        }
        Some(StmtKind::Assign { target, op, value })
    }

    fn call_stmt(&mut self, expr: &'a ast::Expr) -> Option<StmtKind> {
        let value = self.expr(expr, None);
        match &value.kind {
            ExprKind::Call(_) | ExprKind::Hit { .. } => Some(StmtKind::Call(value)),
            // What is done at compile time: `static_assert`, sizes.
            _ => None,
        }
    }

    fn returns(&mut self, value: Option<&'a ast::Expr>, span: Span) -> Option<StmtKind> {
        let wanted = self.context.returns.clone();
        match (wanted, value) {
            (None, _) => {
                self.error(codes::MISPLACED, span, "`return` cannot stand here");
                None
            }
            (Some(Type::Void), None) => Some(StmtKind::Return(None)),
            (Some(Type::Void), Some(value)) => {
                let value = self.expr(value, None);
                if value.ty != Type::Unknown {
                    let message = "nothing is returned here, so `return` takes no value";
                    self.error(codes::TYPE, value.span, message);
                }
                None
            }
            (Some(ty), None) => {
                let message = format!("`return` needs a value of type `{}`", self.show(&ty));
                self.error(codes::TYPE, span, message);
                None
            }
            (Some(ty), Some(value)) => {
                let mut value = self.expr_as(value, &ty);
                self.close(&mut value);
                Some(StmtKind::Return(Some(value)))
            }
        }
    }

    fn for_in(
        &mut self,
        decl: &'a ast::Decl,
        collection: &'a ast::Expr,
        body: &'a ast::Stmt,
    ) -> Option<StmtKind> {
        let DeclKind::Var(var) = &decl.kind else {
            self.error(
                codes::MISPLACED,
                decl.span,
                "the loop variable is declared here",
            );
            return None;
        };
        let ty = self.resolve(&var.ty);
        let ty = self.known(ty, var.ty.span);
        if let ast::ExprKind::Range { lo, hi } = &collection.kind {
            let lo = self.expr_as(lo, &ty);
            let hi = self.expr_as(hi, &ty);
            let numeric = matches!(
                self.base(&ty),
                Type::Bit(_) | Type::Int(_) | Type::Integer | Type::Unknown
            );
            if !numeric {
                let message = format!("a range cannot be of `{}`", self.show(&ty));
                self.error(codes::TYPE, var.ty.span, message);
            }
            return Some(self.scoped(|checker| {
                let var = checker.variable(&var.name, ty, VarKind::Local, &decl.annotations);
                let body = checker.loop_body(body);
                StmtKind::ForRange { var, lo, hi, body }
            }));
        }
        let want = Type::List(std::rc::Rc::new(ty.clone()));
        let value = self.expr(collection, Some(&want));
        let collection = match self.base(&value.ty) {
            Type::Stack(elem, _) => {
                if !self.unify(&ty, &elem) {
                    let found = Expr {
                        ty: elem.as_ref().clone(),
                        ..value.clone()
                    };
                    self.mismatch(&ty, &found);
                }
                value
            }
            _ => self.coerce(value, &want),
        };
        Some(self.scoped(|checker| {
            let var = checker.variable(&var.name, ty, VarKind::Local, &decl.annotations);
            let body = checker.loop_body(body);
            StmtKind::ForEach {
                var,
                collection,
                body,
            }
        }))
    }

    fn switch(&mut self, on: &'a ast::Expr, cases: &'a [ast::SwitchCase]) -> Option<StmtKind> {
        let on = self.expr(on, None);
        let ty = self.shallow(&on.ty);
        match ty {
            Type::ActionRun(table) => {
                let mut seen: HashMap<ActionId, Span> = HashMap::new();
                let cases = self.cases(cases, |checker, label| {
                    let action = checker.action_label(table, label)?;
                    checker.label_once(&mut seen, action, label.span);
                    Some(action)
                });
                Some(StmtKind::SwitchAction { table, cases })
            }
            Type::Unknown => {
                self.cases(cases, |_, _| Some(()));
                None
            }
            _ => {
                let base = self.base(&ty);
                let fine = matches!(
                    base,
                    Type::Bit(_) | Type::Int(_) | Type::Enum(_) | Type::Error | Type::Bool
                );
                if !fine {
                    let message = format!("`switch` does not take `{}`", self.show(&ty));
                    let error = Diagnostic::error(codes::TYPE, on.span, message);
                    self.report(
                        error.with_help("switch on `t.apply().action_run` or on a number or enum"),
                    );
                }
                let ty = if fine { ty } else { Type::Unknown };
                let mut seen: HashMap<Const, Span> = HashMap::new();
                let cases = self.cases(cases, |checker, label| {
                    let value = checker.expr_as(label, &ty);
                    match &value.kind {
                        ExprKind::Const(constant) => {
                            checker.label_once(&mut seen, constant.clone(), label.span);
                        }
                        _ if checker.is_compile_time(&value) => {}
                        _ => checker.not_constant(&value, "a label"),
                    }
                    Some(value)
                });
                Some(StmtKind::SwitchValue { on, cases })
            }
        }
    }

    /// Says so if a label of a `switch` stands twice.
    fn label_once<L: Hash + Eq>(&mut self, seen: &mut HashMap<L, Span>, label: L, span: Span) {
        if let Some(before) = seen.insert(label, span) {
            let message = "this label stands twice";
            let error = Diagnostic::error(codes::DECLARED_TWICE, span, message)
                .with_note_at(before, "here before")
                .with_help("only the first one could ever be reached: take one of them out");
            self.report(error);
        }
    }

    /// The cases of a `switch`, labels that fall through joined with the block that they lead to.
    fn cases<L>(
        &mut self,
        cases: &'a [ast::SwitchCase],
        mut label: impl FnMut(&mut Self, &'a ast::Expr) -> Option<L>,
    ) -> Vec<Case<L>> {
        let mut made: Vec<Case<L>> = Vec::new();
        let mut labels = Vec::new();
        let mut start: Option<Span> = None;
        let mut default: Option<Span> = None;
        for case in cases {
            let span = *start.get_or_insert(case.span);
            if matches!(case.label.kind, ast::ExprKind::Default) {
                if let Some(before) = default.replace(case.label.span) {
                    let message = "`switch` has two `default` labels";
                    let error = Diagnostic::error(codes::DECLARED_TWICE, case.label.span, message);
                    self.report(error.with_note_at(before, "here before"));
                }
                labels.push(None);
            } else {
                if let Some(before) = default {
                    let message = "no label can follow `default`";
                    let error = Diagnostic::error(codes::MISPLACED, case.label.span, message);
                    self.report(error.with_note_at(before, "`default` is here"));
                }
                if let Some(label) = label(self, &case.label) {
                    labels.push(Some(label));
                }
            }
            if let Some(body) = &case.body {
                made.push(Case {
                    labels: std::mem::take(&mut labels),
                    body: self.block(body),
                    span: span.to(case.span),
                });
                start = None;
            }
        }
        if !labels.is_empty() {
            made.push(Case {
                labels,
                body: Vec::new(),
                span: start.unwrap_or_default(),
            });
        }
        made
    }

    /// A label of a `switch` on `action_run`: an action of the table.
    fn action_label(&mut self, table: TableId, label: &'a ast::Expr) -> Option<ActionId> {
        let ast::ExprKind::Path(path) = &label.kind else {
            let message = "a label of a switch on `action_run` is the name of an action";
            self.error(codes::TYPE, label.span, message);
            return None;
        };
        let id = match self.find(path)? {
            Binding::Action(id) => id,
            Binding::Broken => return None,
            other => {
                let message = format!("`{}` is {}, not an action", path.as_str(), other.kind());
                self.error(codes::TYPE, label.span, message);
                return None;
            }
        };
        let def = &self.program.tables[table];
        if def.actions.iter().any(|action| action.action == id) {
            return Some(id);
        }
        let message = format!(
            "`{}` is no action of the table `{}`",
            path.as_str(),
            def.name
        );
        let error = Diagnostic::error(codes::TABLE, label.span, message);
        let at = def.span;
        self.report(error.with_note_at(at, "declared here"));
        None
    }
}
