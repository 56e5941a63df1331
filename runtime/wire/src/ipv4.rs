//! IPv4 (RFC 791, DSCP and ECN after RFC 2474 and RFC 3168).

use std::net::Ipv4Addr;

use crate::error::at_least;
use crate::view::Extent;
use crate::{Error, checksum};

protocol! {
    /// View over an IPv4 packet. The payload ends where `total_len` says, or where the bytes end
    /// ([`Packet::is_cut`]).
    "ipv4", fixed 20, check check;
    /// Version, 4.
    version / set_version: u8 = 0, 4, Dec;
    /// Header length in 32-bit words, 5 to 15.
    ihl / set_ihl: u8 = 4, 4, Dec;
    /// Differentiated services code point.
    dscp / set_dscp: u8 = 8, 6, Dec;
    /// Explicit congestion notification.
    ecn / set_ecn: u8 = 14, 2, Dec;
    /// Length of header and payload in bytes.
    total_len / set_total_len: u16 = 16, 16, Dec;
    /// Identification of the datagram's fragments.
    id / set_id: u16 = 32, 16, Hex;
    /// Reserved flag, 0 (RFC 791 section 3.1).
    reserved / set_reserved: bool = 48, 1, Dec;
    /// Do not fragment.
    df / set_df: bool = 49, 1, Dec;
    /// More fragments.
    mf / set_mf: bool = 50, 1, Dec;
    /// Fragment offset in units of 8 bytes.
    frag_offset / set_frag_offset: u16 = 51, 13, Dec;
    /// Time to live.
    ttl / set_ttl: u8 = 64, 8, Dec;
    /// Protocol of the payload.
    protocol / set_protocol: u8 = 72, 8, Dec;
    /// Header checksum.
    checksum / set_checksum: u16 = 80, 16, Hex;
    /// Source address.
    src / set_src: Ipv4Addr = 96, 32, Ip4;
    /// Destination address.
    dst / set_dst: Ipv4Addr = 128, 32, Ip4;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("ipv4", buf, FIXED)?;
    let at = |bit, width| crate::get_bits(buf, bit, width) as u64;
    let bad = |field, value, reason| {
        Err(Error::Field {
            proto: "ipv4",
            field,
            value,
            reason,
        })
    };
    let (version, ihl, total) = (at(0, 4), at(4, 4), at(16, 16));
    if version != 4 {
        return bad("version", version, "not 4");
    }
    if ihl < 5 {
        return bad("ihl", ihl, "below 5 words");
    }
    let header = ihl as usize * 4;
    at_least("ipv4", buf, header)?;
    if (total as usize) < header {
        return bad("total_len", total, "shorter than the header");
    }
    Ok(Extent::closed(buf, header, total as usize))
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Whether this is a fragment (first, middle or last) of a larger datagram.
    pub fn is_fragment(&self) -> bool {
        self.mf() || self.frag_offset() != 0
    }

    /// The header checksum that would be right.
    pub fn correct_checksum(&self) -> u16 {
        let header = self.header();
        let (before, after) = header.split_at(header.len().min(10));
        !checksum::sum(checksum::sum(0, before), after.get(2..).unwrap_or_default())
    }

    /// Sum of the pseudo header for this packet's payload (see [`checksum::pseudo_v4`]).
    pub fn pseudo_sum(&self) -> u16 {
        let len = self.total_len().saturating_sub(self.header_len() as u16);
        checksum::pseudo_v4(self.src(), self.dst(), self.protocol(), len)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Writes the right header checksum.
    pub fn fill_checksum(&mut self) {
        let sum = self.correct_checksum();
        self.set_checksum(sum);
    }
}

impl Repr {
    /// A header without options for `payload_len` bytes, TTL 64, with its checksum.
    #[must_use]
    pub fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload_len: usize) -> Repr {
        let mut r = Repr {
            version: 4,
            ihl: 5,
            dscp: 0,
            ecn: 0,
            total_len: (FIXED + payload_len).min(0xffff) as u16,
            id: 0,
            reserved: false,
            df: false,
            mf: false,
            frag_offset: 0,
            ttl: 64,
            protocol,
            checksum: 0,
            src,
            dst,
            options: Vec::new(),
        };
        r.fill_checksum();
        r
    }

    /// Computes the header checksum from the other fields.
    pub fn fill_checksum(&mut self) {
        self.checksum = 0;
        self.checksum = checksum::internet(&self.emit());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lying_total_length_cuts_the_payload() {
        let mut r = Repr::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, 8);
        r.total_len = 1000;
        let mut bytes = r.emit();
        bytes.extend([0; 8]);
        let p = Packet::new_checked(&bytes[..]).unwrap();
        assert!(p.is_cut());
        assert_eq!(p.payload().len(), 8);
        r.total_len = 19;
        let e = Packet::new_checked(r.emit()).unwrap_err();
        assert_eq!(
            e.to_string(),
            "ipv4: field total_len is 19, shorter than the header"
        );
    }

    #[test]
    fn padding_is_not_payload() {
        let mut bytes = Repr::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, 4).emit();
        bytes.extend([7; 30]);
        let p = Packet::new_checked(&bytes[..]).unwrap();
        assert_eq!(p.payload(), [7; 4]);
        assert_eq!(p.checksum(), p.correct_checksum());
        assert_eq!(checksum::internet(p.header()), 0);
    }
}
