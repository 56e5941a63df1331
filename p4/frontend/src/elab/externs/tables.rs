//! What table properties mean, and operations on the table whose action runs.

use trisect_ir::{Expr, FlowTable, Index, MatchKind, Op, Selector, TableId};

use super::super::ops::{resize, to_bits};
use super::super::value::Value;
use super::super::{Elab, R, error, unsupported};
use super::checksum::whole_bytes;
use super::objects::literal;
use super::{Arch, ExternCall, ExternKind};
use crate::ast::{self, AnnotationBody};
use crate::typed::{
    ActionId, Annotations, Callee, ExprKind, Program, Property, Stmt, StmtKind, Table,
};
use crate::{Diagnostic, codes};

/// Idle timeout of a flow table that does not say.
const DEFAULT_TIMEOUT_SECONDS: u64 = 120;

impl<'a> Elab<'a> {
    /// A property of a table, before its actions are elaborated.
    pub(in super::super) fn table_property(
        &mut self,
        table: TableId,
        property: &'a Property,
        hashed: &[Expr],
    ) -> R<()> {
        match property.name.as_str() {
            // v1model's direct counters count on every hit, whether or not the action says so.
            "counters" if self.arch == Arch::V1model => {
                if let Value::Object(object) = self.eval(&property.value)?
                    && let ExternKind::DirectCounter(object) = object.kind
                {
                    let op = Op::Count(object, Index::Entry);
                    self.actions.implicit.entry(table).or_default().push(op);
                }
                Ok(())
            }
            "meters" if self.arch == Arch::V1model => {
                if let Value::Object(object) = self.eval(&property.value)?
                    && let ExternKind::DirectMeter(object) = object.kind
                {
                    self.v1.meters.insert(table, object);
                }
                Ok(())
            }
            "implementation" | "pna_implementation" => {
                match self.eval(&property.value)? {
                    Value::Object(object) => match &object.kind {
                        // Who shares an action with its arguments is for the control plane to know.
                        ExternKind::ActionProfile => Ok(()),
                        ExternKind::ActionSelector(algorithm) => {
                            self.ir.tables[table].selector = Some(Selector {
                                algorithm: algorithm.clone(),
                                inputs: whole_bytes(self, hashed.to_vec()),
                            });
                            Ok(())
                        }
                        _ => Err(unsupported(property.span, "this implementation of a table")),
                    },
                    _ => Err(unsupported(property.span, "this implementation of a table")),
                }
            }
            _ => Ok(()),
        }
    }

    /// The rest of what properties mean, once the table is there.
    pub(in super::super) fn table_done(&mut self, source: &'a Table, table: TableId) -> R<()> {
        if !self.flag(source, "add_on_miss")? {
            return Ok(());
        }
        if self.ir.tables[table]
            .keys
            .iter()
            .any(|key| key.kind != MatchKind::Exact)
        {
            return Err(Box::new(
                Diagnostic::error(
                    codes::TABLE,
                    source.span,
                    "a table with add_on_miss needs exact keys",
                )
                .with_note("an entry is added for the very key that missed"),
            ));
        }
        let timeouts_ns = match self.flag(source, "idle_timeout_with_auto_delete")? {
            true => timeouts(&source.annotations)?,
            false => vec![u64::MAX],
        };
        self.ir.tables[table].flow = Some(FlowTable { timeouts_ns });
        Ok(())
    }

    fn flag(&mut self, source: &'a Table, name: &str) -> R<bool> {
        let found = source
            .properties
            .iter()
            .find(|property| property.name == name);
        let Some(property) = found else {
            return Ok(false);
        };
        match self.condition(&property.value)? {
            Expr::Const(bits) => Ok(!bits.is_zero()),
            _ => Err(error(
                codes::NOT_CONSTANT,
                property.span,
                "true or false is needed",
            )),
        }
    }

    /// Whether an action adds entries to its table.
    pub(in super::super) fn adds_entries(&self, action: ActionId) -> bool {
        adds_entries(self.tree, &self.tree.actions[action].body)
    }

