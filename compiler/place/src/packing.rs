//! Placements without search: at random, and depth first.

use crate::problem::{Placement, Problem};
use crate::rng::Rng;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Each unit on a server by chance, whatever the capacities: E2's first strawman.
pub fn random(problem: &Problem, seed: u64) -> Placement {
    let mut rng = Rng::new(seed);
    let at: Vec<u32> = (0..problem.units())
        .map(|_| rng.below(problem.servers.len()) as u32)
        .collect();
    problem.of_instances(&at)
}

/// Fills one server after the other with the units in depth-first order (E2's second strawman, and
/// where its heuristic starts). A server is full when its cores would be at `growth` times the offered
/// load. What no server has room for overbooks the one with the most room.
pub fn packing(problem: &Problem, growth: f64) -> Placement {
    let at = pack(problem, &depth_first(problem, 0), growth).at;
    problem.of_instances(&at)
}

/// The largest growth (to 20 binary digits) at which the depth-first packing overbooks no cores; at
/// most what total cycles and total load allow. 1 if there is no load.
pub fn packing_growth(problem: &Problem) -> f64 {
    fullest(problem, &depth_first(problem, 0))
}

/// As [`packing_growth`], for a given order.
pub(crate) fn fullest(problem: &Problem, order: &[u32]) -> f64 {
    let load: f64 = problem.load.iter().sum();
    let cycles: f64 = problem.servers.iter().map(|s| s.cycles).sum();
    if load <= 0.0 || cycles.is_infinite() {
        return 1.0;
    }
    let (mut fits, mut above) = (0.0, cycles / load);
    if pack(problem, order, above).fits {
        return above;
    }
    for _ in 0..20 {
        let middle = f64::midpoint(fits, above);
        if pack(problem, order, middle).fits {
            fits = middle;
        } else {
            above = middle;
        }
    }
    fits
}

/// Units by server, and whether no server is overbooked.
pub(crate) struct Packed {
    pub(crate) at: Vec<u32>,
    pub(crate) fits: bool,
}

/// Next fit in the given order, then most room.
pub(crate) fn pack(problem: &Problem, order: &[u32], growth: f64) -> Packed {
    let mut room: Vec<f64> = problem
        .servers
        .iter()
        .map(|s| capacity(s.cycles, growth))
        .collect();
    let mut at = vec![0; problem.units()];
    let (mut current, mut fits) = (0, true);
    for &unit in order {
        let load = problem.load[unit as usize];
        // Loads add up to capacities only nearly.
        let little = 1e-9 * load;
        while current + 1 < room.len() && room[current] + little < load {
            current += 1;
        }
        let server = if room[current] + little >= load {
            current
        } else {
            let most = emptiest(&room);
            fits &= room[most] + little >= load;
            most
        };
        room[server] -= load;
        at[unit as usize] = server as u32;
    }
    Packed { at, fits }
}

/// Fills one server after the other, each time with the unit that lessens most what crosses its
/// border (greedy graph growing, as Karypis and Kumar partition coarse graphs), the first one with
/// `start`. What no server has room for goes where most room is.
pub(crate) fn grow(problem: &Problem, start: usize, growth: f64) -> Vec<u32> {
    const NOWHERE: u32 = u32::MAX;
    let units = problem.units();
    let mut at = vec![NOWHERE; units];
    let mut room: Vec<f64> = problem
        .servers
        .iter()
        .map(|s| capacity(s.cycles, growth))
        .collect();
    // Traffic with the server being filled, and with what is placed nowhere yet.
    let mut here = vec![0.0; units];
    let mut open: Vec<f64> = (0..units as u32)
        .map(|u| problem.row(u).map(|(_, rate)| rate).sum())
        .collect();
    let mut border: BinaryHeap<Candidate> = BinaryHeap::with_capacity(2 * units);
    let mut touched: Vec<u32> = Vec::with_capacity(units);
    for (server, room) in room.iter_mut().enumerate() {
        border.clear();
        for unit in touched.drain(..) {
            here[unit as usize] = 0.0;
        }
        loop {
            let unit = match border.pop() {
                Some(next) => {
                    let u = next.unit as usize;
                    let stale = at[u] != NOWHERE || next.gain != here[u] - open[u];
                    if stale || problem.load[u] > *room {
                        continue;
                    }
                    next.unit
                }
                None => {
                    // A new seed: what has the least traffic with what is open.
                    let seed = (0..units)
                        .map(|i| (i + start) % units)
                        .filter(|u| at[*u] == NOWHERE && problem.load[*u] <= *room)
                        .min_by(|a, b| open[*a].total_cmp(&open[*b]));
                    let Some(seed) = seed else { break };
                    seed as u32
                }
            };
            at[unit as usize] = server as u32;
            *room -= problem.load[unit as usize];
            for (v, rate) in problem.row(unit) {
                open[v as usize] -= rate;
                if at[v as usize] == NOWHERE {
                    if here[v as usize] == 0.0 {
                        touched.push(v);
                    }
                    here[v as usize] += rate;
                    border.push(Candidate {
                        gain: here[v as usize] - open[v as usize],
                        unit: v,
                    });
                }
            }
        }
    }
    for (unit, server) in at.iter_mut().enumerate() {
        if *server == NOWHERE {
            let most = emptiest(&room);
            *server = most as u32;
            room[most] -= problem.load[unit];
        }
    }
    at
}

/// A unit at the border of what grows, ordered by gain, then the first.
struct Candidate {
    gain: f64,
    unit: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain
            .total_cmp(&other.gain)
            .then(other.unit.cmp(&self.unit))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// What a server may take at the offered load if it must have room for growth.
pub(crate) fn capacity(cycles: f64, growth: f64) -> f64 {
    if cycles.is_infinite() || growth <= 0.0 {
        f64::INFINITY
    } else {
        cycles / growth
    }
}

/// The server with the most room; the first of several.
pub(crate) fn emptiest(room: &[f64]) -> usize {
    let mut most = 0;
    for (server, free) in room.iter().enumerate() {
        if *free > room[most] {
            most = server;
        }
    }
    most
}

/// The units in depth-first order: each search starts at a unit that receives from a port, the one
/// numbered `start` first and then cyclically, and at last at those that no port reaches. Of a unit's
/// neighbours the one with the most traffic comes first.
pub(crate) fn depth_first(problem: &Problem, start: usize) -> Vec<u32> {
    let units = problem.units();
    let mut order = Vec::with_capacity(units);
    let mut seen = vec![false; units];
    let mut stack: Vec<u32> = Vec::with_capacity(units);
    let mut row: Vec<(u32, f64)> = Vec::with_capacity(units);
    let roots = (0..units).map(|i| (i + start) % units);
    let entries = roots.clone().filter(|u| problem.from_ports[*u] > 0.0);
    for root in entries.chain(roots) {
        stack.push(root as u32);
        while let Some(unit) = stack.pop() {
            if std::mem::replace(&mut seen[unit as usize], true) {
                continue;
            }
            order.push(unit);
            row.clear();
            row.extend(problem.row(unit).filter(|(v, _)| !seen[*v as usize]));
            // The last that is pushed is the next that is popped.
            row.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            stack.extend(row.iter().map(|(v, _)| *v));
        }
    }
    order
}
