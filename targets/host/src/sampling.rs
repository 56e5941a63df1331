//! Which packets of a batch are sampled, in as little time as a host can find that out.
//!
//! What is hashed of a usual frame lies at known places ([`Layouts`]), and the Toeplitz hash is a sum of products of
//! polynomials over GF(2): each of 32 bits of input, and of the 63 bits of key that meet them. A processor with the
//! instructions for it (SSSE3, PCLMULQDQ) puts the words of input together by shuffling the headers' bytes, and takes one
//! product per word. On others, and for other frames and hashes, it is [`Sampler::look`] that says; the result is always
//! the same.

#![allow(unsafe_code)]

use crate::Packet;
use trisect_sample::{Algorithm, Layouts, Sampler, Transport, Verdict};

/// What a frame itself says about sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Nothing: whoever wants to know must look at it.
    Nothing,
    /// That it is not sampled: whoever sent it has looked at it.
    NotSampled,
    /// The tag by which it is known.
    Tag(u64),
}

/// A sampled packet of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place in the batch.
    pub at: usize,
    /// Its identity ([`trisect_sample::Verdict::id`]).
    pub id: u64,
    /// Whether the tag that it carries says so.
    pub tagged: bool,
}

impl Chosen {
    fn of(at: usize, verdict: Verdict, tagged: bool) -> Option<Self> {
        let id = verdict.id;
        verdict.sampled.then_some(Self { at, id, tagged })
    }
}

/// A [`Sampler`] for batches of packets.
#[derive(Clone, Debug)]
pub struct BatchSampler {
    sampler: Sampler,
    products: Option<Products>,
}

impl BatchSampler {
    /// Prepares the key.
    #[must_use]
    pub fn new(sampler: Sampler) -> Self {
        let fast = sampler.spec().hash == Algorithm::Toeplitz && has_products();
        let layouts = sampler.layouts().filter(|_| fast);
        let products = layouts.map(|layouts| Products::new(layouts, &sampler));
        Self { sampler, products }
    }

    /// The sampler.
    #[must_use]
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Puts the sampled packets into `chosen`, in their order; `carried` gives what a frame itself says.
    pub fn choose(
        &self,
        packets: &[Packet],
        carried: impl Fn(&[u8]) -> Carried,
        chosen: &mut Vec<Chosen>,
    ) {
        chosen.clear();
        #[cfg(target_arch = "x86_64")]
        if let (Some(products), Some(layouts)) = (&self.products, self.sampler.layouts()) {
            // SAFETY: there are products only if the processor has the instructions (`has_products`).
            return unsafe { products.choose(layouts, &self.sampler, packets, carried, chosen) };
        }
        for (at, packet) in packets.iter().enumerate() {
            let frame = packet.frame();
            chosen.extend(match carried(frame) {
                Carried::NotSampled => None,
                Carried::Tag(tag) => Chosen::of(at, self.sampler.tagged(tag), true),
                Carried::Nothing => Chosen::of(at, self.sampler.look(frame), false),
            });
        }
    }
}

/// Where the chunks of 16 bytes begin that are shuffled, in bytes from the IP header: all that is hashed lies in them.
const FOUR: [usize; 2] = [0, 16];
const SIX: [usize; 4] = [0, 16, 32, 44];

/// How to hash usual frames: of each kind of transport header, IPv4 and IPv6.
#[derive(Clone, Debug)]
struct Products {
    four: [Vec<Step<2>>; 3],
    six: [Vec<Step<4>>; 3],
}

/// How to hash 8 bytes of input.
#[derive(Clone, Debug)]
struct Step<const CHUNKS: usize> {
    /// By chunk: which of its bytes goes to which place. The words of input are the halves' lower ones.
    shuffles: [[u8; 16]; CHUNKS],
    /// Bits that count.
    mask: [u8; 16],
    /// What the two words are multiplied by: for the hash that selects, and for the one that labels.
    windows: [[u64; 2]; 2],
}

