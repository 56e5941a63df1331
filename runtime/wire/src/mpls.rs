//! One MPLS label stack entry (RFC 3032).

use crate::Error;
use crate::error::at_least;
use crate::view::Extent;

protocol! {
    /// View over a label stack entry and what follows it.
    "mpls", fixed 4, check check;
    /// Label.
    label / set_label: u32 = 0, 20, Dec;
    /// Traffic class (RFC 5462).
    tc / set_tc: u8 = 20, 3, Dec;
    /// Bottom of stack.
    bottom / set_bottom: bool = 23, 1, Dec;
    /// Time to live.
    ttl / set_ttl: u8 = 24, 8, Dec;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("mpls", buf, FIXED)?;
    Ok(Extent::open(buf, FIXED))
}

impl Repr {
    /// An entry with traffic class 0.
    #[must_use]
    pub fn new(label: u32, bottom: bool, ttl: u8) -> Repr {
        Repr {
            label,
            tc: 0,
            bottom,
            ttl,
            options: Vec::new(),
        }
    }
}
