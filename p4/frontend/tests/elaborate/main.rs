//! Elaboration: what is refused and how it is said, and the language beyond the library.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod blocks;
mod loops;
mod order;
mod shapes;
mod story;

use trisect_interp::{Interpreter, Outcome, Packet, reason_text};
use trisect_ir::diag::Diagnostic;
use trisect_p4::{Options, compile_str};

/// A PNA program around the body of a control.
fn pna(locals: &str, apply: &str) -> String {
    format!(
        "#include <core.p4>\n#include <pna.p4>\n#include <trisect.p4>\n\
         struct metadata_t {{ bit<8> a; bit<16> b; }}\n#include <trisect/std.p4>\n\
         control C(inout headers_t hdr, inout metadata_t meta, in pna_main_input_metadata_t istd,\n\
         inout pna_main_output_metadata_t ostd) {{\n{locals}\napply {{\n{apply}\n}} }}\n\
         PNA_NIC(StdParser(), StdPreControl(), C(), StdDeparser()) main;\n"
    )
}

fn errors(locals: &str, apply: &str) -> Vec<Diagnostic> {
    match compile_str("t.p4", &pna(locals, apply), &Options::default()) {
        Ok(program) => panic!("compiled:\n{program}"),
        Err(found) => found,
    }
}

/// The single error, as `code message; help`, and the text it points at.
fn refused(locals: &str, apply: &str) -> (String, String) {
    let found = errors(locals, apply);
    assert_eq!(found.len(), 1, "{found:#?}");
    let text = pna(locals, apply);
    (
        format!("{} {}", found[0].code, found[0].message),
        found[0].span.text(&text).to_owned(),
    )
}

#[test]
fn unknown_names_come_with_a_proposal() {
    let found = errors("", "hdr.ipv4.tll = 3;");
    assert_eq!(found[0].code.0, 130);
    assert_eq!(found[0].help, "did you mean `ttl`?");
    let found = errors("", "metta.a = 3;");
    assert_eq!(found[0].help, "did you mean `meta`?");
    assert_eq!(
        refused("", "frobnicate();"),
        (
            "E0130 `frobnicate` is not declared".to_owned(),
            "frobnicate".to_owned()
        )
    );
}

#[test]
fn widths_must_agree() {
    assert_eq!(
        refused("", "meta.b = meta.a;"),
        (
            "E0133 `bit<16>` is needed, this is `bit<8>`".to_owned(),
            "meta.a".to_owned()
        )
    );
    let (message, _) = refused("", "if (meta.a == meta.b) { }");
    assert!(
        message.starts_with("E0133 `==` needs operands of one type"),
        "{message}"
    );
    let found = errors("", "meta.a = hdr.ipv4.src[40:33];");
    assert_eq!(found[0].message, "there is no bit 40 in a value of 32 bits");
}

#[test]
fn all_errors_are_reported() {
    let found = errors("", "meta.b = meta.a; hdr.nope.x = 1; meta.a = true;");
    let codes: Vec<u16> = found.iter().map(|d| d.code.0).collect();
    assert_eq!(codes, [133, 130, 132]);
}

#[test]
fn entries_are_added_for_exact_keys_only() {
    let lpm = "action hit() {} action miss() { add_entry(\"hit\", {}, (ExpireTimeProfileId_t) 0); }
        table t { key = { meta.a: lpm; } actions = { hit; miss; } default_action = miss;
        add_on_miss = true; }";
    assert_eq!(
        refused(lpm, "t.apply();").0,
        "E0137 a table with add_on_miss needs exact keys"
    );
}

#[test]
fn arguments_are_checked() {
    let action = "action set(in bit<8> x) { meta.a = x; }";
    assert_eq!(
        refused(action, "set();").0,
        "E0134 `set` takes 1 argument, 0 are given"
    );
    assert!(refused(action, "set(meta.b);").0.starts_with("E0133"));
}

#[test]
fn what_cannot_be_written_is_refused() {
    assert!(
        refused("", "istd.input_port = (PortId_t) 3;")
            .0
            .starts_with("E0136")
    );
    assert!(
        refused("const bit<8> K = 3;", "K = 4;")
            .0
            .starts_with("E0136")
    );
}

