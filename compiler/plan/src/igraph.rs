//! The instance graph (E2, sections 4.2 and 4.3): how many instances of each NF, and how packets are
//! spread over them.

use crate::pgraph::{PGraph, PNf, PNode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use trisect_policy::nf::Affinity;

/// The instance graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IGraph {
    /// All instances, NF by NF.
    pub instances: Vec<Instance>,
    /// By position in [`PGraph::nfs`]: the NF's instances, as positions in `instances`.
    pub of_nf: Vec<Vec<usize>>,
    /// Per pipeline, expected traffic between instances.
    pub flows: Vec<Flow>,
}

/// One instance of an NF: it holds one part of the NF's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The NF's name; with `.1`, `.2` ... behind it if there are several.
    pub name: String,
    /// The NF, by position in [`PGraph::nfs`].
    pub nf: usize,
    /// Offered load in packets per second.
    pub pps: f64,
    /// Cycles per packet.
    pub cycles: u64,
}

impl Instance {
    /// Cycles per second that the instance would take on a host.
    pub fn load(&self) -> f64 {
        self.pps * self.cycles as f64
    }
}

/// Expected traffic of one pipeline from an instance (or the outside) to an instance (or the
/// outside).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// The pipeline, by position.
    pub pipeline: usize,
    /// From this instance; `None`: from outside.
    pub from: Option<usize>,
    /// To this instance; `None`: to a port.
    pub to: Option<usize>,
    /// Packets per second.
    pub pps: f64,
}

/// How many instances an NF needs so that none has more work than a core, within its bounds.
pub fn size(nf: &PNf, core_hz: f64) -> u32 {
    let load = nf.pps * nf.cycles as f64;
    let wanted = (load / core_hz.max(1.0)).ceil().clamp(1.0, 1024.0) as u32;
    wanted.min(nf.max_instances.unwrap_or(u32::MAX)).max(1)
}

/// Whether packets that were spread by `upstream` already meet what `downstream` asks for: packets
/// that must stay together are together.
pub fn satisfies(upstream: Affinity, downstream: Affinity) -> bool {
    use Affinity::{Dst, Flow, None, Port, Src, SymmetricFlow};
    match downstream {
        None => true,
        // Everything that is the same for all packets of a flow keeps flows together.
        Flow => matches!(upstream, Flow | SymmetricFlow | Src | Dst | Port | None),
        SymmetricFlow => upstream == SymmetricFlow,
        Src => upstream == Src,
        Dst => upstream == Dst,
        Port => upstream == Port,
    }
}

impl IGraph {
    /// Sizes and splits. `core_hz` is the speed of the slowest core; `rewrites` tells NFs (by position)
    /// that change what affinity is judged by.
    pub fn new(graph: &PGraph, core_hz: f64, rewrites: &BTreeSet<usize>) -> Self {
        let mut instances = Vec::new();
        let mut of_nf = Vec::new();
        for (i, nf) in graph.nfs.iter().enumerate() {
            let count = size(nf, core_hz);
            let first = instances.len();
            for k in 1..=count {
                instances.push(Instance {
                    name: if count == 1 {
                        nf.name.clone()
                    } else {
                        format!("{}.{k}", nf.name)
                    },
                    nf: i,
                    pps: nf.pps / f64::from(count),
                    cycles: nf.cycles,
                });
            }
            of_nf.push((first..instances.len()).collect());
        }
        let mut built = Self {
            instances,
            of_nf,
            flows: Vec::new(),
        };
        built.flows = built.all_flows(graph, rewrites);
        built
    }
    /// Whether each instance of `from` sends to one instance of `to` only, so that nothing is spread
    /// again: there are as many of both, and the split of `from` serves `to`.
    pub fn keeps_split(
        &self,
        graph: &PGraph,
        rewrites: &BTreeSet<usize>,
        from: &PNode,
        to: usize,
    ) -> bool {
        let PNode::Nf(from) = from else { return false };
        self.of_nf[*from].len() == self.of_nf[to].len()
            && !rewrites.contains(from)
            && satisfies(graph.nfs[*from].affinity, graph.nfs[to].affinity)
    }
    fn all_flows(&self, graph: &PGraph, rewrites: &BTreeSet<usize>) -> Vec<Flow> {
        let mut flows = Vec::new();
        for (pipeline, p) in graph.pipelines.iter().enumerate() {
            for edge in &p.edges {
                let sources: Vec<Option<usize>> = match &edge.from {
                    PNode::Nf(nf) => self.of_nf[*nf].iter().copied().map(Some).collect(),
                    _ => vec![None],
                };
                let part = edge.pps / sources.len() as f64;
                for (k, from) in sources.iter().enumerate() {
                    let targets: Vec<Option<usize>> = match &edge.to {
                        PNode::Nf(nf) if self.keeps_split(graph, rewrites, &edge.from, *nf) => {
                            vec![self.of_nf[*nf].get(k).copied()]
                        }
                        PNode::Nf(nf) => self.of_nf[*nf].iter().copied().map(Some).collect(),
                        _ => vec![None],
                    };
                    for to in &targets {
                        flows.push(Flow {
                            pipeline,
                            from: *from,
                            to: *to,
                            pps: part / targets.len() as f64,
                        });
                    }
                }
            }
        }
        flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nf(pps: f64, cycles: u64, max: Option<u32>) -> PNf {
        PNf {
            updates: Vec::new(),
            name: "x".into(),
            function: "x".into(),
            affinity: Affinity::Flow,
            cycles,
            max_instances: max,
            pps,
        }
    }

    #[test]
    fn enough_instances_within_bounds() {
        assert_eq!(size(&nf(1e6, 1000, None), 2.4e9), 1);
        assert_eq!(size(&nf(5e6, 1000, None), 2.4e9), 3);
        assert_eq!(size(&nf(5e6, 1000, Some(2)), 2.4e9), 2);
        assert_eq!(size(&nf(0.0, 1, None), 2.4e9), 1);
    }

    #[test]
    fn a_coarser_split_serves_flows_but_not_the_reverse() {
        assert!(satisfies(Affinity::Src, Affinity::Flow));
        assert!(!satisfies(Affinity::Flow, Affinity::Src));
        assert!(!satisfies(Affinity::Flow, Affinity::SymmetricFlow));
        assert!(satisfies(Affinity::Port, Affinity::None));
    }
}
