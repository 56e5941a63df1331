//! `trisect run`.

use super::args::Run;
use super::table::{paths, table};
use super::{Ended, plan, print, print_json};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trisect::audit;
use trisect::problems::{CANNOT_WRITE, CONTRADICTION, Problems, RACK_FAILED, REPORT};
use trisect::project::Project;
use trisect::records::{self, Place};
use trisect::run::{self, HostWork, Traffic};
use trisect_audit::cheat::Cheater;
use trisect_audit::{Granularity, Manifest};
use trisect_plan::plan::Plan;
use trisect_rack::{CheckReport, Expected, Progress, Report, Role, Summary};

/// What a run tells programs.
#[derive(Serialize)]
struct Answer<'a> {
    project: &'a str,
    strategy: String,
    cut: Vec<plan::NodeRow>,
    devices: &'a [trisect_plan::plan::DevicePlan],
    prediction: &'a trisect_plan::plan::Prediction,
    predicted_host_cycles: f64,
    optimality_gap: f64,
    unclassified: u64,
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_work: Option<HostWork>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'a CheckReport>,
    written: Vec<PathBuf>,
}

/// Compiles, plays, reports.
pub fn main(args: &Run) -> anyhow::Result<Ended> {
    let project = plan::project(&args.source)?;
    let traffic = traffic(args, &project)?;
    let manifest = match (&args.manifest, &args.records) {
        (Some(file), _) => Some(audit::load(file)?),
        (None, Some(_)) => audit::own(&project)?,
        (None, None) => None,
    };
    let asked = args.sample.or(manifest.as_ref().map(|m| m.sampling.one_in));
    let compiled = project.rack.sampling.as_ref().map(|s| s.one_in);
    let sample = asked.or(compiled).unwrap_or(SAMPLE);
    let project = project.sampling_one_in(sample);
    let plan = plan::make(&project, &args.cutting)?;

    if plan.whole.is_some() && (args.records.is_some() || args.export.is_some()) {
        let message = format!("packets of `{}` are not sampled", plan.name);
        let reason = "the program copies packets, and a trajectory is the way of one";
        let help = "leave out --records and --export";
        return Err(Problems::error(CONTRADICTION, message, reason, help).into());
    }
    let run_plan = match args.cheat {
        Some(cheat) => &audit::cheating(&plan, cheat)?,
        None => &plan,
    };
    let keys = audit::SealKeys::read(&args.seal_key, &plan)?;
    let mut rack = run::rack(run_plan, sample, args.records.is_some()).map_err(Problems::from)?;
    if let Some(cheat) = args.cheat {
        rack.provider = Some(Box::new(Cheater::new(cheat, audit::hosts(&plan))));
    }
    if let Some(manifest) = &manifest {
        let records = args.records.as_deref().unwrap_or(Path::new(""));
        audit::enough(manifest, span_ns(&traffic), records)?;
        rack.periods = audit::periods(run_plan, manifest)?;
        let changing = rack.periods.as_ref().filter(|p| !p.specs.is_empty());
        if changing.is_some() && args.export.is_some() {
            let message = "records cannot be exported under this manifest";
            let reason = "an export names one key, and each report period has its own";
            let help = "write records with --records; `trisect collect DIR/period-0001` reads those of a period";
            return Err(Problems::error(CONTRADICTION, message, reason, help).into());
        }
    }
    let bar = plan::progress(traffic.arrivals.len() as u64, "playing", args.json);
    let mut report = rack
        .run(&traffic.arrivals, &mut |p: Progress| {
            bar.set_position(p.arrived as u64)
        })
        .map_err(|error| Problems::error(RACK_FAILED, chain(&error), "", REPORT))?;
    bar.finish_and_clear();

    let expected = match args.check {
        true => {
            let bar = plan::progress(0, "checking against the uncut pipeline", args.json);
            let expected = expect(&plan, &traffic)?;
            bar.finish_and_clear();
            Some(expected)
        }
        false => None,
    };
    let checked = expected
        .as_ref()
        .map(|e| trisect_rack::check(&traffic.arrivals, e, &report));
    let mut written = match &args.out {
        None => Vec::new(),
        Some(folder) => trisect_rack::write_egress(folder, &report, |port| port_name(&plan, port))
            .map_err(|error| {
                let help = "choose a folder that you may write to, on a disk with room";
                let message = format!("cannot write captures to {}", folder.display());
                Problems::error(CANNOT_WRITE, message, error.to_string(), help)
            })?,
    };
    if let Some(folder) = &args.records {
        if manifest.as_ref().is_some_and(packets_only) {
            report.records.iter_mut().for_each(|r| r.work = None);
        }
        let manifest = manifest.as_ref();
        let evidence = audit::collect(&plan, &report, manifest, args.cheat, &keys)?;
        let key = rack.sampler.as_ref().map(|s| s.spec().key.as_slice());
        let key = key.unwrap_or_default();
        let files = audit::write_run(folder, &report, manifest, key, &evidence)?;
        written.extend(files);
    }
    if let (Some(place), Some(sampler)) = (&args.export, &rack.sampler) {
        records::export(&Place::parse(place), sampler.spec(), &report.records)?;
    }

    let work = expected
        .as_ref()
        .filter(|_| plan.whole.is_none())
        .map(|e| host_work(&plan, e, &report, &traffic));
    let summary = report.summary();
    if args.json {
        print_json(&Answer {
            project: &plan.name,
            strategy: plan.strategy.to_string(),
            cut: plan::rows(&plan),
            devices: &plan.devices,
            prediction: &plan.prediction,
            predicted_host_cycles: plan.cost.cycles,
            optimality_gap: plan.gap(),
            unclassified: traffic.unclassified,
            summary: &summary,
            host_work: work,
            check: checked.as_ref(),
            written,
        })?;
    } else {
        print(&plan::text(&plan))?;
        print(&text(&plan, &summary, &traffic, work.as_ref()))?;
        if let (Some(cheat), Some(provider)) = (args.cheat, &rack.provider) {
            print(&format!("\nThe provider cheats: {}", cheat.description()))?;
            if provider.deeds() > 0 {
                print(&format!("It did so {} times", provider.deeds()))?;
            }
        }
        for file in &written {
            print(&format!("wrote {}", file.display()))?;
        }
        if let Some(check) = &checked {
            print(&check.to_string())?;
        }
    }
    Ok(match checked {
        Some(check) if !check.holds() => Ended::Different,
        _ => Ended::Well,
    })
}

