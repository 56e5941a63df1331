//! Parsers, deparsers, tables and instances.

use crate::story::{Story, run};

#[test]
fn a_parser_may_branch_assign_and_call() {
    let story = Story {
        top: "header e_t { bit<8> v; } bit<8> twice(in bit<8> x) { return x + x; }
            parser Sub(packet_in pkt, out e_t e, inout bit<8> sum) { bit<8> own = 3;
                state start { pkt.extract(e); sum = sum + e.v + own; own = 100;
                    transition select(e.v) { 0: reject; default: accept; } } }",
        headers: "e_t e; e_t f;",
        parser_locals: "bit<8> n = 1; Sub() sub;",
        states: "state start { pkt.extract(hdr.h); if (hdr.h.a == 1) { n = twice(hdr.h.b); } else { n = n + 1; }
            if (hdr.h.c == 1) { sub.apply(pkt, hdr.e, n); sub.apply(pkt, hdr.f, n); } meta.x = n; transition accept; }",
        apply: "hdr.h.d = meta.x;",
        ..Story::default()
    };
    assert_eq!(story.send(&[1, 7, 0, 0]), [1, 7, 0, 14]);
    assert_eq!(story.send(&[0, 7, 0, 0]), [0, 7, 0, 2]);
    assert_eq!(story.send(&[0, 0, 1, 0, 10, 20]), [0, 0, 1, 38, 10, 20]);
    // The second call rejects: what it gave is not copied out, and x is never assigned.
    assert_eq!(story.send(&[0, 0, 1, 0, 10, 0]), [0, 0, 1, 0, 10]);
}

#[test]
fn a_parser_looks_ahead_skips_and_verifies() {
    let story = Story {
        top: "error { Odd } header e_t { bit<8> v; }",
        headers: "e_t e;",
        states: "state start { bit<16> ahead = pkt.lookahead<bit<16>>(); pkt.extract(hdr.h); meta.z = ahead;
            pkt.extract<e_t>(_); pkt.advance(8); verify(hdr.h.a[0:0] == 0, error.Odd); pkt.extract(hdr.e);
            transition accept; }",
        apply: "hdr.h.c = meta.z[7:0]; hdr.h.d = std.parser_error == error.Odd ? 8w1 : 0;",
        ..Story::default()
    };
    assert_eq!(story.send(&[2, 9, 0, 0, 5, 6, 7, 8]), [2, 9, 9, 0, 7, 8]);
    assert_eq!(story.send(&[3, 9, 0, 0, 5, 6, 7, 8]), [3, 9, 9, 1, 7, 8]);
}

#[test]
fn select_takes_tuples_masks_ranges_and_values_of_the_packet() {
    let story = Story {
        states: "state start { pkt.extract(hdr.h); transition select(hdr.h.a, {hdr.h.b, hdr.h.c}) {
            (1, {2, 3}): one; (0x10 &&& 0xf0, _): two; (5 .. 7, _): three; default: accept; } }
            state one { meta.x = 1; transition accept; } state two { meta.x = 2; transition accept; }
            state three { meta.x = 3; transition accept; }",
        apply: "hdr.h.d = meta.x;",
        ..Story::default()
    };
    for (packet, x) in [
        ([1, 2, 3], 1),
        ([1, 2, 4], 0),
        ([0x1f, 0, 0], 2),
        ([6, 0, 0], 3),
        ([8, 0, 0], 0),
    ] {
        assert_eq!(story.send(&[packet[0], packet[1], packet[2], 9])[3], x);
    }
}

#[test]
fn a_loop_over_options_stays_a_loop() {
    let story = Story {
        top: "header e_t { bit<8> v; }",
        headers: "e_t e;",
        states: "state start { pkt.extract(hdr.h); transition options; }
            state options { pkt.extract(hdr.e); meta.x = meta.x + 1;
                transition select(hdr.e.v) { 0: accept; default: options; } }",
        apply: "hdr.h.a = meta.x; hdr.e.setInvalid();",
        ..Story::default()
    };
    assert!(story.program().parser.states.len() <= 3);
    assert_eq!(story.send(&[0, 0, 0, 0, 1, 2, 3, 0]), [4, 0, 0, 0]);
    let endless = Story {
        states: "state start { transition select(meta.x) { 0: start; default: accept; } }",
        ..Story::default()
    };
    assert_eq!(endless.refused(), "E0139");
}

