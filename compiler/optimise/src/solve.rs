//! One goal after the other, each without loss to those before it.

use crate::marginal;
use crate::milp::{Answer, Limits, ROOM, solve as solve_milp, value};
use crate::model::Model;
use crate::problem::{Malformed, Problem, Row, Rules, Var};
use crate::relax::Relaxed;
use crate::tally::{Outcome, ROUNDING, Tally};
use equal::Shared;
use std::time::Instant;

mod capped;
mod equal;

/// What is to be reached, best first in a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// The largest factor by which all offered rates can grow.
    Scale,
    /// The fewest cores' worth of work at the offered rates.
    Cores,
    /// The fewest bytes of outer headers.
    HeaderBytes,
    /// The fewest visits of servers.
    Bounces,
    /// The largest sum of weighted rates above the least ones, each class's rate being free between
    /// its least and its most. Not together with `Scale`.
    Marginal,
    /// The smallest sum of these terms.
    Sum(Vec<(Var, f64)>),
    /// A small sum of these terms, as far as a little work leads: what decides between solutions that are
    /// otherwise alike. Nothing is proven of it.
    Prefer(Vec<(Var, f64)>),
}

/// The order in which Trisect's own strategy wants things.
pub const BEST: [Goal; 4] = [Goal::Scale, Goal::Cores, Goal::HeaderBytes, Goal::Bounces];

/// What somebody who checks a solution has learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learnt {
    /// Rules that the solution breaks. Empty: it is accepted.
    pub rows: Vec<Row>,
    /// Whether the rules exclude only what is not allowed; if not, bounds hold no more from here on.
    pub certain: bool,
}

/// How near a goal is to what is possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// The value reached: for [`Goal::Scale`] the inverse of the scale, for [`Goal::Marginal`] less the
    /// sum. Smaller is better.
    pub value: f64,
    /// What is proven: no assignment that is as good in the goals before has a smaller value.
    pub bound: f64,
}

impl Reached {
    /// The relative gap between value and bound: 0 if nothing better is possible, 1 if nothing is known.
    pub fn gap(&self) -> f64 {
        let room = self.value - self.bound;
        if room <= 0.0 {
            return 0.0;
        }
        (room / self.value.abs().max(f64::MIN_POSITIVE)).min(1.0)
    }
}

/// A solution.
#[derive(Clone, Debug, PartialEq)]
pub struct Solved {
    /// By unit: the position of its choice.
    pub choice: Vec<usize>,
    /// What it comes to.
    pub outcome: Outcome,
    /// By goal, but those of [`Goal::Prefer`].
    pub reached: Vec<Reached>,
    /// By class: its rate, if [`Goal::Marginal`] was among the goals.
    pub rates: Vec<f64>,
    /// Whether the search stopped at a limit before it was done.
    pub stopped: bool,
}

impl Solved {
    /// The gap of the first goal that has one; 0 if all are as good as possible.
    pub fn gap(&self, tolerance: f64) -> f64 {
        let gaps = self.reached.iter().map(Reached::gap);
        gaps.into_iter().find(|gap| *gap > tolerance).unwrap_or(0.0)
    }
}

/// Why there is no solution.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoSolution {
    /// There is none.
    #[error("nothing fits and keeps all rules")]
    Infeasible {
        /// What is proven for the first goal, for what rules that were learnt for certain leave.
        bound: f64,
    },
    /// A limit came before a solution.
    #[error("no solution within the limits of the search")]
    Stopped {
        /// What is proven for the first goal.
        bound: f64,
    },
    /// The problem contradicts itself.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The solver failed.
    #[error("the solver failed: {0}")]
    Solver(String),
}

/// How often a solution may come back with a new rule.
const ROUNDS: usize = 200;
/// Nodes of the branch and bound for [`Goal::Prefer`].
const LITTLE: u64 = 12;
/// The gap at which [`Goal::Prefer`] is good enough.
const ROUGH: f64 = 1e-2;
/// By how much, relatively, a goal may be given up for those behind it: the solver's rounding.
const LOSS: f64 = 1e-7;

/// Solves a problem. `hint` is an assignment to begin with; it has to keep the rules. `check` looks at each solution and
/// either accepts it or says which rule it breaks.
///
/// # Errors
/// See [`NoSolution`].
pub fn solve(
    problem: &Problem,
    goals: &[Goal],
    limits: Limits,
    hint: Option<&[usize]>,
    check: &mut dyn FnMut(&[usize]) -> Learnt,
) -> Result<Solved, NoSolution> {
    match goals.split_first() {
        Some((Goal::Marginal, rest)) => marginal::solve(problem, rest, limits, hint, check),
        _ => solve_goals(problem, goals, limits, hint, check),
    }
}

