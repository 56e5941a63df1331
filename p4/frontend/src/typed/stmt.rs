//! Statements.

use super::{ActionId, Expr, InstanceId, TableId, VarId};
use crate::Span;
use crate::ast::BinOp;

/// A statement. Constants and types that are declared among statements leave no trace.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
}

/// What a [`Stmt`] does.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// Statements in a scope of their own.
    Block(Vec<Stmt>),
    /// A variable declaration. Without value it starts undefined (headers: invalid).
    Var(VarId, Option<Expr>),
    /// An instance declared among statements.
    Instance(InstanceId),
    /// `target = value;`. With an operator: `target op= value;`, where the target is evaluated once.
    Assign {
        /// What is written: an l-value.
        target: Expr,
        /// The operator of a compound assignment.
        op: Option<BinOp>,
        /// The new value, or the right operand.
        value: Expr,
    },
    /// An expression for its effect: a call, or `t.apply().hit;`
    Call(Expr),
    /// `if`
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// `switch (t.apply().action_run)`
    SwitchAction {
        /// The table that is applied.
        table: TableId,
        /// Cases in order.
        cases: Vec<Case<ActionId>>,
    },
    /// `switch` on a value.
    SwitchValue {
        /// The value.
        on: Expr,
        /// Cases in order; labels are constants of the value's type.
        cases: Vec<Case<Expr>>,
    },
    /// `for (init; cond; update) body`
    For {
        /// Runs once; what it declares is in scope in the rest.
        init: Vec<Stmt>,
        /// Runs before each turn.
        cond: Expr,
        /// Runs after each turn.
        update: Vec<Stmt>,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// `for (T x in lo .. hi) body`: upwards, both included; none if `lo > hi`.
    ForRange {
        /// The loop variable, or the variable that is assigned.
        var: VarId,
        /// First value, evaluated once.
        lo: Expr,
        /// Last value, evaluated once.
        hi: Expr,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// `for (T x in list) body`, over a list or stack.
    ForEach {
        /// The loop variable, or the variable that is assigned.
        var: VarId,
        /// What is gone through.
        collection: Expr,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// `break;`
    Break,
    /// `continue;`
    Continue,
    /// `return;` or `return e;`, with `e` of the function's type.
    Return(Option<Expr>),
    /// `exit;`
    Exit,
}

/// One block of a `switch` with all labels that lead to it (labels without a block of their own fall
/// through to the next one; labels behind the last block have an empty one).
#[derive(Clone, Debug)]
pub struct Case<L> {
    /// The labels; `None` is `default`.
    pub labels: Vec<Option<L>>,
    /// The block.
    pub body: Vec<Stmt>,
    /// From the first label on.
    pub span: Span,
}
