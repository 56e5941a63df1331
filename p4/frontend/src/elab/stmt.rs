//! Statements.

use std::rc::Rc;

use trisect_ir::{ActionId, Expr, LValue, Op};

use super::step::{Step, Then};
use super::types::Type;
use super::value::{Env, TableDef, Value};
use super::{Elab, R, error, unsupported};
use crate::ast::{self, ExprKind, StmtKind};
use crate::{Diagnostic, Span, codes};

/// Which outcome of a look-up a condition asks for.
enum Outcome<'a> {
    Hit(Rc<TableDef<'a>>),
    Miss(Rc<TableDef<'a>>),
}

impl<'a> Elab<'a> {
    /// A block in a scope of its own. A statement that is wrong does not hide errors in those behind.
    pub(super) fn block(&mut self, block: &'a ast::Block, env: &Rc<Env<'a>>) -> R<()> {
        let inner = Env::child(env);
        for stmt in &block.stmts {
            let result = self.stmt(stmt, &inner);
            match &stmt.kind {
                StmtKind::Decl(decl) => self.keep_decl(decl, result),
                _ => self.keep(result),
            }
        }
        Ok(())
    }

    /// One statement.
    pub(super) fn stmt(&mut self, stmt: &'a ast::Stmt, env: &Rc<Env<'a>>) -> R<()> {
        let span = stmt.span;
        match &stmt.kind {
            StmtKind::Empty => Ok(()),
            StmtKind::Block(block) => self.block(block, env),
            StmtKind::Decl(decl) => self.local_decl(decl, env),
            StmtKind::Call(call) => {
                self.expr(call, env, None)?;
                Ok(())
            }
            StmtKind::Assign { target, op, value } => {
                self.assignment(target, *op, value, env, span)
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                self.only_in_control(span, "`if`")?;
                self.if_stmt(cond, then, otherwise.as_deref(), env)
            }
            StmtKind::Switch { expr, cases } => {
                self.only_in_control(span, "`switch`")?;
                self.switch_stmt(expr, cases, env)
            }
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    match env.lookup("return") {
                        Some(result) => {
                            let ty = self.type_of(&result);
                            let found = self.expr(value, env, ty.as_ref())?;
                            self.assign(result, found, value.span)?;
                        }
                        None => {
                            return Err(error(
                                codes::MISPLACED,
                                value.span,
                                "there is nothing to return a value to",
                            ));
                        }
                    }
                }
                self.out.push(Step::Return);
                Ok(())
            }
            StmtKind::Exit => {
                self.out.push(Step::Exit);
                Ok(())
            }
            StmtKind::For { .. } | StmtKind::ForIn { .. } => Err(unsupported(span, "a loop")),
            StmtKind::Break | StmtKind::Continue => Err(error(
                codes::MISPLACED,
                span,
                "there is no loop around this",
            )),
        }
    }

    fn assignment(
        &mut self,
        target: &'a ast::Expr,
        op: Option<ast::BinOp>,
        value: &'a ast::Expr,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<()> {
        let place = self.expr(target, env, None)?;
        let ty = self.type_of(&place);
        let mut found = self.expr(value, env, ty.as_ref())?;
        if let Some(op) = op {
            let lhs = (place.clone(), target.span);
            found = self.binary(op, lhs, (found, value.span), span)?;
        }
        if matches!(found, Value::Unit) {
            return Err(Box::new(
                Diagnostic::error(codes::TYPE, value.span, "this call gives no value")
                    .with_note("the outcome of `add_entry` cannot be read"),
            ));
        }
        self.assign(place, found, value.span)
    }

    /// Both branches, collected.
    fn branches(
        &mut self,
        then: &'a ast::Stmt,
        otherwise: Option<&'a ast::Stmt>,
        env: &Rc<Env<'a>>,
    ) -> R<(Vec<Step>, Vec<Step>)> {
        let (a, ()) = self.collect(|e| e.stmt(then, &Env::child(env)))?;
        let (b, ()) = self.collect(|e| match otherwise {
            Some(stmt) => e.stmt(stmt, &Env::child(env)),
            None => Ok(()),
        })?;
        Ok((a, b))
    }

    fn if_stmt(
        &mut self,
        cond: &'a ast::Expr,
        then: &'a ast::Stmt,
        otherwise: Option<&'a ast::Stmt>,
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        if let Some(outcome) = self.outcome(cond, env)? {
            let (a, b) = self.branches(then, otherwise, env)?;
            let (def, hit, miss) = match outcome {
                Outcome::Hit(def) => (def, a, b),
                Outcome::Miss(def) => (def, b, a),
            };
            return self.apply_with(&def, Then::HitMiss(hit, miss), cond.span);
        }
        let condition = self.condition(cond, env)?;
        let (a, b) = self.branches(then, otherwise, env)?;
        match &condition {
            Expr::Const(bits) => self.out.extend(if bits.is_zero() { b } else { a }),
            _ => self.out.push(Step::If(condition, a, b)),
        }
        Ok(())
    }

    /// The condition as an outcome of a look-up: `t.apply().hit`, `!t.apply().miss` and so on.
    fn outcome(&mut self, cond: &'a ast::Expr, env: &Rc<Env<'a>>) -> R<Option<Outcome<'a>>> {
        match &cond.kind {
            ExprKind::Unary {
                op: ast::UnOp::Not,
                expr,
            } => Ok(self.outcome(expr, env)?.map(|outcome| match outcome {
                Outcome::Hit(def) => Outcome::Miss(def),
                Outcome::Miss(def) => Outcome::Hit(def),
            })),
            ExprKind::Member { base, name } => {
                let Some(def) = self.table_apply(base, env)? else {
                    return Ok(None);
                };
                match name.as_str() {
                    "hit" => Ok(Some(Outcome::Hit(def))),
                    "miss" => Ok(Some(Outcome::Miss(def))),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    fn switch_stmt(
        &mut self,
        expr: &'a ast::Expr,
        cases: &'a [ast::SwitchCase],
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        if let ExprKind::Member { base, name } = &expr.kind
            && name.as_str() == "action_run"
            && let Some(def) = self.table_apply(base, env)?
        {
            return self.switch_action(&def, cases, env, expr.span);
        }
        let value = self.expr(expr, env, None)?;
        let (ty, value) = self.scalar(value, expr.span)?;
        // Evaluated once, as the branches may change what it was computed from.
        let meta = self.temporary("switch", ty.width().unwrap_or(1));
        self.emit(Op::Set(LValue::meta(meta), value));
        let mut arms: Vec<(Expr, Vec<Step>)> = Vec::new();
        let mut default = Vec::new();
        let mut labels: Option<Expr> = None;
        let mut to_default = false;
        for case in cases {
            if case.label.kind == ExprKind::Default {
                to_default = true;
            } else {
                let label = self.expr(&case.label, env, Some(&ty))?;
                let label = self.scalar_as(label, &ty, case.label.span)?;
                let test = Expr::Meta(meta).equals(label);
                labels = Some(match labels.take() {
                    Some(before) => before.or(test),
                    None => test,
                });
            }
            let Some(body) = &case.body else { continue };
            let (steps, ()) = self.collect(|e| e.block(body, env))?;
            if to_default {
                default = steps;
            } else if let Some(test) = labels.take() {
                arms.push((test, steps));
            }
            labels = None;
            to_default = false;
        }
        let chain = arms.into_iter().rev().fold(default, |rest, (test, steps)| {
            vec![Step::If(test, steps, rest)]
        });
        self.out.extend(chain);
        Ok(())
    }

    fn switch_action(
        &mut self,
        def: &Rc<TableDef<'a>>,
        cases: &'a [ast::SwitchCase],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<()> {
        let mut arms: Vec<(Vec<ActionId>, Vec<Step>)> = Vec::new();
        let mut default = Vec::new();
        let mut labels: Vec<ActionId> = Vec::new();
        let mut to_default = false;
        for case in cases {
            match &case.label.kind {
                ExprKind::Default => to_default = true,
                ExprKind::Path(path) => {
                    let found = def.actions.iter().find(|(name, _)| name == path.as_str());
                    let Some((_, action)) = found else {
                        let known = def.actions.iter().map(|(name, _)| name.as_str());
                        return Err(super::expr::no_member(&def.name, &path.name, known));
                    };
                    labels.push(*action);
                }
                _ => {
                    return Err(error(
                        codes::TYPE,
                        case.label.span,
                        "the label must be an action of the table",
                    ));
                }
            }
            let Some(body) = &case.body else { continue };
            let (steps, ()) = self.collect(|e| e.block(body, env))?;
            if to_default {
                default = steps;
            } else {
                arms.push((std::mem::take(&mut labels), steps));
            }
            labels.clear();
            to_default = false;
        }
        self.apply_with(def, Then::Action(arms, default), span)
    }

    /// `t.apply();`
    pub(super) fn apply_table(&mut self, def: &Rc<TableDef<'a>>, span: Span) -> R<()> {
        self.apply_with(def, Then::Nothing, span)
    }

    fn apply_with(&mut self, def: &Rc<TableDef<'a>>, then: Then, span: Span) -> R<()> {
        self.only_in_control(span, "a table")?;
        if def.applied.replace(true) {
            return Err(Box::new(
                Diagnostic::error(
                    codes::APPLIED_TWICE,
                    span,
                    format!("the table `{}` is applied twice", def.name),
                )
                .with_note("a packet looks up a table at one place only, so that it fits hardware")
                .with_note_at(def.decl.name.span, "declared here")
                .with_help("set its keys in metadata and apply it once, or declare a second table"),
            ));
        }
        for op in &def.before {
            self.emit(op.clone());
        }
        self.out.push(Step::Apply {
            table: def.id,
            name: def.name.clone(),
            then,
        });
        Ok(())
    }

    /// `t.apply().hit` where it is not the whole condition of an `if`.
    pub(super) fn apply_result(
        &mut self,
        def: &Rc<TableDef<'a>>,
        name: &ast::Ident,
        span: Span,
    ) -> R<Value<'a>> {
        let hit = match name.as_str() {
            "hit" => true,
            "miss" => false,
            "action_run" => return Err(unsupported(span, "`action_run` outside a switch")),
            _ => {
                let known = ["hit", "miss", "action_run"];
                return Err(super::expr::no_member("the look-up", name, known));
            }
        };
        let result = self.temporary(if hit { "hit" } else { "miss" }, 1);
        let set = |value: u64| {
            vec![Step::Ops {
                name: None,
                ops: vec![Op::Set(LValue::meta(result), Expr::num(1, value))],
            }]
        };
        let then = Then::HitMiss(set(u64::from(hit)), set(u64::from(!hit)));
        self.apply_with(def, then, span)?;
        Ok(Value::Expr(Type::Bool, Expr::Meta(result)))
    }
}
