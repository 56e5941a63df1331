//! What is hashed, and which hashes are sampled.

use crate::layout::{Layouts, Usual};
use crate::record::digest;
use crate::walk::{Innermost, walk};
use crate::{Algorithm, KeyedHash};
use serde::{Deserialize, Serialize};

/// A part of a packet that a sampling hash may cover. All are of the *innermost* IP header and what
/// follows it, so that a packet keeps its hash through encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Field {
    /// Source address (IPv4 and IPv6); without IP, ARP's sender.
    #[serde(rename = "ip.src")]
    IpSrc,
    /// Destination address; without IP, ARP's target.
    #[serde(rename = "ip.dst")]
    IpDst,
    /// IPv4 protocol, IPv6 next header; without IP, the low byte of ARP's operation.
    #[serde(rename = "ip.proto")]
    IpProto,
    /// IPv4 identification (0 for IPv6).
    #[serde(rename = "ip.id")]
    IpId,
    /// IPv4 total length, IPv6 payload length; of a frame with neither IP nor ARP, its EtherType.
    #[serde(rename = "ip.length")]
    IpLength,
    /// IPv4 fragment offset (0 for IPv6).
    #[serde(rename = "ip.frag_offset")]
    IpFragOffset,
    /// TCP or UDP source port.
    #[serde(rename = "l4.src_port")]
    SrcPort,
    /// TCP or UDP destination port.
    #[serde(rename = "l4.dst_port")]
    DstPort,
    /// TCP sequence number.
    #[serde(rename = "tcp.seq")]
    TcpSeq,
    /// TCP acknowledgment number.
    #[serde(rename = "tcp.ack")]
    TcpAck,
    /// The first 8 bytes after the innermost header (shorter ones padded with zeroes).
    #[serde(rename = "payload.prefix")]
    PayloadPrefix,
    /// A 32-bit digest of all bytes after the innermost header.
    #[serde(rename = "payload.digest")]
    PayloadDigest,
}

impl Field {
    /// All fields, in the order in which they are hashed.
    pub const ALL: [Field; 12] = [
        Field::IpSrc,
        Field::IpDst,
        Field::SrcPort,
        Field::DstPort,
        Field::IpProto,
        Field::IpId,
        Field::IpLength,
        Field::IpFragOffset,
        Field::TcpSeq,
        Field::TcpAck,
        Field::PayloadPrefix,
        Field::PayloadDigest,
    ];

    /// The fields of the standard headers (p4/include/trisect/std.p4) that this one is read from,
    /// as header type and field. A field whose every source is left alone by all network functions
    /// is invariant; none means the payload.
    #[must_use]
    pub fn sources(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Field::IpSrc => &[("ipv4_t", "src"), ("ipv6_t", "src"), ("arp_t", "sender_ip")],
            Field::IpDst => &[("ipv4_t", "dst"), ("ipv6_t", "dst"), ("arp_t", "target_ip")],
            Field::IpProto => &[
                ("ipv4_t", "protocol"),
                ("ipv6_t", "next_header"),
                ("arp_t", "operation"),
            ],
            Field::IpId => &[("ipv4_t", "identification")],
            Field::IpLength => &[
                ("ipv4_t", "total_length"),
                ("ipv6_t", "payload_length"),
                ("ethernet_t", "ether_type"),
            ],
            Field::IpFragOffset => &[("ipv4_t", "fragment_offset")],
            Field::SrcPort => &[("tcp_t", "src_port"), ("udp_t", "src_port")],
            Field::DstPort => &[("tcp_t", "dst_port"), ("udp_t", "dst_port")],
            Field::TcpSeq => &[("tcp_t", "seq")],
            Field::TcpAck => &[("tcp_t", "ack")],
            Field::PayloadPrefix | Field::PayloadDigest => &[],
        }
    }

    /// Whether it is of the payload, which only a host sees.
    #[must_use]
    pub fn is_payload(self) -> bool {
        matches!(self, Field::PayloadPrefix | Field::PayloadDigest)
    }

    /// Those of [`Field::ALL`] of which no source is changed: `changed(header type, field)` says
    /// whether any network function of the plan writes it.
    pub fn invariant(mut changed: impl FnMut(&str, &str) -> bool) -> Vec<Field> {
        let mut kept = Field::ALL.to_vec();
        kept.retain(|f| {
            !f.sources()
                .iter()
                .any(|(header, field)| changed(header, field))
        });
        kept
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Field::IpSrc => "ip.src",
            Field::IpDst => "ip.dst",
            Field::IpProto => "ip.proto",
            Field::IpId => "ip.id",
            Field::IpLength => "ip.length",
            Field::IpFragOffset => "ip.frag_offset",
            Field::SrcPort => "l4.src_port",
            Field::DstPort => "l4.dst_port",
            Field::TcpSeq => "tcp.seq",
            Field::TcpAck => "tcp.ack",
            Field::PayloadPrefix => "payload.prefix",
            Field::PayloadDigest => "payload.digest",
        })
    }
}

