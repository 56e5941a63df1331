//! Equal servers: first what all of them do together, then which does what.
//!
//! The problem with equal servers as one ([`Relaxed`]) is small, and its optimum is a bound that no assignment of the
//! real problem betters. What it says about roles is then shared out among the servers; where that is as
//! good as the bound, it is the optimum.

use super::{Answer, Goal, Limits, Model, NoSolution, Scope, Search, Solved, solve_milp, value};
use crate::anneal::anneal;
use crate::both::both;
use crate::divide::{Effort, Known, divide};
use crate::relax::Relaxed;
use crate::search::search;
use crate::share::{restricted, share_out};
use crate::tally::Tally;

/// What sharing out came to.
pub(super) enum Shared {
    /// The optimum.
    Best(Box<Solved>),
    /// An assignment to go on from.
    Good(Vec<usize>),
    /// Nothing better than what was known.
    Nothing,
}

/// Steps of the first local search per open choice; each further one has twice as many.
const STEPS: usize = 40;
/// Steps of the local search over all choices, per open choice.
const POLISH: usize = 200;
/// What is random in each annealing.
const ANNEALINGS: [u64; 2] = [1, 2];
/// Moves of an annealing, per pair of open choices.
const MOVES: usize = 25;
/// How many searches there are.
const SEARCHES: u32 = 5;

/// Partial sets of units that dividing may make for each node of the branch and bound that is allowed.
const LABELS: u64 = 4_000;
/// Which part of the gap that is asked for is left open where a proof is looked for, so that rounding does not matter.
const PROOF: f64 = 0.9;

/// By how much less space there is taken to be, where an assignment does not fit.
const LESS: [f64; 3] = [0.002, 0.005, 0.01];

/// What each goal reaches at best, and the choices.
type Together = (Vec<f64>, Vec<usize>);

/// An assignment to begin with, and how good it is.
struct Start {
    /// By how much things are over-booked.
    over: f64,
    /// How full the fullest is.
    most: f64,
    choice: Vec<usize>,
}

impl Start {
    fn better(&self, other: Option<&Self>) -> bool {
        other.is_none_or(|other| (self.over, self.most) < (other.over, other.most))
    }
}

