//! E2's heuristic: from a packing, the best moves and swaps.

use crate::connectivity::Tie;
use crate::packing::{capacity, depth_first, pack};
use crate::problem::{Placement, Problem};
use crate::state::State;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// E2's placement (section 4.4): the depth-first packing, then moves and swaps of two units after
/// Kernighan and Lin, the one with the largest gain first, as long as one lessens the traffic between
/// servers. Where none does, a pass takes the best steps all the same, moving each unit once at most, and keeps the steps
/// up to where the traffic was least (Kernighan and Lin 1970); passes end when one lessens nothing. No server takes more than
/// its cores can at `growth` times the offered load, unless the packing has overbooked it.
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

/// For how many steps a pass goes on without a new least.
const PATIENCE: usize = 16;

/// A step of a pass, not yet taken; the largest gain first.
#[derive(PartialEq)]
struct Planned {
    gain: f64,
    unit: u32,
}

impl Eq for Planned {}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        let gains = self.gain.total_cmp(&other.gain);
        gains.then(other.unit.cmp(&self.unit))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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
    /// Units that a pass has moved.
    moved: Vec<bool>,
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
            moved: vec![false; units],
            state,
        }
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
        let mut planned = BinaryHeap::with_capacity(2 * self.moved.len());
        for unit in 0..self.moved.len() as u32 {
            self.plan(unit, &mut planned);
        }
        let mut taken: Vec<(u32, u32)> = Vec::new();
        let (mut gained, mut most, mut keep) = (0.0, self.little, 0);
        let mut since = 0;
        while let Some(Planned {
            gain: promised,
            unit,
        }) = planned.pop()
        {
            if since == PATIENCE {
                break;
            }
            if self.moved[unit as usize] {
                continue;
            }
            let Some((step, gain)) = self.best_step(unit, true) else {
                continue;
            };
            if gain < promised - self.little {
                planned.push(Planned { gain, unit });
                continue;
            }
            let from = self.state.at[unit as usize];
            let other = self.shift(unit, step);
            gained += gain;
            since += 1;
            for (unit, was) in [Some((unit, from)), other].into_iter().flatten() {
                self.moved[unit as usize] = true;
                taken.push((unit, was));
            }
            if gained > most {
                (most, keep, since) = (gained, taken.len(), 0);
            }
            for (unit, _) in [Some((unit, from)), other].into_iter().flatten() {
                for (neighbour, _) in self.state.problem.row(unit) {
                    self.plan(neighbour, &mut planned);
                }
            }
        }
        for (unit, _) in &taken {
            self.moved[*unit as usize] = false;
        }
        while taken.len() > keep {
            if let Some((unit, was)) = taken.pop() {
                self.state.shift(unit, was);
            }
        }
        keep > 0
    }
    fn plan(&mut self, unit: u32, planned: &mut BinaryHeap<Planned>) {
        if !self.moved[unit as usize]
            && let Some((_, gain)) = self.best_step(unit, true)
        {
            planned.push(Planned { gain, unit });
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
            while let Some((bits, Reverse(unit))) = self.queue.pop() {
                let promised = f64::from_bits(bits);
                if self.queued[unit as usize] != promised {
                    continue;
                }
                self.queued[unit as usize] = 0.0;
                match self.best_step(unit, false) {
                    Some((step, gain)) if gain >= promised - self.little => self.take(unit, step),
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
            self.queue.push((gain.to_bits(), Reverse(unit)));
        }
    }
    fn take(&mut self, unit: u32, step: Step) {
        let other = self.shift(unit, step).map(|(other, _)| other);
        let problem = self.state.problem;
        for moved in [Some(unit), other].into_iter().flatten() {
            self.look(moved);
            for (neighbour, _) in problem.row(moved) {
                self.look(neighbour);
            }
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
        let other = other?;
        self.state.shift(other, from);
        Some((other, to))
    }
    /// The step of a unit that gains most; with `any` also if that is less than nothing. Only servers that the unit has more
    /// traffic with than with its own are looked at: of two units whose swap gains, one has such a server, namely the
    /// other's. With `any` there is also the one that it has most traffic with.
    fn best_step(&mut self, unit: u32, any: bool) -> Option<(Step, f64)> {
        let state = &self.state;
        let problem = state.problem;
        let from = state.at[unit as usize];
        let stays = state.connectivity.rate(unit, from);
        let ties = state.connectivity.of(unit);
        let elsewhere = ties.iter().filter(|tie| tie.server != from);
        let strongest = elsewhere.map(|tie| tie.rate).fold(0.0, f64::max);
        let (pull, least) = match any {
            true => (strongest.min(stays + self.little), f64::NEG_INFINITY),
            false => (stays + self.little, self.little),
        };
        if strongest < pull || strongest == 0.0 {
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
            if gain > best.map_or(least, |b| b.1) {
                best = Some((step, gain));
            }
        };
        let pulls = |tie: &&Tie| tie.server != from && tie.rate >= pull;
        for tie in ties.iter().filter(pulls) {
            let (to, pull) = (tie.server, tie.rate - stays);
            if room(to) >= load {
                consider(Step::Move(to), pull);
                continue;
            }
            for other in state.members(to).filter(|o| !self.moved[*o as usize]) {
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
