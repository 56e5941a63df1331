use super::{right, wrong};

#[test]
fn names_are_strings() {
    wrong(
        "E0124",
        "@name(\"a\" | \"b\")",
        "@name(\"a\" | \"b\") action a() { }",
    );
    wrong("E0124", "@name(4)", "@name(4) action a() { }");
    wrong(
        "E0124",
        "@match(1 + 1)",
        "struct S { @match(1 + 1) bit<8> x; }",
    );
    right("struct S { @match(ternary) bit<8> x; }");
    right("const string S = \"b\"; @name(\"a\" ++ S) action a() { }");
}

#[test]
fn structured_annotations_hold_constants() {
    wrong("E0153", "{2, 3}", "@a[k={2, 3}] action a() { }");
    wrong("E0153", "later", "@a[later] action a() { }");
    right("const int FOUR = 4; @a[1, true, \"x\", FOUR + 1] action a() { }");
    right("@a[x=1, y=\"2\"] action a() { }");
}

#[test]
fn structured_annotations_stand_once() {
    wrong("E0153", "@a[]", "@a(1) @a[] action a() { }");
    wrong("E0153", "@a[2]", "@a[1] @a[2] action a() { }");
    right("@a(1) @a(2) action a() { }");
}
