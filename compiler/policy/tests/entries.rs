//! Entries, backends and patterns files against a small program.

// Helpers of tests fail like tests; clippy exempts only the tests themselves.
#![allow(clippy::expect_used)]

use proptest::prelude::*;
use trisect_ir::diag::Diagnostic;
use trisect_ir::{
    Action, ActionCall, ActionId, Bits, FlowTable, Key, KeySet, MatchKind, Object, ObjectKind,
    Param, Program, Table, TableId,
};
use trisect_policy::nf::ConfigKind;
use trisect_policy::{configure, parse_entries};

/// One table with a key of each kind, `slots` with an exact key, `flows` filled by packets.
fn program() -> Program {
    let mut program = Program::new("test");
    let action = |name: &str, params: &[(&str, u32)]| Action {
        name: name.to_string(),
        params: params
            .iter()
            .map(|(name, width)| Param {
                name: name.to_string(),
                width: *width,
            })
            .collect(),
        ops: vec![],
    };
    let deny = program.actions.push(action("Main.deny", &[]));
    let send = program
        .actions
        .push(action("Main.send", &[("port", 16), ("mac", 48)]));
    let mut key = |name: &str, width, kind| {
        let expr = trisect_ir::Expr::Meta(program.add_meta(name, width));
        Key {
            name: name.to_string(),
            expr,
            kind,
            signed: false,
        }
    };
    let keys = vec![
        key("protocol", 8, MatchKind::Exact),
        key("dst", 32, MatchKind::Lpm),
        key("src", 32, MatchKind::Ternary),
        key("port", 16, MatchKind::Range),
        key("vlan", 12, MatchKind::Optional),
    ];
    let slot = key("slot", 8, MatchKind::Exact);
    let table = |name: &str, keys, size| Table {
        name: name.to_string(),
        keys,
        actions: vec![deny, send],
        default: ActionCall {
            action: deny,
            args: vec![],
        },
        const_default: false,
        entries: vec![],
        size,
        flow: None,
        selector: None,
    };
    program.tables.push(table("Main.acl", keys, 3));
    program
        .tables
        .push(table("Main.slots", vec![slot.clone()], 251));
    let mut flows = table("Main.flows", vec![slot], 8);
    flows.flow = Some(FlowTable {
        timeouts_ns: vec![1],
    });
    flows.const_default = true;
    program.tables.push(flows);
    let kind = ObjectKind::PatternSet { patterns: vec![] };
    program.objects.push(Object {
        name: "Main.signatures".to_string(),
        kind,
    });
    program
}

const ACL: TableId = TableId(0);
const FLOWS: TableId = TableId(2);

fn bits(width: u32, value: u64) -> Bits {
    Bits::new(width, value)
}

#[test]
fn every_match_kind() {
    let text = "\
# protocol dst         src                       port       vlan
tcp        10.0.0.0/8  1.0.0.1&&&255.0.0.255     80         *   -> send(7, 02:00:00:00:00:01)
0x11       10.0.0.1    *                         1000-2000  5   -> deny()   # a comment
1          *           192.168.0.0/16            *          0xfff -> Main.deny()
default -> send(1, 0)
";
    let found = parse_entries(text, "acl.entries", &program(), ACL).expect("valid");
    let sets: Vec<Vec<KeySet>> = found
        .entries
        .iter()
        .map(|entry| entry.keys.clone())
        .collect();
    assert_eq!(
        sets,
        [
            [
                KeySet::Exact(bits(8, 6)),
                KeySet::Prefix(bits(32, 0x0a00_0000), 8),
                KeySet::Mask(bits(32, 0x0100_0001), bits(32, 0xff00_00ff)),
                KeySet::Range(bits(16, 80), bits(16, 80)),
                KeySet::Any,
            ],
            [
                KeySet::Exact(bits(8, 17)),
                KeySet::Prefix(bits(32, 0x0a00_0001), 32),
                KeySet::Any,
                KeySet::Range(bits(16, 1000), bits(16, 2000)),
                KeySet::Exact(bits(12, 5)),
            ],
            [
                KeySet::Exact(bits(8, 1)),
                KeySet::Prefix(bits(32, 0), 0),
                KeySet::Mask(bits(32, 0xc0a8_0000), bits(32, 0xffff_0000)),
                KeySet::Any,
                KeySet::Exact(bits(12, 0xfff)),
            ],
        ]
    );
    let priorities: Vec<u32> = found.entries.iter().map(|entry| entry.priority).collect();
    assert_eq!(priorities, [3, 2, 1], "the first line wins");
    let args = vec![bits(16, 7), bits(48, 0x0200_0000_0001)];
    assert_eq!(
        found.entries[0].call,
        ActionCall {
            action: ActionId(1),
            args
        }
    );
    assert_eq!(found.default.expect("given").action, ActionId(1));
}

