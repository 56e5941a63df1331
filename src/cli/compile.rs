//! `trisect compile`.

use super::args::{Compile, Stage};
use super::{Ended, plan, print, print_json};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use trisect::problems::{CANNOT_WRITE, CONTRADICTION, Problems};
use trisect::project::{Pipeline, Project};
use trisect_plan::plan::Plan;

/// Compiles, and writes the plan with its artifacts or prints a stage.
pub fn main(args: &Compile) -> anyhow::Result<Ended> {
    let project = plan::project(&args.source)?;
    let plan = plan::make(&project, &args.cutting)?;
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
        Stage::Policy => match &project.pipeline {
            Pipeline::Policy { policy, .. } => policy.to_string(),
            Pipeline::Program(_) | Pipeline::Whole(_) => {
                let message = "there is no policy to print";
                let reason = "a program of your own is the whole pipeline";
                let help = "`--emit pgraph` shows the graph that stands for it";
                return Err(Problems::error(CONTRADICTION, message, reason, help).into());
            }
        },
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
    for device in trisect::artifacts::all(plan, &registry).map_err(Problems::from)? {
        for artifact in device.files {
            files.push((
                Path::new(&device.device).join(&artifact.name),
                artifact.bytes,
            ));
        }
    }
    Ok(files)
}

/// Writes into a new folder beside the wanted one, which then takes its place, so that what is there
/// is always whole. Only a folder that an earlier compilation wrote is replaced.
fn write(folder: &Path, files: &[(PathBuf, Vec<u8>)]) -> Result<Vec<PathBuf>, Problems> {
    let Some(name) = folder.file_name() else {
        let message = format!("{} has no name of its own", folder.display());
        let help = "name a folder that need not exist yet: -o build";
        return Err(Problems::error(CANNOT_WRITE, message, "", help));
    };
    if !replaceable(folder) {
        let message = format!("{} is in the way", folder.display());
        let reason = "it is no folder, or holds what no compilation wrote";
        let help = "choose another or an empty folder, or remove it first";
        return Err(Problems::error(CANNOT_WRITE, message, reason, help));
    }
    let beside =
        |suffix: &str| folder.with_file_name(format!(".{}.{suffix}", name.to_string_lossy()));
    let (fresh, old) = (beside("new"), beside("old"));
    let done = fill(&fresh, files).and_then(|()| replace(folder, &fresh, &old));
    if let Err(error) = done {
        // It may not even be there.
        let _ = std::fs::remove_dir_all(&fresh);
        return Err(Problems::unwritable(folder, &error));
    }
    Ok(files.iter().map(|(path, _)| folder.join(path)).collect())
}

/// Whether a folder is absent, empty or of an earlier compilation: `plan.json`, `plan.svg` and folders.
fn replaceable(folder: &Path) -> bool {
    if folder.symlink_metadata().is_err() {
        return true;
    }
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    let names: Vec<_> = entries.flatten().collect();
    let ours = |entry: &std::fs::DirEntry| {
        entry.path().is_dir()
            || ["plan.json", "plan.svg"]
                .iter()
                .any(|n| entry.file_name() == *n)
    };
    names.is_empty() || names.iter().all(ours) && folder.join("plan.json").is_file()
}

fn fill(fresh: &Path, files: &[(PathBuf, Vec<u8>)]) -> std::io::Result<()> {
    if fresh.exists() {
        std::fs::remove_dir_all(fresh)?;
    }
    for (path, bytes) in files {
        let path = fresh.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(fresh))?;
        std::fs::write(&path, bytes)?;
    }
    Ok(())
}

fn replace(folder: &Path, fresh: &Path, old: &Path) -> std::io::Result<()> {
    if old.exists() {
        std::fs::remove_dir_all(old)?;
    }
    if folder.exists() {
        std::fs::rename(folder, old)?;
    }
    std::fs::rename(fresh, folder)?;
    if old.exists() {
        std::fs::remove_dir_all(old)?;
    }
    Ok(())
}
