//! Hashing usual frames with vectors.

#![allow(unsafe_code)]

use super::Chosen;
use crate::Packet;
use std::arch::x86_64::*;
use trisect_ir::halfsiphash::{self, HalfSipHash};
use trisect_sample::{Algorithm, HashRange, Layouts, Sampler, Transport, Usual};

/// A hash with its key.
#[derive(Clone, Debug)]
pub(super) enum Fast {
    /// There is one only if the processor has PCLMULQDQ and AVX2.
    Toeplitz(Box<Toeplitz>),
    /// There is one only if the processor has AVX2.
    HalfSipHash(Box<Lanes>),
}

impl Fast {
    /// `None` if the processor or the hash is none of these, or more is hashed than there is room for.
    pub(super) fn new(sampler: &Sampler) -> Option<Self> {
        let layouts = sampler.layouts()?;
        let spec = sampler.spec();
        // HalfSipHash's input has its length behind it.
        if layouts.bytes(false) >= VECTOR * FOUR || layouts.bytes(true) >= VECTOR * SIX {
            return None;
        }
        if !is_x86_feature_detected!("avx2") {
            return None;
        }
        match spec.hash {
            Algorithm::Toeplitz if is_x86_feature_detected!("pclmulqdq") => {
                Some(Self::Toeplitz(Box::new(Toeplitz::new(layouts, &spec.key))))
            }
            Algorithm::HalfSipHash => {
                Some(Self::HalfSipHash(Box::new(Lanes::new(layouts, &spec.key))))
            }
            _ => None,
        }
    }

    /// Puts those of the packets at the places `open` into `chosen` that are sampled, in any order.
    pub(super) fn choose(
        &self,
        sampler: &Sampler,
        layouts: &Layouts,
        packets: &[Packet],
        open: &[usize],
        chosen: &mut Vec<Chosen>,
    ) {
        let batch = Batch {
            sampler,
            layouts,
            packets,
            open,
            range: sampler.spec().range,
        };
        // SAFETY: the processor has the instructions (see the variants).
        match self {
            Self::Toeplitz(hash) => unsafe { hash.choose(&batch, chosen) },
            Self::HalfSipHash(hash) => unsafe { hash.choose(&batch, chosen) },
        }
    }
}

/// Packets between the one whose headers are fetched and the one that is hashed.
const AHEAD: usize = 8;
/// Bytes of a cache line.
const LINE: usize = 64;

/// What is to be looked at.
struct Batch<'a> {
    sampler: &'a Sampler,
    layouts: &'a Layouts,
    packets: &'a [Packet],
    open: &'a [usize],
    range: HashRange,
}

impl<'a> Batch<'a> {
    /// Fetches the headers of the packet that comes at this place.
    #[inline]
    fn prefetch(&self, place: usize) {
        let at = self.open.get(place).copied().unwrap_or(usize::MAX);
        if let Some(packet) = self.packets.get(at) {
            let start: *const i8 = packet.frame().as_ptr().cast();
            // SAFETY: a prefetch of any address is allowed and changes nothing.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start);
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(LINE));
            }
        }
    }

    /// The frame at this place, if it is a usual one; others are looked at as one by one.
    #[inline(always)]
    fn usual(&self, at: usize, chosen: &mut Vec<Chosen>) -> Option<Usual<'a>> {
        let frame = self.packets.get(at)?.frame();
        let usual = self.layouts.usual(frame);
        if usual.is_none() && self.sampler.look(frame).sampled {
            chosen.push(Chosen::untagged(at));
        }
        usual
    }
}

/// Bytes of a vector.
const VECTOR: usize = 32;
/// Vectors that hold what is hashed of IPv4, and of IPv6.
const FOUR: usize = 1;
const SIX: usize = 2;
/// Where the 16 bytes begin that are shuffled, in bytes from the IP header: all that is hashed lies in them.
const CHUNKS_FOUR: [usize; 2] = [0, 16];
const CHUNKS_SIX: [usize; 4] = [0, 16, 32, 44];
/// Bytes from the IP header on that usual frames have.
const BYTES_FOUR: usize = 40;
const BYTES_SIX: usize = 60;

/// How to put together what is hashed of one kind of frames, in vectors.
#[derive(Clone, Debug)]
struct Gather<const CHUNKS: usize, const VECTORS: usize> {
    /// By vector and chunk: which of its bytes goes to which place.
    shuffles: [[[u8; VECTOR]; CHUNKS]; VECTORS],
    /// Bits that count.
    masks: [[u8; VECTOR]; VECTORS],
    /// Bits that are set.
    set: [[u8; VECTOR]; VECTORS],
}

