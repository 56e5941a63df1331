//! A declaration among statements may hide outer names, but not those of the parameters around it: the parameter
//! would be out of reach without anybody having meant it.

use super::syntax::declarations;
use crate::ast::{Decl, DeclKind, Ident, Param, Program, Stmt};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for decl in &program.decls {
        check_decl(decl, &mut Vec::new(), found);
    }
}

/// `scope`: the names of the parameters around the declaration.
fn check_decl<'a>(decl: &'a Decl, scope: &mut Vec<&'a Ident>, found: &mut Vec<Diagnostic>) {
    let depth = scope.len();
    let add = |scope: &mut Vec<&'a Ident>, params: &'a [Param]| {
        scope.extend(params.iter().map(|param| &param.name));
    };
    match &decl.kind {
        DeclKind::Parser(parser) => {
            add(scope, &parser.proto.params);
            add(scope, &parser.ctor_params);
            check_inner(&parser.locals, scope, found);
            for state in &parser.states {
                check_stmts(&state.stmts, scope, found);
            }
        }
        DeclKind::Control(control) => {
            add(scope, &control.proto.params);
            add(scope, &control.ctor_params);
            check_inner(&control.locals, scope, found);
            check_stmts(&control.apply.stmts, scope, found);
        }
        DeclKind::Action(action) => {
            add(scope, &action.params);
            check_stmts(&action.body.stmts, scope, found);
        }
        DeclKind::Function(function) => {
            add(scope, &function.proto.params);
            check_stmts(&function.body.stmts, scope, found);
        }
        DeclKind::Instance(instance) => {
            check_inner(instance.init.as_deref().unwrap_or_default(), scope, found);
        }
        _ => {}
    }
    scope.truncate(depth);
}

fn check_inner<'a>(decls: &'a [Decl], scope: &mut Vec<&'a Ident>, found: &mut Vec<Diagnostic>) {
    for decl in decls {
        check_decl(decl, scope, found);
    }
}

fn check_stmts<'a>(of: &'a [Stmt], scope: &mut Vec<&'a Ident>, found: &mut Vec<Diagnostic>) {
    declarations(of, &mut |decl| check_name(decl, scope, found));
}

fn check_name(decl: &Decl, scope: &[&Ident], found: &mut Vec<Diagnostic>) {
    let Some(name) = decl.name() else { return };
    let Some(param) = scope.iter().rev().find(|param| param.name == name.name) else {
        return;
    };
    found.push(
        Diagnostic::error(
            codes::SHADOWS_PARAMETER,
            name.span,
            format!("`{}` hides a parameter of the same name", name.name),
        )
        .with_note_at(param.span, "the parameter")
        .with_help("rename one of the two"),
    );
}
