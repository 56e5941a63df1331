//! Classes that grow up to their most only.
//!
//! At a scale `s` a class carries `min(s, m)` times what is offered, so that loads are no more linear in the scale. At a given scale they
//! are: with the part `min(1, m / s)` of each class's demands that counts there, a problem has an assignment that uses no more
//! than `1 / s` of everything if and only if one carries `s` times the offered rates. Each assignment found that carries more gives the
//! next scale to look at (Dinkelbach's method for quotients), until none does.

use super::{Goal, Learnt, Limits, NoSolution, Reached, Solved, bounds_counted, solve_counted};
use crate::problem::{Problem, Row};
use crate::search::greedy;
use crate::tally::Tally;
use std::time::Instant;

/// How often a larger scale is looked for at most; what was found until then is valid, and its bound says how good it is.
const ROUNDS: usize = 50;
/// How often a bound is bettered by looking at the scale that it allows.
const BOUNDS: usize = 4;
/// By how much, relatively, a scale has to be larger: more than what solvers leave open.
const LARGER: f64 = 4e-6;

/// Whether rates stop growing somewhere on the way to a goal.
pub(super) fn is_capped(problem: &Problem, goals: &[Goal]) -> bool {
    let capped = problem.classes.iter().any(|c| c.growth().is_finite());
    capped && goals.first() == Some(&Goal::Scale)
}

/// The problem as it counts where the scale is the inverse of `part`.
pub(super) fn at(problem: &Problem, part: f64) -> Problem {
    let mut counted = problem.clone();
    for class in &mut counted.classes {
        class.counted = match class.growth() {
            growth if growth.is_finite() => (growth * part).min(1.0),
            _ => 1.0,
        };
    }
    counted
}

/// Solves a problem with classes that grow up to their most only.
pub(super) fn solve(
    problem: &Problem,
    goals: &[Goal],
    limits: Limits,
    hint: Option<&[usize]>,
    check: &mut dyn FnMut(&[usize]) -> Learnt,
) -> Result<Solved, NoSolution> {
    let choice = match hint {
        Some(hint) => hint.to_vec(),
        None => greedy(problem, goals)?,
    };
    let known = Tally::new(problem, &choice).outcome();
    // Whether an assignment uses no more than this part.
    let mut achieved = known.feasible();
    let mut part = if achieved { 1.0 / known.scale } else { 1.0 };
    let mut hint = hint.map(<[usize]>::to_vec);
    if achieved && part == 0.0 {
        let hint = hint.unwrap_or(choice);
        return endless(problem, goals, limits, &hint, check);
    }
    let began = Instant::now();
    // All rounds together have the time that is allowed.
    let left = || Limits {
        time: limits.time.map(|time| time.saturating_sub(began.elapsed())),
        ..limits
    };
    // What is certain stays learnt from round to round.
    let mut learnt: Vec<Row> = Vec::new();
    let mut round = 0;
    loop {
        round += 1;
        let larger = part * (1.0 - LARGER);
        let mut counted = at(problem, larger);
        counted.rules.rows.extend(learnt.iter().cloned());
        let check = &mut |choice: &[usize]| {
            let news = check(choice);
            if news.certain {
                learnt.extend(news.rows.iter().cloned());
            }
            news
        };
        let solved = solve_counted(&counted, &goals[..1], left(), hint.as_deref(), check)?;
        if solved.outcome.scale.is_infinite() {
            return endless(problem, goals, left(), &solved.choice, check);
        }
        let reached = 1.0 / solved.outcome.scale;
        let done = achieved && reached >= part * (1.0 - LARGER);
        hint = Some(solved.choice);
        if !done && round < ROUNDS {
            (part, achieved) = (reached, true);
            continue;
        }
        let mut solved = solve_counted(&counted, goals, left(), hint.as_deref(), check)?;
        let value = 1.0 / solved.outcome.scale;
        if let Some(first) = solved.reached.first_mut() {
            let bound = match first.bound >= larger {
                true => larger,
                false => bound(problem, left())?,
            };
            *first = Reached {
                value,
                bound: bound.min(value),
            };
        }
        return Ok(solved);
    }
}

/// All classes can have their most at once: so it shall be, and what comes behind the scale is all that is left to seek.
fn endless(
    problem: &Problem,
    goals: &[Goal],
    limits: Limits,
    hint: &[usize],
    check: &mut dyn FnMut(&[usize]) -> Learnt,
) -> Result<Solved, NoSolution> {
    let mut full = problem.clone();
    for class in &mut full.classes {
        if class.growth().is_finite() {
            class.min = class.max;
        }
    }
    let rest = match &goals[1..] {
        [] => vec![Goal::Sum(Vec::new())],
        rest => rest.to_vec(),
    };
    let mut solved = solve_counted(&full, &rest, limits, Some(hint), check)?;
    solved.reached.truncate(goals.len() - 1);
    let nothing_limits = Reached {
        value: 0.0,
        bound: 0.0,
    };
    solved.reached.insert(0, nothing_limits);
    solved.outcome = Tally::new(problem, &solved.choice).outcome();
    Ok(solved)
}

/// A part that no assignment stays below: what counts where that much is used counts everywhere above.
pub(super) fn bound(problem: &Problem, limits: Limits) -> Result<f64, NoSolution> {
    let mut part = 0.0;
    for _ in 0..BOUNDS {
        let counted = at(problem, part);
        let bounds = bounds_counted(&counted, &[Goal::Scale], &[f64::INFINITY], limits)?;
        let next = bounds.first().copied().unwrap_or(0.0);
        if !next.is_finite() || next <= part * (1.0 + LARGER) {
            break;
        }
        part = next;
    }
    Ok(part)
}