impl<const CHUNKS: usize, const VECTORS: usize> Gather<CHUNKS, VECTORS> {
    /// `place` gives the place of a byte of input.
    fn new(
        sources: &[Option<(usize, u8)>],
        chunks: [usize; CHUNKS],
        place: impl Fn(usize) -> usize,
    ) -> Self {
        /// Gives zero.
        const NONE: u8 = 0x80;
        let mut gather = Self {
            shuffles: [[[NONE; VECTOR]; CHUNKS]; VECTORS],
            masks: [[0; VECTOR]; VECTORS],
            set: [[0; VECTOR]; VECTORS],
        };
        for (i, source) in sources.iter().enumerate() {
            let Some((at, mask)) = source else { continue };
            let (vector, place) = (place(i) / VECTOR, place(i) % VECTOR);
            let chunk = chunks.iter().rposition(|start| start <= at).unwrap_or(0);
            gather.shuffles[vector][chunk][place] = (at - chunks[chunk]) as u8;
            gather.masks[vector][place] = *mask;
        }
        gather
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn run<const BYTES: usize>(
        &self,
        ip: &[u8; BYTES],
        chunks: [usize; CHUNKS],
    ) -> [__m256i; VECTORS] {
        // In both halves, since shuffles do not cross them.
        let chunks = chunks.map(|at| {
            let chunk: Option<&[u8; 16]> = ip.get(at..).and_then(<[u8]>::first_chunk);
            // SAFETY: 16 bytes are read, from any address.
            let half = chunk.map(|chunk| unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) });
            _mm256_broadcastsi128_si256(half.unwrap_or(_mm_setzero_si128()))
        });
        std::array::from_fn(|i| {
            let mut all = load(&self.set[i]);
            let mask = load(&self.masks[i]);
            for (chunk, shuffle) in chunks.iter().zip(&self.shuffles[i]) {
                let moved = _mm256_shuffle_epi8(*chunk, load(shuffle));
                all = _mm256_or_si256(all, _mm256_and_si256(moved, mask));
            }
            all
        })
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; VECTOR]) -> __m256i {
    // SAFETY: 32 bytes are read, from any address.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// By transport header.
type Four = [Gather<{ CHUNKS_FOUR.len() }, FOUR>; 3];
type Six = [Gather<{ CHUNKS_SIX.len() }, SIX>; 3];

fn gathers(layouts: &Layouts, place: impl Fn(usize) -> usize + Copy) -> (Four, Six) {
    (
        Transport::ALL.map(|t| Gather::new(&layouts.sources(false, t), CHUNKS_FOUR, place)),
        Transport::ALL.map(|t| Gather::new(&layouts.sources(true, t), CHUNKS_SIX, place)),
    )
}

/// The Toeplitz hash as a sum of products of polynomials over GF(2): each of 32 bits of input, and of the 63 bits of key
/// that meet them.
#[derive(Clone, Debug)]
pub(super) struct Toeplitz {
    four: Four,
    six: Six,
    /// By four words: what the first, second, third and fourth are multiplied by.
    windows: [[u64; 4]; 2 * SIX],
}

impl Toeplitz {
    fn new(layouts: &Layouts, key: &[u8]) -> Self {
        // Words are big-endian, vectors little-endian.
        let (four, six) = gathers(layouts, |i| i ^ 3);
        let windows =
            std::array::from_fn(|i| [0, 32, 64, 96].map(|bit| window(key, 128 * i + bit)));
        Self { four, six, windows }
    }

    #[target_feature(enable = "avx2,pclmulqdq")]
    fn choose(&self, batch: &Batch<'_>, chosen: &mut Vec<Chosen>) {
        for (i, &at) in batch.open.iter().enumerate() {
            batch.prefetch(i + AHEAD);
            let Some(usual) = batch.usual(at, chosen) else {
                continue;
            };
            let transport = usual.transport as usize;
            let hash = match usual.six {
                false => usual.ip.first_chunk::<BYTES_FOUR>().map(|ip| {
                    let input = self.four[transport].run(ip, CHUNKS_FOUR);
                    self.sum(input)
                }),
                true => usual.ip.first_chunk::<BYTES_SIX>().map(|ip| {
                    let input = self.six[transport].run(ip, CHUNKS_SIX);
                    self.sum(input)
                }),
            };
            // The range is compared with the hash in reverse order.
            if hash.is_some_and(|hash| batch.range.contains(hash)) {
                chosen.push(Chosen::untagged(at));
            }
        }
    }

    /// The sum of the products: the hash with its bits in reverse order. Bit `i` of a word of input, counted from its first,
    /// is the coefficient of x^(31-i); bit `j` of a window that of x^j. The hash's bit `b` is the sum of all products with
    /// j - i = b, and so the coefficient of x^(31+b).
    #[inline]
    #[target_feature(enable = "avx2,pclmulqdq")]
    fn sum<const VECTORS: usize>(&self, input: [__m256i; VECTORS]) -> u32 {
        let zero = _mm_setzero_si128();
        let mut sum = zero;
        let windows = self.windows.as_chunks::<2>().0;
        for (words, windows) in input.into_iter().zip(windows) {
            let halves = [
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            ];
            for (half, [first, second, third, fourth]) in halves.into_iter().zip(*windows) {
                for (pair, low, high) in [
                    (_mm_unpacklo_epi32(half, zero), first, second),
                    (_mm_unpackhi_epi32(half, zero), third, fourth),
                ] {
                    let window = _mm_set_epi64x(high as i64, low as i64);
                    sum = _mm_xor_si128(sum, _mm_clmulepi64_si128::<0x00>(pair, window));
                    sum = _mm_xor_si128(sum, _mm_clmulepi64_si128::<0x11>(pair, window));
                }
            }
        }
        (_mm_cvtsi128_si64(sum) as u64 >> 31) as u32
    }
}

/// The 63 key bits from `first` on, the first one lowest; bits past the key's end are 0.
fn window(key: &[u8], first: usize) -> u64 {
    let bit = |at: usize| key.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    (0..63).fold(0, |word, i| word | u64::from(bit(first + i)) << i)
}

/// Packets that are hashed at once.
const LANES: usize = 16;
/// A word of each.
type Words = [u32; LANES];

/// HalfSipHash of many packets at once.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    four: Four,
    six: Six,
    /// Words that are mixed in, of IPv4 and of IPv6.
    words: [usize; 2],
    start: [u32; 4],
    hash: unsafe fn([u32; 4], &[Words]) -> Words,
}

