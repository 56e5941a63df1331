//! The largest weighted sum of rates above the least ones.
//!
//! Whether an assignment carries given rates is a question about a scale: with these rates offered, is one of at least 1 possible? So
//! rates are looked for from above. What can be carried with less of every class can be, too; the sets of rates that may be
//! possible are boxes below some corners, at first one, in which each class has what it could have alone. Of the corner that is
//! worth the most the largest part `t` is sought that can be carried: if that is all of it, nothing is better. If not, no rates that can be
//! carried are above the bound of `t` in all classes, so that the box parts into one per class with that much of the class
//! (polyblocks: Tuy, "Monotonic optimization", SIAM J. Optim. 11, 2000). With each assignment that is found on the way
//! goes the best that it can do, a linear program.
//!
//! A scale has strong bounds (equal servers as one, branch and price); the program in which rates are variables has not, and is
//! asked only about what is left open. Cuts that share work out among servers are found by moving parts of the program from one
//! to another.

use crate::milp::Limits;
use crate::problem::{Demand, Problem};
use crate::solve::{Goal, Learnt, NoSolution, Reached, Solved, rates, solve as solve_goals};
use crate::spread;
use crate::tally::Tally;
use std::time::Instant;

/// How many corners are looked at after the first.
const CORNERS: usize = 6;
/// How often its offered rate a class goes, where nothing limits it.
const MOST_GROWTH: f64 = 1e6;
/// The part of the nodes of the branch and bound that each question has: there are several.
const FEWER: u64 = 5;
/// By how much, relatively, rates may stay below a corner that counts as reached, and below what was reached for later
/// goals: the solver's rounding.
const ROUNDING: f64 = 1e-7;

/// Solves a problem for one goal after the other. `hint` is an assignment to begin with; it has to keep the rules. `check` looks
/// at each solution and either accepts it or says which rule it breaks; what is returned it has accepted last.
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
    let Some((Goal::Marginal, rest)) = goals.split_first() else {
        return solve_goals(problem, goals, limits, hint, check);
    };
    problem.validate()?;
    let began = Instant::now();
    let mut search = Search {
        problem: problem.clone(),
        limits: Limits {
            nodes: limits.nodes.map(|nodes| nodes.div_ceil(FEWER)),
            ..limits
        },
        began,
        best: None,
        stopped: false,
        check,
    };
    if let Some(hint) = hint
        && search.accepts(hint)
    {
        search.note(hint)?;
        search.spread()?;
    }
    let mut corners = vec![search.first()];
    let mut bound = search.corners(&mut corners, 1)?;
    if !search.enough(bound) {
        search.spread()?;
        bound = search.with_variable_rates(bound)?;
    }
    if !search.enough(bound) {
        bound = bound.min(search.corners(&mut corners, CORNERS)?);
    }
    search.finish(rest, bound)
}

/// An assignment that was accepted, with its rates and what these are worth.
struct Found {
    choice: Vec<usize>,
    rates: Vec<f64>,
    value: f64,
}

struct Search<'a> {
    /// The problem, with what was learnt for certain.
    problem: Problem,
    limits: Limits,
    began: Instant,
    best: Option<Found>,
    stopped: bool,
    check: &'a mut dyn FnMut(&[usize]) -> Learnt,
}

