#![allow(clippy::unwrap_used)]

use super::{Divided, Effort, Known, divide};
use crate::arbitrary::{Shape, rack};
use crate::problem::{Problem, Row, Var};
use crate::relax::Relaxed;
use crate::tally::Tally;
use std::convert::Infallible;
use trisect_place::Rng;

const GAP: f64 = 1e-4;
const EFFORT: Effort = Effort {
    labels: 3_000_000,
    until: None,
};

/// A problem over equal servers; with rules, on every server alike: units that may not be on a host and NIC of one server, and
/// units that have to be on a NIC if others are.
fn problem(seed: u64, rules: bool) -> Problem {
    let mut random = Rng::new(seed);
    let servers = 2 + random.below(2);
    let shape = Shape {
        units: if servers == 2 { 5 } else { 4 },
        servers,
        length: 2 + random.below(3),
        promises: random.below(2) == 0,
    };
    let mut problem = rack(shape, seed);
    if !rules {
        // The longest ways are among what patterns do not see.
        problem.ways.clear();
    }
    for _ in 0..if rules { 3 } else { 0 } {
        let (a, b) = (random.below(shape.units), random.below(shape.units));
        let (implies, most) = [(1.0, 1.0), (-1.0, 0.0)][random.below(2)];
        for server in 0..if a == b { 0 } else { servers } {
            let (nic, host) = (1 + 2 * server, 2 + 2 * server);
            let first = if implies > 0.0 { host } else { nic };
            problem.rules.rows.push(Row {
                terms: vec![(Var::At(a, nic), 1.0), (Var::At(b, first), implies)],
                most,
            });
        }
    }
    problem
}

/// The part that an assignment uses of what is fullest, if it holds.
fn used(problem: &Problem, tally: &Tally<'_>) -> Option<f64> {
    let there = |unit: usize, site| problem.units[unit].choices[tally.choice[unit]].site == site;
    let holds = problem
        .rules
        .rows
        .iter()
        .all(|row| row.of_places(there) <= row.most + 1e-9);
    (holds && tally.excess() == 0.0).then(|| tally.most())
}

/// The least and the largest part that an assignment uses which holds.
fn extremes(problem: &Problem) -> Option<(f64, f64)> {
    let mut tally = Tally::new(problem, &vec![0; problem.units.len()]);
    let mut found: Option<(f64, f64)> = None;
    loop {
        if let Some(part) = used(problem, &tally) {
            let (least, most) = found.unwrap_or((part, part));
            found = Some((least.min(part), most.max(part)));
        }
        let mut unit = 0;
        loop {
            if unit == problem.units.len() {
                return found;
            }
            let next = tally.choice[unit] + 1;
            if next < problem.units[unit].choices.len() {
                tally.set(unit, next);
                break;
            }
            tally.set(unit, 0);
            unit += 1;
        }
    }
}

fn divided(problem: &Problem, value: f64) -> Divided {
    let relaxed = Relaxed::of(problem).unwrap();
    let known = Known {
        value,
        bound: 0.0,
        gap: GAP,
    };
    let mut accept =
        |choice: &[usize]| Ok::<_, Infallible>(used(problem, &Tally::new(problem, choice)));
    divide(
        problem,
        &relaxed,
        &problem.rules.rows,
        known,
        EFFORT,
        &mut accept,
    )
    .unwrap()
}

#[test]
fn the_best_division_is_found_and_proven() {
    let (mut looked_at, mut better) = (0, 0);
    for seed in 0..1_000 {
        let problem = problem(seed, false);
        let Some((least, most)) = extremes(&problem) else {
            continue;
        };
        looked_at += 1;
        // From the worst as well as from the best.
        for value in [most, least] {
            let divided = divided(&problem, value);
            let reached = match &divided.choice {
                Some(choice) => used(&problem, &Tally::new(&problem, choice)).unwrap(),
                None => value,
            };
            better += usize::from(divided.choice.is_some());
            assert!(
                divided.bound <= least * (1.0 + 1e-9),
                "seed {seed}: {divided:?}, {least}"
            );
            assert!(
                reached <= least * (1.0 + 2.0 * GAP),
                "seed {seed}: {divided:?}, {least}"
            );
            assert!(
                divided.bound >= reached * (1.0 - 2.0 * GAP),
                "seed {seed}: {divided:?}"
            );
        }
    }
    assert!(looked_at > 700 && better > 500, "{looked_at}, {better}");
}

#[test]
fn bounds_hold_with_rules_and_what_is_found_keeps_them() {
    let mut proven = 0;
    for seed in 0..1_000 {
        let problem = problem(seed, true);
        let Some((least, most)) = extremes(&problem) else {
            continue;
        };
        let divided = divided(&problem, most);
        assert!(
            divided.bound <= least * (1.0 + 1e-9),
            "seed {seed}: {divided:?}, {least}"
        );
        let reached = match &divided.choice {
            Some(choice) => used(&problem, &Tally::new(&problem, choice)).unwrap(),
            None => most,
        };
        assert!(
            reached >= least * (1.0 - 1e-9),
            "seed {seed}: {divided:?}, {least}"
        );
        proven += usize::from(divided.bound >= reached * (1.0 - 2.0 * GAP));
    }
    assert!(proven > 500, "{proven}");
}
