//! The name `main` at top level belongs to the program itself: the instance of its architecture's package.

use crate::ast::{DeclKind, Program};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for decl in &program.decls {
        // What kind of instance it is shows only in its type. A function is told apart by being called.
        if matches!(
            decl.kind,
            DeclKind::Instance(_) | DeclKind::Function(_) | DeclKind::ExternFunction(_)
        ) {
            continue;
        }
        if let Some(name) = decl.name().filter(|name| name.name == "main") {
            found.push(
                Diagnostic::error(
                    codes::DECLARATION,
                    name.span,
                    "`main` is the instance of a package, nothing else",
                )
                .with_note("the name says which package the program fills in")
                .with_help("give this another name"),
            );
        }
    }
}
