//! The generator of random programs reaches what it is there for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use trisect_interp::{EntryRef, Interpreter, Packet};
use trisect_ir::arbitrary::{Choices, Shape, packets, program};
use trisect_ir::{ParserOp, StdMeta, transform};

/// Bytes that look random and are the same every time.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn programs_are_rich_and_packets_go_everywhere() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut count =
        |what: &'static str, yes: bool| *seen.entry(what).or_default() += u32::from(yes);
    for seed in 0..300 {
        let bytes = noise(seed, 3000);
        let mut c = Choices::new(&bytes);
        let arrivals = packets(&mut c, 15);
        let program = program(&mut c, &Shape::default());
        let text = program.to_string();
        for word in [
            "lpm",
            "ternary",
            "range",
            "optional",
            "reparse",
            "frame(",
            "toeplitz",
            "ones_sum",
            "allocate",
            "search",
            "add_entry",
            "set_valid",
            "copy(",
            "varbit",
            "direct",
            "sext",
            "s|+|",
            "touch",
            "notify(",
            ") | \"act",
            "varbit(",
            "payload()",
            "varbit_length(",
            "varbit_equal(",
            "copy_varbit(",
            "crc(",
            "random(",
        ] {
            count(word, text.contains(word));
        }
        let mut parser_ops = program.parser.states.values().flat_map(|s| &s.ops);
        count(
            "header made or copied by the parser",
            parser_ops.any(|op| matches!(op, ParserOp::SetValid(_) | ParserOp::Copy { .. })),
        );
        let mut interpreter = Interpreter::new(&program);
        for a in arrivals {
            let (outcome, trace) = interpreter.run_traced(Packet::new(a.port, a.time_ns, a.bytes));
            count("sent", outcome.emitted().is_some());
            count("dropped", outcome.emitted().is_none());
            let error = outcome.metadata()[StdMeta::ParserError.id()].low_u64();
            count("parsed", error == 0 && trace.states.len() > 1);
            count("parser error", error != 0);
            let hits = || trace.steps.iter().filter_map(|s| s.hit.as_ref()?.entry);
            count(
                "entry hit",
                hits().any(|e| matches!(e, EntryRef::Static(_))),
            );
            count("flow hit", hits().any(|e| e == EntryRef::Flow));
        }
        let mut pruned = program.clone();
        transform::prune_parser(&mut pruned);
        count("pruned", pruned.headers.len() < program.headers.len());
        let mut folded = program.clone();
        transform::fold_constants(&mut folded);
        count("folded", folded != program);
    }
    println!("{seen:#?}");
    for (what, times) in seen {
        assert!(times >= 10, "{what}: only {times} times");
    }
}
