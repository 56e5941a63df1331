//! `trisect compare`.

use super::args::{Compare, Cutting};
use super::table::table;
use super::{Ended, plan, print, print_json};
use serde::Serialize;
use std::time::Instant;
use trisect_plan::cut::Strategy;

/// What a strategy comes to.
#[derive(Serialize)]
struct Row {
    strategy: String,
    /// By how much all offered rates can grow.
    scale: Option<f64>,
    /// The weighted sum of the classes' rates above their least ones, if not all grow in proportion, in Gbit/s.
    above_least_gbps: Option<f64>,
    /// What is full then.
    bottleneck: Option<String>,
    /// Cores' worth of work at the offered load.
    cores: Option<f64>,
    /// The largest expected latency of a pipeline.
    latency_us: Option<f64>,
    /// That of the longest way of a pipeline.
    longest_us: Option<f64>,
    /// Outer headers, per packet of the rack.
    header_bytes: Option<f64>,
    /// Visits of servers, per packet of the rack.
    bounces: Option<f64>,
    /// Relative gap to what is proven that no cut can better, in the first figure that has one: to the
    /// bounds of `best`, if that is among the strategies, else to what the strategy itself has proven.
    gap: Option<f64>,
    /// Wall-clock time of planning.
    solve_ms: f64,
    /// Why there is no cut.
    error: Option<String>,
}

/// Cuts by each strategy.
pub fn main(args: &Compare) -> anyhow::Result<Ended> {
    let project = plan::project(&args.source)?;
    let chosen: Vec<Strategy> = match args.strategies.is_empty() {
        true => Strategy::ALL.to_vec(),
        false => args.strategies.clone(),
    };
    let progress = plan::progress(chosen.len() as u64, "cutting", args.json);
    let mut rows = Vec::new();
    let mut proofs = Vec::new();
    for strategy in chosen {
        progress.set_message(strategy.to_string());
        let cutting = Cutting {
            strategy,
            objective: args.objective,
            time_limit: args.time_limit,
        };
        let began = Instant::now();
        let made = plan::make(&project, &cutting);
        let solve_ms = began.elapsed().as_secs_f64() * 1e3;
        proofs.push(made.as_ref().ok().map(|plan| plan.proof.clone()));
        rows.push(row(strategy, made, solve_ms));
        progress.inc(1);
    }
    let best = rows
        .iter()
        .position(|r| r.strategy == Strategy::Best.name());
    if let Some(best) = best.and_then(|at| proofs[at].clone()) {
        for (row, proof) in rows.iter_mut().zip(&proofs) {
            row.gap = proof.as_ref().map(|proof| proof.gap_to(&best));
        }
    }
    progress.finish_and_clear();
    let none = rows.iter().all(|row| row.error.is_some());
    if args.json {
        print_json(&serde_json::json!({ "project": project.name, "strategies": rows }))?;
    } else {
        print(&text(&rows))?;
    }
    Ok(if none { Ended::Different } else { Ended::Well })
}

fn row(strategy: Strategy, made: anyhow::Result<trisect_plan::plan::Plan>, solve_ms: f64) -> Row {
    let mut row = Row {
        strategy: strategy.to_string(),
        scale: None,
        above_least_gbps: None,
        bottleneck: None,
        cores: None,
        latency_us: None,
        longest_us: None,
        header_bytes: None,
        bounces: None,
        gap: None,
        solve_ms,
        error: None,
    };
    match made {
        Ok(plan) => {
            row.scale = Some(plan.prediction.load_factor);
            let rates = plan.prediction.rates.iter();
            let above = rates.map(|r| r.weight * (r.gbps - r.least_gbps));
            let known = !plan.prediction.rates.is_empty();
            row.above_least_gbps = known.then(|| above.sum());
            let bottleneck = Some(plan.prediction.bottleneck.clone());
            row.bottleneck = bottleneck.filter(|name| !name.is_empty());
            row.cores = Some(plan.prediction.cores);
            row.latency_us = Some(plan.prediction.latency_us);
            row.longest_us = Some(plan.prediction.longest_us);
            row.header_bytes = Some(plan.cost.header_bytes);
            row.bounces = Some(plan.cost.stays);
            row.gap = Some(plan.gap());
        }
        Err(error) => row.error = Some(format!("{error:#}").trim().to_owned()),
    }
    row
}

fn text(rows: &[Row]) -> String {
    let shown = |value: Option<f64>, places: usize| match value {
        Some(value) => format!("{value:.places$}"),
        None => "-".to_owned(),
    };
    let head = [
        "STRATEGY",
        "SCALE",
        "BOTTLENECK",
        "ABOVE LEAST",
        "CORES",
        "LATENCY",
        "LONGEST",
        "HEADERS",
        "VISITS",
        "GAP",
        "SOLVED IN",
    ];
    let cells = rows.iter().map(|row| {
        vec![
            row.strategy.clone(),
            match row.scale {
                Some(f64::MAX) => "unlimited".to_owned(),
                scale => shown(scale, 3),
            },
            row.bottleneck.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{} Gbit/s", shown(row.above_least_gbps, 3)),
            shown(row.cores, 3),
            format!("{} us", shown(row.latency_us, 2)),
            format!("{} us", shown(row.longest_us, 2)),
            format!("{} B/packet", shown(row.header_bytes, 1)),
            format!("{}/packet", shown(row.bounces, 2)),
            format!("{} %", shown(row.gap.map(|g| 100.0 * g), 2)),
            format!("{:.0} ms", row.solve_ms),
        ]
    });
    let mut out = table(&head, cells);
    out.push_str(
        "\nSCALE: by how much all offered rates can grow, each up to its `max`. ABOVE LEAST: the classes' rates above their `min`, times `weight`, if each is free up to its `max`. LATENCY: expected; LONGEST: on the longest way. GAP: to what is proven that no cut can better.\n",
    );
    for row in rows {
        if let Some(error) = &row.error {
            out.push_str(&format!("\n{}: no cut: {error}\n", row.strategy));
        }
    }
    out
}
