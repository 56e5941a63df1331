use super::{control, parser, right, warned, wrong};

#[test]
fn only_controls_and_actions_exit() {
    wrong("E0150", "exit;", "bit<8> f() { exit; }");
    right(&control("action f() { exit; }", "exit;"));
}

#[test]
fn instances_exist_before_packets() {
    let instance = "E(1) e;";
    let with = |locals: &str, apply: &str| {
        control(locals, apply).replacen("header", "extern E { E(bit<8> n); }\nheader", 1)
    };
    wrong("E0151", instance, &with("", instance));
    right(&with(instance, ""));
}

#[test]
fn blocks_are_instantiated_in_blocks() {
    wrong("E0151", "c", "control C() { apply { } } C() c;");
    let inner = "parser P() { state start { } } control C() { P() p; apply { } }";
    wrong("E0151", "p", inner);
    right("control D() { apply { } } control C() { D() d; apply { d.apply(); } }");
}

#[test]
fn calls_stand_where_they_may() {
    let table = "table t { key = { a: exact; } actions = { mark; NoAction; } }";
    let in_action = control(&format!("{table} action f() {{ t.apply(); }}"), "f();");
    wrong("E0161", "t.apply()", &in_action);
    let hit = control(
        &format!("{table} action f() {{ if (t.apply().hit) {{ a = 1; }} }}"),
        "f();",
    );
    wrong("E0161", "t.apply().hit", &hit);
    wrong(
        "E0161",
        "verify(false, error.NoMatch)",
        &control("", "verify(false, error.NoMatch);"),
    );
    wrong(
        "E0161",
        "f()",
        "action f() { } bit<8> g() { f(); return 1; }",
    );
    let apply =
        "control D() { apply { } } control C() { D() d; action f() { d.apply(); } apply { } }";
    wrong("E0161", "d.apply()", apply);
    right(&control(
        table,
        "t.apply(); if (t.apply().hit) { a = 1; } pass();",
    ));
    right(&parser(
        "state start { verify(a == 1, error.NoMatch); b.extract(hdr.many.next); }",
    ));
}

#[test]
fn functions_return_on_every_path() {
    wrong("E0162", "f", "bit<8> f(in bool c) { if (c) { return 1; } }");
    wrong(
        "E0162",
        "f",
        "bit<8> f(in bit<8> c) { switch (c) { 1: { return 1; } } }",
    );
    right("bit<8> f(in bool c) { if (c) { return 1; } else { return 2; } }");
    right("bit<8> f(in bit<8> c) { switch (c) { 1: { return 1; } default: { return 2; } } }");
}

#[test]
fn code_behind_a_jump() {
    warned("E0160", "a = 1;", &control("", "return; a = 1;"));
    warned(
        "E0160",
        "a = 1;",
        &control("", "if (a == 0) { exit; a = 1; }"),
    );
}

#[test]
fn dots_come_last() {
    let text = |value: &str| format!("struct S {{ bit<8> x; bit<8> y; }} const S s = {value};");
    wrong("E0123", "...", &text("{..., 1}"));
    right(&text("{1, ...}"));
}