/// A range of hash values, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRange {
    /// The lowest sampled hash.
    pub first: u32,
    /// The highest sampled hash.
    pub last: u32,
}

impl HashRange {
    /// Every packet.
    pub const ALL: HashRange = HashRange {
        first: 0,
        last: u32::MAX,
    };

    /// The range from 0 that samples one packet in `n` of many different ones (all for 0 and 1).
    #[must_use]
    pub fn one_in(n: u32) -> HashRange {
        let size = (1u64 << 32) / u64::from(n.max(1));
        HashRange {
            first: 0,
            last: (size - 1) as u32,
        }
    }

    /// Whether the hash is sampled.
    #[must_use]
    pub fn contains(self, hash: u32) -> bool {
        self.first <= hash && hash <= self.last
    }
}

/// What all devices of a rack agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleSpec {
    /// The hash that selects.
    #[serde(default)]
    pub hash: Algorithm,
    /// Its key. For `toeplitz` an IPv6 packet needs 68 bytes if all fields are hashed; a shorter key leaves
    /// out the last fields.
    pub key: Vec<u8>,
    /// Which hashes are sampled.
    pub range: HashRange,
    /// What is hashed, in this order.
    pub fields: Vec<Field>,
}

/// Bytes of a key: toeplitz needs four more than it hashes, at most.
pub const KEY_BYTES: usize = 80;

impl SampleSpec {
    /// A specification with `toeplitz` and a key of [`KEY_BYTES`] grown from `seed` (SplitMix64).
    #[must_use]
    pub fn new(seed: u64, range: HashRange, fields: Vec<Field>) -> SampleSpec {
        let mut state = seed;
        let words = std::iter::repeat_with(|| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        let key = words
            .take(KEY_BYTES / 8)
            .flat_map(u64::to_be_bytes)
            .collect();
        SampleSpec {
            hash: Algorithm::Toeplitz,
            key,
            range,
            fields,
        }
    }

    /// The key of the hash that tells sampled packets apart.
    #[must_use]
    pub fn label_key(&self) -> Vec<u8> {
        self.key.iter().rev().map(|b| b.rotate_left(3)).collect()
    }

    /// The same with another hash.
    #[must_use]
    pub fn with_hash(mut self, hash: Algorithm) -> SampleSpec {
        self.hash = hash;
        self
    }
}

/// The number that is compared with the range: for `toeplitz` the hash with its bits in reverse order, else the
/// hash. A NIC chooses the queue by the lowest bits of its hash; so the sampled range is some of its buckets.
#[must_use]
pub fn selected_by(algorithm: Algorithm, hash: u32) -> u32 {
    match algorithm {
        Algorithm::Toeplitz => hash.reverse_bits(),
        Algorithm::HalfSipHash | Algorithm::Bob | Algorithm::Crc32 => hash,
    }
}

/// The identity of a sampled packet ([`Verdict::id`]), from the number that selects and the hash that labels.
#[inline]
#[must_use]
pub fn labelled(selected: u32, label: u32) -> u64 {
    (u64::from(selected) << 32) | u64::from(label)
}

/// What a device finds about one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The hash of the invariant fields, as the range is compared with it ([`selected_by`]).
    pub hash: u32,
    /// Identity of the packet among the sampled ones: the hash, and in the low half a second hash
    /// with another key, because sampled hashes all lie in the range (Duffield and Grossglauser
    /// keep these two apart as well). Of a packet that is not sampled, the low half is 0.
    pub id: u64,
    /// Whether it is sampled.
    pub sampled: bool,
}

/// A specification made ready to hash.
#[derive(Debug, Clone)]
pub struct Sampler {
    spec: SampleSpec,
    select: KeyedHash,
    label: KeyedHash,
    layouts: Option<Layouts>,
}

