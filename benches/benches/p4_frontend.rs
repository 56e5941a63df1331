//! The P4 front end over generated programs of 1,000 to 100,000 lines:
//! `cargo bench -p trisect-benches --bench p4_frontend`
//!
//! Checking 3,000 lines must take less than 50 ms, and a line of the longest program must not cost more
//! than three times what one of the shortest costs, elaboration to the IR included. The instructions per line are
//! the same at all lengths; what a line of a long program costs more are misses of caches and of the TLB, as its trees have
//! some 1.5 kB per line. (With GLIBC_TUNABLES=glibc.malloc.hugetlb=1, which takes most misses of the TLB away, the
//! growth is 1.8 instead of 2.1.)

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use trisect_benches::p4_programs::v1model_program;
use trisect_p4::{Options, SourceMap, check, parser, pp};

/// Lengths of the programs, in lines.
const LENGTHS: [usize; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
/// The length that has a limit of its own, and the limit in milliseconds.
const LIMIT: (usize, f64) = (3_000, 50.0);
/// How much dearer a line may be at the longest length than at the shortest.
const GROWTH: f64 = 3.0;

/// What is measured, in order.
const STAGES: [&str; 4] = ["pp + lex", "parse", "check", "elaborate"];

/// Least seconds that the stages took, of several runs. Elaboration is what compilation takes beyond the other stages, with
/// the freeing of what they made.
fn measure(text: &str, runs: usize) -> anyhow::Result<[f64; 4]> {
    let options = Options::default();
    let mut best = [f64::MAX; 4];
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
        drop((tokens, tree, program));
        let start_again = Instant::now();
        let compiled = trisect_p4::compile_str("generated.p4", text, &options);
        let all = start_again.elapsed();
        if let Err(findings) = &compiled {
            let first = findings.first().map(|found| found.message.as_str());
            anyhow::bail!("a generated program is refused: {}", first.unwrap_or(""));
        }
        black_box(&compiled);
        let stages: [Duration; 4] = [lexed - start, parsed - lexed, checked - parsed, all];
        for (best, stage) in best.iter_mut().zip(stages) {
            *best = best.min(stage.as_secs_f64());
        }
    }
    let [lex, parse, check, all] = best;
    Ok([lex, parse, check, all - lex - parse - check])
}

fn table() -> anyhow::Result<()> {
    println!("\nP4 front end, generated v1model programs, nanoseconds per line, one core");
    print!("{:>8}", "lines");
    STAGES
        .into_iter()
        .chain(["all", "check, ms", "all, ms"])
        .for_each(|column| print!(" {column:>10}"));
    println!();
    let mut per_line: Vec<[f64; 5]> = Vec::new();
    let mut limited = 0.0;
    for length in LENGTHS {
        let text = v1model_program(length);
        let lines = text.lines().count();
        let stages = measure(&text, 300_000 / length)?;
        let [lex, parse, check, elaborate] = stages;
        let (checked, all) = (lex + parse + check, lex + parse + check + elaborate);
        let row = [lex, parse, check, elaborate, all].map(|seconds| seconds * 1e9 / lines as f64);
        print!("{lines:>8}");
        row.iter().for_each(|ns| print!(" {ns:>10.0}"));
        println!(" {:>10.2} {:>10.2}", checked * 1e3, all * 1e3);
        if length == LIMIT.0 {
            limited = checked * 1e3;
        }
        per_line.push(row);
    }
    let (Some(first), Some(last)) = (per_line.first(), per_line.last()) else {
        anyhow::bail!("nothing was measured");
    };
    let growth: Vec<f64> = last
        .iter()
        .zip(first)
        .map(|(last, first)| last / first)
        .collect();
    print!("{:>8}", "growth");
    growth.iter().for_each(|times| print!(" {times:>10.2}"));
    println!("\n");
    anyhow::ensure!(
        limited < LIMIT.1,
        "{} lines take {limited:.1} ms, not less than {}",
        LIMIT.0,
        LIMIT.1
    );
    let growth = growth.last().copied().unwrap_or(f64::MAX);
    anyhow::ensure!(
        growth <= GROWTH,
        "a line of the longest program costs {growth:.2} times as much as one of the shortest"
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
