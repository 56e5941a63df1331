//! Bit fields in network order, read and written without ever panicking.

/// Reads `width` (at most 128) bits starting `bit` bits into `buf`, most significant bit first
/// (network order). Bits outside the buffer read as 0.
#[must_use]
pub fn get_bits(buf: &[u8], bit: usize, width: usize) -> u128 {
    let width = width.min(128);
    let mut value = 0u128;
    let mut at = bit;
    let end = bit.saturating_add(width);
    while at < end {
        let within = at % 8;
        let take = (8 - within).min(end - at);
        let byte = buf.get(at / 8).copied().unwrap_or(0);
        let chunk = (u32::from(byte) >> (8 - within - take)) & ((1u32 << take) - 1);
        value = (value << take) | u128::from(chunk);
        at += take;
    }
    value
}

/// Writes the low `width` (at most 128) bits of `value` starting `bit` bits into `buf`, the inverse
/// of [`get_bits`]. Bits outside the buffer are dropped.
pub fn set_bits(buf: &mut [u8], bit: usize, width: usize, value: u128) {
    let width = width.min(128);
    let mut at = bit;
    let end = bit.saturating_add(width);
    while at < end {
        let within = at % 8;
        let take = (8 - within).min(end - at);
        let shift = 8 - within - take;
        let mask = ((1u16 << take) - 1) as u8;
        let chunk = (value >> (end - at - take)) as u8 & mask;
        if let Some(byte) = buf.get_mut(at / 8) {
            *byte = (*byte & !(mask << shift)) | (chunk << shift);
        }
        at += take;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_across_byte_borders() {
        assert_eq!(get_bits(&[0x45, 0x00, 0x12, 0x34], 0, 4), 4);
        assert_eq!(get_bits(&[0x45, 0x00, 0x12, 0x34], 4, 4), 5);
        assert_eq!(get_bits(&[0x45, 0x00, 0x12, 0x34], 12, 12), 0x012);
        assert_eq!(get_bits(&[0xff], 4, 16), 0xf000, "outside reads as 0");
    }

    proptest! {
        #[test]
        fn set_then_get(mut buf in prop::collection::vec(any::<u8>(), 0..24), bit in 0usize..200,
                        width in 0usize..=128, value: u128) {
            let before = buf.clone();
            set_bits(&mut buf, bit, width, value);
            if bit + width <= buf.len() * 8 {
                let mask = if width == 128 { u128::MAX } else { (1 << width) - 1 };
                prop_assert_eq!(get_bits(&buf, bit, width), value & mask);
            }
            for i in (0..buf.len() * 8).filter(|i| *i < bit || *i >= bit + width) {
                prop_assert_eq!(get_bits(&buf, i, 1), get_bits(&before, i, 1));
            }
        }
    }
}
