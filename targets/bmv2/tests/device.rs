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
    of_model("bmv2", limits)
}

fn of_model(model: &str, limits: Resources) -> Box<dyn Device> {
    let spec = DeviceSpec {
        name: "tor".into(),
        model: model.into(),
        text: None,
        look_ups: Vec::new(),
        limits,
    };
    Bmv2.device(&spec).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_unknown_model_is_refused() {
    let spec = DeviceSpec {
        name: "tor".into(),
        model: "tofino".into(),
        text: None,
        look_ups: Vec::new(),
        limits: Resources::new(),
    };
    let error = Bmv2.device(&spec).err().expect("there is no such model");
    assert!(matches!(error, DeviceError::UnknownModel { .. }));
    assert!(error.to_string().contains("rmt-32"));
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
        .with(resource::STAGE_TCAM_BITS, 16384 * 12);
    let verdict = device(limits.clone()).check(&program, node(&program, "routes"));
    let used = verdict.able().expect("the switch has room for it");
    assert_eq!(used.resources.get(resource::STAGES), Some(3));
    let small = limits.with(resource::STAGE_TCAM_BITS, 250);
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

/// A network function with these declarations and this body of `apply`.
fn control(declarations: &str, apply: &str) -> Program {
    let text = format!(
        "#include <core.p4>\n#include <pna.p4>\n#include <trisect.p4>\n\
         struct metadata_t {{ bit<8> a; bit<8> b; bit<8> c; }}\n#include <trisect/std.p4>\n\
         control C(inout headers_t hdr, inout metadata_t meta, in pna_main_input_metadata_t istd,\n\
         inout pna_main_output_metadata_t ostd) {{\n{declarations}\napply {{ {apply} }} }}\n\
         PNA_NIC(StdParser(), StdPreControl(), C(), StdDeparser()) main;\n"
    );
    trisect_p4::compile_str("c.p4", &text, &Options::default())
        .unwrap_or_else(|found| panic!("{found:?}"))
}

/// A ternary table on IPv4 source addresses that sets one field of the metadata.
fn ternary(name: &str, size: u32) -> String {
    format!(
        "action set_{name}(bit<8> x) {{ meta.{name} = x; }}\n\
         table {name} {{ key = {{ hdr.ipv4.src: ternary; }} actions = {{ set_{name}; NoAction; }}\n\
         default_action = NoAction(); size = {size}; }}\n"
    )
}

#[test]
fn tables_take_blocks_of_the_model() {
    let program = control(&ternary("a", 5000), "a.apply();");
    let switch = of_model("rmt-32", Resources::new());
    let used = switch.fit(&program).unwrap_or_else(|why| panic!("{why:?}"));
    // 5,000 entries of 32 bits: three blocks of 2,048 by 40. Their data, 16 bits wide, fills one of SRAM.
    assert_eq!(used.resources.get("tcam_blocks"), Some(3));
    assert_eq!(used.resources.get("sram_blocks"), Some(1));
    assert_eq!(used.resources.get("ternary_crossbar_bytes"), Some(4));
    assert_eq!(switch.budget().get("tcam_blocks"), Some(32 * 16));
}

#[test]
fn a_packing_that_fails_says_what_is_short_where_and_who_holds_it() {
    let full = 16 * 2048;
    let text = ternary("a", full) + &ternary("b", full) + &ternary("c", full);
    let program = control(&text, "a.apply(); b.apply(); c.apply();");
    let fit = |stages| {
        let limits = Resources::new().with(resource::STAGES, stages);
        of_model("rmt-32", limits).fit(&program)
    };
    let used = fit(3).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(used.resources.get(resource::STAGES), Some(3));
    let why = fit(2).expect_err("48 blocks do not fit 32");
    assert!(why.iter().all(|refusal| refusal.code == codes::RESOURCES));
    let text = why[0].to_string();
    for expected in [
        "stage 1: 16 tcam_blocks",
        "0 of 16 are free, 16 too few",
        "held by `",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let limits = Resources::new().with(resource::STAGES, 2);
    let lowered = of_model("rmt-32", limits).lower(&program);
    assert!(matches!(lowered, Err(LowerError::Refused { node, .. }) if !node.is_empty()));
}

#[test]
fn a_table_on_ways_that_exclude_each_other_is_there_once() {
    let text = ternary("a", 16 * 2048);
    let program = control(
        &text,
        "if (hdr.tcp.isValid()) { a.apply(); } else { a.apply(); }",
    );
    let limits = Resources::new().with(resource::STAGES, 1);
    assert!(of_model("rmt-32", limits.clone()).fit(&program).is_ok());
    let program = control(&text, "a.apply(); a.apply();");
    assert!(of_model("rmt-32", limits).fit(&program).is_err());
}

#[test]
fn a_fixed_pipeline_takes_what_its_tables_take() {
    let switch = of_model("trident-fixed", Resources::new());
    let verdict = |program: &Program, name: &str| switch.check(program, node(program, name));
    let program = control(&ternary("a", 2048), "a.apply();");
    let used = verdict(&program, "a");
    let used = used
        .able()
        .unwrap_or_else(|| panic!("2,048 entries fit: {used:?}"));
    assert_eq!(used.resources.get("flow_entries"), Some(2048));
    let program = control(&ternary("a", 2049), "a.apply();");
    let Verdict::Unable(why) = verdict(&program, "a") else {
        panic!("2,049 flow entries were accepted");
    };
    assert_eq!(why[0].code, codes::FIXED);
    assert!(why[0].to_string().contains("holds 2048 entries, not 2049"));
    let Verdict::Unable(why) = verdict(&nf("firewall"), "acl") else {
        panic!("ranges of metadata were accepted");
    };
    assert!(why[0].to_string().contains("has no `"), "{}", why[0]);
}

#[test]
fn impossible_limits_are_refused() {
    for (model, quantity) in [
        ("rmt-32", resource::STAGES),
        ("trident-fixed", resource::STAGE_TCAM_BITS),
    ] {
        let spec = DeviceSpec {
            name: "tor".into(),
            model: model.into(),
            text: None,
            look_ups: Vec::new(),
            limits: Resources::new().with(quantity, 0),
        };
        let error = Bmv2.device(&spec).err().expect("must be refused");
        assert!(matches!(error, DeviceError::BadLimit { .. }), "{error}");
    }
}
