//! `trisect p4 run`.

use crate::{example, good, stderr, stdout, trisect};
use std::fs;

/// The arguments for the example's program and a packet test with this text.
fn run(test: &str, more: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.stf");
    fs::write(&file, test).expect("written");
    let program = example("packet-tests").join("router.p4");
    let mut arguments = vec!["p4".into(), "run".into(), program.into_os_string()];
    arguments.extend(["--stf".into(), file.into_os_string()]);
    arguments.extend(more.iter().map(std::ffi::OsString::from));
    trisect(&arguments)
}

const ROUTE: &str = "add routes ipv4.dst:0x0a****** forward(port:1, next_hop:1)\n";
const PACKET: &str = "packet 0 0200000000ff0200000000aa0800\
                      4500001400000000401100 00c00002010a010203\n";

#[test]
fn the_example_passes_on_each_engine() {
    let folder = example("packet-tests");
    let (program, test) = (folder.join("router.p4"), folder.join("router.stf"));
    let (program, test) = (program.display().to_string(), test.display().to_string());
    for (engine, named) in [
        ("both", "interpreter and JIT"),
        ("interpreter", "interpreter"),
        ("jit", "JIT"),
    ] {
        let text = good(&["p4", "run", &program, "--stf", &test, "--engine", engine]);
        assert!(text.contains(&format!("passed on {named} (")), "{text}");
    }
}

#[test]
fn a_test_that_fails_ends_with_status_1_and_says_where() {
    let test = format!("{ROUTE}{PACKET}expect 1 000000000001 0200000000fe\n");
    let output = run(&test, &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("line 3: the packet on port 1 differs (interpreter)"),
        "{text}"
    );
    assert!(
        text.contains("byte 11: digit 2 of it is f, expected is e"),
        "{text}"
    );
    assert!(
        text.contains("ethernet.src: expected 02:00:00:00:00:fe, received 02:00:00:00:00:ff"),
        "{text}"
    );

    let output = run(&test, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["passed"], false);
    assert_eq!(report["runs"][1]["engine"], "jit");
    assert_eq!(report["runs"][0]["expectations"][0]["line"], 3);
    let received = report["runs"][0]["expectations"][0]["received"]["bytes"].as_str();
    assert!(received.is_some_and(|r| r.starts_with("0000000000010200000000ff0800")));
}

#[test]
fn what_is_wrong_with_a_test_is_shown_at_its_line() {
    for (test, code, place) in [
        ("packet 0 0\n", "E0550", ":1:1"),
        ("\nadd route x:1 drop()\n", "E0551", ":2:5"),
        ("add routes ipv4.dst:1/33 drop()\n", "E0552", ":1:21"),
        ("add access ipv4.protocol:6 drop()\n", "E0553", ":1:5"),
    ] {
        let output = run(test, &[]);
        assert_eq!(output.status.code(), Some(1), "{test}");
        let text = stderr(&output);
        assert!(text.contains(code) && text.contains(place), "{text}");
        let output = run(test, &["--json"]);
        let found: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(found["errors"][0]["code"], code);
    }
}

