//! Every diagnostic code has a page, every page has a code, and the examples do what their page says.
//!
//! In a page's fenced blocks the second word says what is to be expected: `wrong` (the reader answers
//! with the page's code) or `right` (it answers with no error, and not with this code). The first word
//! says how the block is read:
//!
//! | first word     | the block is                                                          |
//! |----------------|-----------------------------------------------------------------------|
//! | `p4`           | a P4 program                                                          |
//! | `p4-top`       | declarations in front of a network function that does nothing          |
//! | `p4-control`   | the locals and the `apply` of a network function's control             |
//! | `policy`       | a policy for the library and the rack of `examples/l3-firewall`        |
//! | `nf-toml`      | an NF description                                                      |
//! | `rack-toml`    | a rack description                                                     |
//! | `ir`           | an IR program in text form                                             |
//! | `NF.ITEM`      | a configuration file for that item of a function of the library        |
//! | `bmv2`, `nic`  | as `p4-control`: is every node possible on that device? Other refusals than the page's may be among the answers, also for `right` |
//! | anything else  | for people only; carries neither `wrong` nor `right`                   |

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use trisect::pages;
use trisect_ir::diag::{Diagnostic, Severity, Span};
use trisect_p4::Options;
use trisect_policy::{NfDescription, Rack, configure, parse_policy};
use trisect_target::{DeviceSpec, Resources, Target, Verdict};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// ---------------------------------------------------------------------------- codes and pages

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

// ----------------------------------------------------------------------------------- examples

struct Block<'a> {
    reader: &'a str,
    right: bool,
    text: String,
}

/// The blocks of a page that say what is to be expected.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let text: String = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .map(|line| format!("{line}\n"))
            .collect();
        let (reader, expectation) = info.split_once(' ').unwrap_or((info, ""));
        match expectation {
            "right" | "wrong" => found.push(Block {
                reader,
                right: expectation == "right",
                text,
            }),
            "" => {}
            other => panic!("a block is `right` or `wrong`, not `{other}`"),
        }
    }
    found
}

fn p4(text: &str) -> Vec<Diagnostic> {
    trisect_p4::compile_str("example.p4", text, &Options::default())
        .err()
        .unwrap_or_default()
}

/// A network function around declarations and the inside of its control.
fn network_function(top: &str, control: &str) -> String {
    format!(
        "{top}\n#include <core.p4>\n#include <pna.p4>\n#include <trisect.p4>\n\
         struct metadata_t {{ bit<8> a; bit<16> b; }}\n#include <trisect/std.p4>\n\
         control C(inout headers_t hdr, inout metadata_t meta, in pna_main_input_metadata_t istd,\n\
         inout pna_main_output_metadata_t ostd) {{\n{control}\n}}\n\
         PNA_NIC(StdParser(), StdPreControl(), C(), StdDeparser()) main;\n"
    )
}

fn library() -> BTreeMap<String, NfDescription> {
    trisect_p4::library()
        .iter()
        .map(|nf| {
            let description = NfDescription::from_toml(nf.description, nf.name);
            (nf.name.to_owned(), description.expect("the library reads"))
        })
        .collect()
}

fn policy(text: &str) -> Vec<Diagnostic> {
    let rack = fs::read_to_string(root().join("examples/l3-firewall/rack.toml")).expect("a rack");
    let rack = Rack::from_toml(&rack, "rack.toml").expect("the example's rack reads");
    match parse_policy(text, "policy.tri") {
        Ok(policy) => policy.check("policy.tri", &library(), &rack),
        Err(found) => found,
    }
}

fn configuration(item: &str, text: &str) -> Vec<Diagnostic> {
    let (function, item) = item.split_once('.').expect("NF.ITEM");
    let nf = trisect_p4::library::find(function).expect("a function of the library");
    let description = library().remove(function).expect("its description");
    let item = description.config_item(item).expect("an item of it");
    let options = Options::default().with_define("EXTERNAL_ADDRESS", "32w0xC0000201");
    let mut program = nf.compile(&options).expect("the library compiles");
    configure(&mut program, &item.kind, text, "file")
        .err()
        .unwrap_or_default()
}

/// What the verifier says.
fn broken_invariants(program: &trisect_ir::Program) -> Vec<Diagnostic> {
    match trisect_ir::verify(program) {
        Ok(()) => Vec::new(),
        Err(found) => found.0.iter().map(|error| error.diagnostic("")).collect(),
    }
}

/// The refusals of a device for the nodes of a network function.
fn refusals(target: &dyn Target, model: &str, control: &str) -> Vec<Diagnostic> {
    let text = network_function("", control);
    let program = match trisect_p4::compile_str("example.p4", &text, &Options::default()) {
        Ok(program) => program,
        Err(found) => return found,
    };
    let spec = DeviceSpec {
        name: "device".to_owned(),
        model: model.to_owned(),
        limits: Resources::new(),
    };
    let device = target.device(&spec).expect("a model of the target");
    let mut found = Vec::new();
    for node in program.control.nodes.keys() {
        if let Verdict::Unable(refusals) = device.check(&program, node) {
            found.extend(refusals.into_iter().map(|refusal| {
                Diagnostic::warning(refusal.code, "", Span::default(), refusal.to_string())
            }));
        }
    }
    found
}

fn read(block: &Block<'_>) -> Vec<Diagnostic> {
    let text = &block.text;
    match block.reader {
        "p4" => p4(text),
        "p4-top" => p4(&network_function(text, "apply { }")),
        "p4-control" => p4(&network_function("", text)),
        "policy" => policy(text),
        "nf-toml" => NfDescription::from_toml(text, "x.nf.toml")
            .err()
            .unwrap_or_default(),
        "rack-toml" => Rack::from_toml(text, "rack.toml").err().unwrap_or_default(),
        "ir" => match trisect_ir::text::read("example.tri", text) {
            Ok(program) => broken_invariants(&program),
            Err(found) => vec![*found],
        },
        "bmv2" => refusals(&trisect_bmv2::Bmv2, "simple_switch", text),
        "nic" => refusals(&trisect_rte_flow::RteFlow, "generic", text),
        item if item.contains('.') => configuration(item, text),
        other => panic!("no reader is called `{other}`"),
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
