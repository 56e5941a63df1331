//! Structured steps of a block, and the way from them to operations and to the control graph.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::{
    ActionId, BinOp, Entity, Expr, HeaderId, LValue, MetaId, Node, NodeId, NodeKind, Op, ParserOp,
    Place, PrimaryMap, StdMeta, Successors, TableId,
};

use super::ops::complement;
use super::value::Footprint;
use super::{Elab, R, error};
use crate::{Span, codes};

/// A place that [`Step::Leave`] goes to: the end of the [`Step::Scope`] with this label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(pub u32);

/// One step of a block.
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
    /// Goes to the end of a scope.
    Leave(Label),
    /// Goes to the end of the innermost scope that catches it, by way of the endings of all scopes between.
    Exit,
    /// Goes to the end of the program.
    Finish,
    /// Steps with an ending (copy-out) that runs however they are left.
    Scope {
        label: Label,
        steps: Vec<Step>,
        ending: Vec<Step>,
        catches_exit: bool,
    },
    /// What only a parser does.
    Parse(ParserOp),
    /// What only a deparser does.
    Emit(HeaderId),
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
        && matches!(&**init, Expr::Meta(meta) if last.place == Place::Meta(*meta))
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

/// Whether the steps, however nested, contain one that satisfies the predicate.
pub(super) fn any_step(steps: &[Step], test: &mut impl FnMut(&Step) -> bool) -> bool {
    steps.iter().any(|step| {
        test(step)
            || match step {
                Step::If(_, a, b) => any_step(a, test) || any_step(b, test),
                Step::Scope { steps, ending, .. } => {
                    any_step(steps, test) || any_step(ending, test)
                }
                Step::Apply { then, .. } => match then {
                    Then::Nothing => false,
                    Then::HitMiss(a, b) => any_step(a, test) || any_step(b, test),
                    Then::Action(cases, other) => {
                        cases.iter().any(|(_, steps)| any_step(steps, test))
                            || any_step(other, test)
                    }
                },
                _ => false,
            }
    })
}

/// Whether `exit` may leave the steps.
pub(super) fn may_exit(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Exit => true,
        Step::If(_, a, b) => may_exit(a) || may_exit(b),
        Step::Scope { catches_exit, .. } if *catches_exit => false,
        Step::Scope { steps, ending, .. } => may_exit(steps) || may_exit(ending),
        Step::Apply { then, .. } => match then {
            Then::Nothing => false,
            Then::HitMiss(a, b) => may_exit(a) || may_exit(b),
            Then::Action(cases, other) => {
                cases.iter().any(|(_, steps)| may_exit(steps)) || may_exit(other)
            }
        },
        _ => false,
    })
}

/// Whether the steps can be an action's operations: no look-up, no parsing, no deparsing.
pub(super) fn only_ops(steps: &[Step]) -> bool {
    !any_step(steps, &mut |step| {
        matches!(
            step,
            Step::Apply { .. } | Step::Parse(_) | Step::Emit(_) | Step::Finish
        )
    })
}

/// What the steps write.
pub(super) fn writes(steps: &[Step]) -> Footprint {
    let mut found = Footprint::default();
    any_step(steps, &mut |step| {
        match step {
            Step::Ops { ops, .. } => ops.iter().for_each(|op| found.writes(op)),
            // Its actions may write anything.
            Step::Apply { .. } => found.all = true,
            Step::Parse(op) => match op {
                ParserOp::Extract { header, .. } => {
                    found.headers.insert(*header);
                    found.packet = true;
                }
                ParserOp::Advance(_) => found.packet = true,
                ParserOp::Set(target, _) => found.writes_to(target),
                _ => {}
            },
            _ => {}
        }
        false
    });
    found
}

/// Whether control reaches the end of the steps.
fn falls_through(steps: &[Step]) -> bool {
    steps.iter().all(|step| match step {
        Step::Leave(_) | Step::Exit | Step::Finish => false,
        Step::If(_, a, b) => falls_through(a) || falls_through(b),
        _ => true,
    })
}

