//! Values as 64-bit limbs, lowest first: the form in which compiled code holds them.

use trisect_ir::Bits;

/// How many limbs a value of this width takes.
pub fn count(width: u32) -> usize {
    width.div_ceil(64) as usize
}

/// The limbs of a value.
pub fn from_bits(bits: &Bits) -> Vec<u64> {
    let mut out: Vec<u64> = bits.value().iter_u64_digits().collect();
    out.resize(count(bits.width()), 0);
    out
}

/// The value of limbs; bits at `width` and above are dropped.
pub fn to_bits(width: u32, limbs: &[u64]) -> Bits {
    let bytes: Vec<u8> = limbs
        .iter()
        .rev()
        .flat_map(|limb| limb.to_be_bytes())
        .collect();
    Bits::from_be_bytes(width, &bytes)
}
