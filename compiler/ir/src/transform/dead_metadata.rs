//! Removing metadata that nobody reads.

use super::Remap;
use super::remap::compact;
use super::unreachable::retain;
use crate::{Expr, MetaId, NodeKind, Op, ParserOp, Place, Program, StdMeta};
use std::collections::BTreeSet;

/// Removes user metadata that is never read, with its assignments. Standard metadata, the
/// metadata of output attributes and that in `keep` (what a device hands on, for example) stay.
/// Operations that do more than assigning keep their target.
pub fn remove_dead_metadata(program: &mut Program, keep: &BTreeSet<MetaId>) {
    // What is only read to compute what is not needed goes in the next round.
    super::pass("remove_dead_metadata", program, |program| {
        while remove_once(program, keep) {}
    });
}

fn remove_once(program: &mut Program, keep: &BTreeSet<MetaId>) -> bool {
    let mut live: BTreeSet<MetaId> = StdMeta::ALL.iter().map(|(m, _, _)| m.id()).collect();
    live.extend(keep);
    live.extend(program.attributes.iter().map(|a| a.meta));
    reads(program, &mut live);
    let is_dead =
        |to: &crate::LValue| matches!(to.place, Place::Meta(meta) if !live.contains(&meta));
    let mut changed = false;
    for state in program.parser.states.values_mut() {
        let before = state.ops.len();
        // Looking ahead may fail, which is an effect.
        state
            .ops
            .retain(|op| !matches!(op, ParserOp::Set(to, e) if is_dead(to) && !looks_ahead(e)));
        changed |= state.ops.len() != before;
    }
    for ops in op_lists(program) {
        changed |= remove_sets(ops, &is_dead);
    }
    changed
}

fn looks_ahead(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |e| found |= matches!(e, Expr::Lookahead { .. }));
    found
}

fn op_lists(program: &mut Program) -> impl Iterator<Item = &mut Vec<Op>> {
    let nodes = program.control.nodes.values_mut();
    let nodes = nodes.filter_map(|node| match &mut node.kind {
        NodeKind::Exec(ops, _) => Some(ops),
        _ => None,
    });
    let actions = program.actions.values_mut().map(|action| &mut action.ops);
    actions.chain(nodes)
}

fn remove_sets(ops: &mut Vec<Op>, is_dead: &impl Fn(&crate::LValue) -> bool) -> bool {
    let before = ops.len();
    ops.retain(|op| !matches!(op, Op::Set(to, _) if is_dead(to)));
    let mut changed = ops.len() != before;
    for op in ops {
        if let Op::If(_, yes, no) = op {
            changed |= remove_sets(yes, is_dead);
            changed |= remove_sets(no, is_dead);
        }
    }
    changed
}

fn reads(program: &Program, live: &mut BTreeSet<MetaId>) {
    let mut read = |expr: &Expr| {
        expr.walk(&mut |e| {
            if let Expr::Meta(meta) = e {
                live.insert(*meta);
            }
        });
    };
    for state in program.parser.states.values() {
        let ops = state.ops.iter().flat_map(ParserOp::exprs);
        ops.chain(state.next.exprs()).for_each(&mut read);
    }
    for table in program.tables.values() {
        table.exprs().for_each(&mut read);
    }
    let mut read_ops = |ops: &[Op]| {
        for op in ops {
            op.walk(&mut |op| op.exprs().into_iter().for_each(&mut read));
        }
    };
    for action in program.actions.values() {
        read_ops(&action.ops);
    }
    for node in program.control.nodes.values() {
        if let NodeKind::Exec(ops, _) = &node.kind {
            read_ops(ops);
        }
    }
    for node in program.control.nodes.values() {
        if let NodeKind::Branch(cond, _, _) = &node.kind {
            read(cond);
        }
    }
}

/// Removes the declarations of user metadata that nothing mentions any more, not even an
/// attribute. Ids change.
pub fn remove_unused_metas(program: &mut Program, keep: &BTreeSet<MetaId>) {
    super::pass("remove_unused_metas", program, |program| {
        remove_unused(program, keep);
    });
}

fn remove_unused(program: &mut Program, keep: &BTreeSet<MetaId>) {
    let mut used: BTreeSet<MetaId> = StdMeta::ALL.iter().map(|(m, _, _)| m.id()).collect();
    used.extend(keep);
    used.extend(program.attributes.iter().map(|a| a.meta));
    reads(program, &mut used);
    let mut written = |to: &crate::LValue| {
        if let Place::Meta(meta) = to.place {
            used.insert(meta);
        }
    };
    for op in program.parser.states.values().flat_map(|s| &s.ops) {
        if let ParserOp::Set(to, _) = op {
            written(to);
        }
    }
    for ops in op_lists(program) {
        for op in ops {
            op.walk(&mut |op| op.targets().into_iter().for_each(&mut written));
        }
    }
    let kept: Vec<bool> = program.metas.keys().map(|m| used.contains(&m)).collect();
    let remap = Remap {
        metas: compact(kept.iter().copied()),
        ..Remap::identity(program)
    };
    retain(&mut program.metas, &kept, |_| {});
    for attribute in &mut program.attributes {
        attribute.meta = remap.metas[attribute.meta.0 as usize];
    }
    remap.everything(program);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;

    #[test]
    fn chains_of_unread_metadata_go_and_effects_stay() {
        let mut program: Program = "program p
            meta a: 16 meta b: 16 meta c: 1 meta v: 16
            attribute v = $v { }
            allocator n width 16 base 0 size 4 idle 1
            entry x
            node x: exec {
                $a = $egress_port
                if ($b == 16w0x0) { $b = $a }
                $v = 16w0x1
                $c, $b = allocate(n)
            } -> y
            node y: emit"
            .parse()
            .unwrap();
        remove_dead_metadata(&mut program, &BTreeSet::new());
        verify(&program).unwrap();
        assert!(
            program.to_string().contains("$b = $a"),
            "the condition reads $b"
        );

        let text = program.to_string().replace("$b == 16w0x0", "$v == 16w0x0");
        let mut program: Program = text.parse().unwrap();
        remove_dead_metadata(&mut program, &BTreeSet::new());
        remove_unused_metas(&mut program, &BTreeSet::new());
        verify(&program).unwrap();
        let text = program.to_string();
        assert!(!text.contains("$a"), "{text}");
        assert!(
            text.contains("$c, $b = allocate(n)") && text.contains("$v = 16w0x1"),
            "{text}"
        );
        assert!(program.meta_named("a").is_none() && program.meta_named("v").is_some());
        assert_eq!(program.attributes[0].meta, program.meta_named("v").unwrap());
    }
}