impl Sampler {
    /// Prepares the tables.
    #[must_use]
    pub fn new(spec: SampleSpec) -> Sampler {
        // A hash without key would give the same value twice.
        let label = match spec.hash {
            Algorithm::Crc32 => Algorithm::Bob,
            other => other,
        };
        Sampler {
            select: KeyedHash::new(spec.hash, &spec.key),
            label: KeyedHash::new(label, &spec.label_key()),
            layouts: Layouts::new(&spec.fields, MOST_INPUT),
            spec,
        }
    }

    /// The specification.
    #[must_use]
    pub fn spec(&self) -> &SampleSpec {
        &self.spec
    }

    /// Where what is hashed lies in usual frames, if that can be said.
    #[must_use]
    pub fn layouts(&self) -> Option<&Layouts> {
        self.layouts.as_ref()
    }

    /// Looks at an Ethernet frame, with or without the NSH encapsulation between switch and server.
    #[must_use]
    pub fn look(&self, frame: &[u8]) -> Verdict {
        let input = self.gather(frame);
        let hash = self.select.hash(input.bytes());
        self.verdict(hash, || self.label.hash(input.bytes()))
    }

    /// What is found about a packet with this tag: the hashes that its fields had at the chain's entry, first the one
    /// that selects, then the one that labels.
    #[must_use]
    pub fn tagged(&self, tag: u64) -> Verdict {
        self.verdict((tag >> 32) as u32, || tag as u32)
    }

    /// Whether the first `kept` bytes of a frame are certainly enough for [`Sampler::look`] to find what it finds of all of it.
    #[inline]
    #[must_use]
    pub fn is_enough(&self, frame: &[u8], kept: usize) -> bool {
        match frame.get(..kept) {
            None => true,
            // A usual frame stays one with more bytes behind it, and all that is hashed is in what makes it one.
            Some(kept) => {
                let layouts = self.layouts.as_ref();
                kept.len() == frame.len() || layouts.is_some_and(|l| l.usual(kept).is_some())
            }
        }
    }

    /// From the hash that selects, and the one that labels what is sampled.
    fn verdict(&self, hash: u32, label: impl FnOnce() -> u32) -> Verdict {
        let hash = selected_by(self.spec.hash, hash);
        let sampled = self.spec.range.contains(hash);
        let label = if sampled { label() } else { 0 };
        Verdict {
            hash,
            id: labelled(hash, label),
            sampled,
        }
    }

    /// The bytes that are hashed: the fields in the order of the specification, each at full width; a
    /// field that the packet does not have is zeroes, and addresses of a frame without IP have the width of
    /// IPv4.
    #[must_use]
    pub fn input(&self, frame: &[u8]) -> Vec<u8> {
        self.gather(frame).bytes().to_vec()
    }

    fn gather(&self, frame: &[u8]) -> Input {
        if let Some(layouts) = &self.layouts
            && let Some(usual) = layouts.usual(frame)
        {
            return Input::of_usual(layouts, &usual);
        }
        self.gather_by_walk(frame)
    }

    fn gather_by_walk(&self, frame: &[u8]) -> Input {
        let found = walk(frame);
        let mut input = Input::default();
        for field in &self.spec.fields {
            input.append(frame, &found, *field);
        }
        input
    }
}

/// Bytes that are hashed at most.
const MOST_INPUT: usize = 92;

/// What is hashed. Each field once has 63 bytes at most; of a field that is named again and again, what has no
/// room is left out.
struct Input {
    /// With room for a word at the last place.
    bytes: [u8; MOST_INPUT + 4],
    len: usize,
}

impl Default for Input {
    fn default() -> Input {
        Input {
            bytes: [0; MOST_INPUT + 4],
            len: 0,
        }
    }
}

impl Input {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn of_usual(layouts: &Layouts, usual: &Usual<'_>) -> Input {
        let mut input = Input {
            len: layouts.bytes(usual.six),
            ..Input::default()
        };
        for piece in layouts.pieces(usual.six) {
            // What a word has too much is zeroes, where the next one begins.
            if let Some(to) = input.bytes.get_mut(piece.input..piece.input + 4) {
                to.copy_from_slice(&usual.word(piece).to_be_bytes());
            }
        }
        input
    }

    /// Appends a value, or zeroes, of this width; gives its first byte.
    fn put(&mut self, value: Option<&[u8]>, width: usize) -> Option<&mut u8> {
        if self.len + width > MOST_INPUT {
            return None;
        }
        let place = self.bytes.get_mut(self.len..self.len + width)?;
        self.len += width;
        if let Some(value) = value.filter(|v| v.len() == width) {
            place.copy_from_slice(value);
        }
        place.first_mut()
    }

