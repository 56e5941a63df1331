//! GRE (RFC 2784, key and sequence number RFC 2890; the acknowledgment of version 1 RFC 2637).

use crate::Error;
use crate::error::at_least;
use crate::view::Extent;

protocol! {
    /// View over a GRE packet. Checksum, key and sequence number are the header's options.
    "gre", fixed 4, check check;
    /// A checksum and a reserved word follow.
    has_checksum / set_has_checksum: bool = 0, 1, Dec;
    /// Routing present (RFC 1701, obsolete).
    has_routing / set_has_routing: bool = 1, 1, Dec;
    /// A key follows.
    has_key / set_has_key: bool = 2, 1, Dec;
    /// A sequence number follows.
    has_seq / set_has_seq: bool = 3, 1, Dec;
    /// Reserved bits, 0 in version 0.
    reserved / set_reserved: u8 = 4, 4, Hex;
    /// An acknowledgment number follows (version 1 only).
    has_ack / set_has_ack: bool = 8, 1, Dec;
    /// Reserved bits.
    reserved2 / set_reserved2: u8 = 9, 4, Hex;
    /// Version: 0, or 1 for PPTP.
    version / set_version: u8 = 13, 3, Dec;
    /// Ethertype of the payload.
    protocol / set_protocol: u16 = 16, 16, Hex;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("gre", buf, FIXED)?;
    let at = |bit, width| crate::get_bits(buf, bit, width) as usize;
    let version = at(13, 3);
    let bad = |field, value, reason| {
        Err(Error::Field {
            proto: "gre",
            field,
            value,
            reason,
        })
    };
    if version > 1 {
        return bad("version", version as u64, "neither 0 nor 1");
    }
    if at(1, 1) == 1 {
        return bad("has_routing", 1, "source routes (RFC 1701) are obsolete");
    }
    let header = FIXED + 4 * (at(0, 1) + at(2, 1) + at(3, 1) + version * at(8, 1));
    at_least("gre", buf, header)?;
    Ok(Extent::open(buf, header))
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// The key, if one is there.
    pub fn key(&self) -> Option<u32> {
        let at = FIXED + 4 * usize::from(self.has_checksum());
        self.has_key()
            .then(|| crate::get_bits(self.header(), at * 8, 32) as u32)
    }
}

impl Repr {
    /// A version 0 header without options.
    #[must_use]
    pub fn new(protocol: u16) -> Repr {
        Repr {
            has_checksum: false,
            has_routing: false,
            has_key: false,
            has_seq: false,
            reserved: 0,
            has_ack: false,
            reserved2: 0,
            version: 0,
            protocol,
            options: Vec::new(),
        }
    }

    /// The same with a key.
    #[must_use]
    pub fn with_key(protocol: u16, key: u32) -> Repr {
        Repr {
            has_key: true,
            options: key.to_be_bytes().to_vec(),
            ..Repr::new(protocol)
        }
    }
}
