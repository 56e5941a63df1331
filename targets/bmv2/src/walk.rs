//! Walks over operations and expressions.

use trisect_ir::{Expr, Index, LValue, MetaId, Op, Place};

/// Calls `f` for every metadata field that an expression reads.
pub(crate) fn expr(expr: &Expr, f: &mut impl FnMut(MetaId)) {
    expr.walk(&mut |e| {
        if let Expr::Meta(meta) = e {
            f(*meta);
        }
    });
}

/// Calls `f` for every metadata field that operations read or write.
pub(crate) fn ops(ops: &[Op], f: &mut impl FnMut(MetaId)) {
    for op in all(ops) {
        exprs(op).into_iter().for_each(|e| expr(e, f));
        for place in places(op) {
            if let Place::Meta(meta) = place.place {
                f(meta);
            }
        }
    }
}

/// Operations with those inside `If`, outer first.
pub(crate) fn all(ops: &[Op]) -> Vec<&Op> {
    let mut out = Vec::new();
    for op in ops {
        out.push(op);
        if let Op::If(_, then, otherwise) = op {
            out.extend(all(then));
            out.extend(all(otherwise));
        }
    }
    out
}

fn index(index: &Index) -> Option<&Expr> {
    match index {
        Index::At(expr) => Some(expr),
        Index::Entry => None,
    }
}

/// The expressions of one operation itself.
pub(crate) fn exprs(op: &Op) -> Vec<&Expr> {
    match op {
        Op::Set(_, value) => vec![value],
        Op::If(cond, ..) => vec![cond],
        Op::Count(_, at) => index(at).into_iter().collect(),
        Op::Meter {
            index: at, color, ..
        } => index(at).into_iter().chain(color).collect(),
        Op::Read { index, .. } => vec![index],
        Op::Write { index, value, .. } => vec![index, value],
        Op::Touch(_, number) => vec![number],
        Op::AddEntry { args, profile, .. } => args.iter().chain([profile]).collect(),
        Op::SetExpire { profile, .. } => vec![profile],
        Op::SetValid(_)
        | Op::SetInvalid(_)
        | Op::Copy { .. }
        | Op::Search { .. }
        | Op::Allocate { .. } => Vec::new(),
    }
}

/// The places that one operation itself assigns.
pub(crate) fn places(op: &Op) -> Vec<&LValue> {
    match op {
        Op::Set(to, _) => vec![to],
        Op::Meter { dst, .. } | Op::Read { dst, .. } | Op::Search { dst, .. } => vec![dst],
        Op::Allocate { ok, value, .. } => vec![ok, value],
        _ => Vec::new(),
    }
}

/// The same expressions and places to change.
pub(crate) fn exprs_mut(op: &mut Op) -> Vec<&mut Expr> {
    fn at(index: &mut Index) -> Option<&mut Expr> {
        match index {
            Index::At(expr) => Some(expr),
            Index::Entry => None,
        }
    }
    match op {
        Op::Set(_, value) => vec![value],
        Op::If(cond, ..) => vec![cond],
        Op::Count(_, index) => at(index).into_iter().collect(),
        Op::Meter { index, color, .. } => at(index).into_iter().chain(color).collect(),
        Op::Read { index, .. } => vec![index],
        Op::Write { index, value, .. } => vec![index, value],
        Op::Touch(_, number) => vec![number],
        Op::AddEntry { args, profile, .. } => args.iter_mut().chain([profile]).collect(),
        Op::SetExpire { profile, .. } => vec![profile],
        Op::SetValid(_)
        | Op::SetInvalid(_)
        | Op::Copy { .. }
        | Op::Search { .. }
        | Op::Allocate { .. } => Vec::new(),
    }
}

/// The same places to change.
pub(crate) fn places_mut(op: &mut Op) -> Vec<&mut LValue> {
    match op {
        Op::Set(to, _) => vec![to],
        Op::Meter { dst, .. } | Op::Read { dst, .. } | Op::Search { dst, .. } => vec![dst],
        Op::Allocate { ok, value, .. } => vec![ok, value],
        _ => Vec::new(),
    }
}
