//! Calls.

use super::args::{Called, Passed};
use super::scope::Binding;
use super::{Checker, codes};
use crate::ast::{self, Ident, TypeRef};
use crate::diag::Diagnostic;
use crate::similar::similar;
use crate::span::Span;
use crate::typed::{
    BlockKind, Call, Callee, Const, Expr, ExprKind, ExternId, FunctionId, Program, Type, TypeArgs,
    TypeParamId, VarId,
};

impl<'a> Checker<'a> {
    /// `callee<type_args>(args)`
    pub(super) fn call(
        &mut self,
        callee: &'a ast::Expr,
        type_args: &'a [TypeRef],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Expr {
        match &callee.kind {
            ast::ExprKind::Path(path) => match self.find(path) {
                Some(Binding::Functions(at)) => {
                    let candidates = self.tables.overloads.get(at).cloned().unwrap_or_default();
                    self.call_function(&candidates, &path.name, type_args, args, span)
                }
                Some(Binding::Action(id)) => {
                    self.no_type_args(type_args);
                    let action = &self.program.actions[id];
                    let (params, name, declared) =
                        (action.params.clone(), action.name.clone(), action.span);
                    let called = Called {
                        name: &name,
                        declared,
                        params: &params,
                        type_params: &[],
                        type_args: &[],
                        run_time: true,
                        is_constructor: false,
                    };
                    self.finish(Callee::Action(id), &called, args, Type::Void, span)
                }
                None | Some(Binding::Broken) => {
                    self.check_args(args);
                    Self::wrong(span)
                }
                Some(other) => {
                    let message = format!(
                        "`{}` is {}, which cannot be called",
                        path.as_str(),
                        other.kind()
                    );
                    let mut error = Diagnostic::error(codes::TYPE, callee.span, message);
                    if let Some(at) = self.scopes.declared_at(path.as_str()) {
                        error = error.with_note_at(at, "declared here");
                    }
                    if matches!(other, Binding::Table(_) | Binding::Instance(_)) {
                        error = error.with_help(format!("write `{}.apply(...)`", path.as_str()));
                    }
                    self.report(error);
                    self.check_args(args);
                    Self::wrong(span)
                }
            },
            ast::ExprKind::Member { base, name } => {
                let object = self.expr(base, None);
                self.call_method(object, name, type_args, args, span)
            }
            ast::ExprKind::TypeMember { ty, name } => {
                self.call_of_type(ty, name, type_args, args, span)
            }
            _ => {
                self.error(codes::TYPE, callee.span, "this cannot be called");
                self.check_args(args);
                Self::wrong(span)
            }
        }
    }

    pub(super) fn no_type_args(&mut self, type_args: &'a [TypeRef]) {
        if let Some(first) = type_args.first() {
            self.error(codes::ARGUMENTS, first.span, "this takes no type arguments");
        }
    }

