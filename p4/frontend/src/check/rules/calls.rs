//! What may be called where (specification, appendix "Restrictions on compile time and run time calls"): tables and
//! controls in `apply` blocks, actions there and in actions, parsers and what belongs to parsing in parser states.

use super::Visitor;
use super::code::{Node, Part, Where};
use super::syntax::Place;
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{BlockKind, Call, Callee, Expr, ExprKind, FunctionId, Program, StmtKind, Type};

pub(super) fn rule<'a>(
    program: &'a Program,
    found: &'a mut Vec<Diagnostic>,
) -> Visitor<'a, Part<'a>> {
    Box::new(move |(place, node)| {
        let wrong = match node {
            Node::Stmt(stmt) => match &stmt.kind {
                StmtKind::SwitchAction { table, .. } => {
                    not_in_apply(place, "table", &program.tables[*table].name)
                }
                _ => None,
            }
            .map(|wrong| (stmt.span, wrong)),
            Node::Expr(expr) => check_expr(program, place, expr).map(|wrong| (expr.span, wrong)),
            Node::Body(_) => None,
        };
        if let Some((span, wrong)) = wrong {
            found.push(wrong.report(span));
        }
    })
}

/// What is wrong, and the way out.
struct Wrong {
    message: String,
    help: &'static str,
}

impl Wrong {
    fn report(self, span: Span) -> Diagnostic {
        Diagnostic::error(codes::CALL_PLACE, span, self.message).with_help(self.help)
    }
}

impl Where {
    fn name(self) -> &'static str {
        match self {
            Where::Body(place) => place.name(),
            Where::Key => "the key of a table",
            Where::Table => "the arguments of a table's actions",
            Where::CompileTime => "what is known at compile time",
        }
    }
}

fn not_in_apply(place: Where, what: &str, name: &str) -> Option<Wrong> {
    if matches!(place, Where::Body(Place::Apply) | Where::Key) {
        return None;
    }
    Some(Wrong {
        message: format!("the {what} `{name}` cannot be applied in {}", place.name()),
        help: "apply it in the `apply` block of a control",
    })
}

fn only_in_states(place: Where, what: &str) -> Option<Wrong> {
    if place == Where::Body(Place::State) {
        return None;
    }
    Some(Wrong {
        message: format!("{what} cannot be used in {}", place.name()),
        help: "it belongs to parsing: use it in a parser state",
    })
}

fn check_expr(program: &Program, place: Where, expr: &Expr) -> Option<Wrong> {
    match &expr.kind {
        ExprKind::Hit { table, .. } => not_in_apply(place, "table", &program.tables[*table].name),
        ExprKind::Call(call) => check_call(program, place, call),
        _ => None,
    }
}

fn check_call(program: &Program, place: Where, call: &Call) -> Option<Wrong> {
    match &call.callee {
        Callee::Table(table) => not_in_apply(place, "table", &program.tables[*table].name),
        Callee::Action(action) => match place {
            Where::Body(Place::Apply | Place::Action) => None,
            _ => Some(Wrong {
                message: format!(
                    "the action `{}` cannot be called in {}",
                    program.actions[*action].name,
                    place.name()
                ),
                help: "call it in an action or an `apply` block, or make it a function",
            }),
        },
        Callee::Apply { block } => match block_kind(program, &block.ty) {
            Some((BlockKind::Parser, name)) => {
                only_in_states(place, &format!("the parser `{name}`"))
            }
            Some((_, name)) => not_in_apply(place, "control", name),
            None => None,
        },
        Callee::Function(id) if is_verify(program, *id) => only_in_states(place, "`verify`"),
        Callee::Function(_) | Callee::Method { .. } | Callee::BuiltIn(..) => None,
    }
}

fn block_kind<'a>(program: &'a Program, ty: &Type) -> Option<(BlockKind, &'a str)> {
    match ty {
        Type::Parser(id) => Some((BlockKind::Parser, &program.parsers[*id].name)),
        Type::Control(id) => Some((BlockKind::Control, &program.controls[*id].name)),
        Type::Block(id, _) => {
            let block = &program.block_types[*id];
            Some((block.kind, &block.name))
        }
        _ => None,
    }
}

/// `verify` of `core.p4`.
fn is_verify(program: &Program, id: FunctionId) -> bool {
    let function = &program.functions[id];
    let types: Vec<&Type> = function
        .params
        .iter()
        .map(|p| &program.vars[*p].ty)
        .collect();
    function.name == "verify" && function.body.is_none() && types == [&Type::Bool, &Type::Error]
}
