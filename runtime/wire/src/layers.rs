//! Walking a whole packet, header by header.

use std::ops::Range;

use crate::ethernet::ethertype;
use crate::view::Extent;
use crate::{
    Error, FieldDef, arp, ethernet, get_bits, gre, icmp, icmpv6, ipv4, ipv6, mpls, nsh, tcp, udp,
    vlan, vxlan,
};

/// A protocol that [`Layers`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    missing_docs,
    reason = "the names say it; each has a module of the same name"
)]
pub enum Proto {
    Ethernet,
    Vlan,
    Mpls,
    Arp,
    Ipv4,
    Ipv6,
    Ipv6Ext,
    Ipv6Frag,
    Ipv6Auth,
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
    Gre,
    Vxlan,
    Nsh,
}

/// IP protocol numbers (IANA registry).
pub mod ip_proto {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// GRE.
    pub const GRE: u8 = 47;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// MPLS in IP (RFC 4023).
    pub const MPLS: u8 = 137;
}

impl Proto {
    /// Short lower-case name, as errors and decodings show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Proto::Ethernet => "ethernet",
            Proto::Vlan => "vlan",
            Proto::Mpls => "mpls",
            Proto::Arp => "arp",
            Proto::Ipv4 => "ipv4",
            Proto::Ipv6 => "ipv6",
            Proto::Ipv6Ext => "ipv6-ext",
            Proto::Ipv6Frag => "ipv6-frag",
            Proto::Ipv6Auth => "ipv6-auth",
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
            Proto::Icmp => "icmp",
            Proto::Icmpv6 => "icmpv6",
            Proto::Gre => "gre",
            Proto::Vxlan => "vxlan",
            Proto::Nsh => "nsh",
        }
    }

    /// The protocol's fixed fields.
    #[must_use]
    pub fn fields(self) -> &'static [FieldDef] {
        match self {
            Proto::Ethernet => ethernet::FIELDS,
            Proto::Vlan => vlan::FIELDS,
            Proto::Mpls => mpls::FIELDS,
            Proto::Arp => arp::FIELDS,
            Proto::Ipv4 => ipv4::FIELDS,
            Proto::Ipv6 => ipv6::FIELDS,
            Proto::Ipv6Ext => ipv6::ext::FIELDS,
            Proto::Ipv6Frag => ipv6::ext::fragment::FIELDS,
            Proto::Ipv6Auth => ipv6::ext::auth::FIELDS,
            Proto::Tcp => tcp::FIELDS,
            Proto::Udp => udp::FIELDS,
            Proto::Icmp => icmp::FIELDS,
            Proto::Icmpv6 => icmpv6::FIELDS,
            Proto::Gre => gre::FIELDS,
            Proto::Vxlan => vxlan::FIELDS,
            Proto::Nsh => nsh::FIELDS,
        }
    }

    /// Bytes of the protocol's fixed part; what follows it in the header are options.
    #[must_use]
    pub fn fixed(self) -> usize {
        self.fields()
            .iter()
            .map(|f| f.bit + f.width)
            .max()
            .unwrap_or(0)
            / 8
    }

    /// The field of this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static FieldDef> {
        self.fields().iter().find(|f| f.name == name)
    }

    fn extent(self, buf: &[u8]) -> Result<Extent, Error> {
        Ok(match self {
            Proto::Ethernet => ethernet::Packet::new_checked(buf)?.extent(),
            Proto::Vlan => vlan::Packet::new_checked(buf)?.extent(),
            Proto::Mpls => mpls::Packet::new_checked(buf)?.extent(),
            Proto::Arp => arp::Packet::new_checked(buf)?.extent(),
            Proto::Ipv4 => ipv4::Packet::new_checked(buf)?.extent(),
            Proto::Ipv6 => ipv6::Packet::new_checked(buf)?.extent(),
            Proto::Ipv6Ext => ipv6::ext::Packet::new_checked(buf)?.extent(),
            Proto::Ipv6Frag => ipv6::ext::fragment::Packet::new_checked(buf)?.extent(),
            Proto::Ipv6Auth => ipv6::ext::auth::Packet::new_checked(buf)?.extent(),
            Proto::Tcp => tcp::Packet::new_checked(buf)?.extent(),
            Proto::Udp => udp::Packet::new_checked(buf)?.extent(),
            Proto::Icmp => icmp::Packet::new_checked(buf)?.extent(),
            Proto::Icmpv6 => icmpv6::Packet::new_checked(buf)?.extent(),
            Proto::Gre => gre::Packet::new_checked(buf)?.extent(),
            Proto::Vxlan => vxlan::Packet::new_checked(buf)?.extent(),
            Proto::Nsh => nsh::Packet::new_checked(buf)?.extent(),
        })
    }

    /// What follows this header, if the walker knows it.
    fn next(self, header: &[u8], payload: &[u8]) -> Option<Proto> {
        let get = |name| self.field(name).map_or(0, |f| f.read(header)) as u32;
        match self {
            Proto::Ethernet | Proto::Vlan => by_ethertype(get("ethertype") as u16),
            Proto::Gre => by_ethertype(get("protocol") as u16),
            Proto::Mpls if get("bottom") == 0 => Some(Proto::Mpls),
            // The label stack does not say what it carries; the first nibble does for IP (RFC 4928).
            Proto::Mpls => match get_bits(payload, 0, 4) {
                4 => Some(Proto::Ipv4),
                6 => Some(Proto::Ipv6),
                _ => None,
            },
            Proto::Ipv4 if get("frag_offset") != 0 => None,
            Proto::Ipv4 => by_ip_proto(get("protocol") as u8),
            Proto::Ipv6Frag if get("frag_offset") != 0 => None,
            Proto::Ipv6 | Proto::Ipv6Ext | Proto::Ipv6Frag | Proto::Ipv6Auth => {
                let next = get("next_header") as u8;
                by_ext(next).or_else(|| by_ip_proto(next))
            }
            Proto::Udp => (get("dport") as u16 == udp::VXLAN_PORT).then_some(Proto::Vxlan),
            Proto::Vxlan => Some(Proto::Ethernet),
            Proto::Nsh => match get("next_protocol") as u8 {
                nsh::next::IPV4 => Some(Proto::Ipv4),
                nsh::next::IPV6 => Some(Proto::Ipv6),
                nsh::next::ETHERNET => Some(Proto::Ethernet),
                nsh::next::NSH => Some(Proto::Nsh),
                nsh::next::MPLS => Some(Proto::Mpls),
                _ => None,
            },
            Proto::Arp | Proto::Tcp | Proto::Icmp | Proto::Icmpv6 => None,
        }
    }
}

