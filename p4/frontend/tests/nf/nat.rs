//! source-nat

use crate::frame::{ICMP, TCP, UDP, ends, frame, seen};
use crate::story::{Story, dropped};

const INSIDE: &str = "10.0.0.0/8 -> from_inside()";
const OUTSIDE: &str = "203.0.113.7";

fn nat(ports: &str) -> Story {
    Story::new(
        "source-nat",
        &[
            ("inside", INSIDE),
            ("external_address", OUTSIDE),
            ("first_port", "5000"),
            ("ports", ports),
            ("idle_seconds", "60"),
        ],
    )
}

#[test]
fn there_and_back_again() {
    for protocol in [TCP, UDP] {
        let mut nat = nat("100");
        let out = frame(protocol, ("10.0.0.1", 1234), ("192.0.2.1", 80)).bytes();
        let sent = nat.send(&out).frame();
        assert_eq!(ends(&sent), "203.0.113.7:5000 > 192.0.2.1:80");
        let back = frame(protocol, ("192.0.2.1", 80), (OUTSIDE, 5000)).bytes();
        let received = nat.send(&back).frame();
        assert_eq!(ends(&received), "192.0.2.1:80 > 10.0.0.1:1234");
        assert_eq!((nat.flows("mappings"), nat.flows("reverse")), (1, 1));
    }
}

#[test]
fn a_mapping_depends_on_the_inside_only() {
    let mut nat = nat("100");
    let mut port = |src: (&str, u16), dst: (&str, u16)| {
        seen(&nat.send(&frame(UDP, src, dst).bytes()).frame()).src_port
    };
    assert_eq!(port(("10.0.0.1", 7), ("192.0.2.1", 1)), 5000);
    assert_eq!(port(("10.0.0.2", 7), ("192.0.2.1", 1)), 5001);
    assert_eq!(port(("10.0.0.1", 7), ("192.0.2.99", 5)), 5000);
    assert_eq!(port(("10.0.0.1", 8), ("192.0.2.1", 1)), 5002);
}

#[test]
fn echo_is_translated_by_its_identifier() {
    let mut nat = nat("100");
    let request = frame(ICMP, ("10.0.0.1", 77), ("192.0.2.1", 0x0800)).bytes();
    assert_eq!(
        ends(&nat.send(&request).frame()),
        "203.0.113.7:5000 > 192.0.2.1:2048"
    );
    let reply = frame(ICMP, ("192.0.2.1", 5000), (OUTSIDE, 0)).bytes();
    assert_eq!(ends(&nat.send(&reply).frame()), "192.0.2.1:77 > 10.0.0.1:0");
    let unreachable = frame(ICMP, ("192.0.2.1", 0), (OUTSIDE, 0x0301)).bytes();
    assert_eq!(nat.send(&unreachable), dropped("Nat.untranslatable"));
}

#[test]
fn a_udp_packet_without_checksum_stays_without() {
    let packet = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).without_checksum();
    let sent = nat("9").send(&packet.bytes()).frame();
    assert_eq!(sent[14 + 20 + 6..14 + 20 + 8], [0, 0]);
}

#[test]
fn a_udp_checksum_never_becomes_zero() {
    // Among all payload words there is one for which the translated checksum would be 0.
    let mut all_ones = 0;
    for word in 0..=u16::MAX {
        let packet = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).payload(&word.to_be_bytes());
        let sent = nat_shared(&packet.bytes());
        assert_ne!(sent[14 + 20 + 6..14 + 20 + 8], [0, 0], "payload {word:04x}");
        seen(&sent);
        all_ones += usize::from(sent[14 + 20 + 6..14 + 20 + 8] == [0xff, 0xff]);
    }
    assert_eq!(all_ones, 1);
}

fn nat_shared(packet: &[u8]) -> Vec<u8> {
    thread_local!(static NAT: std::cell::RefCell<Story> = nat("9").into());
    NAT.with(|nat| nat.borrow_mut().send(packet).frame())
}

#[test]
fn what_cannot_be_translated_is_dropped_with_its_reason() {
    let mut nat = nat("1");
    let from = |host: &str, port| frame(UDP, (host, port), ("192.0.2.1", 2)).bytes();
    nat.send(&from("10.0.0.1", 1)).frame();
    assert_eq!(nat.send(&from("10.0.0.2", 1)), dropped("Nat.no_port"));
    let gre = frame(47, ("10.0.0.1", 0), ("192.0.2.1", 0)).bytes();
    assert_eq!(nat.send(&gre), dropped("Nat.untranslatable"));
    let fragment = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).fragment(9);
    assert_eq!(nat.send(&fragment.bytes()), dropped("Nat.untranslatable"));
    let scan = frame(TCP, ("192.0.2.1", 2), (OUTSIDE, 9999)).bytes();
    assert_eq!(nat.send(&scan), dropped("Nat.no_mapping"));
    assert_eq!(nat.flows("reverse"), 1, "a scan adds nothing");
    nat.passes(&frame(TCP, ("192.0.2.1", 2), ("192.0.2.9", 2)).bytes());
}

#[test]
fn an_idle_port_is_given_out_again() {
    let mut nat = nat("1");
    let from = |host: &str| frame(UDP, (host, 1), ("192.0.2.1", 2)).bytes();
    nat.send(&from("10.0.0.1")).frame();
    nat.wait(59);
    // Traffic from outside keeps the port, too.
    let back = frame(UDP, ("192.0.2.1", 2), (OUTSIDE, 5000)).bytes();
    nat.send(&back).frame();
    nat.wait(59);
    assert_eq!(nat.send(&from("10.0.0.2")), dropped("Nat.no_port"));
    nat.wait(1);
    assert_eq!(
        ends(&nat.send(&from("10.0.0.2")).frame()),
        "203.0.113.7:5000 > 192.0.2.1:2"
    );
    assert_eq!(ends(&nat.send(&back).frame()), "192.0.2.1:2 > 10.0.0.2:1");
}