impl Products {
    fn new(layouts: &Layouts, sampler: &Sampler) -> Self {
        let spec = sampler.spec();
        let keys = [&spec.key[..], &spec.label_key()];
        Self {
            four: Transport::ALL.map(|t| steps(&layouts.sources(false, t), FOUR, keys)),
            six: Transport::ALL.map(|t| steps(&layouts.sources(true, t), SIX, keys)),
        }
    }
}

fn steps<const CHUNKS: usize>(
    sources: &[Option<(usize, u8)>],
    chunks: [usize; CHUNKS],
    keys: [&[u8]; 2],
) -> Vec<Step<CHUNKS>> {
    /// Gives zero.
    const NONE: u8 = 0x80;
    let step = |(number, sources): (usize, &[Option<(usize, u8)>])| {
        let mut step = Step {
            shuffles: [[NONE; 16]; CHUNKS],
            mask: [0; 16],
            windows: keys.map(|key| [0, 32].map(|bit| window(key, 64 * number + bit))),
        };
        for (i, source) in sources.iter().enumerate() {
            let Some((at, mask)) = source else { continue };
            // Words are big-endian, halves little-endian.
            let place = 8 * (i / 4) + 3 - i % 4;
            let chunk = chunks.iter().rposition(|start| start <= at).unwrap_or(0);
            step.shuffles[chunk][place] = (at - chunks[chunk]) as u8;
            step.mask[place] = *mask;
        }
        step
    };
    sources.chunks(8).enumerate().map(step).collect()
}

/// The 63 key bits from `first` on, the first one lowest; bits past the key's end are 0.
fn window(key: &[u8], first: usize) -> u64 {
    let bit = |at: usize| key.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    (0..63).fold(0, |word, i| word | u64::from(bit(first + i)) << i)
}

