//! Actions and the control graph.

use crate::{ActionId, Expr, HeaderId, LValue, NodeId, ObjectId, PrimaryMap, TableId};
use serde::{Deserialize, Serialize};

/// An action: parameters that a table entry (or a flow entry) supplies, and operations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Unique name.
    pub name: String,
    /// Parameters, in order.
    pub params: Vec<Param>,
    /// Operations, in order.
    pub ops: Vec<Op>,
}

/// A parameter of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Name, as the control plane knows it.
    pub name: String,
    /// Width in bits.
    pub width: u32,
}

/// Which cell of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Index {
    /// The cell with this number.
    At(Expr),
    /// The cell of the entry that the enclosing action was run for (direct objects); nothing on a
    /// miss.
    Entry,
}

/// An operation. Operands are evaluated before anything is assigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Assigns a place.
    Set(LValue, Expr),
    /// Makes a header valid; all fields 0 if it was not.
    SetValid(HeaderId),
    /// Makes a header invalid.
    SetInvalid(HeaderId),
    /// Copies a header of the same type: validity, fields and varbit.
    Copy {
        /// To.
        dst: HeaderId,
        /// From.
        src: HeaderId,
    },
    /// Copies a header's varbit. Does nothing if `dst` is invalid, and takes an empty one if `src` is. Both
    /// have the same maximum.
    CopyVarbit {
        /// To.
        dst: HeaderId,
        /// From.
        src: HeaderId,
    },
    /// Conditional operations.
    If(Expr, Vec<Op>, Vec<Op>),
    /// Counts this packet.
    Count(ObjectId, Index),
    /// Runs a meter and assigns the colour (at least width 2).
    Meter {
        /// The meter.
        object: ObjectId,
        /// Which cell.
        index: Index,
        /// Colour so far for a colour-aware meter (0, 1, 2).
        color: Option<Expr>,
        /// Where the colour goes.
        dst: LValue,
    },
    /// Reads a register cell.
    Read {
        /// The register.
        object: ObjectId,
        /// Which cell.
        index: Expr,
        /// Where the value goes.
        dst: LValue,
    },
    /// Writes a register cell.
    Write {
        /// The register.
        object: ObjectId,
        /// Which cell.
        index: Expr,
        /// The value.
        value: Expr,
    },
    /// Searches all bytes of the packet after the end of a header (as it would be deparsed now) for the
    /// patterns: assigns 0 for none, or the lowest index that occurs plus one (width 16). An
    /// invalid header gives 0.
    Search {
        /// The pattern set.
        object: ObjectId,
        /// The header after which the search begins.
        after: HeaderId,
        /// Where the result goes.
        dst: LValue,
    },
    /// Takes a number from an allocator: `ok` (width 1) and the number (0 if not ok).
    Allocate {
        /// The allocator.
        object: ObjectId,
        /// Whether there was one.
        ok: LValue,
        /// The number.
        value: LValue,
    },
    /// Renews a number's last use.
    Touch(ObjectId, Expr),
    /// Sends a message with these values, one per field.
    Notify(ObjectId, Vec<Expr>),
    /// Draws a number: uniform in `lo ..= hi` (unsigned), `lo` if that is empty. Every execution counts as
    /// a draw.
    Random {
        /// The source.
        object: ObjectId,
        /// The least number.
        lo: Expr,
        /// The greatest number, of the same width.
        hi: Expr,
        /// Where it goes, of the same width.
        dst: LValue,
    },
    /// Adds an entry to the flow table whose miss is being handled, with the key that was looked up.
    /// Does nothing if the table is full. Only in actions of that table.
    AddEntry {
        /// The table.
        table: TableId,
        /// What the entry runs on a hit.
        action: ActionId,
        /// The action's arguments.
        args: Vec<Expr>,
        /// Expire-time profile.
        profile: Expr,
    },
    /// Sets the expire-time profile of the entry that was hit. Only in actions.
    SetExpire {
        /// The table.
        table: TableId,
        /// Expire-time profile.
        profile: Expr,
    },
}