fn by_ethertype(value: u16) -> Option<Proto> {
    Some(match value {
        ethertype::IPV4 => Proto::Ipv4,
        ethertype::IPV6 => Proto::Ipv6,
        ethertype::ARP => Proto::Arp,
        ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD => Proto::Vlan,
        ethertype::MPLS | ethertype::MPLS_UPSTREAM => Proto::Mpls,
        ethertype::NSH => Proto::Nsh,
        ethertype::TEB => Proto::Ethernet,
        _ => return None,
    })
}

fn by_ip_proto(value: u8) -> Option<Proto> {
    Some(match value {
        ip_proto::TCP => Proto::Tcp,
        ip_proto::UDP => Proto::Udp,
        ip_proto::ICMP => Proto::Icmp,
        ip_proto::ICMPV6 => Proto::Icmpv6,
        ip_proto::GRE => Proto::Gre,
        ip_proto::IPV4 => Proto::Ipv4,
        ip_proto::IPV6 => Proto::Ipv6,
        ip_proto::MPLS => Proto::Mpls,
        _ => return None,
    })
}

fn by_ext(value: u8) -> Option<Proto> {
    use ipv6::ext;
    Some(match value {
        ext::HOP_BY_HOP | ext::ROUTING | ext::DEST_OPTIONS | ext::MOBILITY => Proto::Ipv6Ext,
        ext::FRAGMENT => Proto::Ipv6Frag,
        ext::AUTH => Proto::Ipv6Auth,
        _ => return None,
    })
}

