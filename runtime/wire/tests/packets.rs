//! Whole packets: built, walked, described, compared; and arbitrary bytes that must never panic.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trisect_wire::build::Build;
use trisect_wire::{FlowKey, Layers, Proto, decode, describe, diff, nsh, tcp};

fn protos(frame: &[u8]) -> Vec<Proto> {
    let walked = Layers::parse(frame);
    assert_eq!(walked.stop, None, "{}", describe(frame));
    walked.layers.iter().map(|l| l.proto).collect()
}

fn samples() -> Vec<(Vec<u8>, Vec<Proto>)> {
    use Proto::*;
    let b = Build::sample;
    let mac = trisect_wire::Mac([2, 0, 0, 0, 0, 9]);
    let inner = b()
        .ipv4("10.1.0.1", "10.1.0.2")
        .tcp(1, 2, tcp::flag::ACK)
        .payload(b"x")
        .frame();
    vec![
        (
            b().arp((mac, [10, 0, 0, 1].into()), [10, 0, 0, 2].into())
                .frame(),
            vec![Ethernet, Arp],
        ),
        (
            b().vlan(5)
                .vlan(6)
                .ipv6("fe80::1", "fe80::2")
                .icmpv6_echo(1, 2)
                .payload(b"ping")
                .frame(),
            vec![Ethernet, Vlan, Vlan, Ipv6, Icmpv6],
        ),
        (
            b().mpls(100)
                .mpls(200)
                .ipv4("10.0.0.1", "10.0.0.2")
                .icmp_echo(1, 2)
                .frame(),
            vec![Ethernet, Mpls, Mpls, Ipv4, Icmp],
        ),
        (
            b().ipv4("10.0.0.1", "10.0.0.2")
                .gre(Some(7))
                .ipv4("1.1.1.1", "2.2.2.2")
                .udp(1, 2)
                .frame(),
            vec![Ethernet, Ipv4, Gre, Ipv4, Udp],
        ),
        (
            b().ipv4("10.0.0.1", "10.0.0.2")
                .udp(1, 4789)
                .vxlan(9)
                .payload(&inner)
                .frame(),
            vec![Ethernet, Ipv4, Udp, Vxlan, Ethernet, Ipv4, Tcp],
        ),
        (
            b().nsh(nsh::Repr::md1(3, [0; 16])).payload(&inner).frame(),
            vec![Ethernet, Nsh, Ethernet, Ipv4, Tcp],
        ),
        (
            b().nsh(nsh::Repr::md2(3, 1, 2, &[9; 33]).unwrap())
                .payload(&inner)
                .frame(),
            vec![Ethernet, Nsh, Ethernet, Ipv4, Tcp],
        ),
    ]
}

#[test]
fn built_packets_are_walked_as_built_and_have_right_checksums() {
    for (frame, expected) in samples() {
        assert_eq!(protos(&frame), expected, "{}", describe(&frame));
        assert!(
            !describe(&frame).contains("bad checksum"),
            "{}",
            describe(&frame)
        );
    }
}

#[test]
fn a_wrong_checksum_is_named() {
    let mut p = Build::sample()
        .ipv4("10.0.0.1", "10.0.0.2")
        .udp(1, 2)
        .payload(b"abc")
        .frame();
    *p.last_mut().unwrap() ^= 1;
    let line = describe(&p);
    assert!(line.contains("udp 1 > 2 len 11 [bad checksum"), "{line}");
    assert!(decode(&p).contains("would be right"));
}

#[test]
fn difference_names_the_field() {
    let a = Build::sample()
        .ipv4("10.0.0.1", "10.0.0.2")
        .udp(1, 2)
        .payload(b"abc");
    let b = a.clone().with_ipv4(|ip| ip.ttl = 63);
    let found: Vec<String> = diff(&a.clone().frame(), &b.frame())
        .iter()
        .map(|d| d.to_string())
        .collect();
    assert_eq!(found[0], "ipv4.ttl: 64 against 63 (byte 22)");
    assert!(found[1].starts_with("ipv4.checksum: "), "{found:?}");
    assert_eq!(found.len(), 2);
    let c = a.clone().payload(b"abX").frame();
    let places: Vec<String> = diff(&a.frame(), &c).into_iter().map(|d| d.place).collect();
    assert_eq!(places, ["udp.checksum", "payload"]);
}

