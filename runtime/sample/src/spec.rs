//! What is hashed, and which hashes are sampled.

use serde::{Deserialize, Serialize};
use trisect_wire::{Layer, Layers, Proto};

use crate::record::fnv1a;
use crate::{Algorithm, KeyedHash};

/// A part of a packet that a sampling hash may cover. All are of the *innermost* IP header and what
/// follows it, so that a packet keeps its hash through encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Field {
    /// Source address (IPv4 and IPv6).
    #[serde(rename = "ip.src")]
    IpSrc,
    /// Destination address.
    #[serde(rename = "ip.dst")]
    IpDst,
    /// IPv4 protocol, IPv6 next header.
    #[serde(rename = "ip.proto")]
    IpProto,
    /// IPv4 identification (0 for IPv6).
    #[serde(rename = "ip.id")]
    IpId,
    /// IPv4 total length, IPv6 payload length.
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
            Field::IpSrc => &[("ipv4_t", "src"), ("ipv6_t", "src")],
            Field::IpDst => &[("ipv4_t", "dst"), ("ipv6_t", "dst")],
            Field::IpProto => &[("ipv4_t", "protocol"), ("ipv6_t", "next_header")],
            Field::IpId => &[("ipv4_t", "identification")],
            Field::IpLength => &[("ipv4_t", "total_length"), ("ipv6_t", "payload_length")],
            Field::IpFragOffset => &[("ipv4_t", "fragment_offset")],
            Field::SrcPort => &[("tcp_t", "src_port"), ("udp_t", "src_port")],
            Field::DstPort => &[("tcp_t", "dst_port"), ("udp_t", "dst_port")],
            Field::TcpSeq => &[("tcp_t", "seq")],
            Field::TcpAck => &[("tcp_t", "ack")],
            Field::PayloadPrefix | Field::PayloadDigest => &[],
        }
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

impl SampleSpec {
    /// A specification with `toeplitz` and an 80-byte key grown from `seed` (SplitMix64).
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
        let key = words.take(10).flat_map(u64::to_be_bytes).collect();
        SampleSpec {
            hash: Algorithm::Toeplitz,
            key,
            range,
            fields,
        }
    }

    /// The same with another hash.
    #[must_use]
    pub fn with_hash(mut self, hash: Algorithm) -> SampleSpec {
        self.hash = hash;
        self
    }
}

/// What a device finds about one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The hash of the invariant fields.
    pub hash: u32,
    /// Identity of the packet among the sampled ones: the hash, and in the low half a second hash
    /// with another key, because sampled hashes all lie in the range (Duffield and Grossglauser
    /// keep these two apart as well).
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
}

impl Sampler {
    /// Prepares the tables.
    #[must_use]
    pub fn new(spec: SampleSpec) -> Sampler {
        let reversed: Vec<u8> = spec.key.iter().rev().map(|b| b.rotate_left(3)).collect();
        // A hash without key would give the same value twice.
        let label = match spec.hash {
            Algorithm::Crc32 => Algorithm::Bob,
            other => other,
        };
        Sampler {
            select: KeyedHash::new(spec.hash, &spec.key),
            label: KeyedHash::new(label, &reversed),
            spec,
        }
    }

    /// The specification.
    #[must_use]
    pub fn spec(&self) -> &SampleSpec {
        &self.spec
    }

    /// Looks at an Ethernet frame, with or without the NSH encapsulation between switch and server.
    #[must_use]
    pub fn look(&self, frame: &[u8]) -> Verdict {
        let input = self.input(frame);
        let hash = self.select.hash(&input);
        let id = (u64::from(hash) << 32) | u64::from(self.label.hash(&input));
        Verdict {
            hash,
            id,
            sampled: self.spec.range.contains(hash),
        }
    }

