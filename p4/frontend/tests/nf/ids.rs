//! ids and cache

use crate::frame::{ICMP, TCP, UDP, frame};
use crate::story::Story;
use trisect_ir::state::{Cell, Count};

fn ids() -> Story {
    Story::new("ids", &[("signatures", "/etc/passwd\ncmd.exe\n")])
}

#[test]
fn the_verdict_says_whether_a_pattern_occurs() {
    let mut ids = ids();
    let mut verdict = |protocol, payload: &[u8]| {
        let packet = frame(protocol, ("10.0.0.1", 80), ("10.0.0.2", 0x0800)).payload(payload);
        ids.attribute("verdict", &packet.bytes())
    };
    assert_eq!(verdict(TCP, b"GET /index.html"), 0);
    assert_eq!(verdict(TCP, b"GET /../etc/passwd"), 1);
    assert_eq!(verdict(UDP, b"cmd.exe /c"), 1);
    assert_eq!(verdict(ICMP, b"...cmd.exe"), 1);
    assert_eq!(verdict(89, b"cmd.exe"), 1);
    assert_eq!(verdict(UDP, b""), 0);
    // Patterns are numbered from 1.
    let one = |n| Count {
        packets: n,
        bytes: 0,
    };
    let cells: Vec<(Cell, u64)> = ids
        .counted("alerts")
        .into_iter()
        .map(|(cell, count)| (cell, count.packets))
        .collect();
    assert_eq!(
        cells,
        [
            (Cell::Index(1), one(1).packets),
            (Cell::Index(2), one(3).packets)
        ]
    );
}

#[test]
fn headers_are_not_searched() {
    let mut ids = Story::new("ids", &[("signatures", "AAAA\n")]);
    // The ports spell the pattern, the payload does not.
    let packet = frame(UDP, ("10.0.0.1", 0x4141), ("10.0.0.2", 0x4141)).payload(b"B");
    assert_eq!(ids.attribute("verdict", &packet.bytes()), 0);
}

#[test]
fn the_cache_counts_requests_apart() {
    let mut cache = Story::new("cache", &[]);
    let request = frame(TCP, ("10.0.0.1", 999), ("192.0.2.1", 80)).bytes();
    let other = frame(UDP, ("10.0.0.1", 999), ("192.0.2.1", 80)).bytes();
    cache.passes(&request);
    cache.passes(&other);
    cache.passes(&other);
    assert_eq!(cache.counted("requests")[0].1.packets, 1);
    assert_eq!(cache.counted("others")[0].1.bytes, 2 * other.len() as u64);
}
