//! Frames for the stories, with right checksums, and checks of those that come back.

use std::net::Ipv4Addr;

use trisect_ir::hash::ones_sum;

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMP: u8 = 1;

/// A frame to be.
#[derive(Clone)]
pub struct Frame {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub protocol: u8,
    /// Ports, or type and code with the identifier.
    pub src_port: u16,
    pub dst_port: u16,
    pub ttl: u8,
    pub dscp: u8,
    /// Reserved, don't fragment, more fragments, offset.
    pub fragment: u16,
    /// 4-bit reserved and flags.
    pub tcp_flags: u16,
    pub payload: Vec<u8>,
    pub options: Vec<u8>,
    /// UDP without checksum.
    pub no_checksum: bool,
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

/// A frame from `10.0.0.1:1234` style ends.
pub fn frame(protocol: u8, src: (&str, u16), dst: (&str, u16)) -> Frame {
    Frame {
        src: address(src.0),
        dst: address(dst.0),
        protocol,
        src_port: src.1,
        dst_port: dst.1,
        ttl: 64,
        dscp: 0,
        fragment: 0,
        tcp_flags: 0x10,
        payload: b"hello".to_vec(),
        options: Vec::new(),
        no_checksum: false,
    }
}

impl Frame {
    pub fn ttl(mut self, ttl: u8) -> Frame {
        self.ttl = ttl;
        self
    }
    pub fn dscp(mut self, dscp: u8) -> Frame {
        self.dscp = dscp;
        self
    }
    pub fn flags(mut self, flags: u16) -> Frame {
        self.tcp_flags = flags;
        self
    }
    pub fn fragment(mut self, word: u16) -> Frame {
        self.fragment = word;
        self
    }
    pub fn payload(mut self, payload: &[u8]) -> Frame {
        self.payload = payload.to_vec();
        self
    }
    pub fn options(mut self, options: &[u8]) -> Frame {
        self.options = options.to_vec();
        self
    }
    pub fn without_checksum(mut self) -> Frame {
        self.no_checksum = true;
        self
    }

    /// The whole Ethernet frame.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
        bytes.extend(self.ip());
        bytes
    }

    /// The IPv4 packet.
    pub fn ip(&self) -> Vec<u8> {
        let transport = self.transport();
        let header_length = 20 + self.options.len();
        let mut ip = vec![0x40 | (header_length / 4) as u8, self.dscp << 2];
        ip.extend(((header_length + transport.len()) as u16).to_be_bytes());
        ip.extend(0x1234u16.to_be_bytes());
        ip.extend(self.fragment.to_be_bytes());
        ip.extend([self.ttl, self.protocol, 0, 0]);
        ip.extend(self.src.octets());
        ip.extend(self.dst.octets());
        ip.extend(&self.options);
        let sum = !ones_sum(0, &ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip.extend(transport);
        ip
    }

    fn transport(&self) -> Vec<u8> {
        if self.fragment & 0x1fff != 0 {
            return self.payload.clone();
        }
        let mut out = Vec::new();
        let checksum_at = match self.protocol {
            TCP => {
                out.extend(self.src_port.to_be_bytes());
                out.extend(self.dst_port.to_be_bytes());
                out.extend([0, 0, 0, 1, 0, 0, 0, 2]);
                out.extend((0x5000 | self.tcp_flags).to_be_bytes());
                out.extend([0xff, 0xff, 0, 0, 0, 0]);
                Some(16)
            }
            UDP => {
                out.extend(self.src_port.to_be_bytes());
                out.extend(self.dst_port.to_be_bytes());
                out.extend((8 + self.payload.len() as u16).to_be_bytes());
                out.extend([0, 0]);
                Some(6)
            }
            ICMP => {
                // The source port is the identifier, the destination port type and code.
                out.extend(self.dst_port.to_be_bytes());
                out.extend([0, 0]);
                out.extend(self.src_port.to_be_bytes());
                out.extend([0, 1]);
                Some(2)
            }
            _ => None,
        };
        out.extend(&self.payload);
        if let Some(at) = checksum_at {
            let sum = !transport_sum(self.src, self.dst, self.protocol, &out);
            let sum = match (self.protocol, sum, self.no_checksum) {
                (UDP, _, true) => 0,
                (UDP, 0, _) => 0xffff,
                (_, sum, _) => sum,
            };
            out[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        out
    }
}

/// The sum over pseudo header and transport (RFC 9293, RFC 768); ICMP has no pseudo header.
fn transport_sum(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, transport: &[u8]) -> u16 {
    let mut data = Vec::new();
    if protocol != ICMP {
        data.extend(src.octets());
        data.extend(dst.octets());
        data.extend([0, protocol]);
        data.extend((transport.len() as u16).to_be_bytes());
    }
    data.extend(transport);
    ones_sum(0, &data)
}

/// An IPv4 frame taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub protocol: u8,
    pub ttl: u8,
    pub dscp: u8,
    pub src_port: u16,
    pub dst_port: u16,
}

/// Takes an IPv4 frame without VLAN apart and checks all its checksums.
pub fn seen(frame: &[u8]) -> Seen {
    assert_eq!(&frame[12..14], &[8, 0], "not IPv4");
    let ip = &frame[14..];
    let header_length = usize::from(ip[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    assert_eq!(ones_sum(0, &ip[..header_length]), 0xffff, "IPv4 checksum");
    let octets = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let transport = &ip[header_length..total];
    let word = |at: usize| u16::from_be_bytes([transport[at], transport[at + 1]]);
    let seen = Seen {
        src: octets(12),
        dst: octets(16),
        protocol: ip[9],
        ttl: ip[8],
        dscp: ip[1] >> 2,
        src_port: word(if ip[9] == ICMP { 4 } else { 0 }),
        dst_port: word(if ip[9] == ICMP { 0 } else { 2 }),
    };
    if ip[9] != UDP || word(6) != 0 {
        let sum = transport_sum(seen.src, seen.dst, seen.protocol, transport);
        assert_eq!(sum, 0xffff, "transport checksum");
    }
    seen
}

/// The ends of a frame, as text.
pub fn ends(frame: &[u8]) -> String {
    let s = seen(frame);
    format!("{}:{} > {}:{}", s.src, s.src_port, s.dst, s.dst_port)
}
