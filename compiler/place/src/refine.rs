//! E2's heuristic: from a packing, the best moves and swaps.

use crate::packing::{capacity, depth_first, pack};
use crate::problem::{Placement, Problem};
use crate::state::State;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// E2's placement (section 4.4): the depth-first packing, then moves and swaps of two units after
/// Kernighan and Lin, the one with the largest gain first, as long as one lessens the traffic between
/// servers. No server takes more than its cores can at `growth` times the offered load, unless the
/// packing has overbooked it.
///
/// In the end no single move and no swap of two units that fits lessens the traffic.
pub fn e2(problem: &Problem, growth: f64) -> Placement {
    let packed = pack(problem, &depth_first(problem, 0), growth);
    problem.of_instances(&refine(problem, packed.at, growth))
}

/// Lessens the traffic of a placement of units, as [`e2`] does.
pub(crate) fn refine(problem: &Problem, at: Vec<u32>, growth: f64) -> Vec<u32> {
    let mut search = Refinement::new(State::new(problem, at), growth);
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

struct Refinement<'a> {
    state: State<'a>,
    /// Cycles per second that each server may take.
    capacity: Vec<f64>,
    /// Gains that count for nothing: rounding errors.
    little: f64,
    /// Units by the gain of their best step when it was last computed; gains are positive, so that
    /// their bits are ordered as they are. An entry that is not what `queued` says is stale.
    queue: BinaryHeap<(u64, Reverse<u32>)>,
    queued: Vec<f64>,
    /// Traffic of the unit at hand with each other unit, zero outside [`Refinement::best_step`].
    with: Vec<f64>,
}

impl<'a> Refinement<'a> {
    fn new(state: State<'a>, growth: f64) -> Self {
        let problem = state.problem;
        let units = problem.units();
        Self {
            capacity: problem
                .servers
                .iter()
                .map(|s| capacity(s.cycles, growth))
                .collect(),
            little: 1e-9 * problem.sent.iter().sum::<f64>() / units.max(1) as f64,
            queue: BinaryHeap::with_capacity(2 * units),
            queued: vec![0.0; units],
            with: vec![0.0; units],
            state,
        }
    }
    /// Sweeps until nothing gains. In between, a step makes its neighbours be looked at again; what
    /// else it makes possible, as there is room now, the next sweep finds.
    fn run(&mut self) {
        loop {
            for unit in 0..self.queued.len() as u32 {
                self.look(unit);
            }
            if self.queue.is_empty() {
                return;
            }
            while let Some((bits, Reverse(unit))) = self.queue.pop() {
                let promised = f64::from_bits(bits);
                if self.queued[unit as usize] != promised {
                    continue;
                }
                self.queued[unit as usize] = 0.0;
                match self.best_step(unit) {
                    Some((step, gain)) if gain >= promised - self.little => self.take(unit, step),
                    Some((_, gain)) => self.enqueue(unit, gain),
                    None => {}
                }
            }
        }
    }
    fn look(&mut self, unit: u32) {
        match self.best_step(unit) {
            Some((_, gain)) => self.enqueue(unit, gain),
            None => self.queued[unit as usize] = 0.0,
        }
    }
    fn enqueue(&mut self, unit: u32, gain: f64) {
        if self.queued[unit as usize] != gain {
            self.queued[unit as usize] = gain;
            self.queue.push((gain.to_bits(), Reverse(unit)));
        }
    }
    fn take(&mut self, unit: u32, step: Step) {
        let from = self.state.at[unit as usize];
        let (to, other) = match step {
            Step::Move(server) => (server, None),
            Step::Swap(other) => (self.state.at[other as usize], Some(other)),
        };
        self.state.shift(unit, to);
        if let Some(other) = other {
            self.state.shift(other, from);
        }
        let problem = self.state.problem;
        for moved in [Some(unit), other].into_iter().flatten() {
            self.look(moved);
            for (neighbour, _) in problem.row(moved) {
                self.look(neighbour);
            }
        }
    }
    /// The step of a unit that gains most. Only servers that the unit has more traffic with than
    /// with its own are looked at: of two units whose swap gains, one has such a server, namely the
    /// other's.
    fn best_step(&mut self, unit: u32) -> Option<(Step, f64)> {
        let state = &self.state;
        let problem = state.problem;
        let from = state.at[unit as usize];
        let stays = state.connectivity.rate(unit, from);
        let ties = state.connectivity.of(unit);
        if ties.iter().all(|t| t.rate <= stays + self.little) {
            return None;
        }
        for (v, rate) in problem.row(unit) {
            self.with[v as usize] = rate;
        }
        let load = problem.load[unit as usize];
        let room =
            |server: u32| self.capacity[server as usize] - state.carried[server as usize].load;
        let mut best: Option<(Step, f64)> = None;
        let mut consider = |step, gain: f64| {
            if gain > best.map_or(self.little, |b| b.1) {
                best = Some((step, gain));
            }
        };
        for tie in ties.iter().filter(|t| t.rate > stays + self.little) {
            let (to, pull) = (tie.server, tie.rate - stays);
            if room(to) >= load {
                consider(Step::Move(to), pull);
                continue;
            }
            for other in state.members(to) {
                let more = problem.load[other as usize] - load;
                // The server that takes the larger one must have room for the difference.
                let fits = if more > 0.0 {
                    room(from) >= more
                } else {
                    room(to) >= -more || more == 0.0
                };
                if fits {
                    let gain = pull + state.connectivity.rate(other, from)
                        - state.connectivity.rate(other, to)
                        - 2.0 * self.with[other as usize];
                    consider(Step::Swap(other), gain);
                }
            }
        }
        for (v, _) in problem.row(unit) {
            self.with[v as usize] = 0.0;
        }
        best
    }
}
