//! Arguments: which parameter each belongs to, and their values.

use super::operator::needs_type;
use super::{Checker, Place};
use crate::ast::{self, Direction};
use crate::codes;
use crate::diag::Diagnostic;
use crate::similar::similar;
use crate::span::Span;
use crate::typed::{Arg, Expr, ExprKind, Program, Type, TypeParamId, VarId, VarKind};

/// What is called, as far as its arguments are concerned.
pub(super) struct Called<'c> {
    /// Its name, for messages.
    pub name: &'c str,
    /// Where it is declared.
    pub declared: Span,
    /// Its parameters.
    pub params: &'c [VarId],
    /// Type parameters that may occur in the parameters' types.
    pub type_params: &'c [TypeParamId],
    /// What they stand for, perhaps still to be found.
    pub type_args: &'c [Type],
    /// Whether an instance is made, whose type arguments may be `int`.
    pub is_constructor: bool,
    /// Whether parameters without direction take values that are only known at run time: of actions.
    pub run_time: bool,
}

/// Arguments in the order of the parameters, and the order in which they were written.
pub(super) type Passed = (Vec<Arg>, Vec<u32>);

impl<'a> Checker<'a> {
    /// Direction of a parameter.
    pub(super) fn direction(&self, param: VarId) -> Direction {
        match &self.program.vars[param].kind {
            VarKind::Param { direction, .. } => *direction,
            _ => Direction::None,
        }
    }

    /// Whether a parameter may be left out.
    pub(super) fn may_be_missing(&self, param: VarId) -> bool {
        match &self.program.vars[param].kind {
            VarKind::Param {
                default, optional, ..
            }
            | VarKind::CtorParam { default, optional } => *optional || default.is_some(),
            _ => false,
        }
    }

    /// Whether the number and names of arguments fit these parameters.
    pub(super) fn accepts(&self, params: &[VarId], args: &[ast::Arg]) -> bool {
        if args.iter().any(|arg| arg.name.is_some()) {
            let has = |name: &str| {
                args.iter()
                    .any(|a| a.name.as_ref().is_some_and(|n| n.name == name))
            };
            let known = |name: &str| params.iter().any(|p| self.program.vars[*p].name == name);
            return args
                .iter()
                .all(|arg| arg.name.as_ref().is_some_and(|name| known(&name.name)))
                && params
                    .iter()
                    .all(|p| self.may_be_missing(*p) || has(&self.program.vars[*p].name));
        }
        let given = args.len();
        let rest = params.get(given..);
        rest.is_some_and(|rest| rest.iter().all(|param| self.may_be_missing(*param)))
    }

    /// For each parameter the index of its argument. Says what does not fit.
    pub(super) fn match_args(
        &mut self,
        called: &Called<'_>,
        args: &[ast::Arg],
        span: Span,
    ) -> Option<Vec<Option<usize>>> {
        let mut of = vec![None; called.params.len()];
        let named = args.iter().filter(|arg| arg.name.is_some()).count();
        if named != 0 && named != args.len() {
            let message = "arguments are given either all by name or all by position";
            self.error(codes::ARGUMENTS, span, message);
            return None;
        }
        if args.len() > of.len() && named == 0 {
            self.wrong_count(called, args.len(), span);
            return None;
        }
        let mut fine = true;
        for (at, arg) in args.iter().enumerate() {
            let Some(name) = &arg.name else {
                if let Some(slot) = of.get_mut(at) {
                    *slot = Some(at);
                }
                continue;
            };
            let names = |p: &VarId| self.program.vars[*p].name == name.name;
            let Some(param) = called.params.iter().position(names) else {
                self.no_such_param(called, name);
                fine = false;
                continue;
            };
            match of.get_mut(param) {
                Some(slot @ None) => *slot = Some(at),
                _ => {
                    let message = format!("the argument `{}` is given twice", name.name);
                    self.error(codes::ARGUMENTS, name.span, message);
                    fine = false;
                }
            }
        }
        let missing: Vec<String> = called
            .params
            .iter()
            .zip(&of)
            .filter(|(param, arg)| arg.is_none() && !self.may_be_missing(**param))
            .map(|(param, _)| format!("`{}`", self.program.vars[*param].name))
            .collect();
        if fine && !missing.is_empty() {
            if named == 0 {
                self.wrong_count(called, args.len(), span);
            } else {
                let message = format!("no argument is given for {}", missing.join(", "));
                let error = Diagnostic::error(codes::ARGUMENTS, span, message);
                self.report(error.with_note_at(called.declared, "declared here"));
            }
            return None;
        }
        fine.then_some(of)
    }