    /// The function of several with one name that the number and names of the arguments choose.
    pub(super) fn choose(
        &mut self,
        candidates: &[FunctionId],
        name: &str,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<FunctionId> {
        if let [only] = candidates {
            return Some(*only);
        }
        let fitting: Vec<FunctionId> = candidates
            .iter()
            .copied()
            .filter(|id| self.accepts(&self.program.functions[*id].params, args))
            .collect();
        match fitting.as_slice() {
            [only] => Some(*only),
            [] => {
                let message = format!("no `{name}` takes these arguments");
                let mut error = Diagnostic::error(codes::ARGUMENTS, span, message);
                for id in candidates.iter().take(4) {
                    let function = &self.program.functions[*id];
                    let count = function.params.len();
                    error = error.with_note_at(function.span, format!("this one takes {count}"));
                }
                self.report(error);
                self.check_args(args);
                None
            }
            _ => {
                let message = format!("several functions `{name}` take these arguments");
                let mut error = Diagnostic::error(codes::ARGUMENTS, span, message);
                for id in fitting.iter().take(4) {
                    let function = &self.program.functions[*id];
                    error = error.with_note_at(function.span, "this one does");
                }
                self.report(error.with_help("give the arguments by name"));
                self.check_args(args);
                None
            }
        }
    }

    fn call_function(
        &mut self,
        candidates: &[FunctionId],
        name: &'a Ident,
        type_args: &'a [TypeRef],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Expr {
        let Some(id) = self.choose(candidates, name.as_str(), args, span) else {
            return Self::wrong(span);
        };
        self.call_signature(Callee::Function(id), id, (&[], &[]), type_args, args, span)
    }

    /// A call of a function or method. `outer` are type parameters of the extern that it belongs to, with what they
    /// stand for.
    fn call_signature(
        &mut self,
        callee: Callee,
        id: FunctionId,
        outer: (&[TypeParamId], &[Type]),
        type_args: &'a [TypeRef],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Expr {
        let function = &self.program.functions[id];
        let (name, declared) = (function.name.clone(), function.span);
        let (own, params, ret) = (
            function.type_params.clone(),
            function.params.clone(),
            function.ret.clone(),
        );
        let Some(given) = self.given_type_args(&own, type_args, &name, span) else {
            self.check_args(args);
            return Self::wrong(span);
        };
        let type_params: Vec<_> = outer.0.iter().chain(&own).copied().collect();
        let type_args: Vec<Type> = outer.1.iter().chain(&given).cloned().collect();
        let called = Called {
            name: &name,
            declared,
            params: &params,
            type_params: &type_params,
            type_args: &type_args,
            run_time: false,
            is_constructor: false,
        };
        let Some((passed, order)) = self.pass(&called, args, span) else {
            return Self::wrong(span);
        };
        let Some(given) = self.found_type_args(&given, &own, &name, span) else {
            return Self::wrong(span);
        };
        if passed
            .iter()
            .any(|arg| arg.value.as_ref().is_some_and(|v| v.ty == Type::Unknown))
        {
            return Self::wrong(span);
        }
        let ret = self.bounded(Program::substitute(&ret, &type_params, &type_args), span);
        let ty = self.zonk(&ret);
        let is_assert = name == "static_assert"
            && matches!(&callee, Callee::Function(id) if self.program.functions[*id].body.is_none());
        if is_assert {
            return self.static_assert(&passed, span);
        }
        Self::call_expr(callee, given.to_vec(), (passed, order), ty, span)
    }

    /// Type arguments as written, or as many to be found.
    fn given_type_args(
        &mut self,
        params: &[TypeParamId],
        type_args: &'a [TypeRef],
        name: &str,
        span: Span,
    ) -> Option<Vec<Type>> {
        let mut given: Vec<Type> = type_args.iter().map(|arg| self.resolve(arg)).collect();
        let is_written = |id: &&TypeParamId| self.program.type_params[**id] != "_";
        let wanted = params.iter().filter(is_written).count();
        if given.is_empty() {
            return Some(params.iter().map(|_| self.fresh()).collect());
        }
        if given.len() != wanted {
            let message = format!(
                "`{name}` takes {wanted} type arguments, {} are given",
                given.len()
            );
            self.error(codes::ARGUMENTS, span, message);
            return None;
        }
        given.extend((wanted..params.len()).map(|_| self.fresh()));
        Some(given)
    }

    /// The type arguments that were found; an error if one was not.
    pub(super) fn found_type_args(
        &mut self,
        args: &[Type],
        params: &[TypeParamId],
        name: &str,
        span: Span,
    ) -> Option<TypeArgs> {
        let mut found = Vec::with_capacity(args.len());
        for (at, arg) in args.iter().enumerate() {
            let ty = self.bounded(arg.clone(), span);
            // What an `_` in the declaration stands for does not matter if nothing says it.
            let hidden = params
                .get(at)
                .is_some_and(|id| self.program.type_params[*id] == "_");
            if hidden {
                self.leave_open(&ty);
            }
            if self.is_open(&ty) {
                let param = params
                    .get(at)
                    .map(|id| self.program.type_params[*id].clone());
                let param = param.unwrap_or_default();
                let message = format!("nothing says what the type `{param}` of `{name}` is");
                let error = Diagnostic::error(codes::INFERENCE, span, message);
                self.report(error.with_help(format!("write it: `{name}<...>(...)`")));
                return None;
            }
            let ty = self.zonk(&ty);
            if self.is_anonymous(&ty) {
                let message = "nothing says of which struct this is a value";
                let error = Diagnostic::error(codes::INFERENCE, span, message);
                self.report(error.with_help("cast it: (struct_type) {...}"));
                return None;
            }
            found.push(ty);
        }
        if found.contains(&Type::Unknown) {
            return None;
        }
        Some(found.into())
    }

    /// Whether a struct without a name is in the type.
    fn is_anonymous(&self, ty: &Type) -> bool {
        match ty {
            Type::Struct(id, _) => self.program.structs[*id].name.is_empty(),
            Type::Tuple(parts) => parts.iter().any(|part| self.is_anonymous(part)),
            Type::List(elem) | Type::Stack(elem, _) => self.is_anonymous(elem),
            _ => false,
        }
    }

    /// `static_assert(check, message)`, which is done here.
    fn static_assert(&mut self, passed: &[crate::typed::Arg], span: Span) -> Expr {
        let mut values = passed.iter().filter_map(|arg| arg.value.as_ref());
        let check = values.next();
        let text = values.next().and_then(|value| match &value.kind {
            ExprKind::Const(Const::Str(text)) => Some(text.clone()),
            _ => None,
        });
        match check.map(|check| (&check.kind, check.span)) {
            Some((ExprKind::Const(Const::Bool(true)), _)) => {}
            Some((ExprKind::Const(Const::Bool(false)), at)) => {
                let message = match text {
                    Some(text) => format!("static assertion failed: {text}"),
                    None => "static assertion failed".to_owned(),
                };
                let error = Diagnostic::error(codes::STATIC_ASSERT, span, message);
                self.report(
                    error
                        .with_note_at(at, "this is false")
                        .with_help("change what is asserted, or what it is about"),
                );
            }
            Some(_) => {
                if let Some(check) = check {
                    let check = check.clone();
                    self.not_constant(&check, "what is asserted");
                }
            }
            None => {}
        }
        Expr {
            kind: ExprKind::Const(Const::Bool(true)),
            ty: Type::Bool,
            span,
        }
    }

    /// `object.name(args)`
    fn call_method(
        &mut self,
        object: Expr,
        name: &'a Ident,
        type_args: &'a [TypeRef],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Expr {
        let ty = self.base(&object.ty);
        if let Some(size) = self.size_method(&ty, name, args, span) {
            return size;
        }
        match ty {
            Type::Unknown => {
                self.check_args(args);
                Self::wrong(span)
            }
            Type::Extern(of, of_args) => {
                let Some(method) = self.find_method(of, name, args, span) else {
                    return Self::wrong(span);
                };
                let outer = self.program.externs[of].type_params.clone();
                let callee = Callee::Method {
                    object: Box::new(object),
                    of,
                    method,
                };
                self.call_signature(callee, method, (&outer, &of_args), type_args, args, span)
            }
            Type::Header(..) | Type::Union(..) | Type::Stack(..) => {
                self.no_type_args(type_args);
                self.built_in(object, &ty, name, args, span)
            }
            Type::Table(id) if name.name == "apply" => {
                if let Some(arg) = args.first() {
                    let message = "`apply` of a table takes no arguments";
                    self.error(codes::ARGUMENTS, arg.value.span, message);
                }
                self.called(Callee::Table(id), Type::ApplyResult(id), span)
            }
            Type::Parser(_) | Type::Control(_) | Type::Block(..) if name.name == "apply" => {
                self.no_type_args(type_args);
                self.apply(object, args, span)
            }
            other => {
                let message = format!("`{}` has no method `{}`", self.show(&other), name.name);
                let mut error = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message);
                if let Some(at) = self.type_declared(&other) {
                    error = error.with_note_at(at, "declared here");
                }
                self.report(error);
                self.check_args(args);
                Self::wrong(span)
            }
        }
    }