/// One packet in so many is sampled, if nothing else was asked for or agreed on.
const SAMPLE: u32 = 64;

/// From the first packet to the last.
fn span_ns(traffic: &Traffic) -> u64 {
    let ends = traffic.arrivals.first().zip(traffic.arrivals.last());
    ends.map_or(0, |(first, last)| {
        last.time_ns.saturating_sub(first.time_ns)
    })
}

/// Whether records are to have packets only.
fn packets_only(manifest: &Manifest) -> bool {
    manifest.records.granularity == Granularity::Packet
}

/// What the uncut pipeline does.
fn expect(plan: &Plan, traffic: &Traffic) -> Result<Expected, Problems> {
    match &plan.whole {
        None => Ok(trisect_rack::expect(&plan.uncut, &traffic.arrivals)),
        Some(whole) => trisect::whole::expect(plan, whole, &traffic.arrivals)
            .map_err(|error| Problems::error(RACK_FAILED, error, "", REPORT)),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

fn traffic(args: &Run, project: &Project) -> anyhow::Result<Traffic> {
    Ok(match &args.pcap {
        Some(path) => run::one_capture(path, args.ingress.as_deref(), project)?,
        None => run::bundled(&project.traffic()?)?,
    })
}

fn host_work(plan: &Plan, expected: &Expected, report: &Report, traffic: &Traffic) -> HostWork {
    let hosts: BTreeMap<String, u64> = report
        .devices
        .iter()
        .filter(|d| d.role == Role::Host)
        .map(|d| (d.name.clone(), d.packets))
        .collect();
    HostWork::new(
        plan,
        expected.visits(),
        &hosts,
        traffic.arrivals.len() as u64,
    )
}

/// What happened to the packets.
fn text(plan: &Plan, summary: &Summary, traffic: &Traffic, work: Option<&HostWork>) -> String {
    let mut out = format!("\nTraffic: {} packets", summary.packets);
    if traffic.unclassified > 0 {
        out.push_str(&format!(", {} of no traffic class", traffic.unclassified));
    }
    out.push_str(&format!(" in {}\n", seconds(summary.duration_ns)));

    let rows = summary.devices.iter().map(|d| {
        let done = work
            .and_then(|w| w.share.get(&d.name))
            .map_or(String::new(), |s| percent(*s));
        let dropped: u64 = d.drops.values().sum();
        vec![
            d.name.clone(),
            d.packets.to_string(),
            d.bytes.to_string(),
            percent(d.share),
            done,
            dropped.to_string(),
        ]
    });
    let head = [
        "DEVICE",
        "FRAMES",
        "BYTES",
        "PACKETS SEEN",
        "OF THE WORK",
        "DROPPED",
    ];
    out.push_str(&table(&head, rows));

    out.push_str("\nLeft the rack\n");
    let rows = summary.ports.iter().map(|(port, count)| {
        vec![
            port_name(plan, *port),
            count.packets.to_string(),
            count.bytes.to_string(),
        ]
    });
    out.push_str(&table(&["PORT", "PACKETS", "BYTES"], rows));

    if !summary.drops.is_empty() {
        out.push_str("\nDropped\n");
        let rows = summary
            .drops
            .iter()
            .map(|(why, n)| vec![n.to_string(), why.clone()]);
        out.push_str(&table(&["PACKETS", "REASON"], rows));
    }
    out.push_str(&format!(
        "\nSampled trajectories: {}\n",
        summary.trajectories
    ));
    out.push_str(&paths(&summary.paths));
    if let Some(work) = work {
        out.push_str(&format!(
            "\nHost cores in this run: {:.1} cycles per packet in the pipeline, {:.1} for I/O\n",
            work.node_cycles, work.io_cycles
        ));
    }
    for (device, flows) in summary.devices.iter().filter_map(|d| Some((d, d.flows?))) {
        out.push_str(&format!(
            "Numbers of flows at {}: {} packets came with one, {} of {} look-ups found their entry by it; {} rules \
             inserted, {} removed, {} packets refused one\n",
            device.name,
            flows.numbered,
            flows.hits,
            flows.lookups,
            flows.inserted,
            flows.removed,
            flows.refused,
        ));
    }
    if let Some(busiest) = &summary.busiest {
        out.push_str(&format!("Busiest queue in this run: {busiest}\n"));
    }
    out
}

/// The name of an external port in the rack description.
fn port_name(plan: &Plan, port: u16) -> String {
    let named = plan.rack.external_ports().nth(usize::from(port));
    named.map_or_else(|| format!("port {port}"), |p| p.name.clone())
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}
