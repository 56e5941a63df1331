//! What a profile changes in a plan: cycles of NFs and nodes, and how packets part.

use crate::error::PlanError;
use crate::igraph::IGraph;
use crate::merge::{self, Merged, Sources};
use crate::pgraph::{PGraph, Traffic};
use crate::plan::Source;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trisect_ir::{NodeId, NodeKind, Program, TableId};
use trisect_policy::profile::{NodeProfile, Profile};
use trisect_policy::rack::Rack;

/// What a plan took from a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiled {
    /// Packets of the capture.
    pub packets: u64,
    /// NFs whose cycles are measured, in the policy's order.
    pub nfs: Vec<String>,
    /// Nodes from which packets part as they were counted.
    pub parted: usize,
}

/// The pipeline as one program with one instance of each NF: what profiles are made of.
///
/// # Errors
/// What stands in the way of merging.
pub fn merged(source: Source<'_>, rack: &Rack, traffic: Traffic) -> Result<Program, PlanError> {
    let (own, none) = (source.own_program(), BTreeMap::new());
    let (graph, programs, library) = match source {
        Source::Policy {
            policy,
            library,
            programs,
        } => {
            let graph = PGraph::new(policy, library, rack, traffic, None)?;
            (graph, programs, library)
        }
        Source::Program { name, .. } => (PGraph::of_program(name, 1, rack, traffic), &own, &none),
        Source::Whole { name, .. } => {
            return Err(PlanError::Whole {
                program: name.to_owned(),
                reason: "a profile is of a pipeline that is cut".to_owned(),
            });
        }
    };
    let rewrites = merge::rewriting(&graph, programs)?;
    // A core that is never full needs no second one.
    let instances = IGraph::new(&graph, f64::INFINITY, &rewrites);
    let merged = merge::merge(Sources {
        graph: &graph,
        instances: &instances,
        programs,
        library,
        rewrites: &rewrites,
        ports: &(0..rack.external_ports().count() as u16).collect(),
        sampling: None,
    })?;
    Ok(merged.program)
}

/// Puts measured cycles in the place of the descriptions'.
///
/// # Errors
/// The profile names an NF that the pipeline does not have: it is another one's.
pub(crate) fn measured_nfs(graph: &mut PGraph, profile: &Profile) -> Result<(), PlanError> {
    for nf in &profile.nfs {
        match graph.nfs.iter_mut().find(|known| known.name == nf.name) {
            Some(known) => known.cycles = nf.cycles,
            None => return Err(PlanError::OtherProfile(nf.name.clone())),
        }
    }
    Ok(())
}

/// A node's name if each NF had one instance: that of the profile. Instances are called `fw.1`, `fw.2`.
fn single(name: &str, graph: &PGraph, instances: &IGraph) -> String {
    for instance in &instances.instances {
        let nf = &graph.nfs[instance.nf].name;
        if instance.name == *nf {
            continue;
        }
        let (first, inner) = (
            format!("{}.", instance.name),
            format!(".{}.", instance.name),
        );
        if let Some(rest) = name.strip_prefix(&first) {
            return format!("{nf}.{rest}");
        }
        if name.contains(&inner) {
            return name.replacen(&inner, &format!(".{nf}."), 1);
        }
    }
    name.to_owned()
}

/// Puts counted shares in the place of assumed ones for the nodes of NFs; those between NFs are in the policy
/// graph. Returns what was taken, and measured cycles by node name.
pub(crate) fn counted(
    merged: &mut Merged,
    graph: &PGraph,
    instances: &IGraph,
    profile: &Profile,
) -> (Profiled, BTreeMap<String, u64>) {
    let known: BTreeMap<&str, &NodeProfile> =
        profile.nodes.iter().map(|n| (n.name.as_str(), n)).collect();
    let mut taken = Profiled {
        packets: profile.packets,
        nfs: profile.nfs.iter().map(|nf| nf.name.clone()).collect(),
        parted: 0,
    };
    let mut cycles = BTreeMap::new();
    let mut entries: BTreeMap<TableId, u64> = BTreeMap::new();
    let mut shares: BTreeMap<(NodeId, NodeId), f64> = BTreeMap::new();
    for (id, node) in merged.program.control.nodes.iter() {
        let Some(seen) = known.get(single(&node.name, graph, instances).as_str()) else {
            continue;
        };
        if let Some(measured) = seen.cycles {
            cycles.insert(node.name.clone(), measured);
            if let NodeKind::Apply(table, _) = node.kind {
                // A look-up that finds nothing adds an entry.
                let added = seen
                    .packets
                    .saturating_sub(seen.hits.unwrap_or(seen.packets));
                *entries.entry(table).or_default() += added;
            }
        }
        let successors = node.kind.successors();
        if node.nf.is_empty() || seen.packets == 0 || seen.ways.len() != successors.len() {
            continue;
        }
        taken.parted += 1;
        for (to, packets) in successors.into_iter().zip(&seen.ways) {
            *shares.entry((id, to)).or_default() += *packets as f64 / seen.packets as f64;
        }
    }
    merged.shares.extend(shares);
    merged.measured_entries = entries;
    (taken, cycles)
}

/// By position among the edges that leave a node of the policy: the part of the node's packets that took each,
/// as counted at the conditions of the merged program. `None` where nothing was counted.
pub(crate) fn edge_shares(
    profile: &Profile,
    pipeline: &str,
    node: &str,
    conditional: &[bool],
) -> Option<Vec<f64>> {
    let branch = |i: usize| profile.node(&format!("{pipeline}.{node}.{i}"));
    let all = branch(0)?.packets as f64;
    if all == 0.0 {
        return None;
    }
    let mut shares = Vec::new();
    let mut rest = 1.0;
    for (i, conditional) in conditional.iter().enumerate() {
        let part = match conditional {
            true => *branch(i)?.ways.first()? as f64 / all,
            // All that is left; what follows gets nothing.
            false => rest,
        };
        shares.push(part);
        rest = (rest - part).max(0.0);
    }
    Some(shares)
}
