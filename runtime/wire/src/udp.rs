//! UDP (RFC 768).

use crate::error::at_least;
use crate::view::Extent;
use crate::{Error, checksum};

/// The destination port of VXLAN (RFC 7348).
pub const VXLAN_PORT: u16 = 4789;

protocol! {
    /// View over a UDP datagram. The payload ends where `len` says, or where the bytes end.
    "udp", fixed 8, check check;
    /// Source port.
    sport / set_sport: u16 = 0, 16, Dec;
    /// Destination port.
    dport / set_dport: u16 = 16, 16, Dec;
    /// Length of header and payload in bytes.
    length / set_length: u16 = 32, 16, Dec;
    /// Checksum over pseudo header and datagram; 0 means none (IPv4).
    checksum / set_checksum: u16 = 48, 16, Hex;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("udp", buf, FIXED)?;
    let len = crate::get_bits(buf, 32, 16) as u64;
    if len < FIXED as u64 {
        let reason = "shorter than the header";
        return Err(Error::Field {
            proto: "udp",
            field: "length",
            value: len,
            reason,
        });
    }
    Ok(Extent::closed(buf, FIXED, len as usize))
}

impl Repr {
    /// A header for `payload_len` bytes without checksum.
    #[must_use]
    pub fn new(sport: u16, dport: u16, payload_len: usize) -> Repr {
        let length = (FIXED + payload_len).min(0xffff) as u16;
        Repr {
            sport,
            dport,
            length,
            checksum: 0,
            options: Vec::new(),
        }
    }

    /// Computes the checksum over a pseudo header's sum, this header and the payload. A sum of 0
    /// is sent as 0xffff, because 0 means that there is none.
    pub fn fill_checksum(&mut self, pseudo: u16, payload: &[u8]) {
        self.checksum = 0;
        let c = !checksum::sum(checksum::sum(pseudo, &self.emit()), payload);
        self.checksum = if c == 0 { 0xffff } else { c };
    }
}
