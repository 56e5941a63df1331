//! Bodies for a program's extern functions.
//!
//! What an extern function does is the target's affair: BMv2 loads it as a module in C++. A model is a P4 file with
//! functions of the same name and signature, which then stand where the program declares them without a body.

use std::collections::BTreeMap;

use crate::ast::{Decl, DeclKind, FunctionProto, Program};
use crate::similar::similar;
use crate::span::{FileId, SourceMap};
use crate::{Diagnostic, Span, codes, printer};

/// Puts the functions of the model, which was read behind the program, in place of the extern functions. What else it
/// declares comes in front of the first of these.
pub(crate) fn put_in(
    program: &mut Program,
    model: &str,
    sources: &SourceMap,
    found: &mut Vec<Diagnostic>,
) {
    // Files are numbered in the order in which they were first read.
    let Some(first) = sources.find(model) else {
        return;
    };
    let (mut own, model): (Vec<Decl>, Vec<Decl>) = std::mem::take(&mut program.decls)
        .into_iter()
        .partition(|decl| decl.span.file < first);
    let mut bodies: BTreeMap<usize, Decl> = BTreeMap::new();
    let mut helpers = Vec::new();
    let before = found.len();
    for decl in model {
        let Some(proto) = function(&decl) else {
            helpers.push(decl);
            continue;
        };
        let named = externs(&own).filter(|(_, of)| of.name.name == proto.name.name);
        let named: Vec<(usize, &FunctionProto)> = named.collect();
        let fitting = named
            .iter()
            .find(|(_, of)| signature(of) == signature(proto));
        match (fitting, named.first()) {
            (Some((at, _)), _) => match bodies.get(at) {
                Some(given) => found.push(twice(proto, given.span)),
                None => {
                    bodies.insert(*at, decl);
                }
            },
            (None, Some((_, of))) => found.push(mismatch(proto, of)),
            (None, None) => helpers.push(decl),
        }
    }
    if bodies.is_empty() && found.len() == before {
        found.push(nothing_filled(&own, &helpers, first));
    }
    let at = bodies.keys().next().copied().unwrap_or(own.len());
    for (place, body) in bodies {
        if let Some(place) = own.get_mut(place) {
            *place = body;
        }
    }
    own.splice(at..at, helpers);
    program.decls = own;
}

fn function(decl: &Decl) -> Option<&FunctionProto> {
    match &decl.kind {
        DeclKind::Function(function) => Some(&function.proto),
        _ => None,
    }
}

fn externs(decls: &[Decl]) -> impl Iterator<Item = (usize, &FunctionProto)> {
    let all = decls.iter().enumerate();
    all.filter_map(|(at, decl)| match &decl.kind {
        DeclKind::ExternFunction(proto) => Some((at, proto)),
        _ => None,
    })
}

/// A function without its body, as it is printed: what has to be the same.
fn signature(proto: &FunctionProto) -> String {
    let decl = Decl {
        annotations: Vec::new(),
        kind: DeclKind::ExternFunction(proto.clone()),
        span: proto.name.span,
    };
    printer::declaration(&decl).trim().to_owned()
}

fn mismatch(proto: &FunctionProto, of: &FunctionProto) -> Diagnostic {
    let message = format!("`{}` is not what the program declares", proto.name.name);
    Diagnostic::error(codes::EXTERN_MODEL, proto.name.span, message)
        .with_note_at(of.name.span, "declared here")
        .with_note("types are compared as they are written, parameters by direction, type and name")
        .with_help(format!("it has to begin as in `{}`", signature(of)))
}

fn twice(proto: &FunctionProto, before: Span) -> Diagnostic {
    let message = format!("`{}` has a body already", proto.name.name);
    Diagnostic::error(codes::EXTERN_MODEL, proto.name.span, message)
        .with_note_at(before, "given here")
        .with_help("keep one of the two")
}

fn nothing_filled(own: &[Decl], helpers: &[Decl], first: FileId) -> Diagnostic {
    let near = helpers.iter().filter_map(function).find_map(|proto| {
        let known = externs(own).map(|(_, of)| of.name.as_str());
        Some((proto.name.span, similar(proto.name.as_str(), known)?))
    });
    let span = near
        .as_ref()
        .map_or(Span::new(first, 0, 0), |(span, _)| *span);
    let error = Diagnostic::error(
        codes::EXTERN_MODEL,
        span,
        "the model gives no extern function of the program a body",
    );
    match near {
        Some((_, name)) => error.with_help(format!("did you mean `{name}`?")),
        None => error.with_help("declare its functions as the program does, with bodies"),
    }
}
