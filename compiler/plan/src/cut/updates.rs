//! Changes of tables by the control plane: a device takes so many in a second and no more.
//!
//! The figures of policy and descriptions are per entry. A switch holds a table once, so a change is one update of
//! it; a NIC holds rules for each node that applies the table, and an entry may be several of them.

use crate::facts::Facts;
use crate::merge::Merged;
use crate::site::Site;
use std::collections::BTreeMap;
use trisect_ir::{Entity, NodeId, NodeKind, Program, TableId};
use trisect_target::{Resources, Use, Verdict, resource};

/// The quantity of which a change takes something, if a device states how much of it there is.
pub(super) fn quantity(budget: &Resources) -> Option<&'static str> {
    let names = [resource::UPDATES, resource::INSERTIONS];
    names.into_iter().find(|name| budget.get(name).is_some())
}

/// The table that a node applies.
pub(super) fn applied(program: &Program, node: NodeId) -> Option<TableId> {
    match program.control.nodes[node].kind {
        NodeKind::Apply(table, _) => Some(table),
        _ => None,
    }
}

/// Adds to what nodes use on switch and NICs what the changes of their tables take there at the offered
/// rates. `frequency` is that of nodes, as a part of all packets.
pub(super) fn book(
    verdicts: &mut [BTreeMap<Site, Verdict>],
    facts: &Facts<'_>,
    merged: &Merged,
    frequency: &[f64],
    budgets: &BTreeMap<Site, Resources>,
) {
    let program = facts.program;
    for (table, updates) in &merged.updates {
        let nodes: Vec<NodeId> = facts
            .sited()
            .filter(|n| applied(program, *n) == Some(*table))
            .collect();
        let often: f64 = nodes.iter().map(|n| frequency[n.index()]).sum();
        let changes = updates.per_second + updates.per_packet * often * merged.pps;
        for node in nodes {
            for (site, verdict) in &mut verdicts[node.index()] {
                let (Some(name), Verdict::Able(used)) =
                    (budgets.get(site).and_then(quantity), verdict)
                else {
                    continue;
                };
                let amount = (changes * rules_per_entry(program, *table, used)).ceil();
                used.resources
                    .add(&Resources::new().with(name, amount as u64));
            }
        }
    }
}

/// How many rules of a NIC an entry is; 1 on a switch.
fn rules_per_entry(program: &Program, table: TableId, used: &Use) -> f64 {
    let entries = program.tables[table].entries.len().max(1) as u64;
    let rules = used.resources.get(resource::RULES).unwrap_or(0);
    rules.div_ceil(entries).max(1) as f64
}
