//! The law, on the real rack: every capture of `../shared/traces` through every example with every
//! strategy. The switch runs the emitted P4, read back; the NICs the emitted rules; the hosts machine
//! code. Packets, their order and the final state are those of the uncut pipeline on the interpreter.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::path::{Path, PathBuf};
use trisect::own::{EntriesFile, OwnProgram};
use trisect::project::Project;
use trisect::run;
use trisect_plan::{Plan, Strategy};

const STRATEGIES: [Strategy; 3] = [Strategy::Host, Strategy::E2, Strategy::Best];

/// The captures; none, said aloud, where there are none.
fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let Ok(list) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no real captures at {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e != "md"));
    files.sort();
    files
}

fn plans(project: &Project) -> Vec<Plan> {
    let registry = trisect::registry::registry().expect("targets");
    STRATEGIES
        .iter()
        .map(|strategy| Plan::make(&project.input(&registry, *strategy)).expect("there is a plan"))
        .collect()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// A project with one of its racks.
fn project_keeps_the_law(name: &str, rack: &str) {
    let folder = example(name);
    let project = Project::load(&folder, Some(&folder.join(rack))).expect("the example loads");
    keeps_the_law(&project, rack);
}

/// A program without a policy, with its entries.
fn program_keeps_the_law(name: &str) {
    let folder = example("v1model");
    let mut own = OwnProgram {
        file: folder.join(format!("{name}.p4")),
        ..OwnProgram::default()
    };
    for file in std::fs::read_dir(folder.join(name)).expect("a folder") {
        let path = file.expect("readable").path();
        let table = path.file_stem().expect("a name").to_string_lossy();
        own.entries.push(EntriesFile {
            table: table.into_owned(),
            path: path.clone(),
        });
    }
    for rack in ["rack.toml", "rack-nic.toml"] {
        let project = Project::of_program(&own, &folder.join(rack)).expect("the program compiles");
        keeps_the_law(&project, rack);
    }
}

/// Plays all captures through one example; the uncut pipeline sees each capture once.
fn keeps_the_law(project: &Project, rack: &str) {
    let name = &project.name;
    let plans = plans(project);
    for file in traces() {
        let traffic =
            run::one_capture(&file, None, project).unwrap_or_else(|problems| panic!("{problems}"));
        let arrivals = &traffic.arrivals;
        assert!(!arrivals.is_empty(), "{}", file.display());
        for plan in &plans {
            let mut embedded = run::rack(plan, 64, false).expect("a rack");
            let report = embedded.run(arrivals, &mut |_| {}).expect("runs");
            let expected = trisect_rack::expect(&plan.uncut, arrivals);
            let result = trisect_rack::check(arrivals, &expected, &report);
            let what = format!("{name}, {rack}, {}, {}", plan.strategy, file.display());
            assert!(result.holds(), "{what}: {result}");
        }
    }
}

#[test]
fn real_captures_through_central_office() {
    // The same rack with NICs that number flows.
    project_keeps_the_law("central-office", "rack-flows.toml");
}

/// The example's own traffic: numbers are used, and nothing else is different.
#[test]
fn flows_that_have_numbers_keep_the_law() {
    let folder = example("central-office");
    let rack = folder.join("rack-flows.toml");
    let project = Project::load(&folder, Some(&rack)).expect("the example loads");
    let registry = trisect::registry::registry().expect("targets");
    let plan = Plan::make(&project.input(&registry, Strategy::E2)).expect("there is a plan");
    let captures = project.traffic().expect("traffic");
    let traffic = run::bundled(&captures).unwrap_or_else(|problems| panic!("{problems}"));
    let mut embedded = run::rack(&plan, 64, false).expect("a rack");
    let report = embedded.run(&traffic.arrivals, &mut |_| {}).expect("runs");
    let expected = trisect_rack::expect(&plan.uncut, &traffic.arrivals);
    let result = trisect_rack::check(&traffic.arrivals, &expected, &report);
    assert!(result.holds(), "{result}");
    let flows: Vec<_> = report.devices.iter().filter_map(|d| d.flows).collect();
    assert!(!flows.is_empty(), "no NIC numbers flows");
    let (hits, lookups) = flows
        .iter()
        .fold((0, 0), |(h, l), f| (h + f.hits, l + f.lookups));
    assert!(hits * 2 > lookups, "{hits} of {lookups} look-ups by number");
}

#[test]
fn real_captures_through_l3_firewall() {
    project_keeps_the_law("l3-firewall", "rack.toml");
}

#[test]
fn real_captures_through_nat_lb() {
    project_keeps_the_law("nat-lb", "rack.toml");
}

#[test]
fn real_captures_through_a_nic_that_does_the_work() {
    project_keeps_the_law("l3-firewall", "rack-nic.toml");
}

#[test]
fn real_captures_through_a_router_of_v1model() {
    program_keeps_the_law("edge_router");
}

#[test]
fn real_captures_through_a_balancer_of_v1model() {
    program_keeps_the_law("balancer");
}

#[test]
fn real_captures_through_a_marker_of_v1model() {
    program_keeps_the_law("marker");
}
