//! Which instance runs on which server (E2, section 4.4): an initial packing along the pipelines,
//! then swaps and moves after Kernighan and Lin that lessen the traffic between servers.

use crate::igraph::IGraph;
use crate::site::ServerId;
use std::collections::BTreeSet;

/// What a server can take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Cycles per second of the cores that run NFs.
    pub cycles: f64,
}

/// A server for each instance, by position.
pub type Placement = Vec<ServerId>;

/// Places the instances. Instances of one group stay together. If the servers cannot take all,
/// the emptiest is overbooked: the plan then names it as the bottleneck.
pub fn place(graph: &IGraph, servers: &[Capacity], groups: &[BTreeSet<usize>]) -> Placement {
    let units = Units::new(graph, groups);
    let mut packing = Packing {
        room: servers.iter().map(|s| s.cycles).collect(),
        at: vec![0; units.load.len()],
    };
    packing.pack(&units);
    while packing.improve(&units) {}
    units
        .of_instance
        .iter()
        .map(|u| ServerId(packing.at[*u] as u16))
        .collect()
}

/// Packets per second between instances on different servers.
pub fn traffic_between(graph: &IGraph, placement: &[ServerId]) -> f64 {
    graph
        .flows
        .iter()
        .filter_map(|f| Some((f.from?, f.to?, f.pps)))
        .filter(|(a, b, _)| placement[*a] != placement[*b])
        .map(|(.., pps)| pps)
        .sum()
}

/// What is placed as one: groups of instances.
struct Units {
    of_instance: Vec<usize>,
    load: Vec<f64>,
    /// Traffic between two units.
    traffic: Vec<Vec<f64>>,
}

impl Units {
    fn new(graph: &IGraph, groups: &[BTreeSet<usize>]) -> Self {
        let count = graph.instances.len();
        let mut leader: Vec<usize> = (0..count).collect();
        for group in groups {
            let Some(&first) = group.first() else {
                continue;
            };
            let to = leader[first];
            for member in group {
                let from = leader[*member];
                for l in &mut leader {
                    if *l == from {
                        *l = to;
                    }
                }
            }
        }
        let mut numbers: Vec<usize> = Vec::new();
        let of_instance: Vec<usize> = leader
            .iter()
            .map(|l| {
                numbers.iter().position(|n| n == l).unwrap_or_else(|| {
                    numbers.push(*l);
                    numbers.len() - 1
                })
            })
            .collect();
        let mut load = vec![0.0; numbers.len()];
        for (i, instance) in graph.instances.iter().enumerate() {
            load[of_instance[i]] += instance.load();
        }
        let mut traffic = vec![vec![0.0; numbers.len()]; numbers.len()];
        for flow in &graph.flows {
            if let (Some(from), Some(to)) = (flow.from, flow.to) {
                let (a, b) = (of_instance[from], of_instance[to]);
                traffic[a][b] += flow.pps;
                traffic[b][a] += flow.pps;
            }
        }
        Self {
            of_instance,
            load,
            traffic,
        }
    }
}

/// A change of the packing.
#[derive(Clone, Copy)]
enum Step {
    Move(usize, usize),
    Swap(usize, usize),
}

struct Packing {
    /// Free cycles per second by server; negative if overbooked.
    room: Vec<f64>,
    /// Server by unit.
    at: Vec<usize>,
}

