//! Packet filters in their header form, over the standard parser: the same verdict as on the bytes,
//! on captured frames.

// Helpers of tests fail like tests; clippy exempts only the tests themselves.
#![allow(clippy::expect_used)]

use std::path::Path;

use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::{Control, Node, NodeKind, Program};
use trisect_p4::Options;
use trisect_policy::Filter;
use trisect_policy::filter::View;

const FILTERS: [&str; 18] = [
    "ip",
    "ip6",
    "tcp",
    "udp or icmp",
    "ip and (tcp or udp)",
    "ip src net 10.0.0.0/8 and not ip dst host 192.168.1.1",
    "ip6 dst net fe80::/10",
    "tcp dst port 443",
    "udp portrange 50-90",
    "tcp port 80 or udp port 53",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[8] < 64 or ip[0] & 0xf != 5",
    "ip[6:2] & 0x1fff != 0",
    "ether multicast",
    "vlan and ip",
    "vlan and vlan and ip and tcp",
    "icmp[icmptype] = icmp-echo or icmp6[icmp6type] = icmp6-neighborsolicit",
    "greater 100 and arp host 192.168.1.1",
];

/// A program with the standard parser that emits what the filter takes and drops the rest.
fn program(filter: &Filter) -> Program {
    let nf = trisect_p4::library::find("ttl").expect("a library function");
    let mut program = nf.compile(&Options::default()).expect("it compiles");
    let lowered = filter.lower(&program);
    assert_eq!(lowered.view, View::Headers, "{filter}");
    let mut control = Control::default();
    let mut node = |name: &str, kind| {
        control.nodes.push(Node {
            name: name.to_string(),
            nf: String::new(),
            kind,
        })
    };
    let emit = node("emit", NodeKind::Emit);
    let drop = node("drop", NodeKind::Drop);
    let branch = node("branch", NodeKind::Branch(lowered.expr, emit, drop));
    control.entry = Some(branch);
    program.control = control;
    assert_eq!(trisect_ir::verify(&program), Ok(()), "{filter}");
    program
}

fn captures() -> Option<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no captures at {}", folder.display());
        return None;
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "pcap")
    });
    paths.sort();
    let mut frames = Vec::new();
    for path in paths {
        let bytes = std::fs::read(path).expect("a readable capture");
        // Classic pcap with little-endian headers, which all of them are.
        let length = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize)
        };
        assert_eq!(length(0), Some(0xa1b2_c3d4), "a little-endian pcap");
        let mut at = 24;
        while let Some(size) = length(at + 8) {
            frames.push(bytes[at + 16..at + 16 + size].to_vec());
            at += 16 + size;
        }
    }
    Some(frames)
}

#[test]
fn header_forms_agree_with_the_bytes() {
    let Some(frames) = captures() else { return };
    for text in FILTERS {
        let filter = Filter::parse(text).expect("valid");
        let mut interpreter = Interpreter::new(&program(&filter));
        let mut taken = 0;
        for frame in &frames {
            let outcome = interpreter.run(Packet::new(0, 0, frame.clone()));
            let emitted = matches!(outcome, Outcome::Emit { .. });
            assert_eq!(emitted, filter.eval(frame), "`{text}` on {frame:02x?}");
            taken += usize::from(emitted);
        }
        println!("{text}: {taken} of {}", frames.len());
    }
}
