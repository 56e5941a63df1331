//! The hash functions, bit for bit. Slow and plain: faster versions are checked against these.

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
    }
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
    let window = |bit: usize| -> u32 {
        (0..32).fold(0, |acc, i| {
            let at = bit + i;
            let set = key.get(at / 8).is_some_and(|k| k >> (7 - at % 8) & 1 == 1);
            acc << 1 | u32::from(set)
        })
    };
    let mut hash = 0;
    for (i, byte) in data.iter().enumerate() {
        for bit in 0..8 {
            if byte >> (7 - bit) & 1 == 1 {
                hash ^= window(i * 8 + bit);
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
