//! Packet views: checked constructors, then accessors that cannot panic.
//!
//! One file per protocol, all in one shape: the header's fields are declared once, and from that
//! declaration come
//!
//! * a *view* (`Packet<T>`) over borrowed or owned bytes: `new_checked` validates every length that
//!   an accessor relies on, afterwards nothing panics and nothing allocates;
//! * a `Repr`, the header as a value: `Repr::parse(&view)` and `repr.emit()` are inverse, byte for
//!   byte;
//! * `FIELDS`, the same table as data, from which [`decode`] and [`diff`](fn@diff) print.
//!
//! Whole packets are walked by [`Layers`], which stops with a reason instead of failing: a packet
//! with a lying length is still shown as far as it makes sense.
//!
//! Invariants
//! * no `unsafe`, no panic on any bytes (property-tested on arbitrary input);
//! * views never look past the bytes they were given;
//! * a length field that claims more than is there shortens the view (`is_cut`), it is never trusted.

mod bits;
mod error;
#[macro_use]
mod view;
mod diff;
mod field;
mod flow;
mod layers;
mod show;

pub mod arp;
pub mod build;
pub mod checksum;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod mpls;
pub mod nsh;
pub mod tcp;
pub mod udp;
pub mod vlan;
pub mod vxlan;

pub use bits::{get_bits, set_bits};
pub use diff::{Difference, diff};
pub use error::Error;
pub use field::{FieldDef, FieldValue, Mac, Show};
pub use flow::FlowKey;
pub use layers::{Layer, Layers, Proto};
pub use show::{decode, describe};
