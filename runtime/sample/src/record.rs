//! What a device reports about a sampled packet.

use serde::{Deserialize, Serialize};

/// Where at a device a packet was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Point {
    /// On arrival.
    In,
    /// On departure.
    Out,
    /// It ended here.
    Drop,
}

/// One observation of a sampled packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Identity of the packet ([`crate::Verdict::id`]).
    pub id: u64,
    /// Name of the device.
    pub element: String,
    /// Where at the device.
    pub point: Point,
    /// When, in nanoseconds of the rack's clock.
    pub time_ns: u64,
    /// Digest of the whole frame ([`digest`]): links do not change it, so what leaves one device and
    /// arrives at the next is recognised.
    pub digest: u64,
    /// Length of the frame in bytes.
    pub len: u32,
}

/// Digest of a frame for [`Record::digest`].
#[must_use]
pub fn digest(frame: &[u8]) -> u64 {
    fnv1a(frame)
}

/// FNV-1a with 64 bits (Fowler, Noll and Vo; draft-eastlake-fnv).
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn fnv_published_vectors() {
        assert_eq!(super::digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(super::digest(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(super::digest(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
