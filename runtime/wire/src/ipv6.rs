//! IPv6 and its extension headers (RFC 8200; authentication header RFC 4302).

use std::net::Ipv6Addr;

use crate::error::at_least;
use crate::view::Extent;
use crate::{Error, checksum};

protocol! {
    /// View over an IPv6 packet. Extension headers are part of the payload, see [`ext`].
    "ipv6", fixed 40, check check;
    /// Version, 6.
    version / set_version: u8 = 0, 4, Dec;
    /// Traffic class (DSCP and ECN).
    traffic_class / set_traffic_class: u8 = 4, 8, Hex;
    /// Flow label.
    flow_label / set_flow_label: u32 = 12, 20, Hex;
    /// Length of what follows this header, in bytes.
    payload_len / set_payload_len: u16 = 32, 16, Dec;
    /// Protocol of what follows.
    next_header / set_next_header: u8 = 48, 8, Dec;
    /// Hop limit.
    hop_limit / set_hop_limit: u8 = 56, 8, Dec;
    /// Source address.
    src / set_src: Ipv6Addr = 64, 128, Ip6;
    /// Destination address.
    dst / set_dst: Ipv6Addr = 192, 128, Ip6;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("ipv6", buf, FIXED)?;
    let version = crate::get_bits(buf, 0, 4) as u64;
    if version != 6 {
        return Err(Error::Field {
            proto: "ipv6",
            field: "version",
            value: version,
            reason: "not 6",
        });
    }
    let len = crate::get_bits(buf, 32, 16) as usize;
    Ok(Extent::closed(buf, FIXED, FIXED + len))
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Sum of the pseudo header for an upper-layer packet of `len` bytes with protocol `next`.
    pub fn pseudo_sum(&self, next: u8, len: usize) -> u16 {
        checksum::pseudo_v6(self.src(), self.dst(), next, len as u32)
    }
}

impl Repr {
    /// A header for `payload_len` bytes, hop limit 64.
    #[must_use]
    pub fn new(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload_len: usize) -> Repr {
        Repr {
            version: 6,
            traffic_class: 0,
            flow_label: 0,
            payload_len: payload_len.min(0xffff) as u16,
            next_header,
            hop_limit: 64,
            src,
            dst,
            options: Vec::new(),
        }
    }
}

/// Extension headers.
pub mod ext {
    use crate::Error;
    use crate::error::at_least;
    use crate::view::Extent;

    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header; always 8 bytes.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header; counts in 4-byte units (RFC 4302).
    pub const AUTH: u8 = 51;
    /// Destination options.
    pub const DEST_OPTIONS: u8 = 60;
    /// Mobility header (RFC 6275).
    pub const MOBILITY: u8 = 135;

    /// Whether `protocol` is an extension header that can be stepped over.
    #[must_use]
    pub fn is_ext(protocol: u8) -> bool {
        matches!(
            protocol,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTH | DEST_OPTIONS | MOBILITY
        )
    }

    protocol! {
        /// View over a hop-by-hop, routing, destination-options or mobility header.
        "ipv6-ext", fixed 8, check check;
        /// Protocol of what follows.
        next_header / set_next_header: u8 = 0, 8, Dec;
        /// Header length in 8-byte units, the first not counted.
        length / set_length: u8 = 8, 8, Dec;
        /// The first six bytes of the header's content.
        content / set_content: u64 = 16, 48, Hex;
    }

    fn check(buf: &[u8]) -> Result<Extent, Error> {
        at_least("ipv6-ext", buf, FIXED)?;
        let header = (crate::get_bits(buf, 8, 8) as usize + 1) * 8;
        at_least("ipv6-ext", buf, header)?;
        Ok(Extent::open(buf, header))
    }

    /// The fragment header.
    pub mod fragment {
        use crate::Error;
        use crate::error::at_least;
        use crate::view::Extent;

        protocol! {
            /// View over a fragment header.
            "ipv6-frag", fixed 8, check check;
            /// Protocol of what follows (in the first fragment).
            next_header / set_next_header: u8 = 0, 8, Dec;
            /// Reserved.
            reserved / set_reserved: u8 = 8, 8, Hex;
            /// Fragment offset in units of 8 bytes.
            frag_offset / set_frag_offset: u16 = 16, 13, Dec;
            /// Reserved bits.
            res2 / set_res2: u8 = 29, 2, Hex;
            /// More fragments.
            mf / set_mf: bool = 31, 1, Dec;
            /// Identification of the datagram's fragments.
            id / set_id: u32 = 32, 32, Hex;
        }

        fn check(buf: &[u8]) -> Result<Extent, Error> {
            at_least("ipv6-frag", buf, FIXED)?;
            Ok(Extent::open(buf, FIXED))
        }
    }

    /// The authentication header (RFC 4302).
    pub mod auth {
        use crate::Error;
        use crate::error::at_least;
        use crate::view::Extent;

        protocol! {
            /// View over an authentication header.
            "ipv6-auth", fixed 12, check check;
            /// Protocol of what follows.
            next_header / set_next_header: u8 = 0, 8, Dec;
            /// Header length in 4-byte units minus 2.
            length / set_length: u8 = 8, 8, Dec;
            /// Reserved.
            reserved / set_reserved: u16 = 16, 16, Hex;
            /// Security parameters index.
            spi / set_spi: u32 = 32, 32, Hex;
            /// Sequence number.
            seq / set_seq: u32 = 64, 32, Dec;
        }

        fn check(buf: &[u8]) -> Result<Extent, Error> {
            at_least("ipv6-auth", buf, FIXED)?;
            let header = (crate::get_bits(buf, 8, 8) as usize + 2) * 4;
            at_least("ipv6-auth", buf, header)?;
            Ok(Extent::open(buf, header.max(FIXED)))
        }
    }
}
