//! The BOB hash of PSAMP (RFC 5475, appendix A.2): Bob Jenkins' hash of 1996 ("lookup2").

/// Where the first two words begin: the golden ratio.
const GOLDEN: u32 = 0x9e37_79b9;

/// The hash of `input`; `initial` takes the place of a key.
#[must_use]
pub fn bob(input: &[u8], initial: u32) -> u32 {
    let mut v = [GOLDEN, GOLDEN, initial];
    let (blocks, rest) = input.as_chunks::<12>();
    for block in blocks {
        add(&mut v, block);
        mix(&mut v);
    }
    // The lowest byte of the last word is for the length.
    let mut last = [0; 12];
    let (head, tail) = rest.split_at(rest.len().min(8));
    last.iter_mut().zip(head).for_each(|(to, byte)| *to = *byte);
    let third = last.iter_mut().skip(9);
    third.zip(tail).for_each(|(to, byte)| *to = *byte);
    add(&mut v, &last);
    v[2] = v[2].wrapping_add(input.len() as u32);
    mix(&mut v);
    v[2]
}

fn add(v: &mut [u32; 3], block: &[u8; 12]) {
    let (words, _) = block.as_chunks::<4>();
    for (to, word) in v.iter_mut().zip(words) {
        *to = to.wrapping_add(u32::from_le_bytes(*word));
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    for [right, left, last] in [[13, 8, 13], [12, 16, 5], [3, 10, 15]] {
        *a = a.wrapping_sub(*b).wrapping_sub(*c) ^ (*c >> right);
        *b = b.wrapping_sub(*c).wrapping_sub(*a) ^ (*a << left);
        *c = c.wrapping_sub(*a).wrapping_sub(*b) ^ (*b >> last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length of the input 0, 1, 2, ..., initial value, hash as lookup2.c computes it.
    const VECTORS: [(usize, u32, u32); 22] = [
        (0, 0, 0xbd49_d10d),
        (1, 0, 0x6ddf_b8c9),
        (4, 0, 0x821c_c2db),
        (8, 0, 0xa491_f494),
        (9, 0, 0x9cac_434c),
        (11, 0, 0xf189_c885),
        (12, 0, 0x99bd_d9ef),
        (13, 0, 0xecad_9b0d),
        (23, 0, 0x9f8a_db7e),
        (24, 0, 0x7678_3385),
        (40, 0, 0xaab6_55d0),
        (0, 0x1234_5678, 0x3df6_41a9),
        (1, 0x1234_5678, 0x3ea4_0174),
        (4, 0x1234_5678, 0xc985_1f2f),
        (8, 0x1234_5678, 0x239f_99d3),
        (9, 0x1234_5678, 0xe95a_d37d),
        (11, 0x1234_5678, 0xa6db_07b7),
        (12, 0x1234_5678, 0xefe0_2a06),
        (13, 0x1234_5678, 0x199a_2a61),
        (23, 0x1234_5678, 0x66db_9d7f),
        (24, 0x1234_5678, 0x75dd_7704),
        (40, 0x1234_5678, 0xfea4_9fe7),
    ];

    #[test]
    fn values_of_the_original() {
        let bytes: Vec<u8> = (0..40).collect();
        for (len, initial, want) in VECTORS {
            assert_eq!(bob(&bytes[..len], initial), want, "{len} {initial:#x}");
        }
    }
}