    fn wrong_count(&mut self, called: &Called<'_>, given: usize, span: Span) {
        let most = called.params.len();
        let least = called
            .params
            .iter()
            .filter(|param| !self.may_be_missing(**param))
            .count();
        let wanted = if least == most {
            format!("{most}")
        } else {
            format!("{least} to {most}")
        };
        let plural = if wanted == "1" { "" } else { "s" };
        let name = called.name;
        let message = format!("`{name}` takes {wanted} argument{plural}, {given} are given");
        let error = Diagnostic::error(codes::ARGUMENTS, span, message);
        self.report(error.with_note_at(called.declared, format!("`{name}` is declared here")));
    }

    fn no_such_param(&mut self, called: &Called<'_>, name: &ast::Ident) {
        let known = called
            .params
            .iter()
            .map(|p| self.program.vars[*p].name.as_str());
        let near = similar(&name.name, known);
        let message = format!("`{}` has no parameter `{}`", called.name, name.name);
        let mut error = Diagnostic::error(codes::ARGUMENTS, name.span, message)
            .with_note_at(called.declared, "declared here");
        if let Some(near) = near {
            error = error.with_help(format!("did you mean `{near}`?"));
        }
        self.report(error);
    }

    /// Checks arguments whose parameters are not known, for what is wrong in themselves.
    pub(super) fn check_args(&mut self, args: &'a [ast::Arg]) {
        for arg in args {
            if !matches!(arg.value.kind, ast::ExprKind::DontCare) {
                self.expr(&arg.value, Some(&Type::Unknown));
            }
        }
    }

    /// The arguments of a call, converted to the parameters' types. Finds type arguments that are still open.
    pub(super) fn pass(
        &mut self,
        called: &Called<'_>,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<Passed> {
        let Some(of) = self.match_args(called, args, span) else {
            self.check_args(args);
            return None;
        };
        let types: Vec<Type> = called
            .params
            .iter()
            .map(|p| {
                let ty = &self.program.vars[*p].ty;
                Program::substitute(ty, called.type_params, called.type_args)
            })
            .collect();
        // Written order: arguments are checked, and at run time evaluated, in it.
        let mut order: Vec<usize> = (0..of.len()).collect();
        order.sort_by_key(|param| of.get(*param).copied().flatten().unwrap_or(usize::MAX));
        let mut values: Vec<Option<Expr>> = of.iter().map(|_| None).collect();
        let mut later = Vec::new();
        let mut numbers = Vec::new();
        let mut dont_care = vec![false; of.len()];
        for &at in &order {
            let (Some(Some(arg)), Some(ty), Some(param)) =
                (of.get(at), types.get(at), called.params.get(at))
            else {
                continue;
            };
            let Some(arg) = args.get(*arg) else { continue };
            if matches!(arg.value.kind, ast::ExprKind::DontCare) {
                self.dont_care(*param, arg.value.span);
                if let Some(flag) = dont_care.get_mut(at) {
                    *flag = true;
                }
                continue;
            }
            if needs_type(&arg.value) && self.is_open(ty) {
                later.push((at, arg));
                continue;
            }
            let value = self.expr(&arg.value, Some(ty));
            let open = matches!(self.shallow(ty), Type::Infer(_));
            if open && self.shallow(&value.ty) == Type::Integer {
                numbers.push((at, value));
                continue;
            }
            let value = self.argument(value, *param, ty, called);
            set(&mut values, at, value);
        }
        // What has no type of its own comes last, when the others have said what they can.
        for (at, arg) in later {
            let (Some(ty), Some(param)) = (types.get(at), called.params.get(at)) else {
                continue;
            };
            let value = self.expr(&arg.value, Some(ty));
            let value = self.argument(value, *param, ty, called);
            set(&mut values, at, value);
        }
        for (at, value) in numbers {
            let (Some(ty), Some(param)) = (types.get(at), called.params.get(at)) else {
                continue;
            };
            let open = matches!(self.shallow(ty), Type::Infer(_));
            let constructor = matches!(self.program.vars[*param].kind, VarKind::CtorParam { .. })
                || called.is_constructor;
            if open && !constructor {
                self.no_width(&value);
                self.unify(ty, &Type::Unknown);
                set(&mut values, at, Self::wrong(value.span));
                continue;
            }
            let value = self.argument(value, *param, ty, called);
            set(&mut values, at, value);
        }
        let mut passed = Vec::with_capacity(of.len());
        for (at, param) in called.params.iter().enumerate() {
            let mut value = values.get_mut(at).and_then(Option::take);
            let given = of.get(at).copied().flatten().is_some();
            if !given {
                let ty = types.get(at).cloned().unwrap_or(Type::Unknown);
                value = self.default_arg(*param, &ty, called, span);
                match &value {
                    Some(value) => {
                        let found = value.ty.clone();
                        self.unify(&ty, &found);
                    }
                    // Nothing can say what the type of an argument is that is never given.
                    None => self.leave_open(&ty),
                }
            }
            if let Some(value) = &mut value {
                self.close(value);
            }
            passed.push(Arg {
                direction: self.direction(*param),
                value,
            });
        }
        let order = order
            .into_iter()
            .map(|at| u32::try_from(at).unwrap_or(u32::MAX))
            .collect();
        Some((passed, order))
    }

