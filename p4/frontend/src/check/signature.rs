//! Parameters, functions, actions and extern objects.

use std::collections::HashMap;

use super::scope::Binding;
use super::{Checker, Context, Place, keep};
use crate::ast::{self, Annotation, Direction, Ident, find_annotation};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{
    Action, ActionId, Expr, ExprKind, ExternDef, ExternId, Function, FunctionId, Type, Var, VarId,
    VarKind,
};

/// What parameters belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A function, action, method, parser or control.
    Call,
    /// What makes instances: a parser, control or package with its constructor parameters.
    Constructor,
}

impl<'a> Checker<'a> {
    /// Parameters, declared in the innermost scope.
    pub(super) fn params(&mut self, params: &'a [ast::Param], owner: Owner) -> Vec<VarId> {
        params
            .iter()
            .map(|param| {
                let ty = self.resolve(&param.ty);
                let ty = self.known(ty, param.ty.span);
                let ty = self.param_allowed(ty, param);
                let default = param.default.as_ref().map(|value| {
                    if owner == Owner::Constructor && self.mentions_params(&ty) {
                        return Box::new(self.later_default(value, &ty));
                    }
                    let value = self.expr_as(value, &ty);
                    if !self.is_compile_time(&value) {
                        self.not_constant(&value, "the default value of a parameter");
                    }
                    Box::new(value)
                });
                let optional = find_annotation(&param.annotations, "optional").is_some();
                let kind = match owner {
                    Owner::Call => VarKind::Param {
                        direction: param.direction,
                        default,
                        optional,
                    },
                    Owner::Constructor => VarKind::CtorParam { default, optional },
                };
                let id = self.variable(&param.name, ty, kind, &param.annotations);
                if let Some(value) = self.pending_default.take() {
                    self.tables.defaults.insert(id, value);
                }
                id
            })
            .collect()
    }

    /// Keeps a default value whose type depends on type arguments, to be checked where it is used.
    fn later_default(&mut self, value: &'a ast::Expr, ty: &Type) -> Expr {
        self.pending_default = Some(value);
        Expr {
            kind: ExprKind::Default,
            ty: ty.clone(),
            span: value.span,
        }
    }

    /// Whether a type has type parameters in it.
    fn mentions_params(&self, ty: &Type) -> bool {
        match ty {
            Type::Param(_) => true,
            Type::Header(_, of)
            | Type::Union(_, of)
            | Type::Struct(_, of)
            | Type::Extern(_, of)
            | Type::Block(_, of)
            | Type::Tuple(of) => of.iter().any(|ty| self.mentions_params(ty)),
            Type::Stack(elem, _) | Type::List(elem) | Type::Set(elem) => self.mentions_params(elem),
            _ => false,
        }
    }

    fn param_allowed(&mut self, ty: Type, param: &ast::Param) -> Type {
        let base = self.base(&ty);
        let object = matches!(
            base,
            Type::Extern(..) | Type::Block(..) | Type::Parser(_) | Type::Control(_)
        );
        let compile_time = object || matches!(base, Type::Integer | Type::String);
        if compile_time && param.direction != Direction::None && base != Type::String {
            let what = self.show(&ty);
            let message = format!("a parameter of type `{what}` cannot have a direction");
            let error = Diagnostic::error(codes::DIRECTION, param.span, message);
            self.report(error.with_help("leave the direction out"));
        }
        if base == Type::Void {
            self.error(codes::TYPE, param.ty.span, "no parameter is `void`");
            return Type::Unknown;
        }
        ty
    }

    /// A new variable, parameter or constant, declared in the innermost scope.
    pub(super) fn variable(
        &mut self,
        name: &'a Ident,
        ty: Type,
        kind: VarKind,
        annotations: &[Annotation],
    ) -> VarId {
        let id = self.program.vars.push(Var {
            name: name.name.clone(),
            ty,
            kind,
            annotations: keep(annotations),
            span: name.span,
        });
        self.declare(name, Binding::Var(id));
        id
    }

