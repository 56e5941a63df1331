//! Parts of an assignment that only switches join, moved from server to server.

use crate::milp::ROOM;
use crate::problem::{Problem, Var};
use crate::symmetry::twin;
use std::collections::{BTreeMap, BTreeSet};

/// The assignments in which one part is on another server: units on servers that edges join without a switch between, or
/// all that look at packets of the same classes.
pub(crate) fn moves(problem: &Problem, choice: &[usize]) -> Vec<Vec<usize>> {
    let servers: BTreeSet<usize> = problem.sites.iter().filter_map(|s| s.server).collect();
    let mut moves = Vec::new();
    let parts = [by_edges(problem, choice), by_classes(problem, choice)];
    for part in parts.concat() {
        for server in &servers {
            let mut moved = choice.to_vec();
            let whole = part.iter().all(|unit| {
                let there = twin(problem, site(problem, choice, *unit), *server);
                let there = there.and_then(|site| problem.choice_of(*unit, site));
                moved[*unit] = there.unwrap_or(moved[*unit]);
                there.is_some()
            });
            if whole && moved != choice {
                moves.push(moved);
            }
        }
    }
    moves
}

/// Whether an assignment keeps all rules that have no variables of their own.
pub(crate) fn keeps(problem: &Problem, choice: &[usize]) -> bool {
    let own = |(var, _): &(Var, f64)| matches!(var, Var::Helper(_));
    let there = |unit, at| site(problem, choice, unit) == at;
    let rows = problem.rules.rows.iter();
    let mut stated = rows.filter(|row| !row.terms.iter().any(own));
    stated.all(|row| row.of_places(there) <= row.most + ROOM)
}

fn site(problem: &Problem, choice: &[usize], unit: usize) -> usize {
    problem.units[unit].choices[choice[unit]].site
}

fn server(problem: &Problem, choice: &[usize], unit: usize) -> Option<usize> {
    problem.sites[site(problem, choice, unit)].server
}

fn by_edges(problem: &Problem, choice: &[usize]) -> Vec<Vec<usize>> {
    let edges = problem.edges.iter();
    let pairs = edges.filter_map(|edge| Some((edge.from?, edge.to?)));
    let on = |unit| server(problem, choice, unit);
    let same = pairs.filter(|(a, b)| on(*a).is_some() && on(*a) == on(*b));
    parts(problem, choice, same)
}

fn by_classes(problem: &Problem, choice: &[usize]) -> Vec<Vec<usize>> {
    let mut first: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (unit, known) in problem.units.iter().enumerate() {
        let Some(on) = server(problem, choice, unit) else {
            continue;
        };
        let demands = known.choices[choice[unit]].demands.iter();
        for demand in demands.filter(|d| problem.quantities[d.quantity].kind.grows()) {
            let other = *first.entry((on, demand.class)).or_insert(unit);
            pairs.push((other, unit));
        }
    }
    parts(problem, choice, pairs.into_iter())
}

/// Units on servers, those of a pair in one part.
fn parts(
    problem: &Problem,
    choice: &[usize],
    pairs: impl Iterator<Item = (usize, usize)>,
) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..problem.units.len()).collect();
    for (a, b) in pairs {
        let (from, to) = (leader[b], leader[a]);
        for l in leader.iter_mut().filter(|l| **l == from) {
            *l = to;
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for unit in (0..problem.units.len()).filter(|unit| server(problem, choice, *unit).is_some()) {
        parts.entry(leader[unit]).or_default().push(unit);
    }
    parts.into_values().collect()
}