#[test]
fn a_program_needs_a_main_and_a_known_architecture() {
    let code = |text: &str| match compile_str("t.p4", text, &Options::default()) {
        Ok(_) => 0,
        Err(found) => found[0].code.0,
    };
    assert_eq!(code("#include <core.p4>\n"), 143);
    assert_eq!(code("#include <core.p4>\npackage P();\nP() main;\n"), 142);
}

/// Runs one frame through a control and returns `meta.b` at the end.
fn result(locals: &str, apply: &str) -> u64 {
    let source = pna(locals, apply);
    let program = match compile_str("t.p4", &source, &Options::default()) {
        Ok(program) => program,
        Err(found) => panic!("{}", found[0].render(&source)),
    };
    trisect_ir::verify(&program).expect("valid");
    let meta = program.meta_named("meta.b").expect("meta.b is used");
    let outcome = Interpreter::new(&program).run(Packet::new(7, 0, [0u8; 64]));
    outcome.metadata()[meta].low_u64()
}

#[test]
fn expressions_mean_what_the_specification_says() {
    for (expression, value) in [
        ("16w5 - 16w7", 0xfffe),
        ("(16w5 |-| 16w7) + 1", 1),
        ("16w0xfff0 |+| 16w0x20", 0xffff),
        ("8w0x12 ++ 8w0x34", 0x1234),
        ("(bit<16>) 8w0xff << 4", 0xff0),
        ("16w0xabcd[11:4] ++ 8w0", 0xbc00),
        ("(bit<16>)(int<16>)(int<8>) 8w0x80", 0xff80),
        ("true && false ? 16w1 : 2", 2),
        ("(bit<16>) (bit<32>) istd.input_port", 7),
        ("1 << 3 + 1", 16),
        ("~16w0", 0xffff),
    ] {
        assert_eq!(
            result("", &format!("meta.b = {expression};")),
            value,
            "{expression}"
        );
    }
}

#[test]
fn control_flow() {
    assert_eq!(result("", "meta.b = 1; return; meta.b = 2;"), 1);
    assert_eq!(
        result("", "if (meta.a == 0) { exit; } meta.b = 2;  meta.b = 3;"),
        0
    );
    assert_eq!(
        result(
            "",
            "meta.b = 5; switch (meta.b) { 4: { meta.b = 1; } 5: 6: { meta.b = 2; } default: { meta.b = 3; } }"
        ),
        2
    );
    let table = "action yes() { meta.b = 9; } action no() { meta.b = meta.b + 1; }
        table t { key = { meta.a: exact; } actions = { yes; no; } const default_action = no;
        const entries = { 1: yes(); } }";
    assert_eq!(result(table, "meta.a = 1; t.apply();"), 9);
    assert_eq!(
        result(table, "if (!t.apply().hit) { meta.b = meta.b + 10; }"),
        11
    );
    assert_eq!(
        result(table, "bool h = t.apply().hit; if (h) meta.b = 0;"),
        1
    );
    assert_eq!(
        result(
            table,
            "switch (t.apply().action_run) { yes: { meta.b = 0; } no: { meta.b = meta.b + 5; } }"
        ),
        6
    );
}

#[test]
fn inlining_of_actions_and_early_returns() {
    let action = "action pick(in bit<8> x, out bit<16> y) {
        if (x == 0) { y = 1; return; }
        y = 2;
    }";
    assert_eq!(result(action, "pick(meta.a, meta.b);"), 1);
    assert_eq!(result(action, "meta.a = 4; pick(meta.a, meta.b);"), 2);
}

#[test]
fn registers_and_stacks() {
    let register = "Register<bit<16>, bit<8>>(4, 5) r;";
    assert_eq!(
        result(
            register,
            "bit<16> x = r.read(2); r.write(2, x + 1); meta.b = r.read(2) + r.read(9);"
        ),
        6
    );
    assert_eq!(
        result(
            "",
            "hdr.vlan[0].setValid(); hdr.vlan[0].vid = 7; hdr.vlan.push_front(1);
            meta.b = (bit<16>) hdr.vlan[1].vid + (hdr.vlan[0].isValid() ? 16w100 : 0);"
        ),
        7
    );
}

