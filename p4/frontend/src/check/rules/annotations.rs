//! Structured annotations (specification 20.2) hold constants, stand once, and are not mixed with unstructured ones of
//! the same name. (The parser sees to the form of those that the language defines.)

use std::collections::BTreeSet;

use super::Visitor;
use super::syntax::Node;
use crate::ast::{Annotation, AnnotationBody, DeclKind, Expr, ExprKind, Program};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;

pub(super) fn rule<'a>(_: &'a Program, found: &'a mut Vec<Diagnostic>) -> Visitor<'a, Node<'a>> {
    let mut constants = BTreeSet::new();
    let mut lists = Vec::new();
    Box::new(move |node| match node {
        Node::Decl(decl) => {
            if let DeclKind::Const(decl) = &decl.kind {
                constants.insert(decl.name.as_str());
            }
        }
        Node::Annotations(list) if !list.is_empty() => lists.push(list),
        // A constant may be declared behind its use.
        Node::End => lists.iter().for_each(|list| {
            for (at, annotation) in list.iter().enumerate() {
                check_structured(annotation, &constants, found);
                check_repeated(annotation, list.get(..at).unwrap_or_default(), found);
            }
        }),
        _ => {}
    })
}

fn check_structured(
    annotation: &Annotation,
    constants: &BTreeSet<&str>,
    found: &mut Vec<Diagnostic>,
) {
    let values: Vec<&Expr> = match &annotation.body {
        AnnotationBody::Exprs(exprs) => exprs.iter().collect(),
        AnnotationBody::KeyValues(pairs) => pairs.iter().map(|pair| &pair.value).collect(),
        AnnotationBody::Empty | AnnotationBody::Unstructured(_) => return,
    };
    for value in values {
        if let Some((span, what)) = not_constant(value, constants) {
            found.push(
                Diagnostic::error(codes::STRUCTURED_ANNOTATION, span, what)
                    .with_note("a structured annotation holds constants: `int`, `string` or `bool`")
                    .with_help("write constants, or an annotation without structure: `@name(...)`"),
            );
        }
    }
    if let AnnotationBody::KeyValues(pairs) = &annotation.body {
        for (at, pair) in pairs.iter().enumerate() {
            let before = pairs.get(..at).unwrap_or_default();
            let Some(first) = before.iter().find(|p| p.name.name == pair.name.name) else {
                continue;
            };
            let message = format!("the key `{}` is given twice", pair.name.name);
            found.push(
                Diagnostic::error(codes::STRUCTURED_ANNOTATION, pair.name.span, message)
                    .with_note_at(first.name.span, "given before, here")
                    .with_help("keep one of the two"),
            );
        }
    }
}

/// The part that is no constant, and why.
fn not_constant(value: &Expr, constants: &BTreeSet<&str>) -> Option<(Span, String)> {
    let all = |parts: &[&Expr]| parts.iter().find_map(|part| not_constant(part, constants));
    match &value.kind {
        ExprKind::Int(_) | ExprKind::Bool(_) | ExprKind::Str(_) => None,
        ExprKind::TypeMember { .. } => None,
        ExprKind::Path(path) if constants.contains(path.as_str()) => None,
        ExprKind::Path(path) => {
            Some((value.span, format!("`{}` is not a constant", path.as_str())))
        }
        ExprKind::Member { .. } => None,
        ExprKind::Unary { expr, .. } | ExprKind::Cast { expr, .. } => not_constant(expr, constants),
        ExprKind::Binary { lhs, rhs, .. } => all(&[lhs, rhs]),
        ExprKind::Ternary {
            cond,
            then,
            otherwise,
        } => all(&[cond, then, otherwise]),
        _ => Some((
            value.span,
            "this is no value that an annotation can hold".into(),
        )),
    }
}

fn is_structured(annotation: &Annotation) -> bool {
    matches!(
        annotation.body,
        AnnotationBody::Exprs(_) | AnnotationBody::KeyValues(_)
    )
}

fn check_repeated(annotation: &Annotation, before: &[Annotation], found: &mut Vec<Diagnostic>) {
    let name = annotation.name.as_str();
    let mut same = before.iter().filter(|other| other.name.name == name);
    let Some(first) = same.find(|other| is_structured(annotation) || is_structured(other)) else {
        return;
    };
    let message = if is_structured(annotation) && is_structured(first) {
        format!("the structured annotation `@{name}` is given twice")
    } else {
        format!("`@{name}` is given both with `[...]` and without")
    };
    found.push(
        Diagnostic::error(codes::STRUCTURED_ANNOTATION, annotation.span, message)
            .with_note_at(first.span, "given before, here")
            .with_help("keep one of them"),
    );
}