#[cfg(not(target_arch = "x86_64"))]
fn has_products() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn has_products() -> bool {
    std::arch::is_x86_feature_detected!("pclmulqdq") && std::arch::is_x86_feature_detected!("ssse3")
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Carried, Chosen, FOUR, Products, SIX, Step};
    use crate::Packet;
    use std::arch::x86_64::*;
    use trisect_sample::{Layouts, Sampler, Usual, labelled};

    /// Index of [`Step::windows`].
    const SELECT: usize = 0;
    const LABEL: usize = 1;

    impl Products {
        #[target_feature(enable = "pclmulqdq,ssse3")]
        pub(super) fn choose(
            &self,
            layouts: &Layouts,
            sampler: &Sampler,
            packets: &[Packet],
            carried: impl Fn(&[u8]) -> Carried,
            chosen: &mut Vec<Chosen>,
        ) {
            let range = sampler.spec().range;
            for (at, packet) in packets.iter().enumerate() {
                let frame = packet.frame();
                match carried(frame) {
                    Carried::NotSampled => continue,
                    Carried::Tag(tag) => {
                        chosen.extend(Chosen::of(at, sampler.tagged(tag), true));
                        continue;
                    }
                    Carried::Nothing => {}
                }
                let Some(usual) = layouts.usual(frame) else {
                    chosen.extend(Chosen::of(at, sampler.look(frame), false));
                    continue;
                };
                let number = self.hash::<SELECT>(&usual);
                if range.contains(number) {
                    let label = self.hash::<LABEL>(&usual);
                    chosen.push(Chosen {
                        at,
                        id: labelled(number, label.reverse_bits()),
                        tagged: false,
                    });
                }
            }
        }

        /// The hash of a usual frame with its bits in reverse order.
        #[inline]
        #[target_feature(enable = "pclmulqdq,ssse3")]
        fn hash<const KEY: usize>(&self, usual: &Usual<'_>) -> u32 {
            let transport = usual.transport as usize;
            // A usual frame has all these bytes.
            match usual.six {
                false => match usual.ip.first_chunk::<32>() {
                    Some(ip) => sum::<2, KEY>(FOUR.map(|at| chunk(ip, at)), &self.four[transport]),
                    None => 0,
                },
                true => match usual.ip.first_chunk::<60>() {
                    Some(ip) => sum::<4, KEY>(SIX.map(|at| chunk(ip, at)), &self.six[transport]),
                    None => 0,
                },
            }
        }
    }

    #[inline]
    fn chunk(ip: &[u8], at: usize) -> [u8; 16] {
        let bytes = ip.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().unwrap_or_default()
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn vector(bytes: &[u8; 16]) -> __m128i {
        let all = u128::from_le_bytes(*bytes);
        _mm_set_epi64x((all >> 64) as i64, all as i64)
    }

    /// The sum of the products. Bit `i` of a word of input, counted from its first, is the coefficient of x^(31-i); bit
    /// `j` of a window that of x^j. The hash's bit `b` is the sum of all products with j - i = b, and so the coefficient
    /// of x^(31+b).
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3")]
    fn sum<const CHUNKS: usize, const KEY: usize>(
        chunks: [[u8; 16]; CHUNKS],
        steps: &[Step<CHUNKS>],
    ) -> u32 {
        let mut sum = _mm_setzero_si128();
        for step in steps {
            let mut words = _mm_setzero_si128();
            for (chunk, shuffle) in chunks.iter().zip(&step.shuffles) {
                let moved = _mm_shuffle_epi8(vector(chunk), vector(shuffle));
                words = _mm_or_si128(words, moved);
            }
            words = _mm_and_si128(words, vector(&step.mask));
            let [low, high] = step.windows[KEY];
            let windows = _mm_set_epi64x(high as i64, low as i64);
            sum = _mm_xor_si128(sum, _mm_clmulepi64_si128::<0x00>(words, windows));
            sum = _mm_xor_si128(sum, _mm_clmulepi64_si128::<0x11>(words, windows));
        }
        (_mm_cvtsi128_si64(sum) as u64 >> 31) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trisect_sample::{Field, HashRange, SampleSpec};

    /// IPv4 or IPv6 in Ethernet, now and then with a broken byte.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let any_bytes = prop::collection::vec(any::<u8>(), 40..90);
        let broken = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
        (any_bytes, any::<bool>(), 0..3usize, broken).prop_map(|(rest, six, protocol, broken)| {
            let ethertype = if six { [0x86, 0xdd] } else { [8, 0] };
            let mut frame = [&[2; 12][..], &ethertype, &rest].concat();
            let protocol = [6, 17, 1][protocol];
            match six {
                true => (frame[14], frame[20]) = (0x60, protocol),
                false => (frame[14], frame[20], frame[21], frame[23]) = (0x45, 0, 0, protocol),
            }
            if let Some((at, byte)) = broken {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            frame
        })
    }

    proptest! {
        #[test]
        fn a_batch_is_looked_at_as_single_frames(
            frames in prop::collection::vec(frame(), 0..40),
            seed in any::<u64>(),
            fields in prop::sample::subsequence(&Field::ALL[..], 1..=10).prop_shuffle(),
            one_in in 1..4u32,
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
            hash in prop::sample::select(&Algorithm::ALL[..]),
        ) {
            let mut spec = SampleSpec::new(seed, HashRange::one_in(one_in), fields).with_hash(hash);
            spec.key = key.unwrap_or(spec.key);
            let sampler = BatchSampler::new(Sampler::new(spec));
            // Some say something, by their last byte.
            let carried = |frame: &[u8]| match frame.last() {
                Some(b) if *b < 16 => Carried::Tag(u64::from(*b) << 36),
                Some(16..32) => Carried::NotSampled,
                _ => Carried::Nothing,
            };
            let packets: Vec<Packet> = frames.iter().map(|f| Packet::new(f)).collect();
            let mut chosen = Vec::new();
            sampler.choose(&packets, carried, &mut chosen);
            let all = frames.iter().enumerate().filter_map(|(at, frame)| match carried(frame) {
                Carried::Tag(tag) => Chosen::of(at, sampler.sampler().tagged(tag), true),
                Carried::Nothing => Chosen::of(at, sampler.sampler().look(frame), false),
                Carried::NotSampled => None,
            });
            let expected: Vec<Chosen> = all.collect();
            prop_assert_eq!(chosen, expected);
        }
    }
}
