//! `trisect compile`.

use super::args::{Compile, Stage};
use super::{Ended, plan, print, print_json};
use anyhow::{Context, bail};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use trisect::project::Project;
use trisect_plan::plan::Plan;

/// Compiles, and writes the plan with its artifacts or prints a stage.
pub fn main(args: &Compile) -> anyhow::Result<Ended> {
    let project = Project::load(&args.source.project, args.source.rack.as_deref())?;
    let plan = plan::make(&project, args.source.strategy)?;
    if let Some(stage) = args.emit {
        print(&emit(stage, &project, &plan)?)?;
    }
    if let Some(folder) = &args.output {
        let files = files(&plan)?;
        let written = write(folder, &files)?;
        if args.json {
            print_json(&json!({
                "project": plan.name,
                "strategy": plan.strategy,
                "devices": plan.devices,
                "prediction": plan.prediction,
                "written": written,
            }))?;
        } else {
            print(&plan::text(&plan))?;
            for file in written {
                print(&format!("wrote {}", file.display()))?;
            }
        }
    }
    Ok(Ended::Well)
}

fn emit(stage: Stage, project: &Project, plan: &Plan) -> anyhow::Result<String> {
    Ok(match stage {
        Stage::Policy => project.policy.to_string(),
        Stage::Pgraph => serde_json::to_string_pretty(&plan.pgraph)?,
        Stage::Igraph => serde_json::to_string_pretty(&plan.igraph)?,
        Stage::Placement => placement(plan),
        Stage::Ir => plan.uncut.to_string(),
        Stage::Cut => plan::text(plan),
        Stage::Plan => plan.to_json()?,
    })
}

fn placement(plan: &Plan) -> String {
    let mut out = String::new();
    for (instance, server) in plan.igraph.instances.iter().zip(&plan.placement) {
        let name = plan
            .servers
            .get(usize::from(server.0))
            .map_or("?", |s| s.name.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{} on {name}", instance.name);
    }
    out
}

/// All files of a compilation by their path: the plan, its picture, and a folder per device.
fn files(plan: &Plan) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = vec![
        (PathBuf::from("plan.json"), plan.to_json()?.into_bytes()),
        (
            PathBuf::from("plan.svg"),
            trisect_plan::svg::picture(plan).into_bytes(),
        ),
    ];
    let registry = trisect::registry::registry()?;
    for device in trisect::artifacts::all(plan, &registry)? {
        for artifact in device.files {
            files.push((
                Path::new(&device.device).join(&artifact.name),
                artifact.bytes,
            ));
        }
    }
    Ok(files)
}

/// Writes into a new folder beside the wanted one and then takes its place, so that what is there is
/// always whole. Only a folder that an earlier compilation wrote is replaced.
fn write(folder: &Path, files: &[(PathBuf, Vec<u8>)]) -> anyhow::Result<Vec<PathBuf>> {
    let occupied = folder
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !folder.join("plan.json").is_file() {
        bail!(
            "{} is not empty and holds no plan.json; choose an empty folder or remove it first",
            folder.display()
        );
    }
    let name = folder
        .file_name()
        .context("the output folder needs a name")?;
    let fresh = folder.with_file_name(format!(".{}.new", name.to_string_lossy()));
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)?;
    }
    for (path, bytes) in files {
        let path = fresh.join(path);
        let parent = path.parent().unwrap_or(&fresh);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, bytes))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::rename(&fresh, folder)?;
    Ok(files.iter().map(|(path, _)| folder.join(path)).collect())
}
