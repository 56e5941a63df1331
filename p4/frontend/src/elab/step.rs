//! Structured steps of a control, and the way from them to operations and to the control graph.

use std::collections::BTreeSet;

use trisect_ir::{
    ActionId, Entity, Expr, Node, NodeId, NodeKind, Op, PrimaryMap, Successors, TableId,
};

use super::{Elab, R, error};
use crate::{Span, codes};

/// One step of a control.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Operations; named if they are an action's, which stay a unit of their own.
    Ops {
        name: Option<String>,
        ops: Vec<Op>,
    },
    If(Expr, Vec<Step>, Vec<Step>),
    Apply {
        table: TableId,
        name: String,
        then: Then,
    },
    /// Leaves the innermost scope.
    Return,
    /// Leaves the innermost scope that catches it.
    Exit,
    /// Goes to the end of the program.
    Finish,
    Scope {
        steps: Vec<Step>,
        catches_exit: bool,
    },
}

/// What follows a look-up.
#[derive(Clone, Debug)]
pub(super) enum Then {
    Nothing,
    HitMiss(Vec<Step>, Vec<Step>),
    /// By the action that ran, and for all others.
    Action(Vec<(Vec<ActionId>, Vec<Step>)>, Vec<Step>),
}

/// Appends an operation to the last unnamed operations.
pub(super) fn push_op(steps: &mut Vec<Step>, op: Op) {
    match steps.last_mut() {
        Some(Step::Ops { name: None, ops }) if !alone(&op) && !ops.iter().any(alone) => {
            merge_op(ops, op);
        }
        _ => steps.push(Step::Ops {
            name: None,
            ops: vec![op],
        }),
    }
}

/// State and payload have a node of their own, so that what stands beside them can be cut off.
fn alone(op: &Op) -> bool {
    matches!(
        op,
        Op::Search { .. }
            | Op::Meter { .. }
            | Op::Allocate { .. }
            | Op::Read { .. }
            | Op::Write { .. }
    )
}

/// Appends, joining two steps of one checksum: `s = sum(0, a); s = sum(s, b)` is `s = sum(0, a, b)`
/// if nothing stands between.
fn merge_op(ops: &mut Vec<Op>, op: Op) {
    if let (Some(Op::Set(last, first)), Op::Set(target, Expr::OnesSum(init, terms))) =
        (ops.last_mut(), &op)
        && last == target
        && last.slice.is_none()
        && matches!(&**init, Expr::Meta(meta) if last.place == trisect_ir::Place::Meta(*meta))
    {
        match first {
            Expr::OnesSum(_, before) => {
                before.extend(terms.iter().cloned());
                return;
            }
            Expr::Const(_) => {
                *first = Expr::OnesSum(Box::new(first.clone()), terms.clone());
                return;
            }
            _ => {}
        }
    }
    ops.push(op);
}

/// The steps of an action or function as operations.
pub(super) fn to_ops(steps: &[Step], span: Span) -> R<Vec<Op>> {
    let mut ops = Vec::new();
    convert(steps, &[], &mut ops, span)?;
    Ok(ops)
}

/// Appends `steps` and then `rest`, the lists of steps that follow, innermost first. Where a branch
/// may return, what follows goes into the branches.
fn convert(steps: &[Step], rest: &[&[Step]], out: &mut Vec<Op>, span: Span) -> R<()> {
    for (i, step) in steps.iter().enumerate() {
        match step {
            Step::Ops { ops, .. } => ops.iter().for_each(|op| merge_op(out, op.clone())),
            Step::If(cond, a, b) => {
                let mut then = Vec::new();
                let mut otherwise = Vec::new();
                let splits = may_return(a) || may_return(b);
                let mut inner: Vec<&[Step]> = Vec::new();
                if splits {
                    inner.push(&steps[i + 1..]);
                    inner.extend(rest);
                }
                convert(a, &inner, &mut then, span)?;
                convert(b, &inner, &mut otherwise, span)?;
                out.push(Op::If(cond.clone(), then, otherwise));
                if splits {
                    return Ok(());
                }
            }
            Step::Return => return Ok(()),
            Step::Scope { steps, .. } => out.extend(to_ops(steps, span)?),
            Step::Apply { .. } => {
                return Err(error(
                    codes::MISPLACED,
                    span,
                    "a table cannot be applied in an action",
                ));
            }
            Step::Exit | Step::Finish => {
                return Err(super::unsupported(span, "`exit` in an action"));
            }
        }
    }
    match rest.split_first() {
        Some((next, rest)) => convert(next, rest, out, span),
        None => Ok(()),
    }
}

fn may_return(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Return => true,
        Step::If(_, a, b) => may_return(a) || may_return(b),
        _ => false,
    })
}

/// Where control goes from the end of some steps.
#[derive(Clone, Copy)]
struct Exits {
    next: NodeId,
    ret: NodeId,
    exit: NodeId,
    finish: NodeId,
}

