//! l3-forwarder and ttl

use crate::frame::{TCP, UDP, frame, seen};
use crate::story::{Fate, Story, dropped};

const ROUTES: &str = "
192.0.2.0/24   -> via(1)
192.0.2.128/25 -> via(2)
198.51.100.0/24 -> via(9)
";
const NEXT_HOPS: &str = "
1 -> forward(4, 02:00:00:00:00:04, 02:00:00:00:00:44)
2 -> forward(5, 02:00:00:00:00:05, 02:00:00:00:00:55)
";

fn router() -> Story {
    Story::new(
        "l3-forwarder",
        &[("routes", ROUTES), ("next_hops", NEXT_HOPS)],
    )
}

#[test]
fn the_longest_prefix_decides() {
    for (dst, port) in [("192.0.2.1", 4), ("192.0.2.200", 5)] {
        let packet = frame(UDP, ("10.0.0.1", 1), (dst, 2)).ttl(17).bytes();
        let Fate::Sent(out, bytes) = router().send(&packet) else {
            panic!("{dst} was dropped");
        };
        assert_eq!(out, port);
        let mac = port as u8;
        assert_eq!(bytes[..6], [2, 0, 0, 0, 0, mac * 17]);
        assert_eq!(bytes[6..12], [2, 0, 0, 0, 0, mac]);
        assert_eq!(seen(&bytes).ttl, 16);
    }
}

#[test]
fn each_drop_has_its_reason() {
    let to = |dst: &str, ttl| frame(TCP, ("10.0.0.1", 1), (dst, 2)).ttl(ttl).bytes();
    assert_eq!(
        router().send(&to("192.0.2.1", 1)),
        dropped("Forwarder.expired")
    );
    assert_eq!(
        router().send(&to("192.0.2.1", 0)),
        dropped("Forwarder.expired")
    );
    assert_eq!(
        router().send(&to("8.8.8.8", 9)),
        dropped("Forwarder.no_route")
    );
    assert_eq!(
        router().send(&to("198.51.100.1", 9)),
        dropped("Forwarder.no_next_hop")
    );
}

#[test]
fn the_checksum_stays_right_for_every_ttl() {
    let mut ttl = Story::new("ttl", &[]);
    for hops in 2..=255 {
        let packet = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2))
            .ttl(hops)
            .bytes();
        assert_eq!(seen(&ttl.send(&packet).frame()).ttl, hops - 1);
    }
    let last = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).ttl(1).bytes();
    assert_eq!(ttl.send(&last), dropped("Ttl.expired"));
}

#[test]
fn options_do_not_disturb() {
    let packet = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).options(&[1, 1, 1, 0]);
    let out = Story::new("ttl", &[]).send(&packet.bytes()).frame();
    assert_eq!(out, packet.ttl(63).bytes());
}
