//! Placing instances one by one, as they are added while a rack runs.

use crate::packing::{capacity, emptiest};
use crate::problem::{End, Placement, Problem, ProblemError, check_end, check_figure};

/// No half edge.
const NONE: u32 = u32::MAX;

/// A running placement that grows (E2, section 4.4): an added instance goes where it causes the least
/// traffic between servers, and no instance that is there moves.
///
/// Edges are pairs of half edges, each in the list of its unit, so that an instance is added or split
/// in time linear in its neighbours and the servers, whatever its neighbours have.
#[derive(Clone, Debug)]
pub struct Incremental {
    /// Up to date but for its rows.
    problem: Problem,
    /// By unit.
    at: Vec<u32>,
    /// First half edge by unit.
    head: Vec<u32>,
    /// The twin of half edge `e` is `e ^ 1`.
    edges: Vec<HalfEdge>,
    /// Free cycles per second by server; negative if overbooked.
    room: Vec<f64>,
    /// By server: traffic with the unit at hand.
    pull: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct HalfEdge {
    to: u32,
    next: u32,
    /// Traffic of both directions.
    rate: f64,
}

/// Traffic of an added instance with one other end, in the unit of the problem's flows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// With whom.
    pub with: End,
    /// What the added instance receives.
    pub received: f64,
    /// What it sends.
    pub sent: f64,
}

impl Incremental {
    /// Goes on from a placement of the problem's instances. Servers take instances as long as their
    /// cores have room for `growth` times the offered load. An instance that the placement does not
    /// name, or places on a server that is not there, counts as on the last server.
    pub fn new(problem: &Problem, placement: &[u32], growth: f64) -> Self {
        let at = problem.of_units(placement);
        let mut room: Vec<f64> = problem
            .servers
            .iter()
            .map(|s| capacity(s.cycles, growth))
            .collect();
        for (load, server) in problem.load.iter().zip(&at) {
            room[*server as usize] -= load;
        }
        let mut placed = Self {
            problem: problem.clone(),
            head: vec![NONE; at.len()],
            at,
            edges: Vec::new(),
            room,
            pull: vec![0.0; problem.servers()],
        };
        for unit in 0..problem.units() as u32 {
            for (neighbour, rate) in problem.row(unit).filter(|(v, _)| unit < *v) {
                placed.connect(unit, neighbour, rate);
            }
        }
        placed
    }
    /// Adds an instance with `load` cycles per second that exchanges traffic with others. Gives its
    /// server; the instance is the last one.
    ///
    /// # Errors
    /// Figures that are negative or not finite; instances or ports that are not there. Then nothing
    /// is added.
    pub fn add(&mut self, load: f64, exchanges: &[Exchange]) -> Result<u32, ProblemError> {
        let added = self.problem.instances();
        check_figure("instance", added, load)?;
        for exchange in exchanges {
            check_figure("flow", added, exchange.received)?;
            check_figure("flow", added, exchange.sent)?;
            check_end(exchange.with, added, self.problem.ports.len())?;
        }
        let unit = self.unit(load);
        for exchange in exchanges {
            let (received, sent) = (exchange.received, exchange.sent);
            let problem = &mut self.problem;
            problem.received[unit] += received;
            problem.sent[unit] += sent;
            match exchange.with {
                End::Port(port) => {
                    problem.from_ports[unit] += received;
                    problem.to_ports[unit] += sent;
                    problem.port_in[port as usize] += received;
                    problem.port_out[port as usize] += sent;
                }
                End::Instance(other) => {
                    let other = problem.unit_of[other as usize];
                    problem.received[other as usize] += sent;
                    problem.sent[other as usize] += received;
                    self.connect(unit as u32, other, received + sent);
                }
            }
        }
        Ok(self.place(unit))
    }
    /// Splits an instance: half of its load and traffic go to an added instance, the last one. Gives
    /// the server of that. The instances around stay as they are and see two instead of one.
    ///
    /// # Errors
    /// An instance that is not there, or that must be with others.
    pub fn split(&mut self, instance: u32) -> Result<u32, ProblemError> {
        check_end(End::Instance(instance), self.problem.instances(), 0)?;
        let old = self.problem.unit_of[instance as usize] as usize;
        if self.problem.grouped[old] {
            return Err(ProblemError::Grouped(instance));
        }
        let half = self.problem.load[old] / 2.0;
        self.problem.load[old] = half;
        self.room[self.at[old] as usize] += half;
        let new = self.unit(half);
        let problem = &mut self.problem;
        for figure in [
            &mut problem.received,
            &mut problem.sent,
            &mut problem.from_ports,
            &mut problem.to_ports,
        ] {
            figure[old] /= 2.0;
            figure[new] = figure[old];
        }
        let mut next = self.head[old];
        while next != NONE {
            let edge = &mut self.edges[next as usize];
            edge.rate /= 2.0;
            let HalfEdge { to, rate, .. } = *edge;
            self.edges[(next ^ 1) as usize].rate = rate;
            self.connect(new as u32, to, rate);
            next = self.edges[next as usize].next;
        }
        Ok(self.place(new))
    }
    /// The problem as it has become, and where each instance is.
    pub fn snapshot(&self) -> (Problem, Placement) {
        let mut problem = self.problem.clone();
        let edges: Vec<(u32, u32, f64)> = self
            .edges
            .chunks_exact(2)
            .map(|pair| (pair[1].to, pair[0].to, pair[0].rate))
            .collect();
        problem.rows(&edges);
        let placement = problem.of_instances(&self.at);
        (problem, placement)
    }
    /// A unit of one more instance, without traffic. Its server is still to be chosen.
    fn unit(&mut self, load: f64) -> usize {
        let unit = self.at.len();
        let problem = &mut self.problem;
        problem.unit_of.push(unit as u32);
        problem.grouped.push(false);
        problem.load.push(load);
        for figure in [
            &mut problem.received,
            &mut problem.sent,
            &mut problem.from_ports,
            &mut problem.to_ports,
        ] {
            figure.push(0.0);
        }
        self.at.push(0);
        self.head.push(NONE);
        unit
    }
    fn connect(&mut self, a: u32, b: u32, rate: f64) {
        for (from, to) in [(a, b), (b, a)] {
            let head = &mut self.head[from as usize];
            let next = std::mem::replace(head, self.edges.len() as u32);
            self.edges.push(HalfEdge { to, next, rate });
        }
    }
    /// Where there is room and most of the unit's traffic is; of several the emptiest. If there is no
    /// room anywhere, the emptiest is overbooked.
    fn place(&mut self, unit: usize) -> u32 {
        self.pull.fill(0.0);
        let mut next = self.head[unit];
        while next != NONE {
            let edge = self.edges[next as usize];
            self.pull[self.at[edge.to as usize] as usize] += edge.rate;
            next = edge.next;
        }
        let load = self.problem.load[unit];
        let mut server = emptiest(&self.room);
        if self.room[server] >= load {
            for (candidate, room) in self.room.iter().enumerate() {
                let better = (self.pull[candidate], *room) > (self.pull[server], self.room[server]);
                if *room >= load && better {
                    server = candidate;
                }
            }
        }
        self.room[server] -= load;
        self.at[unit] = server as u32;
        server as u32
    }
}
