//! Making a plan, and showing it as text.

use super::args::{Cutting, Own, Source};
use super::table::table;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trisect::own::OwnProgram;
use trisect::problems::{Problems, RACK_FAILED, REPORT};
use trisect::project::Project;
use trisect_audit::Manifest;
use trisect_plan::cut::Objective;
use trisect_plan::explain::{NodePlan, WhyNot};
use trisect_plan::plan::{Input, Plan};
use trisect_plan::site::Site;

/// Reads the project or program with its profile; warnings go to standard error.
pub fn project(source: &Source) -> Result<Project, Problems> {
    let project = unprofiled(&source.project, &source.rack, &source.own)?;
    project.with_profile(source.profile.as_deref())
}

/// Reads the project or program; warnings go to standard error.
pub fn unprofiled(
    folder: &Option<PathBuf>,
    rack: &Option<PathBuf>,
    own: &Own,
) -> Result<Project, Problems> {
    let rack = rack.as_deref();
    let project = match (folder, &own.p4) {
        (Some(folder), _) => Project::load(folder, rack)?,
        (None, file) => {
            let own = OwnProgram {
                file: file.clone().unwrap_or_default(),
                include_dirs: own.include.clone(),
                defines: own.define.clone(),
                entries: own.entries.clone(),
                copies: own.copies.clone(),
            };
            // The arguments' grammar asks for --p4 and --rack together.
            Project::of_program(&own, rack.unwrap_or(Path::new("")))?
        }
    };
    super::complain(&project.warnings.to_string());
    Ok(project)
}

/// Makes the project's plan as a manifest says.
pub fn agreed(project: &Project, manifest: &Manifest) -> Result<Plan, Problems> {
    let cutting = Cutting {
        strategy: super::audit::strategy(&manifest.strategy)?,
        objective: manifest.objective,
        time_limit: None,
    };
    make(project, &cutting).map_err(|e| match e.downcast::<Problems>() {
        Ok(problems) => problems,
        Err(other) => Problems::error(RACK_FAILED, other.to_string(), "", REPORT),
    })
}

/// Makes the project's plan.
pub fn make(project: &Project, cutting: &Cutting) -> anyhow::Result<Plan> {
    let registry = trisect::registry::registry()?;
    Ok(Plan::make(&Input {
        objective: cutting.objective,
        time_limit: cutting.time_limit.map(Duration::from_secs_f64),
        ..project.input(&registry, cutting.strategy)
    })
    .map_err(Problems::from)?)
}

