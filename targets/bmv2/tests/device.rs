//! The target as the plan sees it.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::path::Path;

use trisect_bmv2::{Bmv2, ENTRIES_FILE, JSON_FILE, P4INFO_FILE, PROGRAM_FILE, codes};
use trisect_ir::{NodeId, Program};
use trisect_p4::{Options, compile_file};
use trisect_target::{
    Device, DeviceError, DeviceSpec, LowerError, Resources, Target, Verdict, resource,
};

fn nf(name: &str) -> Program {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../p4/nf")
        .join(name)
        .with_extension("p4");
    compile_file(&file, &Options::default()).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

fn node(program: &Program, name: &str) -> NodeId {
    program
        .control
        .nodes
        .find(|node| node.name == name)
        .unwrap_or_else(|| panic!("no node {name}"))
}

fn device(limits: Resources) -> Box<dyn Device> {
    let spec = DeviceSpec {
        name: "tor".into(),
        model: "simple_switch".into(),
        limits,
    };
    Bmv2.device(&spec).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_unknown_model_is_refused() {
    let spec = DeviceSpec {
        name: "tor".into(),
        model: "tofino".into(),
        limits: Resources::new(),
    };
    let error = Bmv2.device(&spec).err().expect("there is no such model");
    assert!(matches!(error, DeviceError::UnknownModel { .. }));
    assert!(error.to_string().contains("simple_switch"));
}

#[test]
fn a_table_uses_a_stage_and_memory() {
    let program = nf("l3-forwarder");
    let verdict = device(Resources::new()).check(&program, node(&program, "routes"));
    let used = verdict.able().expect("a switch can look up routes");
    assert_eq!(used.resources.get(resource::STAGES), Some(1));
    assert_eq!(used.resources.get(resource::TCAM_BITS), Some(16384 * 32));
    assert_eq!(used.resources.get(resource::ENTRIES), Some(16384));
    assert_eq!(used.cycles, 0);
}

#[test]
fn a_large_table_is_spread_over_stages() {
    let program = nf("l3-forwarder");
    let limits = Resources::new()
        .with(resource::STAGES, 4)
        .with(resource::TCAM_BITS, 4 * 16384 * 12);
    let verdict = device(limits.clone()).check(&program, node(&program, "routes"));
    let used = verdict.able().expect("the switch has room for it");
    assert_eq!(used.resources.get(resource::STAGES), Some(3));
    let small = limits.with(resource::TCAM_BITS, 1000);
    let Verdict::Unable(refusals) = device(small).check(&program, node(&program, "routes")) else {
        panic!("a table that is too large was accepted");
    };
    assert!(
        refusals
            .iter()
            .all(|refusal| refusal.code == codes::RESOURCES)
    );
}

#[test]
fn what_v1model_lacks_is_refused_with_the_reason() {
    let program = nf("source-nat");
    let switch = device(Resources::new());
    let Verdict::Unable(refusals) = switch.check(&program, node(&program, "mappings")) else {
        panic!("a flow table was accepted");
    };
    assert!(
        refusals
            .iter()
            .any(|refusal| refusal.code == codes::FLOW_TABLE)
    );
    assert!(refusals[0].to_string().contains("run it on a host"));
    assert!(switch.fit(&program).is_err());
    assert!(matches!(
        switch.lower(&program),
        Err(LowerError::Refused { .. })
    ));
}

#[test]
fn what_fits_is_lowered_to_the_same_bytes_every_time() {
    let program = nf("firewall");
    let switch = device(Resources::new());
    let used = switch
        .fit(&program)
        .unwrap_or_else(|refusals| panic!("{refusals:?}"));
    assert!(used.resources.get(resource::STAGES) >= Some(2));
    let artifacts = switch
        .lower(&program)
        .unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&str> = artifacts
        .iter()
        .map(|artifact| artifact.name.as_str())
        .collect();
    assert_eq!(names, [PROGRAM_FILE, ENTRIES_FILE, JSON_FILE, P4INFO_FILE]);
    assert_eq!(Some(artifacts), switch.lower(&program).ok());
}
