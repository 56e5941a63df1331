//! Parsers, controls and packages.

use std::collections::HashMap;

use super::generic::GenericDecl;
use super::scope::Binding;
use super::signature::Owner;
use super::{Checker, Context, Place, codes, keep};
use crate::ast::{self, Annotation, DeclKind, Ident};
use crate::diag::Diagnostic;
use crate::similar::similar;
use crate::typed::{
    BlockKind, BlockType, Control, ControlId, Local, Parser, ParserId, SelectCase, State, Target,
    Transition, Type, TypeArgs, TypeParamId, ValueSet, VarId,
};

impl<'a> Checker<'a> {
    /// `parser P(...);`, `control C(...);` or `package P(...);`
    pub(super) fn block_type(
        &mut self,
        proto: &'a ast::BlockProto,
        kind: BlockKind,
        annotations: &[Annotation],
    ) {
        self.scopes.push();
        let mut type_params = self.type_params(&proto.type_params);
        self.hidden_params = Some(Vec::new());
        let owner = match kind {
            BlockKind::Package => Owner::Constructor,
            BlockKind::Parser | BlockKind::Control => Owner::Call,
        };
        let params = self.params(&proto.params, owner);
        type_params.extend(self.hidden_params.take().unwrap_or_default());
        self.scopes.pop();
        let id = self.program.block_types.push(BlockType {
            kind,
            name: proto.name.name.clone(),
            type_params,
            params,
            annotations: keep(annotations),
            span: proto.name.span,
        });
        if kind == BlockKind::Package {
            self.declare_block(&proto.name, Binding::BlockType(id));
        } else {
            self.declare(&proto.name, Binding::BlockType(id));
        }
    }

    /// Parameters and constructor parameters of a block with a body, in the innermost scope.
    fn block_params(
        &mut self,
        proto: &'a ast::BlockProto,
        ctor: &'a [ast::Param],
        type_args: Option<&TypeArgs>,
    ) -> (Vec<TypeParamId>, Vec<VarId>, Vec<VarId>) {
        let mut type_params = Vec::new();
        match type_args {
            None => type_params = self.type_params(&proto.type_params),
            Some(args) => {
                for (name, arg) in proto.type_params.iter().zip(args.iter()) {
                    self.declare(name, Binding::Type(arg.clone()));
                }
            }
        }
        let params = self.params(&proto.params, Owner::Call);
        let ctor_params = self.params(ctor, Owner::Constructor);
        (type_params, params, ctor_params)
    }

    /// What is declared in a block before its states or its `apply`.
    fn locals(&mut self, locals: &'a [ast::Decl]) -> Vec<Local> {
        let mut made = Vec::new();
        for decl in locals {
            self.annotations(&decl.annotations);
            match &decl.kind {
                DeclKind::Var(var) => {
                    let (id, init) = self.local_var(var, &decl.annotations);
                    made.push(Local::Var(id, init));
                }
                DeclKind::Const(constant) => {
                    let id = self.constant(constant, &decl.annotations);
                    made.push(Local::Const(id));
                }
                DeclKind::Instance(instance) => {
                    if let Some(id) = self.instance(instance, &decl.annotations) {
                        made.push(Local::Instance(id));
                    }
                }
                DeclKind::Action(action) => {
                    let id = self.action(action, &decl.annotations);
                    made.push(Local::Action(id));
                }
                DeclKind::Table(table) => {
                    let id = self.table(table, &decl.annotations);
                    made.push(Local::Table(id));
                }
                DeclKind::ValueSet(set) => self.value_set_decl(set, decl, &mut made),
                _ => {
                    let message = "this cannot be declared here";
                    self.error(codes::MISPLACED, decl.span, message);
                }
            }
        }
        made
    }

    fn value_set_decl(
        &mut self,
        set: &'a ast::ValueSetDecl,
        decl: &'a ast::Decl,
        made: &mut Vec<Local>,
    ) {
        let ty = self.resolve(&set.ty);
        let ty = self.known(ty, set.ty.span);
        let size = self.constant_number(&set.size);
        let id = self.program.value_sets.push(ValueSet {
            name: set.name.name.clone(),
            ty,
            size: size.unwrap_or_default(),
            annotations: keep(&decl.annotations),
            span: set.name.span,
        });
        self.declare(&set.name, Binding::ValueSet(id));
        made.push(Local::ValueSet(id));
    }

