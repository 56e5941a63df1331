//! The hashes that select packets.
//!
//! | name          | keyed | device                          | source |
//! |---------------|-------|---------------------------------|--------|
//! | `toeplitz`    | yes, but linear | NIC (RSS), switch, host | Microsoft, "RSS hashing types and functions" |
//! | `halfsiphash` | yes   | switch, host; the NIC is told   | SipHash with 32-bit words |
//! | `bob`         | 32 bits | host                          | RFC 5475, appendix A.2 |
//! | `crc32`       | no    | host                            | RFC 5475, section 6.2.3.1; ISO 3309 |

mod bob;
mod crc32;
mod toeplitz;

pub use bob::bob;
pub use crc32::crc32;
pub use toeplitz::{MICROSOFT_KEY, Toeplitz, bitwise, symmetric_key};
pub use trisect_ir::halfsiphash::{self, HalfSipHash};

use serde::{Deserialize, Serialize};

/// A hash that selects packets.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// The keyed hash of receive side scaling.
    #[default]
    Toeplitz,
    /// HalfSipHash-2-4: a pseudorandom function.
    HalfSipHash,
    /// PSAMP's BOB; the key's first four bytes, big-endian, are its initial value.
    Bob,
    /// PSAMP's CRC-32; has no key.
    Crc32,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] = [
        Algorithm::Toeplitz,
        Algorithm::HalfSipHash,
        Algorithm::Bob,
        Algorithm::Crc32,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Toeplitz => "toeplitz",
            Algorithm::HalfSipHash => "halfsiphash",
            Algorithm::Bob => "bob",
            Algorithm::Crc32 => "crc32",
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A hash with its key, ready to compute.
#[derive(Debug, Clone)]
pub enum KeyedHash {
    /// By table look-up.
    Toeplitz(Toeplitz),
    /// With the first 8 bytes of the key.
    HalfSipHash(HalfSipHash),
    /// With this initial value.
    Bob(u32),
    /// Without key.
    Crc32,
}

impl KeyedHash {
    /// Prepares a hash; a key that is too short is continued by zeroes.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &[u8]) -> KeyedHash {
        match algorithm {
            Algorithm::Toeplitz => KeyedHash::Toeplitz(Toeplitz::new(key)),
            Algorithm::HalfSipHash => KeyedHash::HalfSipHash(HalfSipHash::new(key)),
            Algorithm::Bob => {
                let byte = |i: usize| key.get(i).copied().unwrap_or(0);
                KeyedHash::Bob(u32::from_be_bytes(std::array::from_fn(byte)))
            }
            Algorithm::Crc32 => KeyedHash::Crc32,
        }
    }

    /// The hash of `input`.
    #[must_use]
    pub fn hash(&self, input: &[u8]) -> u32 {
        match self {
            KeyedHash::Toeplitz(h) => h.hash(input),
            KeyedHash::HalfSipHash(h) => h.hash(input),
            KeyedHash::Bob(initial) => bob(input, *initial),
            KeyedHash::Crc32 => crc32(input),
        }
    }
}