    /// The bytes that are hashed: the fields in the order of the specification, each at full width;
    /// a field that the packet does not have is zeroes. A frame without IP is hashed by its payload
    /// fields alone.
    #[must_use]
    pub fn input(&self, frame: &[u8]) -> Vec<u8> {
        let walked = Layers::parse(frame);
        let inner = Innermost::of(&walked);
        let mut out = Vec::with_capacity(80);
        for field in &self.spec.fields {
            inner.append(&mut out, frame, *field);
        }
        out
    }
}

/// The innermost IP header, the transport header after it, and the payload.
struct Innermost<'a> {
    ip: Option<&'a Layer>,
    l4: Option<&'a Layer>,
    payload: std::ops::Range<usize>,
}

impl<'a> Innermost<'a> {
    fn of(walked: &'a Layers) -> Innermost<'a> {
        let layers = &walked.layers;
        let is_ip = |l: &&Layer| matches!(l.proto, Proto::Ipv4 | Proto::Ipv6);
        let ip = layers.iter().rev().find(is_ip);
        let after = |l: &&Layer| ip.is_some_and(|ip| l.start > ip.start);
        let is_l4 = |l: &&Layer| matches!(l.proto, Proto::Tcp | Proto::Udp);
        let l4 = layers.iter().filter(after).find(is_l4);
        Innermost {
            ip,
            l4,
            payload: walked.payload.clone(),
        }
    }

    fn append(&self, out: &mut Vec<u8>, frame: &[u8], field: Field) {
        let v6 = self.ip.is_some_and(|ip| ip.proto == Proto::Ipv6);
        let pick = |four: &'static str, six: &'static str| if v6 { six } else { four };
        let address = if v6 { 16 } else { 4 };
        let tcp = self.l4.filter(|l| l.proto == Proto::Tcp);
        let (layer, name, bytes) = match field {
            Field::IpSrc => (self.ip, "src", address),
            Field::IpDst => (self.ip, "dst", address),
            Field::IpProto => (self.ip, pick("protocol", "next_header"), 1),
            Field::IpId => (self.ip.filter(|_| !v6), "id", 2),
            Field::IpLength => (self.ip, pick("total_len", "payload_len"), 2),
            Field::IpFragOffset => (self.ip.filter(|_| !v6), "frag_offset", 2),
            Field::SrcPort => (self.l4, "sport", 2),
            Field::DstPort => (self.l4, "dport", 2),
            Field::TcpSeq => (tcp, "seq", 4),
            Field::TcpAck => (tcp, "ack", 4),
            Field::PayloadPrefix => {
                let payload = frame.get(self.payload.clone()).unwrap_or_default();
                let prefix = payload.iter().copied().chain(std::iter::repeat(0)).take(8);
                return out.extend(prefix);
            }
            Field::PayloadDigest => {
                let payload = frame.get(self.payload.clone()).unwrap_or_default();
                let digest = fnv1a(payload);
                return out.extend(((digest >> 32) as u32 ^ digest as u32).to_be_bytes());
            }
        };
        let value = layer.and_then(|l| l.get(frame, name)).unwrap_or(0);
        out.extend(value.to_be_bytes().get(16 - bytes..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_wire::build::Build;
    use trisect_wire::{nsh, tcp};

    fn sampler(fields: &[Field]) -> Sampler {
        Sampler::new(SampleSpec::new(1, HashRange::one_in(4), fields.to_vec()))
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
    fn all_fields_fit_the_key() {
        let s = sampler(&Field::ALL);
        let v6 = Build::sample().ipv6("::1", "::2").tcp(1, 2, 0).frame();
        assert_eq!(s.input(&v6).len(), 63);
        assert!(s.spec().key.len() >= 63 + 4);
    }

    #[test]
    fn rate_is_about_kept() {
        let s = sampler(&[Field::IpSrc, Field::SrcPort]);
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
    fn ranges() {
        assert_eq!(HashRange::one_in(1), HashRange::ALL);
        assert_eq!(HashRange::one_in(0), HashRange::ALL);
        assert_eq!(HashRange::one_in(256).last, 0x00ff_ffff);
        assert_eq!(HashRange::one_in(u32::MAX), HashRange { first: 0, last: 0 });
    }
}