/// Solves a problem; with rates that are variables, for [`Goal::Marginal`], by one program.
pub(crate) fn solve_goals(
    problem: &Problem,
    goals: &[Goal],
    limits: Limits,
    hint: Option<&[usize]>,
    check: &mut dyn FnMut(&[usize]) -> Learnt,
) -> Result<Solved, NoSolution> {
    problem.validate()?;
    if capped::is_capped(problem, goals) {
        return capped::solve(problem, goals, limits, hint, check);
    }
    solve_counted(problem, goals, limits, hint, check)
}

/// Solves a problem in which all classes grow without end, as far as they count.
fn solve_counted(
    problem: &Problem,
    goals: &[Goal],
    limits: Limits,
    hint: Option<&[usize]>,
    check: &mut dyn FnMut(&[usize]) -> Learnt,
) -> Result<Solved, NoSolution> {
    if goals.contains(&Goal::Scale) && goals.contains(&Goal::Marginal) {
        return Err(NoSolution::Malformed(Malformed {
            place: "the goals".to_owned(),
            reason: "rates are either all in proportion or all free".to_owned(),
        }));
    }
    let mut search = Search {
        problem,
        goals,
        limits,
        began: Instant::now(),
        learnt: Vec::new(),
        certain: true,
        first_bound: f64::NEG_INFINITY,
        together: Vec::new(),
        rounds: 0,
        check,
    };
    let mut hint = hint.map(<[usize]>::to_vec);
    if let Some(relaxed) = Relaxed::of(problem) {
        match search.shared_out(&relaxed, hint.as_deref())? {
            Shared::Best(solved) => return Ok(*solved),
            Shared::Good(choice) => hint = Some(search.polished(choice, hint)?),
            Shared::Nothing => {}
        }
        if let Some(known) = hint {
            hint = Some(search.divided(&relaxed, known)?);
        }
    }
    loop {
        let bound = [search.first_bound];
        let whole = Scope {
            problem,
            allowed: None,
            hint: hint.as_deref(),
            targets: if bound[0].is_finite() { &bound } else { &[] },
        };
        match search.pass(&whole)? {
            Some(solved) => return Ok(solved),
            // What was learnt for a later goal has taken away what an earlier one had reached.
            None => continue,
        }
    }
}

/// The rates at which the classes can go with an assignment that keeps all rules: between their least and their most, so that the
/// weighted sum above the least ones is the largest ([`Goal::Marginal`]). Beyond a million times its offered rate nothing is counted.
///
/// # Errors
/// See [`NoSolution`]: the least rates cannot be carried, or a promise of latency is not kept.
pub fn rates(problem: &Problem, choice: &[usize]) -> Result<Vec<f64>, NoSolution> {
    problem.validate()?;
    let mut fixed = problem.clone();
    fixed.rules = Rules::default();
    for (unit, choice) in fixed.units.iter_mut().zip(choice) {
        let chosen = unit.choices.get(*choice).cloned();
        unit.choices = chosen.into_iter().collect();
    }
    let mut accept = |_: &[usize]| Learnt::default();
    let solved = solve_goals(
        &fixed,
        &[Goal::Marginal],
        Limits::default(),
        None,
        &mut accept,
    )?;
    Ok(solved.rates)
}

/// What is proven about goals without looking for a solution: for each, no assignment that is as good as
/// `values` in the goals before has a smaller value than this. What `check` would refuse is not left out,
/// and equal servers count as one.
///
/// # Errors
/// See [`NoSolution`]; not that there is no solution.
pub fn bounds(
    problem: &Problem,
    goals: &[Goal],
    values: &[f64],
    limits: Limits,
) -> Result<Vec<f64>, NoSolution> {
    problem.validate()?;
    if !capped::is_capped(problem, goals) {
        return bounds_counted(problem, goals, values, limits);
    }
    let part = values.first().copied().unwrap_or(1.0);
    let mut bounds = bounds_counted(&capped::at(problem, part), goals, values, limits)?;
    if let Some(first) = bounds.first_mut() {
        *first = capped::bound(problem, limits)?;
    }
    Ok(bounds)
}