const ROUTER: &str = "
#include <v1model.p4>
header ethernet_t { bit<48> dst; bit<48> src; bit<16> type; }
header ipv4_t { bit<4> version; bit<4> ihl; bit<8> tos; bit<16> length; bit<16> id;
    bit<16> fragment; bit<8> ttl; bit<8> protocol; bit<16> checksum; bit<32> src; bit<32> dst; }
struct headers { ethernet_t ethernet; ipv4_t ipv4; }
struct metadata { }
parser P(packet_in b, out headers hdr, inout metadata m, inout standard_metadata_t s) {
    state start { b.extract(hdr.ethernet); transition select(hdr.ethernet.type) {
        0x800: ipv4; default: accept; } }
    state ipv4 { b.extract(hdr.ipv4); transition accept; }
}
control V(inout headers hdr, inout metadata m) { apply {
    verify_checksum(hdr.ipv4.isValid(), {hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos,
        hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.fragment, hdr.ipv4.ttl, hdr.ipv4.protocol,
        hdr.ipv4.src, hdr.ipv4.dst}, hdr.ipv4.checksum, HashAlgorithm.csum16); } }
control I(inout headers hdr, inout metadata m, inout standard_metadata_t s) {
    direct_counter(CounterType.packets) hits;
    action drop() { mark_to_drop(s); }
    action forward(bit<9> port) { s.egress_spec = port; hdr.ipv4.ttl = hdr.ipv4.ttl - 1; }
    table routes { key = { hdr.ipv4.dst: lpm; } actions = { forward; drop; }
        default_action = drop(); counters = hits;
        const entries = { 0x0a000000 &&& 0xff000000: forward(3); } }
    apply { if (s.checksum_error == 1) { drop(); } else { routes.apply(); } }
}
control E(inout headers hdr, inout metadata m, inout standard_metadata_t s) { apply { } }
control C(inout headers hdr, inout metadata m) { apply {
    update_checksum(hdr.ipv4.isValid(), {hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos,
        hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.fragment, hdr.ipv4.ttl, hdr.ipv4.protocol,
        hdr.ipv4.src, hdr.ipv4.dst}, hdr.ipv4.checksum, HashAlgorithm.csum16); } }
control D(packet_out b, in headers hdr) { apply { b.emit(hdr.ethernet); b.emit(hdr.ipv4); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
";

#[test]
fn a_v1model_router_routes() {
    let program = match compile_str("router.p4", ROUTER, &Options::default()) {
        Ok(program) => program,
        Err(found) => panic!("{}", found[0].render(ROUTER)),
    };
    trisect_ir::verify(&program).expect("valid");
    let mut nf = Interpreter::new(&program);
    let mut frame = [
        &[2u8; 12][..],
        &[8, 0, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0],
    ]
    .concat();
    frame.extend([192, 0, 2, 1, 10, 0, 0, 1]);
    let sum = !trisect_ir::hash::ones_sum(0, &frame[14..]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let Outcome::Emit { port, bytes, .. } = nf.run(Packet::new(1, 0, frame.clone())) else {
        panic!("dropped");
    };
    assert_eq!((port, bytes[22]), (3, 63));
    assert_eq!(trisect_ir::hash::ones_sum(0, &bytes[14..]), 0xffff);
    assert_eq!(nf.state(0).counters["I.hits"].len(), 1);
    // Another destination, with the old checksum and with the right one: both are dropped by `drop`.
    frame[30] = 11;
    for _ in 0..2 {
        let Outcome::Drop { reason, .. } = nf.run(Packet::new(1, 0, frame.clone())) else {
            panic!("sent");
        };
        assert_eq!(reason_text(&program, reason), "I.drop");
        frame[24..26].copy_from_slice(&[0, 0]);
        let sum = !trisect_ir::hash::ones_sum(0, &frame[14..]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
}
