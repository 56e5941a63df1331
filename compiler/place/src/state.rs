//! A placement that is being changed, with all that follows from it kept up to date.

use crate::connectivity::Connectivity;
use crate::problem::Problem;

/// No unit.
const NONE: u32 = u32::MAX;

/// What a server carries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    /// Cycles per second.
    pub(crate) load: f64,
    /// Traffic from the switch.
    pub(crate) into: f64,
    /// Traffic to the switch.
    pub(crate) out: f64,
}

impl Carried {
    /// The use of the most used resource, as a part of its capacity.
    pub(crate) fn usage(&self, server: &crate::Server) -> f64 {
        usage(self.load, server.cycles)
            .max(usage(self.into, server.into))
            .max(usage(self.out, server.out))
    }
    /// With a unit more that has `within` traffic with the units there.
    pub(crate) fn with(self, problem: &Problem, unit: u32, within: f64) -> Self {
        let unit = unit as usize;
        Self {
            load: self.load + problem.load[unit],
            into: self.into + (problem.received[unit] - within),
            out: self.out + (problem.sent[unit] - within),
        }
    }
    /// Without a unit that has `within` traffic with the other units there.
    pub(crate) fn without(self, problem: &Problem, unit: u32, within: f64) -> Self {
        let unit = unit as usize;
        Self {
            load: self.load - problem.load[unit],
            into: self.into - (problem.received[unit] - within),
            out: self.out - (problem.sent[unit] - within),
        }
    }
}

/// A part of a capacity; what is not used is not scarce, whatever the capacity.
pub(crate) fn usage(used: f64, capacity: f64) -> f64 {
    if used <= 0.0 { 0.0 } else { used / capacity }
}

/// What each server carries, computed anew.
pub(crate) fn carried(problem: &Problem, at: &[u32]) -> Vec<Carried> {
    let mut carried = vec![Carried::default(); problem.servers.len()];
    for u in 0..problem.units() as u32 {
        let server = at[u as usize];
        // Both ends of an inner flow see it: half each.
        let within: f64 = problem
            .row(u)
            .filter(|(v, _)| at[*v as usize] == server)
            .map(|(_, rate)| rate)
            .sum();
        let slot = &mut carried[server as usize];
        *slot = slot.with(problem, u, within / 2.0);
    }
    carried
}

/// A placement of units, changed by [`State::shift`].
#[derive(Debug)]
pub(crate) struct State<'a> {
    pub(crate) problem: &'a Problem,
    /// Server by unit.
    pub(crate) at: Vec<u32>,
    pub(crate) carried: Vec<Carried>,
    pub(crate) connectivity: Connectivity,
    /// The units of each server as doubly linked lists: first by server, next and previous by unit.
    head: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
}

impl<'a> State<'a> {
    pub(crate) fn new(problem: &'a Problem, at: Vec<u32>) -> Self {
        let mut state = Self {
            carried: carried(problem, &at),
            connectivity: Connectivity::new(problem, &at),
            head: vec![NONE; problem.servers.len()],
            next: vec![NONE; at.len()],
            previous: vec![NONE; at.len()],
            problem,
            at,
        };
        for unit in (0..problem.units() as u32).rev() {
            state.link(unit);
        }
        state
    }
    /// The units of a server.
    pub(crate) fn members(&self, server: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        let some = |u: u32| (u != NONE).then_some(u);
        std::iter::successors(some(self.head[server as usize]), move |u| {
            some(self.next[*u as usize])
        })
    }
    /// Moves a unit.
    pub(crate) fn shift(&mut self, unit: u32, to: u32) {
        let from = self.at[unit as usize];
        if from == to {
            return;
        }
        let (was, is) = (
            self.connectivity.rate(unit, from),
            self.connectivity.rate(unit, to),
        );
        let slot = &mut self.carried[from as usize];
        *slot = slot.without(self.problem, unit, was);
        let slot = &mut self.carried[to as usize];
        *slot = slot.with(self.problem, unit, is);
        for (neighbour, rate) in self.problem.row(unit) {
            self.connectivity.neighbour_moved(neighbour, from, to, rate);
        }
        self.unlink(unit);
        self.at[unit as usize] = to;
        self.link(unit);
    }
    fn link(&mut self, unit: u32) {
        let head = &mut self.head[self.at[unit as usize] as usize];
        self.next[unit as usize] = *head;
        self.previous[unit as usize] = NONE;
        if *head != NONE {
            self.previous[*head as usize] = unit;
        }
        *head = unit;
    }
    fn unlink(&mut self, unit: u32) {
        let (next, previous) = (self.next[unit as usize], self.previous[unit as usize]);
        if previous == NONE {
            self.head[self.at[unit as usize] as usize] = next;
        } else {
            self.next[previous as usize] = next;
        }
        if next != NONE {
            self.previous[next as usize] = previous;
        }
    }
}
