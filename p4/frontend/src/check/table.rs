//! Tables.

use std::collections::HashMap;

use num_bigint::BigInt;

use super::args::Called;
use super::scope::Binding;
use super::{Checker, codes, keep};
use crate::ast::{self, Annotation, Direction, TablePropertyKind, find_annotation};
use crate::diag::Diagnostic;
use crate::printer;
use crate::span::Span;
use crate::typed::{
    ActionCall, ActionId, ActionRef, Arg, Const, DefaultAction, Entry, Expr, ExprKind, Key,
    Property, Table, TableId, Type, VarId,
};

/// The actions of a table by their id: the written arguments that each is listed with.
type Listed<'a> = HashMap<ActionId, (&'a [ast::Arg], Span)>;

impl<'a> Checker<'a> {
    /// `table t { ... }`
    pub(super) fn table(
        &mut self,
        decl: &'a ast::TableDecl,
        annotations: &[Annotation],
    ) -> TableId {
        let mut table = Table {
            name: decl.name.name.clone(),
            keys: Vec::new(),
            actions: Vec::new(),
            default: None,
            entries: Vec::new(),
            const_entries: false,
            size: None,
            size_per_instance: None,
            properties: Vec::new(),
            annotations: keep(annotations),
            span: decl.name.span,
        };
        // The name is known in the table itself, where it means nothing useful.
        let id = self.program.tables.push(table.clone());
        self.declare(&decl.name, Binding::Table(id));
        // Keys and actions first: the other properties speak of them, wherever they stand.
        let mut listed = Listed::new();
        let mut actions_at = None;
        for property in &decl.properties {
            match &property.kind {
                TablePropertyKind::Key(elements) => {
                    table.keys = elements.iter().map(|key| self.key(key)).collect();
                }
                TablePropertyKind::Actions(actions) => {
                    actions_at = Some(property.span);
                    table.actions = self.actions(actions, &mut listed);
                }
                _ => {}
            }
        }
        for property in &decl.properties {
            match &property.kind {
                TablePropertyKind::Key(_) | TablePropertyKind::Actions(_) => {}
                TablePropertyKind::DefaultAction(action) => {
                    if let Some(list) = actions_at.filter(|at| at.lo > property.span.lo) {
                        let message = "the default action stands before the list of actions";
                        let error = Diagnostic::error(codes::TABLE, property.span, message);
                        self.report(error.with_note_at(list, "move it behind this list"));
                    }
                    if let Some(call) = self.action_call(action, &listed, decl) {
                        let is_const = property.is_const;
                        table.default = Some(DefaultAction { call, is_const });
                    }
                }
                TablePropertyKind::Size(size) => {
                    let value = self.expr(size, None);
                    let open = !matches!(value.kind, ExprKind::Const(_));
                    if open && self.is_compile_time(&value) && self.is_numeric(&value.ty) {
                        table.size_per_instance = Some(value);
                    } else {
                        table.size = self.number_of(&value);
                    }
                }
                TablePropertyKind::Entries(entries) => {
                    table.const_entries = property.is_const;
                    let types: Vec<Type> = table.keys.iter().map(|k| k.expr.ty.clone()).collect();
                    for entry in entries {
                        if let Some(entry) = self.entry(entry, &types, &listed, decl) {
                            table.entries.push(entry);
                        }
                    }
                }
                TablePropertyKind::Custom { name, value } => {
                    let value = self.property(name, value);
                    table.properties.push(Property {
                        name: name.name.clone(),
                        value,
                        is_const: property.is_const,
                        span: property.span,
                    });
                }
            }
        }
        self.program.tables[id] = table;
        id
    }

    fn property(&mut self, name: &ast::Ident, value: &'a ast::Expr) -> Expr {
        match name.as_str() {
            "largest_priority_wins" => self.expr_as(value, &Type::Bool),
            "priority_delta" => {
                let value = self.expr(value, None);
                self.number_of(&value);
                value
            }
            _ => {
                let mut value = self.expr(value, None);
                self.close(&mut value);
                value
            }
        }
    }