/// How deep `If`s are nested for what follows a branch that leaves, before a flag is used instead.
const MAX_NESTING: u32 = 8;

/// The way from steps to the operations of an action. Where a branch leaves, what follows is put into the
/// other branch, or, where that is not possible, depends on a flag.
struct Flat<'e, 'a> {
    elab: &'e mut Elab<'a>,
    flags: BTreeMap<Label, MetaId>,
    span: Span,
}

/// Where steps may go besides to their end.
#[derive(Clone, Default)]
struct Leaves {
    labels: BTreeSet<Label>,
    exit: bool,
}

impl Leaves {
    fn none(&self) -> bool {
        self.labels.is_empty() && !self.exit
    }
    fn add(&mut self, other: Leaves) {
        self.labels.extend(other.labels);
        self.exit |= other.exit;
    }
}

/// How `Leave` is to be translated.
#[derive(Clone, Copy)]
struct Mode {
    /// The scope whose end can be reached by doing nothing more.
    innermost: Option<Label>,
    /// Whether a flag must be set all the same.
    flag: bool,
    depth: u32,
}

impl Flat<'_, '_> {
    /// Appends steps. Behind one that may leave, all others depend on its not having done so, each on its own:
    /// so a loop of many turns does not nest.
    fn steps(&mut self, steps: &[Step], mode: Mode, out: &mut Vec<Op>) -> R<Leaves> {
        let mut leaves = Leaves::default();
        let mut guard: Option<Expr> = None;
        let mut ops = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let rest = &steps[i + 1..];
            if let Step::If(cond, a, b) = step
                && mode.depth < MAX_NESTING
                && (!falls_through(a) || !falls_through(b))
            {
                // What follows belongs to the branch that does not leave.
                let joined = |steps: &[Step]| match falls_through(steps) {
                    true => [steps, rest].concat(),
                    false => steps.to_vec(),
                };
                let deeper = Mode {
                    depth: mode.depth + 1,
                    ..mode
                };
                leaves.add(self.branches(cond, &joined(a), &joined(b), deeper, &mut ops)?);
                break;
            }
            let found = self.step(step, !rest.is_empty(), mode, &mut ops)?;
            if found.none() {
                continue;
            }
            leaves.add(found);
            if rest.is_empty() || !falls_through(std::slice::from_ref(step)) {
                break;
            }
            guarded(guard.take(), std::mem::take(&mut ops), out);
            guard = self.stays(&leaves);
        }
        guarded(guard, ops, out);
        Ok(leaves)
    }

    /// One step; `more`: others follow it.
    fn step(&mut self, step: &Step, more: bool, mode: Mode, out: &mut Vec<Op>) -> R<Leaves> {
        let mut leaves = Leaves::default();
        match step {
            Step::Ops { ops, .. } => ops.iter().for_each(|op| merge_op(out, op.clone())),
            Step::Leave(label) => {
                if mode.flag || mode.innermost != Some(*label) {
                    let flag = self.flag(*label);
                    out.push(Op::Set(LValue::meta(flag), Expr::num(1, 1)));
                }
                leaves.labels.insert(*label);
            }
            Step::Exit => {
                let flag = self.elab.exit_flag();
                out.push(Op::Set(LValue::meta(flag), Expr::num(1, 1)));
                leaves.exit = true;
            }
            Step::If(cond, a, b) => {
                let inner = Mode {
                    flag: mode.flag || more,
                    ..mode
                };
                return self.branches(cond, a, b, inner, out);
            }
            Step::Scope {
                label,
                steps,
                ending,
                catches_exit: _,
            } => {
                let inner = Mode {
                    innermost: Some(*label),
                    flag: false,
                    depth: mode.depth,
                };
                let mut ops = Vec::new();
                leaves = self.steps(steps, inner, &mut ops)?;
                leaves.labels.remove(label);
                if let Some(flag) = self.flags.remove(label) {
                    out.push(Op::Set(LValue::meta(flag), Expr::num(1, 0)));
                }
                ops.into_iter().for_each(|op| merge_op(out, op));
                let ending = self.steps(ending, mode, out)?;
                leaves.add(ending);
            }
            Step::Apply { .. } | Step::Parse(_) | Step::Emit(_) | Step::Finish => {
                return Err(error(
                    codes::MISPLACED,
                    self.span,
                    "a table cannot be applied, and the packet not be read or written, in an action",
                ));
            }
        }
        Ok(leaves)
    }

    fn branches(
        &mut self,
        cond: &Expr,
        a: &[Step],
        b: &[Step],
        mode: Mode,
        out: &mut Vec<Op>,
    ) -> R<Leaves> {
        let (mut then, mut otherwise) = (Vec::new(), Vec::new());
        let mut leaves = self.steps(a, mode, &mut then)?;
        leaves.add(self.steps(b, mode, &mut otherwise)?);
        if !then.is_empty() || !otherwise.is_empty() {
            out.push(Op::If(cond.clone(), then, otherwise));
        }
        Ok(leaves)
    }

    fn flag(&mut self, label: Label) -> MetaId {
        if let Some(flag) = self.flags.get(&label) {
            return *flag;
        }
        let flag = self.elab.temporary("left", 1);
        self.flags.insert(label, flag);
        flag
    }

    /// The condition that none of these ways was taken; `None` if there are none.
    fn stays(&mut self, leaves: &Leaves) -> Option<Expr> {
        if leaves.none() {
            return None;
        }
        let mut flags: Vec<MetaId> = Vec::new();
        for label in &leaves.labels {
            flags.push(self.flag(*label));
        }
        if leaves.exit {
            flags.push(self.elab.exit_flag());
        }
        let left = flags.into_iter().map(Expr::Meta).reduce(Expr::or)?;
        Some(left.not())
    }
}