/// What is hashed of packets of one version of IP.
struct Columns<const WORDS: usize> {
    words: [Words; WORDS],
    at: [usize; LANES],
    count: usize,
}

impl<const WORDS: usize> Columns<WORDS> {
    fn new() -> Self {
        Self {
            words: [[0; LANES]; WORDS],
            at: [0; LANES],
            count: 0,
        }
    }
}

impl Lanes {
    fn new(layouts: &Layouts, key: &[u8]) -> Self {
        let (mut four, mut six) = gathers(layouts, |i| i);
        let bytes = [layouts.bytes(false), layouts.bytes(true)];
        // The last byte of the last word is the input's length.
        let last = bytes.map(|bytes| bytes / 4 * 4 + 3);
        for gather in &mut four {
            gather.set[last[0] / VECTOR][last[0] % VECTOR] = bytes[0] as u8;
        }
        for gather in &mut six {
            gather.set[last[1] / VECTOR][last[1] % VECTOR] = bytes[1] as u8;
        }
        let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        Self {
            four,
            six,
            words: bytes.map(|bytes| bytes / 4 + 1),
            start: HalfSipHash::new(key).start(),
            hash: if wide { hash_avx512 } else { hash_avx2 },
        }
    }

    #[target_feature(enable = "avx2")]
    fn choose(&self, batch: &Batch<'_>, chosen: &mut Vec<Chosen>) {
        let mut four = Columns::<{ 8 * FOUR }>::new();
        let mut six = Columns::<{ 8 * SIX }>::new();
        for (i, &at) in batch.open.iter().enumerate() {
            batch.prefetch(i + AHEAD);
            let Some(usual) = batch.usual(at, chosen) else {
                continue;
            };
            let transport = usual.transport as usize;
            match usual.six {
                false => {
                    if let Some(ip) = usual.ip.first_chunk::<BYTES_FOUR>() {
                        put(&mut four, at, self.four[transport].run(ip, CHUNKS_FOUR));
                    }
                    if four.count == LANES {
                        self.finish(&mut four, self.words[0], batch.range, chosen);
                    }
                }
                true => {
                    if let Some(ip) = usual.ip.first_chunk::<BYTES_SIX>() {
                        put(&mut six, at, self.six[transport].run(ip, CHUNKS_SIX));
                    }
                    if six.count == LANES {
                        self.finish(&mut six, self.words[1], batch.range, chosen);
                    }
                }
            }
        }
        self.finish(&mut four, self.words[0], batch.range, chosen);
        self.finish(&mut six, self.words[1], batch.range, chosen);
    }

