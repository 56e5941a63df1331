//! Which flow a packet belongs to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{FieldValue, Layers, Mac, Proto, ethernet, get_bits};

/// The flow of a packet: the 5-tuple of the outermost IP header, or the Ethernet addresses and type
/// of other frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowKey {
    /// An IP flow.
    Ip {
        /// Source address.
        src: IpAddr,
        /// Destination address.
        dst: IpAddr,
        /// Upper-layer protocol (after IPv6 extension headers).
        proto: u8,
        /// TCP or UDP source port; 0 for other protocols and for every fragment, because all
        /// fragments of a datagram must have one key and only the first one holds the ports.
        sport: u16,
        /// Destination port, likewise.
        dport: u16,
    },
    /// Anything else that is at least an Ethernet frame.
    Ethernet {
        /// Source address.
        src: Mac,
        /// Destination address.
        dst: Mac,
        /// Ethertype (or 802.3 length).
        ethertype: u16,
    },
    /// Too short for Ethernet.
    Short,
}

impl FlowKey {
    /// The key of an Ethernet frame.
    #[must_use]
    pub fn of(frame: &[u8]) -> FlowKey {
        FlowKey::of_layers(frame, &Layers::parse(frame))
    }

    /// The key of a frame that was walked already.
    #[must_use]
    pub fn of_layers(frame: &[u8], layers: &Layers) -> FlowKey {
        let Some(ip) = layers.first_ip().and_then(|i| layers.layers.get(i)) else {
            return match ethernet::Packet::new_checked(frame) {
                Ok(e) => FlowKey::Ethernet {
                    src: e.src(),
                    dst: e.dst(),
                    ethertype: e.ethertype(),
                },
                Err(_) => FlowKey::Short,
            };
        };
        let field = |name| ip.get(frame, name).unwrap_or(0);
        let (src, dst, proto, fragment) = if ip.proto == Proto::Ipv4 {
            (
                IpAddr::V4(Ipv4Addr::from_bits(field("src") as u32)),
                IpAddr::V4(Ipv4Addr::from_bits(field("dst") as u32)),
                field("protocol") as u8,
                field("mf") != 0 || field("frag_offset") != 0,
            )
        } else {
            let (proto, fragment) = v6_upper(frame, layers);
            (
                IpAddr::V6(Ipv6Addr::from(field("src"))),
                IpAddr::V6(Ipv6Addr::from(field("dst"))),
                proto,
                fragment,
            )
        };
        let transport = layers.first_transport().filter(|_| !fragment);
        let port = |bit| transport.map_or(0, |t| get_bits(t.header(frame), bit, 16) as u16);
        FlowKey::Ip {
            src,
            dst,
            proto,
            sport: port(0),
            dport: port(16),
        }
    }

    /// The key of the opposite direction.
    #[must_use]
    pub fn reversed(self) -> FlowKey {
        match self {
            FlowKey::Ip {
                src,
                dst,
                proto,
                sport,
                dport,
            } => FlowKey::Ip {
                src: dst,
                dst: src,
                proto,
                sport: dport,
                dport: sport,
            },
            FlowKey::Ethernet {
                src,
                dst,
                ethertype,
            } => FlowKey::Ethernet {
                src: dst,
                dst: src,
                ethertype,
            },
            FlowKey::Short => FlowKey::Short,
        }
    }

    /// One key for both directions.
    #[must_use]
    pub fn canonical(self) -> FlowKey {
        self.min(self.reversed())
    }

    /// The key as bytes (network order, fixed layout per variant), to be hashed.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(38);
        let addr = |out: &mut Vec<u8>, a: IpAddr| match a {
            IpAddr::V4(a) => out.extend(a.octets()),
            IpAddr::V6(a) => out.extend(a.octets()),
        };
        match self {
            FlowKey::Ip {
                src,
                dst,
                proto,
                sport,
                dport,
            } => {
                addr(&mut out, src);
                addr(&mut out, dst);
                out.push(proto);
                out.extend(sport.to_be_bytes());
                out.extend(dport.to_be_bytes());
            }
            FlowKey::Ethernet {
                src,
                dst,
                ethertype,
            } => {
                out.extend(src.0);
                out.extend(dst.0);
                out.extend(
                    ethertype
                        .to_bits()
                        .to_be_bytes()
                        .get(14..)
                        .unwrap_or_default(),
                );
            }
            FlowKey::Short => {}
        }
        out
    }
}

/// Upper-layer protocol and whether the packet is a fragment, after the extension headers.
fn v6_upper(frame: &[u8], layers: &Layers) -> (u8, bool) {
    let chain = layers.layers.iter().skip(layers.first_ip().unwrap_or(0));
    let (mut proto, mut fragment) = (0, false);
    for (i, l) in chain.enumerate() {
        match l.proto {
            Proto::Ipv6 if i > 0 => break,
            Proto::Ipv6 | Proto::Ipv6Ext | Proto::Ipv6Auth => {}
            Proto::Ipv6Frag => {
                let get = |name| l.get(frame, name).unwrap_or(0);
                fragment |= get("mf") != 0 || get("frag_offset") != 0;
            }
            _ => break,
        }
        proto = l.get(frame, "next_header").unwrap_or(0) as u8;
    }
    (proto, fragment)
}

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowKey::Ip {
                src,
                dst,
                proto,
                sport: 0,
                dport: 0,
            } => {
                write!(f, "{src} > {dst} proto {proto}")
            }
            FlowKey::Ip {
                src,
                dst,
                proto,
                sport,
                dport,
            } => {
                write!(f, "{src}.{sport} > {dst}.{dport} proto {proto}")
            }
            FlowKey::Ethernet {
                src,
                dst,
                ethertype,
            } => {
                write!(f, "{src} > {dst} type 0x{ethertype:04x}")
            }
            FlowKey::Short => write!(f, "too short for Ethernet"),
        }
    }
}
