//! Instances of externs, parsers, controls and packages.

use super::args::{Called, Passed};
use super::scope::Binding;
use super::{Checker, Context, Place, codes, keep};
use crate::ast::{self, Annotation, DeclKind, TypeRef};
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{
    BlockKind, Expr, ExprKind, ExternId, FunctionId, Instance, InstanceId, InstanceOf, Local,
    Program, Type, TypeArgs, VarId,
};

/// Everything that a constructor call needs to be checked.
struct Constructor {
    name: String,
    declared: Span,
    params: Vec<VarId>,
    type_params: Vec<crate::typed::TypeParamId>,
    type_args: TypeArgs,
}

impl<'a> Checker<'a> {
    /// The type of an instance.
    pub(super) fn instance_type(&self, id: InstanceId) -> Type {
        match &self.program.instances[id].of {
            InstanceOf::Extern { of, type_args, .. } => Type::Extern(*of, type_args.clone()),
            InstanceOf::Parser(id) => Type::Parser(*id),
            InstanceOf::Control(id) => Type::Control(*id),
            InstanceOf::Package(id, args) => Type::Block(*id, args.clone()),
        }
    }

    /// `T(args)` as an expression: an instance without a name.
    pub(super) fn construct(
        &mut self,
        ty: &'a TypeRef,
        args: &'a [ast::Arg],
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let resolved = self.resolve(ty);
        if let Some(want) = want {
            self.hint(&resolved, want);
        }
        match self.instantiate_type(&resolved, args, "", span, &[]) {
            Some(id) => Expr {
                kind: ExprKind::Instance(id),
                ty: self.instance_type(id),
                span,
            },
            None => Self::wrong(span),
        }
    }

    /// Takes type arguments that are not written from the place that the instance is for.
    fn hint(&mut self, ty: &Type, want: &Type) {
        let same = matches!(
            (ty, self.shallow(want)),
            (Type::Extern(a, _), Type::Extern(b, _)) if *a == b
        ) || matches!(
            (ty, self.shallow(want)),
            (Type::Block(a, _), Type::Block(b, _)) if *a == b
        );
        if same && self.is_open(ty) {
            self.unify(want, ty);
        }
    }

    /// `T(args) name;`
    pub(super) fn instance(
        &mut self,
        decl: &'a ast::Instance,
        annotations: &[Annotation],
    ) -> Option<InstanceId> {
        let ty = self.resolve(&decl.ty);
        let made = self.instantiate_type(
            &ty,
            &decl.args,
            &decl.name.name,
            decl.name.span,
            annotations,
        );
        let Some(id) = made else {
            self.declare(&decl.name, Binding::Broken);
            return None;
        };
        self.declare(&decl.name, Binding::Instance(id));
        self.object_body(id, decl);
        Some(id)
    }

    /// Makes an instance of a type with these constructor arguments.
    pub(super) fn instantiate_type(
        &mut self,
        ty: &Type,
        args: &'a [ast::Arg],
        name: &str,
        span: Span,
        annotations: &[Annotation],
    ) -> Option<InstanceId> {
        let (made, passed) = match self.shallow(ty) {
            Type::Extern(of, type_args) => self.construct_extern(of, type_args, args, span)?,
            Type::Parser(id) => {
                let def = &self.program.parsers[id];
                let constructor = Constructor {
                    name: def.name.clone(),
                    declared: def.span,
                    params: def.ctor_params.clone(),
                    type_params: Vec::new(),
                    type_args: Type::no_args(),
                };
                let passed = self.construct_with(&constructor, args, span)?;
                (InstanceOf::Parser(id), passed)
            }
            Type::Control(id) => {
                let def = &self.program.controls[id];
                let constructor = Constructor {
                    name: def.name.clone(),
                    declared: def.span,
                    params: def.ctor_params.clone(),
                    type_params: Vec::new(),
                    type_args: Type::no_args(),
                };
                let passed = self.construct_with(&constructor, args, span)?;
                (InstanceOf::Control(id), passed)
            }
            Type::Block(id, type_args)
                if self.program.block_types[id].kind == BlockKind::Package =>
            {
                let def = &self.program.block_types[id];
                let constructor = Constructor {
                    name: def.name.clone(),
                    declared: def.span,
                    params: def.params.clone(),
                    type_params: def.type_params.clone(),
                    type_args: type_args.clone(),
                };
                let passed = self.construct_with(&constructor, args, span)?;
                let found = self.found_args(&constructor, span)?;
                (InstanceOf::Package(id, found), passed)
            }
            Type::Unknown => {
                self.check_args(args);
                return None;
            }
            other => {
                let message = format!("`{}` cannot be instantiated", self.show(&other));
                let mut error = Diagnostic::error(codes::INSTANCE, span, message);
                if matches!(other, Type::Block(..)) {
                    error = error.with_note("it is the type of a block, without a body");
                }
                self.report(error);
                self.check_args(args);
                return None;
            }
        };
        let (args, _) = passed;
        Some(self.program.instances.push(Instance {
            name: name.to_owned(),
            of: made,
            args,
            methods: Vec::new(),
            inner: Vec::new(),
            annotations: keep(annotations),
            span,
        }))
    }