#[test]
fn all_fragments_of_a_datagram_have_one_key() {
    let first = Build::sample()
        .ipv4("10.0.0.1", "10.0.0.2")
        .with_ipv4(|ip| ip.mf = true);
    let first = first.udp(1000, 53).payload(&[1; 16]).frame();
    let second = Build::sample()
        .ipv4("10.0.0.1", "10.0.0.2")
        .with_ipv4(|ip| {
            ip.frag_offset = 3;
            ip.protocol = 17;
        });
    assert_eq!(
        FlowKey::of(&first),
        FlowKey::of(&second.payload(&[2; 8]).frame())
    );
    let whole = Build::sample()
        .ipv4("10.0.0.1", "10.0.0.2")
        .udp(1000, 53)
        .frame();
    let key = FlowKey::of(&whole);
    assert_eq!(key.to_string(), "10.0.0.1.1000 > 10.0.0.2.53 proto 17");
    assert_eq!(key.canonical(), key.reversed().canonical());
}

/// Bytes that look like packets: a built sample, damaged at a few places and cut somewhere.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<Vec<u8>> = samples().into_iter().map(|s| s.0).collect();
    (
        prop::sample::select(all),
        prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        any::<usize>(),
    )
        .prop_map(|(mut p, edits, cut)| {
            for (at, v) in edits {
                let at = at % p.len();
                p[at] = v;
            }
            p.truncate(cut % (p.len() + 1));
            p
        })
}

fn exercise(frame: &[u8]) {
    let walked = Layers::parse(frame);
    assert!(walked.payload.start <= walked.payload.end && walked.payload.end <= frame.len());
    let mut end = 0;
    for l in &walked.layers {
        assert_eq!(l.start, end, "headers are contiguous");
        assert!(l.start < l.header_end && l.header_end <= l.end && l.end <= frame.len());
        assert!(l.header(frame).len() >= l.proto.fixed());
        end = l.header_end;
    }
    assert!(!describe(frame).is_empty() && !decode(frame).is_empty());
    let _ = FlowKey::of(frame).to_bytes();
}

macro_rules! repr_round_trip {
    ($frame:expr, $($m:ident)::+) => {
        if let Ok(p) = trisect_wire::$($m)::+::Packet::new_checked($frame) {
            assert_eq!(trisect_wire::$($m)::+::Repr::parse(&p).emit(), p.header());
            assert!(p.header_len() + p.payload().len() <= $frame.len());
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_panic_on_any_bytes(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&frame);
    }

    #[test]
    fn no_panic_on_damaged_packets(a in damaged(), b in damaged()) {
        exercise(&a);
        prop_assert_eq!(diff(&a, &b).is_empty(), a == b, "{} | {}", describe(&a), describe(&b));
    }

    #[test]
    fn parse_then_emit_is_identity(mut frame in prop::collection::vec(any::<u8>(), 0..120), first: u8) {
        // The first byte decides most of what a header's check accepts: try likely ones often.
        if let Some(b) = frame.first_mut() {
            *b = match first % 4 { 0 => 0x45, 1 => 0x60, 2 => 0x46, _ => *b };
        }
        let f = &frame[..];
        repr_round_trip!(f, ethernet);
        repr_round_trip!(f, vlan);
        repr_round_trip!(f, mpls);
        repr_round_trip!(f, arp);
        repr_round_trip!(f, ipv4);
        repr_round_trip!(f, ipv6);
        repr_round_trip!(f, ipv6::ext);
        repr_round_trip!(f, ipv6::ext::fragment);
        repr_round_trip!(f, ipv6::ext::auth);
        repr_round_trip!(f, tcp);
        repr_round_trip!(f, udp);
        repr_round_trip!(f, icmp);
        repr_round_trip!(f, icmpv6);
        repr_round_trip!(f, gre);
        repr_round_trip!(f, vxlan);
        repr_round_trip!(f, nsh);
    }
}
