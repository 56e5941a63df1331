//! Tables and their actions.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trisect_ir::{
    Action, ActionCall, ActionId, BinOp, Bits, Expr, Key, LValue, MatchKind, Op, Param, Table,
    TableId,
};

use super::ops::{fold, truth};
use super::step::{Step, Then, branch, may_exit};
use super::value::{Frame, Value, block_of};
use super::{Context, Elab, R, error, unsupported};
use crate::typed::{self, ActionRef, Type};
use crate::{Diagnostic, Span, codes};

/// Entries of a table that does not say how many it holds (P4 leaves it to the target).
const DEFAULT_SIZE: u32 = 1024;

/// A table that was elaborated.
#[derive(Debug)]
pub(super) struct TableDef {
    pub id: TableId,
    pub name: String,
    /// What computes its keys, to be run before each look-up.
    pub before: Vec<Step>,
    pub actions: Vec<TableAction>,
}

/// An action of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableAction {
    pub source: typed::ActionId,
    pub id: ActionId,
}

/// An action in a table's list that is not elaborated yet.
#[derive(Clone, Copy)]
struct Pending<'a> {
    source: typed::ActionId,
    bound: &'a [typed::Arg],
}

/// Actions of tables that were elaborated.
#[derive(Default)]
pub(super) struct Actions<'a> {
    /// By the block that they stand in; with the table if what they do depends on it.
    done: Vec<(Rc<Frame<'a>>, typed::ActionId, Option<TableId>, ActionId)>,
    /// Actions that a table's entries may add, by their name in the source.
    pub by_name: BTreeMap<(TableId, String), ActionId>,
    /// Operations in front of each action of a table.
    pub implicit: BTreeMap<TableId, Vec<Op>>,
    /// Actions that may end in `exit`.
    exits: BTreeSet<ActionId>,
}

impl<'a> Elab<'a> {
    /// The table that is meant here.
    pub(super) fn table(&mut self, id: typed::TableId, span: Span) -> R<Rc<TableDef>> {
        self.frame
            .table(id)
            .ok_or_else(|| error(super::FOLLOWS, span, "follows from an error before"))
    }

    /// Applies a table.
    pub(super) fn apply_table(&mut self, id: typed::TableId, then: Then, span: Span) -> R<()> {
        self.only_in_control(span, "a table")?;
        let def = self.table(id, span)?;
        self.spend(def.before.len())?;
        self.out.extend(def.before.iter().cloned());
        let exits = def
            .actions
            .iter()
            .any(|action| self.actions.exits.contains(&action.id));
        let mut then = then;
        let mut behind = Vec::new();
        if exits {
            let flag = self.exit_flag();
            self.emit(Op::Set(LValue::meta(flag), truth(false)));
            let leave = branch(Expr::Meta(flag), vec![Step::Exit], Vec::new());
            let first = |steps: Vec<Step>| [leave.clone(), steps].concat();
            then = match then {
                Then::Nothing => {
                    behind.clone_from(&leave);
                    Then::Nothing
                }
                Then::HitMiss(hit, miss) => Then::HitMiss(first(hit), first(miss)),
                Then::Action(cases, other) => Then::Action(
                    cases
                        .into_iter()
                        .map(|(actions, steps)| (actions, first(steps)))
                        .collect(),
                    first(other),
                ),
            };
        }
        self.out.push(Step::Apply {
            table: def.id,
            name: def.name.clone(),
            then,
        });
        self.out.extend(behind);
        Ok(())
    }

    /// A table of the block in work, with its actions.
    pub(super) fn declare_table(&mut self, id: typed::TableId) -> R<()> {
        let tree = self.tree;
        let source = &tree.tables[id];
        let prefix = self.frame.names.prefix.clone();
        let name = super::instance::control_name(&prefix, &source.name, &source.annotations);
        let name = self.unique("table", &name);
        let (before, (keys, hashed)) = self.collect(|e| e.table_keys(&source.keys))?;
        let table = self.ir.tables.push(Table {
            keys,
            ..empty_table(&name)
        });
        for property in &source.properties {
            self.table_property(table, property, &hashed)?;
        }
        if let (Some(key), None) = (
            source.keys.iter().find(|key| key.match_kind == "selector"),
            &self.ir.tables[table].selector,
        ) {
            let message = "a selector key in a table without an action selector";
            return Err(error(codes::TABLE, key.span, message));
        }
        let actions = self.table_actions(&source.actions, table)?;
        self.ir.tables[table].actions = actions.iter().map(|action| action.id).collect();
        self.default_action(source, table, &actions)?;
        self.entries(source, table, &actions)?;
        self.table_size(source, table)?;
        self.table_done(source, table)?;
        let def = TableDef {
            id: table,
            name,
            before,
            actions,
        };
        self.frame.tables.borrow_mut().insert(id, Rc::new(def));
        Ok(())
    }