/// A bar on standard error where a person looks on.
pub fn progress(total: u64, what: &'static str, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let bar = if total == 0 {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::new(total)
    };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}")
        && total > 0
    {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// A row of the cut's table.
#[derive(Serialize)]
pub struct NodeRow {
    /// The node.
    node: String,
    /// Where it runs.
    device: String,
    /// Expected part of the packets that reach it.
    frequency: f64,
    /// Why there.
    why: String,
}

/// The cut, node by node.
pub fn rows(plan: &Plan) -> Vec<NodeRow> {
    plan.nodes
        .iter()
        .map(|n| NodeRow {
            node: n.name.clone(),
            device: n.device.clone(),
            frequency: n.frequency,
            why: why(plan, n),
        })
        .collect()
}

/// Why a node runs where it runs, in a few words; `trisect explain` says it all.
fn why(plan: &Plan, node: &NodePlan) -> String {
    if plan.whole.is_some() {
        return "only the switch can copy packets".to_owned();
    }
    let saved = node
        .elsewhere
        .iter()
        .find_map(|other| match (&other.why, other.site) {
            (WhyNot::Loses(loss), Site::Host(_)) if loss.cycles > 0.05 => Some(loss.cycles),
            _ => None,
        });
    if !matches!(node.site, Site::Host(_)) {
        return saved.map_or_else(
            || "costs no host cycles here".to_owned(),
            |delta| format!("saves {delta:.1} host cycles per packet"),
        );
    }
    let reasons = node
        .elsewhere
        .iter()
        .filter(|other| !matches!(other.site, Site::Host(_)));
    let reasons: Vec<String> = reasons
        .map(|other| format!("{}: {}", other.device, short(&other.why)))
        .collect();
    reasons.join("; ")
}

fn short(why: &WhyNot) -> String {
    match why {
        WhyNot::Unable(refusals) => match refusals.first() {
            Some(refusal) => format!("unable ({})", refusal.operation),
            None => "unable".to_owned(),
        },
        WhyNot::Companion { node, .. } => format!("belongs with {node}"),
        WhyNot::Rule(_) => "a rule of the cut forbids it".to_owned(),
        WhyNot::Full { shortage, .. } => format!("no room ({})", shortage.quantity),
        WhyNot::Promise(_) => "would break a promise".to_owned(),
        WhyNot::Loses(_) => "not worth it".to_owned(),
    }
}

/// The cut, the devices and what limits the rack.
pub fn text(plan: &Plan) -> String {
    let mut out = format!("{}: strategy {}\n", plan.name, plan.strategy);
    if let Some(profile) = &plan.pgraph.profile {
        out.push_str(&format!(
            "Profile of {} packets: cycles of {} measured, {} nodes part packets as counted\n",
            profile.packets,
            profile.nfs.join(", "),
            profile.parted
        ));
    }
    out.push('\n');
    let rows = rows(plan).into_iter().map(|r| {
        vec![
            r.node,
            r.device,
            format!("{:.1} %", r.frequency * 100.0),
            r.why,
        ]
    });
    out.push_str(&table(&["NODE", "DEVICE", "PACKETS", "WHY"], rows));
    out.push('\n');
    let rows = plan.devices.iter().map(|d| {
        let used = d
            .uses
            .iter()
            .map(|(name, amount)| match d.budget.get(name) {
                Some(budget) => format!("{name} {amount} of {budget}"),
                None => format!("{name} {amount}"),
            })
            .collect::<Vec<_>>()
            .join(", ");
        let load = d
            .load
            .map_or(String::new(), |l| format!("{:.1} %", l * 100.0));
        vec![
            d.name.clone(),
            d.kind.to_string(),
            d.nodes.to_string(),
            load,
            used,
        ]
    });
    out.push_str(&table(
        &["DEVICE", "KIND", "NODES", "LOAD", "RESOURCES USED"],
        rows,
    ));
    out.push_str(&format!(
        "\nPredicted: {:.1} host cycles per packet in the pipeline and {:.1} for I/O; {:.2} cores at the offered load\n\
         Gap to the best cut under strategy {}: {}{}{}\n\
         Predicted bottleneck: {} of {:.2} Mpps\n",
        plan.cost.cycles - plan.cost.io,
        plan.cost.io,
        plan.prediction.cores,
        plan.strategy,
        gap(plan),
        if plan.proof.stopped {
            " (the search ended at its limit)"
        } else {
            ""
        },
        if plan.found_by == plan.strategy {
            String::new()
        } else {
            format!(" (this cut is that of strategy {})", plan.found_by)
        },
        plan.prediction.limit(),
        plan.prediction.offered_pps / 1e6,
    ));
    if plan.objective == Objective::Rates {
        for rate in &plan.prediction.rates {
            out.push_str(&format!("Predicted {rate}\n"));
        }
    }
    for latency in &plan.prediction.latencies {
        out.push_str(&format!("Predicted {latency}\n"));
    }
    out
}

/// The gap, in words: of the first figure in which something better is not ruled out.
fn gap(plan: &Plan) -> String {
    let proof = &plan.proof;
    let total = plan.gap();
    let open = proof
        .figures()
        .find(|(_, p)| total > 0.0 && p.gap() == total);
    match open {
        None => "none, it is optimal".to_owned(),
        Some((_, proven)) if proven.bound.is_none() => "nothing is proven".to_owned(),
        Some((what, _)) => format!("at most {:.2} % of the {what}", 100.0 * total),
    }
}
