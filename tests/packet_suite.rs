//! Other people's packet tests: every v1model program of the suite that has one runs it, on the interpreter and in
//! machine code, and every program that elaborates is printed, read again and gives the same IR. The suite is a
//! checkout of the P4 compiler's `testdata`, which `TRISECT_P4_SUITE` names (or its `p4_16_samples`). What is known to
//! fail stands in `packet_suite.toml`, with the reason; that list may only shrink.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use trisect_p4::ast::{Decl, DeclKind};
use trisect_p4::{Options, printer};
use trisect_plan::{Input, Plan, Source};
use trisect_policy::Rack;
use trisect_rack::Arrival;
use trisect_target::Whole;
use trisect_v1model::control::Control;
use trisect_v1model::stf::Command;
use trisect_v1model::{CompiledV1, EngineKind, Switch, run_script, stf};

/// More than any program of the suite takes, even in a debug build on a busy machine. (Two nested loops of up to 255
/// turns each, written out, keep the code generator busy for half a minute after each change of the table.)
const LIMIT: Duration = Duration::from_secs(600);

/// Features of the language and the architecture, each with a text that stands in programs that use it.
const FEATURES: &[(&str, &[&str])] = &[
    (
        "header stacks",
        &[".next", "push_front", "pop_front", ".last"],
    ),
    ("header unions", &["header_union"]),
    ("varbit", &["varbit<"]),
    (
        "checksums",
        &[
            "verify_checksum(",
            "update_checksum(",
            "update_checksum_with_payload(",
        ],
    ),
    ("hash", &["hash("]),
    ("registers", &["register<", "register("]),
    ("counters and meters", &["counter(", "meter(", "meter<"]),
    (
        "clone, resubmit, recirculate, multicast",
        &[
            "clone(",
            "clone3(",
            "resubmit",
            "recirculate",
            "mcast_grp",
            "_preserving_field_list",
        ],
    ),
    (
        "action profiles and selectors",
        &["action_profile", "action_selector"],
    ),
    ("digest, random, log_msg", &["digest", "random(", "log_msg"]),
    ("exit", &["exit;"]),
    ("switch", &["switch"]),
    ("loops", &["for ("]),
    ("functions", &["return "]),
    ("generics", &["<T>", "<H>"]),
    ("lookahead", &["lookahead"]),
    ("const entries", &["entries"]),
    ("enums", &["enum "]),
    ("tuples and lists", &["tuple<", "list<"]),
];

/// Programs that fail, with the reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFailures {
    /// Packet tests.
    packets: BTreeMap<String, String>,
    /// Packets of packet tests, of programs that copy packets, on a rack.
    rack: BTreeMap<String, String>,
    /// Programs whose printed text gives another IR.
    printing: BTreeMap<String, String>,
}

fn known_failures() -> KnownFailures {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packet_suite.toml");
    let text = std::fs::read_to_string(file).expect("the list of known failures");
    toml::from_str(&text).expect("the list of known failures reads")
}

/// The folder of programs; `None`, said on the error stream, if no suite is named.
fn samples() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TRISECT_P4_SUITE").map(PathBuf::from) else {
        eprintln!("SKIPPED: TRISECT_P4_SUITE is not set; no foreign P4 programs were run");
        return None;
    };
    let inner = folder.join("p4_16_samples");
    Some(if inner.is_dir() { inner } else { folder })
}

fn programs(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the suite's folder can be read");
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            programs(&path, found);
        } else if path.extension().is_some_and(|e| e == "p4") && path.exists() {
            found.push(path);
        }
    }
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Whether a program is for v1model: it has that package.
fn is_v1model(path: &Path) -> bool {
    let (tree, _, _) = trisect_p4::parse_file(path, &Options::default());
    let is_switch = |decl: &Decl| match &decl.kind {
        DeclKind::Package(package) => package.name.as_str() == "V1Switch",
        _ => false,
    };
    tree.is_some_and(|tree| tree.decls.iter().any(is_switch))
}

/// Does it in a thread of its own, so that neither a panic nor a hang ends the others.
fn guarded(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    let (done, result) = mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    let handle = thread.spawn(move || {
        // The receiver is gone if this came too late.
        let _ = done.send(work());
    });
    let handle = handle.expect("a thread");
    match result.recv_timeout(LIMIT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err("does not come to an end".to_owned()),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let _ = handle.join();
            Err("panicked".to_owned())
        }
    }
}

