//! Evaluation order, copy-in and copy-out (specification 6.8 and 8).

use crate::story::run;

/// A function with an effect: counts in its argument and gives the old value.
const TAKE: &str = "bit<8> take(inout bit<8> x) { bit<8> old = x; x = x + 1; return old; }";

#[test]
fn operands_are_evaluated_from_left_to_right() {
    // a + take(a): a is read before it is counted.
    assert_eq!(
        run(TAKE, "", "hdr.h.b = hdr.h.a + take(hdr.h.a);", [5, 0, 0, 0]),
        [6, 10, 0, 0]
    );
    assert_eq!(
        run(TAKE, "", "hdr.h.b = take(hdr.h.a) + hdr.h.a;", [5, 0, 0, 0]),
        [6, 11, 0, 0]
    );
    assert_eq!(
        run(
            TAKE,
            "",
            "hdr.h.b = take(hdr.h.a) ++ take(hdr.h.a) == 16w0x0506 ? 8w1 : 8w2;",
            [5, 0, 0, 0]
        ),
        [7, 1, 0, 0]
    );
}

#[test]
fn members_of_a_list_are_evaluated_in_order() {
    let top = format!("{TAKE} struct pair {{ bit<8> p; bit<8> q; bit<8> r; }}");
    let apply = "pair s = { hdr.h.a, take(hdr.h.a), hdr.h.a }; hdr.h.b = s.p; hdr.h.c = s.q; hdr.h.d = s.r;";
    assert_eq!(run(&top, "", apply, [5, 0, 0, 0]), [6, 5, 5, 6]);
}

#[test]
fn the_right_side_of_and_is_evaluated_only_if_the_left_is_true() {
    let apply = "if (hdr.h.b == 1 && take(hdr.h.a) == 5) { hdr.h.c = 1; }";
    assert_eq!(run(TAKE, "", apply, [5, 1, 0, 0]), [6, 1, 1, 0]);
    assert_eq!(run(TAKE, "", apply, [5, 0, 0, 0]), [5, 0, 0, 0]);
    let apply = "bool x = hdr.h.b == 1 || take(hdr.h.a) == 5; if (x) { hdr.h.c = 1; }";
    assert_eq!(run(TAKE, "", apply, [5, 1, 0, 0]), [5, 1, 1, 0]);
    assert_eq!(run(TAKE, "", apply, [5, 0, 0, 0]), [6, 0, 1, 0]);
}

#[test]
fn only_one_branch_of_a_conditional_expression_is_evaluated() {
    let apply = "hdr.h.c = hdr.h.b == 1 ? take(hdr.h.a) : take(hdr.h.d);";
    assert_eq!(run(TAKE, "", apply, [5, 1, 0, 9]), [6, 1, 5, 9]);
    assert_eq!(run(TAKE, "", apply, [5, 0, 0, 9]), [5, 0, 9, 10]);
}

#[test]
fn an_index_is_evaluated_once_and_before_the_value() {
    let apply = "bit<8>[3] v; v[0] = 10; v[1] = 20; v[2] = 30; v[take(hdr.h.a)] = hdr.h.a; v[take(hdr.h.a)] += 1;
        hdr.h.b = v[0]; hdr.h.c = v[1]; hdr.h.d = v[2];";
    // v[0] = 1, then v[1] = 20 + 1.
    assert_eq!(run(TAKE, "", apply, [0, 0, 0, 0]), [2, 1, 21, 30]);
}

#[test]
fn arguments_are_copied_in_in_order() {
    let top = format!("{TAKE} bit<8> first(in bit<8> x, in bit<8> y) {{ return x - y; }}");
    // x is a before take counts it: 5 - 5.
    assert_eq!(
        run(
            &top,
            "",
            "hdr.h.b = first(hdr.h.a, take(hdr.h.a));",
            [5, 9, 0, 0]
        ),
        [6, 0, 0, 0]
    );
    // By name, in the order in which they are written: y = 5 first, then x = take(a) = 5, a = 6.
    assert_eq!(
        run(
            &top,
            "",
            "hdr.h.b = first(y = take(hdr.h.a), x = hdr.h.a);",
            [5, 9, 0, 0]
        ),
        [6, 1, 0, 0]
    );
}

#[test]
fn one_variable_for_two_parameters_is_copied_out_twice_and_the_last_counts() {
    let top = "void both(inout bit<8> x, inout bit<8> y) { x = x + 1; y = y + 10; }";
    assert_eq!(
        run(top, "", "both(hdr.h.a, hdr.h.a);", [5, 0, 0, 0]),
        [15, 0, 0, 0]
    );
    assert_eq!(
        run(top, "", "both(hdr.h.a, hdr.h.b);", [5, 5, 0, 0]),
        [6, 15, 0, 0]
    );
}

#[test]
fn an_action_sees_the_original_while_it_has_a_copy() {
    // x is a copy of a: what is written to a itself is overwritten by copy-out.
    let locals = "action f(inout bit<8> x) { hdr.h.a = 100; x = x + 1; hdr.h.b = hdr.h.a; }";
    assert_eq!(run("", locals, "f(hdr.h.a);", [5, 0, 0, 0]), [6, 100, 0, 0]);
    // An in parameter keeps the value that was passed.
    let locals = "action f(in bit<8> x) { hdr.h.a = 100; hdr.h.b = x; }";
    assert_eq!(run("", locals, "f(hdr.h.a);", [5, 0, 0, 0]), [100, 5, 0, 0]);
}