/// One header of a packet. All offsets are in bytes from the packet's start and within the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Which protocol.
    pub proto: Proto,
    /// First byte of the header.
    pub start: usize,
    /// End of the header, options included.
    pub header_end: usize,
    /// End of the payload as far as the header's length field and the bytes go.
    pub end: usize,
    /// Whether the length field claims more bytes than there are.
    pub cut: bool,
}

impl Layer {
    /// The header's bytes in `frame`, the packet that was walked.
    #[must_use]
    pub fn header<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.start..self.header_end).unwrap_or_default()
    }

    /// From the header's first byte to the end of its payload.
    #[must_use]
    pub fn whole<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.start..self.end).unwrap_or_default()
    }

    /// The payload's bytes in `frame`.
    #[must_use]
    pub fn payload<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.header_end..self.end).unwrap_or_default()
    }

    /// The value of a named field; `None` if the protocol has no such field.
    #[must_use]
    pub fn get(&self, frame: &[u8], field: &str) -> Option<u128> {
        self.proto.field(field).map(|f| f.read(self.header(frame)))
    }
}

/// The headers of one packet, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The headers.
    pub layers: Vec<Layer>,
    /// The bytes after the last header, up to the innermost length.
    pub payload: Range<usize>,
    /// Why the walk ended before the payload, if it did: the next header was not what the previous
    /// one promised. Those bytes count as payload.
    pub stop: Option<Error>,
}

/// Headers after which the walk gives up (the rest is payload): nothing real nests so deep.
const MAX_LAYERS: usize = 32;

impl Layers {
    /// Walks an Ethernet frame. Never fails: what is not understood is payload, with the reason in
    /// [`Layers::stop`].
    #[must_use]
    pub fn parse(frame: &[u8]) -> Layers {
        let mut out = Layers {
            layers: Vec::new(),
            payload: 0..frame.len(),
            stop: None,
        };
        let mut next = Some(Proto::Ethernet);
        while let Some(proto) = next.filter(|_| out.layers.len() < MAX_LAYERS) {
            let start = out.payload.start;
            let bytes = frame.get(out.payload.clone()).unwrap_or_default();
            let extent = match proto.extent(bytes) {
                Ok(extent) => extent,
                Err(e) => {
                    out.stop = Some(e);
                    break;
                }
            };
            let layer = Layer {
                proto,
                start,
                header_end: start + extent.header,
                end: start + extent.end,
                cut: extent.cut,
            };
            next = proto.next(layer.header(frame), layer.payload(frame));
            out.payload = layer.header_end..layer.end;
            out.layers.push(layer);
        }
        out
    }

    /// The outermost header of a protocol.
    #[must_use]
    pub fn first(&self, proto: Proto) -> Option<&Layer> {
        self.layers.iter().find(|l| l.proto == proto)
    }

    /// Index of the outermost IP header (version 4 or 6).
    #[must_use]
    pub fn first_ip(&self) -> Option<usize> {
        self.layers
            .iter()
            .position(|l| matches!(l.proto, Proto::Ipv4 | Proto::Ipv6))
    }

    /// The TCP or UDP header that belongs to the outermost IP header (not to a tunnelled packet).
    #[must_use]
    pub fn first_transport(&self) -> Option<&Layer> {
        let after_ip = self.layers.get(self.first_ip()? + 1..)?;
        after_ip
            .iter()
            .find(|l| !matches!(l.proto, Proto::Ipv6Ext | Proto::Ipv6Frag | Proto::Ipv6Auth))
            .filter(|l| matches!(l.proto, Proto::Tcp | Proto::Udp))
    }
}
