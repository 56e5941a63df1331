//! Loops, `break`, `continue`, `return` and `exit`.

use crate::story::{Story, run};

#[test]
fn a_loop_with_known_bounds_runs_its_turns() {
    let apply = "for (bit<8> i = 0; i < 5; i = i + 1) { hdr.h.b = hdr.h.b + i; }";
    assert_eq!(run("", "", apply, [0; 4]), [0, 10, 0, 0]);
    let apply = "for (bit<8> i in 1 .. 4) { hdr.h.b = hdr.h.b * 10 + i; }";
    assert_eq!(run("", "", apply, [0; 4])[1], (1234 % 256) as u8);
    let apply = "for (bit<8> i in (list<bit<8>>) {7, 1, 3}) { hdr.h.b = hdr.h.b * 10 + i; }";
    assert_eq!(run("", "", apply, [0; 4])[1], (713 % 256) as u8);
}

#[test]
fn a_loop_with_bounds_of_the_packet_runs_as_often_as_the_packet_says() {
    let up = "for (bit<8> i = 0; i < hdr.h.a; i = i + 1) { hdr.h.b = hdr.h.b + 1; }";
    for a in [0, 1, 7, 255] {
        assert_eq!(run("", "", up, [a, 0, 0, 0])[1], a);
    }
    let between = "for (bit<4> i in hdr.h.a[3:0] .. hdr.h.b[3:0]) { hdr.h.c = hdr.h.c + 1; }";
    assert_eq!(run("", "", between, [3, 9, 0, 0])[2], 7);
    assert_eq!(run("", "", between, [9, 3, 0, 0])[2], 0);
    assert_eq!(run("", "", between, [0, 15, 0, 0])[2], 16);
}

#[test]
fn break_and_continue_in_control_and_action() {
    let body = "for (bit<8> i = 0; i < 10; i = i + 1) {
        if (i == hdr.h.a) { break; } if (i[0:0] == 1) { continue; } hdr.h.b = hdr.h.b + i; }
        hdr.h.c = 1;";
    let action = format!("action f() {{ {body} }}");
    for (a, b) in [(0, 0), (3, 2), (6, 6), (20, 20)] {
        assert_eq!(run("", "", body, [a, 0, 0, 0]), [a, b, 1, 0]);
        assert_eq!(run("", &action, "f();", [a, 0, 0, 0]), [a, b, 1, 0]);
    }
}

#[test]
fn return_leaves_a_function_from_within_loops() {
    let top = "bit<8> find(in bit<8> n) { for (bit<8> i in 0 .. 20) { for (bit<8> j in 0 .. 3) {
        if (i * 4 + j == n) { return i; } } } return 99; }";
    assert_eq!(
        run(top, "", "hdr.h.b = find(hdr.h.a);", [17, 0, 0, 0])[1],
        4
    );
    assert_eq!(
        run(top, "", "hdr.h.b = find(hdr.h.a);", [200, 0, 0, 0])[1],
        99
    );
}

#[test]
fn many_turns_in_an_action_do_not_nest() {
    let locals = "action f() { for (bit<16> i = 0; i < 2000; i = i + 1) {
        if (hdr.h.a == 0) { break; } hdr.h.a = hdr.h.a - 1; hdr.h.b = hdr.h.b + 1; } }";
    assert_eq!(run("", locals, "f();", [200, 0, 0, 0]), [0, 200, 0, 0]);
}

#[test]
fn loops_without_bounds_are_refused() {
    let story = Story {
        apply: "for (bit<32> i = 0; i < hdr.h.a ++ 24w0; i = i + 1) { hdr.h.b = hdr.h.b + 1; }",
        ..Story::default()
    };
    assert_eq!(story.refused(), "E0141");
}

#[test]
fn exit_in_a_table_s_action_ends_the_control_after_the_table() {
    let locals = "action stop() { hdr.h.b = 1; exit; } action maybe() { if (hdr.h.c == 1) { exit; } hdr.h.b = 2; }
        action go() { }
        table t { key = { hdr.h.a: exact; } actions = { stop; maybe; go; } default_action = go();
            const entries = { 1: stop(); 2: maybe(); } }";
    let apply = "if (t.apply().hit) { hdr.h.d = hdr.h.d + 1; } hdr.h.d = hdr.h.d + 10;";
    for (packet, sent) in [
        ([0, 0, 0, 0], [0, 0, 0, 10]),
        ([1, 0, 0, 0], [1, 1, 0, 0]),
        ([2, 0, 0, 0], [2, 2, 0, 11]),
        ([2, 0, 1, 0], [2, 0, 1, 0]),
    ] {
        assert_eq!(run("", locals, apply, packet), sent);
    }
}