impl Search<'_> {
    fn left(&self) -> Limits {
        let time = self.limits.time;
        Limits {
            time: time.map(|time| time.saturating_sub(self.began.elapsed())),
            ..self.limits
        }
    }
    /// What rates are worth.
    fn value(&self, rates: &[f64]) -> f64 {
        let classes = self.problem.classes.iter().zip(rates);
        classes.map(|(c, rate)| c.weight * (rate - c.min)).sum()
    }
    /// Whether nothing that is worth no more than this is much better than what was found.
    fn enough(&self, bound: f64) -> bool {
        let best = self.best.as_ref().map(|best| best.value);
        let gap = self.limits.gap.max(ROUNDING);
        best.is_some_and(|best| bound - best <= gap * bound.abs().max(best.abs()))
    }
    fn accepts(&mut self, choice: &[usize]) -> bool {
        let news = (self.check)(choice);
        if news.certain {
            self.problem.rules.rows.extend(news.rows.iter().cloned());
        }
        news.rows.is_empty()
    }
    /// Solves for other goals, and remembers what is learnt for certain.
    fn ask(&mut self, problem: &Problem, goals: &[Goal]) -> Result<Solved, NoSolution> {
        let limits = self.left();
        let hint = self.best.as_ref().map(|best| best.choice.clone());
        let mut learnt = Vec::new();
        let mut check = |choice: &[usize]| {
            let news = (self.check)(choice);
            if news.certain {
                learnt.extend(news.rows.iter().cloned());
            }
            news
        };
        let solved = solve_goals(problem, goals, limits, hint.as_deref(), &mut check);
        self.problem.rules.rows.extend(learnt);
        solved
    }
    /// The best rates of an assignment; not below the least by the solver's rounding.
    fn rates(&self, choice: &[usize]) -> Result<Vec<f64>, NoSolution> {
        let rates = rates(&self.problem, choice)?;
        let classes = self.problem.classes.iter().zip(rates);
        Ok(classes.map(|(class, rate)| rate.max(class.min)).collect())
    }
    /// Keeps an assignment that can carry more than what was known.
    fn note(&mut self, choice: &[usize]) -> Result<(), NoSolution> {
        let rates = match self.rates(choice) {
            Ok(rates) => rates,
            Err(NoSolution::Infeasible { .. } | NoSolution::Stopped { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let value = self.value(&rates);
        if self.best.as_ref().is_none_or(|best| value > best.value) {
            let choice = choice.to_vec();
            self.best = Some(Found {
                choice,
                rates,
                value,
            });
        }
        Ok(())
    }
    /// Takes what is on servers to others, parts of the program that only the switch joins as a whole, as long as that carries
    /// more.
    fn spread(&mut self) -> Result<(), NoSolution> {
        let mut news = true;
        while std::mem::take(&mut news) {
            let Some(best) = &self.best else {
                return Ok(());
            };
            let (choice, value) = (best.choice.clone(), best.value);
            for moved in spread::moves(&self.problem, &choice) {
                let Ok(rates) = self.rates(&moved) else {
                    continue;
                };
                let more = self.value(&rates) > value * (1.0 + ROUNDING);
                if more && spread::keeps(&self.problem, &moved) && self.accepts(&moved) {
                    self.note(&moved)?;
                    news = true;
                    break;
                }
            }
        }
        Ok(())
    }
    /// The rates of the classes if each had everything for itself.
    fn first(&self) -> Vec<f64> {
        let classes = self.problem.classes.iter().enumerate();
        let first = classes.map(|(c, class)| match class.weight > 0.0 {
            true => {
                let growth = self.problem.room(c).min(MOST_GROWTH);
                (class.offered * growth).min(class.max).max(class.min)
            }
            false => class.min,
        });
        first.collect()
    }
    /// Looks at so many corners; what no rates are worth more than.
    fn corners(&mut self, corners: &mut Vec<Vec<f64>>, most: usize) -> Result<f64, NoSolution> {
        for _ in 0..most {
            let values = corners.iter().map(|corner| self.value(corner));
            let Some((at, bound)) = values.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else {
                return Ok(0.0);
            };
            if self.enough(bound) {
                return Ok(bound);
            }
            let corner = corners.swap_remove(at);
            let part = self.part(&corner, bound)?;
            let Some(part) = part.filter(|part| *part < 1.0 && !self.enough(bound)) else {
                corners.push(corner);
                break;
            };
            for (c, class) in self.problem.classes.iter().enumerate() {
                let rate = corner[c] * part;
                if rate > 0.0 && rate >= class.min * (1.0 - ROUNDING) {
                    let mut less = corner.clone();
                    less[c] = rate.max(class.min);
                    corners.push(less);
                }
            }
        }
        let values = corners.iter().map(|corner| self.value(corner));
        Ok(values.fold(0.0, f64::max))
    }
    /// The largest part of these rates, worth no more than the bound, that may be possible; `None` if nothing is proven.
    fn part(&mut self, rates: &[f64], worth: f64) -> Result<Option<f64>, NoSolution> {
        let offered = with_rates(&self.problem, rates);
        match self.ask(&offered, &[Goal::Scale]) {
            Ok(solved) => {
                self.note(&solved.choice)?;
                let bound = solved.reached.first().map_or(0.0, |first| first.bound);
                Ok((bound > 0.0).then(|| 1.0 / bound))
            }
            Err(NoSolution::Stopped { bound }) if self.best.is_some() => {
                self.stopped = true;
                Ok((bound > 0.0).then(|| 1.0 / bound))
            }
            // What is known does not keep what was learnt by guess.
            Err(NoSolution::Infeasible { .. }) if self.best.is_some() => Ok(None),
            // Figures far apart; what is proven until here holds.
            Err(NoSolution::Solver(_)) if self.best.is_some() => {
                self.stopped = true;
                Ok(None)
            }
            Err(error) => Err(worth_no_more(error, worth)),
        }
    }
    /// Asks the solver with rates as variables; what no rates are worth more than, if not more than a bound.
    fn with_variable_rates(&mut self, bound: f64) -> Result<f64, NoSolution> {
        let problem = self.problem.clone();
        match self.ask(&problem, &[Goal::Marginal]) {
            Ok(solved) => {
                self.note(&solved.choice)?;
                self.stopped |= solved.stopped;
                let proven = solved.reached.first().map(|first| -first.bound);
                Ok(proven.map_or(bound, |proven| bound.min(proven)))
            }
            Err(
                NoSolution::Infeasible { .. } | NoSolution::Stopped { .. } | NoSolution::Solver(_),
            ) if self.best.is_some() => {
                self.stopped = true;
                Ok(bound)
            }
            Err(error) => Err(worth_no_more(error, bound)),
        }
    }
    /// The other goals at the rates that were reached.
    fn finish(mut self, rest: &[Goal], bound: f64) -> Result<Solved, NoSolution> {
        let Some(best) = self.best.take() else {
            return Err(NoSolution::Stopped { bound: -bound });
        };
        let mut solved = self.others(rest, &best)?;
        // Whoever checks sees last what is taken.
        if !self.accepts(&solved.choice) {
            return Err(NoSolution::Stopped { bound: -bound });
        }
        solved.rates = self.rates(&solved.choice)?;
        solved.outcome = Tally::new(&self.problem, &solved.choice).outcome();
        let value = self.value(&solved.rates);
        let reached = Reached {
            value: -value,
            bound: -bound.max(value),
        };
        solved.reached.insert(0, reached);
        solved.stopped |= self.stopped && reached.gap() > self.limits.gap.max(ROUNDING);
        Ok(solved)
    }
    /// The best for other goals at the rates of what was found.
    fn others(&mut self, rest: &[Goal], best: &Found) -> Result<Solved, NoSolution> {
        let known = Solved {
            choice: best.choice.clone(),
            outcome: Tally::new(&self.problem, &best.choice).outcome(),
            reached: Vec::new(),
            rates: Vec::new(),
            stopped: false,
        };
        if rest.is_empty() {
            return Ok(known);
        }
        let mut fixed = with_rates(&self.problem, &best.rates);
        for class in &mut fixed.classes {
            class.min = class.offered * (1.0 - ROUNDING);
        }
        let limits = self.left();
        match solve_goals(&fixed, rest, limits, Some(&best.choice), self.check) {
            Err(NoSolution::Infeasible { .. } | NoSolution::Stopped { .. }) => Ok(Solved {
                stopped: true,
                ..known
            }),
            solved => solved,
        }
    }
}

/// The problem with these rates offered, and growing in proportion without end.
fn with_rates(problem: &Problem, rates: &[f64]) -> Problem {
    let mut offered = problem.clone();
    let growth: Vec<f64> = problem
        .classes
        .iter()
        .zip(rates)
        .map(|(class, rate)| match class.offered > 0.0 {
            true => rate / class.offered,
            false => 0.0,
        })
        .collect();
    let grows: Vec<bool> = problem.quantities.iter().map(|q| q.kind.grows()).collect();
    let scale = |demands: &mut Vec<Demand>| {
        for demand in demands {
            if grows[demand.quantity] {
                demand.amount *= growth[demand.class];
            }
        }
    };
    let choices = offered.units.iter_mut().flat_map(|unit| &mut unit.choices);
    choices.for_each(|choice| scale(&mut choice.demands));
    let crossings = offered
        .edges
        .iter_mut()
        .flat_map(|edge| &mut edge.crossings);
    crossings.for_each(|crossing| scale(&mut crossing.demands));
    for quantity in offered.quantities.iter_mut().filter(|q| q.kind.grows()) {
        for (class, amount) in &mut quantity.base {
            *amount *= growth[*class];
        }
    }
    for (class, rate) in offered.classes.iter_mut().zip(rates) {
        (class.offered, class.max) = (*rate, f64::INFINITY);
    }
    offered
}

/// That there is no solution, in terms of what rates are worth.
fn worth_no_more(error: NoSolution, worth: f64) -> NoSolution {
    let bound = -worth;
    match error {
        NoSolution::Infeasible { .. } => NoSolution::Infeasible { bound },
        NoSolution::Stopped { .. } => NoSolution::Stopped { bound },
        error => error,
    }
}
