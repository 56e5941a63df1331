//! Tables.

use super::{right, wrong};

fn table(properties: &str) -> String {
    format!(
        "match_kind {{ exact, ternary, lpm }} action NoAction() {{ }}\n\
         control C(inout bit<8> x, inout bit<16> y) {{\n\
         action set(bit<8> to) {{ x = to; }} action add(in bit<8> by, bit<8> more) {{ x = x + by + more; }}\n\
         table t {{ {properties} }} apply {{ t.apply(); }} }}"
    )
}

#[test]
fn actions_are_bound_in_the_list() {
    right(&table(
        "actions = { set; add(x); NoAction; } default_action = set(1);",
    ));
    right(&table("actions = { add(x); } default_action = add(x, 2);"));
    right(&table("actions = { add(x); } default_action = add(2);"));
    wrong(
        &table("actions = { add; } default_action = add(2);"),
        &[("E0134", "add")],
    );
    wrong(
        &table("actions = { add(x); } default_action = add(1, 2);"),
        &[("E0137", "add(1, 2)")],
    );
    wrong(
        &table("actions = { set; set; } default_action = set(1);"),
        &[("E0137", "set")],
    );
}

#[test]
fn the_default_action_is_in_the_list() {
    wrong(
        &table("actions = { set; } default_action = add(1);"),
        &[("E0137", "add(1)")],
    );
    wrong(
        &table("actions = { set; } default_action = set;"),
        &[("E0134", "set")],
    );
    wrong(
        &table("actions = { set; } default_action = set(x);"),
        &[("E0135", "x")],
    );
    wrong(
        &table("default_action = set(1); actions = { set; }"),
        &[("E0137", "default_action = set(1);")],
    );
}

#[test]
fn keys_are_matched_by_known_kinds() {
    right(&table(
        "key = { x: exact; y: lpm; } actions = { set; } default_action = set(1);",
    ));
    wrong(
        &table("key = { x: exat; } actions = { set; } default_action = set(1);"),
        &[("E0130", "exat")],
    );
    wrong(
        &table("key = { 5: exact; } actions = { set; } default_action = set(1);"),
        &[("E0132", "5")],
    );
}

#[test]
fn entries_fit_the_key() {
    let entries = |entries: &str| {
        table(&format!(
            "key = {{ x: exact; y: ternary; }} actions = {{ set; }} default_action = set(0); \
             const entries = {{ {entries} }}"
        ))
    };
    right(&entries(
        "(1, 2): set(3); (4, 5 &&& 6): set(7); (_, _): set(1);",
    ));
    wrong(&entries("(1, true): set(3);"), &[("E0132", "true")]);
    wrong(&entries("(1, 2): set();"), &[("E0134", "set()")]);
    wrong(&entries("(1, 2): NoAction();"), &[("E0137", "NoAction()")]);
    wrong(&entries("1: set(3);"), &[("E0134", "1: set(3);")]);
}

#[test]
fn what_a_table_gives_is_used() {
    let top = "match_kind { exact } control C(inout bit<8> x) { action a() { } action b() { } \
         table t { key = { x: exact; } actions = { a; } default_action = a; } apply { ";
    right(&format!("{top} if (t.apply().hit) {{ x = 1; }} }} }}"));
    right(&format!(
        "{top} switch (t.apply().action_run) {{ a: {{ x = 1; }} default: {{ }} }} }} }}"
    ));
    wrong(
        &format!("{top} switch (t.apply().action_run) {{ b: {{ x = 1; }} }} }} }}"),
        &[("E0137", "b")],
    );
    wrong(
        &format!("{top} switch (t.apply().action_run) {{ a: {{ }} a: {{ x = 1; }} }} }} }}"),
        &[("E0131", "a")],
    );
    wrong(
        &format!("{top} x = t.apply(); }} }}"),
        &[("E0132", "t.apply()")],
    );
    wrong(&format!("{top} t(); }} }}"), &[("E0132", "t")]);
    wrong(
        &format!("{top} if (t.apply().hits) {{ }} }} }}"),
        &[("E0130", "hits")],
    );
}
