//! Scripts against a program of one pass, on both engines.

use super::*;
use crate::stf::parse;
use trisect_ir::Program;

const BOTH: [EngineKind; 2] = [EngineKind::Interpreter, EngineKind::Jit];

fn program() -> Program {
    trisect_ir::text::read("direct.tri", include_str!("direct.tri")).expect("a program")
}

/// Runs a script; packets with `op` 1, 2 and 3 leave on port 5.
fn outcome(script: &str) -> Result<Report, Vec<Diagnostic>> {
    let entries = "add forward op:1 h:1 out(port:5)\nadd forward op:2 h:1 out(port:5)\n\
                   add forward op:3 h:1 out(port:5) = $three\n";
    let script = parse(&format!("{entries}{script}")).expect("a script");
    let compiled = CompiledV1 {
        program: program(),
        bridge: None,
        value_sets: Default::default(),
    };
    run_script(&script, &compiled, &BOTH)
}

fn report(script: &str) -> Report {
    outcome(script).unwrap_or_else(|errors| panic!("{script}: {errors:?}"))
}

fn passes(script: &str) {
    let report = report(script);
    assert!(report.passed, "{script}\n{report}");
}

/// The text for people of a script that fails.
fn fails(script: &str) -> String {
    let report = report(script);
    assert!(!report.passed, "{script}\n{report}");
    assert_eq!(report.disagreements, Vec::<String>::new(), "{script}");
    report.to_string()
}

/// The messages of a script that cannot be carried out.
fn refused(script: &str) -> Vec<String> {
    let errors = outcome(script).expect_err(script);
    errors.iter().map(|e| e.message.clone()).collect()
}

#[test]
fn packets_are_compared_in_order_per_port() {
    passes("packet 0 01aaaa00\nexpect 5 01aaaa00");
    passes("expect 5 01aaaa00\nexpect 5 02****\npacket 0 01aaaa00\npacket 0 02bbbb00");
    let text = fails("packet 0 01aaaa09\npacket 0 02bbbb09\nexpect 5 02\nexpect 5 01");
    assert!(
        text.contains("line 6: the packet on port 5 differs (interpreter)"),
        "{text}"
    );
    assert!(
        text.contains("byte 0: digit 2 of it is 1, expected is 2"),
        "{text}"
    );
    assert!(text.contains("(from the packet of line 4)"), "{text}");
}

#[test]
fn missing_and_unexpected_packets_are_differences() {
    let text = fails("packet 0 01aaaa00\nexpect 5 01\nexpect 5 02");
    assert!(
        text.contains("line 6: a packet is missing on port 5 (interpreter)\n  expected 02"),
        "{text}"
    );
    let text = fails("packet 5 01aaaa00");
    assert!(
        text.contains("line 4: a packet that was not expected left on port 5"),
        "{text}"
    );
    // A packet without an entry is dropped.
    fails("packet 0 09aaaa00\nexpect 5");
    // Nobody looks at ports that the script does not name.
    let report = report("packet 0 01aaaa00");
    assert!(report.passed);
    let note = &report.runs[0].notes[0];
    assert_eq!(
        note.text,
        "a packet of 4 bytes left on port 5, which the test does not name"
    );
}

#[test]
fn a_dollar_makes_the_length_exact() {
    passes("packet 0 01aaaa0099\nexpect 5 01aaaa00");
    passes("packet 0 01aaaa0099\nexpect 5 01aaaa0099 $");
    passes("packet 0 01aaaa0099\nexpect 5 01aaaa009");
    passes("packet 0 01aaaa0099\nexpect 5");
    let text = fails("packet 0 01aaaa0099\nexpect 5 01aaaa00 $");
    assert!(
        text.contains("length: 4 bytes are expected, 5 came"),
        "{text}"
    );
    let text = fails("packet 0 01aaaa00\nexpect 5 01aaaa00*");
    assert!(
        text.contains("length: at least 5 bytes are expected, 4 came"),
        "{text}"
    );
    fails("packet 0 01aaaa0099\nexpect 5 $");
}

#[test]
fn usual_headers_are_named_in_differences() {
    let frame = "01aaaa00000102030405060708004500001c00000000400600000a0000010a0000020000";
    let other = frame.replace("40060000", "3f060000");
    let text = fails(&format!("packet 0 {frame}\nexpect 5 {other}"));
    assert!(
        text.contains("ipv4.ttl: expected 63, received 64"),
        "{text}"
    );
}

#[test]
fn no_packet_is_about_the_packet_before() {
    passes("packet 0 09000000\nno_packet\npacket 0 01000000\nexpect 5");
    let text = fails("packet 0 09000000\npacket 0 01000000\nno_packet\nexpect 5");
    assert!(text.contains("line 6: no_packet does not hold"), "{text}");
    assert!(
        text.contains("the packet of line 5 left on port 5"),
        "{text}"
    );
    passes("no_packet");
}

