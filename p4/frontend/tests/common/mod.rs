//! The foreign P4 programs that tests read where `TRISECT_P4_SUITE` names the P4 compiler's folder `testdata`, or
//! `p4_16_samples` within it.

#![allow(dead_code)] // each test uses its part

use std::path::{Path, PathBuf};

/// Architectures that Trisect has no files for: programs for them are left out.
const OTHER_ARCHITECTURES: &[&str] = &["ebpf_model.p4", "ubpf_model.p4", "xdp_model.p4"];

/// The programs of the suite that are written for core, v1model, PSA, PNA or an architecture of their
/// own, sorted by name; `None`, said on the error stream, if no suite is named.
pub fn suite_programs() -> Option<Vec<PathBuf>> {
    let mut files = programs(&folder("p4_16_samples")?);
    files.retain(|path| {
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        !OTHER_ARCHITECTURES
            .iter()
            .any(|name| text.contains(&format!("#include <{name}>")))
    });
    Some(files)
}

/// The programs of the suite that a compiler must reject, sorted by name; `None` as above.
pub fn suite_rejects() -> Option<Vec<PathBuf>> {
    Some(programs(&folder("p4_16_errors")?))
}

/// This part of the suite.
fn folder(part: &str) -> Option<PathBuf> {
    let Some(suite) = std::env::var_os("TRISECT_P4_SUITE").map(PathBuf::from) else {
        eprintln!("SKIPPED: TRISECT_P4_SUITE is not set; no foreign P4 programs were read");
        return None;
    };
    let data = if suite.ends_with("p4_16_samples") {
        suite.parent().map(Path::to_path_buf).unwrap_or_default()
    } else {
        suite
    };
    Some(data.join(part))
}

fn programs(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the suite's folder can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.exists() && path.extension().is_some_and(|extension| extension == "p4"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no P4 programs in {}", folder.display());
    files
}
