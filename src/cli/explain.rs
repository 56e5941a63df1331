//! `trisect explain`.

use super::args::Explain;
use super::{Ended, print, print_json};
use anyhow::{Context, bail};
use serde_json::json;
use std::collections::BTreeSet;
use trisect_plan::explain;
use trisect_plan::plan::Plan;

/// Explains a plan or a code.
pub fn main(args: &Explain) -> anyhow::Result<Ended> {
    let subject = args.subject.as_str();
    let code = subject.len() == 5
        && subject.starts_with(['E', 'e'])
        && subject[1..].bytes().all(|b| b.is_ascii_digit());
    if code {
        explain_code(args)
    } else {
        explain_plan(args)
    }
}

fn explain_code(args: &Explain) -> anyhow::Result<Ended> {
    let code = args.subject.to_uppercase();
    let Some(page) = trisect::pages::page(&code) else {
        let near: Vec<&str> = trisect::pages::codes()
            .filter(|known| known[..3] == code[..3])
            .collect();
        let all = if near.is_empty() {
            trisect::pages::codes().collect()
        } else {
            near
        };
        bail!("there is no code {code}; there are {}", all.join(", "));
    };
    if args.json {
        print_json(&json!({ "code": code, "page": page }))?;
    } else {
        print(page)?;
    }
    Ok(Ended::Well)
}

fn explain_plan(args: &Explain) -> anyhow::Result<Ended> {
    let text = std::fs::read_to_string(&args.subject)
        .with_context(|| format!("cannot read the plan {}", args.subject))?;
    let plan = Plan::from_json(&text).with_context(|| {
        format!(
            "{} is not a plan of this version; `trisect compile` writes one",
            args.subject
        )
    })?;
    let node = args.node.as_deref();
    let chosen: Vec<_> = explain::select(&plan, node).collect();
    if chosen.is_empty() {
        let nfs: BTreeSet<&str> = plan
            .nodes
            .iter()
            .map(|n| n.nf.as_str())
            .filter(|nf| !nf.is_empty())
            .collect();
        let devices: Vec<&str> = plan.devices.iter().map(|d| d.name.as_str()).collect();
        bail!(
            "the plan has no node, NF or device `{}`; NFs are {}, devices are {}; \
             `trisect explain {}` lists all nodes",
            node.unwrap_or(""),
            nfs.into_iter().collect::<Vec<_>>().join(", "),
            devices.join(", "),
            args.subject,
        );
    }
    if args.json {
        print_json(&chosen)?;
    } else {
        print(&explain::text(&plan, node))?;
    }
    Ok(Ended::Well)
}
