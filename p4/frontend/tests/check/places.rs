//! What can be written to, and statements.

use super::{body, right, wrong};

#[test]
fn only_variables_and_their_parts_are_written_to() {
    right(&body(
        "written = 1; h.a = 1; s.y = true; stack[1].b = 2; v[3:0] = 1; h = stack[0];",
    ));
    wrong(&body("read = 1;"), &[("E0136", "read")]);
    wrong(&body("const bit<8> k = 1; k = 2;"), &[("E0136", "k")]);
    wrong(&body("h.isValid() = true;"), &[("E0123", "h.isValid()")]);
    wrong(
        "control C() { action a(bit<8> data) { data = 1; } apply { } }",
        &[("E0136", "data")],
    );
}

#[test]
fn compound_assignments_are_operations() {
    right(&body("v += 1; w <<= 2; v |+|= 200; v &= read;"));
    wrong(&body("v += w;"), &[("E0133", "v += w;")]);
    wrong(&body("read += 1;"), &[("E0136", "read")]);
    wrong(&body("t += 1;"), &[("E0132", "t += 1;")]);
}

#[test]
fn variables_hold_what_exists_at_run_time() {
    wrong(&body("int x = 1;"), &[("E0132", "int")]);
    wrong(&body("string x;"), &[("E0132", "string")]);
}

#[test]
fn switch_labels_are_constants_of_the_type() {
    right(&body(
        "switch (v) { 1: { w = 1; } 2: 3: { w = 2; } default: { w = 3; } }",
    ));
    wrong(&body("switch (v) { true: { } }"), &[("E0132", "true")]);
    wrong(&body("switch (v) { read: { } }"), &[("E0135", "read")]);
    wrong(&body("switch (h) { 1: { } }"), &[("E0132", "h")]);
}

#[test]
fn loops_go_over_ranges_lists_and_stacks() {
    right(&body(
        "for (bit<8> n in 1 .. 5) { v = v + n; } for (H x in stack) { v = x.a; }",
    ));
    right(&body(
        "for (bit<8> n = 0; n < 4; n = n + 1) { if (n == 2) { continue; } break; }",
    ));
    wrong(
        &body("for (bit<8> n in true .. 5) { }"),
        &[("E0132", "true")],
    );
    wrong(&body("for (bit<8> n in stack) { }"), &[("E0132", "stack")]);
    wrong(
        &body("for (bit<8> n = 0; n; n = n + 1) { }"),
        &[("E0132", "n")],
    );
}