#[test]
fn a_deparser_emits_conditionally_and_repeatedly() {
    let story = Story {
        deparse: "h_t t = hdr.h; t.a = 9; pkt.emit(t); if (hdr.h.b == 1) { pkt.emit(hdr.h); } else { pkt.emit(t); }
            pkt.emit(hdr.h); t.a = 10;",
        ..Story::default()
    };
    assert_eq!(
        story.send(&[1, 1, 0, 0]),
        [9, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]
    );
    assert_eq!(
        story.send(&[1, 2, 0, 0]),
        [9, 2, 0, 0, 9, 2, 0, 0, 1, 2, 0, 0]
    );
}

#[test]
fn a_table_is_applied_at_several_places() {
    let locals = "action add(bit<8> x) { hdr.h.b = hdr.h.b + x; }
        table t { key = { hdr.h.a: exact; } actions = { add; @defaultonly NoAction; } const default_action = NoAction();
            const entries = { 1: add(10); 2: add(20); } }";
    let apply = "t.apply(); hdr.h.a = hdr.h.a + 1; if (t.apply().hit) { hdr.h.c = 1; } bool h = t.apply().miss;";
    assert_eq!(run("", locals, apply, [1, 0, 0, 0]), [2, 50, 1, 0]);
}

#[test]
fn entries_win_by_priority_or_by_order() {
    let table = |entries: &str| {
        format!(
            "action set(bit<8> x) {{ hdr.h.b = x; }}
            table t {{ key = {{ hdr.h.a: ternary; }} actions = {{ set; }} default_action = set(0); {entries} }}"
        )
    };
    let order = table("const entries = { 0x10 &&& 0xf0: set(1); 0x11: set(2); _: set(3); }");
    assert_eq!(run("", &order, "t.apply();", [0x11, 0, 0, 0])[1], 1);
    let largest = table(
        "entries = { const priority = 1: 0x10 &&& 0xf0: set(1); priority = 9: 0x11: set(2); }",
    );
    assert_eq!(run("", &largest, "t.apply();", [0x11, 0, 0, 0])[1], 2);
    let smallest = table(
        "largest_priority_wins = false; entries = { priority = 1: 0x10 &&& 0xf0: set(1); priority = 9: 0x11: set(2); }",
    );
    assert_eq!(run("", &smallest, "t.apply();", [0x11, 0, 0, 0])[1], 1);
}

#[test]
fn each_instance_has_tables_and_constants_of_its_own() {
    let top = "control C(inout h_t h)(bit<8> n) {
        action set() { h.b = h.b + n; }
        table t { key = { h.a: exact; } actions = { set; } default_action = set(); }
        apply { t.apply(); } }";
    let story = Story {
        top,
        locals: "C(10) one; @name(\"deux\") C(20) two; @name(\".trois\") C(30) three;",
        apply: "one.apply(hdr.h); two.apply(hdr.h); three.apply(hdr.h); two.apply(hdr.h);",
        ..Story::default()
    };
    assert_eq!(story.send(&[1, 0, 0, 0]), [1, 80, 0, 0]);
    let program = story.program();
    let names: Vec<&str> = program.tables.values().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["I.one.t", "I.deux.t", "trois.t"]);
}

#[test]
fn actions_of_tables_take_arguments_of_the_program() {
    let locals = "action f(inout bit<8> x, in bit<8> y, bit<8> z) { x = x + y + z; }
        table t { key = { hdr.h.a: exact; } actions = { f(hdr.h.b, hdr.h.c); } default_action = f(hdr.h.b, hdr.h.c, 1);
            const entries = { 1: f(hdr.h.b, hdr.h.c, 100); } }";
    assert_eq!(run("", locals, "t.apply();", [1, 2, 3, 0]), [1, 105, 3, 0]);
    assert_eq!(run("", locals, "t.apply();", [0, 2, 3, 0]), [0, 6, 3, 0]);
}

#[test]
fn keys_are_any_expressions() {
    let top = "bit<8> twice(in bit<8> x) { return x << 1; }";
    let locals = "action hit() { hdr.h.d = 1; }
        table t { key = { twice(hdr.h.a): exact @name(\"twice\"); hdr.h.isValid(): exact; hdr.h.b[7:4]: ternary; hdr.h.c & 3: exact; }
            actions = { hit; NoAction; } default_action = NoAction();
            const entries = { (6, true, 0xf &&& 0xc, 1): hit(); } }";
    assert_eq!(run(top, locals, "t.apply();", [3, 0xd0, 5, 0])[3], 1);
    assert_eq!(run(top, locals, "t.apply();", [3, 0x10, 5, 0])[3], 0);
}
