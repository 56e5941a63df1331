use super::{control, right, warned, wrong};

fn table(properties: &str) -> String {
    control(&format!("table t {{ {properties} }}"), "t.apply();")
}

/// A table over keys of this kind with these entries.
fn entries(kind: &str, entries: &str) -> String {
    let kinds = "match_kind { range, optional }\n";
    let locals = format!(
        "table t {{ key = {{ a: {kind}; }} actions = {{ mark; pass; }} default_action = pass;\n\
         {entries} }}"
    );
    // Behind the include, so that match kinds of the core exist.
    control(&locals, "t.apply();").replacen("header", &format!("{kinds}header"), 1)
}

#[test]
fn tables_have_actions() {
    wrong("E0137", "t", &table("key = { a: exact; }"));
    right(&table("key = { a: exact; } actions = { pass; NoAction; }"));
}

#[test]
fn the_default_is_no_action() {
    let without_core = "control C(inout bit<8> a) { action x() { } table t { actions = { x; } } apply { t.apply(); } }";
    wrong("E0154", "t", without_core);
    let other = format!("action NoAction(in bit<8> n) {{ }} {without_core}");
    wrong("E0154", "t", &other);
    right(&without_core.replace("{ x; }", "{ x; } default_action = x;"));
}

#[test]
fn table_only_actions_are_no_default() {
    wrong(
        "E0154",
        "pass",
        &table("actions = { @tableonly pass; } default_action = pass;"),
    );
    right(&table("actions = { mark; pass; } default_action = pass;"));
}

#[test]
fn default_only_actions_are_in_no_entry() {
    let with = |annotation: &str| {
        table(&format!(
            "key = {{ a: exact; }} actions = {{ {annotation} pass; mark; }} default_action = pass;\n\
             const entries = {{ 1: pass(); }}"
        ))
    };
    wrong("E0154", "pass()", &with("@defaultonly"));
    right(&with(""));
}

#[test]
fn keys_have_names() {
    let actions = "actions = { pass; NoAction; }";
    wrong(
        "E0156",
        "a + 1",
        &table(&format!("key = {{ a + 1: exact; }} {actions}")),
    );
    right(&table(&format!(
        "key = {{ a + 1: exact @name(\"next\"); }} {actions}"
    )));
    right(&table(&format!(
        "key = {{ hdr.one.isValid(): exact; a[3:0]: exact; }} {actions}"
    )));
}

#[test]
fn keys_can_be_matched() {
    let actions = "actions = { pass; NoAction; }";
    let valid = "hdr.one.isValid()";
    wrong(
        "E0156",
        valid,
        &table(&format!("key = {{ {valid}: lpm; }} {actions}")),
    );
    right(&table(&format!("key = {{ {valid}: ternary; }} {actions}")));
}

#[test]
fn entries_stand_behind_a_key() {
    let entries = "const entries = { 1: pass(); }";
    let actions = "actions = { pass; } default_action = pass;";
    wrong(
        "E0155",
        entries,
        &table(&format!("{actions} {entries} key = {{ a: exact; }}")),
    );
    wrong(
        "E0155",
        entries,
        &table(&format!("key = {{ }} {actions} {entries}")),
    );
    right(&table(&format!(
        "key = {{ a: exact; }} {actions} {entries}"
    )));
}

#[test]
fn sets_suit_the_match_kind() {
    let one =
        |kind: &str, set: &str| entries(kind, &format!("const entries = {{ {set}: mark(1); }}"));
    let known = "control T<H>(inout H h, inout bit<8> a, inout bit<16> b); package V1Switch<H>(T<H> t); V1Switch(C()) main;";
    wrong(
        "E0155",
        "1 &&& 3",
        &format!("{} {known}", one("exact", "1 &&& 3")),
    );
    wrong("E0155", "16 &&& 0x70", &one("lpm", "16 &&& 0x70"));
    wrong("E0155", "1 .. 3", &one("ternary", "1 .. 3"));
    wrong("E0155", "1 &&& 3", &one("range", "1 &&& 3"));
    wrong("E0155", "1 &&& 255", &one("optional", "1 &&& 255"));
    right(&one("exact", "1"));
    right(&one("lpm", "16 &&& 0xF0"));
    right(&one("lpm", "0 &&& 0"));
    right(&one("ternary", "1 &&& 5"));
    right(&one("range", "1 .. 3"));
    right(&one("optional", "_"));
}

#[test]
fn entries_differ() {
    wrong(
        "E0155",
        "0x1: pass();",
        &entries("exact", "const entries = { 1: mark(1); 0x1: pass(); }"),
    );
    let same_prefix = "const entries = { 0x10 &&& 0xF0: mark(1); 0x11 &&& 0xF0: pass(); }";
    wrong(
        "E0155",
        "0x11 &&& 0xF0: pass();",
        &entries("lpm", same_prefix),
    );
    let covered = "const entries = { 1 &&& 3: mark(1); 5 &&& 3: pass(); }";
    warned("E0155", "5 &&& 3: pass();", &entries("ternary", covered));
    right(&entries(
        "exact",
        "const entries = { 1: mark(1); 2: pass(); }",
    ));
}

#[test]
fn priorities_stand_where_entries_overlap() {
    let first = "priority = 2: 1: mark(1);";
    let second = "2: pass();";
    wrong(
        "E0155",
        first,
        &entries("exact", &format!("entries = {{ {first} }}")),
    );
    wrong(
        "E0155",
        first,
        &entries("ternary", &format!("const entries = {{ {first} }}")),
    );
    wrong(
        "E0155",
        second,
        &entries("ternary", &format!("entries = {{ {second} {first} }}")),
    );
    let steps = |delta: u32| format!("priority_delta = {delta}; entries = {{ {first} {second} }}");
    wrong("E0155", second, &entries("ternary", &steps(3)));
    right(&entries("ternary", &steps(2)));
    right(&entries(
        "ternary",
        &format!("largest_priority_wins = false; {}", steps(9)),
    ));
}

#[test]
fn properties_of_priorities() {
    let end = "entries = { priority = 2: 1: mark(1); }";
    wrong(
        "E0137",
        "priority_delta = 0;",
        &entries("ternary", &format!("priority_delta = 0; {end}")),
    );
}
