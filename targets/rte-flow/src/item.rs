//! Pattern items: which protocol headers a rule can name, and where their fields lie on the wire.
//!
//! Names of items and fields are those of testpmd's `flow create` (DPDK,
//! `app/test-pmd/cmdline_flow.c`). The one exception is `nsh`: `struct rte_flow_item_nsh` has
//! fields, testpmd's `nsh` has none; the names here are those of the structure.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of pattern item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Ethernet. Where `type` is left out and no `vlan` follows, VLAN tags behind it are passed
    /// over, as `rte_flow.h` has it ("both tagged and untagged packets will match").
    Eth,
    /// One IEEE 802.1Q tag; further tags behind it are passed over like those behind `eth`.
    Vlan,
    /// Network service header with its context headers.
    Nsh,
    /// One MPLS label stack entry.
    Mpls,
    /// ARP for Ethernet and IPv4.
    ArpEthIpv4,
    /// IPv4 with its options.
    Ipv4,
    /// IPv6; extension headers behind it belong to it (`rte_flow.h` tells of them by `has_*_ext`).
    Ipv6,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmp6,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// GRE with its optional words.
    Gre,
    /// VXLAN.
    Vxlan,
}

/// A field of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemField {
    /// Its name.
    pub name: &'static str,
    /// First bit from the header's start, most significant first.
    pub bit: u32,
    /// Width in bits.
    pub width: u32,
    /// How testpmd writes its values.
    pub notation: Notation,
}

/// How testpmd writes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Decimal or hexadecimal number.
    Number,
    /// Ethernet address.
    Mac,
    /// IPv4 address.
    Ipv4,
    /// IPv6 address.
    Ipv6,
}

const fn number(name: &'static str, bit: u32, width: u32) -> ItemField {
    field(name, bit, width, Notation::Number)
}

const fn field(name: &'static str, bit: u32, width: u32, notation: Notation) -> ItemField {
    ItemField {
        name,
        bit,
        width,
        notation,
    }
}

impl ItemKind {
    /// All kinds.
    pub const ALL: [ItemKind; 13] = [
        Self::Eth,
        Self::Vlan,
        Self::Nsh,
        Self::Mpls,
        Self::ArpEthIpv4,
        Self::Ipv4,
        Self::Ipv6,
        Self::Icmp,
        Self::Icmp6,
        Self::Tcp,
        Self::Udp,
        Self::Gre,
        Self::Vxlan,
    ];

    /// Name in testpmd, in capability files and in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eth => "eth",
            Self::Vlan => "vlan",
            Self::Nsh => "nsh",
            Self::Mpls => "mpls",
            Self::ArpEthIpv4 => "arp_eth_ipv4",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Icmp => "icmp",
            Self::Icmp6 => "icmp6",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Gre => "gre",
            Self::Vxlan => "vxlan",
        }
    }

    /// The fields that rules can match, in wire order.
    pub fn fields(self) -> &'static [ItemField] {
        use Notation::{Ipv4, Ipv6, Mac};
        const ETH: &[ItemField] = &[
            field("dst", 0, 48, Mac),
            field("src", 48, 48, Mac),
            number("type", 96, 16),
        ];
        const VLAN: &[ItemField] = &[
            number("pcp", 0, 3),
            number("dei", 3, 1),
            number("vid", 4, 12),
            number("inner_type", 16, 16),
        ];
        const NSH: &[ItemField] = &[
            number("version", 0, 2),
            number("oam_pkt", 2, 1),
            number("ttl", 4, 6),
            number("length", 10, 6),
            number("mdtype", 20, 4),
            number("next_proto", 24, 8),
            number("spi", 32, 24),
            number("sindex", 56, 8),
        ];
        const MPLS: &[ItemField] = &[
            number("label", 0, 20),
            number("tc", 20, 3),
            number("s", 23, 1),
            number("ttl", 24, 8),
        ];
        const ARP: &[ItemField] = &[
            field("sha", 64, 48, Mac),
            field("spa", 112, 32, Ipv4),
            field("tha", 144, 48, Mac),
            field("tpa", 192, 32, Ipv4),
        ];
        const IPV4: &[ItemField] = &[
            number("version_ihl", 0, 8),
            number("tos", 8, 8),
            number("length", 16, 16),
            number("packet_id", 32, 16),
            number("fragment_offset", 48, 16),
            number("ttl", 64, 8),
            number("proto", 72, 8),
            field("src", 96, 32, Ipv4),
            field("dst", 128, 32, Ipv4),
        ];
        const IPV6: &[ItemField] = &[
            number("tc", 4, 8),
            number("flow", 12, 20),
            number("length", 32, 16),
            number("proto", 48, 8),
            number("hop", 56, 8),
            field("src", 64, 128, Ipv6),
            field("dst", 192, 128, Ipv6),
        ];
        const ICMP: &[ItemField] = &[
            number("type", 0, 8),
            number("code", 8, 8),
            number("ident", 32, 16),
            number("seq", 48, 16),
        ];
        const ICMP6: &[ItemField] = &[number("type", 0, 8), number("code", 8, 8)];
        const TCP: &[ItemField] = &[
            number("src", 0, 16),
            number("dst", 16, 16),
            number("flags", 104, 8),
        ];
        const UDP: &[ItemField] = &[number("src", 0, 16), number("dst", 16, 16)];
        const GRE: &[ItemField] = &[number("c_rsvd0_ver", 0, 16), number("protocol", 16, 16)];
        const VXLAN: &[ItemField] = &[number("vni", 32, 24), number("last_rsvd", 56, 8)];
        match self {
            Self::Eth => ETH,
            Self::Vlan => VLAN,
            Self::Nsh => NSH,
            Self::Mpls => MPLS,
            Self::ArpEthIpv4 => ARP,
            Self::Ipv4 => IPV4,
            Self::Ipv6 => IPV6,
            Self::Icmp => ICMP,
            Self::Icmp6 => ICMP6,
            Self::Tcp => TCP,
            Self::Udp => UDP,
            Self::Gre => GRE,
            Self::Vxlan => VXLAN,
        }
    }

    /// The field of that name.
    pub fn field(self, name: &str) -> Option<&'static ItemField> {
        self.fields().iter().find(|f| f.name == name)
    }

    /// The field that holds these bits of the header.
    pub fn field_at(self, bit: u32, width: u32) -> Option<&'static ItemField> {
        self.fields()
            .iter()
            .find(|f| f.bit <= bit && bit + width <= f.bit + f.width)
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ItemField {
    /// All ones.
    pub fn full(&self) -> u128 {
        u128::MAX >> (128 - self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde_and_fields_do_not_overlap() {
        for kind in ItemKind::ALL {
            let text = serde_json::to_string(&kind).unwrap_or_default();
            assert_eq!(text, format!("\"{}\"", kind.name()));
            for pair in kind.fields().windows(2) {
                assert!(pair[0].bit + pair[0].width <= pair[1].bit, "{kind}");
            }
        }
    }

    #[test]
    fn bits_find_the_field_around_them() {
        let dscp = ItemKind::Ipv4.field_at(8, 6).map(|f| f.name);
        assert_eq!(dscp, Some("tos"));
        assert_eq!(ItemKind::Tcp.field_at(32, 32), None);
    }
}
