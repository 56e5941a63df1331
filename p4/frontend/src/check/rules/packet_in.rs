//! The methods of `packet_in` take what can be read from a packet (specification 13.8).

use super::Visitor;
use super::code::{Node, Part};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Call, Callee, ExprKind, Program, Type};

pub(super) fn rule<'a>(
    program: &'a Program,
    found: &'a mut Vec<Diagnostic>,
) -> Visitor<'a, Part<'a>> {
    Box::new(move |(_, node)| {
        let Node::Expr(expr) = node else { return };
        let ExprKind::Call(call) = &expr.kind else {
            return;
        };
        if let Some(diagnostic) = check_call(program, call, expr.span) {
            found.push(diagnostic);
        }
    })
}

fn check_call(program: &Program, call: &Call, span: Span) -> Option<Diagnostic> {
    let Callee::Method { of, method, .. } = call.callee else {
        return None;
    };
    if program.externs[of].name != "packet_in" {
        return None;
    }
    let [ty] = call.type_args.as_slice() else {
        return None;
    };
    let shown = program.show(ty);
    let (message, help) = match (program.functions[method].name.as_str(), call.args.len()) {
        ("extract", count @ (1 | 2)) => {
            let Type::Header(..) = program.base(ty) else {
                let message = format!("only headers can be extracted, not `{shown}`");
                let help = "extract header by header: each element, each field";
                return Some(report(span, message, help));
            };
            match (count, varbits(program, ty)) {
                (1, 0) | (2, 1) => return None,
                (1, _) => (
                    format!("the size of the varbit field in `{shown}` is missing"),
                    "give it in bits: `extract(header, size)`",
                ),
                _ => (
                    format!("`{shown}` has no varbit field that the size could be for"),
                    "leave the size out",
                ),
            }
        }
        ("lookahead", _) if !is_fixed(program, ty) => (
            format!("`{shown}` has no fixed size, so it cannot be looked ahead at"),
            "look ahead at `bit<w>`, or a header or struct without varbit fields",
        ),
        _ => return None,
    };
    Some(report(span, message, help))
}

fn report(span: Span, message: String, help: &str) -> Diagnostic {
    Diagnostic::error(codes::EXTRACT, span, message).with_help(help)
}

/// How many varbit fields there are in a type.
fn varbits(program: &Program, ty: &Type) -> usize {
    match program.base(ty) {
        Type::Varbit(_) => 1,
        Type::Header(id, args) | Type::Struct(id, args) => {
            let types = program.field_types(*id, args);
            types.iter().map(|ty| varbits(program, ty)).sum()
        }
        Type::Stack(elem, _) => varbits(program, elem),
        _ => 0,
    }
}

/// Whether a value of the type has a number of bits that is known.
fn is_fixed(program: &Program, ty: &Type) -> bool {
    match program.base(ty) {
        Type::Bool | Type::Bit(_) | Type::Int(_) | Type::Param(_) => true,
        Type::Enum(id) => program.enums[*id].repr.is_some(),
        Type::Header(id, args) | Type::Struct(id, args) => {
            let types = program.field_types(*id, args);
            types.iter().all(|ty| is_fixed(program, ty))
        }
        Type::Stack(elem, _) => is_fixed(program, elem),
        Type::Tuple(parts) => parts.iter().all(|part| is_fixed(program, part)),
        _ => false,
    }
}