fn first_line(text: impl ToString) -> String {
    text.to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// With what a program is compiled: its extern functions, if it has any, are modelled in a file of its name.
fn options(program: &Path) -> Options {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extern_models");
    let model = models.join(program.file_name().unwrap_or_default());
    match std::fs::read_to_string(&model) {
        Ok(text) => Options::default().with_extern_model(model.display().to_string(), text),
        Err(_) => Options::default(),
    }
}

fn packet_test(program: &Path, script: &Path) -> Result<(), String> {
    let compiled = trisect_p4::compile_passes_file(program, &options(program))
        .map_err(|found| found.first().map(first_line).unwrap_or_default())?;
    let text = text_of(script);
    let script = stf::parse_named(&script.display().to_string(), &text)
        .map_err(|found| found.first().map(first_line).unwrap_or_default())?;
    let compiled = CompiledV1 {
        program: compiled.program,
        bridge: compiled.bridge,
        value_sets: compiled.value_sets,
    };
    let report = run_script(
        &script,
        &compiled,
        &[EngineKind::Interpreter, EngineKind::Jit],
    )
    .map_err(|found| found.first().map(first_line).unwrap_or_default())?;
    if report.passed {
        Ok(())
    } else {
        Err(first_line(report))
    }
}

/// The list names exactly what fails.
fn compare(failed: &BTreeMap<String, String>, known: &BTreeMap<String, String>) {
    for (name, reason) in failed {
        println!("failed: {name}: {reason}");
    }
    let fails: BTreeSet<&String> = failed.keys().collect();
    let listed: BTreeSet<&String> = known.keys().collect();
    let new: Vec<_> = fails.difference(&listed).collect();
    let mended: Vec<_> = listed.difference(&fails).collect();
    assert!(new.is_empty(), "not in packet_suite.toml: {new:?}");
    assert!(
        mended.is_empty(),
        "take out of packet_suite.toml: {mended:?}"
    );
}

#[test]
fn packet_tests_pass_on_interpreter_and_machine_code() {
    let Some(folder) = samples() else { return };
    let mut all = Vec::new();
    programs(&folder, &mut all);
    let mut failed = BTreeMap::new();
    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for program in all {
        let script = program.with_extension("stf");
        if !script.is_file() || !is_v1model(&program) {
            continue;
        }
        let name = program.strip_prefix(&folder).unwrap_or(&program);
        let name = name.display().to_string();
        let text = text_of(&program);
        let result = guarded(move || packet_test(&program, &script));
        let uses = |(_, needles): &&(&str, &[&str])| needles.iter().any(|n| text.contains(n));
        let rows = FEATURES.iter().filter(uses).map(|(feature, _)| *feature);
        for row in rows.chain(["all"]) {
            let row = table.entry(row).or_default();
            row.0 += 1;
            row.1 += usize::from(result.is_ok());
        }
        if let Err(reason) = result {
            failed.insert(name, reason);
        }
    }
    println!(
        "{:<42} {:>8} {:>8}",
        "v1model packet tests", "tests", "passed"
    );
    for (feature, (tests, passed)) in &table {
        println!("{feature:<42} {tests:>8} {passed:>8}");
    }
    assert!(
        table.contains_key("all"),
        "no packet tests in {}",
        folder.display()
    );
    compare(&failed, &known_failures().packets);
}

/// Where copies go in programs without a packet test.
const COPIES: &str = "mirroring_add 5 2\nmirroring_add 100 1\nmc_mgrp_create 1\nmc_node_create 7 1 2 3\nmc_node_associate 1 0\n";

/// What a program that copies packets is played with.
struct Play {
    /// The program with entries.
    program: trisect_ir::Program,
    copies: String,
    arrivals: Vec<Arrival>,
}

/// A program with the entries, copies and packets of a packet test, or with `frames`.
fn play(compiled: &CompiledV1, script: &Path, frames: &[Arrival]) -> Result<Play, String> {
    if !script.is_file() {
        return Ok(Play {
            program: compiled.program.clone(),
            copies: COPIES.to_owned(),
            arrivals: frames.to_vec(),
        });
    }
    let script = stf::parse_named(&script.display().to_string(), &text_of(script))
        .map_err(|found| found.first().map(first_line).unwrap_or_default())?;
    let mut switch = Switch::new(compiled, EngineKind::Interpreter).map_err(|e| e.to_string())?;
    let mut control = Control::new(&script);
    let (mut copies, mut arrivals) = (String::new(), Vec::new());
    for statement in &script.statements {
        let command = &statement.command;
        match command {
            Command::Packet { port, data } => arrivals.push(Arrival {
                time_ns: 1_000_000 * arrivals.len() as u64,
                port: *port,
                bytes: data.clone(),
            }),
            Command::MirroringAdd { .. }
            | Command::MirroringAddMc { .. }
            | Command::McGroupCreate(_)
            | Command::McNodeCreate { .. }
            | Command::McNodeAssociate { .. } => copies.push_str(&format!("{command}\n")),
            Command::Add(_) | Command::SetDefault { .. } => {
                let done = control.run(command, &mut switch);
                done.map_err(|found| found.message.clone())?;
            }
            _ => {}
        }
    }
    Ok(Play {
        program: switch.program().clone(),
        copies,
        arrivals,
    })
}

/// What the embedded switch does with what was emitted for it is what the program does. The answer is whether anything
/// left the rack; `None` for programs that copy nothing.
fn on_a_rack(file: &Path, frames: &[Arrival]) -> Option<Result<bool, String>> {
    let compiled = trisect_p4::compile_passes_file(file, &Options::default()).ok()?;
    let bridge = compiled.bridge?;
    let compiled = CompiledV1 {
        program: compiled.program,
        bridge: Some(bridge.clone()),
        value_sets: compiled.value_sets,
    };
    let run = || {
        let script = file.with_extension("stf");
        let Play {
            program,
            copies,
            arrivals,
        } = play(&compiled, &script, frames)?;
        let (tree, sources, _) = trisect_p4::parse_file(file, &Options::default());
        let whole = Whole {
            bridge,
            source: printer::v1model_program(&tree.unwrap_or_default(), &sources),
            copies,
            value_sets: BTreeMap::new(),
        };
        let registry = trisect::registry::registry().map_err(|e| e.to_string())?;
        let rack = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/v1model/rack.toml");
        // Of other people's programs some are for larger switches.
        let limits = ["stages", "sram_kib", "tcam_kib", "entries"];
        let rack: Vec<String> = text_of(&rack)
            .lines()
            .filter(|line| !limits.iter().any(|limit| line.starts_with(limit)))
            .map(str::to_owned)
            .collect();
        let rack = Rack::from_toml(&rack.join("\n"), "rack.toml")
            .map_err(|found| found.first().map(first_line).unwrap_or_default())?;
        let plan = Plan::make(&Input {
            name: "suite",
            source: Source::Whole {
                name: "suite",
                program: &program,
                whole: &whole,
            },
            rack: &rack,
            registry: &registry,
            strategy: Default::default(),
            traffic: Default::default(),
            objective: trisect_plan::cut::Objective::default(),
            time_limit: None,
            profile: None,
        });
        let plan = plan.map_err(|e| first_line(e.to_string()))?;
        let mut rack = trisect::run::rack(&plan, 64, false).map_err(|e| e.to_string())?;
        let report = rack
            .run(&arrivals, &mut |_| {})
            .map_err(|e| e.to_string())?;
        let expected = trisect::whole::expect(&plan, &whole, &arrivals)?;
        let result = trisect_rack::check(&arrivals, &expected, &report);
        match result.holds() {
            true => Ok(!report.egress().is_empty()),
            false => Err(result.to_string()),
        }
    };
    Some(run())
}

#[test]
fn programs_that_copy_packets_do_so_on_a_rack() {
    let Some(folder) = samples() else { return };
    let mut all = Vec::new();
    programs(&folder, &mut all);
    let traffic = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/v1model/traffic.pcap");
    let capture = trisect_ports::Capture::open(&traffic).expect("the example's traffic");
    let (frames, _) = trisect_rack::arrivals(&capture, |_| Some(1)).expect("frames");
    let frames = &frames[..20];
    let (mut failed, mut tried, mut sent) = (BTreeMap::new(), 0, 0);
    for program in all.iter().filter(|program| is_v1model(program)) {
        let Some(result) = on_a_rack(program, frames) else {
            continue;
        };
        tried += 1;
        match result {
            Ok(left) => sent += usize::from(left),
            Err(reason) => {
                let name = program.strip_prefix(&folder).unwrap_or(program);
                failed.insert(name.display().to_string(), reason);
            }
        }
    }
    println!(
        "{tried} programs that copy packets ran on a rack, {sent} sent packets, {} failed",
        failed.len()
    );
    assert!(tried > 0, "no such program in {}", folder.display());
    compare(&failed, &known_failures().rack);
}

/// The text of an IR program without the lines of the source that assertions name.
fn without_lines(program: &trisect_ir::Program) -> String {
    let text = program.to_string();
    let kept = text.lines().map(|line| match line.starts_with("message ") {
        true => line.split(" at ").next().unwrap_or_default(),
        false => line,
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// The IR of a program and that of its printed text.
fn prints_to_the_same(program: &Path) -> Result<(), String> {
    let Ok(compiled) = trisect_p4::compile_passes_file(program, &Options::default()) else {
        return Ok(()); // refused, or not for an architecture that is elaborated
    };
    let (tree, _, _) = trisect_p4::parse_file(program, &Options::default());
    let text = printer::program(&tree.unwrap_or_default());
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let again = trisect_p4::compile_passes_str(&name, &text, &Options::default())
        .map_err(|found| found.first().map(first_line).unwrap_or_default())?;
    if without_lines(&again.program) == without_lines(&compiled.program) {
        Ok(())
    } else {
        Err("the printed text gives another IR".to_owned())
    }
}

#[test]
fn printed_programs_give_the_same_ir() {
    let Some(folder) = samples() else { return };
    let mut all = Vec::new();
    programs(&folder, &mut all);
    let mut failed = BTreeMap::new();
    for program in &all {
        let path = program.clone();
        if let Err(reason) = guarded(move || prints_to_the_same(&path)) {
            let name = program.strip_prefix(&folder).unwrap_or(program);
            failed.insert(name.display().to_string(), reason);
        }
    }
    println!(
        "{} programs, {} print to another IR",
        all.len(),
        failed.len()
    );
    compare(&failed, &known_failures().printing);
}
