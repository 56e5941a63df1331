//! What an audit finds of providers that cheat, and how fast it is.
//!
//!     cargo bench -p trisect-benches --bench audit              # the table
//!     cargo bench -p trisect-benches --bench audit -- speed [N] # records per second, of at least N records
//!
//! N records take 0.7 N kilobytes of the folder for temporary files (`TMPDIR`).
//!
//! The chain is examples/central-office, cut by E2's step, with its bundled traffic ten times (26,400 packets): each time the
//! packets get other IP identifications, so that they are other packets to the hash. Each way to cheat is run at three
//! sampling rates. A cell has the failed checks that say most, or that nothing was found.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use trisect::audit::{self, Asked, SealKeys};
use trisect::project::Project;
use trisect::run;
use trisect_audit::cheat::{Cheat, Cheater};
use trisect_audit::{Auditor, Bill, Evidence, Granularity, Manifest, Outcome, Report, Resource};
use trisect_collect::seal::{Seal, Sealer};
use trisect_plan::cut::Strategy;
use trisect_plan::plan::Plan;
use trisect_rack::{Arrival, ShimReport};
use trisect_sample::{Record, files};
use trisect_wire::{Layers, Proto, checksum};

/// How often the bundled traffic is played.
const TIMES: u64 = 10;
/// Records between two seals.
const SEALED: usize = 4096;
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
        period_ns: 0,
        periods: 0,
        folder: folder.clone(),
        keys: SealKeys::default(),
    };
    let manifest = audit::make(&project, &plan, &asked).map_err(|e| anyhow::anyhow!("{e}"))?;
    let traffic = project.traffic().map_err(|e| anyhow::anyhow!("{e}"))?;
    let traffic = run::bundled(&traffic).map_err(|e| anyhow::anyhow!("{e}"))?;
    if speed {
        let wanted = std::env::args().find_map(|a| a.parse().ok());
        return measure(
            &plan,
            &manifest,
            &traffic.arrivals,
            wanted.unwrap_or(300_000),
        );
    }
    let arrivals = repeated(&traffic.arrivals);
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
    let keys = SealKeys::default();
    let evidence = audit::collect(plan, &report, Some(&manifest), cheat, &keys);
    let evidence = evidence.map_err(|e| anyhow::anyhow!("{e}"))?.remove(0);
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

/// How many packets the shim's control sample has one of, where all are recorded.
const CONTROL_ONE_IN: u32 = 100;

/// Makes at least `wanted` records in a folder for temporary files, part by part, and audits them.
fn measure(
    plan: &Plan,
    manifest: &Manifest,
    arrivals: &[Arrival],
    wanted: u64,
) -> anyhow::Result<()> {
    let mut manifest = manifest.clone();
    manifest.sampling.one_in = 1;
    let dir = tempfile::tempdir()?;
    let (packets, key) = record(plan, &manifest, arrivals, wanted, dir.path())?;
    let begin = Instant::now();
    let report = audit::audit(&manifest, plan, dir.path(), &key, None, |_| {});
    let took = begin.elapsed().as_secs_f64();
    let report = report.map_err(|e| anyhow::anyhow!("{e}"))?;
    let count = report.records as f64;
    println!(
        "{count} records of {packets} packets audited in {took:.2} s: {:.0} records per second, 10 million in {:.0} s; {}",
        count / took,
        1e7 * took / count,
        found(&report)
    );
    if let Some(most) = peak_memory() {
        println!("most memory: {most}");
    }
    Ok(())
}

/// The traffic again and again until there are as many records; gives packets and sampling key.
fn record(
    plan: &Plan,
    manifest: &Manifest,
    arrivals: &[Arrival],
    wanted: u64,
    dir: &Path,
) -> anyhow::Result<(u64, Vec<u8>)> {
    let mut rack = run::rack(plan, 1, true)?;
    rack.shim = Some(audit::shim(plan, CONTROL_ONE_IN));
    let mut writer = files::Writer::new(dir)?;
    let mut sealers: BTreeMap<String, (Sealer, Vec<Seal>)> = BTreeMap::new();
    let (mut evidence, mut shim) = (Evidence::default(), ShimReport::default());
    let mut visits: BTreeMap<String, u64> = BTreeMap::new();
    let (mut records, mut packets) = (0, 0);
    let mut used: BTreeMap<Resource, u64> = BTreeMap::new();
    for time in 0.. {
        let arrivals = again(arrivals, time);
        let mut report = rack.run(&arrivals, &mut |_| {})?;
        packets += arrivals.len() as u64;
        // A device counts its visits anew in every run; the shim does not.
        for record in &mut report.records {
            record.visit += visits.get(&record.element).copied().unwrap_or(0);
        }
        for device in &report.devices {
            *visits.entry(device.name.clone()).or_default() += device.packets;
        }
        for record in report.records.iter().filter(|r| r.element != audit::SHIM) {
            let name = &record.element;
            let (sealer, seals) = sealers
                .entry(name.clone())
                .or_insert_with(|| (Sealer::new(name, SealKeys::default().of(name)), Vec::new()));
            if sealer.append(record)? == SEALED {
                seals.push(sealer.seal());
            }
        }
        writer.append(&report.records)?;
        records += report.records.len() as u64;
        for period in report.periods {
            *used.entry(Resource::Packets).or_default() += period.packets;
            *used.entry(Resource::Bytes).or_default() += period.bytes;
            *used.entry(Resource::Cycles).or_default() += period.cycles;
            *used.entry(Resource::Memory).or_default() += period.memory;
            add(&mut shim, period.shim.unwrap_or_default());
        }
        if records >= wanted {
            break;
        }
    }
    writer.finish()?;
    let quantity = |resource| used.get(&resource).copied().unwrap_or(0);
    evidence.bill = Some(Bill::new(&manifest.billed, quantity));
    evidence.shim = Some(shim);
    evidence.images = audit::images(plan)?;
    for (element, (mut sealer, mut seals)) in sealers {
        seals.push(sealer.seal());
        evidence.seals.insert(element, seals);
    }
    let key = rack.sampler.as_ref().map(|s| s.spec().key.clone());
    let key = key.unwrap_or_default();
    audit::write(dir, &[], &key, &evidence).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok((packets, key))
}

/// Adds what a shim saw in a later run.
fn add(all: &mut ShimReport, more: ShimReport) {
    let (to, from) = (&mut all.totals, more.totals);
    if to.packets_in == 0 {
        to.first_ns = from.first_ns;
    }
    to.packets_in += from.packets_in;
    to.bytes_in += from.bytes_in;
    to.packets_out += from.packets_out;
    to.bytes_out += from.bytes_out;
    to.last_ns = from.last_ns;
    all.name = more.name;
    all.control.extend(more.control);
}

/// The most memory that this process had, where the system says it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(
        line.split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// The traffic again and again, each time with other IP identifications.
fn repeated(arrivals: &[Arrival]) -> Vec<Arrival> {
    (0..TIMES).flat_map(|time| again(arrivals, time)).collect()
}

/// The traffic for this time.
fn again(arrivals: &[Arrival], time: u64) -> Vec<Arrival> {
    let last = arrivals.last().map_or(0, |a| a.time_ns);
    let first = arrivals.first().map_or(0, |a| a.time_ns);
    let length = last - first + PAUSE_NS;
    let later = arrivals.iter().map(|arrival| {
        let mut arrival = arrival.clone();
        arrival.time_ns += time * length;
        renumber(&mut arrival.bytes, (time * 0x1357) as u16);
        arrival
    });
    later.collect()
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