    /// Appends a field at its full width; zeroes if the packet does not have it.
    fn append(&mut self, frame: &[u8], found: &Innermost, field: Field) {
        let payload = frame.get(found.payload..).unwrap_or_default();
        match field {
            Field::PayloadPrefix => {
                let mut prefix = [0; 8];
                prefix
                    .iter_mut()
                    .zip(payload)
                    .for_each(|(to, byte)| *to = *byte);
                self.put(Some(&prefix), 8);
            }
            Field::PayloadDigest => {
                let digest = digest(payload);
                let folded = (digest >> 32) as u32 ^ digest as u32;
                self.put(Some(&folded.to_be_bytes()), 4);
            }
            _ => {
                let (place, width) = place(found, field);
                let value = place.and_then(|at| frame.get(at..at + width));
                let first = self.put(value, width);
                if let (Field::IpFragOffset, Some(first)) = (field, first) {
                    // The upper three bits are flags.
                    *first &= 0x1f;
                }
            }
        }
    }
}

/// Where a field of a header lies, if the packet has it, and its width in bytes.
fn place(found: &Innermost, field: Field) -> (Option<usize>, usize) {
    let six = found.ip.is_some_and(|(_, six)| six);
    let ip = |offset: usize| found.ip.map(|(start, _)| start + offset);
    let transport = |offset: usize| found.transport.map(|(start, _)| start + offset);
    let tcp = |offset: usize| {
        found
            .transport
            .filter(|(_, tcp)| *tcp)
            .map(|(start, _)| start + offset)
    };
    if found.ip.is_none() {
        match (field, found.arp) {
            (Field::IpSrc, Some(arp)) => return (Some(arp + 14), 4),
            (Field::IpDst, Some(arp)) => return (Some(arp + 24), 4),
            (Field::IpProto, Some(arp)) => return (Some(arp + 7), 1),
            (Field::IpLength, None) => return (found.ether_type, 2),
            _ => {}
        }
    }
    match field {
        Field::IpSrc if six => (ip(8), 16),
        Field::IpDst if six => (ip(24), 16),
        Field::IpProto if six => (ip(6), 1),
        Field::IpLength if six => (ip(4), 2),
        Field::IpId | Field::IpFragOffset if six => (None, 2),
        Field::IpSrc => (ip(12), 4),
        Field::IpDst => (ip(16), 4),
        Field::IpProto => (ip(9), 1),
        Field::IpLength => (ip(2), 2),
        Field::IpId => (ip(4), 2),
        Field::IpFragOffset => (ip(6), 2),
        Field::SrcPort => (transport(0), 2),
        Field::DstPort => (transport(2), 2),
        Field::TcpSeq => (tcp(4), 4),
        Field::TcpAck => (tcp(8), 4),
        Field::PayloadPrefix | Field::PayloadDigest => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_wire::build::Build;
    use trisect_wire::{nsh, tcp};

    fn sampler(fields: &[Field]) -> Sampler {
        sampler_of(fields, HashRange::ALL)
    }

    fn sampler_of(fields: &[Field], range: HashRange) -> Sampler {
        Sampler::new(SampleSpec::new(1, range, fields.to_vec()))
    }

    #[test]
    fn encapsulation_ttl_and_macs_do_not_change_the_hash() {
        let s = sampler(&Field::ALL);
        let p = |ttl| {
            let b = Build::sample()
                .ipv4("10.0.0.1", "10.0.0.2")
                .with_ipv4(|ip| ip.ttl = ttl);
            b.tcp(1, 2, tcp::flag::ACK).payload(b"abc").frame()
        };
        let plain = s.look(&p(64));
        assert_eq!(s.look(&p(63)), plain);
        let nsh = Build::sample()
            .nsh(nsh::Repr::md1(5, [1; 16]))
            .payload(&p(64))
            .frame();
        assert_eq!(s.look(&nsh), plain);
        let vxlan = Build::sample()
            .ipv4("1.1.1.1", "2.2.2.2")
            .udp(9, 4789)
            .vxlan(3);
        assert_eq!(s.look(&vxlan.payload(&p(64)).frame()), plain);
        let other = Build::sample()
            .ipv4("10.0.0.1", "10.0.0.3")
            .tcp(1, 2, tcp::flag::ACK);
        assert_ne!(s.look(&other.payload(b"abc").frame()).id, plain.id);
    }

    #[test]
    fn input_layout() {
        let s = sampler(&[
            Field::IpSrc,
            Field::DstPort,
            Field::TcpSeq,
            Field::PayloadPrefix,
        ]);
        let udp = Build::sample()
            .ipv4("10.0.0.1", "10.0.0.2")
            .udp(1, 0x1234)
            .payload(b"ab");
        let want = [
            &[10, 0, 0, 1, 0x12, 0x34, 0, 0, 0, 0][..],
            b"ab\0\0\0\0\0\0",
        ]
        .concat();
        assert_eq!(s.input(&udp.frame()), want);
        assert_eq!(s.input(&[]), [0; 18]);
        let v6 = Build::sample().ipv6("::1", "::2").udp(1, 2).frame();
        assert_eq!(s.input(&v6).len(), 16 + 2 + 4 + 8);
    }

    #[test]
    fn what_is_not_ip_is_told_apart_by_arp() {
        let arp = |host: u8| {
            let mut frame = Build::sample().frame();
            frame.truncate(12);
            frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend([2, 0, 0, 0, 0, 1, 10, 0, 0, host]);
            frame.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 9]);
            frame
        };
        let s = sampler(&[Field::IpSrc, Field::IpDst, Field::IpProto, Field::IpLength]);
        assert_eq!(s.input(&arp(7)), [10, 0, 0, 7, 10, 0, 0, 9, 1, 0, 0]);
        assert_ne!(s.look(&arp(7)).hash, s.look(&arp(8)).hash);
    }

    #[test]
    fn what_is_neither_ip_nor_arp_is_told_apart_by_its_kind() {
        let s = sampler(&[Field::IpSrc, Field::IpLength]);
        let mut frame = Build::sample().payload(&[0x45; 60]).frame();
        for kind in [[0x88, 0xcc], [0x88, 0x63], [0x08, 0x00], [0x08, 0x06]] {
            frame[12..14].copy_from_slice(&kind);
            // IPv4 that is none, and ARP that is none.
            frame[14] = 0x41;
            let within = Build::sample().nsh(nsh::Repr::md1(5, [1; 16]));
            for frame in [frame.clone(), within.payload(&frame).frame()] {
                assert_eq!(s.input(&frame), [0, 0, 0, 0, kind[0], kind[1]]);
            }
        }
    }

    #[test]
    fn all_fields_fit_the_key() {
        let s = sampler(&Field::ALL);
        let v6 = Build::sample().ipv6("::1", "::2").tcp(1, 2, 0).frame();
        assert_eq!(s.input(&v6).len(), 63);
        assert!(s.spec().key.len() >= 63 + 4);
    }

    /// Frames of most kinds, whole, cut, and with broken bytes: the short way to what is hashed is the general one.
    #[test]
    fn usual_frames_are_read_as_all_others() {
        let samplers = [
            sampler(&Field::ALL[..10]),
            sampler(&[
                Field::IpFragOffset,
                Field::IpLength,
                Field::IpId,
                Field::IpProto,
            ]),
            sampler(&[
                Field::TcpAck,
                Field::DstPort,
                Field::TcpSeq,
                Field::SrcPort,
                Field::IpDst,
            ]),
        ];
        let base = Build::sample;
        let networks = [
            base()
                .ipv4("10.1.2.3", "10.4.5.6")
                .with_ipv4(|ip| ip.id = 0x1234),
            base().ipv6("2001:db8::1:2", "fe80::3"),
            base().vlan(7).ipv4("10.1.2.3", "10.4.5.6"),
        ];
        let wholes = networks.iter().flat_map(|network| {
            let network = || network.clone();
            let tcp = network()
                .tcp(1, 2, tcp::flag::ACK)
                .with_tcp(|t| (t.seq, t.ack) = (3, 4));
            let others = [
                network().udp(1, 4789),
                network().udp(5, 6),
                network().icmp_echo(9, 1),
            ];
            others
                .into_iter()
                .chain([tcp])
                .map(|b| b.payload(&[7; 30]).frame())
        });
        let mut usual = 0;
        for inner in wholes {
            let outside = base()
                .nsh(nsh::Repr::md1(5, [1; 16]))
                .payload(&inner)
                .frame();
            for whole in [inner, outside] {
                let cut = (0..=whole.len()).map(|n| whole[..n].to_vec());
                let broken = (0..whole.len()).flat_map(|at| {
                    let whole = &whole;
                    let values = [0, 1, 4, 6, 17, 44, 47, 0x40, 0x50, 0x60, 0xff];
                    values.into_iter().map(move |value| {
                        let mut broken = whole.clone();
                        broken[at] = value;
                        broken
                    })
                });
                for frame in cut.chain(broken) {
                    for s in &samplers {
                        let general = s.gather_by_walk(&frame);
                        assert_eq!(s.input(&frame), general.bytes(), "{frame:02x?}");
                        let layouts = s.layouts().unwrap();
                        usual += usize::from(layouts.usual(&frame).is_some());
                    }
                }
            }
        }
        assert!(usual > 10_000, "{usual}");
        assert!(sampler(&Field::ALL).layouts().is_none());
        assert!(sampler(&[Field::IpSrc; 24]).layouts().is_none());
    }

    #[test]
    fn rate_is_about_kept() {
        let s = sampler_of(&[Field::IpSrc, Field::SrcPort], HashRange::one_in(4));
        let hit = |i: u16| {
            let src = format!("10.0.{}.{}", i >> 8, i & 255);
            s.look(&Build::sample().ipv4(&src, "10.9.9.9").udp(i, 9).frame())
                .sampled
        };
        let hits = (0..4000).filter(|i| hit(*i)).count();
        assert!((900..1100).contains(&hits), "{hits} of 4000 at one in four");
    }

    #[test]
    fn invariant_fields_are_those_nobody_changes() {
        let nat = |h: &str, f: &str| {
            matches!(
                (h, f),
                ("ipv4_t", "src" | "ttl" | "checksum") | (_, "src_port")
            )
        };
        let kept = Field::invariant(nat);
        assert!(!kept.contains(&Field::IpSrc) && !kept.contains(&Field::SrcPort));
        assert_eq!(kept.len(), Field::ALL.len() - 2);
    }

    #[test]
    fn fields_are_called_the_same_everywhere() {
        for field in Field::ALL {
            let json = serde_json::to_value(field).unwrap();
            assert_eq!(json.as_str(), Some(field.to_string().as_str()));
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(HashRange::one_in(1), HashRange::ALL);
        assert_eq!(HashRange::one_in(0), HashRange::ALL);
        assert_eq!(HashRange::one_in(256).last, 0x00ff_ffff);
        assert_eq!(HashRange::one_in(u32::MAX), HashRange { first: 0, last: 0 });
    }

    /// What the book says of `toeplitz`: whoever knows of some packets that they were sampled predicts the others.
    #[test]
    fn a_few_sampled_packets_betray_toeplitz() {
        let fields = [Field::IpSrc, Field::IpDst, Field::SrcPort, Field::DstPort];
        // One in 64: six bits of the hash are 0.
        let s = sampler_of(&fields, HashRange::one_in(64));
        let mut state = 9u64;
        let mut input = || -> Vec<u8> {
            let step = |_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            };
            (0..12).map(step).collect()
        };
        let sampled = |input: &[u8]| {
            let hash = selected_by(Algorithm::Toeplitz, s.select.hash(input));
            s.spec.range.contains(hash)
        };
        // Bit `at` of the hash, counted from its lowest, is the parity of input and key bits from 31 - at on.
        let equation = |input: &[u8], at: u32| {
            let bits = input.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
            bits << at
        };
        let mut rows: Vec<u128> = Vec::new();
        let reduce = |rows: &[u128], mut row: u128| {
            for r in rows {
                row = row.min(row ^ r);
            }
            row
        };
        let mut known = 0;
        while rows.len() < 96 + 6 - 2 {
            let packet = input();
            if sampled(&packet) {
                known += 1;
                for at in 0..6 {
                    let row = reduce(&rows, equation(&packet, at));
                    if row != 0 {
                        rows.push(row);
                        rows.sort_unstable_by(|a, b| b.cmp(a));
                    }
                }
            }
        }
        assert!(known <= 40, "{known}");
        // A packet is sampled if its six equations follow from what is known.
        let follows = |packet: &[u8]| (0..6).all(|at| reduce(&rows, equation(packet, at)) == 0);
        let packets: Vec<Vec<u8>> = (0..5000).map(|_| input()).collect();
        assert!(packets.iter().all(|p| follows(p) == sampled(p)));
        assert!(packets.iter().filter(|p| sampled(p)).count() > 40);
    }
}
