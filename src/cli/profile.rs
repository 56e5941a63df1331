//! `trisect profile`.

use super::args;
use super::table::table;
use super::{Ended, plan, print, print_json};
use std::path::{Path, PathBuf};
use trisect::problems::{CONTRADICTION, Problems};
use trisect::{measure, profile, run};
use trisect_policy::profile::Profile;

/// Runs, counts, measures, writes.
pub fn main(args: &args::Profile) -> anyhow::Result<Ended> {
    let project = plan::unprofiled(&args.project, &args.rack, &args.own)?;
    let ingress = args.ingress.as_deref();
    let traffic = match &args.pcap {
        Some(pcap) => run::one_capture(pcap, ingress, &project)?,
        None => run::bundled(&project.traffic()?)?,
    };
    let output = match (&args.output, &args.project) {
        (Some(file), _) => file.clone(),
        (None, Some(folder)) => folder.join(trisect::project::PROFILE_FILE),
        (None, None) => {
            let message = "nowhere to write the profile of a program of your own";
            let help = "name a file with --output, and give it to `compile` with --profile";
            return Err(Problems::error(CONTRADICTION, message, "", help).into());
        }
    };
    if !measure::optimised() {
        super::complain("warning: this build is not optimised; cycles are those of its own code\n");
    }
    let profile = profile::of_project(&project, &traffic)?;
    write(&output, &profile.to_string())?;
    if args.json {
        print_json(&profile)?;
    } else {
        print(&text(&profile, &output))?;
    }
    Ok(Ended::Well)
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, text: &str) -> Result<(), Problems> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let fresh: PathBuf = path.with_file_name(format!(".{name}.new"));
    let done = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, path));
    done.map_err(|error| {
        // It may not even be there.
        let _ = std::fs::remove_file(&fresh);
        Problems::unwritable(path, &error)
    })
}

fn text(profile: &Profile, output: &Path) -> String {
    let part = |n: u64| 100.0 * n as f64 / profile.packets.max(1) as f64;
    let rows = profile.nfs.iter().map(|nf| {
        vec![
            nf.name.clone(),
            format!("{} ({:.1} %)", nf.packets, part(nf.packets)),
            nf.cycles.to_string(),
        ]
    });
    let mut text = table(&["NF", "PACKETS", "CYCLES"], rows);
    text.push_str(&format!(
        "\n{} packets, {} nodes, at {} GHz; wrote {}",
        profile.packets,
        profile.nodes.len(),
        profile.clock_ghz,
        output.display()
    ));
    text
}
