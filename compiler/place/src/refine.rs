//! E2's heuristic: from a packing, the best moves and swaps.

mod relief;

use crate::packing::{capacity, depth_first, pack};
use crate::problem::{Placement, Problem, Server};
use crate::state::{Carried, State};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// E2's placement (section 4.4): the depth-first packing, then moves and swaps of two units after
/// Kernighan and Lin, the one with the largest gain first, as long as one lessens the traffic between
/// servers. Where none does, a pass takes the best steps all the same, moving each unit once at most, and keeps the steps
/// up to where the traffic was least (Kernighan and Lin 1970); passes end when one lessens nothing.
///
/// Servers have room for `growth` times the offered load, on cores and on links. No step takes either beyond that, or further
/// beyond where the packing has overbooked it. As that knows of cores only, links that are overbooked after the first descent
/// are relieved before the passes, the fullest first, even if that makes more traffic.
///
/// In the end no single move and no swap of two units that fits lessens the traffic. The growth of the placement is at least
/// the packing's, or `growth` if that is less.
pub fn e2(problem: &Problem, growth: f64) -> Placement {
    let packed = pack(problem, &depth_first(problem, 0), growth);
    problem.of_instances(&refine(problem, packed.at, growth))
}

/// Lessens the traffic of a placement of units, as [`e2`] does.
pub(crate) fn refine(problem: &Problem, at: Vec<u32>, growth: f64) -> Vec<u32> {
    let mut search = Refinement::new(State::new(problem, at), growth);
    search.descend();
    search.relieve();
    search.run();
    search.state.at
}

/// What to do with a unit.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// To a server with room.
    Move(u32),
    /// In exchange for a unit there.
    Swap(u32),
}

/// For how many steps a pass goes on without a new least.
const PATIENCE: usize = 16;

/// A unit by the gain of its best step when that was last computed; the largest gain first, of equal ones the first unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    /// The gain's bits, so that they are ordered as the gains are.
    bits: i64,
    unit: Reverse<u32>,
}

impl Planned {
    fn new(gain: f64, unit: u32) -> Self {
        Self {
            bits: ordered(gain.to_bits() as i64),
            unit: Reverse(unit),
        }
    }
    fn gain(self) -> f64 {
        f64::from_bits(ordered(self.bits) as u64)
    }
}

/// Turns bits of floating-point numbers into integers of the same order, and back (as `f64::total_cmp` does).
fn ordered(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// A unit's traffic with its server, and the most that it has with another one.
#[derive(Clone, Copy, Default)]
struct Pull {
    stays: f64,
    elsewhere: f64,
}

/// A unit that a step would move.
#[derive(Clone, Copy)]
struct Mover {
    unit: u32,
    /// Traffic with the units of its server.
    was: f64,
    /// Traffic with the units of the server that it would go to.
    is: f64,
}

struct Refinement<'a> {
    state: State<'a>,
    /// What each server may take at the offered load.
    room: Vec<Server>,
    /// Gains that count for nothing: rounding errors.
    little: f64,
    /// By unit, up to date but while steps are taken back.
    pulls: Vec<Pull>,
    /// Units with a step that gains. An entry that is not what `queued` says is stale.
    queue: BinaryHeap<Planned>,
    queued: Vec<f64>,
    /// Units with any step, for a pass.
    planned: BinaryHeap<Planned>,
    /// Units that a pass has moved, and from where.
    taken: Vec<(u32, u32)>,
    moved: Vec<bool>,
    /// Whom the last step concerns: what has moved, and its neighbours, each once.
    around: Vec<u32>,
    is_around: Vec<bool>,
}

