//! Numbers that look random and are the same on every device: what [`Op::Random`](crate::Op::Random)
//! draws.

use crate::Bits;
use num_bigint::BigUint;

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014):
/// the output number `index`, from 0, of the generator with this seed.
pub fn split_mix(seed: u64, index: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Draw number `draw`, from 0, of the object with this seed: uniform in `lo ..= hi`, unsigned; `lo` if
/// that is empty. Both have one width, which is the result's.
///
/// `split_mix(seed, draw)` seeds a generator of its own, whose outputs, one for every 64 bits of the
/// width and one more, are the binary digits behind the point of a fraction, the first output highest.
/// The fraction is scaled to the range and rounded down: no value is more likely than another by more
/// than one part in 2^64.
pub fn draw(seed: u64, draw: u64, lo: &Bits, hi: &Bits) -> Bits {
    if lo >= hi {
        return lo.clone();
    }
    let own = split_mix(seed, draw);
    let words = u64::from(lo.width().div_ceil(64)) + 1;
    let fraction = (0..words).fold(BigUint::ZERO, |all, i| (all << 64) + split_mix(own, i));
    let range = hi.value() - lo.value() + 1u32;
    Bits::new(
        lo.width(),
        lo.value() + ((fraction * range) >> (64 * words)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_has_its_published_outputs() {
        // Vigna's reference implementation with seed 1234567.
        let want = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        for (index, want) in (0..).zip(want) {
            assert_eq!(split_mix(1_234_567, index), want);
        }
    }

    #[test]
    fn draws_fill_the_range_and_nothing_else() {
        let b = |value: u32| Bits::new(8, value);
        let mut seen = [0u32; 256];
        for n in 0..4000 {
            let value = draw(7, n, &b(3), &b(10));
            assert_eq!(value.width(), 8);
            seen[value.low_u64() as usize] += 1;
        }
        // 500 each on average.
        assert!(
            seen[3..=10].iter().all(|n| (400..600).contains(n)),
            "{seen:?}"
        );
        assert_eq!(seen[3..=10].iter().sum::<u32>(), 4000);
        assert_eq!(draw(7, 0, &b(9), &b(9)), b(9));
        assert_eq!(draw(7, 0, &b(9), &b(2)), b(9), "an empty range");
    }

    #[test]
    fn wide_ranges_use_all_bits() {
        let (lo, hi) = (Bits::zero(200), Bits::ones(200));
        let (a, b) = (draw(1, 0, &lo, &hi), draw(1, 1, &lo, &hi));
        assert_ne!(a, b);
        for at in [0, 64, 136] {
            assert!(!a.slice(at + 63, at).is_zero(), "{a}");
        }
        let wide = Bits::ones(64);
        assert_ne!(draw(1, 0, &Bits::zero(64), &wide), wide);
    }
}