/// The control graph: acyclic, one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The nodes: the units that are cut.
    pub nodes: PrimaryMap<NodeId, Node>,
    /// Where control starts; `None` only in a program under construction.
    pub entry: Option<NodeId>,
}

/// A node of the control graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name, for people: `fw.acl`.
    pub name: String,
    /// The NF instance that it came from; empty for what the compiler put in.
    pub nf: String,
    /// What it does.
    pub kind: NodeKind,
}

/// What a node does, and where control goes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// Looks up a table and runs the action.
    Apply(TableId, Successors),
    /// Goes to the first node if the condition (width 1) holds, else to the second.
    Branch(Expr, NodeId, NodeId),
    /// Runs operations.
    Exec(Vec<Op>, NodeId),
    /// Deparses and parses again.
    Reparse(NodeId),
    /// Sends the packet to `egress_port`.
    Emit,
    /// Drops the packet for the reason in `drop`.
    Drop,
}

/// Where control goes after a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Successors {
    /// Always there.
    Always(NodeId),
    /// By hit or miss.
    HitMiss {
        /// After a hit.
        hit: NodeId,
        /// After a miss.
        miss: NodeId,
    },
    /// By the action that ran.
    ByAction {
        /// Actions with their successors; each action at most once.
        cases: Vec<(ActionId, NodeId)>,
        /// For all others.
        default: NodeId,
    },
}

impl Successors {
    /// All targets, in order, with repetitions.
    pub fn targets(&self) -> Vec<NodeId> {
        match self {
            Self::Always(n) => vec![*n],
            Self::HitMiss { hit, miss } => vec![*hit, *miss],
            Self::ByAction { cases, default } => cases
                .iter()
                .map(|c| c.1)
                .chain(std::iter::once(*default))
                .collect(),
        }
    }
    /// All targets to change.
    pub fn targets_mut(&mut self) -> Vec<&mut NodeId> {
        match self {
            Self::Always(n) => vec![n],
            Self::HitMiss { hit, miss } => vec![hit, miss],
            Self::ByAction { cases, default } => cases
                .iter_mut()
                .map(|c| &mut c.1)
                .chain(std::iter::once(default))
                .collect(),
        }
    }
}

impl NodeKind {
    /// The nodes that may come next, in order, with repetitions.
    pub fn successors(&self) -> Vec<NodeId> {
        match self {
            Self::Apply(_, next) => next.targets(),
            Self::Branch(_, a, b) => vec![*a, *b],
            Self::Exec(_, next) | Self::Reparse(next) => vec![*next],
            Self::Emit | Self::Drop => vec![],
        }
    }
    /// The same, to change.
    pub fn successors_mut(&mut self) -> Vec<&mut NodeId> {
        match self {
            Self::Apply(_, next) => next.targets_mut(),
            Self::Branch(_, a, b) => vec![a, b],
            Self::Exec(_, next) | Self::Reparse(next) => vec![next],
            Self::Emit | Self::Drop => vec![],
        }
    }
}

impl Index {
    /// The number's expression.
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            Self::At(expr) => Some(expr),
            Self::Entry => None,
        }
    }
    /// The same, to change.
    pub fn expr_mut(&mut self) -> Option<&mut Expr> {
        match self {
            Self::At(expr) => Some(expr),
            Self::Entry => None,
        }
    }
}

