//! Which instance runs on which server: E2's heuristic (section 4.4), as `trisect-place` has it.

use crate::error::PlanError;
use crate::igraph::IGraph;
use crate::site::ServerId;
use std::collections::BTreeSet;
use trisect_place::{End, Flow, Port, Problem, Server, e2};

/// What a server can take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Cycles per second of the cores that run NFs.
    pub cycles: f64,
}

/// A server for each instance, by position.
pub type Placement = Vec<ServerId>;

/// Places the instances so that few packets cross between servers. Instances of one group stay
/// together. If the servers cannot take all, the emptiest is overbooked: the plan then names it as the
/// bottleneck.
///
/// Links do not limit: that is the cut's matter, which knows what crosses them.
///
/// # Errors
/// No server, or loads and rates that are not numbers.
pub fn place(
    graph: &IGraph,
    servers: &[Capacity],
    groups: &[BTreeSet<usize>],
) -> Result<Placement, PlanError> {
    const OUTSIDE: Port = Port {
        into: f64::INFINITY,
        out: f64::INFINITY,
    };
    let loads: Vec<f64> = graph.instances.iter().map(|i| i.load()).collect();
    let end = |instance: Option<usize>| instance.map_or(End::Port(0), |i| End::Instance(i as u32));
    let flows: Vec<Flow> = graph
        .flows
        .iter()
        .map(|f| Flow {
            from: end(f.from),
            to: end(f.to),
            rate: f.pps,
        })
        .collect();
    let groups: Vec<BTreeSet<u32>> = groups
        .iter()
        .map(|g| g.iter().map(|i| *i as u32).collect())
        .collect();
    let servers: Vec<Server> = servers
        .iter()
        .map(|s| Server {
            cycles: s.cycles,
            into: f64::INFINITY,
            out: f64::INFINITY,
        })
        .collect();
    let problem = Problem::new(&loads, &flows, &groups, &servers, &[OUTSIDE])
        .map_err(|error| PlanError::Rack(format!("nothing can be placed on it: {error}")))?;
    Ok(e2(&problem, 1.0)
        .into_iter()
        .map(|server| ServerId(server as u16))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::igraph::{Flow, Instance};

    fn graph(loads: &[f64], flows: &[(usize, usize, f64)]) -> IGraph {
        IGraph {
            instances: loads
                .iter()
                .enumerate()
                .map(|(i, load)| Instance {
                    name: i.to_string(),
                    nf: i,
                    pps: *load,
                    cycles: 1,
                })
                .collect(),
            of_nf: (0..loads.len()).map(|i| vec![i]).collect(),
            flows: flows
                .iter()
                .map(|(a, b, pps)| Flow {
                    pipeline: 0,
                    from: Some(*a),
                    to: Some(*b),
                    pps: *pps,
                })
                .collect(),
        }
    }

    #[test]
    fn neighbours_come_together_within_capacity() {
        // Two heavy pairs that the initial packing, in order, tears apart.
        let graph = graph(
            &[2.0, 2.0, 2.0, 2.0],
            &[(0, 3, 10.0), (1, 2, 10.0), (0, 1, 1.0)],
        );
        let servers = [Capacity { cycles: 4.0 }; 2];
        let placement = place(&graph, &servers, &[]).unwrap();
        assert_eq!(placement[0], placement[3]);
        assert_eq!(placement[1], placement[2]);
        assert_ne!(placement[0], placement[1]);
    }

    #[test]
    fn groups_stay_together_even_if_they_overbook() {
        let graph = graph(&[3.0, 3.0], &[]);
        let servers = [Capacity { cycles: 4.0 }; 2];
        let apart = place(&graph, &servers, &[]).unwrap();
        assert_ne!(apart[0], apart[1]);
        let together = place(&graph, &servers, &[BTreeSet::from([0, 1])]).unwrap();
        assert_eq!(together[0], together[1]);
    }

    #[test]
    fn a_load_that_is_no_number_is_refused() {
        let error = place(&graph(&[f64::NAN], &[]), &[Capacity { cycles: 1.0 }], &[]).unwrap_err();
        assert!(error.to_string().contains("instance 0"), "{error}");
    }
}