impl<'a> Refinement<'a> {
    fn new(state: State<'a>, growth: f64) -> Self {
        let problem = state.problem;
        let units = problem.units();
        let mut refinement = Self {
            room: problem
                .servers
                .iter()
                .map(|s| Server {
                    cycles: capacity(s.cycles, growth),
                    into: capacity(s.into, growth),
                    out: capacity(s.out, growth),
                })
                .collect(),
            little: 1e-9 * problem.sent.iter().sum::<f64>() / units.max(1) as f64,
            pulls: vec![Pull::default(); units],
            queue: BinaryHeap::with_capacity(2 * units),
            queued: vec![0.0; units],
            planned: BinaryHeap::with_capacity(4 * units),
            taken: Vec::with_capacity(units),
            moved: vec![false; units],
            around: Vec::with_capacity(units),
            is_around: vec![false; units],
            state,
        };
        refinement.measure_all();
        refinement
    }
    /// Descends, and passes over what does not gain by itself, until nothing gains.
    fn run(&mut self) {
        loop {
            self.descend();
            if !self.pass() {
                return;
            }
        }
    }
    /// A pass: the best steps of units that have not moved in it, whatever they gain, until [`PATIENCE`] ends; back to
    /// where the traffic was least. Whether that is less than before.
    fn pass(&mut self) -> bool {
        self.planned.clear();
        for unit in 0..self.moved.len() as u32 {
            self.plan(unit);
        }
        let (mut gained, mut most, mut keep) = (0.0, self.little, 0);
        let mut since = 0;
        while let Some(next) = self.planned.pop() {
            if since == PATIENCE {
                break;
            }
            let Reverse(unit) = next.unit;
            if self.moved[unit as usize] {
                continue;
            }
            let Some((step, gain)) = self.best_step(unit, true) else {
                continue;
            };
            if gain < next.gain() - self.little {
                self.planned.push(Planned::new(gain, unit));
                continue;
            }
            let from = self.state.at[unit as usize];
            let other = self.shift(unit, step);
            gained += gain;
            since += 1;
            for (unit, was) in [Some((unit, from)), other].into_iter().flatten() {
                self.moved[unit as usize] = true;
                self.taken.push((unit, was));
            }
            if gained > most {
                (most, keep, since) = (gained, self.taken.len(), 0);
            }
            for i in 0..self.around.len() {
                self.plan(self.around[i]);
            }
        }
        for (unit, _) in &self.taken {
            self.moved[*unit as usize] = false;
        }
        for (unit, was) in self.taken.drain(keep..).rev() {
            self.state.shift(unit, was);
        }
        self.taken.clear();
        self.measure_all();
        keep > 0
    }
    fn plan(&mut self, unit: u32) {
        if !self.moved[unit as usize]
            && let Some((_, gain)) = self.best_step(unit, true)
        {
            self.planned.push(Planned::new(gain, unit));
        }
    }
    /// Sweeps until nothing gains. In between, a step makes its neighbours be looked at again; what
    /// else it makes possible, as there is room now, the next sweep finds.
    fn descend(&mut self) {
        loop {
            for unit in 0..self.queued.len() as u32 {
                self.look(unit);
            }
            if self.queue.is_empty() {
                return;
            }
            while let Some(next) = self.queue.pop() {
                let (Reverse(unit), promised) = (next.unit, next.gain());
                if self.queued[unit as usize] != promised {
                    continue;
                }
                self.queued[unit as usize] = 0.0;
                match self.best_step(unit, false) {
                    Some((step, gain)) if gain >= promised - self.little => {
                        self.shift(unit, step);
                        for i in 0..self.around.len() {
                            self.look(self.around[i]);
                        }
                    }
                    Some((_, gain)) => self.enqueue(unit, gain),
                    None => {}
                }
            }
        }
    }
    fn look(&mut self, unit: u32) {
        match self.best_step(unit, false) {
            Some((_, gain)) => self.enqueue(unit, gain),
            None => self.queued[unit as usize] = 0.0,
        }
    }
    fn enqueue(&mut self, unit: u32, gain: f64) {
        if self.queued[unit as usize] != gain {
            self.queued[unit as usize] = gain;
            self.queue.push(Planned::new(gain, unit));
        }
    }
    /// Takes a step. The unit that was swapped with, if one was, and where it was.
    fn shift(&mut self, unit: u32, step: Step) -> Option<(u32, u32)> {
        let from = self.state.at[unit as usize];
        let (to, other) = match step {
            Step::Move(server) => (server, None),
            Step::Swap(other) => (self.state.at[other as usize], Some(other)),
        };
        self.state.shift(unit, to);
        if let Some(other) = other {
            self.state.shift(other, from);
        }
        for unit in self.around.drain(..) {
            self.is_around[unit as usize] = false;
        }
        let problem = self.state.problem;
        for moved in [Some(unit), other].into_iter().flatten() {
            self.concerns(moved);
            for (neighbour, _) in problem.row(moved) {
                self.concerns(neighbour);
            }
        }
        other.map(|other| (other, to))
    }
    fn concerns(&mut self, unit: u32) {
        if !std::mem::replace(&mut self.is_around[unit as usize], true) {
            self.around.push(unit);
            self.measure(unit);
        }
    }
    fn measure_all(&mut self) {
        for unit in 0..self.pulls.len() as u32 {
            self.measure(unit);
        }
    }
    fn measure(&mut self, unit: u32) {
        let at = self.state.at[unit as usize];
        let mut pull = Pull::default();
        for tie in self.state.connectivity.of(unit) {
            if tie.server == at {
                pull.stays = tie.rate;
            } else if tie.rate > pull.elsewhere {
                pull.elsewhere = tie.rate;
            }
        }
        self.pulls[unit as usize] = pull;
    }
    /// Cycles per second that a server has left; negative if it is overbooked.
    fn cycles_left(&self, server: u32) -> f64 {
        self.room[server as usize].cycles - self.state.carried[server as usize].load
    }
    /// What a move leaves on the unit's server and on the other one.
    fn after_move(&self, mover: Mover, to: u32) -> [Carried; 2] {
        let State {
            problem,
            at,
            carried,
            ..
        } = &self.state;
        let from = at[mover.unit as usize];
        [
            carried[from as usize].without(problem, mover.unit, mover.was),
            carried[to as usize].with(problem, mover.unit, mover.is),
        ]
    }
    /// What a swap of two units that have `between` traffic with each other leaves on their servers.
    fn after_swap(&self, mover: Mover, other: Mover, between: f64) -> [Carried; 2] {
        let problem = self.state.problem;
        let to = self.state.at[other.unit as usize];
        let [left, joined] = self.after_move(mover, to);
        [
            left.with(problem, other.unit, other.is - between),
            // Of the traffic between them nothing is inside in the end; to `other`, `unit` has joined it.
            joined.without(problem, other.unit, other.was + between),
        ]
    }
    /// Whether a server's link takes that: no more than it has room for, or than it carries now.
    fn link_takes(&self, server: u32, after: Carried) -> bool {
        let (now, room) = (
            self.state.carried[server as usize],
            self.room[server as usize],
        );
        after.into <= now.into.max(room.into) + self.little
            && after.out <= now.out.max(room.out) + self.little
    }
    /// The step of a unit that gains most; with `any` also if that is less than nothing. Only servers that the unit has more
    /// traffic with than with its own are looked at: of two units whose swap gains, one has such a server, namely the
    /// other's. With `any` there is also the one that it has most traffic with.
    fn best_step(&self, unit: u32, any: bool) -> Option<(Step, f64)> {
        let state = &self.state;
        let problem = state.problem;
        let Pull { stays, elsewhere } = self.pulls[unit as usize];
        let (least_rate, mut most) = match any {
            true => (elsewhere.min(stays + self.little), f64::NEG_INFINITY),
            false => (stays + self.little, self.little),
        };
        if elsewhere < least_rate || elsewhere == 0.0 {
            return None;
        }
        let from = state.at[unit as usize];
        let load = problem.load[unit as usize];
        let left_here = self.cycles_left(from);
        let links_take = |to: u32, [here, there]: [Carried; 2]| {
            self.link_takes(from, here) && self.link_takes(to, there)
        };
        let mut best = None;
        for tie in state.connectivity.of(unit) {
            if tie.server == from || tie.rate < least_rate {
                continue;
            }
            let (to, gain) = (tie.server, tie.rate - stays);
            let left_there = self.cycles_left(to);
            let mover = Mover {
                unit,
                was: stays,
                is: tie.rate,
            };
            if left_there >= load {
                if gain > most && links_take(to, self.after_move(mover, to)) {
                    (best, most) = (Some(Step::Move(to)), gain);
                }
                continue;
            }
            for other in state.members(to) {
                // What no swap with this unit exceeds, even by rounding.
                let pull = self.pulls[other as usize];
                if gain + pull.elsewhere - pull.stays <= most || self.moved[other as usize] {
                    continue;
                }
                if !swap_fits(problem.load[other as usize] - load, left_here, left_there) {
                    continue;
                }
                let is = state.connectivity.rate(other, from);
                let between = self.between(unit, other, is);
                let gain = gain + is - pull.stays - 2.0 * between;
                let other = Mover {
                    unit: other,
                    was: pull.stays,
                    is,
                };
                if gain > most && links_take(to, self.after_swap(mover, other, between)) {
                    (best, most) = (Some(Step::Swap(other.unit)), gain);
                }
            }
        }
        best.map(|step| (step, most))
    }
    /// Traffic between two units, of which `other` has `is` with all units of the server of `unit`.
    fn between(&self, unit: u32, other: u32, is: f64) -> f64 {
        if is > 0.0 {
            self.state.problem.between(unit, other)
        } else {
            0.0
        }
    }
}

/// Whether there are cycles for a swap in which a server gives a unit for one with `more` load: the one that takes the larger
/// unit must have the difference left.
fn swap_fits(more: f64, left_here: f64, left_there: f64) -> bool {
    if more > 0.0 {
        left_here >= more
    } else {
        left_there >= -more || more == 0.0
    }
}