    fn find_method(
        &mut self,
        of: ExternId,
        name: &'a Ident,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<FunctionId> {
        let methods = self.tables.methods.get(&of);
        let Some(candidates) = methods.and_then(|m| m.get(name.as_str())).cloned() else {
            let def = &self.program.externs[of];
            let message = format!("`{}` has no method `{}`", def.name, name.name);
            let known = def
                .methods
                .iter()
                .map(|m| self.program.functions[*m].name.as_str());
            let near = similar(&name.name, known);
            let mut error = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message)
                .with_note_at(def.span, "declared here");
            if let Some(near) = near {
                error = error.with_help(format!("did you mean `{near}`?"));
            }
            self.report(error);
            self.check_args(args);
            return None;
        };
        self.choose(&candidates, name.as_str(), args, span)
    }

    /// `block.apply(args)`
    fn apply(&mut self, block: Expr, args: &'a [ast::Arg], span: Span) -> Expr {
        let (name, declared, params, type_params, type_args) = match self.shallow(&block.ty) {
            Type::Parser(id) => {
                let def = &self.program.parsers[id];
                (
                    def.name.clone(),
                    def.span,
                    def.params.clone(),
                    Vec::new(),
                    Type::no_args(),
                )
            }
            Type::Control(id) => {
                let def = &self.program.controls[id];
                (
                    def.name.clone(),
                    def.span,
                    def.params.clone(),
                    Vec::new(),
                    Type::no_args(),
                )
            }
            Type::Block(id, of) if self.program.block_types[id].kind != BlockKind::Package => {
                let def = &self.program.block_types[id];
                (
                    def.name.clone(),
                    def.span,
                    def.params.clone(),
                    def.type_params.clone(),
                    of,
                )
            }
            other => {
                let message = format!("`{}` cannot be applied", self.show(&other));
                self.error(codes::TYPE, span, message);
                self.check_args(args);
                return Self::wrong(span);
            }
        };
        let called = Called {
            name: &name,
            declared,
            params: &params,
            type_params: &type_params,
            type_args: &type_args,
            run_time: false,
            is_constructor: false,
        };
        let callee = Callee::Apply {
            block: Box::new(block),
        };
        self.finish(callee, &called, args, Type::Void, span)
    }

    /// A call without type arguments of its own.
    fn finish(
        &mut self,
        callee: Callee,
        called: &Called<'_>,
        args: &'a [ast::Arg],
        ty: Type,
        span: Span,
    ) -> Expr {
        match self.pass(called, args, span) {
            Some(passed) => Self::call_expr(callee, Vec::new(), passed, ty, span),
            None => Self::wrong(span),
        }
    }

    /// A call with its arguments and the order in which they were written.
    fn call_expr(
        callee: Callee,
        type_args: Vec<Type>,
        (args, order): Passed,
        ty: Type,
        span: Span,
    ) -> Expr {
        let call = Call {
            callee,
            type_args,
            args,
            order,
        };
        Expr {
            kind: ExprKind::Call(Box::new(call)),
            ty,
            span,
        }
    }

    /// A call without arguments.
    pub(super) fn called(&self, callee: Callee, ty: Type, span: Span) -> Expr {
        Self::call_expr(callee, Vec::new(), Default::default(), ty, span)
    }

    /// `C.apply(args)`: applies an instance made for this place; or a size: `H.minSizeInBits()`.
    fn call_of_type(
        &mut self,
        ty: &'a TypeRef,
        name: &'a Ident,
        type_args: &'a [TypeRef],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Expr {
        let resolved = self.resolve(ty);
        self.no_type_args(type_args);
        let base = self.base(&resolved);
        if let Some(size) = self.size_method(&base, name, args, span) {
            return size;
        }
        match &base {
            Type::Unknown => {
                self.check_args(args);
                Self::wrong(span)
            }
            Type::Parser(_) | Type::Control(_) if name.name == "apply" => {
                let Some(id) = self.instantiate_type(&base, &[], "", ty.span, &[], None) else {
                    self.check_args(args);
                    return Self::wrong(span);
                };
                let block = Expr {
                    kind: ExprKind::Instance(id),
                    ty: self.instance_type(id),
                    span: ty.span,
                };
                self.apply(block, args, span)
            }
            other => {
                let message = format!(
                    "the type `{}` has no `{}` that could be called",
                    self.show(other),
                    name.name
                );
                self.error(codes::UNKNOWN_NAME, name.span, message);
                self.check_args(args);
                Self::wrong(span)
            }
        }
    }

    /// Parameters of an action.
    pub(super) fn action_params(&self, id: crate::typed::ActionId) -> Vec<VarId> {
        self.program.actions[id].params.clone()
    }
}
