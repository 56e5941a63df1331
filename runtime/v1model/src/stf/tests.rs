//! Every command is read and printed; nothing is read that is not STF.

use super::*;
use proptest::prelude::*;

fn one(text: &str) -> Command {
    let script = parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    let [statement] = script.statements.as_slice() else {
        panic!("{text}: {} statements", script.statements.len());
    };
    statement.command.clone()
}

/// A script without its places.
fn shape(script: &Script) -> String {
    script.to_string()
}

/// One of each, as it is printed.
const EACH: [&str; 31] = [
    "add ipv4_lpm hdr.ipv4.dst:0x0a0000** set_port(port:2)",
    "add c.acl 10 h.a:0b1*0 h.b:0x0a/8 h.c:1..5 h.d:3&&&0x7 deny() = $A",
    "add \"a table\" \"h.x & 1\":1 \"an action\"(\"odd name\":1)",
    "add t stack[0].f:1 go()",
    "setdefault c.acl deny()",
    "setdefault c.acl out(port:1, mac:0x020000000001)",
    "remove all",
    "packet 0 00ff",
    "expect 65535",
    "expect 1 00f*",
    "expect 1 0** $",
    "expect 1 $",
    "no_packet",
    "wait",
    "check_counter c.hits(3)",
    "check_counter hits($A) packets == 3",
    "check_counter hits(0) bytes >= 0x10",
    "check_register c.r(3) != 7",
    "mirroring_add 5 4",
    "mirroring_add_mc 8 3",
    "mirroring_delete 8",
    "mirroring_get 8",
    "mc_mgrp_create 1113",
    "mc_node_create 400 6 7",
    "mc_node_update 0 1",
    "mc_node_associate 1113 0",
    "counter_read hits 1",
    "counter_write hits 1 2 128",
    "register_write r 5 100",
    "meter_set_rates m 2 0.000005:4 0.00002:5",
    "meter_array_set_rates m 1:7 2.5:9",
];

#[test]
fn every_command_is_read_and_printed() {
    for text in EACH {
        assert_eq!(one(text).to_string(), text);
    }
    for text in [
        "register_read r 5",
        "register_reset r",
        "meter_get_rates m 1",
    ] {
        assert_eq!(one(text).to_string(), text);
    }
}

#[test]
fn blanks_case_and_comments_do_not_matter() {
    let text = "# a comment\n\n  PACKET 0  00 f F # two bytes\r\n\tExpect\t1 0 0 F*$\nADD t 0010 k:0X0A a ( ) =B\n\
                expect 2#any\nadd \"t#1\" k:1 a()";
    let script = parse(text).expect("a script");
    let lines: Vec<u32> = script.statements.iter().map(|s| s.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7]);
    let printed = "packet 0 00ff\nexpect 1 00f* $\nadd t 10 k:0x0a a() = $B\nexpect 2\n\
                   add \"t#1\" k:1 a()\n";
    assert_eq!(shape(&script), printed);
    let spans: Vec<&str> = script
        .statements
        .iter()
        .map(|s| s.span.text(text))
        .collect();
    assert_eq!(spans[0], "PACKET 0  00 f F");
    assert_eq!(spans[3], "expect 2");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for (text, place, message) in [
        ("frob 1", "frob", "there is no command `frob`"),
        ("*", "*", "a line begins with a command"),
        (
            "packet 0 00f",
            "packet 0 00f",
            "a packet has whole bytes, and this is an odd number of digits",
        ),
        ("packet 0", "", "the bytes of the packet are missing"),
        (
            "packet x 00",
            "x",
            "a port is expected here, a decimal number",
        ),
        (
            "packet 65536 00",
            "65536",
            "a port is expected here, a decimal number",
        ),
        (
            "packet 0 00*0",
            "*",
            "the bytes of a packet are hexadecimal digits",
        ),
        ("expect 0 00 $ 0", "0", "nothing follows a `$`"),
        (
            "expect 0 0é",
            "é",
            "an expected packet is hexadecimal digits, `*` for any digit, and `$`",
        ),
        (
            "add t k:1",
            "",
            "a key or an action is missing at the end of the line",
        ),
        ("add t k:x a()", "x", "a value is expected here, not `x`"),
        (
            "add t k:1* a()",
            "1*",
            "a value is expected here, and this is no number",
        ),
        (
            "add t k:1 a(x:1",
            "",
            "`,` or `)` is missing at the end of the line",
        ),
        (
            "add t k:1 a() = $",
            "$",
            "a name for the entry is expected here, not `$`",
        ),
        ("add t k:1 a() b", "b", "the command ends before `b`"),
        (
            "add \"t k:1 a()",
            "\"t k:1 a()",
            "a table is expected here, not a quote that is not closed",
        ),
        ("remove", "", "`all` is missing at the end of the line"),
        (
            "check_counter c(1) = 3",
            "=",
            "`packets` or `bytes` is expected here, not `=`",
        ),
        (
            "check_counter c(1) packets = 3",
            "=",
            "a comparison (==, !=, <, <=, >, >=) is expected here, not `=`",
        ),
        (
            "meter_set_rates m 1 0x5:1 2:3",
            "0x5",
            "a rate is expected here, not `0x5`",
        ),
        ("wait 3", "3", "the command ends before `3`"),
    ] {
        let errors = parse(text).expect_err(text);
        let [error] = errors.as_slice() else {
            panic!("{text}: {errors:?}");
        };
        assert_eq!(error.message, message, "{text}");
        assert_eq!(error.span.text(text), place, "{text}");
    }
}

#[test]
fn errors_of_all_lines_are_reported_up_to_a_limit() {
    let errors = parse("packet 0 0\nwait\nfrob\n").expect_err("two errors");
    assert_eq!(errors.len(), 2);
    assert_eq!(parse(&"frob\n".repeat(1000)).expect_err("many").len(), 50);
}

#[test]
fn frames_have_a_limit() {
    let packet = |bytes: usize| format!("packet 0 {}", "00".repeat(bytes));
    assert!(parse(&packet(MAX_FRAME)).is_ok());
    assert!(parse(&packet(MAX_FRAME + 1)).is_err());
    assert!(parse(&format!("expect 0 {}", "*".repeat(2 * MAX_FRAME + 1))).is_err());
}

/// Scripts of real commands, with some characters replaced, put in or taken out.
fn mutated() -> impl Strategy<Value = String> {
    let lines = proptest::collection::vec(proptest::sample::select(EACH.to_vec()), 1..6);
    let edits =
        proptest::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0..3), 0..6);
    (lines, edits).prop_map(|(lines, edits)| {
        let mut text: Vec<char> = lines.join("\n").chars().collect();
        for (at, c, kind) in edits {
            let at = at.index(text.len());
            match kind {
                0 => text[at] = c,
                1 => text.insert(at, c),
                _ => text[at] = ['*', '$', ':', '"'][c as usize % 4],
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_read_prints_and_reads_the_same(text in mutated()) {
        if let Ok(script) = parse(&text) {
            let printed = script.to_string();
            let again = parse(&printed);
            prop_assert!(again.is_ok(), "{}: {:?}", printed, again);
            if let Ok(again) = again {
                prop_assert_eq!(again.to_string(), printed);
                prop_assert_eq!(again.statements.len(), script.statements.len());
            }
        } else if let Err(errors) = parse(&text) {
            for error in errors {
                prop_assert!(text.get(error.span.start as usize..error.span.end as usize).is_some());
            }
        }
    }
}