impl Search<'_> {
    /// Solves with equal servers as one and shares out what comes of it.
    pub(super) fn shared_out(
        &mut self,
        relaxed: &Relaxed,
        hint: Option<&[usize]>,
    ) -> Result<Shared, NoSolution> {
        loop {
            let rules = self.learnt.len();
            let Some((targets, choice)) = self.together(relaxed, true)? else {
                return Ok(Shared::Nothing);
            };
            let mut allowed = relaxed.shared_out(self.problem, &choice);
            let mut start = self.start(&allowed, &targets, hint)?;
            for less in LESS {
                if start
                    .as_ref()
                    .is_none_or(|s| s.over == 0.0 && self.close(s.most, targets[0]))
                {
                    break;
                }
                // What just fits into all servers may not fit into each: with a little less it does.
                let Some((_, choice)) = self.together(&relaxed.with_less(less), false)? else {
                    break;
                };
                let other = relaxed.shared_out(self.problem, &choice);
                let next = self.start(&other, &targets, hint)?;
                if next
                    .as_ref()
                    .is_some_and(|next| next.better(start.as_ref()))
                {
                    (allowed, start) = (other, next);
                }
            }
            let near = |start: &Start| start.over == 0.0 && self.close(start.most, targets[0]);
            if let Some(start) = start.as_ref().filter(|start| !self.ruled() && !near(start)) {
                // Other roles will have to be looked at, which need not be those of the best of these.
                let choices = start.choice.iter().zip(&allowed);
                return Ok(Shared::Good(choices.map(|(c, of)| of[*c]).collect()));
            }
            let part = restricted(self.problem, &allowed);
            let start = start.map(|start| start.choice);
            let scope = Scope {
                problem: &part,
                allowed: Some(&allowed),
                hint: start.as_deref(),
                targets: &targets,
            };
            // Half of the time is for looking at other roles.
            let time = self.limits.time;
            let past = self.began.elapsed();
            self.limits.time = time.map(|time| past + time.saturating_sub(past) / 2);
            let shared = self.pass(&scope);
            self.limits.time = time;
            let shared = match shared {
                Ok(Some(solved)) => solved,
                Ok(None) | Err(NoSolution::Infeasible { .. } | NoSolution::Stopped { .. })
                    if self.learnt.len() > rules =>
                {
                    continue;
                }
                Ok(None) | Err(NoSolution::Infeasible { .. } | NoSolution::Stopped { .. }) => {
                    let start = scope.hint.map(|start| Shared::Good(scope.whole(start)));
                    return Ok(start.unwrap_or(Shared::Nothing));
                }
                Err(error) => return Err(error),
            };
            let targets = self.with_proof(&targets);
            let mut pairs = shared.reached.iter().zip(&targets);
            if pairs.all(|(reached, target)| self.close(reached.value, *target)) {
                return Ok(Shared::Best(Box::new(self.certified(shared))));
            }
            // With what was learnt on the way other roles may be better.
            if self.learnt.len() == rules {
                return Ok(Shared::Good(shared.choice));
            }
        }
    }
    /// The optimum with equal servers as one: what each goal reaches at best, and the choices. `None` if the
    /// search for it stopped. With `proof`, what it reaches is a bound.
    fn together(&mut self, relaxed: &Relaxed, proof: bool) -> Result<Option<Together>, NoSolution> {
        let goals = relaxed.goals(self.goals);
        let mut model = Model::relaxed(relaxed, &goals);
        for row in relaxed.rows(&self.learnt) {
            model.rule(&row);
        }
        let mut targets = Vec::new();
        let mut best: Option<Vec<f64>> = None;
        for (k, goal) in goals.iter().enumerate() {
            let mut aim = model.aim(goal);
            let hint: Vec<(usize, f64)> = best.iter().flatten().copied().enumerate().collect();
            let (values, bound) = loop {
                // The gap is for what sharing out loses.
                let limits = self.limits(goal);
                let gap = 0.1 * limits.gap;
                let limits = Limits { gap, ..limits };
                let (values, bound) = match solve_milp(&model.milp, limits, &hint) {
                    Answer::Failed(why) => return Err(NoSolution::Solver(why)),
                    Answer::Infeasible if k == 0 && self.certain && proof => {
                        return Err(NoSolution::Infeasible {
                            bound: self.first_bound,
                        });
                    }
                    Answer::Infeasible => return Ok(None),
                    Answer::Found { values, bound } => (values, aim.real(bound)),
                };
                if proof && self.certain && !matches!(goal, Goal::Prefer(_)) {
                    self.together.truncate(k);
                    self.together.push(bound);
                    self.first_bound = self.first_bound.max(self.together[0]);
                }
                let Some(values) = values.or_else(|| best.clone()) else {
                    return Ok(None);
                };
                // The first goal leaves much open; from the second on a look at what comes of it pays.
                let learnt = self.learnt.len();
                if k > 0 && !matches!(goal, Goal::Prefer(_)) {
                    self.probe(relaxed, &model.choice(&values))?;
                }
                if self.learnt.len() == learnt {
                    break (values, bound);
                }
                for row in relaxed.rows(&self.learnt[learnt..]) {
                    model.rule(&row);
                }
            };
            targets.push(bound);
            // What is as near as was asked for counts as reached: later goals are bound for all of that.
            let got = value(&model.milp.objective, &values);
            aim.reached = got + 2.0 * self.limits.gap * got.abs();
            model.keep(&aim);
            best = Some(values);
        }
        Ok(best.map(|values| (targets, model.choice(&values))))
    }
    /// Has some way of sharing out looked at, so that what is wrong with it is learnt.
    fn probe(&mut self, relaxed: &Relaxed, choice: &[usize]) -> Result<(), NoSolution> {
        let allowed = relaxed.shared_out(self.problem, choice);
        let part = restricted(self.problem, &allowed);
        let anything = Goal::Sum(Vec::new());
        let mut model = Model::new(&part, std::slice::from_ref(&anything));
        for row in &self.learnt {
            model.rule(row);
        }
        let scope = Scope {
            problem: &part,
            allowed: Some(&allowed),
            hint: None,
            targets: &[],
        };
        let limits = self.limits(&anything);
        if let Answer::Found {
            values: Some(values),
            ..
        } = solve_milp(&model.milp, limits, &[])
        {
            self.accepts(&scope, &model.choice(&values), &mut model)?;
        }
        Ok(())
    }
    /// An assignment to begin with: what was known if it is one of these, or shared out by local search
    /// where no rules are in its way.
    fn start(
        &self,
        allowed: &[Vec<usize>],
        targets: &[f64],
        hint: Option<&[usize]>,
    ) -> Result<Option<Start>, NoSolution> {
        let part = restricted(self.problem, allowed);
        let start = |choice: Vec<usize>| {
            let tally = Tally::new(&part, &choice);
            Start {
                over: tally.excess(),
                most: tally.most(),
                choice,
            }
        };
        let within = |hint: &[usize]| -> Option<Vec<usize>> {
            let choices = hint.iter().zip(allowed);
            choices
                .map(|(c, allowed)| allowed.iter().position(|a| a == c))
                .collect()
        };
        if self.ruled() {
            return Ok(hint.and_then(within).map(start));
        }
        let target = targets.first().copied().unwrap_or(0.0);
        let mut best = hint.and_then(within).map(start);
        let open: usize = allowed.iter().map(|a| a.len() - 1).sum();
        let steps = (STEPS * open) as u64;
        for k in 0..SEARCHES {
            let found = start(share_out(&part, self.goals, steps << k, u64::from(k))?);
            if found.better(best.as_ref()) {
                best = Some(found);
            }
            let enough = |s: &Start| s.over == 0.0 && self.close(s.most, target);
            if best.as_ref().is_some_and(enough) {
                break;
            }
        }
        Ok(best)
    }
    /// Whether local search, which knows no rules and seeks scale, is of no use.
    fn ruled(&self) -> bool {
        let rules = !self.problem.rules.rows.is_empty() || !self.learnt.is_empty();
        rules || self.goals.first() != Some(&Goal::Scale)
    }
    /// The better of what was shared out and what was known, and what local search makes of them where no
    /// rules are in its way.
    pub(super) fn polished(
        &self,
        shared: Vec<usize>,
        known: Option<Vec<usize>>,
    ) -> Result<Vec<usize>, NoSolution> {
        if self.ruled() {
            return Ok(shared);
        }
        let open: usize = self.problem.units.iter().map(|u| u.choices.len() - 1).sum();
        let steps = (POLISH * open) as u64;
        let starts: Vec<Vec<usize>> = known.into_iter().chain([shared]).collect();
        let found = search(self.problem, self.goals, &starts, steps, 1)?;
        if self.close(Tally::new(self.problem, &found).most(), self.first_bound) {
            return Ok(found);
        }
        let moves = (MOVES * open * open) as u64;
        let [first, second] = ANNEALINGS;
        let (first, second) = both(
            || anneal(self.problem, &found, moves, first),
            || anneal(self.problem, &found, moves, second),
        );
        let most = |choice: &Vec<usize>| Tally::new(self.problem, choice).most();
        let best = [first, second]
            .into_iter()
            .min_by(|a, b| most(a).total_cmp(&most(b)));
        Ok(best.unwrap_or(found))
    }
    /// What dividing the work among the servers makes of an assignment, where what it reaches is not as good as what is
    /// proven; and what that proves.
    pub(super) fn divided(
        &mut self,
        relaxed: &Relaxed,
        known: Vec<usize>,
    ) -> Result<Vec<usize>, NoSolution> {
        if self.goals.first() != Some(&Goal::Scale) {
            return Ok(known);
        }
        let mut best = known;
        let limits = self.limits(&Goal::Scale);
        let effort = Effort {
            labels: limits
                .nodes
                .map_or(u64::MAX, |nodes| nodes.saturating_mul(LABELS)),
            until: limits.time.map(|time| std::time::Instant::now() + time),
        };
        loop {
            let rules = self.learnt.len();
            let problem = self.problem;
            let mut model = Model::new(problem, &[Goal::Scale]);
            for row in &self.learnt {
                model.rule(row);
            }
            let value = Tally::new(problem, &best).most();
            if self.values(&model, &best).is_none() || self.close(value, self.first_bound) {
                return Ok(best);
            }
            let known = Known {
                value,
                bound: self.first_bound,
                gap: PROOF * self.limits.gap,
            };
            let all: Vec<crate::Row> = problem
                .rules
                .rows
                .iter()
                .chain(&self.learnt)
                .cloned()
                .collect();
            let whole = Scope {
                problem,
                allowed: None,
                hint: None,
                targets: &[],
            };
            let divided = divide(problem, relaxed, &all, known, effort, &mut |choice| {
                let holds = self.values(&model, choice).is_some();
                let accepted = holds && self.accepts(&whole, choice, &mut model)?;
                let used = accepted.then(|| Tally::new(problem, choice).most());
                Ok::<_, NoSolution>(used)
            })?;
            if self.certain {
                self.first_bound = self.first_bound.max(divided.bound);
            }
            best = divided.choice.unwrap_or(best);
            if self.learnt.len() == rules {
                return Ok(best);
            }
        }
    }
    /// Targets of the goals of which something is proven.
    fn with_proof(&self, targets: &[f64]) -> Vec<f64> {
        let goals = self.goals.iter().zip(targets);
        goals
            .filter(|(goal, _)| !matches!(goal, Goal::Prefer(_)))
            .map(|(_, target)| *target)
            .collect()
    }
    /// The solution, with what is proven of all assignments in place of that of its part.
    fn certified(&self, mut solved: Solved) -> Solved {
        let mut known = true;
        for (k, reached) in solved.reached.iter_mut().enumerate() {
            let bound = self.together.get(k).copied().filter(|_| known);
            let bound = bound.unwrap_or(f64::NEG_INFINITY);
            known = self.close(reached.value, bound);
            reached.bound = bound.min(reached.value);
        }
        solved.stopped = false;
        solved
    }
    /// Whether a value is as good as the target, within the gap that was asked for.
    pub(super) fn close(&self, value: f64, target: f64) -> bool {
        value - target <= self.limits.gap.max(super::LOSS) * value.abs().max(1e-9)
    }
}
