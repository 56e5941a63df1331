//! Removing what control never gets to.

use super::Remap;
use super::remap::compact;
use crate::analysis::graph::reachable;
use crate::{Entity, NodeKind, Op, PrimaryMap, Program, StateId};
use std::collections::BTreeSet;

/// Removes nodes that the entry does not reach, tables that no node applies, actions that no
/// table names, objects that no operation uses, and parser states that the start does not reach.
/// Headers, metadata and drop reasons stay.
pub fn remove_unreachable(program: &mut Program) {
    super::pass("remove_unreachable", program, run);
}

/// Removes parser states that the start does not reach.
pub(super) fn remove_unreachable_states(program: &mut Program) {
    let mut kept = vec![false; program.parser.states.len()];
    for state in reached_states(program) {
        kept[state.index()] = true;
    }
    let remap = Remap {
        states: compact(kept.iter().copied()),
        ..Remap::identity(program)
    };
    retain(&mut program.parser.states, &kept, |s| remap.state(s));
    if let Some(start) = &mut program.parser.start {
        *start = remap.states[start.index()];
    }
}

fn reached_states(p: &Program) -> BTreeSet<StateId> {
    match p.parser.start {
        Some(start) => reachable(start, |s| p.parser.states[s].next.states()),
        None => BTreeSet::new(),
    }
}

fn run(program: &mut Program) {
    let keep = Keep::new(program);
    let remap = Remap {
        states: compact(keep.states.iter().copied()),
        actions: compact(keep.actions.iter().copied()),
        tables: compact(keep.tables.iter().copied()),
        objects: compact(keep.objects.iter().copied()),
        nodes: compact(keep.nodes.iter().copied()),
        ..Remap::identity(program)
    };
    retain(&mut program.control.nodes, &keep.nodes, |n| remap.node(n));
    retain(&mut program.tables, &keep.tables, |t| remap.table(t));
    retain(&mut program.actions, &keep.actions, |a| remap.action(a));
    retain(&mut program.objects, &keep.objects, |_| {});
    retain(&mut program.parser.states, &keep.states, |s| remap.state(s));
    if let Some(entry) = &mut program.control.entry {
        *entry = remap.nodes[entry.index()];
    }
    if let Some(start) = &mut program.parser.start {
        *start = remap.states[start.index()];
    }
}

/// Keeps and renumbers the entities that are marked.
pub(super) fn retain<K: Entity, V>(
    map: &mut PrimaryMap<K, V>,
    keep: &[bool],
    mut renumber: impl FnMut(&mut V),
) {
    let all = std::mem::take(map);
    *map = all
        .into_values()
        .zip(keep)
        .filter(|(_, keep)| **keep)
        .map(|(mut value, _)| {
            renumber(&mut value);
            value
        })
        .collect();
}

#[derive(Default)]
struct Keep {
    nodes: Vec<bool>,
    tables: Vec<bool>,
    actions: Vec<bool>,
    objects: Vec<bool>,
    states: Vec<bool>,
}

impl Keep {
    fn new(p: &Program) -> Self {
        let mut keep = Self {
            nodes: vec![false; p.control.nodes.len()],
            tables: vec![false; p.tables.len()],
            actions: vec![false; p.actions.len()],
            objects: vec![false; p.objects.len()],
            states: vec![false; p.parser.states.len()],
        };
        for state in reached_states(p) {
            keep.states[state.index()] = true;
        }
        let Some(entry) = p.control.entry else {
            return keep;
        };
        for node in reachable(entry, |n| p.control.nodes[n].kind.successors()) {
            keep.nodes[node.index()] = true;
            match &p.control.nodes[node].kind {
                NodeKind::Apply(table, _) => {
                    keep.tables[table.index()] = true;
                    for action in &p.tables[*table].actions {
                        keep.actions[action.index()] = true;
                        keep.ops(&p.actions[*action].ops);
                    }
                }
                NodeKind::Exec(ops, _) => keep.ops(ops),
                _ => {}
            }
        }
        keep
    }

    fn ops(&mut self, ops: &[Op]) {
        for op in ops {
            op.walk(&mut |op| {
                if let Some(object) = op.object() {
                    self.objects[object.index()] = true;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;

    #[test]
    fn only_what_is_reached_stays() {
        let source = include_str!("../text/example.tri");
        let mut program: Program = source.parse().unwrap();
        let whole = program.clone();
        remove_unreachable(&mut program);
        let names = |p: &Program| {
            p.tables
                .values()
                .map(|t| t.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&program), names(&whole));

        // A hit of the ACL now leaves at once.
        let source = source.replace("apply acl hit -> route", "apply acl hit -> send");
        let mut program: Program = source.parse().unwrap();
        remove_unreachable(&mut program);
        verify(&program).unwrap();
        assert_eq!(names(&program), ["acl"]);
        let nodes: Vec<_> = program.control.nodes.values().map(|n| &n.name).collect();
        assert_eq!(nodes, ["look", "send", "away"]);
        assert_eq!(program.actions.len(), 1);
        assert!(program.objects.is_empty());
        assert_eq!(program.metas, whole.metas);
    }
}
