//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use crate::error::at_least;
use crate::ethernet::ethertype;
use crate::view::Extent;
use crate::{Error, Mac};

protocol! {
    /// View over an ARP packet for IPv4 over Ethernet.
    "arp", fixed 28, check check;
    /// Hardware type, 1 for Ethernet.
    htype / set_htype: u16 = 0, 16, Dec;
    /// Protocol type, 0x0800 for IPv4.
    ptype / set_ptype: u16 = 16, 16, Hex;
    /// Hardware address length, 6.
    hlen / set_hlen: u8 = 32, 8, Dec;
    /// Protocol address length, 4.
    plen / set_plen: u8 = 40, 8, Dec;
    /// Operation: 1 request, 2 reply.
    oper / set_oper: u16 = 48, 16, Dec;
    /// Sender hardware address.
    sha / set_sha: Mac = 64, 48, Mac;
    /// Sender protocol address.
    spa / set_spa: Ipv4Addr = 112, 32, Ip4;
    /// Target hardware address.
    tha / set_tha: Mac = 144, 48, Mac;
    /// Target protocol address.
    tpa / set_tpa: Ipv4Addr = 192, 32, Ip4;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("arp", buf, FIXED)?;
    let is = |field, value: u64, want: u64, reason| match value == want {
        true => Ok(()),
        false => Err(Error::Field {
            proto: "arp",
            field,
            value,
            reason,
        }),
    };
    let at = |bit, width| crate::get_bits(buf, bit, width) as u64;
    is("htype", at(0, 16), 1, "only Ethernet (1) is known")?;
    is(
        "ptype",
        at(16, 16),
        u64::from(ethertype::IPV4),
        "only IPv4 (2048) is known",
    )?;
    is("hlen", at(32, 8), 6, "an Ethernet address has 6 bytes")?;
    is("plen", at(40, 8), 4, "an IPv4 address has 4 bytes")?;
    Ok(Extent::open(buf, FIXED))
}

impl Repr {
    /// A request by `sender` for the owner of `target`.
    #[must_use]
    pub fn request(sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Repr {
        Repr {
            htype: 1,
            ptype: ethertype::IPV4,
            hlen: 6,
            plen: 4,
            oper: 1,
            sha: sender.0,
            spa: sender.1,
            tha: Mac::default(),
            tpa: target,
            options: Vec::new(),
        }
    }
}
