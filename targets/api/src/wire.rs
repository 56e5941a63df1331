//! What the devices of a rack agree on: the frame between switch and server, the hand-over from NIC
//! to host, and the names under which device pieces know them.
//!
//! A frame between switch and server is
//!
//! ```text
//! outer Ethernet (ethertype 0x894F) | NSH (RFC 8300) | context headers | the original Ethernet frame
//! ```
//!
//! NSH's service path identifier (SPI) is the *continuation*: which edge of the control graph was
//! cut, and so where control goes on. Live metadata lies in the context headers: MD type 1 (16
//! bytes) if it fits in 128 bits, else MD type 2 with one TLV. A server-bound frame goes through
//! the server's NIC, which does not strip it; the NIC may run a part of the pipeline on the inner
//! frame and tells the host where it stopped by MARK, and what metadata it set by META. Whichever of the two is not
//! used may carry the NIC's number for the packet's flow, which the host's driver takes out before its piece runs.
//!
//! In a device piece all of these are ordinary headers and metadata with the names below. The
//! outer headers stand in front of the standard ones in parser and deparser.
//!
//! # What each piece looks like
//!
//! | piece  | begins                                   | ends                                          |
//! |--------|------------------------------------------|-----------------------------------------------|
//! | switch | an external port: the pipeline's entry; a server port: dispatch on SPI | `Emit` to an external port (outer headers invalid), or to a server port (outer headers valid) |
//! | NIC    | dispatch on SPI by `Branch` nodes        | `Emit`: to the host, with [`MARK`] (0: nothing was done) and [`META`]; `Drop` |
//! | host   | dispatch on SPI, then on [`MARK`] if it is not 0 | `Emit`: to the switch, outer headers valid, `egress_port` is [`HOST_PORT`]; `Drop` |

/// Ethertype of NSH (RFC 8300, section 11.1).
pub const ETHERTYPE_NSH: u16 = 0x894f;
/// NSH next protocol: Ethernet (RFC 8300, section 2.2).
pub const NEXT_ETHERNET: u8 = 3;
/// Header instance: the outer Ethernet header of a frame between switch and server.
pub const OUTER: &str = "outer";
/// Header instance: NSH base and service path header.
pub const NSH: &str = "cut_nsh";
/// Header instance: the context header of MD type 1, one field of 128 bits.
pub const CONTEXT1: &str = "cut_md1";
/// Header instance: the context header of MD type 2, one TLV with one field for the value.
pub const CONTEXT2: &str = "cut_md2";
/// Bits of context that MD type 1 carries.
pub const CONTEXT1_BITS: u32 = 128;
/// Most bits of context that one TLV of MD type 2 can carry in whole 4-byte words (its length field
/// has 7 bits and counts bytes).
pub const CONTEXT2_MAX_BITS: u32 = 124 * 8;
/// Metadata class of our TLV (RFC 8300, section 11.2.4: experimental).
pub const TLV_CLASS: u16 = 0xfff6;
/// Type of our TLV.
pub const TLV_TYPE: u8 = 1;
/// Metadata (32 bits) of NIC and host pieces: the continuation at which the NIC stopped; 0 if the
/// SPI still says where to go on.
pub const MARK: &str = "nic.mark";
/// Metadata (32 bits) of NIC and host pieces: live metadata that the NIC has set.
pub const META: &str = "nic.meta";
/// Bits that [`META`] carries.
pub const META_BITS: u32 = 32;
/// Metadata: the tag by which a sampled packet is known on its whole way, where an NF changes what is hashed; 0
/// before it is given.
pub const TAG: &str = "sampling.tag";
/// Bits of [`TAG`].
pub const TAG_BITS: u32 = 64;
/// Metadata (1 bit): whether the packet is sampled. Devices report those that are, as they come in and as they leave.
pub const SAMPLED: &str = "sampling.sampled";
/// NSH service index of frames between switch and server. Nothing is counted by it.
pub const SERVICE_INDEX: u8 = 255;
/// Service index in the place of [`SERVICE_INDEX`] where sampling is compiled in and the switch has found that the packet
/// is sampled: a NIC that matches NSH tells such packets apart, and a host need not hash the others. Servers send it back
/// as it came.
pub const SERVICE_INDEX_SAMPLED: u8 = 254;
/// The host's only port, as its piece sees it: to the switch, through the NIC.
pub const HOST_PORT: u16 = 0;
/// `egress_port` in a NIC piece: to the host.
pub const NIC_TO_HOST: u16 = 0;
/// Ethernet address of the switch on server links (locally administered).
pub const SWITCH_MAC: u64 = 0x0200_0000_0000;
/// Ethernet address of server number `server` (from 0).
pub const fn server_mac(server: u16) -> u64 {
    0x0200_0000_0100 + server as u64
}
