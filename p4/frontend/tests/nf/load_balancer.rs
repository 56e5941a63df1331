//! load-balancer

use std::collections::BTreeMap;

use crate::frame::{TCP, UDP, ends, frame, seen};
use crate::story::{Story, dropped};

const SERVICES: &str = "192.0.2.10 6 80 -> serve()\n192.0.2.10 17 53 -> serve()\n";
const BACKENDS: &str = "a 10.1.0.1\nb 10.1.0.2\nc 10.1.0.3\n";

fn balancer(backends: &str) -> Story {
    Story::new(
        "load-balancer",
        &[("services", SERVICES), ("backends", backends)],
    )
}

#[test]
fn flows_spread_over_all_backends() {
    let mut lb = balancer(BACKENDS);
    let mut share: BTreeMap<String, u32> = BTreeMap::new();
    for port in 1000..1300 {
        let packet = frame(TCP, ("198.51.100.1", port), ("192.0.2.10", 80)).bytes();
        let out = seen(&lb.send(&packet).frame());
        assert_eq!((out.src_port, out.dst_port), (port, 80));
        *share.entry(out.dst.to_string()).or_default() += 1;
    }
    assert_eq!(share.len(), 3);
    assert!(share.values().all(|n| (60..=140).contains(n)), "{share:?}");
}

#[test]
fn the_answer_comes_from_the_service() {
    for (protocol, port) in [(TCP, 80), (UDP, 53)] {
        let mut lb = balancer("only 10.1.0.1\n");
        let request = frame(protocol, ("198.51.100.1", 999), ("192.0.2.10", port)).bytes();
        let out = lb.send(&request).frame();
        assert_eq!(ends(&out), format!("198.51.100.1:999 > 10.1.0.1:{port}"));
        let answer = frame(protocol, ("10.1.0.1", port), ("198.51.100.1", 999)).bytes();
        let out = lb.send(&answer).frame();
        assert_eq!(ends(&out), format!("192.0.2.10:{port} > 198.51.100.1:999"));
        // Traffic of the backend that no client asked for keeps its address.
        lb.passes(&frame(protocol, ("10.1.0.1", port), ("198.51.100.1", 998)).bytes());
        assert_eq!((lb.flows("flows"), lb.flows("reverse")), (1, 1));
    }
}

#[test]
fn other_traffic_passes() {
    let mut lb = balancer(BACKENDS);
    lb.passes(&frame(TCP, ("198.51.100.1", 1), ("192.0.2.10", 81)).bytes());
    lb.passes(&frame(47, ("198.51.100.1", 1), ("192.0.2.10", 80)).bytes());
    assert_eq!((lb.flows("flows"), lb.flows("reverse")), (0, 0));
}

#[test]
fn without_backends_there_is_a_reason() {
    let mut lb = Story::new("load-balancer", &[("services", SERVICES)]);
    let packet = frame(TCP, ("198.51.100.1", 1), ("192.0.2.10", 80)).bytes();
    assert_eq!(lb.send(&packet), dropped("Balancer.no_backend"));
}
