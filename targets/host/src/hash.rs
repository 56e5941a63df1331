//! Hash functions with tables, equal to [`trisect_ir::hash`].

use trisect_ir::{HashAlgorithm, hash};

/// A hash function, prepared.
#[derive(Clone, Debug)]
pub enum HashFunction {
    /// Byte-wise, with the table of a reflected CRC, its initial value and final exclusive or.
    Crc {
        /// Remainder by byte.
        table: Box<[u32; 256]>,
        /// Initial value.
        init: u32,
        /// Final exclusive or.
        last: u32,
    },
    /// Toeplitz: by position in the input, then by byte.
    Toeplitz {
        /// The key.
        key: Vec<u8>,
        /// One table per position.
        tables: Vec<[u32; 256]>,
    },
    /// As the definition computes it.
    Plain(HashAlgorithm),
}

fn crc(polynomial: u32, init: u32, last: u32) -> HashFunction {
    let mut table = Box::new([0; 256]);
    for (byte, entry) in (0u32..).zip(table.iter_mut()) {
        *entry = (0..8).fold(byte, |c, _| {
            if c & 1 == 1 {
                c >> 1 ^ polynomial
            } else {
                c >> 1
            }
        });
    }
    HashFunction::Crc { table, init, last }
}

impl HashFunction {
    /// Prepares an algorithm for inputs of `len` bytes (other lengths also work).
    pub fn new(algorithm: &HashAlgorithm, len: usize) -> Self {
        match algorithm {
            HashAlgorithm::Crc32 => crc(0xedb8_8320, !0, !0),
            HashAlgorithm::Crc16 => crc(0xa001, 0, 0),
            HashAlgorithm::Crc {
                width,
                polynomial,
                init,
                reflect_in: true,
                reflect_out: true,
                xor_out,
            } => crc(
                hash::reflected(*polynomial, *width),
                hash::reflected(*init, *width),
                *xor_out,
            ),
            HashAlgorithm::Toeplitz(key) => Self::Toeplitz {
                key: key.clone(),
                tables: (0..len).map(|at| toeplitz_table(key, at)).collect(),
            },
            other => Self::Plain(other.clone()),
        }
    }
    /// The hash of some bytes.
    pub fn compute(&self, data: &[u8]) -> u32 {
        match self {
            Self::Crc { table, init, last } => {
                let crc = data.iter().fold(*init, |crc, byte| {
                    crc >> 8 ^ table[usize::from(crc as u8 ^ byte)]
                });
                crc ^ last
            }
            Self::Toeplitz { tables, .. } if data.len() <= tables.len() => data
                .iter()
                .zip(tables)
                .fold(0, |acc, (byte, table)| acc ^ table[usize::from(*byte)]),
            Self::Toeplitz { key, .. } => hash::toeplitz(key, data),
            Self::Plain(algorithm) => hash::compute(algorithm, data),
        }
    }
}

/// What each value of the byte at a position contributes.
fn toeplitz_table(key: &[u8], at: usize) -> [u32; 256] {
    let mut input = vec![0; at + 1];
    let mut table = [0; 256];
    for bit in 0..8 {
        input[at] = 1 << bit;
        let part = hash::toeplitz(key, &input);
        for (byte, entry) in table.iter_mut().enumerate() {
            if byte >> bit & 1 == 1 {
                *entry ^= part;
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            data in proptest::collection::vec(any::<u8>(), 0..50),
            key in proptest::collection::vec(any::<u8>(), 0..50),
            len in 0usize..50,
            (polynomial, init, xor_out) in any::<(u32, u32, u32)>(),
            (reflect_in, reflect_out) in any::<(bool, bool)>(),
        ) {
            let crc = |width: u32| HashAlgorithm::Crc {
                width,
                polynomial: polynomial >> (32 - width),
                init: init >> (32 - width),
                reflect_in,
                reflect_out,
                xor_out: xor_out >> (32 - width),
            };
            for algorithm in [
                HashAlgorithm::Crc32,
                HashAlgorithm::Crc16,
                HashAlgorithm::Csum16,
                HashAlgorithm::Xor16,
                HashAlgorithm::Identity,
                HashAlgorithm::Toeplitz(key),
                crc(8),
                crc(16),
                crc(32),
            ] {
                let fast = HashFunction::new(&algorithm, len);
                prop_assert_eq!(fast.compute(&data), hash::compute(&algorithm, &data));
            }
        }
    }
}
