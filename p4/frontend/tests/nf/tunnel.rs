//! tunnel-gateway
//!
//! ```text
//! 10.0.0.1 --- gateway 203.0.113.1 ===VXLAN=== 203.0.113.2 gateway --- 10.9.0.1
//!                                  ===GRE=====
//! ```

use crate::frame::{TCP, UDP, frame, seen};
use crate::story::{Story, dropped};

const TUNNELS: &str = "
10.9.0.0/16 -> into_vxlan(203.0.113.1, 203.0.113.2, 77, 02:00:00:00:00:0a, 02:00:00:00:00:0b)
10.8.0.0/16 -> into_gre(203.0.113.1, 203.0.113.2, 02:00:00:00:00:0a, 02:00:00:00:00:0b)
";

fn near() -> Story {
    Story::new("tunnel-gateway", &[("tunnels", TUNNELS)])
}

fn far() -> Story {
    let endpoints = "203.0.113.2 203.0.113.1 -> terminate()";
    Story::new("tunnel-gateway", &[("endpoints", endpoints)])
}

#[test]
fn vxlan_there_and_out() {
    let packet = frame(TCP, ("10.0.0.1", 999), ("10.9.0.1", 80))
        .dscp(46)
        .bytes();
    let outer = near().send(&packet).frame();
    let s = seen(&outer);
    assert_eq!(s.src.to_string(), "203.0.113.1");
    assert_eq!(s.dst.to_string(), "203.0.113.2");
    assert_eq!((s.protocol, s.dst_port, s.dscp, s.ttl), (UDP, 4789, 46, 64));
    assert!(s.src_port >= 0xc000);
    assert_eq!(outer[..12], [2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a]);
    assert_eq!(outer.len(), packet.len() + 50);
    assert_eq!(outer[42..50], [8, 0, 0, 0, 0, 0, 77, 0]);
    // The inner IP packet is as it was.
    assert_eq!(outer[64..], packet[14..]);
    let inner = far().send(&outer).frame();
    assert_eq!(inner[12..], packet[12..]);
}

#[test]
fn gre_there_and_out() {
    let packet = frame(UDP, ("10.0.0.1", 999), ("10.8.0.1", 80)).bytes();
    let outer = near().send(&packet).frame();
    assert_eq!(outer.len(), packet.len() + 24);
    assert_eq!(outer[14 + 9], 47);
    assert_eq!(outer[34..38], [0, 0, 8, 0]);
    assert_eq!(outer[38..], packet[14..]);
    let inner = far().send(&outer).frame();
    assert_eq!(inner[12..], packet[12..]);
}

#[test]
fn other_tunnels_and_other_packets_pass() {
    let packet = frame(TCP, ("10.0.0.1", 999), ("10.9.0.1", 80)).bytes();
    let outer = near().send(&packet).frame();
    near().passes(&outer);
    near().passes(&frame(TCP, ("10.0.0.1", 1), ("192.0.2.1", 2)).bytes());
}

#[test]
fn what_does_not_fit_is_dropped_with_a_reason() {
    let options = frame(TCP, ("10.0.0.1", 1), ("10.9.0.1", 2)).options(&[1, 1, 1, 0]);
    assert_eq!(
        near().send(&options.bytes()),
        dropped("Gateway.cannot_encapsulate")
    );
    let mut tagged = frame(TCP, ("10.0.0.1", 1), ("10.9.0.1", 2)).bytes();
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    assert_eq!(near().send(&tagged), dropped("Gateway.cannot_encapsulate"));
}
