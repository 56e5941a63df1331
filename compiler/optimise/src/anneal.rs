//! Simulated annealing for the scale: runs of units move to another server, or trade places with others, and what makes
//! things worse is kept now and then, ever less often.
//!
//! Where a visit of a server takes a large part of its link, single moves of units lead nowhere: what visits has to be moved as a
//! whole. Rules are not looked at, as in [`crate::search`].

use crate::problem::Problem;
use crate::tally::Tally;
use trisect_place::Rng;

/// The norm that stands for the maximum, so that what is not fullest counts a little.
const NORM: i32 = 60;
/// How much worse is tolerated in the beginning and at the end, in parts of what is full.
const HEAT: (f64, f64) = (0.1, 0.001);
/// The longest run of units that is moved at once.
const RUN: usize = 10;

/// The best assignment that was seen; never worse than `start`, which has to fit.
pub(crate) fn anneal(problem: &Problem, start: &[usize], moves: u64, seed: u64) -> Vec<usize> {
    let mut random = Rng::new(seed);
    let mut tally = Tally::new(problem, start);
    let mut energy = energy_of(&tally);
    let mut best = (worth(&tally), tally.choice.clone());
    let mut undo = Vec::new();
    for k in 0..moves {
        let heat = HEAT.0 * (HEAT.1 / HEAT.0).powf(k as f64 / moves as f64);
        undo.clear();
        step(&mut tally, &mut random, &mut undo);
        let then = energy_of(&tally);
        if then > energy && random.unit() >= ((energy - then) / heat).exp() {
            for (unit, choice) in undo.iter().rev() {
                tally.set(*unit, *choice);
            }
            continue;
        }
        energy = then;
        let now = worth(&tally);
        if now < best.0 {
            best = (now, tally.choice.clone());
        }
    }
    best.1
}

/// How full the fullest is; infinite for what does not fit.
fn worth(tally: &Tally<'_>) -> f64 {
    match tally.excess() > 0.0 {
        true => f64::INFINITY,
        false => tally.most(),
    }
}

fn energy_of(tally: &Tally<'_>) -> f64 {
    let sum: f64 = tally
        .parts()
        .map(|(_, part)| part.max(0.0).powi(NORM))
        .sum();
    sum.powf(1.0 / f64::from(NORM)) + tally.excess()
}

/// Moves a run of units, or lets two runs trade places. What was is noted in `undo`.
fn step(tally: &mut Tally<'_>, random: &mut Rng, undo: &mut Vec<(usize, usize)>) {
    let problem = tally.problem;
    let server = |tally: &Tally<'_>, unit: usize| problem.sites[site(tally, unit)].server;
    let units = problem.units.len();
    let run = |tally: &Tally<'_>, random: &mut Rng, unit: usize| match random.below(3) {
        0 => unit..unit + 1,
        1 => unit..(unit + 1 + random.below(RUN)).min(units),
        // A whole visit.
        _ => {
            let here = server(tally, unit);
            let with = |other: &usize| server(tally, *other) == here;
            let before = (0..unit).rev().take_while(with).count();
            let behind = (unit..units).take_while(with).count();
            unit - before..unit + behind
        }
    };
    let first = random.below(units);
    let moved = run(tally, random, first);
    if random.below(4) == 0 {
        let second = random.below(units);
        let other = run(tally, random, second);
        let (here, there) = (server(tally, first), server(tally, second));
        if here != there {
            for (run, from, to) in [(moved, here, there), (other, there, here)] {
                for unit in run
                    .filter(|unit| server(tally, *unit) == from)
                    .collect::<Vec<_>>()
                {
                    go(tally, unit, to, None, undo);
                }
            }
        }
        return;
    }
    let choices = &problem.units[first].choices;
    let target = choices[random.below(choices.len())].site;
    for unit in moved {
        let exactly = (unit == first).then_some(target);
        go(tally, unit, problem.sites[target].server, exactly, undo);
    }
}

fn site(tally: &Tally<'_>, unit: usize) -> usize {
    tally.problem.units[unit].choices[tally.choice[unit]].site
}

/// Moves a unit to a server, or, with `None`, to where no server is: to exactly this site, or else to one of the role that
/// its site has now, or else to any.
fn go(
    tally: &mut Tally<'_>,
    unit: usize,
    server: Option<usize>,
    exactly: Option<usize>,
    undo: &mut Vec<(usize, usize)>,
) {
    let problem = tally.problem;
    let now = site(tally, unit);
    let choices = &problem.units[unit].choices;
    let there = |c: &crate::Choice| problem.sites[c.site].server == server;
    let alike =
        |c: &crate::Choice| there(c) && problem.sites[c.site].role == problem.sites[now].role;
    let to = match exactly {
        Some(site) => choices.iter().position(|c| c.site == site),
        None => choices
            .iter()
            .position(alike)
            .or_else(|| choices.iter().position(there)),
    };
    if let Some(to) = to
        && to != tally.choice[unit]
    {
        undo.push((unit, tally.choice[unit]));
        tally.set(unit, to);
    }
}