impl<'a> Elab<'a> {
    /// Builds the control graph: the steps, then `Drop` if a drop reason is set, else `Emit`.
    pub(super) fn build_graph(&mut self, steps: &[Step], label: &str) {
        let emit = self.node("emit", NodeKind::Emit);
        let drop = self.node("drop", NodeKind::Drop);
        let dropped = Expr::binary(
            trisect_ir::BinOp::Ne,
            trisect_ir::StdMeta::Drop.get(),
            Expr::num(16, 0),
        );
        let end = self.node("end", NodeKind::Branch(dropped, drop, emit));
        let exits = Exits {
            next: end,
            ret: end,
            exit: end,
            finish: end,
        };
        let entry = self.lower(steps, exits, label);
        self.ir.control.entry = Some(entry);
        self.compact();
    }

    fn node(&mut self, name: &str, kind: NodeKind) -> NodeId {
        self.ir.control.nodes.push(Node {
            name: name.to_owned(),
            nf: String::new(),
            kind,
        })
    }

    /// The node where the steps begin.
    fn lower(&mut self, steps: &[Step], exits: Exits, label: &str) -> NodeId {
        let mut next = exits.next;
        for step in steps.iter().rev() {
            let here = Exits { next, ..exits };
            next = match step {
                Step::Return => exits.ret,
                Step::Exit => exits.exit,
                Step::Finish => exits.finish,
                Step::Ops { ops, .. } if ops.is_empty() => next,
                Step::Ops { name, ops } => {
                    let fallback = format!("{label}.do");
                    let name = name.as_deref().unwrap_or(&fallback);
                    self.node(name, NodeKind::Exec(ops.clone(), next))
                }
                Step::If(cond, a, b) => {
                    let a = self.lower(a, here, label);
                    let b = self.lower(b, here, label);
                    match cond {
                        _ if a == b => a,
                        Expr::Const(bits) if bits.is_zero() => b,
                        Expr::Const(_) => a,
                        _ => {
                            let name = format!("{label}.if");
                            self.node(&name, NodeKind::Branch(cond.clone(), a, b))
                        }
                    }
                }
                Step::Apply { table, name, then } => {
                    let successors = match then {
                        Then::Nothing => Successors::Always(next),
                        Then::HitMiss(hit, miss) => {
                            let hit = self.lower(hit, here, label);
                            let miss = self.lower(miss, here, label);
                            if hit == miss {
                                Successors::Always(hit)
                            } else {
                                Successors::HitMiss { hit, miss }
                            }
                        }
                        Then::Action(cases, otherwise) => {
                            let default = self.lower(otherwise, here, label);
                            let cases: Vec<(ActionId, NodeId)> = cases
                                .iter()
                                .flat_map(|(actions, steps)| {
                                    let target = self.lower(steps, here, label);
                                    actions
                                        .iter()
                                        .map(move |a| (*a, target))
                                        .collect::<Vec<_>>()
                                })
                                .filter(|(_, target)| *target != default)
                                .collect();
                            if cases.is_empty() {
                                Successors::Always(default)
                            } else {
                                Successors::ByAction { cases, default }
                            }
                        }
                    };
                    self.node(name, NodeKind::Apply(*table, successors))
                }
                Step::Scope {
                    steps,
                    catches_exit,
                } => {
                    let exit = if *catches_exit { next } else { exits.exit };
                    let inner = Exits {
                        next,
                        ret: next,
                        exit,
                        finish: exits.finish,
                    };
                    self.lower(steps, inner, label)
                }
            };
        }
        next
    }

    /// Leaves out nodes that cannot be reached, puts the rest in topological order and gives each a
    /// name of its own.
    fn compact(&mut self) {
        let Some(entry) = self.ir.control.entry else {
            return;
        };
        let nodes = &self.ir.control.nodes;
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        // Post-order, then reversed. The graph is acyclic by construction.
        let mut stack = vec![(entry, false)];
        while let Some((id, done)) = stack.pop() {
            if done {
                order.push(id);
            } else if seen.insert(id) {
                stack.push((id, true));
                for next in nodes[id].kind.successors() {
                    stack.push((next, false));
                }
            }
        }
        order.reverse();
        let mut renumbered = vec![None; nodes.len()];
        for (new, old) in order.iter().enumerate() {
            renumbered[old.index()] = Some(NodeId::new(new));
        }
        let mut kept: PrimaryMap<NodeId, Node> = PrimaryMap::new();
        let mut renames = Vec::new();
        for old in &order {
            let mut node = nodes[*old].clone();
            renames.push(node.name.clone());
            for next in node.kind.successors_mut() {
                if let Some(new) = renumbered[next.index()] {
                    *next = new;
                }
            }
            kept.push(node);
        }
        // Numbered along the way of the packet.
        for (node, name) in kept.values_mut().zip(renames) {
            node.name = self.unique("node", &name);
        }
        self.ir.control.nodes = kept;
        self.ir.control.entry = renumbered[entry.index()];
    }
}
