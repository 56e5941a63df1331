//! IEEE 802.1Q and 802.1ad tags. The header starts after the tag's own ethertype: the tag control
//! information, then the ethertype of what follows.

use crate::Error;
use crate::error::at_least;
use crate::view::Extent;

protocol! {
    /// View over a VLAN tag and what follows it.
    "vlan", fixed 4, check check;
    /// Priority code point.
    pcp / set_pcp: u8 = 0, 3, Dec;
    /// Drop eligible indicator.
    dei / set_dei: bool = 3, 1, Dec;
    /// VLAN identifier.
    vid / set_vid: u16 = 4, 12, Dec;
    /// Ethertype of the payload.
    ethertype / set_ethertype: u16 = 16, 16, Hex;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("vlan", buf, FIXED)?;
    Ok(Extent::open(buf, FIXED))
}

impl Repr {
    /// A tag with priority 0.
    #[must_use]
    pub fn new(vid: u16, ethertype: u16) -> Repr {
        Repr {
            pcp: 0,
            dei: false,
            vid,
            ethertype,
            options: Vec::new(),
        }
    }
}