#[test]
fn headers_are_copied_with_their_validity() {
    let top = "void f(inout h_t x, in h_t y) { x.setInvalid(); if (y.isValid()) { x.setValid(); x.a = y.a; } }";
    let apply = "f(hdr.h, hdr.h); if (!hdr.h.isValid()) { hdr.h.setValid(); hdr.h.d = 1; }";
    assert_eq!(run(top, "", apply, [5, 6, 7, 8])[0], 5);
    let top = "void f(out h_t x) { if (x.isValid()) { x.a = 1; } else { x.setValid(); x.a = 2; x.b = 0; x.c = 0; x.d = 0; } }";
    assert_eq!(run(top, "", "f(hdr.h);", [5, 6, 7, 8]), [2, 0, 0, 0]);
}

#[test]
fn copy_out_happens_also_when_a_callee_exits() {
    let locals = "action f(inout bit<8> x) { x = 7; exit; }
        action g(inout bit<8> x) { hdr.h.b = x; f(x); x = 9; }";
    assert_eq!(
        run("", locals, "g(hdr.h.a); hdr.h.c = 1;", [5, 0, 0, 0]),
        [7, 5, 0, 0]
    );
    // Twice the same variable, so that there are copies.
    let locals = "action f(inout bit<8> x, inout bit<8> y) { x = 7; y = 8; if (hdr.h.b == 1) { exit; } y = 9; }";
    assert_eq!(
        run(
            "",
            locals,
            "f(hdr.h.a, hdr.h.a); hdr.h.c = 1;",
            [5, 1, 0, 0]
        ),
        [8, 1, 0, 0]
    );
    assert_eq!(
        run(
            "",
            locals,
            "f(hdr.h.a, hdr.h.a); hdr.h.c = 1;",
            [5, 0, 0, 0]
        ),
        [9, 0, 1, 0]
    );
}

#[test]
fn copy_out_happens_when_a_control_returns_or_exits() {
    let top = "control C(inout bit<8> x, inout bit<8> y) { apply {
        x = 1; if (y == 1) { return; } if (y == 2) { exit; } x = 3; } }";
    let apply = "c.apply(hdr.h.a, hdr.h.b); hdr.h.d = 1;";
    for (b, sent) in [(0, [3, 0, 0, 1]), (1, [1, 1, 0, 1]), (2, [1, 2, 0, 0])] {
        assert_eq!(run(top, "C() c;", apply, [9, b, 0, 0]), sent);
    }
}

#[test]
fn a_swap_of_fields_reads_before_it_writes() {
    let top = "struct s { bit<8> p; bit<8> q; }";
    let apply = "s v = {hdr.h.a, hdr.h.b}; v = {v.q, v.p}; hdr.h.a = v.p; hdr.h.b = v.q;
        hdr.h = {hdr.h.d, hdr.h.b, hdr.h.a, hdr.h.c};";
    assert_eq!(run(top, "", apply, [1, 2, 3, 4]), [4, 1, 2, 3]);
}

#[test]
fn a_switch_decides_once() {
    let apply = "switch (hdr.h.a) { 1: { hdr.h.a = 2; hdr.h.b = 1; } 2: { hdr.h.c = 1; } 3: 4: { hdr.h.d = 1; }
        default: { hdr.h.d = 2; } }";
    assert_eq!(run("", "", apply, [1, 0, 0, 0]), [2, 1, 0, 0]);
    assert_eq!(run("", "", apply, [3, 0, 0, 0]), [3, 0, 0, 1]);
    assert_eq!(run("", "", apply, [9, 0, 0, 0]), [9, 0, 0, 2]);
}

#[test]
fn generic_functions_take_any_type() {
    let top = "T pick<T>(in T x, in T y, in bool first) { if (first) { return x; } return y; }";
    let apply = "hdr.h.c = pick(hdr.h.a, hdr.h.b, hdr.h.d == 1);
        h_t t = pick<h_t>(hdr.h, {8w9, 8w9, 8w9, 8w9}, hdr.h.d == 1); hdr.h.a = t.b;";
    assert_eq!(run(top, "", apply, [1, 2, 3, 1]), [2, 2, 1, 1]);
    assert_eq!(run(top, "", apply, [1, 2, 3, 0]), [9, 2, 2, 0]);
}

#[test]
fn headers_and_structs_are_compared_by_value_and_validity() {
    let apply = "h_t x; h_t y; bool none = x == y; x = hdr.h; bool one = x != y; y.setValid();
        y = {8w1, 8w2, 8w3, 8w4}; bool two = x == y; x.setInvalid(); bool three = x == y;
        hdr.h.a = (none ? 8w1 : 0) + (one ? 8w2 : 0) + (two ? 8w4 : 0) + (three ? 8w8 : 0);";
    assert_eq!(run("", "", apply, [1, 2, 3, 4])[0], 7);
}
