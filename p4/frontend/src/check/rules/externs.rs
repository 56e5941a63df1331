//! An extern object's type is known behind its declaration, not within it (specification 6.9).

use super::syntax::{Node, walk};
use crate::ast::{DeclKind, ExternDecl, Ident, Program, TypeKind, TypeRef};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    walk(program, &mut |node| {
        if let Node::Decl(decl) = node
            && let DeclKind::Extern(object) = &decl.kind
        {
            check_object(object, found);
        }
    });
}

fn check_object(object: &ExternDecl, found: &mut Vec<Diagnostic>) {
    for method in &object.methods {
        let proto = &method.proto;
        let own = proto
            .type_params
            .iter()
            .all(|param| param.name != object.name.name);
        let types = proto.params.iter().map(|param| &param.ty);
        for ty in types.chain([&proto.ret]).filter(|_| own) {
            if !method.is_constructor && names(ty, &object.name) {
                let message = format!("`{}` is not yet declared here", object.name.name);
                found.push(
                    Diagnostic::error(codes::UNKNOWN_NAME, ty.span, message)
                        .with_note("a type is known behind its declaration")
                        .with_help("use a type that is declared before"),
                );
            }
        }
    }
}

fn names(ty: &TypeRef, name: &Ident) -> bool {
    match &ty.kind {
        TypeKind::Named(path) => path.name.name == name.name,
        TypeKind::Specialized { base, args } => {
            base.name.name == name.name || args.iter().any(|arg| names(arg, name))
        }
        TypeKind::Stack { elem, .. } | TypeKind::List(elem) => names(elem, name),
        TypeKind::Tuple(parts) => parts.iter().any(|part| names(part, name)),
        _ => false,
    }
}
