//! Whole packets from the outside in; lengths, type fields and checksums are filled at the end.
//!
//! ```
//! use trisect_wire::build::Build;
//! let inner = Build::sample().ipv4("10.0.0.1", "10.0.0.2").udp(1000, 53).payload(b"hi").frame();
//! let outer = Build::sample().ipv4("192.0.2.1", "192.0.2.2").udp(9, 4789).vxlan(7).payload(&inner);
//! assert!(trisect_wire::describe(&outer.frame()).contains("vxlan 7 / "));
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::ethernet::ethertype;
use crate::layers::ip_proto;
use crate::{Mac, arp, ethernet, gre, icmp, icmpv6, ipv4, ipv6, mpls, nsh, tcp, udp, vlan, vxlan};

#[derive(Debug, Clone)]
enum Piece {
    Ethernet(ethernet::Repr),
    Vlan(vlan::Repr),
    Mpls(mpls::Repr),
    Arp(arp::Repr),
    Ipv4(ipv4::Repr),
    Ipv6(ipv6::Repr),
    Tcp(tcp::Repr),
    Udp(udp::Repr),
    Icmp(icmp::Repr),
    Icmpv6(icmpv6::Repr),
    Gre(gre::Repr),
    Vxlan(vxlan::Repr),
    Nsh(nsh::Repr),
}

impl Piece {
    /// Ethertype by which a carrier announces this header; `None` leaves the carrier's own.
    fn ethertype(&self) -> Option<u16> {
        Some(match self {
            Piece::Ethernet(_) => ethertype::TEB,
            Piece::Vlan(_) => ethertype::VLAN,
            Piece::Mpls(_) => ethertype::MPLS,
            Piece::Arp(_) => ethertype::ARP,
            Piece::Ipv4(_) => ethertype::IPV4,
            Piece::Ipv6(_) => ethertype::IPV6,
            Piece::Nsh(_) => ethertype::NSH,
            _ => return None,
        })
    }

    fn ip_proto(&self) -> Option<u8> {
        Some(match self {
            Piece::Ipv4(_) => ip_proto::IPV4,
            Piece::Ipv6(_) => ip_proto::IPV6,
            Piece::Tcp(_) => ip_proto::TCP,
            Piece::Udp(_) => ip_proto::UDP,
            Piece::Icmp(_) => ip_proto::ICMP,
            Piece::Icmpv6(_) => ip_proto::ICMPV6,
            Piece::Gre(_) => ip_proto::GRE,
            Piece::Mpls(_) => ip_proto::MPLS,
            _ => return None,
        })
    }
}

/// A packet under construction.
#[derive(Debug, Clone, Default)]
pub struct Build {
    pieces: Vec<Piece>,
    payload: Vec<u8>,
}

impl Build {
    /// Starts with an Ethernet header; the type is set by what follows (0xffff if nothing does).
    #[must_use]
    pub fn ethernet(src: Mac, dst: Mac) -> Build {
        let header = ethernet::Repr::new(dst, src, 0xffff);
        Build {
            pieces: vec![Piece::Ethernet(header)],
            payload: Vec::new(),
        }
    }