#[test]
fn entries_of_all_kinds_match() {
    passes(
        "add acl 10 key:0x0a** mark(value:1)\n\
         add acl 20 hdr.h.key:0x0a01 h.val:7 mark(value:2)\n\
         packet 0 010a0109\nexpect 5 010a0101\n\
         packet 0 010a0107\nexpect 5 010a0102\n\
         packet 0 010b0007\nexpect 5 010b0007",
    );
    passes(
        "add routes key:0x0a** route(value:1)\nadd routes key:0x0a01 route(value:2)\n\
         add routes key:0/0 route(value:3)\n\
         packet 0 010a0100\nexpect 5 010a0102\npacket 0 010a0200\nexpect 5 010a0201\n\
         packet 0 01ff0000\nexpect 5 01ff0003",
    );
    passes(
        "add ports 1 val:3..9 mark(value:0xee)\n\
         packet 0 01000009\nexpect 5 010000ee\npacket 0 0100000a\nexpect 5 0100000a",
    );
}

#[test]
fn changes_between_packets_keep_the_state() {
    passes(
        "packet 0 03123402\nexpect 5\n\
         add acl 1 key:0xffff mark(value:2)\n\
         packet 0 02ffff09\nexpect 5 02123402\n\
         setdefault keyless mark(value:1)\n\
         packet 0 02000000\nexpect 5 02000001\n\
         check_counter hits(2) packets == 2\ncheck_counter hits(3) bytes == 4",
    );
}

#[test]
fn remove_all_takes_what_the_script_added() {
    passes(
        "add acl 1 key:0x0001 mark(value:9)\npacket 0 01000100\nexpect 5 01000109\nremove all\n\
         packet 0 01000100\nno_packet\nadd forward op:1 h:1 out(port:6)\npacket 0 01000100\n\
         expect 6 01000100",
    );
    assert_eq!(
        refused("remove all\ncheck_counter per_entry($three) packets == 0"),
        ["there is no entry named `three`"]
    );
}

#[test]
fn direct_counters_belong_to_entries() {
    passes(
        "packet 0 03000000\npacket 0 0300000099\nexpect 5\nexpect 5\n\
         check_counter per_entry($three) packets == 2\ncheck_counter per_entry($three) bytes == 9\n\
         check_counter per_entry(2) packets == 2\ncheck_counter per_entry(0) packets == 0\n\
         check_counter per_entry($three)",
    );
    // The cells go with the entries: the new one at the same place counts from 0.
    passes(
        "packet 0 01000000\nexpect 5\nremove all\nadd forward op:1 h:1 out(port:5) = $one\n\
         check_counter per_entry($one) packets == 0\npacket 0 01000000\nexpect 5\n\
         check_counter per_entry($one) packets == 1",
    );
}

#[test]
fn counters_are_checked_read_and_written() {
    passes(
        "counter_write hits 1 5 100\npacket 0 01000000\nexpect 5\n\
         check_counter hits(1) packets == 6\ncheck_counter hits(1) bytes == 104\n\
         check_counter hits(1) packets != 5\ncheck_counter hits(1) packets >= 6\n\
         check_counter hits(1) packets <= 6\ncheck_counter hits(1) packets > 5\n\
         check_counter hits(1) packets < 7\ncounter_write hits 1 0 0\n\
         check_counter hits(1) packets == 0",
    );
    let text = fails("check_counter hits(1) packets == 1");
    assert!(text.contains("found 0 packets, 0 bytes"), "{text}");
    let read = report("counter_write hits 1 5 100\ncounter_read hits 1\ncheck_counter hits(1)");
    let notes: Vec<_> = read.runs[0].notes.iter().map(|n| n.text.as_str()).collect();
    let found = "5 packets, 100 bytes";
    assert_eq!(
        notes,
        [
            format!("counter_read hits 1: {found}"),
            format!("check_counter hits(1): {found}")
        ]
    );
}

#[test]
fn registers_are_checked_read_written_and_reset() {
    passes(
        "register_write ing.memory 1 0x1234\npacket 0 02000001\nexpect 5 02123401\n\
         check_register ing.memory(1) == 0x1234\nregister_reset ing.memory\n\
         check_register ing.memory(1) == 0\ncheck_register egr.memory(1) == 7\n\
         register_write egr.memory 1 9\ncheck_register egr.memory(1) > 8\n\
         register_reset egr.memory\ncheck_register egr.memory(1) == 7",
    );
    let read = report("register_write ing.memory 3 9\nregister_read ing.memory 3");
    assert_eq!(read.runs[0].notes[0].text, "register_read ing.memory 3: 9");
}

