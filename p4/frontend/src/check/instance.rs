//! Instances of externs, parsers, controls and packages.

use std::rc::Rc;

use super::args::{Called, Passed};
use super::scope::Binding;
use super::{Checker, Context, MAX_STACK, Place, codes, keep};
use crate::ast::{self, Annotation, DeclKind, TypeRef, find_annotation};
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
        let one = self.element_type(id);
        match self.program.instances[id].count {
            Some(count) => Type::Stack(Rc::new(one), count),
            None => one,
        }
    }

    fn element_type(&self, id: InstanceId) -> Type {
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
        let resolved = self.resolve_constructed(ty, args);
        if let Some(want) = want {
            self.hint(&resolved, want);
        }
        match self.instantiate_type(&resolved, args, "", span, &[], want) {
            Some(id) => {
                if let InstanceOf::Extern { of, .. } = self.program.instances[id].of {
                    self.all_bodies(of, &[], span);
                }
                Expr {
                    kind: ExprKind::Instance(id),
                    ty: self.instance_type(id),
                    span,
                }
            }
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
        // `E() x[4];` is four objects.
        let (ty, count) = match &decl.ty.kind {
            ast::TypeKind::Stack { elem, size } => {
                let ty = self.resolve_constructed(elem, &decl.args);
                (ty, self.object_count(size))
            }
            _ => (self.resolve_constructed(&decl.ty, &decl.args), None),
        };
        let name = &decl.name;
        let made = self.instantiate_type(&ty, &decl.args, &name.name, name.span, annotations, None);
        let Some(id) = made else {
            self.declare(&decl.name, Binding::Broken);
            return None;
        };
        self.program.instances[id].count = count;
        self.declare(&decl.name, Binding::Instance(id));
        self.object_body(id, decl);
        Some(id)
    }

    fn object_count(&mut self, size: &'a ast::Expr) -> Option<u32> {
        let value = self.constant_number(size)?;
        match u32::try_from(&value) {
            Ok(count) if (1..=MAX_STACK).contains(&count) => Some(count),
            _ => {
                let message = format!("there can be 1 to {MAX_STACK} objects, not {value}");
                self.error(codes::WIDTH, size.span, message);
                None
            }
        }
    }

    /// Makes an instance of a type with these constructor arguments.
    pub(super) fn instantiate_type(
        &mut self,
        ty: &Type,
        args: &'a [ast::Arg],
        name: &str,
        span: Span,
        annotations: &[Annotation],
        want: Option<&Type>,
    ) -> Option<InstanceId> {
        let open_allowed = std::mem::take(&mut self.open_allowed);
        let (made, passed) = match self.shallow(ty) {
            Type::Extern(of, type_args) => self.construct_extern(of, type_args, args, span)?,
            block @ (Type::Parser(_) | Type::Control(_)) => {
                self.construct_block(&block, args, span, want, open_allowed)?
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
                if open_allowed {
                    constructor
                        .type_args
                        .iter()
                        .for_each(|arg| self.leave_open(arg));
                }
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
            count: None,
            of: made,
            args,
            methods: Vec::new(),
            inner: Vec::new(),
            annotations: keep(annotations),
            span,
        }))
    }

    /// A parser or control; type arguments that are still open come from its arguments and its place.
    fn construct_block(
        &mut self,
        block: &Type,
        args: &'a [ast::Arg],
        span: Span,
        want: Option<&Type>,
        open_allowed: bool,
    ) -> Option<(InstanceOf, Passed)> {
        let type_params = self.tables.generics.type_params(block).to_vec();
        let type_args: TypeArgs = type_params.iter().map(|_| self.fresh()).collect();
        let (name, declared, params, ctor_params) = match block {
            Type::Parser(id) => {
                let def = &self.program.parsers[*id];
                (
                    def.name.clone(),
                    def.span,
                    def.params.clone(),
                    def.ctor_params.clone(),
                )
            }
            Type::Control(id) => {
                let def = &self.program.controls[*id];
                (
                    def.name.clone(),
                    def.span,
                    def.params.clone(),
                    def.ctor_params.clone(),
                )
            }
            _ => return None,
        };
        if let Some(want) = want {
            self.infer_block(&params, (&type_params, &type_args), want);
        }
        let constructor = Constructor {
            name,
            declared,
            params: ctor_params,
            type_params,
            type_args,
        };
        let passed = self.construct_with(&constructor, args, span)?;
        let mut made = block.clone();
        if !constructor.type_params.is_empty() {
            if open_allowed {
                constructor
                    .type_args
                    .iter()
                    .for_each(|arg| self.leave_open(arg));
            }
            let found = self.found_args(&constructor, span)?;
            made = self.specialise(block, &found, span);
        }
        match made {
            Type::Parser(id) => Some((InstanceOf::Parser(id), passed)),
            Type::Control(id) => Some((InstanceOf::Control(id), passed)),
            _ => None,
        }
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
        let (declared, params) = (function.span, function.params.clone());
        let own = function.type_params.clone();
        let count = type_params.len();
        let own_args: Vec<Type> = own.iter().map(|_| self.fresh()).collect();
        let called = Constructor {
            name,
            declared,
            params,
            type_params: type_params.into_iter().chain(own).collect(),
            type_args: type_args.iter().cloned().chain(own_args).collect(),
        };
        let passed = self.construct_with(&called, args, span)?;
        let found = self.found_args(&called, span)?;
        let type_args = found.iter().take(count).cloned().collect();
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
            is_constructor: true,
        };
        self.pass(&called, args, span)
    }

    fn found_args(&mut self, constructor: &Constructor, span: Span) -> Option<TypeArgs> {
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
        self.all_bodies(of, &methods, decl.name.span);
        let instance = &mut self.program.instances[id];
        instance.methods = methods;
        instance.inner = inner;
    }

    /// Every abstract method has to have its body.
    fn all_bodies(&mut self, of: ExternId, methods: &[(FunctionId, FunctionId)], span: Span) {
        let missing: Vec<FunctionId> = self.program.externs[of]
            .methods
            .iter()
            .copied()
            .filter(|method| {
                let function = &self.program.functions[*method];
                let optional = find_annotation(&function.annotations, "optional").is_some();
                function.is_abstract && !optional
            })
            .filter(|method| !methods.iter().any(|(known, _)| known == method))
            .collect();
        for method in missing {
            let function = &self.program.functions[method];
            let message = format!("the abstract method `{}` has no body", function.name);
            let error = Diagnostic::error(codes::INSTANCE, span, message)
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
        let is_abstract = |m: &FunctionId| self.program.functions[*m].is_abstract;
        let mut fitting = candidates.iter().copied().filter(is_abstract);
        let same_count = |m: &FunctionId| self.program.functions[*m].params.len() == count;
        let method = fitting.clone().find(same_count).or_else(|| fitting.next());
        let Some(method) = method else {
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
        let mut same = declared.type_params.len() == written.type_params.len()
            && self.unify(&ret, &written.ret);
        let mut bodies = written.params.iter();
        let mut spare = declared.params.len().saturating_sub(written.params.len());
        for a in &declared.params {
            let next = bodies.as_slice().first();
            let name = |id: &VarId| self.program.vars[*id].name.clone();
            if spare > 0 && self.may_be_missing(*a) && next.is_none_or(|b| name(b) != name(a)) {
                spare -= 1;
                continue;
            }
            let Some(b) = bodies.next() else {
                same = false;
                break;
            };
            let ty = Program::substitute(&self.program.vars[*a].ty, &outer, type_args);
            let found = self.program.vars[*b].ty.clone();
            same = same && self.direction(*a) == self.direction(*b) && self.unify(&ty, &found);
        }
        same = same && bodies.next().is_none();
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
