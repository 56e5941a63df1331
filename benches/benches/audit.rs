//! What an audit finds of providers that cheat, and how fast it is.
//!
//!     cargo bench -p trisect-benches --bench audit            # the table
//!     cargo bench -p trisect-benches --bench audit -- speed   # records per second
//!
//! The chain is examples/central-office, cut by E2's step, with its bundled traffic ten times (26,400 packets): each time the
//! packets get other IP identifications, so that they are other packets to the hash. Each way to cheat is run at three
//! sampling rates. A cell has the failed checks that say most, or that nothing was found.

use std::path::Path;
use std::time::Instant;

use trisect::audit::{self, Asked};
use trisect::project::Project;
use trisect::run;
use trisect_audit::cheat::{Cheat, Cheater};
use trisect_audit::{Auditor, Evidence, Granularity, Manifest, Outcome, Report};
use trisect_plan::cut::Strategy;
use trisect_plan::plan::Plan;
use trisect_rack::Arrival;
use trisect_sample::Record;
use trisect_wire::{Layers, Proto, checksum};

/// How often the bundled traffic is played.
const TIMES: u64 = 10;
/// Nanoseconds between two times.
const PAUSE_NS: u64 = 1_000_000_000;

fn main() -> anyhow::Result<()> {
    let speed = std::env::args().any(|a| a == "speed");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/central-office");
    let project = Project::load(&folder, None).map_err(|e| anyhow::anyhow!("{e}"))?;
    let registry = trisect::registry::registry()?;
    let plan =
        Plan::make(&project.input(&registry, Strategy::E2)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let asked = Asked {
        one_in: 1,
        slack: 0.25,
        granularity: Granularity::Snapshot,
        folder: folder.clone(),
    };
    let manifest = audit::make(&project, &plan, &asked).map_err(|e| anyhow::anyhow!("{e}"))?;
    let traffic = project.traffic().map_err(|e| anyhow::anyhow!("{e}"))?;
    let traffic = run::bundled(&traffic).map_err(|e| anyhow::anyhow!("{e}"))?;
    let arrivals = repeated(&traffic.arrivals);
    if speed {
        return measure(&plan, &manifest, &arrivals);
    }
    println!("| provider | 0.1 % | 1 % | 10 % |\n|----------|-------|-----|------|");
    let kinds = std::iter::once(None).chain(Cheat::ALL.map(Some));
    for kind in kinds {
        let mut row = format!("| {} ", kind.map_or("honest", Cheat::name));
        for one_in in [1000, 100, 10] {
            let (manifest, records, evidence, key) =
                played(&plan, &manifest, &arrivals, one_in, kind)?;
            let mut auditor = Auditor::new(manifest, &key, &audit::reference(&plan));
            auditor.push(records)?;
            row += &format!("| {} ", found(&auditor.finish(&evidence)));
        }
        println!("{row}|");
    }
    Ok(())
}

/// Runs a provider; gives what the audit needs.
fn played(
    plan: &Plan,
    manifest: &Manifest,
    arrivals: &[Arrival],
    one_in: u32,
    cheat: Option<Cheat>,
) -> anyhow::Result<(Manifest, Vec<Record>, Evidence, Vec<u8>)> {
    let mut manifest = manifest.clone();
    manifest.sampling.one_in = one_in;
    let ran = match cheat {
        Some(cheat) => audit::cheating(plan, cheat).map_err(|e| anyhow::anyhow!("{e}"))?,
        None => plan.clone(),
    };
    let mut rack = run::rack(&ran, one_in, true)?;
    if let Some(cheat) = cheat {
        rack.provider = Some(Box::new(Cheater::new(cheat, audit::hosts(plan))));
    }
    let mut report = rack.run(arrivals, &mut |_| {})?;
    let run = (&rack, &report, arrivals);
    let evidence = audit::collect(plan, run, Some(&manifest), cheat);
    let evidence = evidence.map_err(|e| anyhow::anyhow!("{e}"))?;
    let key = rack.sampler.as_ref().map(|s| s.spec().key.clone());
    let records = std::mem::take(&mut report.records);
    Ok((manifest, records, evidence, key.unwrap_or_default()))
}

/// The failed checks, with how many things were wrong; at most three.
fn found(report: &Report) -> String {
    let failed = report
        .checks
        .iter()
        .filter(|c| c.outcome == Outcome::Failed);
    let mut failed: Vec<_> = failed.collect();
    failed.sort_by_key(|c| std::cmp::Reverse(c.violations));
    let shown = failed.iter().take(3).map(|c| {
        let of = if c.of.is_empty() { "" } else { " " };
        format!("{}{of}{}: {} of {}", c.name, c.of, c.violations, c.examined)
    });
    let shown: Vec<String> = shown.collect();
    match shown.is_empty() {
        true => "nothing".to_owned(),
        false => shown.join("; "),
    }
}

fn measure(plan: &Plan, manifest: &Manifest, arrivals: &[Arrival]) -> anyhow::Result<()> {
    let (manifest, records, evidence, key) = played(plan, manifest, arrivals, 1, None)?;
    let dir = std::env::temp_dir().join(format!("trisect-audit-{}", std::process::id()));
    let written = audit::write(&dir, &records, &key, &evidence);
    written.map_err(|e| anyhow::anyhow!("{e}"))?;
    let (count, packets) = (records.len(), arrivals.len());
    drop(records);
    let begin = Instant::now();
    let report = audit::audit(&manifest, plan, &dir, &key, None, |_| {});
    let took = begin.elapsed().as_secs_f64();
    let report = report.map_err(|e| anyhow::anyhow!("{e}"))?;
    std::fs::remove_dir_all(&dir)?;
    println!(
        "{count} records of {packets} packets audited in {took:.2} s: {:.0} records per second, 10 million in {:.0} s; {}",
        count as f64 / took,
        1e7 * took / count as f64,
        found(&report)
    );
    Ok(())
}

/// The traffic again and again, each time with other IP identifications.
fn repeated(arrivals: &[Arrival]) -> Vec<Arrival> {
    let last = arrivals.last().map_or(0, |a| a.time_ns);
    let first = arrivals.first().map_or(0, |a| a.time_ns);
    let length = last - first + PAUSE_NS;
    let again = |time: u64| {
        arrivals.iter().map(move |arrival| {
            let mut arrival = arrival.clone();
            arrival.time_ns += time * length;
            renumber(&mut arrival.bytes, (time * 0x1357) as u16);
            arrival
        })
    };
    (0..TIMES).flat_map(again).collect()
}

/// Adds to the identification of the innermost IPv4 header.
fn renumber(frame: &mut [u8], by: u16) {
    let layers = Layers::parse(frame).layers;
    let Some(ip) = layers.iter().rev().find(|l| l.proto == Proto::Ipv4) else {
        return;
    };
    let start = ip.start;
    let word = |frame: &[u8], at: usize| {
        frame
            .get(at..)?
            .first_chunk()
            .copied()
            .map(u16::from_be_bytes)
    };
    let (Some(id), Some(sum)) = (word(frame, start + 4), word(frame, start + 10)) else {
        return;
    };
    let new = id.wrapping_add(by);
    for (at, value) in [(4, new), (10, checksum::update16(sum, id, new))] {
        if let Some(place) = frame.get_mut(start + at..start + at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}
