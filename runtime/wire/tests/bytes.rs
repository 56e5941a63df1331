//! Headers by hand: bytes as they stand on the wire, and every field as it must read.

#![allow(clippy::unwrap_used)]

use trisect_wire::{Error, Layers, Proto};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// `name=value` of every field of the innermost header of `proto` in an Ethernet frame of this type.
fn fields(ethertype: &str, hex: &str, proto: Proto) -> String {
    let frame = bytes(&format!("0200000000aa 0200000000bb {ethertype} {hex}"));
    let walked = Layers::parse(&frame);
    let layer = walked
        .layers
        .iter()
        .rev()
        .find(|l| l.proto == proto)
        .unwrap();
    let show =
        |f: &trisect_wire::FieldDef| format!("{}={}", f.name, f.format(layer.header(&frame)));
    proto
        .fields()
        .iter()
        .map(show)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn link_layers() {
    assert_eq!(
        fields("9999", "", Proto::Ethernet),
        "dst=02:00:00:00:00:aa src=02:00:00:00:00:bb ethertype=0x9999"
    );
    assert_eq!(
        fields("8100", "b064 9999", Proto::Vlan),
        "pcp=5 dei=1 vid=100 ethertype=0x9999"
    );
    assert_eq!(
        fields("8847", "00064 0 40 00065 3 3f", Proto::Mpls),
        "label=101 tc=1 bottom=1 ttl=63"
    );
    assert_eq!(
        fields(
            "0806",
            "0001 0800 06 04 0002 02000000000a 0a000001 02000000000b 0a000002",
            Proto::Arp
        ),
        "htype=1 ptype=0x0800 hlen=6 plen=4 oper=2 sha=02:00:00:00:00:0a spa=10.0.0.1 \
         tha=02:00:00:00:00:0b tpa=10.0.0.2"
    );
}

#[test]
fn network_layers() {
    assert_eq!(
        fields(
            "0800",
            "46b9 0018 abcd 6005 40 fd 1234 c0000201 c6336407 94040000",
            Proto::Ipv4
        ),
        "version=4 ihl=6 dscp=46 ecn=1 total_len=24 id=0xabcd reserved=0 df=1 mf=1 frag_offset=5 \
         ttl=64 protocol=253 checksum=0x1234 src=192.0.2.1 dst=198.51.100.7"
    );
    let addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
    assert_eq!(
        fields(
            "86dd",
            &format!("6b812345 0000 3b 40 {addresses}"),
            Proto::Ipv6
        ),
        "version=6 traffic_class=0xb8 flow_label=0x12345 payload_len=0 next_header=59 \
         hop_limit=64 src=2001:db8::1 dst=2001:db8::2"
    );
    let chain = format!(
        "60000000 0018 00 40 {addresses} 2c00 010400000000 3b00 0009 00000007 {}",
        "00".repeat(8)
    );
    assert_eq!(
        fields("86dd", &chain, Proto::Ipv6Ext),
        "next_header=44 length=0 content=0x010400000000"
    );
    assert_eq!(
        fields("86dd", &chain, Proto::Ipv6Frag),
        "next_header=59 reserved=0x00 frag_offset=1 res2=0x0 mf=1 id=0x00000007"
    );
    let ah = format!("60000000 000c 33 40 {addresses} 3b01 0000 00000005 00000006");
    assert_eq!(
        fields("86dd", &ah, Proto::Ipv6Auth),
        "next_header=59 length=1 reserved=0x0000 spi=0x00000005 seq=6"
    );
}

#[test]
fn transports_and_tunnels() {
    let ip = |proto: &str| format!("4500 00ff 0000 0000 40 {proto} 0000 0a000001 0a000002");
    assert_eq!(
        fields(
            "0800",
            &(ip("06") + "0050 1f90 00000001 00000002 6 1 d2 ffff 1111 0003 020405b4"),
            Proto::Tcp
        ),
        "sport=80 dport=8080 seq=1 ack=2 data_offset=6 reserved=0x1 flags=0xd2 window=65535 \
         checksum=0x1111 urgent=3"
    );
    assert_eq!(
        fields("0800", &(ip("11") + "0035 8000 0009 2222 00"), Proto::Udp),
        "sport=53 dport=32768 length=9 checksum=0x2222"
    );
    for (number, proto) in [("01", Proto::Icmp), ("3a", Proto::Icmpv6)] {
        assert_eq!(
            fields("0800", &(ip(number) + "0304 3333 0000 05dc"), proto),
            "kind=3 code=4 checksum=0x3333 rest=0x000005dc"
        );
    }
    assert_eq!(
        fields(
            "0800",
            &(ip("2f") + "b000 9999 1234 0000 00000007 00000001"),
            Proto::Gre
        ),
        "has_checksum=1 has_routing=0 has_key=1 has_seq=1 reserved=0x0 has_ack=0 reserved2=0x0 \
         version=0 protocol=0x9999"
    );
    assert_eq!(
        fields(
            "0800",
            &(ip("11") + "1111 12b5 0010 0000 08 000000 123456 00"),
            Proto::Vxlan
        ),
        "flags=0x08 reserved=0x000000 vni=1193046 reserved2=0x00"
    );
    assert_eq!(
        fields("894f", "2fc2 02 03 00002a fe fff6 01 00", Proto::Nsh),
        "version=0 oam=1 unassigned=0 ttl=63 length=2 unassigned2=0x0 md_type=2 next_protocol=3 \
         spi=42 si=254"
    );
}

#[test]
fn refusals_say_why() {
    let stop = |ethertype: &str, hex: &str| {
        let frame = bytes(&format!("0200000000aa 0200000000bb {ethertype} {hex}"));
        Layers::parse(&frame)
            .stop
            .map(|e: Error| e.to_string())
            .unwrap()
    };
    assert_eq!(
        stop("0800", "4500"),
        "ipv4: header needs 20 bytes, 2 are there"
    );
    assert_eq!(
        stop("86dd", &"00".repeat(40)),
        "ipv6: field version is 0, not 6"
    );
    assert_eq!(
        stop("0806", &"00".repeat(28)),
        "arp: field htype is 0, only Ethernet (1) is known"
    );
    assert_eq!(
        stop("894f", "0fc5 0103 00000000"),
        "nsh: field length is 5, an MD type 1 header has 6 words"
    );
    assert_eq!(
        stop("894f", "0fc2 0303 00000000"),
        "nsh: field md_type is 3, neither 1 nor 2"
    );
    let ip = |proto: &str| format!("4500 00ff 0000 0000 40 {proto} 0000 0a000001 0a000002");
    assert_eq!(
        stop("0800", &(ip("06") + &"00".repeat(20))),
        "tcp: field data_offset is 0, below 5 words"
    );
    assert_eq!(
        stop("0800", &(ip("11") + "0035 8000 0007 2222")),
        "udp: field length is 7, shorter than the header"
    );
    assert_eq!(
        stop("0800", &(ip("2f") + "4000 0800")),
        "gre: field has_routing is 1, source routes (RFC 1701) are obsolete"
    );
}
