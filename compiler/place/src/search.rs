//! Local search on the growth itself: relief of the bottleneck.

use crate::rng::Rng;
use crate::state::{Carried, State};

/// How often the search is disturbed without success before it ends.
const KICKS_IN_VAIN: u32 = 500;

/// What to do with a unit of the bottleneck.
#[derive(Clone, Copy, Debug)]
enum Step {
    Move(u32, u32),
    Swap(u32, u32),
}

/// What is to be lessened: the largest use of the servers in question, then the traffic between
/// servers.
type Cost = (f64, f64);

pub(crate) struct Search<'a> {
    pub(crate) state: State<'a>,
    /// By server, the use of its most used resource.
    usage: Vec<f64>,
    /// A use that no placement goes below.
    floor: f64,
    /// Moves and swaps that may still be looked at.
    pub(crate) steps: u64,
    /// What was moved, and from where, since the placement that the search would go back to.
    log: Vec<(u32, u32)>,
    /// By unit: traffic with the bottleneck.
    to_hot: Vec<f64>,
    /// By unit: traffic with the unit at hand. Zero in between.
    with: Vec<f64>,
    /// By server: traffic with the unit at hand. Zero in between.
    pull: Vec<f64>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(state: State<'a>, floor: f64, steps: u64) -> Self {
        let problem = state.problem;
        let mut search = Self {
            usage: vec![0.0; problem.servers()],
            floor: floor * (1.0 + 1e-9),
            steps,
            log: Vec::with_capacity(problem.units()),
            to_hot: vec![0.0; problem.units()],
            with: vec![0.0; problem.units()],
            pull: vec![0.0; problem.servers()],
            state,
        };
        for server in 0..problem.servers() as u32 {
            search.measure(server);
        }
        search
    }
    /// Descends; then again and again disturbs the bottleneck, descends, and takes it back if that
    /// has not helped.
    pub(crate) fn run(&mut self, rng: &mut Rng) {
        self.descend();
        self.log.clear();
        let mut cost = self.usage[self.hottest() as usize];
        let mut in_vain = 0;
        while self.steps > 0 && cost > self.floor && in_vain < KICKS_IN_VAIN {
            self.kick(rng);
            self.descend();
            let new = self.usage[self.hottest() as usize];
            in_vain += 1;
            if new <= cost {
                if new < cost * (1.0 - 1e-9) {
                    in_vain = 0;
                }
                cost = new;
                self.log.clear();
            } else {
                while let Some((unit, from)) = self.log.pop() {
                    self.shift(unit, from);
                    self.log.pop();
                }
            }
        }
    }
    fn hottest(&self) -> u32 {
        let mut hottest = 0;
        for (server, usage) in self.usage.iter().enumerate() {
            if *usage > self.usage[hottest] {
                hottest = server;
            }
        }
        hottest as u32
    }
    fn measure(&mut self, server: u32) {
        let i = server as usize;
        self.usage[i] = self.state.carried[i].usage(&self.state.problem.servers[i]);
    }
    fn shift(&mut self, unit: u32, to: u32) {
        let from = self.state.at[unit as usize];
        self.log.push((unit, from));
        self.state.shift(unit, to);
        self.measure(from);
        self.measure(to);
    }
    fn take(&mut self, step: Step) {
        match step {
            Step::Move(unit, to) => self.shift(unit, to),
            Step::Swap(a, b) => {
                let (from, to) = (self.state.at[a as usize], self.state.at[b as usize]);
                self.shift(a, to);
                self.shift(b, from);
            }
        }
    }
    /// Relieves the bottleneck by the best step, until there is none.
    fn descend(&mut self) {
        loop {
            let hot = self.hottest();
            if self.usage[hot as usize] <= self.floor || self.steps == 0 {
                return;
            }
            let Some(step) = self.relief(hot) else { return };
            self.take(step);
        }
    }
    /// The step that leaves the least use on the two servers that it concerns. (A step changes
    /// nothing for others: what crosses their links crosses them still.)
    fn relief(&mut self, hot: u32) -> Option<Step> {
        let state = &self.state;
        let problem = state.problem;
        for (unit, rate) in self.to_hot.iter_mut().enumerate() {
            *rate = state.connectivity.rate(unit as u32, hot);
        }
        let mut best: Option<Step> = None;
        let mut least: Cost = (self.usage[hot as usize] * (1.0 - 1e-9), f64::INFINITY);
        let mut looked = 0;
        for unit in state.members(hot) {
            for tie in state.connectivity.of(unit) {
                self.pull[tie.server as usize] = tie.rate;
            }
            for (v, rate) in problem.row(unit) {
                self.with[v as usize] = rate;
            }
            let was = self.to_hot[unit as usize];
            let left = state.carried[hot as usize].without(problem, unit, was);
            for to in 0..problem.servers() as u32 {
                if to == hot || self.usage[to as usize] >= least.0 {
                    continue;
                }
                let is = self.pull[to as usize];
                let joined = state.carried[to as usize].with(problem, unit, is);
                looked += 1;
                let cost = self.cost(hot, left, to, joined, was - is);
                if cost < least {
                    (least, best) = (cost, Some(Step::Move(unit, to)));
                }
                for other in state.members(to) {
                    let between = self.with[other as usize];
                    let (other_is, other_was) = (
                        self.to_hot[other as usize] - between,
                        state.connectivity.rate(other, to),
                    );
                    let hot_after = left.with(problem, other, other_is);
                    let to_after = state.carried[to as usize]
                        .without(problem, other, other_was)
                        .with(problem, unit, is - between);
                    looked += 1;
                    let more = was - is + other_was - other_is + between;
                    let cost = self.cost(hot, hot_after, to, to_after, more);
                    if cost < least {
                        (least, best) = (cost, Some(Step::Swap(unit, other)));
                    }
                }
            }
            for tie in state.connectivity.of(unit) {
                self.pull[tie.server as usize] = 0.0;
            }
            for (v, _) in problem.row(unit) {
                self.with[v as usize] = 0.0;
            }
        }
        self.steps = self.steps.saturating_sub(looked);
        best
    }
    fn cost(&self, a: u32, on_a: Carried, b: u32, on_b: Carried, more_traffic: f64) -> Cost {
        let servers = &self.state.problem.servers;
        let usage = on_a
            .usage(&servers[a as usize])
            .max(on_b.usage(&servers[b as usize]));
        (usage, more_traffic)
    }
    /// A few random steps, most of them at the bottleneck.
    fn kick(&mut self, rng: &mut Rng) {
        for _ in 0..1 + rng.below(4) {
            let from = if rng.below(4) == 0 {
                rng.below(self.usage.len()) as u32
            } else {
                self.hottest()
            };
            let to = rng.below(self.usage.len()) as u32;
            let Some(unit) = pick(self.state.members(from), rng) else {
                continue;
            };
            match pick(self.state.members(to), rng) {
                Some(other) if rng.below(2) == 0 => self.take(Step::Swap(unit, other)),
                _ => self.take(Step::Move(unit, to)),
            }
        }
        self.steps = self.steps.saturating_sub(1);
    }
}

/// One of them by chance.
fn pick(mut members: impl Iterator<Item = u32> + Clone, rng: &mut Rng) -> Option<u32> {
    let count = members.clone().count();
    members.nth(rng.below(count))
}
