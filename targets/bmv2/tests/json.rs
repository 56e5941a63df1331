//! The JSON program and P4Info as such: what they look like, that they are the same every time, and what is refused.
//! Whether they mean the same as the program is what `simple_switch.rs` asks BMv2.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;
#[path = "common/generate.rs"]
#[allow(dead_code)] // no packets here
mod generate;
#[path = "common/library.rs"]
#[allow(dead_code)] // no packets here
mod library;

use std::path::Path;

use common::Numbers;
use serde_json::Value;
use trisect_bmv2::json::{Entries, emit, p4info};
use trisect_ir::{BinOp, Expr, LValue, NodeKind, Op, Program};
use trisect_target::LowerError;

fn pretty(program: &Program, entries: Entries) -> String {
    match emit(program, entries) {
        Ok(json) => serde_json::to_string_pretty(&json).expect("JSON") + "\n",
        Err(error) => panic!("{}: {error}", program.name),
    }
}

fn refused(program: &Program, entries: Entries) -> u16 {
    match emit(program, entries) {
        Err(LowerError::Refused { refusal, .. }) => refusal.code.0,
        other => panic!("{}: {other:?}", program.name),
    }
}

fn read(text: &str) -> Program {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn small() -> Program {
    read(&std::fs::read_to_string(golden("small.tri")).expect("the program"))
}

/// Compares with a golden file, or writes it.
fn agrees(name: &str, found: &str) {
    let file = golden(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, found).expect("the file can be written");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{name} differs; BLESS=1 writes it anew");
}

#[test]
fn a_small_program_looks_like_this() {
    let program = small();
    agrees("small.json", &pretty(&program, Entries::Const));
    agrees("small.p4info.txt", &p4info(&program).expect("P4Info"));
}

/// In debug builds, `emit` checks that everything named is there.
#[test]
fn everything_is_emitted_the_same_twice_and_can_be_read() {
    let mut programs = vec![small()];
    let mut numbers = Numbers(1);
    for mut program in library::library() {
        library::fill(&mut program, &mut numbers);
        programs.push(program);
    }
    programs.extend((0..80).map(generate::generate));
    let mut emitted = 0;
    for program in &programs {
        if emit(program, Entries::Const).is_err() {
            continue;
        }
        let text = pretty(program, Entries::Const);
        assert_eq!(text, pretty(program, Entries::Const));
        // serde_json reads at most 128 levels.
        let back: Value = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(Some(back), emit(program, Entries::Const).ok());
        assert_eq!(p4info(program).ok(), p4info(program).ok());
        emitted += 1;
    }
    assert!(emitted > 80, "only {emitted} programs");
}

#[test]
fn numbers_of_the_control_plane_stay_when_something_is_added() {
    let text = std::fs::read_to_string(golden("small.tri")).expect("the program");
    let more = text.replace(
        "register seen",
        "counter first size 3 packets\nregister seen",
    );
    let ids = |info: &str| -> Vec<String> {
        let lines = info.lines().map(str::trim);
        let preambles: Vec<&str> = lines.skip_while(|line| *line != "preamble {").collect();
        let pairs = preambles
            .windows(2)
            .filter(|pair| pair[1].starts_with("name: \"Pipeline."));
        pairs.map(|pair| pair.join(" ")).collect()
    };
    let before = ids(&p4info(&read(&text)).expect("P4Info"));
    let after = ids(&p4info(&read(&more)).expect("P4Info"));
    assert_eq!(after.len(), before.len() + 1);
    assert!(
        before.iter().all(|id| after.contains(id)),
        "{before:?} {after:?}"
    );
}

/// Readers of JSON, BMv2's among them, take a limited depth only.
#[test]
fn deep_expressions_are_cut_into_pieces() {
    let mut program = small();
    let kind = program.field_named("ethernet", "kind").expect("a field");
    let mut deep = Expr::Field(kind);
    for at in 0..150 {
        let op = [BinOp::Add, BinOp::Sar, BinOp::Rem, BinOp::SubSat][at % 4];
        deep = Expr::binary(op, deep, Expr::Field(kind));
    }
    let set = Op::Set(LValue::field(kind.header, kind.field), deep);
    for node in program.control.nodes.values_mut() {
        if let NodeKind::Exec(ops, _) = &mut node.kind {
            ops.push(set.clone());
        }
    }
    let text = pretty(&program, Entries::Const);
    serde_json::from_str::<Value>(&text).expect("at most 128 levels");
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
}

#[test]
fn what_only_the_control_plane_can_set_is_refused_where_there_is_none() {
    let program = small();
    assert_eq!(refused(&program, Entries::All), 450);
    let text = std::fs::read_to_string(golden("small.tri")).expect("the program");
    let register = read(&text.replace("init 16w0x0", "init 16w0x7"));
    assert_eq!(refused(&register, Entries::All), 450);
    pretty(&register, Entries::Const);
}

#[test]
fn what_is_too_much_for_bmv2_is_refused() {
    let text = std::fs::read_to_string(golden("small.tri")).expect("the program");
    let wide = "type wide_t { a: 2048 b: 2056 }\nheader wide: wide_t\n";
    let changes = [
        ("size 16", "size 16777217"),
        ("exec {", "exec { $packet_length = 32w0x0"),
    ];
    for (from, to) in changes {
        assert_eq!(
            refused(&read(&text.replace(from, to)), Entries::Const),
            450,
            "{to}"
        );
    }
    let wide = text
        .replace("header ethernet:", &format!("{wide}header ethernet:"))
        .replace("exec {", "exec { set_valid(wide)")
        .replace("deparser ethernet", "deparser wide, ethernet");
    assert_eq!(refused(&read(&wide), Entries::Const), 450);
    let twice = "program v\ntype v_t { l: 8 v: varbit 64 }\nheader v: v_t\nstart a\n\
                 state a { extract(v, 32w0x8) goto b }\nstate b { extract(v, 32w0x8) goto accept }\n\
                 entry out\nnode out: emit\ndeparser v\n";
    assert_eq!(refused(&read(twice), Entries::Const), 450);
    let hash = text.replace(
        "extract(ethernet)",
        "extract(ethernet) $color = (crc16(8w0x1) as 8)",
    );
    assert_eq!(refused(&read(&hash), Entries::Const), 448);
}
