//! Which promises cannot be kept together.

use crate::milp::Limits;
use crate::problem::{Malformed, Problem};
use crate::solve::{Goal, Learnt, NoSolution, solve};

/// Something promised to a class of traffic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// The least rate of a class, by position.
    Rate(usize),
    /// The longest way of a class: by position in [`Problem::ways`].
    Latency(usize),
}

/// Above this many promises the set that is named cannot be made smaller by leaving one out, but need not be the
/// smallest of all.
const EXHAUSTIVE: usize = 10;

/// A smallest set of promises that cannot be kept together; empty if not even without any promise a
/// solution is found, `None` if all of them can be kept.
///
/// # Errors
/// A malformed problem. A limit that comes too early counts as "can be kept".
pub fn conflict(problem: &Problem, limits: Limits) -> Result<Option<Vec<Promise>>, Malformed> {
    problem.validate()?;
    let mut promises: Vec<Promise> = Vec::new();
    for (c, class) in problem.classes.iter().enumerate() {
        if class.min > 0.0 {
            promises.push(Promise::Rate(c));
        }
    }
    for (w, ways) in problem.ways.iter().enumerate() {
        if ways.most.is_finite() {
            promises.push(Promise::Latency(w));
        }
    }
    let impossible = |kept: &[Promise]| impossible(problem, kept, limits);
    if !impossible(&promises) {
        return Ok(None);
    }
    if promises.len() <= EXHAUSTIVE {
        let mut sets: Vec<u32> = (0..1u32 << promises.len()).collect();
        sets.sort_by_key(|s| (s.count_ones(), *s));
        for set in sets {
            let kept: Vec<Promise> = (0..promises.len())
                .filter(|p| set >> p & 1 == 1)
                .map(|p| promises[p].clone())
                .collect();
            if impossible(&kept) {
                return Ok(Some(kept));
            }
        }
    }
    let mut at = 0;
    while at < promises.len() {
        let promise = promises.remove(at);
        if !impossible(&promises) {
            promises.insert(at, promise);
            at += 1;
        }
    }
    Ok(Some(promises))
}

/// Whether there is nothing that keeps these promises.
fn impossible(problem: &Problem, kept: &[Promise], limits: Limits) -> bool {
    let mut less = problem.clone();
    for (c, class) in less.classes.iter_mut().enumerate() {
        if !kept.contains(&Promise::Rate(c)) {
            class.min = 0.0;
        }
    }
    for (w, ways) in less.ways.iter_mut().enumerate() {
        if !kept.contains(&Promise::Latency(w)) {
            ways.most = f64::INFINITY;
        }
    }
    let anything = [Goal::Sum(Vec::new())];
    let answer = solve(&less, &anything, limits, None, &mut |_| Learnt::default());
    matches!(answer, Err(NoSolution::Infeasible { .. }))
}