    fn key(&mut self, key: &'a ast::KeyElement) -> Key {
        let expr = self.expr(&key.expr, None);
        let fine = matches!(
            self.base(&expr.ty),
            Type::Bit(_)
                | Type::Int(_)
                | Type::Varbit(_)
                | Type::Bool
                | Type::Enum(_)
                | Type::Error
                | Type::Param(_)
                | Type::Unknown
        );
        let expr = if fine {
            expr
        } else {
            let message = format!("a key cannot be of type `{}`", self.show(&expr.ty));
            let mut error = Diagnostic::error(codes::TYPE, expr.span, message);
            if self.base(&expr.ty) == Type::Integer {
                error = error.with_help("give the number a width: `8w5`, or cast it");
            }
            self.report(error);
            Self::wrong(expr.span)
        };
        let kind = &key.match_kind;
        if !self.tables.match_kinds.contains_key(kind.as_str()) {
            let known = self.program.match_kinds.clone();
            let known = known.iter().map(String::as_str);
            self.unknown_name("there is no match kind", kind, known);
        }
        let named = find_annotation(&key.annotations, "name").and_then(Annotation::string_arg);
        Key {
            expr,
            match_kind: kind.name.clone(),
            name: named.map_or_else(|| printer::expression(&key.expr), str::to_owned),
            annotations: keep(&key.annotations),
            span: key.span,
        }
    }

    /// The action that a name stands for.
    fn find_action(&mut self, path: &'a ast::Path) -> Option<ActionId> {
        match self.find(path)? {
            Binding::Action(id) => Some(id),
            Binding::Broken => None,
            other => {
                let message = format!("`{}` is {}, not an action", path.as_str(), other.kind());
                let mut error = Diagnostic::error(codes::TYPE, path.span(), message);
                if let Some(at) = self.scopes.declared_at(path.as_str()) {
                    error = error.with_note_at(at, "declared here");
                }
                self.report(error);
                None
            }
        }
    }

    /// `actions = { ... }`
    fn actions(
        &mut self,
        actions: &'a [ast::ActionRef],
        listed: &mut Listed<'a>,
    ) -> Vec<ActionRef> {
        let mut made = Vec::new();
        for action in actions {
            let Some(id) = self.find_action(&action.path) else {
                continue;
            };
            let args = action.args.as_deref().unwrap_or_default();
            if let Some((_, before)) = listed.insert(id, (args, action.span)) {
                let message = format!("the action `{}` is listed twice", action.path.as_str());
                let error = Diagnostic::error(codes::TABLE, action.span, message);
                self.report(error.with_note_at(before, "here before"));
                continue;
            }
            let params = self.action_params(id);
            let bound: Vec<VarId> = params
                .into_iter()
                .filter(|param| self.direction(*param) != Direction::None)
                .collect();
            let Some(bound) = self.action_args(id, &bound, args, action.span) else {
                continue;
            };
            made.push(ActionRef {
                action: id,
                bound,
                annotations: keep(&action.annotations),
                span: action.span,
            });
        }
        made
    }

