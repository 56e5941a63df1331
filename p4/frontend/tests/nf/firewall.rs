//! firewall

use crate::frame::{TCP, UDP, frame};
use crate::story::{Story, dropped};

const RULES: &str = "
10.0.0.0/8  *            6  *     22       -> deny()
10.0.0.0/8  192.0.2.0/24 6  *     20-80    -> allow()
*           192.0.2.53   17 *     53       -> allow()
192.0.2.66  *            *  *     *        -> deny()
192.0.2.0/24 *           *  *     *        -> allow()
";

fn firewall() -> Story {
    Story::new("firewall", &[("rules", RULES)])
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut fw = firewall();
    fw.passes(&frame(TCP, ("10.1.1.1", 999), ("192.0.2.9", 80)).bytes());
    let ssh = frame(TCP, ("10.1.1.1", 999), ("192.0.2.9", 22)).bytes();
    assert_eq!(fw.send(&ssh), dropped("Firewall.deny"));
    fw.passes(&frame(UDP, ("172.16.0.1", 999), ("192.0.2.53", 53)).bytes());
    fw.passes(&frame(UDP, ("192.0.2.65", 1), ("10.0.0.1", 1)).bytes());
    let banned = frame(UDP, ("192.0.2.66", 1), ("10.0.0.1", 1)).bytes();
    assert_eq!(fw.send(&banned), dropped("Firewall.deny"));
}

#[test]
fn what_no_rule_names_is_denied_unless_the_default_says_otherwise() {
    let stranger = frame(UDP, ("203.0.113.1", 1), ("203.0.113.2", 2)).bytes();
    assert_eq!(firewall().send(&stranger), dropped("Firewall.deny"));
    let mut open = Story::new("firewall", &[("rules", "default -> allow()")]);
    open.passes(&stranger);
}

#[test]
fn fragments_behind_the_first_have_no_ports() {
    let mut fw = firewall();
    let fragment = frame(TCP, ("10.1.1.1", 0), ("192.0.2.9", 0)).fragment(100);
    assert_eq!(fw.send(&fragment.bytes()), dropped("Firewall.deny"));
}

#[test]
fn packets_that_are_not_ip_go_by_their_ethernet_type() {
    let arp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[8, 6], &[0; 46]].concat();
    firewall().passes(&arp);
    let mut strict = Story::new(
        "firewall",
        &[("other", "arp -> allow()\ndefault -> deny()")],
    );
    strict.passes(&arp);
    let lldp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xcc], &[0; 46]].concat();
    assert_eq!(strict.send(&lldp), dropped("Firewall.deny"));
}