/// Appends operations that depend on a condition, or on none.
fn guarded(guard: Option<Expr>, ops: Vec<Op>, out: &mut Vec<Op>) {
    match guard {
        None => ops.into_iter().for_each(|op| merge_op(out, op)),
        Some(_) if ops.is_empty() => {}
        Some(guard) => out.push(Op::If(guard, ops, Vec::new())),
    }
}

impl<'a> Elab<'a> {
    /// The steps of an action or function as operations. An `exit` sets the exit flag and does nothing more.
    pub(super) fn operations(&mut self, steps: &[Step], span: Span) -> R<Vec<Op>> {
        let mut ops = Vec::new();
        let mode = Mode {
            innermost: None,
            flag: false,
            depth: 0,
        };
        let mut flat = Flat {
            elab: self,
            flags: BTreeMap::new(),
            span,
        };
        flat.steps(steps, mode, &mut ops)?;
        Ok(ops)
    }

    /// The flag by which an action says that it ran into `exit`.
    pub(super) fn exit_flag(&mut self) -> MetaId {
        if let Some(flag) = self.exit_flag {
            return flag;
        }
        let slot = self.new_slot("exit", 1);
        let flag = self.slot_meta(slot);
        self.exit_flag = Some(flag);
        flag
    }
}

// --------------------------------------------------------------------------- control graph

/// Where control goes from the end of some steps.
#[derive(Clone, Copy)]
struct Exits {
    next: NodeId,
    exit: NodeId,
    finish: NodeId,
}

impl<'a> Elab<'a> {
    /// Builds the control graph: the steps, then `Drop` if a drop reason is set, else `Emit`.
    pub(super) fn build_graph(&mut self, steps: &[Step], label: &str) -> R<()> {
        let emit = self.node("emit", NodeKind::Emit);
        let drop = self.node("drop", NodeKind::Drop);
        let dropped = Expr::binary(BinOp::Ne, StdMeta::Drop.get(), Expr::num(16, 0));
        let end = self.node("end", NodeKind::Branch(dropped, drop, emit));
        let exits = Exits {
            next: end,
            exit: end,
            finish: end,
        };
        let mut labels = BTreeMap::new();
        let entry = self.lower(steps, exits, &mut labels, label)?;
        self.ir.control.entry = Some(entry);
        self.compact();
        Ok(())
    }

