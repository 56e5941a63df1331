//! normaliser

use crate::frame::{Frame, TCP, UDP, frame, seen};
use crate::story::{Story, dropped};

fn tcp() -> Frame {
    frame(TCP, ("10.0.0.1", 1), ("192.0.2.1", 80))
}

#[test]
fn low_ttls_are_raised() {
    let mut norm = Story::new("normaliser", &[("min_ttl", "10")]);
    assert_eq!(seen(&norm.send(&tcp().ttl(3).bytes()).frame()).ttl, 10);
    norm.passes(&tcp().ttl(10).bytes());
    norm.passes(&tcp().ttl(200).bytes());
}

#[test]
fn reserved_bits_become_zero() {
    let mut norm = Story::new("normaliser", &[]);
    // The evil bit (RFC 3514) and TCP's four reserved bits.
    let out = norm.send(&tcp().fragment(0x8000).bytes()).frame();
    assert_eq!(out, tcp().bytes());
    let out = norm.send(&tcp().flags(0xf10).bytes()).frame();
    assert_eq!(out, tcp().bytes());
}

#[test]
fn flags_that_no_tcp_sends_are_dropped() {
    let mut norm = Story::new("normaliser", &[]);
    for good in [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x19, 0xc2, 0x38] {
        norm.passes(&tcp().flags(good).bytes());
    }
    for bad in [0x00, 0x03, 0x06, 0x15, 0x01, 0x08, 0x20, 0x29, 0x3f] {
        let fate = norm.send(&tcp().flags(bad).bytes());
        assert_eq!(fate, dropped("Normaliser.bad_flags"), "flags {bad:02x}");
    }
}

#[test]
fn fragments_that_hide_something_are_dropped() {
    let mut norm = Story::new("normaliser", &[]);
    let bad = dropped("Normaliser.bad_fragment");
    // Offset 1 overlaps the TCP header.
    assert_eq!(norm.send(&tcp().fragment(1).bytes()), bad);
    // Ends behind byte 65,535 of the packet.
    let far = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).fragment(0x1fff);
    assert_eq!(norm.send(&far.clone().payload(&[0; 16]).bytes()), bad);
    // Fragments that say that they may not be.
    assert_eq!(norm.send(&tcp().fragment(0x4000 | 100).bytes()), bad);
    // A first fragment without the whole TCP header.
    let mut tiny = tcp().fragment(0x2000).bytes();
    tiny.truncate(14 + 20 + 16);
    tiny[16..18].copy_from_slice(&36u16.to_be_bytes());
    assert_eq!(norm.send(&tiny), dropped("Normaliser.malformed"));
    norm.passes(&tcp().fragment(0x2000).bytes());
    norm.passes(&tcp().fragment(200).bytes());
}

#[test]
fn options_and_same_addresses_are_dropped() {
    let mut norm = Story::new("normaliser", &[]);
    let options = tcp().options(&[0x83, 3, 4, 0]).bytes();
    assert_eq!(norm.send(&options), dropped("Normaliser.ip_options"));
    Story::new("normaliser", &[("drop_options", "false")]).passes(&options);
    let land = frame(TCP, ("10.0.0.1", 80), ("10.0.0.1", 80)).bytes();
    assert_eq!(norm.send(&land), dropped("Normaliser.same_address"));
}

#[test]
fn lying_lengths_are_malformed() {
    let mut norm = Story::new("normaliser", &[]);
    let malformed = dropped("Normaliser.malformed");
    let mut packet = tcp().bytes();
    packet[14] = 0x44;
    assert_eq!(norm.send(&packet), malformed, "IHL 4");
    packet[14] = 0x4f;
    assert_eq!(
        norm.send(&packet),
        malformed,
        "IHL 15 runs out of the frame"
    );
    let mut packet = tcp().bytes();
    packet[14 + 20 + 12] = 0x40;
    assert_eq!(norm.send(&packet), malformed, "TCP offset 4");
    let mut packet = tcp().bytes();
    packet[16..18].copy_from_slice(&19u16.to_be_bytes());
    assert_eq!(norm.send(&packet), malformed, "total length 19");
}
