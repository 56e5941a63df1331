//! HalfSipHash-2-4 with 32 bits of output: SipHash (Aumasson and Bernstein, "SipHash: a fast short-input
//! PRF", INDOCRYPT 2012) with words of 32 bits and a key of 64.
//!
//! Additions, rotations and XOR only, so that a switch computes it as well.

/// The hash with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfSipHash {
    k0: u32,
    k1: u32,
}

/// Rounds per 4 bytes of input.
pub const COMPRESSION_ROUNDS: u32 = 2;
/// Rounds at the end.
pub const FINAL_ROUNDS: u32 = 4;
/// What the key's words are combined with for the third and fourth word of the state.
pub const INIT: [u32; 2] = [0x6c79_6765, 0x7465_6462];

impl HalfSipHash {
    /// The hash with the first 8 bytes of `key` (two little-endian words), padded with zeroes.
    #[must_use]
    pub fn new(key: &[u8]) -> HalfSipHash {
        let word = |at: usize| {
            let byte = |i: usize| key.get(at + i).copied().unwrap_or(0);
            u32::from_le_bytes(std::array::from_fn(byte))
        };
        HalfSipHash {
            k0: word(0),
            k1: word(4),
        }
    }

    /// The four words that the input is mixed with.
    #[must_use]
    pub fn start(&self) -> [u32; 4] {
        [self.k0, self.k1, INIT[0] ^ self.k0, INIT[1] ^ self.k1]
    }

    /// The 32-bit hash of `input`.
    #[must_use]
    pub fn hash(&self, input: &[u8]) -> u32 {
        let mut v = self.start();
        let (words, rest) = input.as_chunks::<4>();
        for word in words {
            compress(&mut v, u32::from_le_bytes(*word));
        }
        let mut last = [0, 0, 0, input.len() as u8];
        last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        compress(&mut v, u32::from_le_bytes(last));
        v[2] ^= 0xff;
        for _ in 0..FINAL_ROUNDS {
            round(&mut v);
        }
        v[1] ^ v[3]
    }
}

fn compress(v: &mut [u32; 4], word: u32) {
    v[3] ^= word;
    for _ in 0..COMPRESSION_ROUNDS {
        round(v);
    }
    v[0] ^= word;
}

/// A quarter of a round: an addition, a rotation with exclusive or, and perhaps a rotation of the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The word that the other is added to.
    pub to: usize,
    /// The other word, which is then rotated left and combined with the sum.
    pub other: usize,
    /// By how many bits.
    pub rotate: u32,
    /// Whether the sum is then rotated by 16 bits.
    pub swap: bool,
}

/// A round.
pub const ROUND: [Step; 4] = [
    step(0, 1, 5, true),
    step(2, 3, 8, false),
    step(0, 3, 7, false),
    step(2, 1, 13, true),
];

const fn step(to: usize, other: usize, rotate: u32, swap: bool) -> Step {
    Step {
        to,
        other,
        rotate,
        swap,
    }
}

fn round(v: &mut [u32; 4]) {
    for step in ROUND {
        let sum = v[step.to].wrapping_add(v[step.other]);
        v[step.other] = v[step.other].rotate_left(step.rotate) ^ sum;
        v[step.to] = match step.swap {
            true => sum.rotate_left(16),
            false => sum,
        };
    }
}

/// A byte of a word of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordByte {
    /// The byte of the input at this place.
    Input(usize),
    /// Not of the input.
    Constant(u8),
}

/// The words that an input of `len` bytes is mixed in as, in order: each one's bytes, the most significant
/// first.
pub fn words(len: usize) -> impl Iterator<Item = [WordByte; 4]> {
    let byte = move |at: usize, of_word: usize| match at < len {
        true => WordByte::Input(at),
        false if of_word == 3 => WordByte::Constant(len as u8),
        false => WordByte::Constant(0),
    };
    (0..=len / 4).map(move |word| [3, 2, 1, 0].map(|i| byte(4 * word + i, i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first values of the reference implementation's `vectors_hsip32` (little-endian): key 0, 1, ... 7,
    /// input 0, 1, ... of each length from 0.
    const VECTORS: [[u8; 4]; 16] = [
        [0xa9, 0x35, 0x9f, 0x5b],
        [0x27, 0x47, 0x5a, 0xb8],
        [0xfa, 0x62, 0xa6, 0x03],
        [0x8a, 0xfe, 0xe7, 0x04],
        [0x2a, 0x6e, 0x46, 0x89],
        [0xc5, 0xfa, 0xb6, 0x69],
        [0x58, 0x63, 0xfc, 0x23],
        [0x8b, 0xcf, 0x63, 0xc5],
        [0xd0, 0xb8, 0x84, 0x8f],
        [0xf8, 0x06, 0xe7, 0x79],
        [0x94, 0xb0, 0x79, 0x34],
        [0x08, 0x08, 0x30, 0x50],
        [0x57, 0xf0, 0x87, 0x2f],
        [0x77, 0xe6, 0x63, 0xff],
        [0xd6, 0xff, 0xf8, 0x7c],
        [0x74, 0xfe, 0x2b, 0x97],
    ];

    #[test]
    fn published_vectors() {
        let bytes: Vec<u8> = (0..16).collect();
        let hash = HalfSipHash::new(&bytes[..8]);
        for (len, want) in VECTORS.iter().enumerate() {
            assert_eq!(hash.hash(&bytes[..len]).to_le_bytes(), *want, "{len}");
        }
    }
}