    /// Reports a number whose width nothing says.
    fn no_width(&mut self, value: &Expr) {
        let message = "nothing says how wide this number is";
        let error = Diagnostic::error(codes::INFERENCE, value.span, message);
        self.report(error.with_help("give it a width: `8w5`, or cast it"));
    }

    /// The value of an argument that is not given.
    fn default_arg(
        &mut self,
        param: VarId,
        ty: &Type,
        called: &Called<'_>,
        span: Span,
    ) -> Option<Expr> {
        if let Some(value) = self.tables.defaults.get(&param).copied() {
            let args: Vec<Type> = called.type_args.iter().map(|arg| self.zonk(arg)).collect();
            let mut value = self.at_top_level(|checker| {
                checker.with_type_args(called.type_params, &args, |checker| {
                    checker.expr_as(value, ty)
                })
            });
            value.span = span;
            return Some(value);
        }
        let (VarKind::Param { default, .. } | VarKind::CtorParam { default, .. }) =
            &self.program.vars[param].kind
        else {
            return None;
        };
        let mut value = default.as_deref()?.clone();
        value.ty = Program::substitute(&value.ty, called.type_params, called.type_args);
        value.span = span;
        Some(value)
    }

    /// `_` as an argument.
    fn dont_care(&mut self, param: VarId, span: Span) {
        if self.direction(param) == Direction::Out {
            return;
        }
        let var = &self.program.vars[param];
        let (message, at) = (
            format!(
                "`_` cannot stand for `{}`, which is no `out` parameter",
                var.name
            ),
            var.span,
        );
        let error = Diagnostic::error(codes::ARGUMENTS, span, message);
        self.report(error.with_note_at(at, "declared here"));
    }

    /// One argument, converted to the parameter's type.
    fn argument(&mut self, value: Expr, param: VarId, ty: &Type, called: &Called<'_>) -> Expr {
        let direction = self.direction(param);
        let span = value.span;
        if value.ty == Type::Unknown {
            self.unify(ty, &Type::Unknown);
            return value;
        }
        if matches!(direction, Direction::Out | Direction::InOut) {
            if !self.check_lvalue(&value) {
                self.unify(ty, &Type::Unknown);
                return Self::wrong(span);
            }
            let found = value.ty.clone();
            if !self.unify(ty, &found) {
                self.mismatch(ty, &value);
                self.note_param(param, called);
                return Self::wrong(span);
            }
            return value;
        }
        let errors = self.errors;
        let value = self.coerce(value, ty);
        if self.errors > errors {
            self.note_param(param, called);
            return value;
        }
        if direction == Direction::None && !called.run_time && !self.is_fixed(&value) {
            let what = format!("the argument for `{}`", self.program.vars[param].name);
            self.not_constant(&value, &what);
            self.note_param(param, called);
        }
        value
    }

    /// Whether the value may be passed without direction: known at compile time, or an object.
    fn is_fixed(&self, value: &Expr) -> bool {
        matches!(
            self.shallow(&value.ty),
            Type::Extern(..) | Type::Block(..) | Type::Parser(_) | Type::Control(_) | Type::Unknown
        ) || self.is_compile_time(value)
            || self.context.place == Place::Action
    }

    /// Says with the last error where the parameter is declared.
    fn note_param(&mut self, param: VarId, called: &Called<'_>) {
        let var = &self.program.vars[param];
        let note = format!("parameter `{}` of `{}`", var.name, called.name);
        let at = var.span;
        if let Some(last) = self.diagnostics.last_mut()
            && last.code != codes::TOO_MANY
        {
            last.notes.push(crate::diag::Note {
                message: note,
                span: Some(at),
            });
        }
    }

    /// Fills in the types that were found after the expression was made.
    pub(super) fn close(&self, expr: &mut Expr) {
        if matches!(
            expr.ty,
            Type::Infer(_)
                | Type::Struct(..)
                | Type::Header(..)
                | Type::Union(..)
                | Type::Stack(..)
                | Type::Tuple(_)
                | Type::List(_)
                | Type::Block(..)
                | Type::Extern(..)
        ) && self.is_bounded(&expr.ty)
        {
            expr.ty = self.zonk(&expr.ty);
        }
        match &mut expr.kind {
            ExprKind::Aggregate(parts) => parts.iter_mut().for_each(|part| self.close(part)),
            ExprKind::Ternary(_, a, b) => {
                self.close(a);
                self.close(b);
            }
            ExprKind::Cast(inner) => self.close(inner),
            _ => {}
        }
    }
}

fn set(values: &mut [Option<Expr>], at: usize, value: Expr) {
    if let Some(slot) = values.get_mut(at) {
        *slot = Some(value);
    }
}
