//! The Toeplitz hash of receive side scaling (Microsoft, "RSS hashing types and functions").

/// The key of Microsoft's verification suite; most drivers' default. Long enough for 36 bytes.
pub const MICROSOFT_KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// A key of `len` bytes under which both directions of a connection have the same hash: one pattern of 16
/// bits, again and again, because addresses and ports begin at even bytes (Woo and Park, "Scalable TCP
/// Session Monitoring with Symmetric Receive-side Scaling", 2012, with the pattern 0x6d5a). Such a key has no
/// more than the pattern's 16 bits to guess.
#[must_use]
pub fn symmetric_key(pattern: u16, len: usize) -> Vec<u8> {
    pattern
        .to_be_bytes()
        .into_iter()
        .cycle()
        .take(len)
        .collect()
}

/// The 32 key bits that begin `bit` bits into the key; bits past its end are 0.
fn window(key: &[u8], bit: usize) -> u32 {
    let byte = |i: usize| u64::from(key.get(bit / 8 + i).copied().unwrap_or(0));
    let five = (0..5).fold(0u64, |acc, i| (acc << 8) | byte(i));
    (five >> (8 - bit % 8)) as u32
}

/// The hash by its definition: for every bit that is set in the input, XOR in the 32 key bits at that
/// position. Slow; the reference for [`Toeplitz`].
#[must_use]
pub fn bitwise(key: &[u8], input: &[u8]) -> u32 {
    let mut hash = 0;
    for (i, byte) in input.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte & (0x80 >> bit) != 0) {
            hash ^= window(key, i * 8 + bit);
        }
    }
    hash
}

/// The hash by look-up: one table of 256 words for each byte of the input, as a switch does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toeplitz {
    tables: Vec<[u32; 256]>,
}

impl Toeplitz {
    /// Tables for a key. Input bytes from `key.len()` on do not count, as for [`bitwise`].
    #[must_use]
    pub fn new(key: &[u8]) -> Toeplitz {
        let table =
            |at: usize| std::array::from_fn(|v| bitwise(key.get(at..).unwrap_or(&[]), &[v as u8]));
        Toeplitz {
            tables: (0..key.len()).map(table).collect(),
        }
    }

    /// The hash of `input`.
    #[must_use]
    pub fn hash(&self, input: &[u8]) -> u32 {
        let hashed = input.iter().zip(&self.tables);
        // A byte is always within a table of 256.
        hashed.fold(0, |acc, (b, t)| {
            acc ^ t.get(usize::from(*b)).copied().unwrap_or(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// Source, destination (address, port), hash of addresses, hash of addresses and ports: the
    /// published verification suite.
    const VECTORS: [(&str, u16, &str, u16, u32, u32); 8] = [
        (
            "66.9.149.187",
            2794,
            "161.142.100.80",
            1766,
            0x323e_8fc2,
            0x51cc_c178,
        ),
        (
            "199.92.111.2",
            14230,
            "65.69.140.83",
            4739,
            0xd718_262a,
            0xc626_b0ea,
        ),
        (
            "24.19.198.95",
            12898,
            "12.22.207.184",
            38024,
            0xd2d0_a5de,
            0x5c2b_394a,
        ),
        (
            "38.27.205.30",
            48228,
            "209.142.163.6",
            2217,
            0x8298_9176,
            0xafc7_327f,
        ),
        (
            "153.39.163.191",
            44251,
            "202.188.127.2",
            1303,
            0x5d18_09c5,
            0x10e8_28a2,
        ),
        (
            "3ffe:2501:200:1fff::7",
            2794,
            "3ffe:2501:200:3::1",
            1766,
            0x2cc1_8cd5,
            0x4020_7d3d,
        ),
        (
            "3ffe:501:8::260:97ff:fe40:efab",
            14230,
            "ff02::1",
            4739,
            0x0f0c_461c,
            0xdde5_1bbf,
        ),
        (
            "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
            44251,
            "fe80::200:f8ff:fe21:67cf",
            38024,
            0x4b61_e985,
            0x02d1_feef,
        ),
    ];

    fn octets(text: &str) -> Vec<u8> {
        match text.parse::<IpAddr>().unwrap() {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        }
    }

    #[test]
    fn published_vectors() {
        let fast = Toeplitz::new(&MICROSOFT_KEY);
        for (src, sport, dst, dport, two, four) in VECTORS {
            let mut input = [octets(src), octets(dst)].concat();
            assert_eq!(fast.hash(&input), two, "{src}");
            input.extend(sport.to_be_bytes());
            input.extend(dport.to_be_bytes());
            assert_eq!(fast.hash(&input), four, "{src}");
            assert_eq!(bitwise(&MICROSOFT_KEY, &input), four, "{src}");
        }
    }

    #[test]
    fn a_symmetric_key_takes_both_directions_for_one() {
        let fast = Toeplitz::new(&symmetric_key(0x6d5a, 40));
        for (src, sport, dst, dport, ..) in VECTORS {
            let ports = |a: u16, b: u16| [a.to_be_bytes(), b.to_be_bytes()].concat();
            let there = [octets(src), octets(dst), ports(sport, dport)].concat();
            let back = [octets(dst), octets(src), ports(dport, sport)].concat();
            assert_eq!(fast.hash(&there), fast.hash(&back));
            assert_ne!(
                fast.hash(&there),
                Toeplitz::new(&MICROSOFT_KEY).hash(&there)
            );
        }
    }

    proptest! {
        #[test]
        fn tables_equal_definition(key in prop::collection::vec(any::<u8>(), 0..64),
                                   input in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Toeplitz::new(&key).hash(&input), bitwise(&key, &input));
            prop_assert_eq!(trisect_ir::hash::toeplitz(&key, &input), bitwise(&key, &input));
        }
    }
}
