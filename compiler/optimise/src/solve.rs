//! One goal after the other, each without loss to those before it.

use crate::milp::{Answer, Limits, solve as solve_milp, value};
use crate::model::Model;
use crate::problem::{Malformed, Problem, Row, Var};
use crate::tally::{Outcome, Tally};
use std::time::Instant;

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
    problem.validate()?;
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
        rounds: 0,
        check,
    };
    loop {
        match search.pass(hint)? {
            Some(solved) => return Ok(solved),
            // What was learnt for a later goal has taken away what an earlier one had reached.
            None => continue,
        }
    }
}

/// What is proven about goals without looking for a solution: for each, no assignment that is as good as
/// `values` in the goals before has a smaller value than this. What `check` would refuse is not left out.
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
    let mut model = Model::new(problem, goals);
    let mut bounds = Vec::new();
    for (goal, reached) in goals.iter().zip(values) {
        let (objective, constant) = model.objective(goal);
        let unit = unit_of(&objective);
        model.milp.objective = objective.iter().map(|(c, f)| (*c, f / unit)).collect();
        match solve_milp(&model.milp, limits, &[]) {
            Answer::Failed(why) => return Err(NoSolution::Solver(why)),
            Answer::Infeasible => bounds.push(*reached),
            Answer::Found { bound, .. } => bounds.push(bound * unit + constant),
        }
        let most = (reached - constant) / unit;
        let room = LOSS * most.abs().max(1e-3);
        model
            .milp
            .rows
            .push((model.milp.objective.clone(), most + room));
    }
    Ok(bounds)
}

/// A factor that brings the largest figure of an objective to 1.
fn unit_of(objective: &[(usize, f64)]) -> f64 {
    let largest = objective.iter().map(|(_, f)| f.abs()).fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

struct Search<'a> {
    problem: &'a Problem,
    goals: &'a [Goal],
    limits: Limits,
    began: Instant,
    learnt: Vec<Row>,
    certain: bool,
    first_bound: f64,
    rounds: usize,
    check: &'a mut dyn FnMut(&[usize]) -> Learnt,
}

impl Search<'_> {
    /// All goals, from the first on. `None` if a goal lost what it had reached.
    fn pass(&mut self, hint: Option<&[usize]>) -> Result<Option<Solved>, NoSolution> {
        let mut model = Model::new(self.problem, self.goals);
        for row in &self.learnt {
            model.rule(row);
        }
        let mut hint = hint.map(|choice| model.hint(choice)).unwrap_or_default();
        let mut reached = Vec::new();
        let mut stopped = false;
        let mut best = None;
        for (k, goal) in self.goals.iter().enumerate() {
            let (objective, constant) = model.objective(goal);
            let unit = unit_of(&objective);
            model.milp.objective = objective.iter().map(|(c, f)| (*c, f / unit)).collect();
            let mut proven = f64::NEG_INFINITY;
            let values = loop {
                let mut limits = self.limits;
                limits.time = limits.time.map(|t| t.saturating_sub(self.began.elapsed()));
                if matches!(goal, Goal::Prefer(_)) {
                    limits.nodes = Some(limits.nodes.unwrap_or(u64::MAX).min(LITTLE));
                }
                match solve_milp(&model.milp, limits, &hint) {
                    Answer::Failed(why) => return Err(NoSolution::Solver(why)),
                    Answer::Infeasible if k == 0 => {
                        return Err(NoSolution::Infeasible {
                            bound: self.first_bound,
                        });
                    }
                    Answer::Infeasible => return Ok(None),
                    Answer::Found { values, bound } => {
                        if self.certain {
                            proven = proven.max(bound * unit + constant);
                        }
                        if k == 0 {
                            self.first_bound = self.first_bound.max(proven);
                            proven = self.first_bound;
                        }
                        let Some(values) = values else {
                            match &best {
                                // The goals before this one have a solution: it stays.
                                Some(values) => break Vec::clone(values),
                                None => {
                                    return Err(NoSolution::Stopped {
                                        bound: self.first_bound,
                                    });
                                }
                            }
                        };
                        if !self.accepts(&model.choice(&values), &mut model)? {
                            continue;
                        }
                        break values;
                    }
                }
            };
            let got = value(&model.milp.objective, &values);
            let reaches = Reached {
                value: got * unit + constant,
                bound: proven.min(got * unit + constant),
            };
            if !matches!(goal, Goal::Prefer(_)) {
                stopped |= reaches.gap() > self.limits.gap.max(1e-5) * 1.01 && self.certain;
                reached.push(reaches);
            }
            let room = LOSS * got.abs().max(1e-3);
            model
                .milp
                .rows
                .push((model.milp.objective.clone(), got + room));
            hint = values.iter().copied().enumerate().collect();
            best = Some(values);
        }
        let values = best.unwrap_or_else(|| vec![0.0; model.milp.columns.len()]);
        let choice = model.choice(&values);
        Ok(Some(Solved {
            outcome: Tally::new(self.problem, &choice).outcome(),
            rates: model.rates(&values),
            choice,
            reached,
            stopped,
        }))
    }
    /// Whether a solution is accepted; if not, what was learnt is in the model.
    fn accepts(&mut self, choice: &[usize], model: &mut Model<'_>) -> Result<bool, NoSolution> {
        let Learnt { rows, certain } = (self.check)(choice);
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