    fn action_args(
        &mut self,
        id: ActionId,
        params: &[VarId],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<Vec<Arg>> {
        let def = &self.program.actions[id];
        let (name, declared) = (def.name.clone(), def.span);
        let called = Called {
            name: &name,
            declared,
            params,
            type_params: &[],
            type_args: &[],
            run_time: true,
            is_constructor: false,
        };
        Some(self.pass(&called, args, span)?.0)
    }

    /// The action of an entry or the default action, with values for the parameters without direction.
    fn action_call(
        &mut self,
        action: &'a ast::ActionRef,
        listed: &Listed<'a>,
        table: &'a ast::TableDecl,
    ) -> Option<ActionCall> {
        let id = self.find_action(&action.path)?;
        let args = action.args.as_deref().unwrap_or_default();
        let params = self.action_params(id);
        let (bound, data): (Vec<VarId>, Vec<VarId>) = params
            .iter()
            .partition(|param| self.direction(**param) != Direction::None);
        let Some((bound_args, listed_at)) = listed.get(&id).copied() else {
            if !listed.is_empty() || action.path.as_str() != "NoAction" {
                let name = &table.name;
                let message = format!("`{}` is no action of `{}`", action.path.as_str(), name.name);
                let error = Diagnostic::error(codes::TABLE, action.span, message);
                self.report(
                    error
                        .with_note_at(name.span, "the table is declared here")
                        .with_help("add it to `actions`"),
                );
                return None;
            }
            return Some(ActionCall {
                action: id,
                args: Vec::new(),
                span: action.span,
            });
        };
        // Arguments that are bound in the list may be repeated, but not changed.
        let repeated = !bound.is_empty() && args.len() > data.len();
        let called = if repeated { &params } else { &data };
        if repeated {
            self.same_bound(bound_args, args, bound.len(), listed_at, action.span);
        }
        let passed = self.action_args(id, called, args, action.span)?;
        let skip = if repeated { bound.len() } else { 0 };
        let mut values = Vec::new();
        for arg in passed.into_iter().skip(skip) {
            let Some(value) = arg.value else { continue };
            if !self.is_compile_time(&value) {
                self.not_constant(&value, "action data in the program");
            }
            values.push(value);
        }
        Some(ActionCall {
            action: id,
            args: values,
            span: action.span,
        })
    }

    fn same_bound(
        &mut self,
        listed: &[ast::Arg],
        given: &[ast::Arg],
        count: usize,
        at: Span,
        span: Span,
    ) {
        let same = listed
            .iter()
            .zip(given)
            .take(count)
            .all(|(a, b)| same_text(&a.value, &b.value));
        if !same {
            let message = "the arguments differ from those that the table binds";
            let error = Diagnostic::error(codes::TABLE, span, message);
            self.report(error.with_note_at(at, "bound here"));
        }
    }

    fn entry(
        &mut self,
        entry: &'a ast::Entry,
        types: &[Type],
        listed: &Listed<'a>,
        table: &'a ast::TableDecl,
    ) -> Option<Entry> {
        let keys = self.keysets(&entry.keys, types, entry.span);
        let priority = entry
            .priority
            .as_ref()
            .and_then(|priority| self.priority(priority));
        let call = self.action_call(&entry.action, listed, table)?;
        Some(Entry {
            keys,
            call,
            priority,
            is_const: entry.is_const,
            annotations: keep(&entry.annotations),
            span: entry.span,
        })
    }

    fn priority(&mut self, priority: &'a ast::Expr) -> Option<BigInt> {
        let value = self.expr(priority, None);
        match &value.kind {
            ExprKind::Const(Const::Int(number)) if *number >= BigInt::ZERO => Some(number.clone()),
            ExprKind::Const(Const::Int(number)) => {
                let message = format!("the priority {number} is negative");
                self.error(codes::TABLE, priority.span, message);
                None
            }
            _ => {
                self.number_of(&value);
                None
            }
        }
    }
}

/// Whether two expressions are written alike; fields may stand in another order.
fn same_text(a: &ast::Expr, b: &ast::Expr) -> bool {
    let (
        ast::ExprKind::Struct {
            fields: x,
            rest: x_rest,
        },
        ast::ExprKind::Struct {
            fields: y,
            rest: y_rest,
        },
    ) = (&a.kind, &b.kind)
    else {
        return printer::expression(a) == printer::expression(b);
    };
    let sorted = |fields: &[ast::NamedExpr]| {
        let mut texts: Vec<(String, String)> = fields
            .iter()
            .map(|field| (field.name.name.clone(), printer::expression(&field.value)))
            .collect();
        texts.sort();
        texts
    };
    x_rest == y_rest && sorted(x) == sorted(y)
}
