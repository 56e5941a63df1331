//! Relief of links that a packing has overbooked.

use super::{Mover, Refinement, Step, swap_fits};
use crate::state::{Carried, usage};

impl Refinement<'_> {
    /// Relieves the fullest link, step by step, until all links have room or a step is wanting.
    pub(super) fn relieve(&mut self) {
        let used = |search: &Self, server: usize| {
            search.link_use(server as u32, search.state.carried[server])
        };
        let mut uses: Vec<f64> = (0..self.room.len()).map(|s| used(self, s)).collect();
        loop {
            let (mut fullest, mut emptiest) = (0, 0);
            for (server, used) in uses.iter().enumerate() {
                if *used > uses[fullest] {
                    fullest = server;
                }
                if *used < uses[emptiest] {
                    emptiest = server;
                }
            }
            if uses[fullest] <= 1.0 {
                return;
            }
            let Some((unit, step)) = self.relief(fullest as u32, emptiest as u32, &uses) else {
                return;
            };
            let to = match step {
                Step::Move(to) => to,
                Step::Swap(other) => self.state.at[other as usize],
            };
            self.shift(unit, step);
            for server in [fullest, to as usize] {
                uses[server] = used(self, server);
            }
        }
    }
    /// The use of the fuller direction of a link, as a part of what it has room for.
    fn link_use(&self, server: u32, carried: Carried) -> f64 {
        let room = self.room[server as usize];
        usage(carried.into, room.into).max(usage(carried.out, room.out))
    }
    /// The step of a unit of the fullest link that leaves least on the two links that it concerns, and of several the one
    /// with the least traffic. It goes to a server that the unit has traffic with, or to the emptiest link. (What crosses
    /// other links crosses them still.)
    fn relief(&self, fullest: u32, emptiest: u32, uses: &[f64]) -> Option<(u32, Step)> {
        let state = &self.state;
        let problem = state.problem;
        // A step is to lessen the use; of an infinite one it leaves a finite one, or it is none.
        let bar = uses[fullest as usize] * (1.0 - 1e-9);
        let (mut best, mut least) = (None, (bar, f64::INFINITY));
        let left_here = self.cycles_left(fullest);
        for unit in state.members(fullest) {
            let was = self.pulls[unit as usize].stays;
            let load = problem.load[unit as usize];
            let mut consider = |step, to, [here, there]: [Carried; 2], more_traffic| {
                let used = self.link_use(fullest, here).max(self.link_use(to, there));
                let cost = (used, more_traffic);
                if used < bar && cost < least {
                    (best, least) = (Some((unit, step)), cost);
                }
            };
            let ties = state.connectivity.of(unit);
            let to_emptiest = ties.iter().all(|tie| tie.server != emptiest);
            let targets = ties.iter().map(|tie| (tie.server, tie.rate));
            for (to, is) in targets.chain(to_emptiest.then_some((emptiest, 0.0))) {
                if to == fullest || uses[to as usize] >= bar {
                    continue;
                }
                let mover = Mover { unit, was, is };
                let left_there = self.cycles_left(to);
                if left_there >= load {
                    consider(Step::Move(to), to, self.after_move(mover, to), was - is);
                }
                for other in state.members(to) {
                    if !swap_fits(problem.load[other as usize] - load, left_here, left_there) {
                        continue;
                    }
                    let is = state.connectivity.rate(other, fullest);
                    let between = self.between(unit, other, is);
                    let other = Mover {
                        unit: other,
                        was: self.pulls[other as usize].stays,
                        is,
                    };
                    consider(
                        Step::Swap(other.unit),
                        to,
                        self.after_swap(mover, other, between),
                        was - mover.is + other.was - is + 2.0 * between,
                    );
                }
            }
        }
        best
    }
}
