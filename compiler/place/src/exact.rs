//! Small problems, by branch and bound.

use crate::problem::Problem;
use crate::state::usage;

/// Problems with more units than this are not tried.
pub(crate) const MOST_UNITS: usize = 24;

/// What a search of all placements came to.
pub(crate) struct Exact {
    /// A placement of units with more growth than was known, if there is one.
    pub(crate) at: Option<Vec<u32>>,
    /// Whether all placements were looked at or excluded.
    pub(crate) complete: bool,
    /// Partial placements that were looked at.
    pub(crate) looked: u64,
}

/// Searches all placements for one with more growth than `known`, over at most `nodes` partial ones.
pub(crate) fn exact(problem: &Problem, known: f64, nodes: u64) -> Exact {
    let mut order: Vec<u32> = (0..problem.units() as u32).collect();
    order.sort_by(|a, b| {
        let load = |u: &u32| problem.load[*u as usize];
        load(b).total_cmp(&load(a)).then(a.cmp(b))
    });
    let mut rest = vec![0.0; order.len() + 1];
    for (i, unit) in order.iter().enumerate().rev() {
        rest[i] = rest[i + 1] + problem.load[*unit as usize];
    }
    let mut tree = Tree {
        problem,
        order,
        rest,
        at: vec![NOWHERE; problem.units()],
        load: vec![0.0; problem.servers()],
        outer: vec![0.0; problem.servers()],
        limit: LESS / known,
        left: nodes,
        found: None,
    };
    let complete = tree.branch(0);
    Exact {
        at: tree.found,
        complete,
        looked: nodes - tree.left,
    }
}

/// Not placed yet.
const NOWHERE: u32 = u32::MAX;

/// What a use must be times the least known one, so that it counts as less.
const LESS: f64 = 1.0 - 1e-9;

struct Tree<'a> {
    problem: &'a Problem,
    /// Units, the largest first.
    order: Vec<u32>,
    /// Load of the units from a position of the order on.
    rest: Vec<f64>,
    at: Vec<u32>,
    /// By server: load of the units there.
    load: Vec<f64>,
    /// By server: traffic of both directions that takes its link for certain, with ports and with
    /// units that are on other servers already.
    outer: Vec<f64>,
    /// Uses at or above this are of no interest.
    limit: f64,
    left: u64,
    found: Option<Vec<u32>>,
}

impl Tree<'_> {
    /// Places the units from `depth` on in all ways. Whether that was finished.
    fn branch(&mut self, depth: usize) -> bool {
        let Some(&unit) = self.order.get(depth) else {
            self.leaf();
            return true;
        };
        for server in 0..self.load.len() {
            if self.left == 0 {
                return false;
            }
            if self.is_like_earlier(server) {
                continue;
            }
            self.left -= 1;
            self.put(unit, server as u32, 1.0);
            let finished = !self.promising(depth + 1) || self.branch(depth + 1);
            self.put(unit, server as u32, -1.0);
            if !finished {
                return false;
            }
        }
        true
    }
    /// Whether an earlier server is as empty and has the same figures.
    fn is_like_earlier(&self, server: usize) -> bool {
        let empty = |s: usize| !self.at.contains(&(s as u32));
        let servers = &self.problem.servers;
        empty(server) && (0..server).any(|s| servers[s] == servers[server] && empty(s))
    }
    /// Puts a unit on a server (`sign` 1) or takes it away again (-1).
    fn put(&mut self, unit: u32, server: u32, sign: f64) {
        let problem = self.problem;
        let u = unit as usize;
        self.load[server as usize] += sign * problem.load[u];
        self.outer[server as usize] += sign * (problem.from_ports[u] + problem.to_ports[u]);
        for (other, rate) in problem.row(unit) {
            let there = self.at[other as usize];
            if there != NOWHERE && there != server {
                self.outer[server as usize] += sign * rate;
                self.outer[there as usize] += sign * rate;
            }
        }
        self.at[u] = if sign > 0.0 { server } else { NOWHERE };
    }
    /// Whether the units from `depth` on may still be placed so that all uses are below the limit.
    fn promising(&self, depth: usize) -> bool {
        let mut room = 0.0;
        for (i, server) in self.problem.servers.iter().enumerate() {
            let cores = usage(self.load[i], server.cycles);
            // The more used direction of a link is used at least as much as both together.
            let link = usage(self.outer[i], server.into + server.out);
            if cores.max(link) >= self.limit {
                return false;
            }
            room += self.limit * server.cycles - self.load[i];
        }
        room.is_nan() || room >= self.rest[depth] * LESS
    }
    fn leaf(&mut self) {
        let growth = crate::evaluate::evaluate_units(self.problem, &self.at).growth;
        if 1.0 / growth < self.limit {
            self.limit = LESS / growth;
            self.found = Some(self.at.clone());
        }
    }
}
