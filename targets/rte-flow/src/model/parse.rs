//! The NIC's parser: which headers stand where.
//!
//! A header is seen if and only if the parser of p4/include/trisect/std.p4 would find it valid:
//! length fields that lie end the parse, transport headers are seen in first fragments only, at most
//! three VLAN tags and four MPLS entries are parsed (fewer if the NIC model says so). This is
//! written anew and not taken from the interpreter or from `trisect-wire`, so that the differential
//! tests hold two readings of the same text against each other.

use crate::ItemKind;
use crate::caps::Capabilities;
use trisect_target::wire;

/// One header that is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its kind.
    pub kind: ItemKind,
    /// Its first byte.
    pub at: usize,
}

/// How deep stacks are parsed.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// VLAN tags.
    pub vlan: usize,
    /// MPLS entries.
    pub mpls: usize,
}

impl Depth {
    /// As deep as a NIC of this model does.
    pub fn of(caps: &Capabilities) -> Self {
        Self {
            vlan: usize::from(caps.matching.max_vlan),
            mpls: usize::from(caps.matching.max_mpls),
        }
    }
}

/// The headers of a frame, outermost first: with the encapsulation if there is one.
pub fn parse(frame: &[u8], depth: Depth) -> Vec<Layer> {
    let mut p = Parse {
        frame,
        at: 0,
        layers: Vec::with_capacity(8),
        depth,
    };
    if p.byte16(12) == Some(wire::ETHERTYPE_NSH) {
        let _ = p.encapsulation();
    } else {
        let _ = p.ethernet();
    }
    p.layers
}

struct Parse<'a> {
    frame: &'a [u8],
    at: usize,
    layers: Vec<Layer>,
    depth: Depth,
}

/// `None` ends the parse.
type Step = Option<()>;

