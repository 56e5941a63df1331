//! Which types may stand where (specification 7.2.8 and the appendix on restrictions): in variables, constants,
//! parameters, results, and within other types. Generic types are looked at with the arguments they are used with.

use std::collections::HashSet;

use super::Visitor;
use super::code::{Node, Part};
use crate::ast::Direction;
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{
    BlockKind, Call, Callee, ExprKind, InstanceOf, Program, StructId, Type, TypeParamId, VarId,
    VarKind,
};

pub(super) fn rule<'a>(
    program: &'a Program,
    found: &'a mut Vec<Diagnostic>,
) -> Visitor<'a, Part<'a>> {
    let mut check = Check {
        program,
        seen: HashSet::new(),
        found,
    };
    check.declared_types();
    check.variables();
    check.parameters();
    check.results();
    check.instances();
    Box::new(move |(_, node)| {
        if let Node::Expr(expr) = node
            && let ExprKind::Call(call) = &expr.kind
        {
            check.call(call, expr.span);
        }
    })
}

struct Check<'p, 'd> {
    program: &'p Program,
    /// Types that were looked at.
    seen: HashSet<Type>,
    found: &'d mut Vec<Diagnostic>,
}

/// What parameters belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// A function, extern function, method or constructor of an extern.
    Function,
    /// An action.
    Action,
    /// A parser, control, or the type of one.
    Block,
    /// The constructor of a parser or control.
    Constructor,
    /// A package.
    Package,
}

/// Objects: they exist as a whole, and are never copied.
fn is_object(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Extern(..)
            | Type::Block(..)
            | Type::Parser(_)
            | Type::Control(_)
            | Type::Table(_)
            | Type::Action(_)
    )
}

/// Types without values at run time.
fn is_compile_time(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Integer | Type::String | Type::MatchKind | Type::Set(_) | Type::Void
    )
}

/// Types with a part that has no values at run time.
fn holds_compile_time(ty: &Type) -> bool {
    match ty {
        Type::Tuple(parts) => parts.iter().any(holds_compile_time),
        Type::Stack(elem, _) => holds_compile_time(elem),
        ty => is_compile_time(ty),
    }
}

impl Check<'_, '_> {
    fn report(&mut self, span: Span, message: String, help: &str) {
        self.found
            .push(Diagnostic::error(codes::NESTED_TYPE, span, message).with_help(help));
    }

    fn shown(&self, ty: &Type) -> String {
        self.program.show(ty)
    }

    // ------------------------------------------------------------------ types within types

    fn declared_types(&mut self) {
        for def in self.program.structs.values() {
            for field in &def.fields {
                self.within(&field.ty, field.span);
            }
        }
        for set in self.program.value_sets.values() {
            self.within(&set.ty, set.span);
            if is_object(&set.ty) || is_compile_time(&set.ty) {
                let message = format!("a value set cannot hold `{}`", self.shown(&set.ty));
                self.report(set.span, message, "give the type a width, such as `bit<8>`");
            }
        }
    }

    /// Looks at the types within this one, as it is used at `span`.
    fn within(&mut self, ty: &Type, span: Span) {
        if !self.seen.insert(ty.clone()) {
            return;
        }
        match ty {
            Type::Header(id, args) => {
                self.fields(*id, args, span, Self::header_field, "header");
                self.varbits(*id, args);
            }
            Type::Union(id, args) => {
                self.fields(*id, args, span, Self::union_field, "header union");
            }
            Type::Struct(id, args) => self.fields(*id, args, span, Self::struct_field, "struct"),
            Type::Tuple(parts) => {
                for part in parts.iter() {
                    self.within(part, span);
                    // As the elements of lists, which are known at compile time.
                    let known = matches!(part, Type::Integer | Type::String | Type::MatchKind);
                    if is_object(part) || is_compile_time(part) && !known {
                        let message = format!(
                            "a tuple cannot have an element of type `{}`",
                            self.shown(part)
                        );
                        self.report(span, message, "its elements are values that can be copied");
                    }
                }
            }
            Type::Stack(elem, _) => {
                self.within(elem, span);
                if is_object(elem) || is_compile_time(elem) {
                    let message = format!(
                        "a stack cannot have elements of type `{}`",
                        self.shown(elem)
                    );
                    self.report(span, message, "its elements are headers or other values");
                }
            }
            Type::List(elem) | Type::Set(elem) => {
                self.within(elem, span);
                if is_object(elem) || **elem == Type::Void {
                    let message =
                        format!("a list cannot have elements of type `{}`", self.shown(elem));
                    self.report(span, message, "its elements are values");
                }
            }
            Type::Extern(_, args) | Type::Block(_, args) => {
                args.iter().for_each(|arg| self.within(arg, span));
            }
            _ => {}
        }
    }

