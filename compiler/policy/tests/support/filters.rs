//! Texts of packet filters, with values that [`super::frames`] draws from too.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "0", "1", "2", "5", "6", "17", "0x45", "0xff", "015", "64", "128", "2048"
        ])
        .prop_map(String::from),
        (0u32..70).prop_map(|n| n.to_string()),
        any::<u32>().prop_map(|n| n.to_string()),
        select(vec![
            "tcpflags",
            "tcp-syn",
            "tcp-ack",
            "icmptype",
            "icmp-echo",
            "icmp6type"
        ])
        .prop_map(String::from),
    ]
}

fn arith() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![3 => number(), 1 => Just("len".to_string())];
    leaf.prop_recursive(3, 10, 2, |inner| {
        let protocols = vec![
            "ether", "ip", "arp", "rarp", "ip6", "tcp", "udp", "sctp", "icmp", "icmp6",
        ];
        let load = (
            select(protocols),
            inner.clone(),
            select(vec!["", ":1", ":2", ":4"]),
        )
            .prop_map(|(protocol, index, size)| format!("{protocol}[{index}{size}]"));
        let offset = 0u32..40;
        let protocols = vec![
            "ether", "ip", "ip6", "tcp", "udp", "icmp", "igmp", "pim", "vrrp",
        ];
        let near = (select(protocols), offset, select(vec!["", ":2", ":4"]))
            .prop_map(|(protocol, index, size)| format!("{protocol}[{index}{size}]"));
        let signs = vec!["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"];
        prop_oneof![
            2 => load,
            4 => near,
            2 => (inner.clone(), select(signs), inner.clone())
                .prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
            1 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => inner.prop_map(|inner| format!("- {inner}")),
        ]
    })
}

/// A value, with the qualifiers that give it its kind.
fn qualified() -> impl Strategy<Value = (String, String, Vec<String>)> {
    let direction = || {
        let all = vec!["", "", "src ", "dst ", "src or dst ", "dst and src "];
        select(all).prop_map(String::from)
    };
    let strings = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let v4 = strings(&[
        "10.0.0.1",
        "10.0.0.2",
        "192.168.1.1",
        "224.0.0.1",
        "0.0.0.0",
    ]);
    let v6 = strings(&["fe80::1", "2001:db8::1", "ff02::1", "::"]);
    let v4_net = strings(&[
        "10.0.0.0/8",
        "10",
        "192.168",
        "10.0.0.0 mask 255.0.255.0",
        "0.0.0.0/0",
    ]);
    let v6_net = strings(&["fe80::/10", "2001:db8::/33", "::/0", "ff02::1"]);
    let ports = strings(&["80", "443", "53", "0", "65535", "0x50"]);
    let ranges = strings(&["50-90", "443-400", "80", "0-65535"]);
    let macs = strings(&["02:00:00:00:00:01", "2:0:0:0:0:2", "ff:ff:ff:ff:ff:ff"]);
    let pick = |prefixes: &[&str], kind: &str, values: Vec<String>| {
        let kind = kind.to_string();
        (select(strings(prefixes)), direction(), Just(values)).prop_map(
            move |(prefix, direction, values)| (prefix, format!("{direction}{kind}"), values),
        )
    };
    prop_oneof![
        pick(&["", "ip ", "arp ", "rarp "], "host ", v4),
        pick(&["", "ip6 "], "host ", v6),
        pick(&["", "ip "], "net ", v4_net),
        pick(&["", "ip6 "], "net ", v6_net),
        pick(&["", "tcp ", "udp ", "sctp "], "port ", ports),
        pick(&["", "tcp ", "udp "], "portrange ", ranges),
        pick(&["ether "], "host ", macs),
        (
            select(strings(&["", "ip ", "ip6 "])),
            Just(strings(&["6", "17", "\\tcp", "\\icmp", "44", "300"]))
        )
            .prop_map(|(prefix, values)| (prefix, "proto ".to_string(), values)),
    ]
}

/// One value, or several that share the qualifiers: `port 80 or 443`, `port (80 or not 443)`.
fn shared() -> impl Strategy<Value = String> {
    (qualified(), 0usize..6, vec(any::<prop::sample::Index>(), 3)).prop_map(
        |((protocol, kind, values), shape, picks)| {
            let value = |n: usize| picks[n].get(&values).clone();
            let head = format!("{protocol}{kind}");
            match shape {
                0 => format!("{head}{} or {}", value(0), value(1)),
                1 => format!("{head}({} or not {})", value(0), value(1)),
                2 => format!("{head}{} and not {} or {}", value(0), value(1), value(2)),
                _ => format!("{head}{}", value(0)),
            }
        },
    )
}

fn primitive() -> impl Strategy<Value = String> {
    let plain = vec![
        "ip",
        "ip6",
        "arp",
        "rarp",
        "tcp",
        "udp",
        "sctp",
        "icmp",
        "icmp6",
        "igmp",
        "igrp",
        "pim",
        "vrrp",
        "carp",
        "ah",
        "esp",
        "broadcast",
        "multicast",
        "ether broadcast",
        "ether multicast",
        "ip multicast",
        "ip6 multicast",
        "vlan",
        "vlan 5",
        "vlan 100",
        "mpls",
        "mpls 7",
        "less 60",
        "greater 60",
        "ether proto 0x88cc",
        "ether proto \\arp",
    ];
    let relations = vec!["=", "==", "!=", "<", "<=", ">", ">="];
    prop_oneof![
        4 => select(plain).prop_map(String::from),
        6 => shared(),
        4 => (arith(), select(relations), arith())
            .prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
    ]
}

/// The text of a filter; rarely one that is refused (an IPv4 network behind `ip6`, a division by 0).
pub fn filter() -> impl Strategy<Value = String> {
    primitive().prop_recursive(4, 8, 2, |inner| {
        let joins = vec![" and ", " or ", " && ", " || "];
        prop_oneof![
            4 => (inner.clone(), select(joins), inner.clone())
                .prop_map(|(left, join, right)| format!("{left}{join}{right}")),
            1 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => inner.clone().prop_map(|inner| format!("not {inner}")),
            1 => inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}
