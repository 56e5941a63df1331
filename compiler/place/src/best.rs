//! The best placement that can be found in bounded work, and how good it could be.

use crate::bound::upper_bound;
use crate::evaluate::{Evaluation, evaluate, evaluate_units};
use crate::exact::{MOST_UNITS, exact};
use crate::packing::{depth_first, fullest, grow, pack, packing_growth};
use crate::problem::{Placement, Problem};
use crate::refine::refine;
use crate::rng::Rng;
use crate::search::Search;
use crate::state::State;

/// How long [`best`] searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Seed of its random choices.
    pub seed: u64,
    /// From how many placements it starts, at least one.
    pub starts: u32,
    /// How many moves and swaps it looks at over all starts, about.
    pub steps: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            seed: 1,
            starts: 8,
            steps: 4_000_000,
        }
    }
}

/// What [`best`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The placement.
    pub placement: Placement,
    /// How good it is.
    pub evaluation: Evaluation,
    /// What no placement can exceed: [`upper_bound`], or the growth itself if a search of all placements
    /// (to 9 digits) was finished.
    pub bound: f64,
}

impl Answer {
    /// How much better a placement could still be, as a part of this one's growth: 0 if it is optimal.
    pub fn gap(&self) -> f64 {
        let growth = self.evaluation.growth;
        if growth >= self.bound {
            0.0
        } else {
            self.bound / growth - 1.0
        }
    }
}

/// The placement with the most growth of those that a heuristic makes if it is told to make room for
/// more or less load: for [`crate::packing_growth`], and down from there in steps of a twentieth. That
/// is how far the offered traffic can rise until something is full. (With less to make room for, a
/// heuristic takes fewer servers, and has less traffic between them.)
pub fn at_best_load(
    problem: &Problem,
    heuristic: impl Fn(&Problem, f64) -> Placement,
) -> (Placement, Evaluation) {
    let levels = levels(packing_growth(problem));
    let place = |growth| {
        let placement = heuristic(problem, growth);
        let evaluation = evaluate(problem, &placement);
        (placement, evaluation)
    };
    let mut found = place(levels[0]);
    for growth in levels.into_iter().skip(1) {
        let new = place(growth);
        if better(&new.1, &found.1) {
            found = new;
        }
    }
    found
}

/// The placement with the most growth, and of several the one with the least traffic between
/// servers, that a search from several starts finds: the depth-first packing and E2's heuristic for
/// more and less load, and servers that are filled so that little crosses their borders. From
/// the best of them on, the bottleneck is relieved by moves and swaps. Small problems (up to 24 units)
/// are solved by branch and bound if that takes no more than a quarter of the steps.
///
/// It is never below [`at_best_load`] with [`crate::packing()`] or [`crate::e2`].
pub fn best(problem: &Problem, effort: Effort) -> Answer {
    let mut bound = upper_bound(problem);
    let mut rng = Rng::new(effort.seed);
    let mut left = effort.steps;
    let starts = starts(problem, effort, &mut left, &mut rng);
    let mut found = starts[0].clone();
    if problem.units() <= MOST_UNITS && found.evaluation.growth < bound {
        let exact = exact(problem, found.evaluation.growth, left / 2);
        left -= exact.looked;
        if let Some(at) = exact.at {
            found = Start::new(problem, at);
        }
        if exact.complete {
            bound = bound.min(found.evaluation.growth);
        }
    }
    let count = starts.len() as u64;
    for (i, start) in (0..).zip(starts) {
        if found.evaluation.growth >= bound {
            break;
        }
        let share = left / (count - i);
        let mut search = Search::new(State::new(problem, start.at), 1.0 / bound, share);
        search.run(&mut rng);
        left -= share - search.steps;
        let end = Start::new(problem, search.state.at);
        if better(&end.evaluation, &found.evaluation) {
            found = end;
        }
    }
    Answer {
        placement: problem.of_instances(&found.at),
        evaluation: found.evaluation,
        bound,
    }
}

/// More growth, or as much with less traffic between servers.
fn better(a: &Evaluation, b: &Evaluation) -> bool {
    (a.growth, -a.crossing) > (b.growth, -b.crossing)
}

/// What a heuristic is told to make room for.
fn levels(full: f64) -> [f64; 20] {
    std::array::from_fn(|i| full * (1.0 - i as f64 / 20.0))
}

/// A placement of units to start from.
#[derive(Clone)]
struct Start {
    at: Vec<u32>,
    evaluation: Evaluation,
}

impl Start {
    fn new(problem: &Problem, at: Vec<u32>) -> Self {
        Self {
            evaluation: evaluate_units(problem, &at),
            at,
        }
    }
}

/// At least one and at most `effort.starts` placements, the best first. They take up to half of the steps.
fn starts(problem: &Problem, effort: Effort, left: &mut u64, rng: &mut Rng) -> Vec<Start> {
    let order = depth_first(problem, 0);
    let levels = levels(fullest(problem, &order));
    let mut starts = Vec::new();
    for growth in levels {
        let packed = pack(problem, &order, growth).at;
        starts.push(Start::new(problem, packed.clone()));
        starts.push(Start::new(problem, refine(problem, packed, growth)));
    }
    // About what a refinement takes, in steps of the search.
    let price = 10 * (problem.units() + problem.half_edges()) as u64 + 1;
    for growth in levels.into_iter().cycle().take(100) {
        if *left < effort.steps / 2 + price {
            break;
        }
        *left -= price;
        let first = rng.below(problem.units().max(1));
        let grown = grow(problem, first, growth);
        starts.push(Start::new(problem, refine(problem, grown, growth)));
    }
    starts.sort_by(|a, b| {
        let (a, b) = (&a.evaluation, &b.evaluation);
        b.growth
            .total_cmp(&a.growth)
            .then(a.crossing.total_cmp(&b.crossing))
    });
    starts.dedup_by(|a, b| a.at == b.at);
    starts.truncate(effort.starts.max(1) as usize);
    starts
}
