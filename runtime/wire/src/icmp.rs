//! ICMPv4 (RFC 792).

use crate::error::at_least;
use crate::view::Extent;
use crate::{Error, checksum};

protocol! {
    /// View over an ICMPv4 message.
    "icmp", fixed 8, check check;
    /// Message type.
    kind / set_kind: u8 = 0, 8, Dec;
    /// Message code.
    code / set_code: u8 = 8, 8, Dec;
    /// Checksum over the message.
    checksum / set_checksum: u16 = 16, 16, Hex;
    /// The type's own four bytes: identifier and sequence number of an echo, next-hop MTU, ....
    rest / set_rest: u32 = 32, 32, Hex;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("icmp", buf, FIXED)?;
    Ok(Extent::open(buf, FIXED))
}

impl Repr {
    /// An echo request; the checksum is 0 until [`Repr::fill_checksum`].
    #[must_use]
    pub fn echo(id: u16, seq: u16) -> Repr {
        let rest = (u32::from(id) << 16) | u32::from(seq);
        Repr {
            kind: 8,
            code: 0,
            checksum: 0,
            rest,
            options: Vec::new(),
        }
    }

    /// Computes the checksum over this header and the payload.
    pub fn fill_checksum(&mut self, payload: &[u8]) {
        self.checksum = 0;
        self.checksum = !checksum::sum(checksum::sum(0, &self.emit()), payload);
    }
}