    /// `control C(...) { ... }`
    pub(super) fn control(&mut self, decl: &'a ast::ControlDecl, annotations: &'a [Annotation]) {
        let errors = self.errors;
        let (id, type_params) = self.control_with(decl, annotations, None);
        if !type_params.is_empty() && self.errors == errors {
            let of = Type::Control(id);
            self.remember_generic(&of, GenericDecl::Control(decl), annotations, type_params);
        }
        self.declare_block(&decl.proto.name, Binding::Control(id));
    }

    /// A control with type arguments for its type parameters, if there are any.
    pub(super) fn control_with(
        &mut self,
        decl: &'a ast::ControlDecl,
        annotations: &[Annotation],
        type_args: Option<&TypeArgs>,
    ) -> (ControlId, Vec<TypeParamId>) {
        self.declaring.push(&decl.proto.name);
        self.scopes.push();
        let (type_params, params, ctor_params) =
            self.block_params(&decl.proto, &decl.ctor_params, type_args);
        let context = Context {
            place: Place::Control,
            returns: Some(Type::Void),
            ..Context::default()
        };
        let (locals, body) = self.within(context, |checker| {
            checker.scoped(|checker| {
                let locals = checker.locals(&decl.locals);
                (locals, checker.block(&decl.apply))
            })
        });
        self.scopes.pop();
        self.declaring.pop();
        let id = self.program.controls.push(Control {
            name: decl.proto.name.name.clone(),
            params,
            ctor_params,
            locals,
            body,
            annotations: keep(annotations),
            span: decl.proto.name.span,
        });
        (id, type_params)
    }

    /// `parser P(...) { ... }`
    pub(super) fn parser(&mut self, decl: &'a ast::ParserDecl, annotations: &'a [Annotation]) {
        let errors = self.errors;
        let (id, type_params) = self.parser_with(decl, annotations, None);
        if !type_params.is_empty() && self.errors == errors {
            let of = Type::Parser(id);
            self.remember_generic(&of, GenericDecl::Parser(decl), annotations, type_params);
        }
        self.declare_block(&decl.proto.name, Binding::Parser(id));
    }

    /// A parser with type arguments for its type parameters, if there are any.
    pub(super) fn parser_with(
        &mut self,
        decl: &'a ast::ParserDecl,
        annotations: &[Annotation],
        type_args: Option<&TypeArgs>,
    ) -> (ParserId, Vec<TypeParamId>) {
        self.declaring.push(&decl.proto.name);
        self.scopes.push();
        let (type_params, params, ctor_params) =
            self.block_params(&decl.proto, &decl.ctor_params, type_args);
        let context = Context {
            place: Place::Parser,
            ..Context::default()
        };
        let (locals, states, start) = self.within(context, |checker| {
            checker.scoped(|checker| {
                let locals = checker.locals(&decl.locals);
                let (states, start) = checker.states(decl);
                (locals, states, start)
            })
        });
        self.scopes.pop();
        self.declaring.pop();
        let id = self.program.parsers.push(Parser {
            name: decl.proto.name.name.clone(),
            params,
            ctor_params,
            locals,
            states,
            start,
            annotations: keep(annotations),
            span: decl.proto.name.span,
        });
        (id, type_params)
    }

    /// Declares a parser, control or package. Several of one name are told apart by their constructor parameters.
    fn declare_block(&mut self, name: &'a Ident, binding: Binding) {
        let overloads = |b: &Binding| {
            matches!(
                b,
                Binding::Parser(_)
                    | Binding::Control(_)
                    | Binding::BlockType(_)
                    | Binding::Several(_)
            )
        };
        let before = match self.scopes.lookup_here(name.as_str()) {
            Some((before, at)) if overloads(before) => Some((before.clone(), at)),
            _ => None,
        };
        let Some((before, at)) = before else {
            self.declare(name, binding);
            return;
        };
        let known = match &before {
            Binding::Several(at) => self.tables.blocks.get(*at).cloned().unwrap_or_default(),
            other => vec![other.clone()],
        };
        let own = self.constructor_names(&binding);
        if own.is_none() || known.iter().any(|b| self.constructor_names(b) == own) {
            self.declared_twice(name, at);
            return;
        }
        match before {
            Binding::Several(at) => {
                if let Some(list) = self.tables.blocks.get_mut(at) {
                    list.push(binding);
                }
            }
            first => {
                self.tables.blocks.push(vec![first, binding]);
                let at = self.tables.blocks.len() - 1;
                self.scopes.replace(name.as_str(), Binding::Several(at));
            }
        }
    }