#[test]
fn meters_take_rates() {
    // Two packets fit into the first burst, four into the second.
    let packets = |colours: [u8; 4]| {
        let lines = colours.map(|c| format!("packet 0 01000000\nexpect 5 {:02x}\n", 1 | c << 6));
        lines.concat()
    };
    passes(&packets([0, 0, 1, 1]));
    passes(&format!(
        "meter_set_rates rate 0 0.000001:1 0.000001:2\n{}",
        packets([0, 1, 2, 2])
    ));
    passes(&format!(
        "meter_array_set_rates rate 0.000001:3 0.000001:4\n{}",
        packets([0, 0, 0, 1])
    ));
    // A second later there is one more token.
    passes(&format!(
        "{}wait\npacket 0 01000000\nexpect 5 01",
        packets([0, 0, 1, 1])
    ));
    // New rates begin with full buckets.
    passes(&format!(
        "{0}meter_set_rates rate 0 0.000001:2 0.000001:4\n{0}",
        packets([0, 0, 1, 1])
    ));
    let read = report(
        "meter_set_rates rate 1 0.000005:4 2:9\nmeter_get_rates rate 1\nmeter_get_rates rate 0",
    );
    let notes: Vec<_> = read.runs[0].notes.iter().map(|n| n.text.as_str()).collect();
    assert_eq!(
        notes,
        [
            "meter_get_rates rate 1: cir 5 cbs 4 pir 2000000 pbs 9 (per second)",
            "meter_get_rates rate 0: cir 1 cbs 2 pir 2 pbs 4 (per second)"
        ]
    );
}

#[test]
fn what_the_program_says_is_in_the_report() {
    let said = report(
        "packet 0 03000501\nexpect 5\nregister_write ing.memory 0 1\npacket 0 03000602\nexpect 5",
    );
    assert!(said.passed, "{said}");
    let notes: Vec<_> = said.runs[1]
        .notes
        .iter()
        .map(|n| (n.line, n.text.as_str()))
        .collect();
    assert_eq!(
        notes,
        [
            (4, "wrote 5 at 1"),
            (4, "digest ing.learned: cell = 1"),
            (7, "wrote 6 at 2"),
            (7, "digest ing.learned: cell = 2")
        ]
    );
    let text = fails("packet 0 030000ff\nexpect 5");
    assert!(
        text.contains("line 4: val < 0xff does not hold (interpreter)"),
        "{text}"
    );
}

#[test]
fn groups_and_sessions_are_set_up() {
    let read = report(
        "mc_mgrp_create 7\nmc_node_create 1 2 3\nmc_node_associate 7 0\nmc_node_update 0 4\n\
         mirroring_add 5 4\nmirroring_get 5\nmirroring_add_mc 5 7\nmirroring_get 5\n\
         mirroring_delete 5\nmirroring_get 5",
    );
    let notes: Vec<_> = read.runs[0].notes.iter().map(|n| n.text.as_str()).collect();
    assert_eq!(
        notes,
        [
            "mc_node_create 1 2 3: node 0",
            "mirroring_get 5: port 4",
            "mirroring_get 5: multicast group 7",
            "mirroring_get 5: not set up"
        ]
    );
}

