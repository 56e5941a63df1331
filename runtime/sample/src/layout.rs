//! Where what is hashed lies in the usual frames, found once for a specification instead of once per packet.
//!
//! Usual is Ethernet, with or without the NSH encapsulation between switch and server, and in it IPv4 without options
//! or IPv6 without extension headers, and no tunnel. All others take the general way (`walk`), which is also what the
//! tests hold this against.

use crate::Field;

/// Bytes of IP header and TCP header that are looked at, and that usual frames have: of IPv4, and of IPv6.
const LENGTHS: [usize; 2] = [40, 60];
/// Where the transport header begins behind the IP header's start.
const TRANSPORT: [usize; 2] = [20, 40];

/// At most four bytes of a header that follow each other, in the frame and in what is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where its first byte lies, in bytes from the IP header's start.
    pub at: usize,
    /// Where it lies in what is hashed, in bytes.
    pub input: usize,
    /// Which bits of the big-endian word that begins there count: of packets with TCP, with UDP, and with neither.
    masks: [u32; 3],
}

/// The pieces of one version of IP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Layout {
    pieces: Vec<Piece>,
    /// Bytes that are hashed.
    bytes: usize,
}

/// The layouts of a specification: of IPv4 and of IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layouts {
    all: [Layout; 2],
}

/// A usual frame.
#[derive(Debug, Clone, Copy)]
pub struct Usual<'a> {
    /// Its bytes from the IP header on.
    pub ip: &'a [u8],
    /// Whether it is IPv6.
    pub six: bool,
    /// What follows the IP header.
    pub transport: Transport,
}

/// What follows an IP header, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TCP header.
    Tcp,
    /// A UDP header.
    Udp,
    /// Neither.
    Other,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Other];
}

impl Usual<'_> {
    /// The bytes of a piece as a big-endian word, with zeroes behind them.
    #[inline]
    #[must_use]
    pub fn word(&self, piece: &Piece) -> u32 {
        // A usual frame has all bytes that pieces may have.
        let bytes = self.ip.get(piece.at..).and_then(<[u8]>::first_chunk);
        u32::from_be_bytes(bytes.copied().unwrap_or_default())
            & piece.masks[self.transport as usize]
    }
}

impl Layouts {
    /// The layouts of these fields; `None` if the payload is among them, or if more than `most` bytes would be hashed.
    #[must_use]
    pub fn new(fields: &[Field], most: usize) -> Option<Layouts> {
        let mut all = [Layout::default(), Layout::default()];
        for (six, layout) in all.iter_mut().enumerate() {
            for field in fields {
                layout.append(*field, six)?;
            }
            if layout.bytes > most {
                return None;
            }
        }
        Some(Layouts { all })
    }

    /// What is hashed of IPv4 or of IPv6, in the order of the input.
    #[must_use]
    pub fn pieces(&self, six: bool) -> &[Piece] {
        &self.all[usize::from(six)].pieces
    }

    /// Where each byte that is hashed comes from: its offset from the IP header, and which of its bits count. `None` for bytes
    /// that packets of this kind do not have, which are hashed as zeroes.
    #[must_use]
    pub fn sources(&self, six: bool, transport: Transport) -> Vec<Option<(usize, u8)>> {
        let mut sources = vec![None; self.bytes(six)];
        for piece in self.pieces(six) {
            let mask = piece.masks[transport as usize].to_be_bytes();
            for (i, mask) in mask.into_iter().enumerate().filter(|(_, mask)| *mask != 0) {
                if let Some(source) = sources.get_mut(piece.input + i) {
                    *source = Some((piece.at + i, mask));
                }
            }
        }
        sources
    }

    /// How many bytes are hashed.
    #[must_use]
    pub fn bytes(&self, six: bool) -> usize {
        self.all[usize::from(six)].bytes
    }

    /// Whether a frame is a usual one, and what of it is.
    // Within a loop over packets, or it is a call that takes as long as what it does.
    #[inline(always)]
    #[must_use]
    pub fn usual<'a>(&self, frame: &'a [u8]) -> Option<Usual<'a>> {
        let mut ethernet = frame;
        let mut head: &[u8; 18] = ethernet.first_chunk()?;
        if u16::from_be_bytes([head[12], head[13]]) == 0x894f {
            let (words, kind, next) = (usize::from(head[15] & 0x3f), head[16] & 0xf, head[17]);
            if next != 3 || !(kind == 1 && words == 6 || kind == 2 && words >= 2) {
                return None;
            }
            ethernet = frame.get(14 + 4 * words..)?;
            head = ethernet.first_chunk()?;
        }
        let ip = ethernet.get(14..)?;
        match u16::from_be_bytes([head[12], head[13]]) {
            0x0800 => four(ip),
            0x86dd => six(ip),
            _ => None,
        }
    }
}