    /// The keys, and what an action selector hashes.
    fn table_keys(&mut self, source: &'a [typed::Key]) -> R<(Vec<Key>, Vec<Expr>)> {
        let exprs: Vec<&'a typed::Expr> = source.iter().map(|key| &key.expr).collect();
        let values = self.sequence_of(&exprs)?;
        let mut keys: Vec<Key> = Vec::with_capacity(source.len());
        let mut hashed = Vec::new();
        for (key, value) in source.iter().zip(values) {
            let kind = match key.match_kind.as_str() {
                "exact" => MatchKind::Exact,
                "lpm" => MatchKind::Lpm,
                "ternary" => MatchKind::Ternary,
                "range" => MatchKind::Range,
                "optional" => MatchKind::Optional,
                "selector" => {
                    hashed.extend(self.flatten(&value, key.expr.span)?);
                    continue;
                }
                other => {
                    return Err(unsupported(key.span, format!("the match kind `{other}`")));
                }
            };
            if kind == MatchKind::Lpm && keys.iter().any(|key| key.kind == MatchKind::Lpm) {
                return Err(Box::new(
                    Diagnostic::error(codes::TABLE, key.span, "a second lpm key")
                        .with_note("which of two prefixes is the longer one would not be defined")
                        .with_help("make one of the keys ternary"),
                ));
            }
            let ty = self.ty(&key.expr.ty);
            let signed = kind == MatchKind::Range && self.is_signed(&ty);
            if matches!(value, Value::Empty) {
                return Err(unsupported(key.span, "a key without bits"));
            }
            let mut expr = self.scalar(&value, key.expr.span)?;
            if signed {
                // In this form the bounds compare as unsigned numbers.
                let width = self.width_in(&expr);
                let sign = Expr::Const(Bits::zero(width).flip_sign());
                expr = fold(BinOp::Xor, expr, sign);
            }
            let mut name = key.name.clone();
            let mut number = 1;
            while keys.iter().any(|known| known.name == name) {
                number += 1;
                name = format!("{}_{number}", key.name);
            }
            keys.push(Key {
                name,
                expr,
                kind,
                signed,
            });
        }
        Ok((keys, hashed))
    }

