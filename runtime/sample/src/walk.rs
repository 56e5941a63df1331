//! Which headers of a frame are hashed: as every device parses them.
//!
//! The innermost IP header that the standard parser (`p4/include/trisect/std.p4`) finds, and TCP or UDP behind it; or
//! ARP; or the EtherType alone. This is a reading of that parser of its own, as the NIC model's is (`targets/rte-flow`, `model/parse.rs`): the
//! tests that hold the three places against each other are worth something only if these do not share their mistakes.
//!
//! In front of that parser, the encapsulation between switch and server (Ethernet and NSH, RFC 8300) is stepped
//! over, so that a packet is the same within and without.

use std::ops::Range;

/// What is hashed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Innermost {
    /// Where IPv4 or IPv6 begins, and whether it is version 6.
    pub ip: Option<(usize, bool)>,
    /// Where ARP for Ethernet and IPv4 begins, if there is no IP.
    pub arp: Option<usize>,
    /// Where the EtherType of the first Ethernet header lies that is the packet's own.
    pub ether_type: Option<usize>,
    /// Where TCP or UDP begins, and whether it is TCP.
    pub transport: Option<(usize, bool)>,
    /// Where the bytes begin that the parser did not take.
    pub payload: usize,
}

/// Finds the headers of a frame.
pub(crate) fn walk(frame: &[u8]) -> Innermost {
    let mut walk = Walk {
        frame,
        at: 0,
        found: Innermost {
            ip: None,
            arp: None,
            ether_type: None,
            transport: None,
            payload: 0,
        },
    };
    // A header that is not as it should be ends the walk; what was found stands.
    let _ = walk.frame();
    walk.found.payload = walk.at;
    walk.found
}

struct Walk<'a> {
    frame: &'a [u8],
    at: usize,
    found: Innermost,
}

/// `None` ends the walk.
type Step = Option<()>;

const VLAN_TAGS: usize = 3;
const MPLS_ENTRIES: usize = 4;

