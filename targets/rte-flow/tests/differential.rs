//! Rules on the NIC model against the piece on the reference interpreter.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Both, Random, SPI, add, captured, encapsulated, nf, piece};
use trisect_ir::{Bits, KeySet};
use trisect_rte_flow::Verdict;

/// Random and real frames, of this continuation, of another, and without NSH.
fn all_frames(both: &mut Both, random: usize) -> (u32, u32, u32) {
    let mut seed = Random(0x9e37_79b9_7f4a_7c15);
    let (mut marked, mut dropped, mut unmarked) = (0, 0, 0);
    let mut frames: Vec<Vec<u8>> = (0..random).map(|_| seed.frame()).collect();
    frames.extend(captured());
    for frame in &frames {
        let spi = if seed.below(50) == 0 { SPI + 1 } else { SPI };
        match both.run(&encapsulated(frame, spi)) {
            Verdict::Host { mark: 0, .. } => unmarked += 1,
            Verdict::Host { .. } => marked += 1,
            _ => dropped += 1,
        }
    }
    (marked, dropped, unmarked)
}

fn mask(width: u32, value: u64, care: u64) -> KeySet {
    KeySet::Mask(Bits::new(width, value), Bits::new(width, care))
}

fn range(lo: u64, hi: u64) -> KeySet {
    KeySet::Range(Bits::new(16, lo), Bits::new(16, hi))
}

#[test]
fn ttl_is_decremented_with_its_checksum() {
    let mut both = Both::new(&piece(nf("ttl")));
    let (marked, dropped, unmarked) = all_frames(&mut both, 20_000);
    assert!(marked > 10_000 && dropped > 1000 && unmarked > 100);
}

#[test]
fn firewall() {
    let mut p = nf("firewall");
    let any = || KeySet::Any;
    let rules = [
        (
            vec![
                mask(32, 0x0a00_0000, 0xffff_0000),
                any(),
                any(),
                any(),
                range(1, 1023),
            ],
            "allow",
        ),
        (
            vec![
                any(),
                mask(32, 0x0a01_0000, 0xffff_0000),
                mask(8, 6, 0xff),
                any(),
                range(80, 80),
            ],
            "deny",
        ),
        (
            vec![any(), any(), mask(8, 6, 0xff), range(1024, 65535), any()],
            "allow",
        ),
        (
            vec![any(), any(), mask(8, 17, 0xff), range(0, 100), range(0, 0)],
            "deny",
        ),
        (
            vec![any(), mask(32, 0, 1), mask(8, 1, 0xff), any(), any()],
            "allow",
        ),
        (
            vec![any(), mask(32, 1, 1), any(), range(0, 0), any()],
            "allow",
        ),
    ];
    for (i, (keys, action)) in rules.into_iter().enumerate() {
        add(&mut p, "acl", keys, 100 - i as u32, action, &[]);
    }
    let tcp6 = vec![any(), any(), mask(8, 6, 0xff), any(), range(22, 443)];
    add(&mut p, "acl6", tcp6, 1, "allow", &[]);
    add(
        &mut p,
        "other",
        vec![KeySet::Exact(Bits::new(16, 0x0806u32))],
        1,
        "deny",
        &[],
    );
    let mut both = Both::new(&piece(p));
    let (marked, dropped, _) = all_frames(&mut both, 30_000);
    assert!(marked > 3000 && dropped > 3000, "{marked} {dropped}");
}

#[test]
fn routes_rewrite_ethernet_addresses() {
    let mut p = nf("l3-forwarder");
    for (prefix, len, hop) in [
        (0x0a00_0000u64, 8, 1u32),
        (0x0a01_0000, 16, 2),
        (0x0a02_0003, 32, 3),
    ] {
        let key = KeySet::Prefix(Bits::new(32, prefix), len);
        add(&mut p, "routes", vec![key], 0, "via", &[Bits::new(16, hop)]);
    }
    let net = Bits::new(128, 0x2001_0db8u32)
        .concat(&Bits::zero(96))
        .resize(128);
    add(
        &mut p,
        "routes6",
        vec![KeySet::Prefix(net, 0)],
        0,
        "via",
        &[Bits::new(16, 2u32)],
    );
    for hop in [1u32, 2] {
        let macs = [
            Bits::new(16, hop),
            Bits::new(48, 0x0200_0000_aa00u64),
            Bits::new(48, 0x0200_0000_bb00u64 + u64::from(hop)),
        ];
        add(
            &mut p,
            "next_hops",
            vec![KeySet::Exact(Bits::new(16, hop))],
            0,
            "forward",
            &macs,
        );
    }
    let mut both = Both::new(&piece(p));
    let (marked, dropped, _) = all_frames(&mut both, 20_000);
    assert!(marked > 3000 && dropped > 3000, "{marked} {dropped}");
}

#[test]
fn frames_without_nsh_are_left_alone() {
    let mut both = Both::new(&piece(nf("ttl")));
    let mut seed = Random(3);
    for _ in 0..2000 {
        let mut frame = seed.frame();
        if frame.len() < 14 || frame[12..14] == [0x89, 0x4f] {
            continue;
        }
        frame[0] = 2;
        assert_eq!(
            both.run(&frame),
            Verdict::Host {
                mark: 0,
                meta: 0,
                queue: 0,
                hash: None
            }
        );
    }
}

/// An access list of the size of the examples', and how long its rules take to make.
#[test]
fn five_hundred_entries() {
    let mut p = nf("firewall");
    let mut seed = Random(5);
    for i in 0..500u32 {
        let net = mask(32, 0x0a00_0000 | seed.below(1 << 16), 0xffff_00ff);
        let dst = mask(32, 0x0a00_0000 | seed.below(1 << 16), 0xffff_00ff);
        let port = 1 + seed.below(60_000);
        let ports = [KeySet::Any, range(port, port), range(1024, 65535)][(i % 3) as usize].clone();
        let protocol = mask(8, [6, 17][(i % 2) as usize], 0xff);
        let action = ["allow", "deny"][(i % 2) as usize];
        add(
            &mut p,
            "acl",
            vec![net, dst, protocol, KeySet::Any, ports],
            1000 - i,
            action,
            &[],
        );
    }
    let piece = piece(p);
    let start = std::time::Instant::now();
    let rules = common::rules(&piece);
    eprintln!("{} rules in {:?}", rules.rules.len(), start.elapsed());
    let mut both = Both::new(&piece);
    let start = std::time::Instant::now();
    all_frames(&mut both, 2000);
    eprintln!("frames in {:?}", start.elapsed());
}
