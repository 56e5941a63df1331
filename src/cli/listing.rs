//! `trisect targets` and `trisect nfs`.

use super::args::{Nfs, Targets};
use super::table::table;
use super::{Ended, print, print_json};
use serde_json::json;
use std::path::Path;
use trisect::problems::{NO_SUCH_NAME, Problems};
use trisect_audit::cheat::Cheat;
use trisect_policy::NfDescription;
use trisect_target::{Capability, Support, Target};

/// `trisect targets [NAME|FILE.toml]`.
pub fn targets(args: &Targets) -> anyhow::Result<Ended> {
    if let Some(file) = args.name.as_deref().filter(|name| name.ends_with(".toml")) {
        return model_file(file, args.json);
    }
    let registry = trisect::registry::registry()?;
    let chosen: Vec<&dyn Target> = match &args.name {
        None => registry.iter().collect(),
        Some(name) => match registry.get(name) {
            Some(target) => vec![target],
            None => {
                let known: Vec<&str> = registry.iter().map(Target::name).collect();
                return Err(unknown("target", name, &known).into());
            }
        },
    };
    if args.json {
        let all: Vec<_> = chosen.iter().map(|t| target_json(*t)).collect();
        print_json(&all)?;
    } else if args.name.is_some() {
        for target in chosen {
            print(&target_text(target))?;
        }
    } else {
        let rows = chosen.iter().map(|t| {
            let models: Vec<String> = t.models().into_iter().map(|m| m.name).collect();
            vec![
                t.name().to_owned(),
                t.kind().to_string(),
                models.join(", "),
                t.description().to_owned(),
            ]
        });
        print(&table(&["TARGET", "KIND", "MODELS", "WHAT IT IS"], rows))?;
        print("`trisect targets NAME` shows what a target can do.")?;
    }
    Ok(Ended::Well)
}

/// Checks and shows a file with a model of a switch or a NIC; the latter says what it can match.
fn model_file(file: &str, json: bool) -> anyhow::Result<Ended> {
    let path = Path::new(file);
    let help = "name a file with a model, such as targets/bmv2/models/rmt-32.toml";
    let text = std::fs::read_to_string(path).map_err(|e| Problems::unreadable(path, &e, help))?;
    let problems = |found| Problems::of(found, file, &text);
    let is_nic = toml::from_str::<toml::Table>(&text).is_ok_and(|t| t.contains_key("match"));
    let (name, description, lines) = if is_nic {
        let caps = trisect_rte_flow::Capabilities::parse(&text, file).map_err(problems)?;
        let lines = caps.listing();
        (caps.name, caps.description, lines)
    } else {
        let model = trisect_bmv2::SwitchModel::parse(&text, file).map_err(problems)?;
        let lines = model.listing();
        (model.name, model.description, lines)
    };
    if json {
        print_json(&json!({ "name": name, "description": description, "capabilities": lines }))?;
    } else {
        print(&format!(
            "model {name}: {description}\n{}",
            capability_table(lines)
        ))?;
    }
    Ok(Ended::Well)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Problems {
    let message = format!("there is no {what} `{name}`");
    Problems::error(
        NO_SUCH_NAME,
        message,
        "",
        format!("there are {}", known.join(", ")),
    )
}

fn target_json(target: &dyn Target) -> serde_json::Value {
    json!({
        "name": target.name(),
        "kind": target.kind(),
        "description": target.description(),
        "models": target.models(),
        "capabilities": target
            .models()
            .into_iter()
            .map(|m| (m.name.clone(), json!(target.capabilities(&m.name))))
            .collect::<serde_json::Map<_, _>>(),
    })
}

fn target_text(target: &dyn Target) -> String {
    let mut text = format!(
        "{} ({}): {}\n",
        target.name(),
        target.kind(),
        target.description()
    );
    for model in target.models() {
        let limits = match model.budget.is_empty() {
            true => "no limits of its own".to_owned(),
            false => model.budget.to_string(),
        };
        text.push_str(&format!(
            "\nmodel {}: {}\n  {limits}\n",
            model.name, model.description
        ));
        text.push_str(&capability_table(target.capabilities(&model.name)));
    }
    text
}

fn capability_table(lines: Vec<Capability>) -> String {
    let rows = lines.into_iter().map(|c| {
        let support = match c.support {
            Support::Yes => "yes".to_owned(),
            Support::No => "no".to_owned(),
            Support::Limited(how) => how,
        };
        vec![format!("  {}", c.group), c.name, support]
    });
    table(&["  GROUP", "WHAT", "SUPPORT"], rows)
}

/// `trisect nfs [NAME]`.
pub fn nfs(args: &Nfs) -> anyhow::Result<Ended> {
    let mut descriptions = Vec::new();
    for nf in trisect_p4::library::library() {
        let file = format!("{}.nf.toml", nf.name);
        let description = NfDescription::from_toml(nf.description, &file)
            .map_err(|found| Problems::of(found, &file, nf.description))?;
        if args.name.as_deref().is_none_or(|wanted| wanted == nf.name) {
            descriptions.push((nf, description));
        }
    }
    if let (Some(name), true) = (&args.name, descriptions.is_empty()) {
        let known: Vec<&str> = trisect_p4::library::library()
            .iter()
            .map(|nf| nf.name)
            .collect();
        return Err(unknown("network function", name, &known).into());
    }
    if args.json {
        let all: Vec<_> = descriptions.iter().map(|(_, d)| d).collect();
        print_json(&all)?;
    } else if args.name.is_some() {
        for (nf, _) in descriptions {
            let comment = nf.source.lines().take_while(|line| line.starts_with("//"));
            let page: String = comment
                .map(|l| l.trim_start_matches("//").trim_start().to_owned() + "\n")
                .collect();
            print(&format!("{page}\n{}", nf.description))?;
        }
    } else {
        let rows = descriptions.iter().map(|(_, d)| {
            let config: Vec<&str> = d.config.iter().map(|c| c.name.as_str()).collect();
            vec![d.name.clone(), config.join(", "), d.summary.clone()]
        });
        print(&table(&["NF", "CONFIGURATION", "WHAT IT DOES"], rows))?;
        print("`trisect nfs NAME` shows one in full.")?;
    }
    Ok(Ended::Well)
}

/// The ways in which a provider can cheat, one a line.
pub fn cheats() -> anyhow::Result<Ended> {
    let names: Vec<&str> = Cheat::ALL.iter().map(|c| c.name()).collect();
    print(&names.join("\n"))?;
    Ok(Ended::Well)
}
