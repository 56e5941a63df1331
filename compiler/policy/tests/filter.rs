//! Packet filters by hand: the grammar's quirks, what is refused and where, what never matches.

// Helpers of tests fail like tests; clippy exempts only the tests themselves.
#![allow(clippy::expect_used)]

use trisect_policy::Filter;

fn filter(text: &str) -> Filter {
    Filter::parse(text).expect("valid")
}

#[test]
fn printed_with_full_qualifiers() {
    for (text, printed) in [
        ("port 80 or 443", "port 80 or port 443"),
        (
            "src net 10 and not 192.168",
            "src net 10.0.0.0/8 and not src net 192.168.0.0/16",
        ),
        (
            "tcp port (80 or 443 and 22)",
            "tcp port 80 or tcp port 443 and tcp port 22",
        ),
        ("ip and (tcp or udp)", "ip and (tcp or udp)"),
        ("!tcp&&udp||arp", "not tcp and udp or arp"),
        ("not (tcp or udp)", "not (tcp or udp)"),
        ("dst 10.0.0.1", "dst host 10.0.0.1"),
        ("src or dst port 53", "port 53"),
        ("dst and src port 53", "src and dst port 53"),
        (
            "net 10.0.0.0 mask 255.0.255.0",
            "net 10.0.0.0 mask 255.0.255.0",
        ),
        ("ether 2:0:0:0:0:1", ""),
        ("ether host 2:0:0:0:0:1", "ether host 02:00:00:00:00:01"),
        (
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
            "tcp[13] & (2 | 1) != 0",
        ),
        ("ip[0] % 3 + 1 = 2", "ip[0] % (3 + 1) = 2"),
        ("ip[0] & 0xf != 5", "ip[0] & 15 != 5"),
        ("portrange 90-80", "portrange 90-80"),
        ("len <= 010", "len <= 8"),
        ("ip proto \\tcp", "ip proto 6"),
        ("link[0] = 1", "ether[0] = 1"),
        ("broadcast", "ether broadcast"),
        ("", ""),
    ] {
        match Filter::parse(text) {
            Ok(filter) => assert_eq!(filter.to_string(), printed, "{text}"),
            Err(_) => assert_eq!(printed, "", "{text}"),
        }
    }
}

#[test]
fn precedence_is_libpcaps() {
    // Left to right: (tcp or arp) and less 10.
    let long_tcp = [&[0u8; 12][..], &[8, 0, 0x45], &[0; 8], &[6], &[0; 40]].concat();
    assert!(filter("tcp").eval(&long_tcp));
    assert!(!filter("tcp or arp and less 10").eval(&long_tcp));
    assert!(filter("tcp or (arp and less 10)").eval(&long_tcp));
}

#[test]
fn reads_past_the_end_answer_no() {
    let cut = [&[0u8; 12][..], &[8, 0, 0x45]].concat();
    assert!(filter("ip").eval(&cut));
    assert!(!filter("tcp").eval(&cut));
    assert!(!filter("not tcp").eval(&cut));
    assert!(
        filter("ip or tcp").eval(&cut),
        "the second operand is not looked at"
    );
    assert!(
        !filter("ether[0] / ether[1] = 0").eval(&[0; 60]),
        "nor does dividing by 0"
    );
}

#[test]
fn refused_in_place() {
    for (text, code, place) in [
        ("tcp and prot 80", 220, "prot"),
        ("port http", 220, "http"),
        ("host www.example.org", 220, "www.example.org"),
        ("tcp and 80", 220, "80"),
        ("port 70000", 221, "70000"),
        ("net 10.0.0.1/8", 221, "10.0.0.1"),
        ("net 10.0.0.0/40", 221, "40"),
        ("ip6 host 10.0.0.1", 221, "10.0.0.1"),
        ("icmp port 5", 221, "5"),
        ("vlan 5000", 221, "5000"),
        ("ip[0:3] = 1", 221, "3"),
        ("tcp and (udp", 220, ""),
        ("tcp)", 220, ")"),
        ("ip[0", 220, ""),
        ("ip[0]", 220, ""),
        ("tcp or", 220, ""),
        ("gateway foo", 221, "gateway"),
        ("ip broadcast", 221, "ip"),
        ("mpls and vlan", 221, "mpls and vlan"),
        ("ip[0] / 0 = 1", 221, "ip[0] / 0 = 1"),
    ] {
        let error = Filter::parse(text).expect_err("must be refused");
        let found = (error.code.0, error.span.text(text));
        assert_eq!(found, (code, place), "`{text}`: {error}");
        assert!(
            !error.help.is_empty() && !error.message.is_empty(),
            "`{text}`: {error:?}"
        );
    }
    let deep = "(".repeat(100_000);
    assert!(Filter::parse(&deep).is_err());
    assert!(Filter::parse(&format!("ip[{deep}")).is_err());
    assert!(Filter::parse(&"not ".repeat(100_000)).is_err());
}

#[test]
fn long_filters_are_no_problem() {
    let text = vec!["tcp port 80"; 130].join(" or ");
    let filter = filter(&text);
    assert!(!filter.eval(&[0; 60]));
    assert!(!filter.never_matches());
    let text = vec!["ip[0] = 1 and tcp or udp"; 70].join(" or ");
    let lowered = Filter::parse(&text).expect("valid").lower_to_frame();
    let mut nodes = 0u32;
    lowered.walk(&mut |_| nodes += 1);
    assert!(nodes < 1_000_000, "{nodes} nodes");
    assert!(Filter::parse(&vec!["ip"; 10_000].join(" or ")).is_err());
}

#[test]
fn what_can_never_match() {
    for text in [
        "tcp and udp",
        "ip and ip6",
        "arp and tcp",
        "src port 80 and src port 81",
        "port 80 and src port 81 and dst port 82",
        "tcp src port 80 and portrange 100-200 and dst port 5",
        "ip src host 10.0.0.1 and src net 192.168.0.0/16",
        "src net 10.0.0.0/9 and src net 10.128.0.0/9",
        "greater 100 and less 50",
        "less 20 and ip src host 10.0.0.1",
        "ip and not ip",
        "not (ip or not ip)",
        "ip[8] > 10 and ip[8] < 5",
        "ip[0] & 0xf = 5 and ip[0] & 0xf = 6",
        "ip[0] & 0xf = 0x45",
        "ip[0] = 256",
        "ip[9] = 6 and udp",
        "vlan 5 and vlan 5 and arp and ip",
        "5 > 6",
        "ip[8] > 254 and ip[8] != 255",
        "ether src 2:0:0:0:0:1 and ether src 2:0:0:0:0:2",
        "ip6 and ip6[6] = 17 and tcp and not ip6[6] = 44",
    ] {
        assert!(filter(text).never_matches(), "{text}");
    }
    for text in [
        "tcp or udp",
        "port 80 and port 81",
        "vlan 5 and vlan 6",
        "vlan and ip",
        "ip and not tcp",
        "greater 50 and less 100",
        "ip[8] > 5 and ip[8] < 7",
        "ip[8] + 1 = 5 and ip[8] = 200",
        "host 10.0.0.1 and host 10.0.0.2",
        "",
    ] {
        assert!(!filter(text).never_matches(), "{text}");
    }
    assert!(filter("tcp").excludes(&filter("udp port 53")));
    assert!(!filter("ip").excludes(&filter("udp port 53")));
}