    /// As [`Build::ethernet`] from 02:00:00:00:00:01 to 02:00:00:00:00:02, for tests.
    #[must_use]
    pub fn sample() -> Build {
        Build::ethernet(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]))
    }

    fn push(mut self, piece: Piece) -> Build {
        self.pieces.push(piece);
        self
    }

    /// Appends another Ethernet header (inside VXLAN, NSH or GRE).
    #[must_use]
    pub fn inner_ethernet(self, src: Mac, dst: Mac) -> Build {
        self.push(Piece::Ethernet(ethernet::Repr::new(dst, src, 0xffff)))
    }

    /// Appends a VLAN tag.
    #[must_use]
    pub fn vlan(self, vid: u16) -> Build {
        self.push(Piece::Vlan(vlan::Repr::new(vid, 0xffff)))
    }

    /// Appends an MPLS label; the last of a run is marked as bottom of the stack.
    #[must_use]
    pub fn mpls(self, label: u32) -> Build {
        self.push(Piece::Mpls(mpls::Repr::new(label, true, 64)))
    }

    /// Appends an ARP request.
    #[must_use]
    pub fn arp(self, sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Build {
        self.push(Piece::Arp(arp::Repr::request(sender, target)))
    }

    /// Appends an IPv4 header between two textual addresses; text that is no address counts as
    /// 0.0.0.0.
    #[must_use]
    pub fn ipv4(self, src: &str, dst: &str) -> Build {
        let addr = |s: &str| s.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.push(Piece::Ipv4(ipv4::Repr::new(addr(src), addr(dst), 255, 0)))
    }

    /// Changes the last IPv4 header (TTL, fragment fields, options ...); lengths and checksum follow.
    #[must_use]
    pub fn with_ipv4(mut self, change: impl FnOnce(&mut ipv4::Repr)) -> Build {
        let found = self.pieces.iter_mut().rev().find_map(|p| match p {
            Piece::Ipv4(r) => Some(r),
            _ => None,
        });
        if let Some(r) = found {
            change(r);
        }
        self
    }

    /// Appends an IPv6 header between two textual addresses; text that is no address counts as ::.
    #[must_use]
    pub fn ipv6(self, src: &str, dst: &str) -> Build {
        let addr = |s: &str| s.parse().unwrap_or(Ipv6Addr::UNSPECIFIED);
        self.push(Piece::Ipv6(ipv6::Repr::new(addr(src), addr(dst), 59, 0)))
    }

    /// Appends a TCP header.
    #[must_use]
    pub fn tcp(self, sport: u16, dport: u16, flags: u8) -> Build {
        self.push(Piece::Tcp(tcp::Repr::new(sport, dport, 0, 0, flags)))
    }

    /// Changes the last TCP header (sequence numbers, options ...); offset and checksum follow.
    #[must_use]
    pub fn with_tcp(mut self, change: impl FnOnce(&mut tcp::Repr)) -> Build {
        let found = self.pieces.iter_mut().rev().find_map(|p| match p {
            Piece::Tcp(r) => Some(r),
            _ => None,
        });
        if let Some(r) = found {
            change(r);
        }
        self
    }

    /// Appends a UDP header.
    #[must_use]
    pub fn udp(self, sport: u16, dport: u16) -> Build {
        self.push(Piece::Udp(udp::Repr::new(sport, dport, 0)))
    }

    /// Appends an ICMP echo request.
    #[must_use]
    pub fn icmp_echo(self, id: u16, seq: u16) -> Build {
        self.push(Piece::Icmp(icmp::Repr::echo(id, seq)))
    }

    /// Appends an ICMPv6 echo request.
    #[must_use]
    pub fn icmpv6_echo(self, id: u16, seq: u16) -> Build {
        self.push(Piece::Icmpv6(icmpv6::Repr::echo(id, seq)))
    }

    /// Appends a GRE header.
    #[must_use]
    pub fn gre(self, key: Option<u32>) -> Build {
        self.push(Piece::Gre(match key {
            Some(key) => gre::Repr::with_key(ethertype::TEB, key),
            None => gre::Repr::new(ethertype::TEB),
        }))
    }

    /// Appends a VXLAN header (after UDP to port 4789).
    #[must_use]
    pub fn vxlan(self, vni: u32) -> Build {
        self.push(Piece::Vxlan(vxlan::Repr::new(vni)))
    }

    /// Appends an NSH header; its `next_protocol` stays as given.
    #[must_use]
    pub fn nsh(self, header: nsh::Repr) -> Build {
        self.push(Piece::Nsh(header))
    }

    /// What follows the last header.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Build {
        self.payload = bytes.to_vec();
        self
    }

    /// The finished frame.
    #[must_use]
    pub fn frame(self) -> Vec<u8> {
        let Build {
            mut pieces,
            payload,
        } = self;
        let mut out = payload;
        for at in (0..pieces.len()).rev() {
            let (before, from) = pieces.split_at_mut(at);
            let [piece, inner @ ..] = from else { continue };
            let header = seal(piece, before.last(), inner.first(), &out);
            out.splice(0..0, header);
        }
        out
    }
}

/// The bytes of `piece`, its type field set after the header inside it and its checksum over `body`.
fn seal(piece: &mut Piece, outer: Option<&Piece>, inner: Option<&Piece>, body: &[u8]) -> Vec<u8> {
    let pseudo = |proto: u8, len: usize| match outer {
        Some(Piece::Ipv4(ip)) => {
            crate::checksum::pseudo_v4(ip.src, ip.dst, proto, len.min(0xffff) as u16)
        }
        Some(Piece::Ipv6(ip)) => crate::checksum::pseudo_v6(ip.src, ip.dst, proto, len as u32),
        _ => 0,
    };
    let ethertype = inner.and_then(Piece::ethertype);
    match piece {
        Piece::Ethernet(r) => {
            r.ethertype = ethertype.unwrap_or(r.ethertype);
            r.emit()
        }
        Piece::Vlan(r) => {
            r.ethertype = ethertype.unwrap_or(r.ethertype);
            r.emit()
        }
        Piece::Gre(r) => {
            r.protocol = ethertype.unwrap_or(r.protocol);
            r.emit()
        }
        Piece::Mpls(r) => {
            r.bottom = !matches!(inner, Some(Piece::Mpls(_)));
            r.emit()
        }
        Piece::Ipv4(r) => {
            r.protocol = inner.and_then(Piece::ip_proto).unwrap_or(r.protocol);
            r.options.resize(r.options.len().div_ceil(4).min(10) * 4, 0);
            r.ihl = (r.header_len() / 4) as u8;
            r.total_len = (r.header_len() + body.len()).min(0xffff) as u16;
            r.fill_checksum();
            r.emit()
        }
        Piece::Ipv6(r) => {
            r.next_header = inner.and_then(Piece::ip_proto).unwrap_or(r.next_header);
            r.payload_len = body.len().min(0xffff) as u16;
            r.emit()
        }
        Piece::Tcp(r) => {
            r.options.resize(r.options.len().div_ceil(4).min(10) * 4, 0);
            r.data_offset = (r.header_len() / 4) as u8;
            r.fill_checksum(pseudo(ip_proto::TCP, r.header_len() + body.len()), body);
            r.emit()
        }
        Piece::Udp(r) => {
            r.length = (r.header_len() + body.len()).min(0xffff) as u16;
            r.fill_checksum(pseudo(ip_proto::UDP, r.header_len() + body.len()), body);
            r.emit()
        }
        Piece::Icmp(r) => {
            r.fill_checksum(body);
            r.emit()
        }
        Piece::Icmpv6(r) => {
            r.fill_checksum(pseudo(ip_proto::ICMPV6, r.header_len() + body.len()), body);
            r.emit()
        }
        Piece::Arp(r) => r.emit(),
        Piece::Vxlan(r) => r.emit(),
        Piece::Nsh(r) => r.emit(),
    }
}
