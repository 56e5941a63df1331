//! Actions and tables.

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{
    Action, ActionCall, ActionId, Bits, Entry, Expr, FlowTable, Key, KeySet, MatchKind, Op, Origin,
    Param, Table, TableId,
};

use super::ops::{from_bits, to_bits};
use super::step::to_ops;
use super::types::Type;
use super::value::{ActionDef, Env, ExternKind, TableDef, Value};
use super::{Elab, R, error, unsupported};
use crate::ast::{self, Direction, ExprKind, TablePropertyKind};
use crate::{Diagnostic, Span, codes, printer};

/// Entries of a table that does not say how many it holds (P4 leaves it to the target).
const DEFAULT_SIZE: u32 = 1024;
/// Idle timeout of a flow table that does not say.
const DEFAULT_TIMEOUT_SECONDS: u64 = 120;

impl<'a> Elab<'a> {
    /// A table, with its actions.
    pub(super) fn table(
        &mut self,
        decl: &'a ast::TableDecl,
        annotations: &'a [ast::Annotation],
        env: &Rc<Env<'a>>,
    ) -> R<TableDef<'a>> {
        let name = format!(
            "{}{}",
            self.context.prefix,
            declared_name(decl, annotations)
        );
        let name = self.unique("table", &name);
        let (before, keys) = self.keys(decl.key(), env)?;
        let id = self.ir.tables.push(Table {
            name: name.clone(),
            keys,
            actions: Vec::new(),
            default: ActionCall {
                action: ActionId(0),
                args: Vec::new(),
            },
            const_default: false,
            entries: Vec::new(),
            size: DEFAULT_SIZE,
            flow: None,
        });
        self.implicit_objects(decl, id, env)?;
        let actions = self.table_action_list(decl, id, env)?;
        self.ir.tables[id].actions = actions.iter().map(|(_, action)| *action).collect();
        self.default_action(decl, id, &actions, env)?;
        self.entries(decl, id, &actions, env)?;
        self.table_size(decl, id, env)?;
        self.flow_table(decl, id, annotations, env)?;
        Ok(TableDef {
            id,
            name,
            before,
            actions,
            applied: false.into(),
            decl,
        })
    }

    fn keys(
        &mut self,
        elements: &'a [ast::KeyElement],
        env: &Rc<Env<'a>>,
    ) -> R<(Vec<Op>, Vec<Key>)> {
        let (steps, keys) = self.collect(|e| {
            let mut keys = Vec::new();
            for element in elements {
                if element.match_kind.as_str() == "selector" {
                    return Err(unsupported(element.span, "an action selector"));
                }
                let value = e.expr(&element.expr, env, None)?;
                let (_, expr) = e.scalar(value, element.expr.span)?;
                keys.push(Key {
                    name: ast::find_annotation(&element.annotations, "name")
                        .and_then(ast::Annotation::string_arg)
                        .map_or_else(|| printer::expression(&element.expr), str::to_owned),
                    expr,
                    kind: match_kind(&element.match_kind)?,
                });
            }
            Ok(keys)
        })?;
        let span = elements.first().map(|e| e.span).unwrap_or_default();
        Ok((to_ops(&steps, span)?, keys))
    }

    /// v1model's direct counters count on every hit, whether or not the action says so.
    fn implicit_objects(
        &mut self,
        decl: &'a ast::TableDecl,
        id: TableId,
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        if let Some(counters) = decl.custom("counters") {
            let value = self.expr(counters, env, None)?;
            if let Value::Extern(object) = &value
                && let ExternKind::DirectCounter(object) = object.kind
            {
                let op = Op::Count(object, trisect_ir::Index::Entry);
                self.implicit.entry(id).or_default().push(op);
            }
        }
        for unsupported_property in ["implementation", "pna_implementation", "psa_implementation"] {
            if let Some(value) = decl.custom(unsupported_property) {
                return Err(unsupported(value.span, "an action profile or selector"));
            }
        }
        Ok(())
    }

    /// The table's actions in source order. Those that add entries come last in elaboration, as they
    /// name others.
    fn table_action_list(
        &mut self,
        decl: &'a ast::TableDecl,
        id: TableId,
        env: &Rc<Env<'a>>,
    ) -> R<Vec<(String, ActionId)>> {
        let mut defs = Vec::new();
        for reference in decl.actions() {
            match self.lookup(env, &reference.path)? {
                Value::Action(def) => defs.push((reference, def)),
                other => {
                    return Err(error(
                        codes::TYPE,
                        reference.path.span(),
                        format!(
                            "`{}` is {}, not an action",
                            reference.path.as_str(),
                            other.kind()
                        ),
                    ));
                }
            }
        }
        let mut found: Vec<Option<ActionId>> = vec![None; defs.len()];
        for adds in [false, true] {
            for (place, (reference, def)) in found.iter_mut().zip(&defs) {
                if adds_entries(&def.decl.body) != adds {
                    continue;
                }
                let action = self.table_action(def, reference, id, env)?;
                self.table_actions
                    .insert((id, reference.path.as_str().to_owned()), action);
                *place = Some(action);
            }
        }
        Ok(defs
            .iter()
            .zip(found)
            .filter_map(|((reference, _), action)| {
                Some((reference.path.as_str().to_owned(), action?))
            })
            .collect())
    }

    /// The IR action for an action of a table. It is shared between tables unless what it does
    /// depends on the table.
    fn table_action(
        &mut self,
        def: &Rc<ActionDef<'a>>,
        reference: &'a ast::ActionRef,
        table: TableId,
        caller: &Rc<Env<'a>>,
    ) -> R<ActionId> {
        let implicit = self.implicit.get(&table).cloned().unwrap_or_default();
        let bound = reference.args.as_deref().unwrap_or_default();
        let plain = implicit.is_empty() && bound.is_empty();
        if let Some(done) = self.actions.get(&def.name)
            && let Some((_, action)) = done
                .iter()
                .find(|(of, _)| (of.is_none() && plain) || *of == Some(table))
        {
            return Ok(*action);
        }
        let outer = (self.context.clone(), self.table_bound);
        self.context.reason = def.reason.clone();
        self.context.table = Some(table);
        self.context.params = Vec::new();
        self.table_bound = !plain;
        let result = self.action_body(def, bound, caller);
        let depends = self.table_bound;
        (self.context, self.table_bound) = outer;
        let (params, mut ops) = result?;
        ops.splice(0..0, implicit);
        let name = if self.names.contains(&("action", def.name.clone())) {
            format!("{}.{}", self.ir.tables[table].name, def.decl.name.name)
        } else {
            def.name.clone()
        };
        let name = self.unique("action", &name);
        let action = self.ir.actions.push(Action { name, params, ops });
        self.actions
            .entry(def.name.clone())
            .or_default()
            .push((depends.then_some(table), action));
        Ok(action)
    }

    fn action_body(
        &mut self,
        def: &Rc<ActionDef<'a>>,
        bound: &'a [ast::Arg],
        caller: &Rc<Env<'a>>,
    ) -> R<(Vec<Param>, Vec<Op>)> {
        let env = Env::child(&def.env);
        let mut bound = bound.iter();
        for param in &def.decl.params {
            let ty = self.resolve(&param.ty, &env)?;
            let value = if param.direction == Direction::None {
                let Some(width) = ty.width() else {
                    return Err(unsupported(
                        param.span,
                        format!("action data of type `{ty}`"),
                    ));
                };
                let params = &mut self.context.params;
                params.push(Param {
                    name: param.name.name.clone(),
                    width,
                });
                Value::Expr(ty, Expr::Param(params.len() as u32 - 1))
            } else {
                let Some(arg) = bound.next() else {
                    return Err(error(
                        codes::ARGUMENTS,
                        param.span,
                        format!(
                            "the table does not say what the parameter `{}` is",
                            param.name.name
                        ),
                    ));
                };
                let value = self.expr(&arg.value, caller, Some(&ty))?;
                self.convert(value, &ty, arg.value.span)?
            };
            env.declare(param.name.as_str(), value);
        }
        let (steps, ()) = self.collect(|e| e.block(&def.decl.body, &env))?;
        let params = std::mem::take(&mut self.context.params);
        Ok((params, to_ops(&steps, def.decl.body.span)?))
    }

    fn default_action(
        &mut self,
        decl: &'a ast::TableDecl,
        id: TableId,
        actions: &[(String, ActionId)],
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        let found = decl.properties.iter().find_map(|p| match &p.kind {
            TablePropertyKind::DefaultAction(reference) => Some((p.is_const, reference)),
            _ => None,
        });
        let call = match found {
            Some((_, reference)) => self.action_call(reference, actions, env)?,
            None => ActionCall {
                action: self.no_action(id)?,
                args: Vec::new(),
            },
        };
        let table = &mut self.ir.tables[id];
        if !table.actions.contains(&call.action) {
            table.actions.push(call.action);
        }
        table.default = call;
        table.const_default = found.is_some_and(|(is_const, _)| is_const);
        Ok(())
    }

    /// core.p4's `NoAction`, or an action like it if the program has none.
    fn no_action(&mut self, table: TableId) -> R<ActionId> {
        if let Some((_, action)) = self.actions.get("NoAction").and_then(|a| a.first())
            && !self.implicit.contains_key(&table)
        {
            return Ok(*action);
        }
        let name = self.unique("action", "NoAction");
        let action = self.ir.actions.push(Action {
            name,
            params: Vec::new(),
            ops: Vec::new(),
        });
        self.actions
            .entry("NoAction".to_owned())
            .or_default()
            .push((None, action));
        Ok(action)
    }

    fn action_call(
        &mut self,
        reference: &'a ast::ActionRef,
        actions: &[(String, ActionId)],
        env: &Rc<Env<'a>>,
    ) -> R<ActionCall> {
        let name = reference.path.as_str();
        let Some((_, action)) = actions.iter().find(|(known, _)| known == name) else {
            let known = actions.iter().map(|(known, _)| known.as_str());
            return Err(super::expr::no_member(
                "the table's action list",
                &reference.path.name,
                known,
            ));
        };
        let widths: Vec<u32> = self.ir.actions[*action]
            .params
            .iter()
            .map(|p| p.width)
            .collect();
        let given = reference.args.as_deref().unwrap_or_default();
        // Arguments for parameters with a direction stand in front; they were bound in the list.
        let given = &given[given.len().saturating_sub(widths.len())..];
        if given.len() != widths.len() {
            return Err(error(
                codes::ARGUMENTS,
                reference.span,
                format!(
                    "`{name}` takes {} arguments, {} are given",
                    widths.len(),
                    given.len()
                ),
            ));
        }
        let mut args = Vec::new();
        for (arg, width) in given.iter().zip(widths) {
            let value = self.expr(&arg.value, env, None)?;
            args.push(self.constant_bits(value, width, arg.value.span)?);
        }
        Ok(ActionCall {
            action: *action,
            args,
        })
    }

    /// A constant of a width.
    fn constant_bits(&mut self, value: Value<'a>, width: u32, span: Span) -> R<Bits> {
        match value {
            Value::Expr(_, Expr::Const(bits)) if bits.width() == width => Ok(bits),
            Value::Expr(ty, Expr::Const(bits)) => Err(Box::new(
                Diagnostic::error(
                    codes::WIDTH,
                    span,
                    format!("{width} bits are needed, `{ty}` has {}", bits.width()),
                )
                .with_help("leave the width out, or cast"),
            )),
            other => {
                let number = self.constant(&other, span)?;
                Ok(to_bits(&number, width))
            }
        }
    }

    fn entries(
        &mut self,
        decl: &'a ast::TableDecl,
        id: TableId,
        actions: &[(String, ActionId)],
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        let found = decl.properties.iter().find_map(|p| match &p.kind {
            TablePropertyKind::Entries(entries) => Some((p.is_const, entries)),
            _ => None,
        });
        let Some((is_const, entries)) = found else {
            return Ok(());
        };
        let keys: Vec<(u32, MatchKind)> = self.ir.tables[id]
            .keys
            .iter()
            .map(|key| (self.ir.width(&key.expr, &[]), key.kind))
            .collect();
        for (i, entry) in entries.iter().enumerate() {
            if entry.keys.len() != keys.len() {
                return Err(error(
                    codes::ARGUMENTS,
                    entry.span,
                    format!(
                        "the table has {} keys, the entry {}",
                        keys.len(),
                        entry.keys.len()
                    ),
                ));
            }
            let mut sets = Vec::new();
            for (key, (width, kind)) in entry.keys.iter().zip(&keys) {
                let set = self.key_set(key, *width, env)?;
                sets.push(fit_kind(set, *kind, *width, key.span)?);
            }
            // Without priorities the first entry that matches wins.
            let priority = match &entry.priority {
                Some(priority) => {
                    let value = self.expr(priority, env, None)?;
                    let value = self.constant(&value, priority.span)?;
                    u32::try_from(&value)
                        .map_err(|_| error(codes::WIDTH, priority.span, "a priority has 32 bits"))?
                }
                None => (entries.len() - i) as u32,
            };
            let call = self.action_call(&entry.action, actions, env)?;
            self.ir.tables[id].entries.push(Entry {
                keys: sets,
                priority,
                call,
                origin: if is_const || entry.is_const {
                    Origin::Const
                } else {
                    Origin::Static
                },
            });
        }
        Ok(())
    }

    /// A set of values of one key.
    pub(super) fn key_set(
        &mut self,
        expr: &'a ast::Expr,
        width: u32,
        env: &Rc<Env<'a>>,
    ) -> R<KeySet> {
        match &expr.kind {
            ExprKind::DontCare | ExprKind::Default => Ok(KeySet::Any),
            ExprKind::Mask { value, mask } => {
                let value = self.key_value(value, width, env)?;
                let mask = self.key_value(mask, width, env)?;
                Ok(KeySet::Mask(value, mask))
            }
            ExprKind::Range { lo, hi } => {
                let lo = self.key_value(lo, width, env)?;
                let hi = self.key_value(hi, width, env)?;
                if hi < lo {
                    return Err(error(codes::WIDTH, expr.span, "this range is empty"));
                }
                Ok(KeySet::Range(lo, hi))
            }
            _ => Ok(KeySet::Exact(self.key_value(expr, width, env)?)),
        }
    }

    fn key_value(&mut self, expr: &'a ast::Expr, width: u32, env: &Rc<Env<'a>>) -> R<Bits> {
        let value = self.expr(expr, env, None)?;
        self.constant_bits(value, width, expr.span)
    }

    fn table_size(&mut self, decl: &'a ast::TableDecl, id: TableId, env: &Rc<Env<'a>>) -> R<()> {
        let declared = decl.properties.iter().find_map(|p| match &p.kind {
            TablePropertyKind::Size(size) => Some(size),
            _ => None,
        });
        let entries = self.ir.tables[id].entries.len() as u32;
        let size = match declared {
            Some(size) => {
                let value = self.expr(size, env, None)?;
                let value = self.constant(&value, size.span)?;
                u32::try_from(&value)
                    .map_err(|_| error(codes::WIDTH, size.span, "a size has 32 bits"))?
                    .max(entries)
            }
            None if entries > 0 => entries,
            None => DEFAULT_SIZE,
        };
        self.ir.tables[id].size = size;
        Ok(())
    }

    fn flow_table(
        &mut self,
        decl: &'a ast::TableDecl,
        id: TableId,
        annotations: &'a [ast::Annotation],
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        if !self.flag(decl, "add_on_miss", env)? {
            return Ok(());
        }
        if self.ir.tables[id]
            .keys
            .iter()
            .any(|k| k.kind != MatchKind::Exact)
        {
            return Err(Box::new(
                Diagnostic::error(
                    codes::TABLE,
                    decl.name.span,
                    "a table with add_on_miss needs exact keys",
                )
                .with_note("an entry is added for the very key that missed"),
            ));
        }
        let expires = self.flag(decl, "idle_timeout_with_auto_delete", env)?;
        let timeouts_ns = if expires {
            self.timeouts(annotations, env)?
        } else {
            vec![u64::MAX]
        };
        self.ir.tables[id].flow = Some(FlowTable { timeouts_ns });
        Ok(())
    }

    fn flag(&mut self, decl: &'a ast::TableDecl, name: &str, env: &Rc<Env<'a>>) -> R<bool> {
        let Some(expr) = decl.custom(name) else {
            return Ok(false);
        };
        match self.condition(expr, env)? {
            Expr::Const(bits) => Ok(!bits.is_zero()),
            _ => Err(error(
                codes::NOT_CONSTANT,
                expr.span,
                "true or false is needed",
            )),
        }
    }

    /// `@idle_timeout_seconds[300, 30]`: the timeouts by expire-time profile.
    fn timeouts(&mut self, annotations: &'a [ast::Annotation], env: &Rc<Env<'a>>) -> R<Vec<u64>> {
        let annotation = ast::find_annotation(annotations, "idle_timeout_seconds");
        let seconds: Vec<BigInt> = match annotation.map(|a| (&a.body, a.span)) {
            None => vec![BigInt::from(DEFAULT_TIMEOUT_SECONDS)],
            Some((ast::AnnotationBody::Exprs(exprs), _)) if !exprs.is_empty() => {
                let mut seconds = Vec::new();
                for expr in exprs {
                    let value = self.expr(expr, env, None)?;
                    seconds.push(self.constant(&value, expr.span)?);
                }
                seconds
            }
            Some((_, span)) => {
                return Err(error(
                    codes::ARGUMENTS,
                    span,
                    "write the timeouts in seconds: @idle_timeout_seconds[300]",
                ));
            }
        };
        let span = annotation.map(|a| a.span).unwrap_or_default();
        seconds
            .iter()
            .map(|s| {
                u64::try_from(s)
                    .ok()
                    .and_then(|s| s.checked_mul(1_000_000_000))
                    .filter(|ns| *ns > 0)
                    .ok_or_else(|| error(codes::WIDTH, span, format!("{s} seconds are no timeout")))
            })
            .collect()
    }

    /// `add_entry("action", {args}, profile)` in a miss action.
    pub(super) fn add_entry(
        &mut self,
        args: &[Option<&'a ast::Expr>],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let [Some(name), Some(params), Some(profile)] = args else {
            return Err(error(
                codes::ARGUMENTS,
                span,
                "`add_entry` takes three arguments",
            ));
        };
        let Some(table) = self.context.table else {
            return Err(Box::new(
                Diagnostic::error(
                    codes::MISPLACED,
                    span,
                    "`add_entry` can stand in the action of a table only",
                )
                .with_help("call it in the table's default action"),
            ));
        };
        self.table_bound = true;
        let Value::Str(action_name) = self.expr(name, env, Some(&Type::String))? else {
            return Err(error(
                codes::TYPE,
                name.span,
                "the name of an action is needed",
            ));
        };
        let Some(&action) = self.table_actions.get(&(table, action_name.clone())) else {
            return Err(error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("`{action_name}` is not an action of this table"),
            ));
        };
        let widths: Vec<u32> = self.ir.actions[action]
            .params
            .iter()
            .map(|p| p.width)
            .collect();
        let values: Vec<Value<'a>> = match self.expr(params, env, None)? {
            Value::List(items) => items.iter().map(|(_, value)| value.clone()).collect(),
            Value::Struct(_, fields) => fields.to_vec(),
            other => vec![other],
        };
        if values.len() != widths.len() {
            return Err(error(
                codes::ARGUMENTS,
                params.span,
                format!(
                    "`{action_name}` takes {} arguments, {} are given",
                    widths.len(),
                    values.len()
                ),
            ));
        }
        let mut exprs = Vec::new();
        for (value, width) in values.into_iter().zip(widths) {
            let value = match value {
                Value::Int(number) => {
                    Value::Expr(Type::Bit(width), Expr::Const(to_bits(&number, width)))
                }
                other => other,
            };
            let (ty, expr) = self.scalar(value, params.span)?;
            if ty.width() != Some(width) {
                return Err(error(
                    codes::WIDTH,
                    params.span,
                    format!("{width} bits are needed, this is `{ty}`"),
                ));
            }
            exprs.push(expr);
        }
        let profile = self.expr(profile, env, None)?;
        let (_, profile) = match profile {
            Value::Int(number) => (Type::Bit(8), Expr::Const(to_bits(&number, 8))),
            other => self.scalar(other, span)?,
        };
        self.emit(Op::AddEntry {
            table,
            action,
            args: exprs,
            profile,
        });
        Ok(Value::Unit)
    }
}

