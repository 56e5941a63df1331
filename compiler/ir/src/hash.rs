//! The hash functions, bit for bit. Slow and plain: faster versions are checked against these.

use crate::halfsiphash::HalfSipHash;
use crate::{Bits, HashAlgorithm};

/// The input of a hash: the values' big-endian bytes, each value padded with zero bits on its left.
pub fn input_bytes(values: &[Bits]) -> Vec<u8> {
    values.iter().flat_map(Bits::to_be_bytes).collect()
}

/// The hash of some bytes; only the low [`HashAlgorithm::width`] bits are used.
pub fn compute(algorithm: &HashAlgorithm, data: &[u8]) -> u32 {
    match algorithm {
        HashAlgorithm::Crc32 => !reflected_crc(data, 0xedb8_8320, !0),
        HashAlgorithm::Crc16 => reflected_crc(data, 0xa001, 0),
        HashAlgorithm::Csum16 => u32::from(!ones_sum(0, data)),
        HashAlgorithm::Xor16 => data.chunks(2).fold(0, |acc, w| acc ^ u32::from(word(w))),
        HashAlgorithm::Identity => data
            .iter()
            .rev()
            .take(4)
            .rev()
            .fold(0, |acc, b| acc << 8 | u32::from(*b)),
        HashAlgorithm::Toeplitz(key) => toeplitz(key, data),
        HashAlgorithm::HalfSipHash(key) => HalfSipHash::new(key).hash(data),
        HashAlgorithm::Crc {
            width,
            polynomial,
            init,
            reflect_in,
            reflect_out,
            xor_out,
        } => {
            let shift = |crc: u32, bit: bool| {
                let out = crc >> (width - 1) & 1 == 1;
                let shifted = crc << 1 & (u32::MAX >> (32 - width));
                if out == bit {
                    shifted
                } else {
                    shifted ^ polynomial
                }
            };
            let crc = data.iter().fold(*init, |crc, byte| {
                let byte = if *reflect_in {
                    byte.reverse_bits()
                } else {
                    *byte
                };
                (0..8).fold(crc, |crc, i| shift(crc, byte << i & 0x80 != 0))
            });
            xor_out
                ^ if *reflect_out {
                    reflected(crc, *width)
                } else {
                    crc
                }
        }
    }
}

/// The lowest `width` (1 to 32) bits in reverse order.
pub fn reflected(value: u32, width: u32) -> u32 {
    value.reverse_bits() >> (32 - width)
}

fn reflected_crc(data: &[u8], polynomial: u32, init: u32) -> u32 {
    data.iter().fold(init, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 {
                c >> 1 ^ polynomial
            } else {
                c >> 1
            }
        })
    })
}

fn word(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes.get(1).copied().unwrap_or(0)])
}

/// RFC 1071's one's complement sum of 16-bit words, starting from `init`; an odd last byte is padded
/// on its right. Not complemented.
pub fn ones_sum(init: u16, data: &[u8]) -> u16 {
    data.chunks(2).fold(init, |sum, w| ones_add(sum, word(w)))
}

/// End-around-carry addition.
pub fn ones_add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

/// The Toeplitz hash: for every set bit of the input, XOR in the 32 key bits at that position.
pub fn toeplitz(key: &[u8], data: &[u8]) -> u32 {
    let at = |i: usize| u64::from(key.get(i).copied().unwrap_or(0));
    // The key bits from the present byte on, the first one the most significant of 40.
    let mut window = (0..4).fold(0, |bits, i| bits << 8 | at(i));
    let mut hash = 0;
    for (i, byte) in data.iter().enumerate() {
        window = (window << 8 | at(i + 4)) & 0xff_ffff_ffff;
        for bit in 0..8 {
            if byte >> (7 - bit) & 1 == 1 {
                hash ^= (window >> (8 - bit)) as u32;
            }
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        let data = b"123456789";
        assert_eq!(compute(&HashAlgorithm::Crc32, data), 0xcbf4_3926);
        assert_eq!(compute(&HashAlgorithm::Crc16, data), 0xbb3d);
    }

    #[test]
    fn any_crc_has_its_check_value() {
        let crc = |width, polynomial, init, reflect_in, reflect_out, xor_out| HashAlgorithm::Crc {
            width,
            polynomial,
            init,
            reflect_in,
            reflect_out,
            xor_out,
        };
        // Names and values of the catalogue of parametrised CRC algorithms (reveng).
        for (name, algorithm, check) in [
            ("CRC-8/SMBUS", crc(8, 0x07, 0, false, false, 0), 0xf4),
            ("CRC-8/MAXIM-DOW", crc(8, 0x31, 0, true, true, 0), 0xa1),
            ("CRC-16/ARC", crc(16, 0x8005, 0, true, true, 0), 0xbb3d),
            (
                "CRC-16/IBM-3740",
                crc(16, 0x1021, 0xffff, false, false, 0),
                0x29b1,
            ),
            (
                "CRC-16/MCRF4XX",
                crc(16, 0x1021, 0xffff, true, true, 0),
                0x6f91,
            ),
            (
                "CRC-32/ISO-HDLC",
                crc(32, 0x04c1_1db7, !0, true, true, !0),
                0xcbf4_3926,
            ),
            (
                "CRC-32/BZIP2",
                crc(32, 0x04c1_1db7, !0, false, false, !0),
                0xfc89_1918,
            ),
        ] {
            assert_eq!(compute(&algorithm, b"123456789"), check, "{name}");
        }
    }

    #[test]
    fn toeplitz_matches_the_published_rss_vector() {
        // Microsoft's RSS verification suite: 66.9.149.187:2794 -> 161.142.100.80:1766.
        let key = [
            0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
            0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
            0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
        ];
        let data = [66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6];
        assert_eq!(toeplitz(&key, &data), 0x51cc_c178);
    }
}
