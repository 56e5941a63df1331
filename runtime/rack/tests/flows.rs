//! The driver of a NIC that numbers flows: what it asks for, and that it changes nothing but where look-ups begin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;
use trisect_ir::Program;
use trisect_rack::{Compiled, Engine, Fate, FlowDriver, FlowReport, Frame, SharedNic};
use trisect_rte_flow::flows::with_numbers;
use trisect_rte_flow::{Capabilities, NicModel, RuleSet};

/// Counts the packets of a flow, of whichever direction and path, in the frame.
const SOURCE: &str = r#"
#include <core.p4>
#include <pna.p4>
struct metadata_t { bit<16> seen; bit<32> peer; }
#include <trisect/std.p4>
control Flows(inout headers_t hdr, inout metadata_t meta,
              in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    DirectCounter<bit<64>>(PNA_CounterType_t.PACKETS) packets;
    action known(bit<16> port) { meta.seen = port; packets.count(); }
    action learn() { add_entry("known", {hdr.inner_udp.src_port}, (ExpireTimeProfileId_t) 0); }
    @idle_timeout_seconds[2]
    table flows {
        key = { hdr.inner_ipv4.src: exact; hdr.inner_udp.src_port: exact; }
        actions = { @tableonly known; @defaultonly learn; }
        const default_action = learn();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        pna_direct_counter = packets;
        size = 6;
    }
    action answer(bit<32> peer) { meta.peer = peer; }
    action remember() { add_entry("answer", {hdr.inner_ipv4.src}, (ExpireTimeProfileId_t) 0); }
    @idle_timeout_seconds[1]
    table peers {
        key = { hdr.inner_ipv4.dst: exact; }
        actions = { @tableonly answer; @defaultonly remember; }
        const default_action = remember();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        size = 3;
    }
    action write() { hdr.inner_ipv4.identification = meta.seen ^ meta.peer[15:0]; }
    apply {
        if (hdr.inner_udp.isValid()) {
            flows.apply();
            peers.apply();
            write();
        }
    }
}
PNA_NIC(StdParser(), StdPreControl(), Flows(), StdDeparser()) main;
"#;

fn program() -> Program {
    trisect_p4::compile_str("flows.p4", SOURCE, &trisect_p4::Options::default()).expect("compiles")
}

/// A frame from the switch: on one of two paths, from a port of a host to another host.
fn frame(path: u8, host: u8, port: u8, peer: u8) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0x89, 0x4f];
    out.extend([0x0f, 0xc6, 1, 3, 0, 0, path, 255]);
    out.extend([0; 16]);
    out.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    out.extend([
        0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 1, 0, peer,
    ]);
    out.extend([0, port, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    out
}

/// NIC and host, with numbers for so many flows, and the same without.
struct Both {
    nic: SharedNic,
    hinted: Compiled,
    plain: Compiled,
}

impl Both {
    fn new(most: u32, per_second: Option<u64>) -> Both {
        let mut caps = Capabilities::named("generic").expect("a model");
        caps.rates.insertions_per_second = per_second;
        let rules = with_numbers(&RuleSet::default(), &caps, most).expect("rules");
        let nic = SharedNic::new(NicModel::new(&caps, &rules).expect("a NIC"));
        let driver = FlowDriver::new(&nic).expect("a template");
        let program = program();
        let tables = program.tables.values().map(|t| t.name.clone()).collect();
        Both {
            nic,
            hinted: Compiled::with_flows(&program, 1, driver, tables).expect("compiles"),
            plain: Compiled::new(&program, 1).expect("compiles"),
        }
    }
    /// Plays a frame; the NIC has it at a time, the host a microsecond later.
    fn play(&mut self, now: u64, bytes: &[u8]) -> (Fate, Fate) {
        let frame = Frame::new(bytes.to_vec());
        let (fate, _) = self.nic.process(0, now, frame.clone()).expect("no failure");
        let Fate::Emit { frame: handed, .. } = fate else {
            panic!("the NIC keeps packets back");
        };
        assert_eq!(
            (handed.mark, handed.meta, &handed.bytes),
            (0, 0, &frame.bytes)
        );
        let later = now + 1_000;
        let (hinted, _) = self.hinted.process(0, later, handed).expect("no failure");
        let (plain, _) = self.plain.process(0, later, frame).expect("no failure");
        (hinted, plain)
    }
    fn report(&self) -> FlowReport {
        self.hinted.flows().expect("a driver")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn packets_and_state_are_those_without_numbers(
        most in 1u32..6,
        per_second in proptest::option::of(prop_oneof![Just(1u64), Just(1_000), Just(1_000_000)]),
        packets in vec((1u8..3, 0u8..4, 0u8..3, 0u8..4, 0u64..500_000_000), 1..150),
    ) {
        let mut both = Both::new(most, per_second);
        let mut now = 0;
        for (path, host, port, peer, gap) in packets {
            now += gap;
            let (hinted, plain) = both.play(now, &frame(path, host, port, peer));
            prop_assert_eq!(hinted, plain);
            prop_assert_eq!(both.hinted.state(now), both.plain.state(now));
        }
        let report = both.report();
        prop_assert!(report.removed <= report.inserted);
        prop_assert!(report.inserted - report.removed <= u64::from(most));
        prop_assert!(report.hits <= report.lookups);
    }
}

#[test]
fn the_second_packet_of_a_flow_asks_for_a_rule_and_those_behind_it_have_a_number() {
    let mut both = Both::new(4, Some(1_000));
    let ms = 1_000_000;
    let packet = frame(1, 1, 1, 1);
    for now in [0, 1, 2] {
        both.play(now * ms, &packet);
    }
    // The third came when the rule was not there yet (asked for a microsecond after 1 ms, done 1 ms later), but the driver
    // knows the flow.
    let report = both.report();
    assert_eq!((report.inserted, report.numbered), (1, 0));
    assert_eq!((report.hits, report.lookups), (2, 6));
    both.play(3 * ms, &packet);
    let report = both.report();
    assert_eq!((report.inserted, report.numbered), (1, 1));
    assert_eq!((report.hits, report.lookups), (4, 8));
    // On another path it is another flow to the NIC.
    both.play(4 * ms, &frame(2, 1, 1, 1));
    assert_eq!(both.report().inserted, 2);
}

#[test]
fn rules_of_flows_that_are_gone_make_room() {
    let second = 1_000_000_000;
    let mut both = Both::new(2, None);
    for (now, host) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        both.play(now, &frame(1, host, 1, host));
    }
    assert_eq!((both.report().inserted, both.report().removed), (2, 0));
    // Both are in use; a third flow gets no number before one of them has been passed over once.
    for now in [4, 5, 6] {
        both.play(now, &frame(1, 3, 1, 2));
    }
    let report = both.report();
    assert_eq!((report.inserted, report.removed, report.refused), (3, 1, 1));
    // After all have expired, the next rule finds that one of the others stands for nothing.
    for now in [10 * second, 10 * second + 1] {
        both.play(now, &frame(1, 1, 2, 1));
    }
    let report = both.report();
    assert_eq!((report.inserted, report.removed), (4, 3));
}

#[test]
fn a_nic_that_is_behind_is_not_asked() {
    let mut both = Both::new(100, Some(100));
    for host in 0..20 {
        both.play(u64::from(host) * 1_000, &frame(1, 1, 1, 1));
        both.play(u64::from(host) * 1_000 + 500, &frame(1, 1, host, 1));
    }
    let report = both.report();
    // One change takes 10 ms, and all packets come within 20 us.
    assert_eq!(report.inserted, 1, "{report:?}");
    assert!(report.refused > 0, "{report:?}");
}