    /// The table's actions in source order. Those that add entries come last in elaboration, as they
    /// name others.
    fn table_actions(&mut self, refs: &'a [ActionRef], table: TableId) -> R<Vec<TableAction>> {
        let mut found: Vec<Option<TableAction>> = vec![None; refs.len()];
        for adds in [false, true] {
            for (place, reference) in found.iter_mut().zip(refs) {
                if self.adds_entries(reference.action) != adds {
                    continue;
                }
                let pending = Pending {
                    source: reference.action,
                    bound: &reference.bound,
                };
                let id = self.table_action(pending, table, reference.span)?;
                let name = self.tree.actions[reference.action].name.clone();
                self.actions.by_name.insert((table, name), id);
                *place = Some(TableAction {
                    source: reference.action,
                    id,
                });
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// The IR action for an action of a table. It is shared between tables unless what it does
    /// depends on the table.
    fn table_action(&mut self, pending: Pending<'a>, table: TableId, span: Span) -> R<ActionId> {
        let implicit = self
            .actions
            .implicit
            .get(&table)
            .cloned()
            .unwrap_or_default();
        let plain = implicit.is_empty() && pending.bound.is_empty();
        let block = self.action_block(pending.source);
        let known = self.actions.done.iter().find(|(frame, source, of, _)| {
            Rc::ptr_eq(frame, &block)
                && *source == pending.source
                && ((of.is_none() && plain) || *of == Some(table))
        });
        if let Some((_, _, _, action)) = known {
            return Ok(*action);
        }
        let context = Context {
            table: Some(table),
            params: Vec::new(),
        };
        let outer = (
            std::mem::replace(&mut self.context, context),
            self.table_bound,
        );
        self.table_bound = !plain;
        let result = self.action_ops(pending, &block, span);
        let params = std::mem::take(&mut self.context.params);
        let depends = self.table_bound;
        (self.context, self.table_bound) = outer;
        let (mut ops, exits) = result?;
        ops.splice(0..0, implicit);
        let own = self.action_name(pending.source, &block);
        let name = if self.names.contains_key(&("action", own.clone())) {
            let name = &self.tree.actions[pending.source].name;
            format!("{}.{name}", self.ir.tables[table].name)
        } else {
            own
        };
        let name = self.unique("action", &name);
        let action = self.ir.actions.push(Action { name, params, ops });
        if exits {
            self.actions.exits.insert(action);
        }
        let of = depends.then_some(table);
        self.actions.done.push((block, pending.source, of, action));
        Ok(action)
    }

    /// The operations of a table's action, and whether they may end in `exit`.
    fn action_ops(
        &mut self,
        pending: Pending<'a>,
        block: &Rc<Frame<'a>>,
        span: Span,
    ) -> R<(Vec<Op>, bool)> {
        let tree = self.tree;
        let source = &tree.actions[pending.source];
        let names = self.action_names(pending.source, block);
        let mut frame = Frame::new(Some(block.clone()), names);
        let label = self.new_label();
        frame.result = Some((label, Value::Unit));
        let (directed, data) = source
            .params
            .split_at_checked(pending.bound.len())
            .ok_or_else(|| error(codes::ARGUMENTS, span, "more arguments than parameters"))?;
        for param in data {
            let var = &tree.vars[*param];
            if let typed::VarKind::Param { direction, .. } = &var.kind
                && *direction != crate::ast::Direction::None
            {
                let message = format!(
                    "the table does not say what the parameter `{}` is",
                    var.name
                );
                return Err(error(codes::ARGUMENTS, span, message));
            }
            let ty = self.ty(&var.ty);
            let value = self.action_data(&var.name, &ty, var.span)?;
            frame.bind(*param, value);
        }
        let captured = self.captured(pending.source, pending.bound, block);
        let order: Vec<u32> = (0..pending.bound.len() as u32).collect();
        let caller = block_of(&self.frame);
        let (mut steps, outs) = self.with_frame(caller, |e| {
            e.collect(|e| e.bind(directed, pending.bound, &order, &frame, &captured, false))
        })?;
        let (body, ()) = self.with_frame(Rc::new(frame), |e| {
            e.collect(|e| e.statements(&source.body))
        })?;
        let ending = self.copy_out(&outs)?;
        steps.push(Step::Scope {
            label,
            steps: body,
            ending,
            catches_exit: false,
        });
        let exits = may_exit(&steps);
        Ok((self.operations(&steps, source.span)?, exits))
    }

    /// A parameter whose value entries supply; a struct is one parameter per member.
    fn action_data(&mut self, name: &str, ty: &Type, span: Span) -> R<Value<'a>> {
        match self.width(ty) {
            Some(0) => return Ok(Value::Empty),
            Some(width) => {
                let params = &mut self.context.params;
                params.push(Param {
                    name: name.to_owned(),
                    width,
                });
                return Ok(Value::Bits(Expr::Param(params.len() as u32 - 1)));
            }
            None => {}
        }
        let names: Vec<String> = match self.tree.base(ty) {
            Type::Struct(id, _) => {
                let fields = &self.tree.structs[*id].fields;
                fields.iter().map(|field| field.name.clone()).collect()
            }
            Type::Tuple(parts) => (0..parts.len()).map(|i| i.to_string()).collect(),
            other => {
                let message = format!("action data of type `{}`", self.tree.show(other));
                return Err(unsupported(span, message));
            }
        };
        let types = self.members(ty).unwrap_or_default();
        let mut members = Vec::with_capacity(types.len());
        for (field, ty) in names.iter().zip(&types) {
            members.push(self.action_data(&format!("{name}.{field}"), ty, span)?);
        }
        Ok(Value::Fields(Rc::new(members)))
    }

    /// core.p4's `NoAction`, or an action like it if the program has none.
    pub(super) fn no_action(&mut self, table: TableId) -> R<ActionId> {
        let source = self.global_actions.iter().copied().find(|id| {
            let action = &self.tree.actions[*id];
            action.name == "NoAction" && action.body.is_empty()
        });
        if let Some(source) = source {
            let pending = Pending { source, bound: &[] };
            return self.table_action(pending, table, self.tree.actions[source].span);
        }
        let ops = self
            .actions
            .implicit
            .get(&table)
            .cloned()
            .unwrap_or_default();
        let name = self.unique("action", "NoAction");
        Ok(self.ir.actions.push(Action {
            name,
            params: Vec::new(),
            ops,
        }))
    }

    fn table_size(&mut self, source: &'a typed::Table, table: TableId) -> R<()> {
        let entries = self.ir.tables[table].entries.len() as u32;
        let size = match &source.size {
            Some(size) => u32::try_from(size)
                .map_err(|_| error(codes::WIDTH, source.span, "a size has 32 bits"))?
                .max(entries),
            None if entries > 0 => entries,
            None => DEFAULT_SIZE,
        };
        self.ir.tables[table].size = size;
        Ok(())
    }

    /// A table's action that is called by its name in the source, and the widths of its parameters.
    pub(super) fn named_action(&self, table: TableId, name: &str) -> Option<(ActionId, Vec<u32>)> {
        let action = *self.actions.by_name.get(&(table, name.to_owned()))?;
        let params = &self.ir.actions[action].params;
        Some((action, params.iter().map(|param| param.width).collect()))
    }
}

fn empty_table(name: &str) -> Table {
    Table {
        name: name.to_owned(),
        keys: Vec::new(),
        actions: Vec::new(),
        default: ActionCall {
            action: ActionId(0),
            args: Vec::new(),
        },
        const_default: false,
        entries: Vec::new(),
        size: DEFAULT_SIZE,
        flow: None,
        selector: None,
    }
}
