//! Which headers are certainly valid where.
//!
//! The IR reads 0 from an invalid header; P4 leaves that open, and BMv2 gives what the last packet
//! left there. So the emitted program asks `isValid()` before it reads, except where this analysis
//! shows that the header is valid.

use std::collections::BTreeSet;

use trisect_ir::{
    ActionId, BinOp, Expr, HeaderId, NodeId, NodeKind, Op, ParseTarget, ParserOp, PrimaryMap,
    Program, StateId, Transition, UnOp,
};

/// Headers that are certainly valid.
pub(crate) type Valid = BTreeSet<HeaderId>;

/// What a condition says about headers where it has the value `holds`.
pub(crate) fn implied(cond: &Expr, holds: bool) -> Valid {
    match cond {
        Expr::Valid(header) if holds => Valid::from([*header]),
        Expr::Unary(UnOp::Not, inner) => implied(inner, !holds),
        Expr::Binary(BinOp::And, a, b) if holds => &implied(a, true) | &implied(b, true),
        Expr::Binary(BinOp::Or, a, b) if !holds => &implied(a, false) | &implied(b, false),
        _ => Valid::new(),
    }
}

/// What is valid after an operation.
pub(crate) fn after_op(op: &Op, valid: &mut Valid) {
    match op {
        Op::SetValid(header) => {
            valid.insert(*header);
        }
        Op::SetInvalid(header) => {
            valid.remove(header);
        }
        Op::Copy { dst, src } => {
            if valid.contains(src) {
                valid.insert(*dst);
            } else {
                valid.remove(dst);
            }
        }
        Op::If(cond, then, otherwise) => {
            let arm = |ops: &[Op], holds| {
                let mut valid = &*valid | &implied(cond, holds);
                ops.iter().for_each(|op| after_op(op, &mut valid));
                valid
            };
            *valid = &arm(then, true) & &arm(otherwise, false);
        }
        _ => {}
    }
}

/// What is valid after an operation of the parser.
pub(crate) fn after_parser_op(op: &ParserOp, valid: &mut Valid) {
    match op {
        ParserOp::Extract { header, .. } | ParserOp::SetValid(header) => {
            valid.insert(*header);
        }
        ParserOp::SetInvalid(header) => {
            valid.remove(header);
        }
        ParserOp::Copy { dst, src } => {
            if valid.contains(src) {
                valid.insert(*dst);
            } else {
                valid.remove(dst);
            }
        }
        ParserOp::Advance(_)
        | ParserOp::Set(..)
        | ParserOp::CopyVarbit { .. }
        | ParserOp::Verify(..) => {}
    }
}

/// Valid headers at the start of each node, action and parser state.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub nodes: PrimaryMap<NodeId, Valid>,
    pub actions: PrimaryMap<ActionId, Valid>,
    pub states: PrimaryMap<StateId, Valid>,
}

impl Facts {
    pub(crate) fn new(program: &Program, order: &[NodeId]) -> Self {
        let mut at: PrimaryMap<NodeId, Option<Valid>> =
            program.control.nodes.values().map(|_| None).collect();
        let mut actions: PrimaryMap<ActionId, Option<Valid>> =
            program.actions.values().map(|_| None).collect();
        if let Some(entry) = program.control.entry {
            // A parse may end anywhere.
            at[entry] = Some(Valid::new());
        }
        for node in order {
            let before = at[*node].clone().unwrap_or_default();
            let kind = &program.control.nodes[*node].kind;
            match kind {
                NodeKind::Branch(cond, yes, no) => {
                    meet(&mut at[*yes], &before | &implied(cond, true));
                    meet(&mut at[*no], &before | &implied(cond, false));
                }
                NodeKind::Apply(table, successors) => {
                    let table = &program.tables[*table];
                    let called = table.actions.iter().chain([&table.default.action]);
                    let mut all: Option<Valid> = None;
                    for action in called {
                        meet(&mut actions[*action], before.clone());
                        let mut valid = before.clone();
                        let ops = &program.actions[*action].ops;
                        ops.iter().for_each(|op| after_op(op, &mut valid));
                        meet(&mut all, valid);
                    }
                    let after = all.unwrap_or(before);
                    for target in successors.targets() {
                        meet(&mut at[target], after.clone());
                    }
                }
                NodeKind::Exec(ops, next) => {
                    let mut valid = before;
                    ops.iter().for_each(|op| after_op(op, &mut valid));
                    meet(&mut at[*next], valid);
                }
                NodeKind::Reparse(next) => meet(&mut at[*next], Valid::new()),
                NodeKind::Emit | NodeKind::Drop => {}
            }
        }
        Self {
            nodes: at.values().map(|v| v.clone().unwrap_or_default()).collect(),
            actions: actions
                .values()
                .map(|v| v.clone().unwrap_or_default())
                .collect(),
            states: parser_states(program),
        }
    }
}

/// Both ways lead here: only what both say holds.
fn meet(at: &mut Option<Valid>, valid: Valid) {
    *at = Some(match at.take() {
        None => valid,
        Some(before) => &before & &valid,
    });
}

fn parser_states(program: &Program) -> PrimaryMap<StateId, Valid> {
    let states = &program.parser.states;
    let mut at: PrimaryMap<StateId, Option<Valid>> = states.values().map(|_| None).collect();
    let mut work: Vec<StateId> = program.parser.start.into_iter().collect();
    for start in &work {
        at[*start] = Some(Valid::new());
    }
    while let Some(id) = work.pop() {
        let mut valid = at[id].clone().unwrap_or_default();
        for op in &states[id].ops {
            after_parser_op(op, &mut valid);
        }
        for target in targets(&states[id].next) {
            let before = at[target].clone();
            meet(&mut at[target], valid.clone());
            if at[target] != before {
                work.push(target);
            }
        }
    }
    at.values().map(|v| v.clone().unwrap_or_default()).collect()
}

fn targets(next: &Transition) -> Vec<StateId> {
    let all: Vec<ParseTarget> = match next {
        Transition::Goto(target) => vec![*target],
        Transition::Select(_, cases) => cases.iter().map(|case| case.target).collect(),
    };
    let state = |target| match target {
        ParseTarget::State(state) => Some(state),
        ParseTarget::Accept | ParseTarget::Reject => None,
    };
    all.into_iter().filter_map(state).collect()
}
