//! Header fields as data: where a field lies, how it is shown, and the Rust types it converts to.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A 48-bit Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The broadcast address.
    pub const BROADCAST: Mac = Mac([0xff; 6]);
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A Rust type that a header field of at most 128 bits converts to and from.
pub trait FieldValue: Copy {
    /// From the field's bits, right-aligned.
    fn from_bits(bits: u128) -> Self;
    /// To the field's bits, right-aligned.
    fn to_bits(self) -> u128;
}

macro_rules! unsigned {
    ($($t:ty),*) => {$(
        impl FieldValue for $t {
            fn from_bits(bits: u128) -> Self {
                bits as $t
            }
            fn to_bits(self) -> u128 {
                u128::from(self)
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64, u128);

impl FieldValue for bool {
    fn from_bits(bits: u128) -> Self {
        bits & 1 == 1
    }
    fn to_bits(self) -> u128 {
        u128::from(self)
    }
}

impl FieldValue for Mac {
    fn from_bits(bits: u128) -> Self {
        let [_, _, rest @ ..] = (bits as u64).to_be_bytes();
        Mac(rest)
    }
    fn to_bits(self) -> u128 {
        self.0.iter().fold(0, |v, b| (v << 8) | u128::from(*b))
    }
}

impl FieldValue for Ipv4Addr {
    fn from_bits(bits: u128) -> Self {
        Ipv4Addr::from(bits as u32)
    }
    fn to_bits(self) -> u128 {
        u128::from(u32::from(self))
    }
}

impl FieldValue for Ipv6Addr {
    fn from_bits(bits: u128) -> Self {
        Ipv6Addr::from(bits)
    }
    fn to_bits(self) -> u128 {
        u128::from(self)
    }
}

/// How a field's value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Decimal.
    Dec,
    /// Hexadecimal, as many digits as the field is wide.
    Hex,
    /// Ethernet address.
    Mac,
    /// IPv4 address.
    Ip4,
    /// IPv6 address.
    Ip6,
}

/// One fixed field of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDef {
    /// Name, as the accessor is called.
    pub name: &'static str,
    /// Offset in bits from the header's first bit.
    pub bit: usize,
    /// Width in bits, 1 to 128.
    pub width: usize,
    /// How it is printed.
    pub show: Show,
}

impl FieldDef {
    /// The field's bits in `header`.
    #[must_use]
    pub fn read(&self, header: &[u8]) -> u128 {
        crate::get_bits(header, self.bit, self.width)
    }

    /// The field's value as text.
    #[must_use]
    pub fn format(&self, header: &[u8]) -> String {
        let v = self.read(header);
        match self.show {
            Show::Dec => v.to_string(),
            Show::Hex => format!("0x{v:0n$x}", n = self.width.div_ceil(4)),
            Show::Mac => Mac::from_bits(v).to_string(),
            Show::Ip4 => Ipv4Addr::from_bits(v as u32).to_string(),
            Show::Ip6 => Ipv6Addr::from(v).to_string(),
        }
    }
}
