//! The interpreter is a reference, but a test run must not wait for it.
#![allow(clippy::unwrap_used)]

use std::time::Instant;
use trisect_interp::{Interpreter, Packet};
use trisect_ir::{ActionCall, ActionId, Bits, Entry, KeySet, Origin, Program};

/// 20,000 packets through a table of 10,000 routes, a hundred operations and a flow table.
#[test]
fn tens_of_thousands_of_packets_take_seconds() {
    let operations = "h.a = ((h.a + h.b) ^ (h.b << 4w0x3)) ".repeat(100);
    let source = format!(
        "program speed
        type h_t {{ dst: 32 a: 32 b: 32 }}
        header h: h_t
        start s
        state s {{ extract(h) goto accept }}
        action to(port: 16) {{ $egress_port = %port }}
        action learn() {{ add_entry(flows, to(16w0x1), 8w0x0) }}
        table routes {{ key d: h.dst lpm actions {{ to }} default to(16w0x0) size 10000 }}
        table flows {{ key d: h.dst exact actions {{ to, learn }} default learn() size 1000 flow {{ 1000 }} }}
        entry n
        node n: exec {{ {operations} }} -> route
        node route: apply routes -> flow
        node flow: apply flows -> out
        node out: emit
        deparser h"
    );
    let mut program: Program = source.parse().unwrap();
    let table = program.tables.values_mut().next().unwrap();
    table.entries = (0..10_000u32)
        .map(|i| Entry {
            keys: vec![KeySet::Prefix(Bits::new(32, i << 12), 20)],
            priority: 0,
            call: ActionCall {
                action: ActionId(0),
                args: vec![Bits::new(16, i)],
            },
            origin: Origin::Control,
        })
        .collect();
    let mut interpreter = Interpreter::new(&program);
    let start = Instant::now();
    for i in 0..20_000u32 {
        let mut bytes = (i << 10).to_be_bytes().to_vec();
        bytes.extend([1; 60]);
        interpreter.run(Packet::new(0, u64::from(i), bytes));
    }
    let took = start.elapsed();
    println!("{took:?}");
    assert!(took.as_secs() < 30, "{took:?}");
}
