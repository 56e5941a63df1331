//! `trisect explain`.

use super::args::Explain;
use super::{Ended, print, print_json};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use trisect::problems::{NO_SUCH_NAME, NOT_A_PLAN, Problems};
use trisect_plan::explain;
use trisect_plan::plan::Plan;

/// What of a plan is neither node nor NF nor device.
const SAMPLING: &str = "sampling";

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
        let help = if near.is_empty() {
            "the book's chapter on errors lists all codes".to_owned()
        } else {
            format!("near it are {}", near.join(", "))
        };
        let message = format!("there is no code {code}");
        return Err(Problems::error(NO_SUCH_NAME, message, "", help).into());
    };
    if args.json {
        print_json(&json!({ "code": code, "page": page }))?;
    } else {
        print(page)?;
    }
    Ok(Ended::Well)
}

fn explain_plan(args: &Explain) -> anyhow::Result<Ended> {
    let path = Path::new(&args.subject);
    let help = "give a plan.json that `trisect compile` wrote, or a code such as E0206";
    let text = std::fs::read_to_string(path).map_err(|e| Problems::unreadable(path, &e, help))?;
    let plan = Plan::from_json(&text).map_err(|error| {
        let message = format!("{} is not a plan of this version", args.subject);
        let help = "`trisect compile PROJECT -o DIR` writes DIR/plan.json";
        Problems::error(NOT_A_PLAN, message, error.to_string(), help)
    })?;
    let node = args.node.as_deref();
    if node == Some(SAMPLING) {
        match args.json {
            true => print_json(&plan.sampling)?,
            false => {
                let registry = trisect::registry::registry()?;
                let nics = trisect::artifacts::sampling_text(&plan, &registry);
                print(&plan.sampling.text())?;
                print(&nics.map_err(Problems::from)?)?;
            }
        }
        return Ok(Ended::Well);
    }
    let chosen: Vec<_> = explain::select(&plan, node).collect();
    if chosen.is_empty() {
        let nfs: BTreeSet<&str> = plan
            .nodes
            .iter()
            .map(|n| n.nf.as_str())
            .filter(|nf| !nf.is_empty())
            .collect();
        let devices: Vec<&str> = plan.devices.iter().map(|d| d.name.as_str()).collect();
        let message = format!(
            "the plan has no node, NF or device `{}`",
            node.unwrap_or("")
        );
        let help = format!(
            "NFs are {}, devices are {}; `trisect explain {}` lists all nodes",
            nfs.into_iter().collect::<Vec<_>>().join(", "),
            devices.join(", "),
            args.subject,
        );
        return Err(Problems::error(NO_SUCH_NAME, message, "", help).into());
    }
    if args.json {
        print_json(&chosen)?;
    } else {
        print(&explain::text(&plan, node))?;
    }
    Ok(Ended::Well)
}
