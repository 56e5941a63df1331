//! How far the exact model goes: 50, 100, 200 and 500 units over one switch, four NICs and four servers.
//!
//!     cargo bench -p trisect-benches --bench exact_scale                     # the pure-Rust solver
//!     cargo bench -p trisect-benches --bench exact_scale --features highs
//!
//! Per size: until the first valid plan (greedy), until a gap of 5 % in the scale and until one of 0.01 %, which counts as
//! optimal; or the gap that is left after 60 seconds. Pipelines of ten units from
//! `trisect_optimise::arbitrary::rack`, three seeds per size.

use std::time::{Duration, Instant};
use trisect_optimise::arbitrary::{Shape, rack};
use trisect_optimise::{BEST, Goal, Learnt, Limits, Problem, evaluate, greedy, solve, solver};

const LIMIT: Duration = Duration::from_secs(60);
/// Relative gap at which a plan counts as optimal.
const OPTIMAL: f64 = 1e-4;

fn main() {
    println!("solver: {}", solver());
    println!(
        "{:>5} {:>4} | {:>8} {:>8} | {:>8} | {:>8} | {:>8} {:>8}",
        "units", "seed", "first ms", "scale", "5% gap s", "end s", "scale", "gap %"
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
    let began = Instant::now();
    let first = greedy(&problem, &BEST).unwrap_or_default();
    let first_ms = began.elapsed().as_secs_f64() * 1e3;
    let first = evaluate(&problem, &first).map(|o| (o.feasible(), o.scale));
    let near = timed(&problem, 0.05);
    let end = timed(&problem, OPTIMAL);
    println!(
        "{units:>5} {seed:>4} | {first_ms:>8.2} {:>8} | {:>8} | {:>8.2} | {:>8.4} {:>8.4}",
        shown(first),
        match near.gap <= 0.05 {
            true => format!("{:.2}", near.seconds),
            false => "-".to_owned(),
        },
        end.seconds,
        end.scale,
        100.0 * end.gap,
    );
}

fn shown(scale: Result<(bool, f64), trisect_optimise::Malformed>) -> String {
    match scale {
        Ok((true, scale)) => format!("{scale:.4}"),
        _ => "none".to_owned(),
    }
}

struct Timed {
    seconds: f64,
    scale: f64,
    gap: f64,
}

fn timed(problem: &Problem, gap: f64) -> Timed {
    let limits = Limits {
        nodes: None,
        time: Some(LIMIT),
        gap,
    };
    let began = Instant::now();
    let answer = solve(problem, &[Goal::Scale], limits, None, &mut |_| {
        Learnt::default()
    });
    let seconds = began.elapsed().as_secs_f64();
    let (scale, gap) = match answer {
        Ok(solved) => (1.0 / solved.reached[0].value, solved.reached[0].gap()),
        Err(_) => (0.0, 1.0),
    };
    Timed {
        seconds,
        scale,
        gap,
    }
}
