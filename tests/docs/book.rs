//! The chapters of the book.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use trisect::pages;
use trisect_ir::diag::Severity;

use crate::readers::{blocks, read};
use crate::root;

/// Name and text of every chapter.
fn chapters() -> Vec<(String, String)> {
    let folder = fs::read_dir(root().join("docs/src")).expect("a book");
    let mut found: Vec<(String, String)> = folder
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    found.sort();
    found
}

/// The files that a text links to, without those of other sites and places in the same file.
fn links(text: &str) -> BTreeSet<String> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|t| t.split([')', '#']).next());
    targets
        .filter(|t| t.ends_with(".md"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_summary_lists_every_chapter() {
    let names: BTreeSet<String> = chapters().into_iter().map(|(name, _)| name).collect();
    let (_, summary) = chapters()
        .into_iter()
        .find(|(name, _)| name == "SUMMARY.md")
        .expect("a summary");
    let mut listed = links(&summary);
    listed.insert("SUMMARY.md".to_owned());
    assert_eq!(listed, names);
}

#[test]
fn links_lead_to_chapters() {
    let chapters = chapters();
    for (name, text) in &chapters {
        for link in links(text) {
            assert!(chapters.iter().any(|(n, _)| *n == link), "{name}: {link}");
        }
    }
}

#[test]
fn examples_read() {
    let mut failures = Vec::new();
    let mut examples = 0;
    for (name, text) in chapters() {
        for block in blocks(&text) {
            examples += 1;
            assert!(block.right, "{name}: a chapter shows what is right");
            let found = read(&block);
            if found.iter().any(|d| d.severity == Severity::Error) {
                let shown: Vec<String> = found.iter().map(|d| d.render(&block.text)).collect();
                failures.push(format!("{name}: {}", shown.join("")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(examples >= 8, "only {examples} examples");
}

/// The files that the tutorial shows are those of the example.
#[test]
fn the_tutorial_shows_the_example() {
    let tutorial = fs::read_to_string(root().join("docs/src/tutorial.md")).expect("a tutorial");
    for file in [
        "policy.tri",
        "acl.entries",
        "routes.entries",
        "next_hops.entries",
    ] {
        let path = root().join("examples/l3-firewall").join(file);
        let text = fs::read_to_string(path).expect("readable");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(tutorial.contains(line), "{file}: {line}");
        }
    }
}

/// `BLESS=1` rewrites the list.
#[test]
fn the_errors_chapter_lists_every_page() {
    let path = root().join("docs/src/errors.md");
    let text = fs::read_to_string(&path).expect("readable");
    let head = text.split("| code |").next().unwrap_or("");
    let mut expected = format!("{head}| code | meaning |\n|------|---------|\n");
    for code in pages::codes() {
        let page = pages::page(code).expect("listed");
        let title = page.lines().next().unwrap_or("");
        let title = title.split_once(": ").map_or("", |(_, title)| title);
        // Writing to a String cannot fail.
        let _ = writeln!(expected, "| {code} | {title} |");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &expected).expect("written");
    } else {
        assert!(text == expected, "BLESS=1 rewrites {}", path.display());
    }
}

/// What a line of a console block prints: `$ trisect ARGUMENTS [| head -N | tail -N]`, run in `folder`.
fn console(command: &str, folder: &Path) -> String {
    let mut parts = command.split(" | ");
    let arguments = parts.next().and_then(|c| c.strip_prefix("$ trisect "));
    let output = Command::new(env!("CARGO_BIN_EXE_trisect"))
        .args(arguments.expect("a trisect command").split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the command runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines: Vec<&str> = text.lines().collect();
    for part in parts {
        let (kind, count) = part.split_once(" -").expect("head -N or tail -N");
        let count: usize = count.parse().expect("a number of lines");
        match kind {
            "head" => lines.truncate(count),
            "tail" => drop(lines.drain(..lines.len().saturating_sub(count))),
            other => panic!("{other} is not understood"),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The chapter with what the commands of its console blocks print.
fn with_output(text: &str, folder: &Path) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let _ = writeln!(out, "{line}");
        if line != "```console" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        for command in block.iter().filter(|line| line.starts_with("$ ")) {
            let _ = write!(out, "{command}\n{}", console(command, folder));
        }
        let _ = writeln!(out, "```");
    }
    out
}

/// `BLESS=1` writes what is printed into the chapters.
#[cfg(unix)]
#[test]
fn commands_print_what_the_book_shows() {
    for (name, text) in chapters() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples"))
            .expect("the examples");
        let found = with_output(&text, folder.path());
        if std::env::var_os("BLESS").is_some() {
            fs::write(root().join("docs/src").join(&name), found).expect("written");
            continue;
        }
        let differs = found.lines().zip(text.lines()).find(|(a, b)| a != b);
        assert!(
            found == text,
            "{name}: found and shown: {differs:?}; BLESS=1 rewrites it"
        );
    }
}