impl Walk<'_> {
    fn byte(&self, offset: usize) -> Option<u8> {
        self.frame.get(self.at + offset).copied()
    }

    fn word(&self, offset: usize) -> Option<u16> {
        let high = u16::from(self.byte(offset)?);
        Some(high << 8 | u16::from(self.byte(offset + 1)?))
    }

    /// Takes a header of this length; gives where it lies.
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let header = self.at..self.at + length;
        self.frame.get(header.clone())?;
        self.at = header.end;
        Some(header)
    }

    fn frame(&mut self) -> Step {
        if self.word(12)? == 0x894f && self.encapsulation().is_none() {
            self.at = 0;
        }
        let ethertype = self.word(12)?;
        let header = self.take(14)?;
        self.found.ether_type = Some(header.start + 12);
        self.network(ethertype)
    }

    /// Ethernet and NSH with an Ethernet frame in it.
    fn encapsulation(&mut self) -> Step {
        self.take(14)?;
        let (words, kind, next) = (self.byte(1)? & 0x3f, self.byte(2)? & 0xf, self.byte(3)?);
        match (kind, words, next) {
            (1, 6, 3) | (2, 2.., 3) => self.take(usize::from(words) * 4).map(drop),
            _ => None,
        }
    }

    fn network(&mut self, mut ethertype: u16) -> Step {
        for _ in 0..VLAN_TAGS {
            if !matches!(ethertype, 0x8100 | 0x88a8 | 0x9100) {
                break;
            }
            ethertype = self.word(2)?;
            self.take(4)?;
        }
        match ethertype {
            0x0800 => self.ipv4(false),
            0x86dd => self.ipv6(false),
            0x0806 => self.arp(),
            0x8847 | 0x8848 => self.mpls(),
            0x894f => self.service(),
            _ => None,
        }
    }

    fn arp(&mut self) -> Step {
        let start = [self.word(0)?, self.word(2)?, self.word(4)?];
        if start == [1, 0x0800, 0x0604] {
            self.found.arp = Some(self.take(28)?.start);
        }
        None
    }

    fn mpls(&mut self) -> Step {
        for _ in 0..MPLS_ENTRIES {
            let bottom = self.byte(2)? & 1;
            self.take(4)?;
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

    /// NSH that is the packet's own.
    fn service(&mut self) -> Step {
        let words = usize::from(self.byte(1)? & 0x3f);
        let next = self.byte(3)?;
        if words < 2 {
            return None;
        }
        self.take(words * 4)?;
        match next {
            1 => self.ipv4(false),
            2 => self.ipv6(false),
            3 => self.inner_ethernet(),
            5 => self.mpls(),
            _ => None,
        }
    }

    fn inner_ethernet(&mut self) -> Step {
        let ethertype = self.word(12)?;
        self.take(14)?;
        self.inner_network(ethertype)
    }

    fn inner_network(&mut self, ethertype: u16) -> Step {
        match ethertype {
            0x0800 => self.ipv4(true),
            0x86dd => self.ipv6(true),
            _ => None,
        }
    }

    /// The IP header that was found becomes the innermost one, without transport yet.
    fn found_ip(&mut self, at: usize, six: bool) {
        self.found.ip = Some((at, six));
        self.found.transport = None;
    }

    fn ipv4(&mut self, inner: bool) -> Step {
        let first = self.byte(0)?;
        let words = usize::from(first & 0xf);
        if first >> 4 != 4 || words < 5 {
            return None;
        }
        let header = self.take(words * 4)?;
        self.found_ip(header.start, false);
        let field = |at: usize| self.frame.get(header.start + at).copied();
        if field(6)? & 0x1f != 0 || field(7)? != 0 {
            return None;
        }
        self.transport(field(9)?, inner)
    }

    fn ipv6(&mut self, inner: bool) -> Step {
        if self.byte(0)? >> 4 != 6 {
            return None;
        }
        let next = self.byte(6)?;
        let header = self.take(40)?;
        self.found_ip(header.start, true);
        let protocol = match inner {
            true => next,
            false => self.extensions(next)?,
        };
        self.transport(protocol, inner)
    }

    /// Steps over extension headers: at most four in front of the fragment header, two behind it; says what
    /// follows the last.
    fn extensions(&mut self, mut next: u8) -> Option<u8> {
        let (mut room, mut first, mut fragment) = (4, true, false);
        loop {
            let unit = match next {
                0 if first => 8,
                43 if !fragment => 8,
                51 => 4,
                60 => 8,
                44 if !fragment => {
                    let (follows, offset) = (self.byte(0)?, self.word(2)?);
                    self.take(8)?;
                    if offset >> 3 != 0 {
                        return None;
                    }
                    (next, room, first, fragment) = (follows, 2, false, true);
                    continue;
                }
                other => return Some(other),
            };
            let (follows, length) = (self.byte(0)?, usize::from(self.byte(1)?));
            // The standard parser has room for 256 bytes of each.
            let length = Some(8 + length * unit).filter(|l| *l <= 256 && room > 0)?;
            self.take(length)?;
            (next, room, first) = (follows, room - 1, false);
        }
    }

    fn transport(&mut self, protocol: u8, inner: bool) -> Step {
        match protocol {
            6 => {
                let words = usize::from(self.byte(12)? >> 4);
                let length = Some(words * 4).filter(|l| *l >= 20)?;
                let header = self.take(length)?;
                self.found.transport = Some((header.start, true));
                None
            }
            17 => {
                let port = self.word(2)?;
                let header = self.take(8)?;
                self.found.transport = Some((header.start, false));
                if inner || port != 4789 {
                    return None;
                }
                let flags = self.byte(0)?;
                self.take(8)?;
                (flags & 8 != 0).then(|| self.inner_ethernet())?
            }
            1 | 58 => self.take(8).map(drop),
            47 if !inner => self.gre(),
            _ => None,
        }
    }

    fn gre(&mut self) -> Step {
        let (flags, protocol) = (self.word(0)?, self.word(2)?);
        self.take(4)?;
        // Version 0 without source routing; what else there is, is payload.
        if flags & 0x4007 != 0 {
            return None;
        }
        for optional in [0x8000, 0x2000, 0x1000] {
            if flags & optional != 0 {
                self.take(4)?;
            }
        }
        match protocol {
            0x6558 => self.inner_ethernet(),
            ethertype => self.inner_network(ethertype),
        }
    }
}
