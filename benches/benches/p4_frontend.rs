//! The P4 front end over generated programs of 1,000 to 100,000 lines:
//! `cargo bench -p trisect-benches --bench p4_frontend`
//!
//! Checking 3,000 lines must take less than 50 ms, and a line of the longest program must not cost more
//! than twice what one of the shortest costs.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use trisect_benches::p4_programs::v1model_program;
use trisect_p4::{Options, SourceMap, check, parser, pp};

/// Lengths of the programs, in lines.
const LENGTHS: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
/// The length that has a limit of its own, and the limit in milliseconds.
const LIMIT: (usize, f64) = (3_000, 50.0);
/// How much dearer a line may be at the longest length than at the shortest.
const GROWTH: f64 = 2.0;

/// Least seconds that preprocessing with lexing, parsing, and checking took, of several runs.
fn measure(text: &str, runs: usize) -> anyhow::Result<[f64; 3]> {
    let options = Options::default();
    let mut best = [f64::MAX; 3];
    for _ in 0..runs {
        let mut sources = SourceMap::default();
        let mut found = Vec::new();
        let start = Instant::now();
        let tokens = pp::preprocess("generated.p4", text, &options, &mut sources, &mut found);
        let lexed = Instant::now();
        let tree = parser::parse(&tokens, options.max_errors, &mut found);
        let parsed = Instant::now();
        let (program, errors) = check::check(&tree);
        let checked = Instant::now();
        black_box(&program);
        found.extend(errors);
        if let Some(first) = found.first() {
            anyhow::bail!("a generated program is wrong: {}", first.one_line(&sources));
        }
        let stages = [lexed - start, parsed - lexed, checked - parsed];
        for (best, stage) in best.iter_mut().zip(stages) {
            *best = best.min(stage.as_secs_f64());
        }
    }
    Ok(best)
}

fn table() -> anyhow::Result<()> {
    println!("\nP4 front end, generated v1model programs, nanoseconds per line, one core");
    println!(
        "{:>8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "lines", "pp + lex", "parse", "check", "all", "all in ms"
    );
    let mut per_line: Vec<[f64; 4]> = Vec::new();
    let mut limited = 0.0;
    for length in LENGTHS {
        let text = v1model_program(length);
        let lines = text.lines().count();
        let [lex, parse, check] = measure(&text, 300_000 / length)?;
        let all = lex + parse + check;
        let row = [lex, parse, check, all].map(|seconds| seconds * 1e9 / lines as f64);
        let [a, b, c, d] = row;
        let ms = all * 1e3;
        println!("{lines:>8} {a:>10.0} {b:>10.0} {c:>10.0} {d:>10.0} {ms:>10.2}");
        if length == LIMIT.0 {
            limited = ms;
        }
        per_line.push(row);
    }
    let (Some(first), Some(last)) = (per_line.first(), per_line.last()) else {
        anyhow::bail!("nothing was measured");
    };
    let growth = [0, 1, 2, 3].map(|stage| last[stage] / first[stage]);
    let [a, b, c, d] = growth;
    println!("{:>8} {a:>10.2} {b:>10.2} {c:>10.2} {d:>10.2}\n", "growth");
    anyhow::ensure!(
        limited < LIMIT.1,
        "{} lines take {limited:.1} ms, not less than {}",
        LIMIT.0,
        LIMIT.1
    );
    anyhow::ensure!(
        d <= GROWTH,
        "a line of the longest program costs {d:.2} times as much as one of the shortest"
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    table()?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("p4_frontend");
    let text = v1model_program(LIMIT.0);
    group.throughput(Throughput::Elements(text.lines().count() as u64));
    group.sample_size(20);
    group.bench_function("check", |b| {
        b.iter(|| trisect_p4::check_str("generated.p4", &text, &Options::default()))
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
