//! `trisect p4 emit`.

use crate::p4_check::files;
use crate::{example, good, stderr, stdout, trisect};
use serde_json::Value;
use std::fs;

const FORMS: [&str; 4] = ["p4", "ir", "bmv2-json", "p4info"];

fn router() -> String {
    let path = example("packet-tests").join("router.p4");
    path.display().to_string()
}

fn emitted(program: &str, form: &str) -> String {
    good(&["p4", "emit", program, "--as", form])
}

#[test]
fn printed_p4_is_the_same_program() {
    let text = emitted(&router(), "p4");
    // What it includes is part of it.
    assert!(text.contains("package V1Switch") && !text.contains("#include"));
    let (_folder, again) = files(&[("router.p4", &text)]);
    assert!(emitted(&again, "p4") == text, "printing changes the text");
    let ir = |program: &str| {
        // Assertions and drop reasons name lines of the source.
        let text = emitted(program, "ir");
        text.lines()
            .map(|line| line.split(" at ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ir(&again), ir(&router()));
}

#[test]
fn the_ir_reads_back() {
    let text = emitted(&router(), "ir");
    let program: trisect_ir::Program = text.parse().expect("it reads");
    trisect_ir::verify(&program).expect("it is right");
    assert_eq!(program.to_string(), text);
}

#[test]
fn bmv2_gets_its_json_and_p4info() {
    let json: Value = serde_json::from_str(&emitted(&router(), "bmv2-json")).expect("JSON");
    let tables: Vec<&str> = json["pipelines"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|pipeline| pipeline["tables"].as_array().into_iter().flatten())
        .filter_map(|table| table["name"].as_str())
        .collect();
    assert!(tables.iter().any(|t| t.ends_with("routes")), "{tables:?}");
    let info = emitted(&router(), "p4info");
    assert!(info.contains("pkg_info {"), "{info}");
    assert!(info.contains("routes\""), "{info}");
}

#[test]
fn a_file_gets_what_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    for form in FORMS {
        let file = folder.path().join(form);
        // What was there is replaced.
        fs::write(&file, "old").expect("written");
        let path = file.display().to_string();
        let said = good(&["p4", "emit", &router(), "--as", form, "-o", &path]);
        assert_eq!(said, "");
        let written = fs::read_to_string(&file).expect("readable");
        let printed = emitted(&router(), form);
        assert_eq!(written.trim_end(), printed.trim_end(), "{form}");
    }
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, FORMS.len(), "something else was left");
}

/// A v1model program whose ingress has these statements.
fn v1model(ingress: &str) -> String {
    format!(
        "#include <core.p4>
#include <v1model.p4>
header byte_t {{ bit<8> value; }}
struct headers_t {{ byte_t one; }}
struct meta_t {{ }}
parser P(packet_in b, out headers_t h, inout meta_t m, inout standard_metadata_t s) {{
    value_set<bit<8>>(4) known;
    state start {{ b.extract(h.one); transition select(h.one.value) {{ known: accept; default: accept; }} }}
}}
control V(inout headers_t h, inout meta_t m) {{ apply {{ }} }}
control I(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {{ apply {{ {ingress} }} }}
control E(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {{ apply {{ }} }}
control C(inout headers_t h, inout meta_t m) {{ apply {{ }} }}
control D(packet_out b, in headers_t h) {{ apply {{ b.emit(h.one); }} }}
V1Switch(P(), V(), I(), E(), C(), D()) main;
"
    )
}

#[test]
fn what_cannot_be_had_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("out");
    let path = file.display().to_string();
    let clones = v1model("clone(CloneType.I2E, 5);");
    for (text, form, code) in [
        ("const bit<8> a = ;", "p4", "E0120"),
        ("const bit<8> a = b;", "ir", "E0130"),
        ("const bit<8> a = 1;", "ir", "E0143"),
        ("const bit<8> a = 1;", "bmv2-json", "E0143"),
        ("const bit<8> a = 1;", "p4info", "E0143"),
        // More than one pass.
        (&clones, "bmv2-json", "E0182"),
        (&clones, "p4info", "E0182"),
    ] {
        let (_folder, program) = files(&[("test.p4", text)]);
        for before in [None, Some("old")] {
            match before {
                None => drop(fs::remove_file(&file)),
                Some(text) => fs::write(&file, text).expect("written"),
            }
            let output = trisect(&["p4", "emit", &program, "--as", form, "-o", &path]);
            assert_eq!(output.status.code(), Some(1), "{text} as {form}");
            assert!(stderr(&output).contains(code), "{}", stderr(&output));
            assert_eq!(stdout(&output), "");
            assert_eq!(fs::read_to_string(&file).ok().as_deref(), before);
        }
    }
    // All of it is one program in the IR.
    let (_folder, program) = files(&[("test.p4", &clones)]);
    assert!(emitted(&program, "ir").contains("program test\n"));
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    for place in [
        folder.path().join("no/such/file"),
        folder.path().to_path_buf(),
    ] {
        let place = place.display().to_string();
        let output = trisect(&["p4", "emit", &router(), "--as", "ir", "-o", &place]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("E0504"), "{}", stderr(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let output = trisect(&["p4", "emit", &router(), "--as", "wasm"]);
    assert_eq!(output.status.code(), Some(2));
    let output = trisect(&["p4", "emit", "nowhere.p4", "--as", "p4"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0500"), "{}", stderr(&output));
}

#[test]
fn warnings_are_said_where_a_program_is_compiled() {
    let text = v1model("s.egress_spec = 1;");
    let text = text.replace(
        "default: accept; } }",
        "default: accept; } }\n    state lost { transition accept; }",
    );
    let (folder, program) = files(&[("test.p4", &text)]);
    let output = trisect(&["p4", "emit", &program, "--as", "ir"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stderr(&output);
    assert!(text.contains("warning[E0160]"), "{text}");
    assert!(text.contains("test.p4:9:11"), "{text}");

    let rack = example("v1model").join("rack.toml").display().to_string();
    let out = folder.path().join("build").display().to_string();
    let output = trisect(&["compile", "--p4", &program, "--rack", &rack, "-o", &out]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stderr(&output);
    assert_eq!(
        text.matches("no way leads to the state `lost`").count(),
        1,
        "{text}"
    );
}
