//! The foreign P4 programs that tests read where `TRISECT_P4_SUITE` names a folder of them.

use std::path::PathBuf;

/// Architectures that Trisect has no files for: programs for them are left out.
const OTHER_ARCHITECTURES: &[&str] = &["ebpf_model.p4", "ubpf_model.p4", "xdp_model.p4"];

/// The programs of the suite that are written for core, v1model, PSA, PNA or an architecture of their
/// own, sorted by name; `None`, said on the error stream, if no suite is named.
pub fn suite_programs() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("TRISECT_P4_SUITE").map(PathBuf::from) else {
        eprintln!("SKIPPED: TRISECT_P4_SUITE is not set; no foreign P4 programs were read");
        return None;
    };
    // The suite is the whole test data, or its folder of programs.
    let inner = folder.join("p4_16_samples");
    let folder = if inner.is_dir() { inner } else { folder };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the suite's folder can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.exists() && path.extension().is_some_and(|extension| extension == "p4"))
        .filter(|path| {
            let text = std::fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            !OTHER_ARCHITECTURES
                .iter()
                .any(|name| text.contains(&format!("#include <{name}>")))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no P4 programs in {}", folder.display());
    Some(files)
}