impl Packing {
    /// In order: where most of a unit's traffic already is and there is room, else where most room is.
    fn pack(&mut self, units: &Units) {
        for unit in 0..units.load.len() {
            let mut best: Option<(bool, f64, f64, usize)> = None;
            for server in 0..self.room.len() {
                let fits = self.room[server] >= units.load[unit];
                let near: f64 = (0..unit)
                    .filter(|u| self.at[*u] == server)
                    .map(|u| units.traffic[unit][u])
                    .sum();
                let near = if fits { near } else { 0.0 };
                let candidate = (fits, near, self.room[server], server);
                let better =
                    best.is_none_or(|b| (candidate.0, candidate.1, candidate.2) > (b.0, b.1, b.2));
                if better {
                    best = Some(candidate);
                }
            }
            let server = best.map_or(0, |b| b.3);
            self.at[unit] = server;
            if let Some(room) = self.room.get_mut(server) {
                *room -= units.load[unit];
            }
        }
    }
    /// One pass of Kernighan and Lin: the best steps one after the other, each unit once, and then
    /// back to the best point on the way. Whether it helped.
    fn improve(&mut self, units: &Units) -> bool {
        const LITTLE: f64 = 1e-6;
        let mut trial = Self {
            room: self.room.clone(),
            at: self.at.clone(),
        };
        let mut locked = vec![false; units.load.len()];
        let (mut gain, mut best_gain) = (0.0, LITTLE);
        let mut best = None;
        while let Some((step, step_gain)) = trial.best_step(units, &locked) {
            trial.apply(units, step);
            match step {
                Step::Move(a, _) => locked[a] = true,
                Step::Swap(a, b) => (locked[a], locked[b]) = (true, true),
            }
            gain += step_gain;
            if gain > best_gain {
                best_gain = gain;
                best = Some((trial.room.clone(), trial.at.clone()));
            }
        }
        match best {
            Some((room, at)) => {
                (self.room, self.at) = (room, at);
                true
            }
            None => false,
        }
    }
    fn best_step(&self, units: &Units, locked: &[bool]) -> Option<(Step, f64)> {
        let free: Vec<usize> = (0..locked.len()).filter(|u| !locked[*u]).collect();
        let mut best: Option<(Step, f64)> = None;
        let mut consider = |step, gain: f64| {
            if best.is_none_or(|(_, g)| gain > g) {
                best = Some((step, gain));
            }
        };
        for (i, &a) in free.iter().enumerate() {
            for server in 0..self.room.len() {
                if server != self.at[a] && self.room[server] >= units.load[a] {
                    consider(
                        Step::Move(a, server),
                        self.pull(units, a, server) - self.pull(units, a, self.at[a]),
                    );
                }
            }
            for &b in &free[i + 1..] {
                let (sa, sb) = (self.at[a], self.at[b]);
                let difference = units.load[b] - units.load[a];
                let fits = self.room[sa] - difference >= 0.0 && self.room[sb] + difference >= 0.0;
                if sa != sb && fits {
                    let gain = self.pull(units, a, sb) - self.pull(units, a, sa)
                        + self.pull(units, b, sa)
                        - self.pull(units, b, sb)
                        - 2.0 * units.traffic[a][b];
                    consider(Step::Swap(a, b), gain);
                }
            }
        }
        best
    }
    /// Traffic between a unit and a server.
    fn pull(&self, units: &Units, unit: usize, server: usize) -> f64 {
        (0..self.at.len())
            .filter(|u| *u != unit && self.at[*u] == server)
            .map(|u| units.traffic[unit][u])
            .sum()
    }
    fn apply(&mut self, units: &Units, step: Step) {
        match step {
            Step::Move(a, server) => {
                self.room[self.at[a]] += units.load[a];
                self.room[server] -= units.load[a];
                self.at[a] = server;
            }
            Step::Swap(a, b) => {
                let (sa, sb) = (self.at[a], self.at[b]);
                self.apply(units, Step::Move(a, sb));
                self.apply(units, Step::Move(b, sa));
            }
        }
    }
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
        let placement = place(&graph, &servers, &[]);
        assert_eq!(placement[0], placement[3]);
        assert_eq!(placement[1], placement[2]);
        assert_ne!(placement[0], placement[1]);
        assert_eq!(traffic_between(&graph, &placement), 1.0);
    }

    #[test]
    fn groups_stay_together_even_if_they_overbook() {
        let graph = graph(&[3.0, 3.0], &[]);
        let servers = [Capacity { cycles: 4.0 }; 2];
        assert_ne!(
            place(&graph, &servers, &[])[0],
            place(&graph, &servers, &[])[1]
        );
        let together = place(&graph, &servers, &[BTreeSet::from([0, 1])]);
        assert_eq!(together[0], together[1]);
    }
}