    /// `add_entry("action", {args}, profile)` in a miss action.
    pub(in super::super) fn add_entry(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let Some(table) = self.context.table else {
            return Err(Box::new(
                Diagnostic::error(
                    codes::MISPLACED,
                    call.span,
                    "`add_entry` can stand in the action of a table only",
                )
                .with_help("call it in the table's default action"),
            ));
        };
        self.table_bound = true;
        let Value::Str(name) = self.arg(call, 0)?.clone() else {
            return Err(error(
                codes::TYPE,
                call.span,
                "the name of an action is needed",
            ));
        };
        let Some((action, widths)) = self.named_action(table, &name) else {
            let span = call.args.first().map_or(call.span, |arg| arg.span);
            let message = format!("`{name}` is not an action of this table");
            return Err(error(codes::UNKNOWN_NAME, span, message));
        };
        let span = call.args.get(1).map_or(call.span, |arg| arg.span);
        let data = self.arg(call, 1)?.clone();
        let values: Vec<Value<'a>> = match &data {
            Value::Fields(fields) => fields.to_vec(),
            other => vec![other.clone()],
        };
        let mut args = Vec::new();
        for value in &values {
            match value {
                // A number without a width takes that of its parameter.
                Value::Int(number) => {
                    let width = widths.get(args.len()).copied().unwrap_or(32);
                    args.push(Expr::Const(to_bits(number, width)));
                }
                other => args.extend(self.flatten(other, span)?),
            }
        }
        if args.len() != widths.len() {
            let message = format!(
                "`{name}` takes {} arguments, {} are given",
                widths.len(),
                args.len()
            );
            return Err(error(codes::ARGUMENTS, span, message));
        }
        for (arg, width) in args.iter().zip(&widths) {
            let found = self.width_in(arg);
            if found != *width {
                let message = format!("{width} bits are needed, this has {found}");
                return Err(error(codes::WIDTH, span, message));
            }
        }
        let profile = self.profile(call, 2)?;
        self.emit(Op::AddEntry {
            table,
            action,
            args,
            profile,
        });
        Ok(Value::Unit)
    }

    /// `set_entry_expire_time(profile)`
    pub(in super::super) fn set_expire(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let profile = self.profile(call, 0)?;
        let Some(table) = self.context.table else {
            return Err(error(
                codes::MISPLACED,
                call.span,
                "an expire time can be set in the action of a table only",
            ));
        };
        self.table_bound = true;
        self.emit(Op::SetExpire { table, profile });
        Ok(Value::Unit)
    }

    fn profile(&mut self, call: &ExternCall<'a>, at: usize) -> R<Expr> {
        let (width, profile) = self.arg_scalar(call, at)?;
        Ok(resize(profile, width, 8, false))
    }
}

/// `@idle_timeout_seconds[300, 30]`: the timeouts by expire-time profile.
fn timeouts(annotations: &Annotations) -> R<Vec<u64>> {
    let Some(annotation) = ast::find_annotation(annotations, "idle_timeout_seconds") else {
        return Ok(vec![DEFAULT_TIMEOUT_SECONDS * 1_000_000_000]);
    };
    let span = annotation.span;
    let AnnotationBody::Exprs(exprs) = &annotation.body else {
        return Err(error(
            codes::ARGUMENTS,
            span,
            "write the timeouts in seconds: @idle_timeout_seconds[300]",
        ));
    };
    let mut found = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let seconds = literal(expr, span)?;
        let ns = seconds.checked_mul(1_000_000_000).filter(|ns| *ns > 0);
        found.push(ns.ok_or_else(|| {
            error(
                codes::WIDTH,
                span,
                format!("{seconds} seconds are no timeout"),
            )
        })?);
    }
    Ok(found)
}

/// Whether a call of `add_entry` stands in the statements.
fn adds_entries(tree: &Program, stmts: &[Stmt]) -> bool {
    let calls = |expr: &crate::typed::Expr| match &expr.kind {
        ExprKind::Call(call) => match &call.callee {
            Callee::Function(id) => tree.functions[*id].name == "add_entry",
            Callee::Action(id) => adds_entries(tree, &tree.actions[*id].body),
            _ => false,
        },
        _ => false,
    };
    stmts.iter().any(|stmt| match &stmt.kind {
        StmtKind::Call(call) => calls(call),
        StmtKind::Var(_, Some(value)) | StmtKind::Assign { value, .. } => calls(value),
        StmtKind::Block(stmts) => adds_entries(tree, stmts),
        StmtKind::If(_, a, b) => adds_entries(tree, a) || adds_entries(tree, b),
        _ => false,
    })
}
