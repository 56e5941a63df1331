//! The network service header (RFC 8300), MD types 1 and 2.
//!
//! Between switch and server it stands behind an outer Ethernet header (ethertype 0x894f) and in
//! front of the whole original frame; the service path identifier is the continuation.

use crate::Error;
use crate::error::at_least;
use crate::view::Extent;

/// Values of `next_protocol` (RFC 8300 section 2.2).
pub mod next {
    /// IPv4.
    pub const IPV4: u8 = 1;
    /// IPv6.
    pub const IPV6: u8 = 2;
    /// Ethernet.
    pub const ETHERNET: u8 = 3;
    /// NSH.
    pub const NSH: u8 = 4;
    /// MPLS.
    pub const MPLS: u8 = 5;
}

protocol! {
    /// View over an NSH header and what it carries. The context (16 bytes for MD type 1, TLVs for
    /// MD type 2) is the header's options.
    "nsh", fixed 8, check check;
    /// Version, 0.
    version / set_version: u8 = 0, 2, Dec;
    /// Operations, administration and maintenance packet.
    oam / set_oam: bool = 2, 1, Dec;
    /// Unassigned.
    unassigned / set_unassigned: bool = 3, 1, Dec;
    /// Time to live.
    ttl / set_ttl: u8 = 4, 6, Dec;
    /// Whole header length in 4-byte words.
    length / set_length: u8 = 10, 6, Dec;
    /// Unassigned.
    unassigned2 / set_unassigned2: u8 = 16, 4, Hex;
    /// Metadata type, 1 or 2.
    md_type / set_md_type: u8 = 20, 4, Dec;
    /// Protocol of what follows, see [`next`].
    next_protocol / set_next_protocol: u8 = 24, 8, Dec;
    /// Service path identifier.
    spi / set_spi: u32 = 32, 24, Dec;
    /// Service index.
    si / set_si: u8 = 56, 8, Dec;
}

/// Bytes of an MD type 1 context.
pub const CONTEXT: usize = 16;

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("nsh", buf, FIXED)?;
    let at = |bit, width| crate::get_bits(buf, bit, width) as u64;
    let bad = |field, value, reason| {
        Err(Error::Field {
            proto: "nsh",
            field,
            value,
            reason,
        })
    };
    let (version, len, md) = (at(0, 2), at(10, 6), at(20, 4));
    if version != 0 {
        return bad("version", version, "not 0");
    }
    match md {
        1 if len != 6 => return bad("length", len, "an MD type 1 header has 6 words"),
        2 if len < 2 => return bad("length", len, "below 2 words"),
        1 | 2 => {}
        _ => return bad("md_type", md, "neither 1 nor 2"),
    }
    at_least("nsh", buf, len as usize * 4)?;
    Ok(Extent::open(buf, len as usize * 4))
}

/// One context TLV of MD type 2 (RFC 8300 section 2.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Metadata class.
    pub class: u16,
    /// Type within the class.
    pub kind: u8,
    /// The value, without padding.
    pub value: &'a [u8],
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// The context TLVs of an MD type 2 header, as far as they are whole; empty for MD type 1.
    pub fn tlvs(&self) -> Vec<Tlv<'_>> {
        let mut rest = if self.md_type() == 2 {
            self.options()
        } else {
            &[]
        };
        let mut out = Vec::new();
        while let [c0, c1, kind, len, after @ ..] = rest {
            let len = usize::from(len & 0x7f);
            let Some(value) = after.get(..len) else { break };
            out.push(Tlv {
                class: u16::from_be_bytes([*c0, *c1]),
                kind: *kind,
                value,
            });
            rest = after.get(len.div_ceil(4) * 4..).unwrap_or_default();
        }
        out
    }
}

impl Repr {
    /// An MD type 1 header carrying an Ethernet frame, TTL 63 and service index 255.
    #[must_use]
    pub fn md1(spi: u32, context: [u8; CONTEXT]) -> Repr {
        Repr {
            version: 0,
            oam: false,
            unassigned: false,
            ttl: 63,
            length: 6,
            unassigned2: 0,
            md_type: 1,
            next_protocol: next::ETHERNET,
            spi,
            si: 255,
            options: context.to_vec(),
        }
    }

    /// An MD type 2 header with one context TLV; `None` if the value is longer than 127 bytes.
    #[must_use]
    pub fn md2(spi: u32, class: u16, kind: u8, value: &[u8]) -> Option<Repr> {
        let len = u8::try_from(value.len()).ok().filter(|l| *l < 128)?;
        let mut options = class.to_be_bytes().to_vec();
        options.extend([kind, len]);
        options.extend(value);
        options.resize(4 + value.len().div_ceil(4) * 4, 0);
        let words = (FIXED + options.len()) / 4;
        Some(Repr {
            md_type: 2,
            length: words as u8,
            options,
            ..Repr::md1(spi, [0; CONTEXT])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md1_has_24_bytes() {
        let bytes = Repr::md1(0x123456, [7; 16]).emit();
        assert_eq!(bytes[..8], [0x0f, 0xc6, 0x01, 0x03, 0x12, 0x34, 0x56, 0xff]);
        let p = Packet::new_checked(&bytes[..]).unwrap();
        assert_eq!(
            (p.spi(), p.options(), p.header_len()),
            (0x123456, &[7u8; 16][..], 24)
        );
    }

    #[test]
    fn md2_tlv_is_padded_and_read_back() {
        let bytes = Repr::md2(9, 0x1234, 5, b"hello").unwrap().emit();
        assert_eq!(bytes.len(), 8 + 4 + 8);
        let p = Packet::new_checked(&bytes[..]).unwrap();
        assert_eq!(
            p.tlvs(),
            [Tlv {
                class: 0x1234,
                kind: 5,
                value: b"hello"
            }]
        );
        assert_eq!(Repr::md2(9, 0, 0, &[0; 128]), None);
        // The longest value needs 8 + 4 + 128 bytes = 35 words, which fits in six bits.
        assert!(Packet::new_checked(Repr::md2(9, 0, 0, &[0; 127]).unwrap().emit()).is_ok());
    }
}