/// The same where all classes grow without end, as far as they count.
fn bounds_counted(
    problem: &Problem,
    goals: &[Goal],
    values: &[f64],
    limits: Limits,
) -> Result<Vec<f64>, NoSolution> {
    let relaxed = Relaxed::of(problem);
    let (mut model, goals) = match &relaxed {
        Some(relaxed) => {
            let goals = relaxed.goals(goals);
            (Model::relaxed(relaxed, &goals), goals)
        }
        None => (Model::new(problem, goals), goals.to_vec()),
    };
    let mut bounds = Vec::new();
    for (goal, reached) in goals.iter().zip(values) {
        let mut aim = model.aim(goal);
        match solve_milp(&model.milp, limits, &[]) {
            Answer::Failed(why) => return Err(NoSolution::Solver(why)),
            Answer::Infeasible => bounds.push(*reached),
            Answer::Found { bound, .. } => bounds.push(aim.real(bound)),
        }
        aim.reached = aim.scaled(*reached);
        model.keep(&aim);
    }
    Ok(bounds)
}

/// The objective of a model for one goal, scaled so that its largest figure is 1.
struct Aim {
    unit: f64,
    constant: f64,
    /// What was reached, scaled.
    reached: f64,
}

impl Aim {
    fn real(&self, scaled: f64) -> f64 {
        scaled * self.unit + self.constant
    }
    fn scaled(&self, real: f64) -> f64 {
        (real - self.constant) / self.unit
    }
}

impl Model<'_> {
    /// Minimises for a goal from here on.
    fn aim(&mut self, goal: &Goal) -> Aim {
        let (objective, constant) = self.objective(goal);
        let largest = objective.iter().map(|(_, f)| f.abs()).fold(0.0, f64::max);
        let unit = if largest > 0.0 { largest } else { 1.0 };
        self.milp.objective = objective.iter().map(|(c, f)| (*c, f / unit)).collect();
        Aim {
            unit,
            constant,
            reached: f64::INFINITY,
        }
    }
    /// What was reached is not given up for the goals to come, but for rounding.
    fn keep(&mut self, aim: &Aim) {
        let room = LOSS * aim.reached.abs().max(1e-3);
        let row = (self.milp.objective.clone(), aim.reached + room);
        self.milp.rows.push(row);
    }
}

/// What a pass looks at.
struct Scope<'s> {
    /// The problem, or a part of its choices.
    problem: &'s Problem,
    /// By unit, the choices of the whole problem that these are; `None` if all.
    allowed: Option<&'s [Vec<usize>]>,
    /// An assignment to begin with.
    hint: Option<&'s [usize]>,
    /// By goal, what cannot be bettered.
    targets: &'s [f64],
}

impl Scope<'_> {
    /// The assignment in terms of the whole problem.
    fn whole(&self, choice: &[usize]) -> Vec<usize> {
        let Some(allowed) = self.allowed else {
            return choice.to_vec();
        };
        let choices = choice.iter().zip(allowed);
        choices.map(|(c, allowed)| allowed[*c]).collect()
    }
}

struct Search<'a> {
    problem: &'a Problem,
    goals: &'a [Goal],
    limits: Limits,
    began: Instant,
    learnt: Vec<Row>,
    certain: bool,
    first_bound: f64,
    /// What is known for certain with equal servers as one, by goal: each holds if the goals before are
    /// reached.
    together: Vec<f64>,
    rounds: usize,
    check: &'a mut dyn FnMut(&[usize]) -> Learnt,
}