#[test]
fn files_that_are_not_there_and_wrong_command_lines_are_refused() {
    let program = example("packet-tests")
        .join("router.p4")
        .display()
        .to_string();
    let output = trisect(&["p4", "run", &program, "--stf", "nowhere.stf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0500"), "{}", stderr(&output));
    let test = example("packet-tests")
        .join("router.stf")
        .display()
        .to_string();
    let output = trisect(&["p4", "run", "nowhere.p4", "--stf", &test]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0500"), "{}", stderr(&output));
    // A program that does not compile.
    let output = trisect(&["p4", "run", &test, "--stf", &test]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("router.stf:1:"),
        "{}",
        stderr(&output)
    );
    for arguments in [
        ["p4", "run", &program, "--engine"],
        ["p4", "run", &program, "--json"],
        ["p4", "jump", &program, "--json"],
    ] {
        assert_eq!(trisect(&arguments).status.code(), Some(2));
    }
}

/// A program that sends on what an extern function makes of the first byte.
const EXTERN: &str = "#include <core.p4>
#include <v1model.p4>
const bit<8> STEP = 2;
extern void change(inout bit<8> value, in bit<8> by);
header byte_t { bit<8> value; }
struct headers_t { byte_t one; }
struct meta_t { }
parser P(packet_in b, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    state start { b.extract(h.one); transition accept; }
}
control V(inout headers_t h, inout meta_t m) { apply { } }
control I(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    apply { change(h.one.value, 3); s.egress_spec = 1; }
}
control E(inout headers_t h, inout meta_t m, inout standard_metadata_t s) { apply { } }
control C(inout headers_t h, inout meta_t m) { apply { } }
control D(packet_out b, in headers_t h) { apply { b.emit(h.one); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
";

fn with_model(model: Option<&str>) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let program = path("test.p4", EXTERN);
    let script = path("test.stf", "packet 0 05\nexpect 1 0b $\n");
    let arguments = ["p4", "run", &program, "--stf", &script];
    match model {
        None => trisect(&arguments),
        Some(text) => {
            let model = path("model.p4", text);
            trisect(&[&arguments[..], &["--extern-model", &model]].concat())
        }
    }
}

#[test]
fn extern_functions_get_their_bodies_from_a_model() {
    // It has a helper of its own, and sees what the program declares.
    let model = "bit<8> twice(in bit<8> x) { return x * STEP; }
void change(inout bit<8> value, in bit<8> by) { value = value + twice(by); }
";
    let output = with_model(Some(model));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("passed on interpreter and JIT"));
    let wrong = model.replace("x * STEP", "x");
    let output = with_model(Some(&wrong));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("differs"), "{}", stdout(&output));
    let output = with_model(None);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("E0144") && text.contains("--extern-model"),
        "{text}"
    );
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let body = "{ value = by; }";
    let right = format!("void change(inout bit<8> value, in bit<8> by) {body}\n");
    for (model, place, says) in [
        (
            format!("void change(inout bit<16> value, in bit<8> by) {body}"),
            "model.p4:1:6",
            "extern void change(inout bit<8> value, in bit<8> by);",
        ),
        (
            format!("void change(out bit<8> value, in bit<8> by) {body}"),
            "model.p4:1:6",
            "test.p4",
        ),
        (
            format!("void chnage(inout bit<8> value, in bit<8> by) {body}"),
            "model.p4:1:6",
            "did you mean `change`?",
        ),
        (
            format!("{right}{right}"),
            "model.p4:2:6",
            "has a body already",
        ),
        (
            String::from("const bit<8> x = 1;"),
            "model.p4:1:1",
            "no extern function",
        ),
    ] {
        let output = with_model(Some(&model));
        assert_eq!(output.status.code(), Some(1), "{model}");
        let text = stderr(&output);
        assert!(text.contains("E0184"), "{text}");
        assert!(text.contains(place) && text.contains(says), "{text}");
    }
    // The model's own mistakes are shown in the model.
    let output = with_model(Some(
        "void change(inout bit<8> value, in bit<8> by) { value = b; }",
    ));
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("E0130") && text.contains("model.p4:1:57"),
        "{text}"
    );
    let output = trisect(&["p4", "check", "x.p4", "--extern-model", "nowhere.p4"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0500"), "{}", stderr(&output));
}

/// What a control plane gives a parser, ranges of signed numbers, and copies of varbits while parsing.
pub const VALUE_SETS: &str = r#"
#include <core.p4>
#include <v1model.p4>
header h_t { bit<8> kind; int<8> level; bit<8> result; }
header v_t { bit<8> n; varbit<32> v; }
struct pair_t { bit<8> kind; @match(ternary) bit<8> level; }
struct headers_t { h_t h; v_t v; v_t w; }
struct meta_t { bit<8> marked; }
parser P(packet_in b, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    value_set<bit<8>>(2) known;
    @name("pairs") value_set<pair_t>(4) others;
    state start {
        b.extract(h.h);
        m.marked = 0;
        transition select(h.h.kind, (bit<8>) h.h.level) {
            (8, 8): accept;
            others: marked;
            default: more;
        }
    }
    state marked { m.marked = 8; transition more; }
    state more {
        transition select(h.h.kind) {
            m.marked: accept;
            known: option;
            default: accept;
        }
    }
    state option {
        b.extract(h.v, 16);
        h.w.setValid();
        h.w.n = 9;
        h.w.v = h.v.v;
        transition accept;
    }
}
control V(inout headers_t h, inout meta_t m) { apply { } }
control I(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    action level(bit<8> value) { h.h.result = value | m.marked; }
    table levels { key = { h.h.level: range; } actions = { level; NoAction; } default_action = NoAction(); }
    apply {
        levels.apply();
        bit<9> port;
        hash(port, HashAlgorithm.random, 9w1, { h.h.kind }, 9w1);
        s.egress_spec = port;
    }
}
control E(inout headers_t h, inout meta_t m, inout standard_metadata_t s) { apply { } }
control C(inout headers_t h, inout meta_t m) { apply { } }
control D(packet_out b, in headers_t h) { apply { b.emit(h.h); b.emit(h.w); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"#;

#[test]
fn value_sets_are_filled_and_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, test) = (
        folder.path().join("sets.p4"),
        folder.path().join("sets.stf"),
    );
    fs::write(&program, VALUE_SETS).expect("written");
    let run = |text: &str| {
        fs::write(&test, text).expect("written");
        let (program, test) = (program.display().to_string(), test.display().to_string());
        trisect(&["p4", "run", &program, "--stf", &test])
    };
    // From -16 to 5.
    let text = "add levels 1 h.h.level:0xf0..0x05 level(value:3)
packet 0 07 fb 00 02 aabb
expect 1 07 fb 03 02 aabb $
pvs_add known 7
packet 0 07 fb 00 02 aabb cc
expect 1 07 fb 03 09 aabb cc $
packet 0 07 7f 00 02 aabb
expect 1 07 7f 00 09 aabb $
pvs_add P.pairs 0x06 0x8*
pvs_add pairs 0x07 0xf0&&&0xf0
packet 0 07 f1 00 02 aabb
expect 1 07 f1 0b 09 aabb $
packet 0 06 81 00 02 aabb
expect 1 06 81 00 02 aabb $
pvs_add known 8
packet 0 08 08 00 02 aabb
expect 1 08 08 00 02 aabb $
pvs_clear known
packet 0 07 f1 00 02 aabb
expect 1 07 f1 0b 02 aabb $
";
    let output = run(text);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    for (wrong, code) in [
        ("pvs_add unknown 1\n", "E0551"),
        ("pvs_add known 256\n", "E0552"),
        ("pvs_add known 1 2\n", "E0553"),
        ("pvs_add known 1\npvs_add known 1\n", "E0553"),
        (
            "pvs_add known 1\npvs_add known 2\npvs_add known 3\n",
            "E0553",
        ),
        ("pvs_add known 0x1*\n", "E0552"),
        ("pvs_add known\n", "E0550"),
        ("add levels 1 h.h.level:5..0xf0 level(value:3)\n", "E0552"),
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(
            stderr(&output).contains(code),
            "{wrong}: {}",
            stderr(&output)
        );
    }
}

/// What stands behind a varbit is the same in compiled code, in the passes of a program that clones, and where the
/// packet is too short for it.
#[test]
fn fields_behind_a_varbit_travel_with_their_header() {
    const PROGRAM: &str = r#"
#include <core.p4>
#include <v1model.p4>
header v_t { bit<8> n; varbit<32> v; bit<8> x; bit<16> y; }
struct headers_t { v_t v; v_t w; }
struct meta_t { }
parser P(packet_in b, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    state start { b.extract(h.v, (bit<32>) b.lookahead<bit<8>>() * 8); transition accept; }
}
control V(inout headers_t h, inout meta_t m) { apply { } }
control I(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    apply {
        s.egress_spec = h.v.isValid() ? 9w1 : 2;
        h.v.y = h.v.y + 1;
        h.w = h.v;
        h.w.x = 0xee;
        clone(CloneType.I2E, 5);
    }
}
control E(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    apply { if (s.instance_type == 1) { h.v.x = 7; } }
}
control C(inout headers_t h, inout meta_t m) { apply { } }
control D(packet_out b, in headers_t h) { apply { b.emit(h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"#;
    const TEST: &str = "mirroring_add 5 3
packet 0 02 0708 01 1234 ff
expect 3 02 0708 07 1234 ff $
expect 1 02 0708 01 1235 02 0708 ee 1235 ff $
packet 0 00 01 1234
expect 3 00 07 1234 $
expect 1 00 01 1235 00 ee 1235 $
packet 0 04 01020304 05 06
expect 3 04 01020304 05 06 $
expect 2 04 01020304 05 06 $
packet 0 05 0102030405 060708
expect 3 05 0102030405 060708 $
expect 2 05 0102030405 060708 $
";
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (program, test) = (file("tail.p4", PROGRAM), file("tail.stf", TEST));
    good(&["p4", "run", &program, "--stf", &test]);
}