    fn construct_extern(
        &mut self,
        of: ExternId,
        type_args: TypeArgs,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<(InstanceOf, Passed)> {
        let def = &self.program.externs[of];
        let (name, declared) = (def.name.clone(), def.span);
        let (constructors, type_params) = (def.constructors.clone(), def.type_params.clone());
        if constructors.is_empty() {
            let message = format!("`{name}` has no constructor: the architecture supplies it");
            let error = Diagnostic::error(codes::INSTANCE, span, message);
            self.report(error.with_note_at(declared, "declared here"));
            self.check_args(args);
            return None;
        }
        let constructor = self.choose(&constructors, &name, args, span)?;
        let function = &self.program.functions[constructor];
        let called = Constructor {
            name,
            declared: function.span,
            params: function.params.clone(),
            type_params,
            type_args,
        };
        let passed = self.construct_with(&called, args, span)?;
        let type_args = self.found_args(&called, span)?;
        let made = InstanceOf::Extern {
            of,
            type_args,
            constructor,
        };
        Some((made, passed))
    }

    fn construct_with(
        &mut self,
        constructor: &Constructor,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<Passed> {
        let called = Called {
            name: &constructor.name,
            declared: constructor.declared,
            params: &constructor.params,
            type_params: &constructor.type_params,
            type_args: &constructor.type_args,
            run_time: false,
        };
        self.pass(&called, args, span)
    }

    fn found_args(&mut self, constructor: &Constructor, span: Span) -> Option<TypeArgs> {
        // What an `_` in the declaration stands for does not matter if nothing says it.
        for (param, arg) in constructor
            .type_params
            .iter()
            .zip(constructor.type_args.iter())
        {
            if self.program.type_params[*param] == "_" && self.is_open(arg) {
                self.unify(arg, &Type::Void);
            }
        }
        self.found_type_args(
            &constructor.type_args,
            &constructor.type_params,
            &constructor.name,
            span,
        )
    }

    /// `= { functions and instances }` behind an instance.
    fn object_body(&mut self, id: InstanceId, decl: &'a ast::Instance) {
        let (of, type_args) = match &self.program.instances[id].of {
            InstanceOf::Extern { of, type_args, .. } => (*of, type_args.clone()),
            _ => {
                if decl.init.is_some() {
                    let message = "only instances of externs have bodies";
                    self.error(codes::INSTANCE, decl.name.span, message);
                }
                return;
            }
        };
        let mut methods: Vec<(FunctionId, FunctionId)> = Vec::new();
        let mut inner = Vec::new();
        let context = Context {
            place: Place::Method,
            this: Some((of, type_args.clone())),
            ..Context::default()
        };
        self.scopes.push();
        let around = std::mem::replace(&mut self.context, context);
        for decl in decl.init.iter().flatten() {
            match &decl.kind {
                DeclKind::Function(function) => {
                    let body = self.method_body(of, &type_args, function, &decl.annotations);
                    if let Some((method, body)) = body {
                        if methods.iter().any(|(known, _)| *known == method) {
                            let before = self.program.functions[method].span;
                            self.declared_twice(&function.proto.name, before);
                        }
                        methods.push((method, body));
                    }
                }
                DeclKind::Instance(instance) => {
                    if let Some(id) = self.instance(instance, &decl.annotations) {
                        inner.push(Local::Instance(id));
                    }
                }
                DeclKind::Const(constant) => {
                    let id = self.constant(constant, &decl.annotations);
                    inner.push(Local::Const(id));
                }
                _ => {
                    let message = "only functions and instances can stand here";
                    self.error(codes::MISPLACED, decl.span, message);
                }
            }
        }
        self.context = around;
        self.scopes.pop();
        self.all_bodies(of, &methods, decl);
        let instance = &mut self.program.instances[id];
        instance.methods = methods;
        instance.inner = inner;
    }

    /// Every abstract method has to have its body.
    fn all_bodies(
        &mut self,
        of: ExternId,
        methods: &[(FunctionId, FunctionId)],
        decl: &'a ast::Instance,
    ) {
        let missing: Vec<FunctionId> = self.program.externs[of]
            .methods
            .iter()
            .copied()
            .filter(|method| self.program.functions[*method].is_abstract)
            .filter(|method| !methods.iter().any(|(known, _)| known == method))
            .collect();
        for method in missing {
            let function = &self.program.functions[method];
            let message = format!("the abstract method `{}` has no body", function.name);
            let error = Diagnostic::error(codes::INSTANCE, decl.name.span, message)
                .with_note_at(function.span, "declared here")
                .with_help("write it in braces behind the instance: `= { ... }`");
            self.report(error);
        }
    }

    /// A function that is the body of an abstract method.
    fn method_body(
        &mut self,
        of: ExternId,
        type_args: &[Type],
        decl: &'a ast::FunctionDecl,
        annotations: &[Annotation],
    ) -> Option<(FunctionId, FunctionId)> {
        let name = &decl.proto.name;
        let context = Context {
            place: Place::Method,
            this: self.context.this.clone(),
            ..Context::default()
        };
        let body = Some((&decl.body, context));
        let body = self.function(&decl.proto, body, annotations);
        let found = self
            .tables
            .methods
            .get(&of)
            .and_then(|m| m.get(name.as_str()));
        let candidates = found.cloned().unwrap_or_default();
        let count = self.program.functions[body].params.len();
        let method = candidates.iter().copied().find(|method| {
            let method = &self.program.functions[*method];
            method.is_abstract && method.params.len() == count
        });
        let method = method.or_else(|| candidates.first().copied());
        let Some(method) = method.filter(|m| self.program.functions[*m].is_abstract) else {
            let def = &self.program.externs[of];
            let message = format!("`{}` has no abstract method `{}`", def.name, name.name);
            let error = Diagnostic::error(codes::INSTANCE, name.span, message);
            let at = def.span;
            self.report(error.with_note_at(at, "declared here"));
            return None;
        };
        self.same_method(of, type_args, method, body, name.span);
        self.program.functions[body].of = Some(of);
        Some((method, body))
    }

    /// Whether a body has the signature of its method.
    fn same_method(
        &mut self,
        of: ExternId,
        type_args: &[Type],
        method: FunctionId,
        body: FunctionId,
        span: Span,
    ) {
        let outer = self.program.externs[of].type_params.clone();
        let (declared, written) = (
            self.program.functions[method].clone(),
            self.program.functions[body].clone(),
        );
        let ret = Program::substitute(&declared.ret, &outer, type_args);
        let mut same = declared.params.len() == written.params.len()
            && declared.type_params.len() == written.type_params.len()
            && self.unify(&ret, &written.ret);
        for (a, b) in declared.params.iter().zip(&written.params) {
            let ty = Program::substitute(&self.program.vars[*a].ty, &outer, type_args);
            let found = self.program.vars[*b].ty.clone();
            same = same && self.direction(*a) == self.direction(*b) && self.unify(&ty, &found);
        }
        if !same {
            let message = format!(
                "`{}` has another signature than the abstract method",
                written.name
            );
            let error = Diagnostic::error(codes::INSTANCE, span, message);
            self.report(error.with_note_at(declared.span, "declared here"));
        }
    }
}