#[test]
fn explicit_priorities() {
    let text = "6 * * * * -> deny() priority 5\n7 * * * * -> deny() priority 9\n";
    let found = parse_entries(text, "x", &program(), ACL).expect("valid");
    assert_eq!(
        found
            .entries
            .iter()
            .map(|entry| entry.priority)
            .collect::<Vec<_>>(),
        [5, 9]
    );
    let mixed = format!("{text}8 * * * * -> deny()\n");
    let found = parse_entries(&mixed, "x", &program(), ACL).expect_err("must be refused");
    assert_eq!(
        found[0].message,
        "some entries have a priority and some not"
    );
}

#[test]
fn every_wrong_line_is_reported_in_place() {
    let lines = [
        ("6 * * * *", 250, "6 * * * *"),
        ("6 * * * -> deny()", 251, "6 * * * -> deny()"),
        ("* * * * * -> deny()", 251, "*"),
        ("300 * * * * -> deny()", 252, "300"),
        ("6 10.0.0.1/8 * * * -> deny()", 252, "10.0.0.1/8"),
        ("6 10.0.0.0/33 * * * -> deny()", 252, "33"),
        ("6 1-2 * * * -> deny()", 251, "1-2"),
        ("6 * 1-2 * * -> deny()", 251, "1-2"),
        ("6 * * 9-1 * -> deny()", 252, "9-1"),
        ("6 * * 10.0.0.1 * -> deny()", 252, "10.0.0.1"),
        ("6 * * * 1-2 -> deny()", 251, "1-2"),
        ("6 * * x * -> deny()", 250, "x"),
        ("6 * * * * -> drop()", 251, "drop"),
        ("6 * * * * -> deny(1)", 251, "1"),
        ("6 * * * * -> send(65536, 0)", 252, "65536"),
        ("6 * * * * -> deny", 250, "deny"),
        ("6 * * * * -> deny() priority x", 250, " x"),
    ];
    let text: String = lines
        .iter()
        .map(|(line, _, _)| format!("{line}\n"))
        .collect();
    let found = parse_entries(&text, "x", &program(), ACL).expect_err("must be refused");
    let found: Vec<(u16, &str)> = found
        .iter()
        .map(|d| (d.code.0, d.span.text(&text)))
        .collect();
    let wanted: Vec<(u16, &str)> = lines
        .iter()
        .map(|(_, code, place)| (*code, *place))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_a_table_does_not_take() {
    let refused = |text: &str, table| -> Vec<Diagnostic> {
        parse_entries(text, "x", &program(), table).expect_err("must be refused")
    };
    let twice = refused(
        "6 * 1.2.3.4 * * -> deny()\n6 * 1.2.3.4/32 * * -> send(1, 2)\n",
        ACL,
    );
    assert_eq!((twice[0].code.0, twice[0].related.len()), (253, 1));
    let many: String = (0..4).map(|n| format!("{n} * * * * -> deny()\n")).collect();
    assert_eq!(
        refused(&many, ACL)[0].message,
        "4 entries, but `Main.acl` holds 3"
    );
    let flows = refused("1 -> deny()\ndefault -> deny()\n", FLOWS);
    assert_eq!(
        flows.iter().map(|d| d.code.0).collect::<Vec<_>>(),
        [254, 254]
    );
}

#[test]
fn backends_become_a_maglev_table() {
    let mut program = program();
    let kind = ConfigKind::Maglev {
        table: "slots".into(),
        action: "send".into(),
        size: 251,
    };
    let text = "# name  arguments\nb1 1 0\nb2 weight 3 2 0\n";
    configure(&mut program, &kind, text, "backends.txt").expect("valid");
    let table = &program.tables[TableId(1)];
    assert_eq!(table.entries.len(), 251);
    let second = table
        .entries
        .iter()
        .filter(|e| e.call.args[0] == bits(16, 2))
        .count();
    assert_eq!(second, 188);
    let found = configure(&mut program, &kind, "b1 1\nb1 weight 0 1 0\n", "b").expect_err("wrong");
    assert_eq!(
        found.iter().map(|d| d.code.0).collect::<Vec<_>>(),
        [251, 260]
    );
    let large = ConfigKind::Maglev {
        table: "slots".into(),
        action: "send".into(),
        size: 257,
    };
    let found = configure(&mut program, &large, "b1 1 0", "b").expect_err("wrong");
    assert_eq!(found[0].message, "`Main.slots` cannot hold 257 slots");
}

#[test]
fn patterns_become_a_pattern_set() {
    let mut program = program();
    let kind = ConfigKind::Patterns {
        pattern_set: "signatures".into(),
    };
    let text = "# patterns\n/etc/passwd\n' OR '1'='1\n\"\\x90\\x00 \\\"\"  # bytes\n";
    configure(&mut program, &kind, text, "p").expect("valid");
    let ObjectKind::PatternSet { patterns } = &program.objects[trisect_ir::ObjectId(0)].kind else {
        panic!("a pattern set");
    };
    assert_eq!(
        patterns,
        &[
            b"/etc/passwd".to_vec(),
            b"' OR '1'='1".to_vec(),
            b"\x90\0 \"".to_vec()
        ]
    );
    let wrong = "\"\"\nabc\n\"abc\"\n\"\\q\"\n\"open\n";
    let found = configure(&mut program, &kind, wrong, "p").expect_err("wrong");
    let places: Vec<&str> = found.iter().map(|d| d.span.text(wrong)).collect();
    assert_eq!(places, ["\"\"", "\"abc\"", "\"\\q\"", "\"open"]);
}

#[test]
fn unknown_tables_are_reported() {
    let kind = ConfigKind::Entries {
        table: "routes".into(),
    };
    let found = configure(&mut program(), &kind, "", "x").expect_err("wrong");
    assert_eq!(found[0].message, "the program has no table `routes`");
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "[ -~\n]{0,200}") {
        let mut program = program();
        let _ = parse_entries(&text, "x", &program, ACL);
        let maglev = ConfigKind::Maglev { table: "slots".into(), action: "send".into(), size: 251 };
        let _ = configure(&mut program, &maglev, &text, "x");
        let _ = configure(&mut program, &ConfigKind::Patterns { pattern_set: "signatures".into() }, &text, "x");
    }

    #[test]
    fn any_words_are_answered(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "6", "*", "10.0.0.0/8", "::1", "1-2", "&&&", "/", "-", " ", " ", "->", "deny()", "(", ")",
            "priority", "\n", "default", "tcp", ",", "send(1, 2)", "é",
        ]), 0..30)
    ) {
        let text = words.concat();
        if let Err(found) = parse_entries(&text, "x", &program(), ACL) {
            prop_assert!(found.iter().all(|d| d.span.end as usize <= text.len()));
        }
    }
}
