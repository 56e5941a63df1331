//! VXLAN (RFC 7348): an Ethernet frame in a UDP datagram.

use crate::Error;
use crate::error::at_least;
use crate::view::Extent;

protocol! {
    /// View over a VXLAN header and the frame it carries.
    "vxlan", fixed 8, check check;
    /// Flags; 0x08 says that the VNI is valid.
    flags / set_flags: u8 = 0, 8, Hex;
    /// Reserved.
    reserved / set_reserved: u32 = 8, 24, Hex;
    /// VXLAN network identifier.
    vni / set_vni: u32 = 32, 24, Dec;
    /// Reserved.
    reserved2 / set_reserved2: u8 = 56, 8, Hex;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("vxlan", buf, FIXED)?;
    Ok(Extent::open(buf, FIXED))
}

impl Repr {
    /// A header for this network.
    #[must_use]
    pub fn new(vni: u32) -> Repr {
        Repr {
            flags: 0x08,
            reserved: 0,
            vni,
            reserved2: 0,
            options: Vec::new(),
        }
    }
}
