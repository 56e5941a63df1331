//! How key values are laid out in byte strings, and match sets over such strings.

use trisect_ir::{Bits, KeySet};

/// Widths of the values of a key, and where each lies in the byte string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLayout {
    widths: Vec<u32>,
    offsets: Vec<usize>,
    len: usize,
}

impl KeyLayout {
    /// The layout of values with these widths in bits.
    pub fn new(widths: impl IntoIterator<Item = u32>) -> Self {
        let widths: Vec<u32> = widths.into_iter().collect();
        let mut len = 0;
        let offsets = widths
            .iter()
            .map(|width| {
                let at = len;
                len += width.div_ceil(8) as usize;
                at
            })
            .collect();
        Self {
            widths,
            offsets,
            len,
        }
    }
    /// Length of the byte string.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there is nothing to look up.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Widths of the values in bits.
    pub fn widths(&self) -> &[u32] {
        &self.widths
    }
    /// The bytes of a value in the string.
    pub fn range(&self, part: usize) -> std::ops::Range<usize> {
        self.offsets[part]..self.offsets[part] + self.widths[part].div_ceil(8) as usize
    }
    /// The byte string of values, which must have the layout's widths.
    pub fn pack(&self, values: &[Bits]) -> Vec<u8> {
        values.iter().flat_map(Bits::to_be_bytes).collect()
    }
    /// The values of a byte string.
    pub fn unpack(&self, key: &[u8]) -> Vec<Bits> {
        (0..self.widths.len())
            .map(|part| Bits::from_be_bytes(self.widths[part], &key[self.range(part)]))
            .collect()
    }
}

/// The `&&&` form of a set that has one: value and mask.
pub fn mask_form(width: u32, set: &KeySet) -> Option<(Bits, Bits)> {
    let and = |value: &Bits, mask: Bits| {
        (
            Bits::new(width, value.value() & mask.value()),
            mask.resize(width),
        )
    };
    match set {
        KeySet::Any => Some((Bits::zero(width), Bits::zero(width))),
        KeySet::Exact(value) => Some(and(value, Bits::ones(width))),
        KeySet::Prefix(value, len) => Some(and(value, Bits::prefix_mask(width, *len))),
        KeySet::Mask(value, mask) => Some(and(value, mask.clone())),
        KeySet::Range(lo, hi) if lo == hi => Some(and(lo, Bits::ones(width))),
        KeySet::Range(..) => None,
    }
}

/// The inclusive range that a set is, if it is one; `None` as the range for an empty set.
pub fn range_form(width: u32, set: &KeySet) -> Option<Option<(Bits, Bits)>> {
    if let KeySet::Range(lo, hi) = set {
        return Some((lo <= hi).then(|| (lo.clone(), hi.clone())));
    }
    let (value, mask) = mask_form(width, set)?;
    let free = Bits::ones(width).value() ^ mask.value();
    // A prefix mask leaves 2^k - 1 free.
    if (&free & (&free + 1u32)).bits() != 0 {
        return None;
    }
    let hi = Bits::new(width, value.value() | free);
    Some(Some((value, hi)))
}

/// Length of the prefix that a set is, if it is one.
pub fn prefix_form(width: u32, set: &KeySet) -> Option<(Bits, u32)> {
    match set {
        KeySet::Range(..) => None,
        _ => {
            let (value, mask) = mask_form(width, set)?;
            let len = mask.value().count_ones() as u32;
            (mask == Bits::prefix_mask(width, len)).then_some((value, len))
        }
    }
}