impl Parse<'_> {
    fn byte(&self, offset: usize) -> Option<u8> {
        self.frame.get(self.at + offset).copied()
    }

    fn byte16(&self, offset: usize) -> Option<u16> {
        Some(u16::from_be_bytes([
            self.byte(offset)?,
            self.byte(offset + 1)?,
        ]))
    }

    /// Steps over bytes that must be there.
    fn skip(&mut self, len: usize) -> Step {
        (self.at + len <= self.frame.len()).then(|| self.at += len)
    }

    /// Takes a header of `len` bytes.
    fn take(&mut self, kind: ItemKind, len: usize) -> Step {
        let at = self.at;
        self.skip(len)?;
        self.layers.push(Layer { kind, at });
        Some(())
    }

    fn encapsulation(&mut self) -> Step {
        self.take(ItemKind::Eth, 14)?;
        let (words, md_type) = (self.byte(1)?, self.byte(2)?);
        // The length has six bits; the upper two of its byte belong to the TTL.
        let (words, md_type) = (usize::from(words & 0x3f), md_type & 0xf);
        self.take(ItemKind::Nsh, 8)?;
        match (md_type, words) {
            (1, 6) | (2, 2..) => self.skip(words * 4 - 8)?,
            _ => return None,
        }
        self.ethernet()
    }

    fn ethernet(&mut self) -> Step {
        let ethertype = self.byte16(12);
        self.take(ItemKind::Eth, 14)?;
        self.network(ethertype?)
    }

    fn network(&mut self, mut ethertype: u16) -> Step {
        let mut tags = 0;
        while matches!(ethertype, 0x8100 | 0x88a8 | 0x9100) {
            if tags == self.depth.vlan {
                return None;
            }
            tags += 1;
            let next = self.byte16(2);
            self.take(ItemKind::Vlan, 4)?;
            ethertype = next?;
        }
        match ethertype {
            0x0800 => self.ipv4(false),
            0x86dd => self.ipv6(false),
            0x0806 => self.arp(),
            0x8847 | 0x8848 => self.mpls(),
            wire::ETHERTYPE_NSH => self.service(),
            _ => None,
        }
    }

    fn arp(&mut self) -> Step {
        let start = [self.byte16(0)?, self.byte16(2)?, self.byte16(4)?];
        (start == [1, 0x0800, 0x0604]).then_some(())?;
        self.take(ItemKind::ArpEthIpv4, 28)
    }

    fn mpls(&mut self) -> Step {
        for _ in 0..self.depth.mpls {
            let bottom = self.byte(2)? & 1;
            self.take(ItemKind::Mpls, 4)?;
            if bottom == 1 {
                return match self.byte(0)? >> 4 {
                    4 => self.ipv4(false),
                    6 => self.ipv6(false),
                    _ => None,
                };
            }
        }
        None
    }

    /// NSH inside the frame.
    fn service(&mut self) -> Step {
        let words = usize::from(self.byte(1)? & 0x3f);
        if words < 2 {
            return None;
        }
        let next = self.byte(3);
        self.take(ItemKind::Nsh, words * 4)?;
        match next? {
            1 => self.ipv4(false),
            2 => self.ipv6(false),
            3 => self.inner_ethernet(),
            5 => self.mpls(),
            _ => None,
        }
    }

    fn inner_ethernet(&mut self) -> Step {
        let ethertype = self.byte16(12);
        self.take(ItemKind::Eth, 14)?;
        self.inner_network(ethertype?)
    }

    fn inner_network(&mut self, ethertype: u16) -> Step {
        match ethertype {
            0x0800 => self.ipv4(true),
            0x86dd => self.ipv6(true),
            _ => None,
        }
    }

    fn ipv4(&mut self, inner: bool) -> Step {
        let start = self.byte(0)?;
        let words = usize::from(start & 0xf);
        if start >> 4 != 4 || words < 5 {
            return None;
        }
        let (fragment, protocol) = (self.byte16(6), self.byte(9));
        self.take(ItemKind::Ipv4, words * 4)?;
        if fragment? & 0x1fff != 0 {
            return None;
        }
        match protocol? {
            1 => self.take(ItemKind::Icmp, 8),
            58 => None,
            protocol => self.transport(protocol, inner),
        }
    }

    fn ipv6(&mut self, inner: bool) -> Step {
        if self.byte(0)? >> 4 != 6 {
            return None;
        }
        let next = self.byte(6);
        self.take(ItemKind::Ipv6, 40)?;
        let protocol = if inner {
            next?
        } else {
            self.extensions(next?)?
        };
        self.transport(protocol, inner)
    }

    /// Steps over extension headers: at most four in front of the fragment header, two behind it.
    fn extensions(&mut self, mut next: u8) -> Option<u8> {
        let (mut room, mut fragmented, mut first) = (4, false, true);
        loop {
            let unit = match next {
                0 if first => 8,
                43 if !fragmented => 8,
                60 => 8,
                51 => 4,
                44 if !fragmented => {
                    let (follows, offset) = (self.byte(0), self.byte16(2));
                    self.skip(8)?;
                    if offset? >> 3 != 0 {
                        return None;
                    }
                    (room, fragmented, first, next) = (2, true, false, follows?);
                    continue;
                }
                _ => return Some(next),
            };
            if room == 0 {
                return None;
            }
            let (follows, length) = (self.byte(0)?, usize::from(self.byte(1)?));
            // Eight bytes at least, 256 at most: the varbit holds 254.
            let len = 8 + length * unit;
            if len > 256 {
                return None;
            }
            self.skip(len)?;
            room -= 1;
            (first, next) = (false, follows);
        }
    }

    fn transport(&mut self, protocol: u8, inner: bool) -> Step {
        match protocol {
            6 => {
                let words = usize::from(self.byte(12)? >> 4);
                if words < 5 {
                    return None;
                }
                self.take(ItemKind::Tcp, words * 4)
            }
            17 => {
                let port = self.byte16(2);
                self.take(ItemKind::Udp, 8)?;
                if inner || port? != 4789 {
                    return None;
                }
                let flags = self.byte(0);
                self.take(ItemKind::Vxlan, 8)?;
                if flags? & 8 == 0 {
                    return None;
                }
                self.inner_ethernet()
            }
            58 => self.take(ItemKind::Icmp6, 8),
            47 if !inner => self.gre(),
            _ => None,
        }
    }

    fn gre(&mut self) -> Step {
        let (flags, protocol) = (self.byte16(0), self.byte16(2));
        self.take(ItemKind::Gre, 4)?;
        let (flags, protocol) = (flags?, protocol?);
        // Version 0 without source routing; what else there is, is payload.
        if flags & 0x4007 != 0 {
            return None;
        }
        for optional in [0x8000, 0x2000, 0x1000] {
            if flags & optional != 0 {
                self.skip(4)?;
            }
        }
        match protocol {
            0x6558 => self.inner_ethernet(),
            ethertype => self.inner_network(ethertype),
        }
    }
}
