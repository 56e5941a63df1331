//! The bundled examples against the bundled library: every policy, rack and NF description reads, and
//! they fit each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use trisect_policy::{NfDescription, Rack, parse_patterns, parse_policy};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    paths
}

#[test]
fn examples_fit_the_library() {
    let mut library = BTreeMap::new();
    for path in files(&root().join("p4/nf"), ".nf.toml") {
        let text = fs::read_to_string(&path).expect("readable");
        let name = path.display().to_string();
        let nf = NfDescription::from_toml(&text, &name)
            .unwrap_or_else(|found| panic!("{}", found[0].render(&text)));
        assert!(
            root().join("p4/nf").join(&nf.program).exists(),
            "{name}: no {}",
            nf.program
        );
        library.insert(nf.name.clone(), nf);
    }
    assert!(library.len() >= 9, "{} network functions", library.len());

    let mut policies = 0;
    for folder in files(&root().join("examples"), "") {
        let Ok(text) = fs::read_to_string(folder.join("policy.tri")) else {
            continue;
        };
        let rack_text = fs::read_to_string(folder.join("rack.toml")).expect("a rack");
        let rack = Rack::from_toml(&rack_text, "rack.toml")
            .unwrap_or_else(|found| panic!("{}", found[0].render(&rack_text)));
        let policy = parse_policy(&text, "policy.tri")
            .unwrap_or_else(|found| panic!("{}", found[0].render(&text)));
        let found = policy.check("policy.tri", &library, &rack);
        assert!(
            found.is_empty(),
            "{}: {}",
            folder.display(),
            found[0].render(&text)
        );
        for path in files(&folder, ".patterns") {
            let text = fs::read_to_string(&path).expect("readable");
            parse_patterns(&text, "patterns")
                .unwrap_or_else(|found| panic!("{}", found[0].render(&text)));
        }
        policies += 1;
    }
    assert!(policies >= 3, "{policies} examples");
}