    fn fields(
        &mut self,
        id: StructId,
        args: &[Type],
        span: Span,
        allowed: fn(&Self, &Type) -> bool,
        what: &str,
    ) {
        let program = self.program;
        let types = program.field_types(id, args);
        for (field, ty) in program.structs[id].fields.iter().zip(types) {
            self.within(&ty, span);
            if !allowed(self, &ty) {
                let message = format!(
                    "the field `{}` of the {what} `{}` cannot have the type `{}`",
                    field.name,
                    program.structs[id].name,
                    self.shown(&ty)
                );
                let help = match what {
                    "header" => "a header holds bits, integers, booleans, and structs of these",
                    "struct" => "a struct holds values that can be copied",
                    _ => "a header union holds headers",
                };
                let diagnostic = Diagnostic::error(codes::NESTED_TYPE, span, message)
                    .with_note_at(field.span, "the field")
                    .with_help(help);
                self.found.push(diagnostic);
            }
        }
    }

    fn struct_field(&self, ty: &Type) -> bool {
        !is_object(ty) && !holds_compile_time(ty)
    }

    fn union_field(&self, ty: &Type) -> bool {
        matches!(ty, Type::Header(..) | Type::Param(_))
    }

    fn header_field(&self, ty: &Type) -> bool {
        match self.program.base(ty) {
            Type::Bool | Type::Bit(_) | Type::Int(_) | Type::Varbit(_) | Type::Param(_) => true,
            Type::Enum(id) => self.program.enums[*id].repr.is_some(),
            Type::Struct(id, args) => {
                let types = self.program.field_types(*id, args);
                types.iter().all(|ty| self.header_field(ty))
            }
            Type::Stack(elem, _) => self.header_field(elem),
            _ => false,
        }
    }

    /// A header has one varbit at most: where the fields behind it begin must be known.
    fn varbits(&mut self, id: StructId, args: &[Type]) {
        let program = self.program;
        let types = program.field_types(id, args);
        let fields = program.structs[id].fields.iter().zip(&types);
        let mut varbits = fields.filter(|(_, ty)| matches!(program.base(ty), Type::Varbit(_)));
        if let (Some((first, _)), Some((second, _))) = (varbits.next(), varbits.next()) {
            let message = format!(
                "the header `{}` has more than one varbit field",
                program.structs[id].name
            );
            self.found.push(
                Diagnostic::error(codes::NESTED_TYPE, second.span, message)
                    .with_note_at(first.span, "the first one")
                    .with_help("split the header in two"),
            );
        }
    }

    // ------------------------------------------------------------- variables and parameters

    fn variables(&mut self) {
        for var in self.program.vars.values() {
            self.within(&var.ty, var.span);
        }
    }

    fn parameters(&mut self) {
        let program = self.program;
        for function in program.functions.values() {
            self.params(Owner::Function, &function.params);
        }
        for action in program.actions.values() {
            self.params(Owner::Action, &action.params);
        }
        for parser in program.parsers.values() {
            self.params(Owner::Block, &parser.params);
            self.params(Owner::Constructor, &parser.ctor_params);
        }
        for control in program.controls.values() {
            self.params(Owner::Block, &control.params);
            self.params(Owner::Constructor, &control.ctor_params);
        }
        for block in program.block_types.values() {
            let owner = match block.kind {
                BlockKind::Package => Owner::Package,
                BlockKind::Parser | BlockKind::Control => Owner::Block,
            };
            self.params(owner, &block.params);
        }
    }

    fn params(&mut self, owner: Owner, params: &[VarId]) {
        for id in params {
            let var = &self.program.vars[*id];
            let directed = match var.kind {
                VarKind::Param { direction, .. } => direction != Direction::None,
                _ => false,
            };
            let Some(why) = self.param_wrong(owner, directed, &var.ty) else {
                continue;
            };
            let message = format!(
                "the parameter `{}` cannot have the type `{}`",
                var.name,
                self.shown(&var.ty)
            );
            self.found
                .push(Diagnostic::error(codes::NESTED_TYPE, var.span, message).with_help(why));
        }
    }