    /// Runs `walk` in a scope of its own.
    pub(super) fn scoped<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push();
        let result = walk(self);
        self.scopes.pop();
        result
    }

    /// Runs `walk` in another context.
    pub(super) fn within<T>(&mut self, context: Context, walk: impl FnOnce(&mut Self) -> T) -> T {
        let around = std::mem::replace(&mut self.context, context);
        let result = walk(self);
        self.context = around;
        result
    }

    /// A function, with its body if it has one.
    pub(super) fn function(
        &mut self,
        proto: &'a ast::FunctionProto,
        body: Option<(&'a ast::Block, Context)>,
        annotations: &[Annotation],
    ) -> FunctionId {
        self.declaring.push(&proto.name);
        self.scopes.push();
        let mut type_params = self.type_params(&proto.type_params);
        let ret = self.resolve(&proto.ret);
        let ret = self.known(ret, proto.ret.span);
        // `_` in what is extern stands for any type: it is one more type parameter.
        let around = self.hidden_params.take();
        if body.is_none() {
            self.hidden_params = Some(Vec::new());
        }
        let params = self.params(&proto.params, Owner::Call);
        type_params.extend(self.hidden_params.take().unwrap_or_default());
        self.hidden_params = around;
        let id = self.program.functions.push(Function {
            name: proto.name.name.clone(),
            type_params,
            params,
            ret: ret.clone(),
            body: None,
            of: None,
            is_abstract: false,
            annotations: keep(annotations),
            span: proto.name.span,
        });
        if let Some((body, context)) = body {
            let context = Context {
                returns: Some(ret),
                ..context
            };
            let stmts = self.within(context, |checker| checker.block(body));
            self.program.functions[id].body = Some(stmts);
        }
        self.scopes.pop();
        self.declaring.pop();
        id
    }

    /// Declares a function beside others of its name.
    pub(super) fn declare_function(&mut self, name: &'a Ident, id: FunctionId) {
        match self.scopes.lookup_here(name.as_str()) {
            Some((Binding::Functions(at), before)) => {
                let at = *at;
                let others = self.tables.overloads.get(at).cloned().unwrap_or_default();
                if others.iter().any(|other| self.same_signature(*other, id)) {
                    self.declared_twice(name, before);
                }
                if let Some(list) = self.tables.overloads.get_mut(at) {
                    list.push(id);
                }
            }
            _ => {
                self.tables.overloads.push(vec![id]);
                let at = self.tables.overloads.len() - 1;
                self.declare(name, Binding::Functions(at));
            }
        }
    }

    /// Whether calls could not tell two functions apart: by number and names of their parameters.
    fn same_signature(&self, a: FunctionId, b: FunctionId) -> bool {
        let names = |id: FunctionId| {
            let function = &self.program.functions[id];
            let mut names: Vec<&str> = function
                .params
                .iter()
                .map(|param| self.program.vars[*param].name.as_str())
                .collect();
            names.sort_unstable();
            names
        };
        names(a) == names(b)
    }

    /// `action a(...) { ... }`
    pub(super) fn action(
        &mut self,
        decl: &'a ast::ActionDecl,
        annotations: &[Annotation],
    ) -> ActionId {
        self.declaring.push(&decl.name);
        self.scopes.push();
        let params = self.params(&decl.params, Owner::Call);
        let mut data = None;
        for (param, id) in decl.params.iter().zip(&params) {
            let ty = self.program.vars[*id].ty.clone();
            if matches!(self.base(&ty), Type::Extern(..) | Type::Block(..)) {
                let message = format!(
                    "an action cannot have a parameter of type `{}`",
                    self.show(&ty)
                );
                let error = Diagnostic::error(codes::TYPE, param.ty.span, message);
                self.report(error.with_help("use the object by its name"));
            }
            if param.direction == Direction::None {
                data = Some(*id);
            } else if let Some(before) = data {
                let at = self.program.vars[before].span;
                let message = format!(
                    "`{}` has a direction, but stands behind a parameter without",
                    param.name.name
                );
                let error = Diagnostic::error(codes::DIRECTION, param.span, message);
                self.report(
                    error
                        .with_note_at(at, "this one comes from the control plane")
                        .with_help("put the parameters with a direction first"),
                );
            }
        }
        let id = self.program.actions.push(Action {
            name: decl.name.name.clone(),
            params,
            body: Vec::new(),
            annotations: keep(annotations),
            span: decl.name.span,
        });
        let context = Context {
            place: Place::Action,
            returns: Some(Type::Void),
            ..Context::default()
        };
        let body = self.within(context, |checker| checker.block(&decl.body));
        self.program.actions[id].body = body;
        self.scopes.pop();
        self.declaring.pop();
        self.declare(&decl.name, Binding::Action(id));
        id
    }

    /// `extern X { ... }`
    pub(super) fn extern_object(&mut self, decl: &'a ast::ExternDecl, annotations: &[Annotation]) {
        let id = self.program.externs.push(ExternDef {
            name: decl.name.name.clone(),
            type_params: Vec::new(),
            constructors: Vec::new(),
            methods: Vec::new(),
            annotations: keep(annotations),
            span: decl.name.span,
        });
        self.declaring.push(&decl.name);
        self.scopes.push();
        let type_params = self.type_params(&decl.type_params);
        self.program.externs[id].type_params = type_params;
        let mut by_name: HashMap<&'a str, Vec<FunctionId>> = HashMap::new();
        for method in &decl.methods {
            let function = self.function(&method.proto, None, &method.annotations);
            self.program.functions[function].of = Some(id);
            self.program.functions[function].is_abstract = method.is_abstract;
            if method.is_constructor {
                if method.proto.name.name != decl.name.name {
                    self.wrong_constructor(&method.proto.name, &decl.name);
                }
                self.overload_in(id, function, true, &method.proto.name);
                self.program.externs[id].constructors.push(function);
            } else {
                if method.proto.name.name == decl.name.name {
                    let message = format!(
                        "`{}` is a constructor, which has no return type",
                        decl.name.name
                    );
                    self.error(codes::DECLARATION, method.proto.name.span, message);
                }
                self.overload_in(id, function, false, &method.proto.name);
                self.program.externs[id].methods.push(function);
                by_name
                    .entry(method.proto.name.as_str())
                    .or_default()
                    .push(function);
            }
        }
        self.scopes.pop();
        self.declaring.pop();
        // Only now: an extern type cannot be used in itself.
        match self.scopes.lookup_here(decl.name.as_str()) {
            // What was announced by `extern X;`.
            Some((Binding::Extern(before), _))
                if self.program.externs[*before].methods.is_empty() =>
            {
                self.scopes.replace(decl.name.as_str(), Binding::Extern(id));
            }
            _ => self.declare(&decl.name, Binding::Extern(id)),
        }
        self.tables.methods.insert(id, by_name);
    }

    fn wrong_constructor(&mut self, found: &Ident, wanted: &Ident) {
        let message = format!(
            "`{}` has no return type, but is no constructor of `{}`",
            found.name, wanted.name
        );
        let error = Diagnostic::error(codes::DECLARATION, found.span, message);
        self.report(error.with_help("give it a return type, or the extern's name"));
    }

    /// Methods of one name differ in the number or names of their parameters.
    fn overload_in(&mut self, of: ExternId, id: FunctionId, constructor: bool, name: &Ident) {
        let def = &self.program.externs[of];
        let others = if constructor {
            &def.constructors
        } else {
            &def.methods
        };
        let same = others.iter().copied().find(|other| {
            self.program.functions[*other].name == name.name && self.same_signature(*other, id)
        });
        if let Some(other) = same {
            let before = self.program.functions[other].span;
            self.declared_twice(name, before);
        }
    }

    /// `const T x = e;`
    pub(super) fn constant(
        &mut self,
        decl: &'a ast::ConstDecl,
        annotations: &[Annotation],
    ) -> VarId {
        let ty = self.resolve(&decl.ty);
        let mut value = self.expr_as(&decl.value, &ty);
        self.close(&mut value);
        let ty = if self.is_open(&ty) {
            value.ty.clone()
        } else {
            self.zonk(&ty)
        };
        if !self.is_compile_time(&value) {
            self.not_constant(&value, "the value of a constant");
            value = Self::wrong(value.span);
        }
        let value = self.constant_allowed(&ty, value, decl.ty.span);
        let kind = VarKind::Const(Box::new(value));
        self.variable(&decl.name, ty, kind, annotations)
    }

    fn constant_allowed(&mut self, ty: &Type, value: Expr, span: Span) -> Expr {
        let object = matches!(
            self.base(ty),
            Type::Extern(..) | Type::Block(..) | Type::Parser(_) | Type::Control(_) | Type::Void
        );
        if object {
            let message = format!("a constant cannot have type `{}`", self.show(ty));
            self.error(codes::TYPE, span, message);
            return Self::wrong(value.span);
        }
        value
    }
}
