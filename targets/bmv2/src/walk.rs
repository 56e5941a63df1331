//! Walks over operations and expressions.

use trisect_ir::{Expr, MetaId, Op, Place};

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
        op.exprs().into_iter().for_each(|e| expr(e, f));
        for place in op.targets() {
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
