//! Programs whose parsers and deparsers are not the standard ones: where they may be cut.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;

use common::compare;
use trisect_interp::Packet;
use trisect_ir::{NodeKind, Program};
use trisect_plan::analysis::{Effects, Graph, Purity};
use trisect_plan::facts::Facts;
use trisect_plan::legal::{self, Violation};
use trisect_plan::site::{Assignment, ServerId, Site};
use trisect_plan::split::{Ports, split};

/// A program with a parser state, a deparser and a header name of choice; its nodes write the TTL and
/// choose a port by what the packet says.
fn program(op: &str, next: &str, deparser: &str, name: &str) -> Program {
    const SOURCE: &str = r#"program p
        type ethernet_t { dst: 48 src: 48 ether_type: 16 }
        type ipv4_t { version: 4 ihl: 4 tos: 8 length: 16 id: 16 fragment: 16 ttl: 8 protocol: 8
            checksum: 16 src: 32 dst: 32 }
        header ethernet: ethernet_t
        header NAME: ipv4_t
        start first
        state first { extract(ethernet) select(NEXT) { (16w0x800) => second  (_) => accept } }
        state second { OP extract(NAME) goto accept }
        entry a
        node a of own: exec { NAME.ttl = (NAME.ttl - 8w0x1) } -> b
        node b of own: if (NAME.protocol == 8w0x6) -> c else -> d
        node c of own: exec { $egress_port = 16w0x1 } -> e
        node d of own: exec { $egress_port = 16w0x2 } -> e
        node e: emit
        deparser DEPARSER"#;
    let text = SOURCE
        .replace("DEPARSER", deparser)
        .replace("NEXT", next)
        .replace("OP", op)
        .replace("NAME", name);
    let program: Program = text.parse().expect("parses");
    trisect_ir::verify(&program).expect("valid");
    program
}

fn usual() -> Program {
    program("", "ethernet.ether_type", "ethernet, ipv4", "ipv4")
}

fn packets() -> Vec<Packet> {
    let frame = |protocol: u8, length: usize| {
        let mut bytes = vec![2; 12];
        bytes.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 7, 0, 0, 64, protocol, 1, 2]);
        bytes.extend([10, 0, 0, 1, 10, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9]);
        bytes.truncate(length);
        Packet::new(0, 1_000, bytes)
    };
    vec![frame(6, 60), frame(17, 60), frame(6, 30), frame(6, 3)]
}

const HOST: Site = Site::Host(ServerId(0));

fn all(facts: &Facts, site: Site) -> Assignment {
    Assignment::all(facts.effects.len(), site)
}

/// Splits, compares with the uncut program, and says how often packets crossed.
fn runs(program: &Program, assignment: &Assignment) -> usize {
    let facts = Facts::new(program);
    let ports = Ports { servers: vec![10] };
    let pieces = split(&facts, assignment, &ports).expect("legal");
    compare(program, &pieces, &ports.servers, &packets())
}

#[test]
fn the_usual_parser_may_be_run_on_every_device() {
    let program = usual();
    let facts = Facts::new(&program);
    assert!(runs(&program, &all(&facts, HOST)) > 0);
    let mut mixed = all(&facts, Site::Switch);
    let b = program.control.nodes.find(|n| n.name == "b").expect("b");
    mixed.set(b, HOST);
    assert!(runs(&program, &mixed) > 0);
}

#[test]
fn what_the_deparser_loses_is_left_to_one_device() {
    for program in [
        program(
            "advance(32w0x20)",
            "ethernet.ether_type",
            "ethernet, ipv4",
            "ipv4",
        ),
        program("", "ethernet.ether_type", "ipv4", "ipv4"),
        program("", "ethernet.ether_type", "ipv4, ethernet", "ipv4"),
    ] {
        let facts = Facts::new(&program);
        assert!(facts.clean.only_whole());
        assert_eq!(runs(&program, &all(&facts, Site::Switch)), 0);
        assert!(runs(&program, &all(&facts, HOST)) > 0);
        let mut mixed = all(&facts, HOST);
        let a = program.control.nodes.find(|n| n.name == "a").expect("a");
        mixed.set(a, Site::Switch);
        let found = legal::check(&facts, &mixed);
        assert!(
            found.iter().any(|v| matches!(v, Violation::Unclean { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn a_parser_that_reads_its_port_is_run_once() {
    let program = program("", "$ingress_port", "ethernet, ipv4", "ipv4");
    let facts = Facts::new(&program);
    assert_eq!(runs(&program, &all(&facts, Site::Switch)), 0);
    let found = legal::check(&facts, &all(&facts, HOST));
    let why = found.first().map(ToString::to_string).unwrap_or_default();
    assert!(why.contains("`first` reads ingress_port"), "{why}");
}

/// Whether the branch on the protocol may part packets of one flow.
fn parts(program: &Program) -> bool {
    let graph = Graph::new(program);
    let nodes = program.control.nodes.keys();
    let effects: Vec<Effects> = nodes.map(|n| Effects::of_node(program, n)).collect();
    let purity = Purity::new(program, &graph, &effects);
    let mut branches = program.control.nodes.iter();
    let (branch, _) = branches
        .find(|(_, n)| matches!(n.kind, NodeKind::Branch(..)))
        .expect("a branch");
    purity.splits_flows(branch)
}

#[test]
fn a_header_tells_flows_apart_only_where_it_is_the_standard_one() {
    let (whole, both) = ("ethernet.ether_type", "ethernet, ipv4");
    assert!(!parts(&usual()));
    // Another name: nobody knows what it is.
    assert!(parts(&program("", whole, "ethernet, ip", "ip")));
    // Not right behind what it should be behind.
    assert!(parts(&program("advance(32w0x20)", whole, both, "ipv4")));
    // Not where the standard has it.
    let text = usual()
        .to_string()
        .replace("ttl: 8\n    protocol: 8", "protocol: 8\n    ttl: 8");
    let moved: Program = text.parse().expect("parses");
    assert_ne!(moved, usual());
    assert!(parts(&moved));
    // Parsed because of what is not the same for all packets of a flow.
    assert!(parts(&program(
        "",
        "(lookahead(0, 16) ^ $packet_length[15:0])",
        both,
        "ipv4"
    )));
}