    fn node(&mut self, name: &str, kind: NodeKind) -> NodeId {
        self.ir.control.nodes.push(Node {
            name: name.to_owned(),
            nf: String::new(),
            kind,
        })
    }

    /// The node where the steps begin.
    fn lower(
        &mut self,
        steps: &[Step],
        exits: Exits,
        labels: &mut BTreeMap<Label, NodeId>,
        label: &str,
    ) -> R<NodeId> {
        let mut next = exits.next;
        for step in steps.iter().rev() {
            let here = Exits { next, ..exits };
            next = match step {
                // A label that is not there belongs to a scope that was left out: it cannot be reached.
                Step::Leave(to) => labels.get(to).copied().unwrap_or(next),
                Step::Exit => exits.exit,
                Step::Finish => exits.finish,
                Step::Ops { ops, .. } if ops.is_empty() => next,
                Step::Ops { name, ops } => {
                    let fallback = format!("{label}.do");
                    let name = name.as_deref().unwrap_or(&fallback);
                    self.node(name, NodeKind::Exec(ops.clone(), next))
                }
                Step::If(cond, a, b) => {
                    let a = self.lower(a, here, labels, label)?;
                    let b = self.lower(b, here, labels, label)?;
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
                    let successors = self.successors(then, here, labels, label)?;
                    self.node(name, NodeKind::Apply(*table, successors))
                }
                Step::Scope {
                    label: own,
                    steps,
                    ending,
                    catches_exit,
                } => {
                    let after = self.lower(ending, here, labels, label)?;
                    let exit = match (*catches_exit, ending.is_empty() || !may_exit(steps)) {
                        (true, _) => after,
                        (false, true) => exits.exit,
                        (false, false) => {
                            let out = Exits {
                                next: exits.exit,
                                ..exits
                            };
                            self.lower(ending, out, labels, label)?
                        }
                    };
                    labels.insert(*own, after);
                    let inner = Exits {
                        next: after,
                        exit,
                        finish: exits.finish,
                    };
                    self.lower(steps, inner, labels, label)?
                }
                Step::Parse(_) | Step::Emit(_) => {
                    return Err(error(
                        codes::MISPLACED,
                        Span::default(),
                        "the packet is read in parsers and written in deparsers only",
                    ));
                }
            };
            self.spend(1)?;
        }
        Ok(next)
    }

    fn successors(
        &mut self,
        then: &Then,
        here: Exits,
        labels: &mut BTreeMap<Label, NodeId>,
        label: &str,
    ) -> R<Successors> {
        Ok(match then {
            Then::Nothing => Successors::Always(here.next),
            Then::HitMiss(hit, miss) => {
                let hit = self.lower(hit, here, labels, label)?;
                let miss = self.lower(miss, here, labels, label)?;
                if hit == miss {
                    Successors::Always(hit)
                } else {
                    Successors::HitMiss { hit, miss }
                }
            }
            Then::Action(cases, otherwise) => {
                let default = self.lower(otherwise, here, labels, label)?;
                let mut found: Vec<(ActionId, NodeId)> = Vec::new();
                for (actions, steps) in cases {
                    let target = self.lower(steps, here, labels, label)?;
                    for action in actions {
                        if target != default && !found.iter().any(|(a, _)| a == action) {
                            found.push((*action, target));
                        }
                    }
                }
                if found.is_empty() {
                    Successors::Always(default)
                } else {
                    Successors::ByAction {
                        cases: found,
                        default,
                    }
                }
            }
        })
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

/// `If(cond, a, b)`, decided if the condition is known.
pub(super) fn branch(cond: Expr, a: Vec<Step>, b: Vec<Step>) -> Vec<Step> {
    match cond {
        Expr::Const(bits) if bits.is_zero() => b,
        Expr::Const(_) => a,
        _ if a.is_empty() && b.is_empty() => Vec::new(),
        cond if a.is_empty() => vec![Step::If(complement(cond), b, a)],
        cond => vec![Step::If(cond, a, b)],
    }
}