impl Search<'_> {
    fn limits(&self, goal: &Goal) -> Limits {
        let mut limits = self.limits;
        limits.time = limits.time.map(|t| t.saturating_sub(self.began.elapsed()));
        if matches!(goal, Goal::Prefer(_)) {
            limits.nodes = Some(limits.nodes.unwrap_or(u64::MAX).min(LITTLE));
            limits.gap = limits.gap.max(ROUGH);
        }
        limits
    }
    /// All goals, from the first on. `None` if a goal lost what it had reached.
    fn pass(&mut self, scope: &Scope<'_>) -> Result<Option<Solved>, NoSolution> {
        let mut model = Model::new(scope.problem, self.goals);
        for row in &self.learnt {
            model.rule(row);
        }
        let mut hint = scope.hint.map(|c| model.hint(c)).unwrap_or_default();
        // An assignment that holds as it is spares the solver where it is as good as can be.
        let mut best = match scope.hint {
            Some(choice) => self.completed(scope, &mut model, choice)?,
            None => None,
        };
        let mut reached = Vec::new();
        let mut stopped = false;
        for (k, goal) in self.goals.iter().enumerate() {
            let mut aim = model.aim(goal);
            let target = scope.targets.get(k).copied().unwrap_or(f64::NEG_INFINITY);
            let known = best.as_ref().map(|b| value(&model.milp.objective, b));
            let enough = known.is_some_and(|known| self.close(aim.real(known), target));
            let mut proven = target;
            let values = match (enough, best) {
                (true, Some(best)) => best,
                (_, kept) => match self.goal(scope, &mut model, goal, &hint, kept)? {
                    None if k > 0 => return Ok(None),
                    None => {
                        return Err(NoSolution::Infeasible {
                            bound: self.first_bound,
                        });
                    }
                    Some((values, bound)) => {
                        proven = proven.max(aim.real(bound));
                        if k == 0 && scope.allowed.is_none() {
                            self.first_bound = self.first_bound.max(proven);
                            proven = self.first_bound;
                        }
                        values
                    }
                },
            };
            aim.reached = value(&model.milp.objective, &values);
            let got = aim.real(aim.reached);
            let rounding = aim.reached - aim.scaled(proven) <= ROUNDING;
            let reaches = Reached {
                value: got,
                bound: if rounding { got } else { proven },
            };
            if !matches!(goal, Goal::Prefer(_)) {
                stopped |= reaches.gap() > self.limits.gap.max(1e-5) * 1.01 && self.certain;
                reached.push(reaches);
            }
            model.keep(&aim);
            hint = values.iter().copied().enumerate().collect();
            best = Some(values);
        }
        let values = best.unwrap_or_else(|| vec![0.0; model.milp.columns.len()]);
        let choice = model.choice(&values);
        Ok(Some(Solved {
            outcome: Tally::new(scope.problem, &choice).outcome(),
            rates: model.rates(&values),
            choice: scope.whole(&choice),
            reached,
            stopped,
        }))
    }
    /// The best solution for what the model minimises that is accepted, with what is proven (scaled); what is kept if the
    /// solver finds none before it stops. `None` if there is none.
    fn goal(
        &mut self,
        scope: &Scope<'_>,
        model: &mut Model<'_>,
        goal: &Goal,
        hint: &[(usize, f64)],
        kept: Option<Vec<f64>>,
    ) -> Result<Option<(Vec<f64>, f64)>, NoSolution> {
        let mut proven = f64::NEG_INFINITY;
        loop {
            let (values, bound) = match solve_milp(&model.milp, self.limits(goal), hint) {
                Answer::Failed(why) => return Err(NoSolution::Solver(why)),
                Answer::Infeasible => return Ok(None),
                Answer::Found { values, bound } => (values, bound),
            };
            if self.certain {
                proven = proven.max(bound);
            }
            let Some(values) = values else {
                // The goals before this one have a solution: it stays.
                return match kept {
                    Some(values) => Ok(Some((values, proven))),
                    None => Err(NoSolution::Stopped {
                        bound: self.first_bound,
                    }),
                };
            };
            if self.accepts(scope, &model.choice(&values), model)? {
                return Ok(Some((values, proven)));
            }
        }
    }
    /// The values of all columns for an assignment; `None` if it does not hold or is not accepted.
    fn completed(
        &mut self,
        scope: &Scope<'_>,
        model: &mut Model<'_>,
        choice: &[usize],
    ) -> Result<Option<Vec<f64>>, NoSolution> {
        let values = self.values(model, choice);
        match values {
            Some(values) if self.accepts(scope, choice, model)? => Ok(Some(values)),
            _ => Ok(None),
        }
    }
    /// The values of all columns for an assignment; `None` if it does not hold.
    fn values(&self, model: &Model<'_>, choice: &[usize]) -> Option<Vec<f64>> {
        if let Some(values) = model.decided(choice) {
            return model.milp.holds(&values, ROOM).then_some(values);
        }
        let mut fixed = model.milp.clone();
        fixed.objective = Vec::new();
        for (column, value) in model.hint(choice) {
            let (least, most, whole) = &mut fixed.columns[column];
            if *whole {
                (*least, *most) = (value, value);
            }
        }
        let limits = Limits {
            nodes: Some(LITTLE),
            ..self.limits(&Goal::Bounces)
        };
        match solve_milp(&fixed, limits, &[]) {
            Answer::Found { values, .. } => values,
            _ => None,
        }
    }
    /// Whether a solution is accepted; if not, what was learnt is in the model.
    fn accepts(
        &mut self,
        scope: &Scope<'_>,
        choice: &[usize],
        model: &mut Model<'_>,
    ) -> Result<bool, NoSolution> {
        let Learnt { rows, certain } = (self.check)(&scope.whole(choice));
        if rows.is_empty() {
            return Ok(true);
        }
        self.rounds += 1;
        if self.rounds > ROUNDS {
            return Err(NoSolution::Stopped {
                bound: self.first_bound,
            });
        }
        self.certain &= certain;
        for row in rows {
            self.problem.validate_row(&row)?;
            model.rule(&row);
            self.learnt.push(row);
        }
        Ok(false)
    }
}