#[inline(always)]
fn four(ip: &[u8]) -> Option<Usual<'_>> {
    let header: &[u8; LENGTHS[0]] = ip.first_chunk()?;
    if header[0] != 0x45 {
        return None;
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    let protocol = if fragment == 0 { header[9] } else { 0 };
    let ports = [header[22], header[23]];
    let transport = transport(protocol, header[32], ports, ip.len() - TRANSPORT[0])?;
    Some(Usual {
        ip,
        six: false,
        transport,
    })
}

#[inline(always)]
fn six(ip: &[u8]) -> Option<Usual<'_>> {
    let header: &[u8; LENGTHS[1]] = ip.first_chunk()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    // Extension headers, and a fragment's.
    if matches!(header[6], 0 | 43 | 44 | 51 | 60) {
        return None;
    }
    let ports = [header[42], header[43]];
    let transport = transport(header[6], header[52], ports, ip.len() - TRANSPORT[1])?;
    Some(Usual {
        ip,
        six: true,
        transport,
    })
}

/// What a protocol number means; `None` for tunnels and for a TCP header that is not whole. `offset` is the byte
/// with TCP's data offset, `destination` the destination port, `room` the bytes that follow the IP header.
///
/// Traffic mixes TCP and UDP, so that the only branch is on what is rare.
#[inline(always)]
fn transport(protocol: u8, offset: u8, destination: [u8; 2], room: usize) -> Option<Transport> {
    let (tcp, udp) = (protocol == 6, protocol == 17);
    let length = usize::from(offset >> 4) * 4;
    let cut = tcp & ((length < 20) | (length > room));
    let vxlan = udp & (u16::from_be_bytes(destination) == 4789);
    let gre = protocol == 47;
    if cut | vxlan | gre {
        return None;
    }
    let either = if udp {
        Transport::Udp
    } else {
        Transport::Other
    };
    Some(if tcp { Transport::Tcp } else { either })
}

impl Layout {
    /// Appends a field; `six` is 1 for IPv6.
    fn append(&mut self, field: Field, six: usize) -> Option<()> {
        const ALWAYS: [bool; 3] = [true; 3];
        const NEVER: [bool; 3] = [false; 3];
        const PORTS: [bool; 3] = [true, true, false];
        const OF_TCP: [bool; 3] = [true, false, false];
        let behind = TRANSPORT[six];
        let (at, width, of) = match (field, six) {
            (Field::IpSrc, 0) => (12, 4, ALWAYS),
            (Field::IpSrc, _) => (8, 16, ALWAYS),
            (Field::IpDst, 0) => (16, 4, ALWAYS),
            (Field::IpDst, _) => (24, 16, ALWAYS),
            (Field::IpProto, 0) => (9, 1, ALWAYS),
            (Field::IpProto, _) => (6, 1, ALWAYS),
            (Field::IpLength, 0) => (2, 2, ALWAYS),
            (Field::IpLength, _) => (4, 2, ALWAYS),
            (Field::IpId, 0) => (4, 2, ALWAYS),
            (Field::IpFragOffset, 0) => (6, 2, ALWAYS),
            (Field::IpId | Field::IpFragOffset, _) => (0, 2, NEVER),
            (Field::SrcPort, _) => (behind, 2, PORTS),
            (Field::DstPort, _) => (behind + 2, 2, PORTS),
            (Field::TcpSeq, _) => (behind + 4, 4, OF_TCP),
            (Field::TcpAck, _) => (behind + 8, 4, OF_TCP),
            (Field::PayloadPrefix | Field::PayloadDigest, _) => return None,
        };
        // The upper three bits of the fragment offset's word are flags.
        let flags = if field == Field::IpFragOffset {
            0xe000_0000
        } else {
            0
        };
        for part in (0..width).step_by(4) {
            let bytes = 4.min(width - part);
            let mask = (u32::MAX << (32 - 8 * bytes)) & !flags;
            let masks = of.map(|of| if of { mask } else { 0 });
            if of != NEVER && !self.join(at + part, bytes, masks) {
                self.pieces.push(Piece {
                    at: at + part,
                    input: self.bytes,
                    masks,
                });
            }
            self.bytes += bytes;
        }
        Some(())
    }

    /// Makes the last piece longer, if what is appended follows it and fits into its word.
    fn join(&mut self, at: usize, bytes: usize, masks: [u32; 3]) -> bool {
        let Some(last) = self.pieces.last_mut() else {
            return false;
        };
        let before = self.bytes - last.input;
        if at != last.at + before || before + bytes > 4 {
            return false;
        }
        for (to, mask) in last.masks.iter_mut().zip(masks) {
            *to |= mask >> (8 * before);
        }
        true
    }
}