    /// Hashes what the columns hold and empties them.
    #[target_feature(enable = "avx2")]
    fn finish<const WORDS: usize>(
        &self,
        columns: &mut Columns<WORDS>,
        words: usize,
        range: HashRange,
        chosen: &mut Vec<Chosen>,
    ) {
        let count = std::mem::take(&mut columns.count);
        if count == 0 {
            return;
        }
        // SAFETY: `new` chose what the processor has.
        let hashes = unsafe { (self.hash)(self.start, &columns.words[..words.min(WORDS)]) };
        for (hash, at) in hashes.into_iter().zip(columns.at).take(count) {
            if range.contains(hash) {
                chosen.push(Chosen::untagged(at));
            }
        }
    }
}

/// Puts a packet into the next column.
#[inline]
#[target_feature(enable = "avx2")]
fn put<const WORDS: usize, const VECTORS: usize>(
    columns: &mut Columns<WORDS>,
    at: usize,
    input: [__m256i; VECTORS],
) {
    let lane = columns.count % LANES;
    for (rows, vector) in columns.words.as_chunks_mut::<8>().0.iter_mut().zip(input) {
        for (row, word) in rows.iter_mut().zip(store(vector)) {
            row[lane] = word;
        }
    }
    columns.at[lane] = at;
    columns.count += 1;
}

/// HalfSipHash-2-4 ([`halfsiphash`]) in every lane.
macro_rules! hash {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        fn $name(start: [u32; 4], words: &[Words]) -> Words {
            let mut v = start.map(|word| [_mm256_set1_epi32(word as i32); 2]);
            for word in words {
                let word = row(word);
                v[3] = xor(v[3], word);
                for _ in 0..halfsiphash::COMPRESSION_ROUNDS {
                    v = round(v);
                }
                v[0] = xor(v[0], word);
            }
            v[2] = xor(v[2], [_mm256_set1_epi32(0xff); 2]);
            for _ in 0..halfsiphash::FINAL_ROUNDS {
                v = round(v);
            }
            let mut hashes = [0; LANES];
            let halves = hashes.as_chunks_mut::<8>().0;
            for (to, half) in halves.iter_mut().zip(xor(v[1], v[3])) {
                *to = store(half);
            }
            hashes
        }
    };
}

hash!(hash_avx2, "avx2");
// Has a rotation, which the compiler makes of the shifts.
hash!(hash_avx512, "avx2,avx512f,avx512vl");

/// A word of all lanes.
type Row = [__m256i; 2];

#[inline]
#[target_feature(enable = "avx2")]
fn row(words: &Words) -> Row {
    let (halves, _) = words.as_chunks::<8>();
    // SAFETY: 32 bytes are read, from any address.
    std::array::from_fn(|i| unsafe { _mm256_loadu_si256(halves[i].as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(vector: __m256i) -> [u32; 8] {
    let mut words = [0; 8];
    // SAFETY: 32 bytes are written, to any address.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
    words
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: Row, b: Row) -> Row {
    [_mm256_xor_si256(a[0], b[0]), _mm256_xor_si256(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Row, b: Row) -> Row {
    [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const LEFT: i32, const RIGHT: i32>(a: Row) -> Row {
    a.map(|a| _mm256_or_si256(_mm256_slli_epi32::<LEFT>(a), _mm256_srli_epi32::<RIGHT>(a)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn round([a, b, c, d]: [Row; 4]) -> [Row; 4] {
    let a = add(a, b);
    let b = xor(rotate::<5, 27>(b), a);
    let a = rotate::<16, 16>(a);
    let c = add(c, d);
    let d = xor(rotate::<8, 24>(d), c);
    let a = add(a, d);
    let d = xor(rotate::<7, 25>(d), a);
    let c = add(c, b);
    let b = xor(rotate::<13, 19>(b), c);
    let c = rotate::<16, 16>(c);
    [a, b, c, d]
}
