//! Shares what is on equal servers out among them: who is on the switch, on a NIC, on a host is decided, and
//! only which server's is open.

use crate::problem::{Demand, Edge, Malformed, Problem, Role, Unit};
use crate::search::search;
use crate::solve::Goal;
use std::collections::BTreeMap;

/// The problem with these choices only, by unit.
pub(crate) fn restricted(problem: &Problem, allowed: &[Vec<usize>]) -> Problem {
    let mut less = problem.clone();
    for (unit, allowed) in less.units.iter_mut().zip(allowed) {
        unit.choices = allowed.iter().map(|c| unit.choices[*c].clone()).collect();
    }
    less
}

/// A good assignment of a problem by local search, in which units that follow each other on hosts are moved
/// as one first: parting them costs cycles. `steps` bounds the work.
///
/// # Errors
/// A malformed problem.
pub(crate) fn share_out(
    problem: &Problem,
    goals: &[Goal],
    steps: u64,
    seed: u64,
) -> Result<Vec<usize>, Malformed> {
    let runs = runs(problem);
    let whole = search(&joined(problem, &runs), goals, &[], steps, seed)?;
    let start: Vec<usize> = runs.iter().map(|run| whole[*run]).collect();
    search(problem, goals, &[start], steps, seed)
}

/// By unit, the number of its run: units with the same open choices of hosts that edges join.
fn runs(problem: &Problem) -> Vec<usize> {
    let hosts = |u: usize| -> Option<Vec<usize>> {
        let sites: Vec<usize> = problem.units[u].choices.iter().map(|c| c.site).collect();
        let on_hosts = sites.iter().all(|s| problem.sites[*s].role == Role::Host);
        (on_hosts && sites.len() > 1).then_some(sites)
    };
    let mut leader: Vec<usize> = (0..problem.units.len()).collect();
    for edge in &problem.edges {
        let (Some(a), Some(b)) = (edge.from, edge.to) else {
            continue;
        };
        if hosts(a).is_some() && hosts(a) == hosts(b) {
            let (from, to) = (leader[b], leader[a]);
            for l in leader.iter_mut().filter(|l| **l == from) {
                *l = to;
            }
        }
    }
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    leader
        .into_iter()
        .map(|l| {
            let next = numbers.len();
            *numbers.entry(l).or_insert(next)
        })
        .collect()
}

/// The problem with each run as one unit.
fn joined(problem: &Problem, runs: &[usize]) -> Problem {
    let mut less = problem.clone();
    less.units = Vec::new();
    for (unit, run) in problem.units.iter().zip(runs) {
        if *run == less.units.len() {
            less.units.push(unit.clone());
            continue;
        }
        let whole: &mut Unit = &mut less.units[*run];
        for (choice, more) in whole.choices.iter_mut().zip(&unit.choices) {
            add(&mut choice.demands, &more.demands);
        }
    }
    less.rules = crate::Rules::default();
    less.edges = problem
        .edges
        .iter()
        .map(|edge| Edge {
            from: edge.from.map(|u| runs[u]),
            to: edge.to.map(|u| runs[u]),
            crossings: edge.crossings.clone(),
        })
        .filter(|edge| edge.from != edge.to)
        .collect();
    for point in less.ways.iter_mut().flat_map(|ways| &mut ways.points) {
        point.unit = runs[point.unit];
    }
    less
}

fn add(demands: &mut Vec<Demand>, more: &[Demand]) {
    for demand in more {
        let same = |d: &&mut Demand| d.quantity == demand.quantity && d.class == demand.class;
        match demands.iter_mut().find(same) {
            Some(known) => known.amount += demand.amount,
            None => demands.push(*demand),
        }
    }
}