    /// Why a parameter cannot have this type: the way out.
    fn param_wrong(&self, owner: Owner, directed: bool, ty: &Type) -> Option<&'static str> {
        let package = |ty: &Type| match ty {
            Type::Block(id, _) => self.program.block_types[*id].kind == BlockKind::Package,
            _ => false,
        };
        match ty {
            Type::Void => Some("leave the parameter out"),
            Type::Table(_) | Type::Action(_) => Some("tables and actions cannot be passed on"),
            Type::Parser(_) | Type::Control(_) => {
                Some("declare a parser or control type and use that")
            }
            Type::Block(..) if package(ty) && owner != Owner::Package => {
                Some("only packages take packages")
            }
            Type::Block(..) if !matches!(owner, Owner::Constructor | Owner::Package) => Some(
                "parsers and controls are passed to constructors of parsers, controls and packages",
            ),
            Type::Extern(..) if owner == Owner::Action => {
                Some("actions use the objects of their control by name")
            }
            Type::Integer if owner == Owner::Action => Some("give it a width, such as `bit<32>`"),
            Type::Extern(..) if directed => Some("leave the direction out: objects are not copied"),
            Type::Integer | Type::String | Type::Set(_) if directed => {
                Some("leave the direction out: such values are known at compile time")
            }
            _ => None,
        }
    }

    fn results(&mut self) {
        for function in self.program.functions.values() {
            self.within(&function.ret, function.span);
            let block = is_object(&function.ret) && !matches!(function.ret, Type::Extern(..));
            if block || function.ret == Type::Integer {
                let message = format!(
                    "`{}` cannot return the type `{}`",
                    function.name,
                    self.shown(&function.ret)
                );
                let help = if block {
                    "pass what it does with the block as values"
                } else {
                    "give it a width, such as `bit<32>`"
                };
                self.report(function.span, message, help);
            }
        }
    }

    // --------------------------------------------------------------------------------- uses

    fn instances(&mut self) {
        for instance in self.program.instances.values() {
            match &instance.of {
                InstanceOf::Extern { of, type_args, .. } => {
                    let def = &self.program.externs[*of];
                    type_args
                        .iter()
                        .for_each(|arg| self.within(arg, instance.span));
                    for method in &def.methods {
                        let function = &self.program.functions[*method];
                        self.specialised(
                            &function.name,
                            &function.params,
                            (&def.type_params, type_args),
                            instance.span,
                        );
                    }
                }
                InstanceOf::Package(_, type_args) => {
                    type_args
                        .iter()
                        .for_each(|arg| self.within(arg, instance.span));
                }
                InstanceOf::Parser(_) | InstanceOf::Control(_) => {}
            }
        }
    }

    fn call(&mut self, call: &Call, span: Span) {
        let id = match call.callee {
            Callee::Function(id) | Callee::Method { method: id, .. } => id,
            _ => return,
        };
        let function = &self.program.functions[id];
        for arg in &call.type_args {
            self.within(arg, span);
            if is_object(arg) && !matches!(arg, Type::Extern(..)) {
                let message = format!(
                    "`{}` cannot be called with the type `{}`",
                    function.name,
                    self.shown(arg)
                );
                self.report(
                    span,
                    message,
                    "blocks, tables and actions cannot be passed on",
                );
                return;
            }
        }
        let args = (function.type_params.as_slice(), call.type_args.as_slice());
        if matches!(function.ret, Type::Param(_)) && function.body.is_some() {
            let ret = Program::substitute(&function.ret, args.0, args.1);
            if ret == Type::Integer {
                let message = format!("`{}` cannot return the type `int`", function.name);
                self.report(span, message, "give the argument a width, such as `8w1`");
                return;
            }
        }
        self.specialised(&function.name, &function.params, args, span);
    }

    /// Looks at parameters whose type is a type parameter, now that it is known.
    fn specialised(
        &mut self,
        name: &str,
        params: &[VarId],
        (type_params, args): (&[TypeParamId], &[Type]),
        span: Span,
    ) {
        for id in params {
            let var = &self.program.vars[*id];
            let Type::Param(_) = var.ty else { continue };
            let ty = Program::substitute(&var.ty, type_params, args);
            let directed = match var.kind {
                VarKind::Param { direction, .. } => direction != Direction::None,
                _ => false,
            };
            // What nothing says is left out: an `@optional` argument.
            if ty == Type::Void {
                continue;
            }
            if let Some(why) = self.param_wrong(Owner::Function, directed, &ty) {
                let message = format!(
                    "the parameter `{}` of `{name}` cannot have the type `{}`",
                    var.name,
                    self.shown(&ty)
                );
                self.found.push(
                    Diagnostic::error(codes::NESTED_TYPE, span, message)
                        .with_note_at(var.span, "the parameter")
                        .with_help(why),
                );
            }
        }
    }
}
