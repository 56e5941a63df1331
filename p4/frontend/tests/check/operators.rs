//! Operators, conversions and literals.

use super::{body, message, right, wrong};

#[test]
fn nothing_is_converted_but_numbers_without_width() {
    right(&body("v = 1; w = 1 + w; i = -1;"));
    wrong(&body("w = v;"), &[("E0133", "v")]);
    wrong(&body("v = i;"), &[("E0133", "i")]);
    wrong(&body("v = t;"), &[("E0132", "t")]);
    wrong(&body("t = v + w == 0;"), &[("E0133", "v + w")]);
    assert!(message(&body("w = v;")).contains("cast it: (bit<16>) ..."));
    assert!(message(&body("if (v) { }")).contains("compare it with a number"));
}

#[test]
fn casts_change_width_or_sign_but_not_both() {
    right(&body(
        "w = (bit<16>) v; v = (bit<8>) i; t = (bool) v[0:0]; v = (bit<8>) (int<8>) 5;",
    ));
    wrong(&body("w = (bit<16>) i;"), &[("E0170", "(bit<16>) i")]);
    wrong(&body("v = (bit<8>) t;"), &[("E0170", "(bit<8>) t")]);
}

#[test]
fn a_named_type_is_cast_to_what_it_is_made_of_only() {
    let top = "type bit<8> Port; type Port Door; ";
    right(&(top.to_owned() + "const Port p = (Port) 8w1; const Door d = (Door) p;"));
    right(&(top.to_owned() + "const Port p = (Port) 1; const bit<8> b = (bit<8>) p;"));
    wrong(
        &(top.to_owned() + "const Port p = 8w1;"),
        &[("E0132", "8w1")],
    );
    wrong(
        &(top.to_owned() + "const Port p = (Port) 16w1;"),
        &[("E0170", "(Port) 16w1")],
    );
    let sum = top.to_owned() + "const Port p = (Port) 1; const Port q = p + p;";
    wrong(&sum, &[("E0132", "p + p")]);
}

#[test]
fn enums_with_underlying_type_are_numbers_one_way() {
    let top = "enum bit<8> E { A = 1 } enum N { A } ";
    right(
        &(top.to_owned() + "const bit<8> a = E.A; const bit<8> b = E.A + 1; const E e = (E) 8w1;"),
    );
    wrong(&(top.to_owned() + "const E e = 1;"), &[("E0132", "1")]);
    wrong(
        &(top.to_owned() + "const bit<8> a = N.A;"),
        &[("E0132", "N.A")],
    );
    wrong(
        &(top.to_owned() + "const bool a = N.A < N.A;"),
        &[("E0132", "N.A < N.A")],
    );
}

#[test]
fn shifts_go_by_unsigned_amounts() {
    right(&body(
        "v = v << w; i = i >> 2; v = v >> (bit<4>) 3; w = w << 8w1;",
    ));
    wrong(&body("v = v << i;"), &[("E0132", "i")]);
    wrong(&body("v = v << -1;"), &[("E0172", "-1")]);
    wrong(&body("w = (bit<16>) (1 << v);"), &[("E0132", "1")]);
}

#[test]
fn division_is_for_what_is_not_negative() {
    right(&body("v = v / 3; v = v % 2;"));
    wrong(&body("v = v / 0;"), &[("E0172", "v / 0")]);
    wrong(&body("v = v / -1;"), &[("E0172", "-1")]);
    wrong(&body("i = i / 2;"), &[("E0132", "i / 2")]);
}

#[test]
fn joining_needs_widths() {
    right(&body("w = v ++ v; w = 8w1 ++ v;"));
    wrong(&body("w = v ++ 1;"), &[("E0132", "v ++ 1")]);
    right("const string s = \"a\" ++ \"b\";");
    wrong("const string s = \"a\" ++ 1;", &[("E0132", "\"a\" ++ 1")]);
}

#[test]
fn slices_lie_within_the_value() {
    right(&body("v = w[15:8]; w[7:0] = v; v[3:0] = 4w1;"));
    wrong(&body("v = v[8:1];"), &[("E0133", "8")]);
    wrong(&body("v = (bit<8>) w[0:3];"), &[("E0133", "0:3")]);
    wrong(&body("v = w[v:0];"), &[("E0135", "v")]);
    wrong(&body("v = 5[3:0] ++ 4w0;"), &[("E0132", "5")]);
}

#[test]
fn whole_structs_and_headers_are_compared() {
    right(&body(
        "t = h == h; t = s == { 1, true }; t = { x = 1, y = true } == s; t = stack == stack;",
    ));
    right(&body("t = h == (H) {#};"));
    wrong(&body("t = h == s;"), &[("E0132", "h == s")]);
    wrong(&body("t = h < h;"), &[("E0132", "h < h")]);
}

#[test]
fn lists_and_structs_take_the_type_of_their_place() {
    right(&body(
        "h = { 1, 2 }; s = { x = 1, y = t }; s = { y = t, x = v }; s = { 1, ... }; h = {#};",
    ));
    right(&body("tuple<bit<8>, bool> p = { 1, true }; v = p[0];"));
    wrong(&body("h = { 1 };"), &[("E0134", "{ 1 }")]);
    wrong(&body("h = { 1, true };"), &[("E0132", "true")]);
    wrong(&body("s = { x = 1 };"), &[("E0134", "{ x = 1 }")]);
    wrong(&body("s = { x = 1, z = true };"), &[("E0130", "z")]);
    wrong(&body("s = {#};"), &[("E0132", "{#}")]);
    wrong(&body("v = { 1 };"), &[("E0132", "{ 1 }")]);
}

#[test]
fn conditions_are_bool_and_branches_agree() {
    right(&body("v = t ? 1 : v; v = t ? 8w1 : 2;"));
    wrong(&body("v = v ? 1 : 2;"), &[("E0132", "v")]);
    wrong(&body("bit<16> x = (t ? v : w);"), &[("E0133", "v")]);
    wrong(&body("t = !v;"), &[("E0132", "v")]);
    wrong(&body("t = v && t;"), &[("E0132", "v")]);
}

#[test]
fn stacks_are_indexed_within_their_size() {
    right(&body(
        "h = stack[3]; h = stack[v]; v = (bit<8>) stack.size; stack.push_front(1);",
    ));
    wrong(&body("h = stack[4];"), &[("E0140", "4")]);
    wrong(&body("h = stack.next;"), &[("E0123", "next")]);
    wrong(&body("stack.pop_front(v);"), &[("E0135", "v")]);
    wrong(&body("h = h[0];"), &[("E0132", "h")]);
}

#[test]
fn a_number_without_width_is_of_a_named_type_where_one_is_needed() {
    let top = "type bit<9> Port; const Port p = 5; control C(in Port q, out bool t) { apply { t = q == 3; } }";
    right(top);
    wrong(
        "type bit<9> Port; const Port p = 5; const Port q = p + 1;",
        &[("E0132", "p + 1")],
    );
}
