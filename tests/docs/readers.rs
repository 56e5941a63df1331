//! The blocks of pages and chapters, and the readers that they are given to.
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
//! | `p4-model`     | bodies for the extern function of a program                            |
//! | `policy`       | a policy for the library and the rack of `examples/l3-firewall`        |
//! | `nf-toml`      | an NF description                                                      |
//! | `rack-toml`    | a rack description                                                     |
//! | `model-toml`   | a resource model of a switch                                           |
//! | `nic-model-toml` | a capability file of a NIC                                           |
//! | `profile-toml` | a profile                                                              |
//! | `plan-toml`    | a rack description that a plan is made for                             |
//! | `ir`           | an IR program in text form                                             |
//! | `stf`          | a packet test for `examples/packet-tests/router.p4`                     |
//! | `NF.ITEM`      | a configuration file for that item of a function of the library        |
//! | `bmv2`, `nic`  | as `p4-control`: is every node possible on that device? Other refusals than the page's may be among the answers, also for `right` |
//! | anything else  | for people only; carries neither `wrong` nor `right`                   |

use std::collections::BTreeMap;
use std::fs;

use trisect_ir::diag::{Code, Diagnostic, Span};
use trisect_p4::Options;
use trisect_policy::{NfDescription, Rack, configure, parse_policy};
use trisect_target::{DeviceSpec, Resources, Target, Verdict};

use crate::root;

/// A fenced block that says what is to be expected.
pub struct Block<'a> {
    reader: &'a str,
    /// Whether the reader should find nothing wrong.
    pub right: bool,
    /// What stands in it.
    pub text: String,
}

/// The blocks of a page that say what is to be expected.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
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
    match trisect_p4::compile_str("example.p4", text, &Options::default()) {
        Err(found) => found,
        Ok(_) => {
            let (_, sources, warnings) =
                trisect_p4::check_str("example.p4", text, &Options::default());
            warnings.iter().map(|w| w.to_common(&sources)).collect()
        }
    }
}

/// A model for a program that declares and calls one extern function.
fn model(text: &str) -> Vec<Diagnostic> {
    let program = network_function(
        "extern void count_kind(in bit<8> kind, out bit<8> n);",
        "apply { count_kind(meta.a, meta.a); }",
    );
    let options = Options::default().with_extern_model("model.p4", text);
    let compiled = trisect_p4::compile_str("example.p4", &program, &options);
    compiled.err().unwrap_or_default()
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

/// What the planner says to a rack.
fn planned(text: &str) -> Vec<Diagnostic> {
    let rack = match Rack::from_toml(text, "rack.toml") {
        Ok(rack) => rack,
        Err(found) => return found,
    };
    let registry = trisect::registry::registry().expect("names are unique");
    match trisect_plan::machines::Machines::new(&rack, &registry) {
        Ok(_) => Vec::new(),
        Err(e) => vec![Diagnostic::error(
            e.code(),
            "",
            Span::default(),
            e.to_string(),
        )],
    }
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
        text: None,
        look_ups: Vec::new(),
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

/// What is wrong with a packet test for the example's program; a failure is an error without code.
fn packet_test(text: &str) -> Vec<Diagnostic> {
    let script = match trisect_v1model::stf::parse(text) {
        Ok(script) => script,
        Err(found) => return found,
    };
    let path = root().join("examples/packet-tests/router.p4");
    let program = trisect_p4::compile_file(&path, &Options::default()).expect("it compiles");
    let compiled = trisect_v1model::CompiledV1 {
        program,
        bridge: None,
        value_sets: Default::default(),
    };
    let engines = [trisect_v1model::EngineKind::Interpreter];
    match trisect_v1model::run_script(&script, &compiled, &engines) {
        Ok(report) if report.passed => Vec::new(),
        Ok(report) => vec![Diagnostic::error(
            Code(0),
            "",
            Span::default(),
            report.to_string(),
        )],
        Err(found) => found,
    }
}

/// What the block's reader answers.
pub fn read(block: &Block<'_>) -> Vec<Diagnostic> {
    let text = &block.text;
    match block.reader {
        "p4" => p4(text),
        "p4-top" => p4(&network_function(text, "apply { }")),
        "p4-control" => p4(&network_function("", text)),
        "p4-model" => model(text),
        "policy" => policy(text),
        "nf-toml" => NfDescription::from_toml(text, "x.nf.toml")
            .err()
            .unwrap_or_default(),
        "rack-toml" => Rack::from_toml(text, "rack.toml").err().unwrap_or_default(),
        "model-toml" => trisect_bmv2::SwitchModel::parse(text, "model.toml")
            .err()
            .unwrap_or_default(),
        "nic-model-toml" => trisect_rte_flow::Capabilities::parse(text, "model.toml")
            .err()
            .unwrap_or_default(),
        "profile-toml" => trisect_policy::Profile::from_toml(text, "profile.toml")
            .err()
            .unwrap_or_default(),
        "plan-toml" => planned(text),
        "ir" => match trisect_ir::text::read("example.tri", text) {
            Ok(program) => broken_invariants(&program),
            Err(found) => vec![*found],
        },
        "stf" => packet_test(text),
        "bmv2" => refusals(&trisect_bmv2::Bmv2, "bmv2", text),
        "nic" => refusals(&trisect_rte_flow::RteFlow, "generic", text),
        item if item.contains('.') => configuration(item, text),
        other => panic!("no reader is called `{other}`"),
    }
}
