//! E2's placement of instance graphs: how good and how fast.
//! `cargo bench -p trisect-benches --bench e2_placement`
//!
//! The experiment's set-up, what of it is E2's and what is ours, stands in
//! `trisect_benches::e2_rack`. Throughput is what the rack carries before a pool of cores, a link or
//! an external port is full. The cost of the NFs is our choice; the tables go over the range
//! from where cores limit to where links do.
//!
//! Instructions of one run (repeatable, whatever else the machine does):
//! `valgrind --tool=callgrind --toggle-collect='trisect_place::refine::e2' BENCH once 100`, with
//! `1000` and `10000` for the larger graphs; for the splits
//! `--toggle-collect='*Incremental::split'` and `once splits`.

use criterion::{BatchSize, Criterion};
use std::collections::BTreeMap;
use std::hint::black_box;
use trisect_benches::e2_rack::{CORES, Experiment, Kind, sized};
use trisect_place::{
    Effort, Incremental, Placement, Problem, Resource, Rng, at_best_load, best, e2, evaluate,
    packing, packing_growth, random,
};

/// Graphs by row of the first table.
const GRAPHS: u64 = 50;

/// Placements by chance that are averaged for each graph.
const DRAWS: u64 = 10;

/// Graphs of the second table.
const MANY: u64 = 1000;

/// Split requests: E2's prototype had 68 cores, and each asked once per second.
const SPLITS: u32 = 68;

fn by_chance(problem: &Problem, place: impl Fn(&Problem, u64) -> Placement) -> f64 {
    let sum: f64 = (0..DRAWS)
        .map(|seed| evaluate(problem, &place(problem, seed)).growth)
        .sum();
    sum / DRAWS as f64
}

/// Each instance by chance on one of the servers that have a core left for it alone; on any if none has.
fn random_with_cores(problem: &Problem, seed: u64) -> Placement {
    let mut rng = Rng::new(seed);
    let mut cores = vec![CORES; problem.servers()];
    let mut draw = |_| {
        let open: Vec<usize> = (0..cores.len()).filter(|s| cores[*s] > 0).collect();
        let server = match open.len() {
            0 => return rng.below(cores.len()) as u32,
            count => open[rng.below(count)],
        };
        cores[server] -= 1;
        server as u32
    };
    (0..problem.instances()).map(&mut draw).collect()
}

