//! Good assignments without a proof: greedy, and local search from it.
//!
//! Rules ([`crate::Rules`]) are not looked at: who has rules gives what is found to [`crate::solve`] as a hint,
//! which drops it if it does not hold.

use crate::problem::{Malformed, Problem};
use crate::solve::Goal;
use crate::tally::Tally;
use trisect_place::Rng;

/// Most goals that a score holds, with what guides the search in front.
const WIDTH: usize = 8;
/// An assignment's worth; less is better, the first place first.
type Score = [f64; WIDTH];

/// What is compared.
#[derive(Clone, Copy)]
enum View {
    /// The goals only, behind what is over-booked.
    Goals,
    /// Before a goal of scale, and behind it, how full everything is, so that equal steps lead on.
    Guided,
}

fn score(tally: &Tally<'_>, goals: &[Goal], view: View) -> Score {
    let mut score = [0.0; WIDTH];
    score[0] = tally.excess();
    let mut next = 1;
    let mut push = |value: f64| {
        if let Some(place) = score.get_mut(next) {
            *place = value;
            next += 1;
        }
    };
    for goal in goals {
        match goal {
            Goal::Scale => {
                push(tally.most());
                if matches!(view, View::Guided) {
                    push(tally.parts().map(|(_, p)| p.powi(8)).sum());
                }
            }
            Goal::Cores => push(tally.sum(|k| matches!(k, crate::Kind::Work { .. }))),
            Goal::HeaderBytes => push(tally.sum(|k| k == crate::Kind::HeaderBytes)),
            Goal::Bounces => push(tally.sum(|k| k == crate::Kind::Bounces)),
            // Free rates need a linear program each: growth in proportion stands for it.
            Goal::Marginal => push(tally.most()),
            Goal::Sum(terms) | Goal::Prefer(terms) => push(
                terms
                    .iter()
                    .map(|(var, factor)| match var {
                        crate::Var::At(u, s) => {
                            let unit = &tally.problem.units[*u];
                            let there = unit.choices[tally.choice[*u]].site == *s;
                            if there { *factor } else { 0.0 }
                        }
                        crate::Var::Helper(_) => 0.0,
                    })
                    .sum(),
            ),
        }
    }
    score
}

/// Whether a score is better, beyond rounding.
fn better(a: &Score, b: &Score) -> bool {
    for (a, b) in a.iter().zip(b) {
        let room = 1e-10 * a.abs().max(b.abs()).max(1e-12);
        if a < &(b - room) {
            return true;
        }
        if a > &(b + room) {
            return false;
        }
    }
    false
}

/// Unit after unit, in their order, each where the whole is best at that moment, units to come being
/// where they are in `start`.
fn greedily(tally: &mut Tally<'_>, goals: &[Goal]) {
    for unit in 0..tally.choice.len() {
        best_choice(tally, unit, goals, View::Guided);
    }
}

/// Gives a unit its best choice, all else being as it is; whether that is another one.
fn best_choice(tally: &mut Tally<'_>, unit: usize, goals: &[Goal], view: View) -> bool {
    let before = tally.choice[unit];
    let mut best = (score(tally, goals, view), before);
    for choice in 0..tally.problem.units[unit].choices.len() {
        if choice == before {
            continue;
        }
        tally.set(unit, choice);
        let now = score(tally, goals, view);
        if better(&now, &best.0) {
            best = (now, choice);
        }
    }
    tally.set(unit, best.1);
    best.1 != before
}

/// Moves and exchanges until none helps or the steps are used up.
fn descend(tally: &mut Tally<'_>, goals: &[Goal], view: View, steps: &mut u64) {
    let units = tally.choice.len();
    loop {
        let mut moved = false;
        for unit in 0..units {
            let choices = tally.problem.units[unit].choices.len();
            if choices > 1 {
                *steps = steps.saturating_sub(choices as u64);
                moved |= best_choice(tally, unit, goals, view);
            }
        }
        if *steps == 0 {
            return;
        }
        if !moved {
            moved = exchange(tally, goals, view, steps);
        }
        if !moved {
            return;
        }
    }
}

