//! The Internet checksum (RFC 1071), whole and incremental (RFC 1624).

use std::net::{Ipv4Addr, Ipv6Addr};

/// One's complement sum of `data` as big-endian 16-bit words (an odd last byte is padded with 0),
/// added to `initial`; folded to 16 bits.
#[must_use]
pub fn sum(initial: u16, data: &[u8]) -> u16 {
    let mut acc = u64::from(initial);
    let mut words = data.chunks_exact(2);
    for w in &mut words {
        acc += u64::from(u16::from_be_bytes([w[0], w[1]]));
    }
    if let [last] = words.remainder() {
        acc += u64::from(u16::from_be_bytes([*last, 0]));
    }
    fold(acc)
}

fn fold(mut acc: u64) -> u16 {
    while acc > 0xffff {
        acc = (acc & 0xffff) + (acc >> 16);
    }
    acc as u16
}

/// The checksum of `data`: complement of its [`sum`]. 0 if `data` holds a correct checksum.
#[must_use]
pub fn internet(data: &[u8]) -> u16 {
    !sum(0, data)
}

/// Sum of the IPv4 pseudo header of TCP and UDP (RFC 9293 section 3.1, RFC 768).
#[must_use]
pub fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> u16 {
    let s = sum(sum(0, &src.octets()), &dst.octets());
    fold(u64::from(s) + u64::from(protocol) + u64::from(len))
}

/// Sum of the IPv6 pseudo header (RFC 8200 section 8.1).
#[must_use]
pub fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, next: u8, len: u32) -> u16 {
    let s = sum(sum(0, &src.octets()), &dst.octets());
    sum(fold(u64::from(s) + u64::from(next)), &len.to_be_bytes())
}

/// The checksum after one 16-bit word of the covered data changed from `old` to `new`:
/// `HC' = ~(~HC + ~m + m')`, RFC 1624 equation 3.
#[must_use]
pub fn update16(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

/// As [`update16`] for a change of an aligned, even number of bytes (an address, say).
/// The shorter of the two is taken as padded with zeroes.
#[must_use]
pub fn update(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!sum(0, old)) + u64::from(sum(0, new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_1071_example() {
        // Section 3: words 0001 f203 f4f5 f6f7 sum to ddf2.
        assert_eq!(
            sum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            0xddf2
        );
    }

    #[test]
    fn rfc_1624_example() {
        // Section 4: HC = dd2f, m = 5555, m' = 3285 gives 0000, not ffff.
        assert_eq!(update16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn incremental_is_whole(mut data in prop::collection::vec(any::<u8>(), 4..64), at in 0usize..30, new: u16) {
            let at = (at * 2).min((data.len() - 2) & !1);
            // All-zero data is the one case where +0 and -0 differ (RFC 1624 section 3).
            data.extend_from_slice(&[0, 1]);
            if data.len() % 2 == 1 { data.push(0); }
            let before = internet(&data);
            let old = u16::from_be_bytes([data[at], data[at + 1]]);
            data[at..at + 2].copy_from_slice(&new.to_be_bytes());
            prop_assume!(data.iter().any(|b| *b != 0));
            prop_assert_eq!(update16(before, old, new), internet(&data));
            prop_assert_eq!(update(before, &old.to_be_bytes(), &new.to_be_bytes()), internet(&data));
        }
    }
}