    /// Names of the constructor parameters of what has instances.
    fn constructor_names(&self, binding: &Binding) -> Option<Vec<&str>> {
        let params = self.constructor_params(binding)?;
        let name = |id: &VarId| self.program.vars[*id].name.as_str();
        Some(params.iter().map(name).collect())
    }

    /// Constructor parameters of a parser, control or package.
    pub(super) fn constructor_params(&self, binding: &Binding) -> Option<&[VarId]> {
        match binding {
            Binding::Parser(id) => Some(&self.program.parsers[*id].ctor_params),
            Binding::Control(id) => Some(&self.program.controls[*id].ctor_params),
            Binding::BlockType(id) => {
                let def = &self.program.block_types[*id];
                (def.kind == BlockKind::Package).then_some(&def.params)
            }
            _ => None,
        }
    }

    /// All states of a parser, and the index of `start`. States may be named before they are declared.
    fn states(&mut self, decl: &'a ast::ParserDecl) -> (Vec<State>, u32) {
        let mut index: HashMap<&'a str, Target> = HashMap::new();
        index.insert("accept", Target::Accept);
        index.insert("reject", Target::Reject);
        for (at, state) in decl.states.iter().enumerate() {
            let name = &state.name;
            if matches!(name.as_str(), "accept" | "reject") {
                let message = format!("the state `{}` exists in every parser", name.name);
                let error = Diagnostic::error(codes::DECLARED_TWICE, name.span, message);
                self.report(error.with_help("give it another name"));
                continue;
            }
            self.declare(name, Binding::State);
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            index.entry(name.as_str()).or_insert(Target::State(at));
        }
        let start = match index.get("start") {
            Some(Target::State(at)) => *at,
            _ => {
                let message = format!("the parser `{}` has no state `start`", decl.proto.name.name);
                self.error(codes::PARSER, decl.proto.name.span, message);
                0
            }
        };
        let states = decl.states.iter();
        (
            states.map(|state| self.state(state, &index)).collect(),
            start,
        )
    }

    fn state(&mut self, state: &'a ast::ParserState, index: &HashMap<&'a str, Target>) -> State {
        self.scopes.push();
        let stmts = self.stmts(&state.stmts);
        let next = match &state.transition {
            None => Transition::Goto(Target::Reject),
            Some(ast::Transition::Direct(name)) => Transition::Goto(self.target(name, index)),
            Some(ast::Transition::Select(select)) => self.select(select, index),
        };
        self.scopes.pop();
        State {
            name: state.name.name.clone(),
            stmts,
            next,
            annotations: keep(&state.annotations),
            span: state.name.span,
        }
    }

    fn target(&mut self, name: &'a Ident, index: &HashMap<&'a str, Target>) -> Target {
        if let Some(target) = index.get(name.as_str()) {
            return *target;
        }
        let mut known: Vec<&str> = index.keys().copied().collect();
        known.sort_unstable();
        let message = format!("there is no state `{}`", name.name);
        let mut error = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message);
        if let Some(near) = similar(&name.name, known) {
            error = error.with_help(format!("did you mean `{near}`?"));
        }
        self.report(error);
        Target::Reject
    }

    fn select(&mut self, select: &'a ast::Select, index: &HashMap<&'a str, Target>) -> Transition {
        let mut keys = Vec::new();
        for key in &select.args {
            // `select({a, b})` is `select(a, b)`.
            match (&key.kind, select.args.len()) {
                (ast::ExprKind::List(items), 1) => {
                    keys.extend(items.iter().map(|item| self.expr(item, None)));
                }
                _ => keys.push(self.expr(key, None)),
            }
        }
        let types: Vec<Type> = keys.iter().map(|key| self.key_type(key)).collect();
        let mut cases = Vec::new();
        for case in &select.cases {
            let sets = self.keysets(&case.keys, &types, case.span);
            let target = self.target(&case.next, index);
            cases.push(SelectCase {
                sets,
                target,
                span: case.span,
            });
        }
        Transition::Select { keys, cases }
    }

    /// The type of a `select` key.
    fn key_type(&mut self, key: &crate::typed::Expr) -> Type {
        match self.base(&key.ty) {
            Type::Bit(_)
            | Type::Int(_)
            | Type::Integer
            | Type::Bool
            | Type::Enum(_)
            | Type::Error
            | Type::Tuple(_)
            | Type::Unknown => self.shallow(&key.ty),
            _ => {
                let message = format!("`select` does not take `{}`", self.show(&key.ty));
                self.error(codes::TYPE, key.span, message);
                Type::Unknown
            }
        }
    }
}
