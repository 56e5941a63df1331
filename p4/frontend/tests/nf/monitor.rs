//! monitor

use crate::frame::{TCP, UDP, frame};
use crate::story::Story;

#[test]
fn flows_are_counted_apart() {
    let mut monitor = Story::new("monitor", &[]);
    let a = frame(TCP, ("10.0.0.1", 1), ("192.0.2.1", 80)).bytes();
    let b = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 80)).bytes();
    for _ in 0..4 {
        monitor.passes(&a);
    }
    monitor.passes(&b);
    monitor.passes(&b);
    assert_eq!(monitor.flows("flows"), 2);
    let counts: Vec<u64> = monitor
        .counted("flow_traffic")
        .iter()
        .map(|(_, count)| count.packets)
        .collect();
    let mut sorted = counts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 3], "each flow less its first packet");
    let first = &monitor.counted("first_packets")[0].1;
    assert_eq!(
        (first.packets, first.bytes),
        (2, (a.len() + b.len()) as u64)
    );
}

#[test]
fn idle_flows_end() {
    let mut monitor = Story::new("monitor", &[("idle_seconds", "10")]);
    let packet = frame(TCP, ("10.0.0.1", 1), ("192.0.2.1", 80)).bytes();
    monitor.passes(&packet);
    monitor.wait(9);
    monitor.passes(&packet);
    monitor.wait(9);
    assert_eq!(monitor.flows("flows"), 1);
    monitor.wait(1);
    assert_eq!(monitor.flows("flows"), 0);
}

#[test]
fn what_is_not_ip_is_counted_together() {
    let mut monitor = Story::new("monitor", &[]);
    let arp = [&[0xff; 12][..], &[8, 6], &[0; 28]].concat();
    monitor.passes(&arp);
    assert_eq!(monitor.flows("flows"), 0);
    assert_eq!(monitor.counted("other_traffic")[0].1.packets, 1);
}
