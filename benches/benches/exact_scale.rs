//! How far the exact model goes: 50, 100, 200 and 500 units over one switch, four NICs and four servers.
//!
//!     cargo bench -p trisect-benches --bench exact_scale                     # the pure-Rust solver
//!     cargo bench -p trisect-benches --bench exact_scale --features highs
//!
//! Per size: until the first valid plan (greedy), until local search ends, until a gap of 5 % in the
//! scale, until the optimum is proven; or the gap that is left after 60 seconds. Pipelines of ten units from
//! `trisect_optimise::arbitrary::rack`, three seeds per size.

use std::time::{Duration, Instant};
use trisect_optimise::arbitrary::{Shape, rack};
use trisect_optimise::{
    Goal, Learnt, Limits, NoSolution, Problem, break_symmetry, canonical, evaluate, greedy, search,
    solve, solver,
};

const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    println!("solver: {}", solver());
    println!(
        "{:>5} {:>4} | {:>9} {:>9} | {:>9} {:>9} | {:>9} {:>9} {:>9} {:>9}",
        "units",
        "seed",
        "first ms",
        "scale",
        "search ms",
        "scale",
        "5% gap s",
        "end s",
        "scale",
        "gap %"
    );
    for units in [50, 100, 200, 500] {
        for seed in 1..=3 {
            row(units, seed);
        }
    }
}

fn row(units: usize, seed: u64) {
    let shape = Shape {
        units,
        servers: 4,
        length: 10,
        promises: false,
    };
    let problem = rack(shape, seed);
    let scale = |choice: &[usize]| evaluate(&problem, choice).map(|o| (o.feasible(), o.scale));
    let began = Instant::now();
    let first = greedy(&problem, &trisect_optimise::BEST).unwrap_or_default();
    let first_ms = began.elapsed().as_secs_f64() * 1e3;
    let began = Instant::now();
    let steps = 60_000;
    let found = search(&problem, &trisect_optimise::BEST, &[], steps, 1).unwrap_or_default();
    let search_ms = began.elapsed().as_secs_f64() * 1e3;
    let mut named = problem.clone();
    let equal = break_symmetry(&mut named);
    let found = canonical(&problem, &equal, &found);
    let near = timed(&named, &found, 0.05);
    let end = timed(&named, &found, 1e-6);
    println!(
        "{units:>5} {seed:>4} | {first_ms:>9.2} {:>9} | {search_ms:>9.1} {:>9} | {:>9} {:>9.2} {:>9.4} {:>9.4}",
        shown(scale(&first)),
        shown(scale(&found)),
        match near.2 {
            true => "-".to_owned(),
            false => format!("{:.2}", near.0),
        },
        end.0,
        end.1.0,
        100.0 * end.1.1,
    );
}

fn shown(scale: Result<(bool, f64), trisect_optimise::Malformed>) -> String {
    match scale {
        Ok((true, scale)) => format!("{scale:.4}"),
        _ => "none".to_owned(),
    }
}

/// Seconds, scale with gap, and whether it stopped before the gap was reached.
fn timed(problem: &Problem, hint: &[usize], gap: f64) -> (f64, (f64, f64), bool) {
    let limits = Limits {
        nodes: None,
        time: Some(LIMIT),
        gap,
    };
    let began = Instant::now();
    let answer = solve(problem, &[Goal::Scale], limits, Some(hint), &mut |_| {
        Learnt::default()
    });
    let seconds = began.elapsed().as_secs_f64();
    match answer {
        Ok(solved) => {
            let reached = solved.reached[0];
            let stopped = reached.gap() > gap * 1.01 + 1e-6;
            (seconds, (1.0 / reached.value, reached.gap()), stopped)
        }
        Err(NoSolution::Stopped { bound }) => match evaluate(problem, hint) {
            Ok(outcome) => (seconds, (outcome.scale, 1.0 - bound * outcome.scale), true),
            Err(_) => (seconds, (0.0, 1.0), true),
        },
        Err(_) => (seconds, (0.0, 1.0), true),
    }
}
