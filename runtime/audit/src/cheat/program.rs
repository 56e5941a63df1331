//! Programs that a cheater runs in place of the agreed ones.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::{NodeId, NodeKind, ObjectKind, Program};

/// A pattern that no payload has, but by a chance of 2^-128.
const NEVER: [u8; 16] = [
    0x9d, 0x3f, 0x71, 0xe8, 0x02, 0xc4, 0x5b, 0xa6, 0x17, 0xdd, 0x80, 0x4e, 0xf3, 0x29, 0xb5, 0x6c,
];

/// The program with nothing to search for; `None` if it searches for nothing.
pub(super) fn without_patterns(agreed: &Program) -> Option<Program> {
    let mut program = agreed.clone();
    let mut any = false;
    for object in program.objects.values_mut() {
        if let ObjectKind::PatternSet { patterns } = &mut object.kind {
            *patterns = vec![NEVER.to_vec()];
            any = true;
        }
    }
    any.then_some(program)
}

/// The program without one of its functions: of those that can be left out, the first by its name.
pub(super) fn without_function(agreed: &Program) -> Option<Program> {
    let groups = Groups::new(agreed);
    let mut functions: Vec<&String> = groups.nodes.keys().collect();
    functions.sort();
    functions.into_iter().find_map(|function| {
        let group = groups.nodes.get(function)?;
        let mut jumps = BTreeMap::new();
        for entry in groups.entries(agreed, group) {
            jumps.insert(entry, way_out(agreed, group, entry)?);
        }
        if jumps.is_empty() {
            return None;
        }
        let mut program = agreed.clone();
        for id in agreed.control.nodes.keys().filter(|id| !group.contains(id)) {
            for next in program.control.nodes[id].kind.successors_mut() {
                *next = jumps.get(next).copied().unwrap_or(*next);
            }
        }
        program.control.entry = program
            .control
            .entry
            .map(|e| jumps.get(&e).copied().unwrap_or(e));
        verified(program)
    })
}

/// The program with two functions in the other order, the first two of which one leads to the other alone.
pub(super) fn reordered(agreed: &Program) -> Option<Program> {
    let groups = Groups::new(agreed);
    for (first, a) in &groups.nodes {
        for (second, b) in &groups.nodes {
            if first == second {
                continue;
            }
            if let Some(program) = swapped(agreed, &groups, a, b) {
                return Some(program);
            }
        }
    }
    None
}

fn swapped(
    agreed: &Program,
    groups: &Groups,
    a: &BTreeSet<NodeId>,
    b: &BTreeSet<NodeId>,
) -> Option<Program> {
    let only = |mut ids: BTreeSet<NodeId>| match (ids.pop_first(), ids.is_empty()) {
        (Some(id), true) => Some(id),
        _ => None,
    };
    let a_entry = only(groups.entries(agreed, a))?;
    let b_entry = only(groups.entries(agreed, b))?;
    let between = only(exits(agreed, a))?;
    let after = only(exits(agreed, b))?;
    if between != b_entry || a.contains(&after) {
        return None;
    }
    let mut program = agreed.clone();
    for id in agreed.control.nodes.keys() {
        let from = (a.contains(&id), b.contains(&id));
        for next in program.control.nodes[id].kind.successors_mut() {
            *next = match from {
                (true, _) if *next == b_entry => after,
                (_, true) if *next == after => a_entry,
                (false, false) if *next == a_entry => b_entry,
                _ => *next,
            };
        }
    }
    if program.control.entry == Some(a_entry) {
        program.control.entry = Some(b_entry);
    }
    verified(program)
}

/// A program that can be run.
fn verified(mut program: Program) -> Option<Program> {
    trisect_ir::transform::remove_unreachable(&mut program);
    trisect_ir::verify(&program).is_ok().then_some(program)
}

/// The nodes of each function.
struct Groups {
    nodes: BTreeMap<String, BTreeSet<NodeId>>,
}

impl Groups {
    fn new(program: &Program) -> Groups {
        let mut nodes: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
        for (id, node) in program.control.nodes.iter() {
            if !node.nf.is_empty() {
                nodes.entry(node.nf.clone()).or_default().insert(id);
            }
        }
        Groups { nodes }
    }

    /// The nodes of a group that others lead to.
    fn entries(&self, program: &Program, group: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let outside = program
            .control
            .nodes
            .iter()
            .filter(|(id, _)| !group.contains(id));
        let next = outside.flat_map(|(_, node)| node.kind.successors());
        let entries = next
            .chain(program.control.entry)
            .filter(|id| group.contains(id));
        entries.collect()
    }
}

/// Where a group leads, but to drops.
fn exits(program: &Program, group: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let next = group
        .iter()
        .flat_map(|id| program.control.nodes[*id].kind.successors());
    let out = next.filter(|id| !group.contains(id));
    out.filter(|id| !matches!(program.control.nodes[*id].kind, NodeKind::Drop))
        .collect()
}

/// The nearest node outside a group that a packet comes to which enters at `entry` and is not dropped.
fn way_out(program: &Program, group: &BTreeSet<NodeId>, entry: NodeId) -> Option<NodeId> {
    let mut level = vec![entry];
    let mut seen = BTreeSet::from([entry]);
    while !level.is_empty() {
        let mut deeper = Vec::new();
        for id in level {
            for next in program.control.nodes[id].kind.successors() {
                if group.contains(&next) {
                    if seen.insert(next) {
                        deeper.push(next);
                    }
                } else if !matches!(program.control.nodes[next].kind, NodeKind::Drop) {
                    return Some(next);
                }
            }
        }
        level = deeper;
    }
    None
}