/// The name of a table: `@name` if given, without a leading dot, else as declared.
fn declared_name<'n>(decl: &'n ast::TableDecl, annotations: &'n [ast::Annotation]) -> &'n str {
    ast::find_annotation(annotations, "name")
        .and_then(ast::Annotation::string_arg)
        .map_or(decl.name.as_str(), |name| name.trim_start_matches('.'))
}

fn match_kind(kind: &ast::Ident) -> R<MatchKind> {
    Ok(match kind.as_str() {
        "exact" => MatchKind::Exact,
        "lpm" => MatchKind::Lpm,
        "ternary" => MatchKind::Ternary,
        "range" => MatchKind::Range,
        "optional" => MatchKind::Optional,
        other => {
            let known = ["exact", "lpm", "ternary", "range", "optional"];
            return Err(super::unknown_name(
                other,
                kind.span,
                super::value::similar(other, known),
            ));
        }
    })
}

/// A set in the form that its match kind has.
fn fit_kind(set: KeySet, kind: MatchKind, width: u32, span: Span) -> R<KeySet> {
    let wrong = || {
        error(
            codes::TABLE,
            span,
            "a key of this match kind cannot be matched like this",
        )
    };
    Ok(match (kind, set) {
        (MatchKind::Exact, KeySet::Any) => return Err(wrong()),
        (_, KeySet::Any) => KeySet::Any,
        (MatchKind::Exact | MatchKind::Optional, set @ KeySet::Exact(_)) => set,
        (MatchKind::Lpm, KeySet::Exact(value)) => KeySet::Prefix(value, width),
        (MatchKind::Lpm, KeySet::Mask(value, mask)) => {
            let ones = from_bits(&mask, false).magnitude().count_ones() as u32;
            if Bits::prefix_mask(width, ones) != mask {
                return Err(error(codes::TABLE, span, "the mask is no prefix"));
            }
            KeySet::Prefix(value, ones)
        }
        (MatchKind::Ternary, KeySet::Exact(value)) => KeySet::Mask(value, Bits::ones(width)),
        (MatchKind::Ternary, set @ KeySet::Mask(..)) => set,
        (MatchKind::Range, KeySet::Exact(value)) => KeySet::Range(value.clone(), value),
        (MatchKind::Range, set @ KeySet::Range(..)) => set,
        _ => return Err(wrong()),
    })
}

/// Whether a call of `add_entry` stands in the block.
fn adds_entries(block: &ast::Block) -> bool {
    block.stmts.iter().any(|stmt| stmt_adds_entries(&stmt.kind))
}

fn stmt_adds_entries(stmt: &ast::StmtKind) -> bool {
    let calls = |expr: &ast::Expr| match &expr.kind {
        ExprKind::Call { callee, .. } => {
            matches!(&callee.kind, ExprKind::Path(path) if path.as_str() == "add_entry")
        }
        _ => false,
    };
    match stmt {
        ast::StmtKind::Call(call) => calls(call),
        ast::StmtKind::Assign { value, .. } => calls(value),
        ast::StmtKind::Block(block) => adds_entries(block),
        ast::StmtKind::If {
            then, otherwise, ..
        } => {
            stmt_adds_entries(&then.kind)
                || otherwise
                    .as_ref()
                    .is_some_and(|s| stmt_adds_entries(&s.kind))
        }
        _ => false,
    }
}
