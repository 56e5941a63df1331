//! Leaves out the parser states whose result nobody looks at.
//!
//! A piece of a pipeline seldom needs all headers. What is not extracted is payload, and deparses to
//! the same bytes, so a state may be left out (parsing then ends in front of it) if
//!
//! - everything it and the states behind it extract is unused: no field of it is read or written, and
//!   its validity is not asked for or changed,
//! - these states have no other effect: nothing assigned, nothing skipped, and nobody reads
//!   `parser_error`,
//! - headers are extracted in the order in which they are emitted, and no header that an operation
//!   makes valid is emitted behind one that is left out.

use crate::info::{Info, successors};
use std::collections::BTreeSet;
use trisect_ir::{
    Entity, Expr, HeaderId, LValue, NodeKind, Op, ParseTarget, ParserOp, Place, Program, StateId,
    StdMeta, Transition,
};

/// The program with a parser that ends as early as possible.
pub fn prune(program: &Program) -> Program {
    let info = Info::new(program);
    let mut out = program.clone();
    if !info.in_order || info.read.contains(&StdMeta::ParserError.id()) {
        return out;
    }
    let last_made = info
        .scratch
        .iter()
        .filter_map(|h| program.deparser.iter().position(|d| d == h))
        .max();
    let used = used_headers(program);
    let droppable = |header: HeaderId| {
        let at = program.deparser.iter().position(|d| *d == header);
        !used.contains(&header) && at.is_some() && at > last_made
    };
    let mut needed: BTreeSet<StateId> = info
        .states
        .iter()
        .copied()
        .filter(|s| {
            program.parser.states[*s].ops.iter().any(|op| match op {
                ParserOp::Extract { header, .. } => !droppable(*header),
                ParserOp::Advance(_) | ParserOp::Set(..) => true,
                ParserOp::Verify(..) => false,
            })
        })
        .collect();
    loop {
        let before = needed.len();
        for state in &info.states {
            if successors(program, *state)
                .iter()
                .any(|s| needed.contains(s))
            {
                needed.insert(*state);
            }
        }
        if needed.len() == before {
            break;
        }
    }
    shorten(&mut out, &needed);
    out
}

/// Ends parsing where only states that are not needed would follow.
fn shorten(program: &mut Program, needed: &BTreeSet<StateId>) {
    let end = |target: &mut ParseTarget| match target {
        ParseTarget::State(state) if needed.contains(state) => {}
        _ => *target = ParseTarget::Accept,
    };
    if program.parser.start.is_some_and(|s| !needed.contains(&s)) {
        program.parser.start = None;
    }
    for index in 0..program.parser.states.len() {
        let Some(state) = program.parser.states.get_mut(StateId::new(index)) else {
            continue;
        };
        match &mut state.next {
            Transition::Goto(target) => end(target),
            Transition::Select(_, cases) => {
                for case in cases.iter_mut() {
                    end(&mut case.target);
                }
                // Cases at the end that only end parsing are what happens anyway.
                while cases
                    .last()
                    .is_some_and(|c| c.target == ParseTarget::Accept)
                {
                    cases.pop();
                }
                if cases.is_empty() {
                    state.next = Transition::Goto(ParseTarget::Accept);
                }
            }
        }
    }
}

/// Headers that control, actions or table keys look at or change.
fn used_headers(program: &Program) -> BTreeSet<HeaderId> {
    let mut used = BTreeSet::new();
    for node in program.control.nodes.values() {
        match &node.kind {
            NodeKind::Branch(cond, ..) => in_expr(cond, &mut used),
            NodeKind::Exec(ops, _) => in_ops(ops, &mut used),
            NodeKind::Apply(..) | NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {}
        }
    }
    for table in program.tables.values() {
        for key in &table.keys {
            in_expr(&key.expr, &mut used);
        }
    }
    for action in program.actions.values() {
        in_ops(&action.ops, &mut used);
    }
    used
}

fn in_expr(expr: &Expr, used: &mut BTreeSet<HeaderId>) {
    expr.walk(&mut |e| match e {
        Expr::Field(field) => {
            used.insert(field.header);
        }
        Expr::Valid(header) => {
            used.insert(*header);
        }
        _ => {}
    });
}

fn in_target(to: &LValue, used: &mut BTreeSet<HeaderId>) {
    if let Place::Field(field) = to.place {
        used.insert(field.header);
    }
}

fn in_ops(ops: &[Op], used: &mut BTreeSet<HeaderId>) {
    for op in ops {
        match op {
            Op::Set(to, value) => {
                in_target(to, used);
                in_expr(value, used);
            }
            Op::SetValid(header) | Op::SetInvalid(header) => {
                used.insert(*header);
            }
            Op::Copy { dst, src } => used.extend([*dst, *src]),
            Op::If(cond, yes, no) => {
                in_expr(cond, used);
                in_ops(yes, used);
                in_ops(no, used);
            }
            Op::Count(_, index) => in_index(index, used),
            Op::Meter {
                index, color, dst, ..
            } => {
                in_index(index, used);
                color.iter().for_each(|c| in_expr(c, used));
                in_target(dst, used);
            }
            Op::Read { index, dst, .. } => {
                in_expr(index, used);
                in_target(dst, used);
            }
            Op::Write { index, value, .. } => {
                in_expr(index, used);
                in_expr(value, used);
            }
            Op::Search { after, dst, .. } => {
                used.insert(*after);
                in_target(dst, used);
            }
            Op::Allocate { ok, value, .. } => {
                in_target(ok, used);
                in_target(value, used);
            }
            Op::Touch(_, number) => in_expr(number, used),
            Op::AddEntry { args, profile, .. } => {
                args.iter().for_each(|a| in_expr(a, used));
                in_expr(profile, used);
            }
            Op::SetExpire { profile, .. } => in_expr(profile, used),
        }
    }
}

fn in_index(index: &trisect_ir::Index, used: &mut BTreeSet<HeaderId>) {
    if let trisect_ir::Index::At(e) = index {
        in_expr(e, used);
    }
}
