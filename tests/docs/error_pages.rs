//! Every diagnostic code has a page, every page has a code, and the examples do what their page says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use trisect::pages;
use trisect_ir::diag::Severity;

use crate::readers::{blocks, read};
use crate::root;

/// The source files of every crate, with what stands in front of their unit tests.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    for folder in ["compiler", "p4", "targets", "runtime"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder of crates") {
            walk(&entry.expect("readable").path().join("src"), &mut paths);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("readable");
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or("")
                .to_owned();
            (path, code)
        })
        .collect()
}

/// The digits at the start of a text.
fn number(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    text[..end].parse().ok()
}

/// Codes are written as `Code(201)`, as the string `"E0120"`, or as the arms `=> 300,` of a match in
/// `Code(match ... })`. Comments do not count.
fn codes_of(source: &str) -> BTreeSet<u16> {
    let text: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut codes = BTreeSet::new();
    for after in text.split("Code(").skip(1) {
        if let Some(code) = number(after) {
            codes.insert(code);
        } else if after.starts_with("match ") {
            let arms = after.split("})").next().unwrap_or("");
            codes.extend(arms.split("=> ").skip(1).filter_map(number));
        }
    }
    let strings = text.split("\"E0").skip(1);
    codes
        .extend(strings.filter_map(|s| s.get(3..4).filter(|&c| c == "\"").and_then(|_| number(s))));
    codes
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut crates: BTreeMap<u16, BTreeSet<PathBuf>> = BTreeMap::new();
    for (path, text) in sources() {
        for code in codes_of(&text) {
            let place: PathBuf = path
                .strip_prefix(root())
                .expect("below the root")
                .iter()
                .take_while(|part| *part != "src")
                .collect();
            crates.entry(code).or_default().insert(place);
        }
    }
    assert!(
        crates.len() > 60,
        "only {} codes found: {:?}",
        crates.len(),
        crates.keys()
    );
    for (code, owners) in &crates {
        assert_eq!(owners.len(), 1, "E{code:04} is used by {owners:?}");
    }
    let in_source: BTreeSet<String> = crates.keys().map(|code| format!("E{code:04}")).collect();
    let with_page: BTreeSet<String> = pages::codes().map(str::to_owned).collect();
    let missing: Vec<_> = in_source.difference(&with_page).collect();
    assert!(
        missing.is_empty(),
        "no page docs/errors/*.md for {missing:?}"
    );
    let stale: Vec<_> = with_page.difference(&in_source).collect();
    assert!(stale.is_empty(), "nothing reports {stale:?} any more");
}

#[test]
fn pages_have_one_shape() {
    for code in pages::codes() {
        let page = pages::page(code).expect("listed");
        assert!(page.starts_with(&format!("# {code}: ")), "{code}: title");
        assert!(page.contains("\n**Way out.** "), "{code}: no way out");
        assert!(page.contains("\n```"), "{code}: no example");
        let fences = page.lines().filter(|line| line.starts_with("```")).count();
        assert!(fences.is_multiple_of(2), "{code}: a block does not end");
    }
}

#[test]
fn examples_do_what_their_page_says() {
    let mut failures = Vec::new();
    let mut read_blocks = 0;
    for code in pages::codes() {
        for block in blocks(pages::page(code).expect("listed")) {
            read_blocks += 1;
            let found = read(&block);
            let says_so = found.iter().any(|d| d.code.to_string() == code);
            let errors = found.iter().any(|d| d.severity == Severity::Error);
            if block.right && (says_so || errors) || !block.right && !says_so {
                let shown: Vec<String> = found.iter().map(|d| d.render(&block.text)).collect();
                failures.push(format!("{code}: {}\n{}", block.text, shown.join("")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(read_blocks > 100, "only {read_blocks} examples");
}

#[test]
fn pages_of_readers_have_a_wrong_and_a_right_example() {
    // Codes up to E0299 come from readers of text.
    for code in pages::codes().filter(|code| *code < "E0300") {
        let blocks = blocks(pages::page(code).expect("listed"));
        assert!(blocks.iter().any(|b| !b.right), "{code}: no wrong example");
        assert!(blocks.iter().any(|b| b.right), "{code}: no right example");
    }
}
