use super::{control, right, wrong};

#[test]
fn out_parameters_have_no_default() {
    wrong("E0157", "0", "extern void f(out bit<8> x = 0);");
    wrong("E0157", "0", "extern void f(@optional in bit<8> x = 0);");
    right("extern void f(in bit<8> x = 0, @optional in bit<8> y);");
}

#[test]
fn optional_parameters_belong_to_the_architecture() {
    wrong(
        "E0157",
        "@optional in bit<8> x",
        "bit<8> f(@optional in bit<8> x) { return x; }",
    );
    right("control C(@optional in bit<8> x);");
}

#[test]
fn constructor_parameters_have_no_direction() {
    wrong("E0157", "in bit<8> x", "package P(in bit<8> x);");
    wrong(
        "E0157",
        "out bit<8> x",
        "control C()(out bit<8> x) { apply { } }",
    );
    right("control C()(bit<8> x) { apply { } }");
}

#[test]
fn action_data_come_last() {
    let action = |params: &str| control(&format!("action f({params}) {{ a = x; }}"), "");
    wrong("E0157", "in bit<8> y", &action("bit<8> x, in bit<8> y"));
    right(&action("in bit<8> x, bit<8> y"));
}

#[test]
fn action_data_can_be_given() {
    let table = |ty: &str| {
        let locals = format!(
            "action set({ty} x) {{ }}\n\
             table t {{ key = {{ a: exact; }} actions = {{ set; NoAction; }} }}"
        );
        let text = control(&locals, "t.apply();");
        format!(
            "{text} control T<H>(inout H h, inout bit<8> a, inout bit<16> b); package V1Switch<H>(T<H> t); V1Switch(C()) main;"
        )
    };
    wrong("E0157", "x", &table("headers_t"));
    right(&table("bool"));
}