/// Exchanges the sites of two units, if that helps.
fn exchange(tally: &mut Tally<'_>, goals: &[Goal], view: View, steps: &mut u64) -> bool {
    let mut now = score(tally, goals, view);
    let mut moved = false;
    let units = tally.choice.len();
    for a in 0..units {
        if tally.problem.units[a].choices.len() < 2 {
            continue;
        }
        for b in a + 1..units {
            let problem = tally.problem;
            let (from_a, from_b) = (tally.choice[a], tally.choice[b]);
            let site_a = problem.units[a].choices[from_a].site;
            let site_b = problem.units[b].choices[from_b].site;
            if site_a == site_b {
                continue;
            }
            let (Some(to_a), Some(to_b)) =
                (problem.choice_of(a, site_b), problem.choice_of(b, site_a))
            else {
                continue;
            };
            if *steps == 0 {
                return moved;
            }
            *steps -= 1;
            tally.set(a, to_a);
            tally.set(b, to_b);
            let then = score(tally, goals, view);
            if better(&then, &now) {
                (now, moved) = (then, true);
            } else {
                tally.set(a, from_a);
                tally.set(b, from_b);
            }
        }
    }
    moved
}

/// A greedy assignment: unit after unit where that is best for the goals, by position of the choice.
///
/// # Errors
/// A malformed problem.
pub fn greedy(problem: &Problem, goals: &[Goal]) -> Result<Vec<usize>, Malformed> {
    problem.validate()?;
    let mut tally = Tally::new(problem, &vec![0; problem.units.len()]);
    greedily(&mut tally, goals);
    Ok(tally.choice)
}

/// Local search: from the greedy assignment and from `starts`, moves and exchanges; then again and again
/// from the best one with some units moved at random. `steps` bounds the work, in assignments
/// looked at; `seed` decides what is random. The same input gives the same answer.
///
/// # Errors
/// A malformed problem, or a start that is not an assignment of it.
pub fn search(
    problem: &Problem,
    goals: &[Goal],
    starts: &[Vec<usize>],
    steps: u64,
    seed: u64,
) -> Result<Vec<usize>, Malformed> {
    let mut tally = Tally::new(problem, &greedy(problem, goals)?);
    let mut steps = steps;
    let mut best: Option<(Score, Vec<usize>)> = None;
    let mut keep = |tally: &mut Tally<'_>, steps: &mut u64| {
        let mut note = |tally: &Tally<'_>| {
            let now = score(tally, goals, View::Goals);
            let news = best.as_ref().is_none_or(|(known, _)| better(&now, known));
            if news {
                best = Some((now, tally.choice.clone()));
            }
            news
        };
        // Where the search leads is not always better by the goals.
        note(tally);
        descend(tally, goals, View::Guided, steps);
        let guided = tally.choice.clone();
        descend(tally, goals, View::Goals, steps);
        if note(tally) {
            return true;
        }
        // The search goes on from where it was guided to.
        for (unit, choice) in guided.into_iter().enumerate() {
            tally.set(unit, choice);
        }
        false
    };
    keep(&mut tally, &mut steps);
    for start in starts {
        crate::tally::evaluate(problem, start)?;
        tally = Tally::new(problem, start);
        keep(&mut tally, &mut steps);
    }
    let mut random = Rng::new(seed);
    let open: Vec<usize> = (0..problem.units.len())
        .filter(|u| problem.units[*u].choices.len() > 1)
        .collect();
    let mut home = tally.choice.clone();
    while steps > 0 && !open.is_empty() {
        for (unit, choice) in home.iter().enumerate() {
            tally.set(unit, *choice);
        }
        for _ in 0..(open.len() / 20).max(2) {
            let unit = open[random.below(open.len())];
            tally.set(unit, random.below(problem.units[unit].choices.len()));
        }
        steps = steps.saturating_sub(1);
        if keep(&mut tally, &mut steps) {
            home.clone_from(&tally.choice);
        }
    }
    Ok(best.map_or(home, |(_, choice)| choice))
}