impl Op {
    /// The expressions that the operation itself evaluates, in order; not those of operations within
    /// an `If`.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::SetValid(_) | Self::SetInvalid(_) | Self::Copy { .. } => vec![],
            Self::CopyVarbit { .. } | Self::Search { .. } | Self::Allocate { .. } => vec![],
            Self::Set(_, e) | Self::If(e, _, _) | Self::Touch(_, e) => vec![e],
            Self::Count(_, index) => index.expr().into_iter().collect(),
            Self::Meter { index, color, .. } => index.expr().into_iter().chain(color).collect(),
            Self::Read { index, .. } => vec![index],
            Self::Write { index, value, .. } => vec![index, value],
            Self::AddEntry { args, profile, .. } => args.iter().chain([profile]).collect(),
            Self::SetExpire { profile, .. } => vec![profile],
            Self::Notify(_, values) => values.iter().collect(),
            Self::Random { lo, hi, .. } => vec![lo, hi],
        }
    }
    /// The same, to change.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::SetValid(_) | Self::SetInvalid(_) | Self::Copy { .. } => vec![],
            Self::CopyVarbit { .. } | Self::Search { .. } | Self::Allocate { .. } => vec![],
            Self::Set(_, e) | Self::If(e, _, _) | Self::Touch(_, e) => vec![e],
            Self::Count(_, index) => index.expr_mut().into_iter().collect(),
            Self::Meter { index, color, .. } => {
                index.expr_mut().into_iter().chain(color.as_mut()).collect()
            }
            Self::Read { index, .. } => vec![index],
            Self::Write { index, value, .. } => vec![index, value],
            Self::AddEntry { args, profile, .. } => args.iter_mut().chain([profile]).collect(),
            Self::SetExpire { profile, .. } => vec![profile],
            Self::Notify(_, values) => values.iter_mut().collect(),
            Self::Random { lo, hi, .. } => vec![lo, hi],
        }
    }
    /// What the operation itself assigns; whole headers (`SetValid`, `SetInvalid`, `Copy`) and varbits
    /// apart.
    pub fn targets(&self) -> Vec<&LValue> {
        match self {
            Self::Set(to, _) => vec![to],
            Self::Meter { dst, .. }
            | Self::Read { dst, .. }
            | Self::Search { dst, .. }
            | Self::Random { dst, .. } => vec![dst],
            Self::Allocate { ok, value, .. } => vec![ok, value],
            Self::SetValid(_)
            | Self::SetInvalid(_)
            | Self::Copy { .. }
            | Self::CopyVarbit { .. }
            | Self::If(..)
            | Self::Count(..)
            | Self::Write { .. }
            | Self::Touch(..)
            | Self::Notify(..)
            | Self::AddEntry { .. }
            | Self::SetExpire { .. } => vec![],
        }
    }
    /// The same, to change.
    pub fn targets_mut(&mut self) -> Vec<&mut LValue> {
        match self {
            Self::Set(to, _) => vec![to],
            Self::Meter { dst, .. }
            | Self::Read { dst, .. }
            | Self::Search { dst, .. }
            | Self::Random { dst, .. } => vec![dst],
            Self::Allocate { ok, value, .. } => vec![ok, value],
            Self::SetValid(_)
            | Self::SetInvalid(_)
            | Self::Copy { .. }
            | Self::CopyVarbit { .. }
            | Self::If(..)
            | Self::Count(..)
            | Self::Write { .. }
            | Self::Touch(..)
            | Self::Notify(..)
            | Self::AddEntry { .. }
            | Self::SetExpire { .. } => vec![],
        }
    }
    /// The object that the operation uses.
    pub fn object(&self) -> Option<ObjectId> {
        match self {
            Self::Count(object, _)
            | Self::Meter { object, .. }
            | Self::Read { object, .. }
            | Self::Write { object, .. }
            | Self::Search { object, .. }
            | Self::Allocate { object, .. }
            | Self::Touch(object, _)
            | Self::Notify(object, _)
            | Self::Random { object, .. } => Some(*object),
            _ => None,
        }
    }
    /// Calls `f` on this operation, then on those within it.
    pub fn walk<'a>(&'a self, f: &mut impl FnMut(&'a Op)) {
        f(self);
        if let Self::If(_, yes, no) = self {
            for op in yes.iter().chain(no) {
                op.walk(f);
            }
        }
    }
    /// Calls `f` on this operation, then on those within it, to change them.
    pub fn walk_mut(&mut self, f: &mut impl FnMut(&mut Op)) {
        f(self);
        if let Self::If(_, yes, no) = self {
            for op in yes.iter_mut().chain(no) {
                op.walk_mut(f);
            }
        }
    }
}