#[test]
fn what_cannot_be_done_is_refused() {
    for (script, message) in [
        ("add nat op:1 a()", "there is no table `nat`"),
        ("add forward opp:1 out(port:1)", "there is no key `opp`"),
        ("add forward op:7 out()", "`ing.out` also needs port"),
        (
            "add forward op:7 out(prt:1)",
            "there is no parameter of `ing.out` `prt`",
        ),
        (
            "add forward op:7 mark(value:1)",
            "there is no action of `ing.forward` `mark`",
        ),
        (
            "add forward op:7 out(port:512)",
            "`512` does not fit into 9 bits",
        ),
        ("add forward op:0x7* out(port:1)", "`0x7*` is not one value"),
        (
            "add forward op:8 out(port:1)
add forward op:9 out(port:1)",
            "`ing.forward` is full: it has 4 entries",
        ),
        (
            "add acl key:1 mark(value:1)",
            "an entry of `ing.acl` needs a priority",
        ),
        (
            "add acl 1 key:1 key:2 mark(value:1)",
            "key `hdr.h.key` is given twice",
        ),
        (
            "add acl 1 key:1 mark(value:1, value:2)",
            "parameter `value` is given twice",
        ),
        (
            "add acl 1 key:1..2 mark(value:1)",
            "a ternary key does not take this",
        ),
        (
            "add fixed op:1 same()",
            "the entries of `ing.fixed` are constant",
        ),
        (
            "add keyless same()",
            "`ing.keyless` has no keys, so no entries",
        ),
        (
            "setdefault fixed same()",
            "the default action of `ing.fixed` is constant",
        ),
        (
            "add routes key:0x0a route(value:1)",
            "the digits of `0x0a` are a prefix of 8 bits, and cut the value off",
        ),
        (
            "register_read memory 0",
            "`memory` is more than one register",
        ),
        ("register_read hits 0", "`ing.hits` is no register"),
        ("register_read ing.memory 4", "`ing.memory` has no cell 4"),
        (
            "register_write ing.memory 0 0x10000",
            "`0x10000` does not fit into 16 bits",
        ),
        (
            "check_counter hits($three) packets == 0",
            "`ing.hits` has no cells of entries",
        ),
        (
            "check_counter per_entry(3) packets == 0",
            "`ing.per_entry` has no cell 3",
        ),
        (
            "meter_set_rates per_route 0 1:1 2:2",
            "`ing.per_route` is direct: its cells belong to entries",
        ),
        ("meter_set_rates rate 0 1:1", "a meter has two rates"),
        ("mc_node_associate 1 0", "there is no node 0"),
        ("mirroring_add 32768 1", "`32768` does not fit into 15 bits"),
        ("mirroring_delete 1", "there is no mirror session 1"),
        (
            "mc_mgrp_create 1\nmc_mgrp_create 1",
            "multicast group 1 exists already",
        ),
    ] {
        assert_eq!(refused(script), [message], "{script}");
    }
    // Entries with the same keys.
    assert_eq!(
        refused("add routes key:1 same()\nadd routes key:1 route(value:1)"),
        ["`ing.routes` has an entry with these keys already"]
    );
    passes(
        "add acl 1 key:1 mark(value:1)\nadd acl 2 key:1 mark(value:2)\npacket 0 01000100\nexpect 5 01000102",
    );
    // All of them, before the packets.
    assert_eq!(
        refused("add a k:1 a()\nadd b k:1 a()\npacket 0 00\nadd c k:1 a()").len(),
        2
    );
}

#[test]
fn rates_of_a_whole_direct_meter_may_be_set() {
    passes(
        "meter_array_set_rates per_route 0.000001:1 0.000001:2\nadd routes key:1 route(value:1)\n\
         packet 0 04000100\nadd routes key:2 route(value:1)",
    );
}

#[test]
fn a_program_that_cannot_run_is_refused() {
    let mut compiled = CompiledV1 {
        program: program(),
        bridge: None,
        value_sets: Default::default(),
    };
    compiled.program.deparser.push(trisect_ir::HeaderId(9));
    let script = parse("packet 0 00").expect("a script");
    let errors = run_script(&script, &compiled, &BOTH).expect_err("an invalid program");
    assert_eq!(errors[0].code, CANNOT_RUN);
    assert!(
        errors[0]
            .message
            .starts_with("interpreter: the program is not valid")
    );
}

#[test]
fn engines_that_differ_are_found() {
    let arrival = |bytes: &[u8]| Arrival {
        packet_line: 1,
        port: 2,
        bytes: bytes.to_vec(),
    };
    let played = |engine, sent: Vec<Arrival>| Played {
        engine,
        sent,
        checks: Vec::new(),
        notes: Vec::new(),
        state: State::default(),
    };
    let a = || played(EngineKind::Interpreter, vec![arrival(&[1])]);
    let b = |sent| played(EngineKind::Jit, sent);
    assert_eq!(
        compare::disagreements(&[a(), b(vec![arrival(&[1])])]),
        Vec::<String>::new()
    );
    assert_eq!(
        compare::disagreements(&[a(), b(vec![arrival(&[2])])]),
        [
            "packet of line 1: interpreter sends 01 on port 2, JIT sends 02 on port 2 (packet of line 1)"
        ]
    );
    assert_eq!(
        compare::disagreements(&[a(), b(Vec::new())]),
        ["interpreter sends 1 packets, JIT sends 0"]
    );
    let mut other = b(vec![arrival(&[1])]);
    other.state.registers.entry("r".to_owned()).or_default();
    assert_eq!(
        compare::disagreements(&[a(), other]),
        ["interpreter and JIT leave other registers"]
    );
}

#[test]
fn reports_are_read_back_from_json() {
    let report = report("packet 0 01aaaa00\nexpect 5 02\ncheck_counter hits(1) packets == 1");
    let json = serde_json::to_string(&report).expect("JSON");
    assert!(json.contains("\"bytes\":\"01aaaa00\""), "{json}");
    assert_eq!(
        serde_json::from_str::<Report>(&json).expect("a report"),
        report
    );
}