/// One row: means over graphs.
fn row(kind: Kind, core_gbps: f64) -> anyhow::Result<()> {
    let mut sums = [0.0; 6];
    let mut instances = 0;
    let mut ratios = Vec::new();
    let (mut traffic_alone, mut with_cores) = (0.0, 0.0);
    for seed in 0..GRAPHS {
        let experiment = Experiment::new(kind, core_gbps * 1e9, seed)?;
        let problem = &experiment.problem;
        let answer = best(problem, Effort::default());
        let growths = [
            by_chance(problem, random),
            at_best_load(problem, packing).1.growth,
            at_best_load(problem, |_, growth| e2(&experiment.wide, growth))
                .1
                .growth,
            at_best_load(problem, e2).1.growth,
            answer.evaluation.growth,
            answer.bound,
        ];
        for (sum, growth) in sums.iter_mut().zip(growths) {
            *sum += growth * experiment.offered_bps / 1e9 / GRAPHS as f64;
        }
        instances += problem.instances() as u64;
        ratios.push(growths[3] / growths[0]);
        traffic_alone += growths[2] / growths[0] / GRAPHS as f64;
        with_cores += growths[3] / by_chance(problem, random_with_cores) / GRAPHS as f64;
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let range = match &ratios[..] {
        [least, .., most] => format!("{least:.2}-{most:.2}"),
        _ => String::new(),
    };
    let [chance, packed, alone, heuristic, searched, bound] = sums;
    println!(
        "{:<8} {core_gbps:>5.1} {:>9} {chance:>8.1} {packed:>8.1} {alone:>8.1} {heuristic:>8.1} {searched:>8.1} \
         {bound:>8.1} {traffic_alone:>12.2} {ratio:>10.2} {range:>10} {with_cores:>8.2} \
         {:>8.2} {:>8.2}",
        format!("{kind:?}").to_lowercase(),
        instances / GRAPHS,
        packed / heuristic,
        searched / heuristic,
    );
    Ok(())
}

fn throughput() -> anyhow::Result<()> {
    println!(
        "\nThroughput in Gbit/s, means of {GRAPHS} graphs; `core`: Gbit/s that a core carries of the \
         average NF; \
         `alone`: e2 on links that take anything, so that it lessens traffic alone; e2/random with its range over the \
         graphs; `roomy`: by chance where a core is left"
    );
    println!(
        "{:<8} {:>5} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>12} {:>10} {:>10} {:>8} {:>8} {:>8}",
        "policy",
        "core",
        "instances",
        "random",
        "packing",
        "alone",
        "e2",
        "best",
        "bound",
        "alone/random",
        "e2/random",
        "from-to",
        "e2/roomy",
        "pack/e2",
        "best/e2"
    );
    for kind in [Kind::Chain, Kind::Random] {
        for core_gbps in [0.8, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0] {
            row(kind, core_gbps)?;
        }
    }
    println!("published (E2, section 7): e2/random 2.25 to 2.59");
    Ok(())
}

/// Best against e2 and bound over many random graphs.
fn many() -> anyhow::Result<()> {
    let (mut below, mut above, mut closed, mut near, mut gaps, mut gains) = (0, 0, 0, 0, 0.0, 0.0);
    let mut limits: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..MANY {
        let core_bps = 0.8e9 + 0.1e9 * (seed % 13) as f64;
        let problem = Experiment::new(Kind::Random, core_bps, 10_000 + seed)?.problem;
        let heuristic = at_best_load(&problem, e2).1.growth;
        let answer = best(&problem, Effort::default());
        let searched = answer.evaluation.growth;
        below += u32::from(searched < heuristic);
        above += u32::from(searched > heuristic * (1.0 + 1e-9));
        closed += u32::from(answer.gap() < 1e-9);
        near += u32::from(answer.gap() < 0.01);
        gaps += answer.gap();
        gains += searched / heuristic;
        let limit = match answer.evaluation.bottleneck {
            Some(Resource::Cores(_)) => "cores",
            Some(Resource::LinkInto(_) | Resource::LinkOut(_)) => "a link",
            Some(Resource::PortInto(_) | Resource::PortOut(_)) => "a port",
            None => "nothing",
        };
        *limits.entry(limit).or_default() += 1;
    }
    println!("\n{MANY} random graphs of 10 NFs, cores from 0.8 to 2.0 Gbit/s");
    println!(
        "best below e2 {below}, above e2 {above}, mean best/e2 {:.3}",
        gains / MANY as f64
    );
    println!(
        "best equal to the bound {closed}, within 1 % of it {near}, mean gap {:.1} %",
        100.0 * gaps / MANY as f64
    );
    println!("what limits best: {limits:?}");
    Ok(())
}

/// A running rack of 100 instances with room, to be split.
fn running() -> anyhow::Result<Incremental> {
    let problem = sized(100, 24)?;
    let placement = e2(&problem, 1.0);
    Ok(Incremental::new(&problem, &placement, 0.8))
}

fn split(rack: &mut Incremental) {
    for request in 0..SPLITS {
        // All instances are there and on their own.
        let _ = black_box(rack.split(request));
    }
}

const SIZES: [(usize, usize); 3] = [(100, 24), (1000, 40), (10_000, 240)];

fn speed(criterion: &mut Criterion) -> anyhow::Result<()> {
    println!(
        "\nOne core; published (E2, section 7): 14.6 ms for the placement of 100 nodes, 1.76 ms for 68 splits"
    );
    for (instances, servers) in SIZES {
        let problem = sized(instances, servers)?;
        let growth = packing_growth(&problem);
        let name = format!("e2, {instances} instances over {servers} servers");
        criterion.bench_function(&name, |b| b.iter(|| e2(black_box(&problem), growth)));
    }
    let rack = running()?;
    criterion.bench_function("68 splits of 100 instances over 24 servers", |b| {
        b.iter_batched_ref(|| rack.clone(), split, BatchSize::SmallInput);
    });
    Ok(())
}

/// One run of what is named, for an instruction count.
fn once(what: &str) -> anyhow::Result<()> {
    if what == "splits" {
        split(&mut running()?);
        return Ok(());
    }
    let size = SIZES
        .iter()
        .find(|(instances, _)| what == instances.to_string());
    let (instances, servers) =
        *size.ok_or_else(|| anyhow::anyhow!("once 100, 1000, 10000 or splits"))?;
    let problem = sized(instances, servers)?;
    let growth = packing_growth(&problem);
    black_box(e2(&problem, growth));
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, what, ..] = &arguments[..]
        && word == "once"
    {
        return once(what);
    }
    let mut criterion = Criterion::default().configure_from_args();
    speed(&mut criterion)?;
    throughput()?;
    many()?;
    criterion.final_summary();
    Ok(())
}
