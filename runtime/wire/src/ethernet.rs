//! Ethernet II (IEEE 802.3 clause 3).

use crate::error::at_least;
use crate::view::Extent;
use crate::{Error, Mac};

/// Ethertypes that the walker knows (IEEE and IANA registries).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// Transparent Ethernet bridging, as GRE carries it (RFC 1701).
    pub const TEB: u16 = 0x6558;
    /// 802.1Q customer tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// MPLS unicast.
    pub const MPLS: u16 = 0x8847;
    /// MPLS multicast (upstream-assigned labels).
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// 802.1ad service tag (QinQ).
    pub const QINQ: u16 = 0x88a8;
    /// Network service header (RFC 8300).
    pub const NSH: u16 = 0x894f;
    /// The unofficial QinQ tag of older equipment.
    pub const QINQ_OLD: u16 = 0x9100;
}

protocol! {
    /// View over an Ethernet frame without preamble and frame check sequence.
    "ethernet", fixed 14, check check;
    /// Destination address.
    dst / set_dst: Mac = 0, 48, Mac;
    /// Source address.
    src / set_src: Mac = 48, 48, Mac;
    /// Ethertype; below 0x0600 it is the length of an 802.3 frame.
    ethertype / set_ethertype: u16 = 96, 16, Hex;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("ethernet", buf, FIXED)?;
    Ok(Extent::open(buf, FIXED))
}

impl Repr {
    /// A header with these addresses and this ethertype.
    #[must_use]
    pub fn new(dst: Mac, src: Mac, ethertype: u16) -> Repr {
        Repr {
            dst,
            src,
            ethertype,
            options: Vec::new(),
        }
    }
}
