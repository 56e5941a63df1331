//! Packet filters as written: primitives, relations, and, or, not.
//!
//! What a reader may leave out (`port 80 or 443`) is filled in by the parser, so that every
//! primitive here stands for itself and `Display` gives text that parses to the same tree.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// A packet filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterExpr {
    /// One test of a known kind.
    Primitive(Primitive),
    /// A comparison of two values computed from the frame.
    Relation {
        /// How they are compared, unsigned.
        op: Relation,
        /// Left value.
        left: Arith,
        /// Right value.
        right: Arith,
    },
    /// Both, the left one first.
    And(Box<FilterExpr>, Box<FilterExpr>),
    /// Either, the left one first.
    Or(Box<FilterExpr>, Box<FilterExpr>),
    /// The opposite.
    Not(Box<FilterExpr>),
}

/// One test of a known kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// `tcp`: frames of this protocol.
    Protocol(Protocol),
    /// `src host 10.0.0.1`.
    Host {
        /// `ip`, `arp`, `rarp`, `ip6`; none: every protocol that has addresses of this family.
        protocol: Option<Protocol>,
        /// Which end.
        direction: Direction,
        /// The address.
        address: IpAddr,
    },
    /// `dst net 10.0.0.0/8`.
    Net {
        /// As for `Host`.
        protocol: Option<Protocol>,
        /// Which end.
        direction: Direction,
        /// The network, host bits 0.
        address: IpAddr,
        /// The mask; for IPv4 any mask, for IPv6 a prefix.
        mask: u128,
    },
    /// `ether src 00:11:22:33:44:55`.
    Ether {
        /// Which end.
        direction: Direction,
        /// The address, 48 bits.
        address: u64,
    },
    /// `tcp dst port 80`, `portrange 6000-6008`.
    Port {
        /// `tcp`, `udp`, `sctp`; none: any of them.
        protocol: Option<Protocol>,
        /// Which end.
        direction: Direction,
        /// Lowest and highest port; `None` as highest for a single port.
        low: u16,
        /// See `low`.
        high: Option<u16>,
    },
    /// `ip proto 6`, `ether proto 0x88cc`.
    ProtocolNumber {
        /// `ip`, `ip6` or `ether`; none: `ip` or `ip6`.
        layer: Option<Protocol>,
        /// The number.
        number: u32,
    },
    /// `ether broadcast`.
    Broadcast,
    /// `ether multicast`, `ip multicast`, `ip6 multicast`.
    Multicast(Protocol),
    /// `vlan`, `vlan 7`: tagged frames; what follows in the text looks behind the tag.
    Vlan(Option<u16>),
    /// `mpls`, `mpls 1000`: labelled frames; what follows in the text looks behind the label.
    Mpls(Option<u32>),
    /// `less N`: at most N bytes.
    Less(u32),
    /// `greater N`: at least N bytes.
    Greater(u32),
}

/// Protocols with a name of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Protocol {
    Ether,
    Ip,
    Arp,
    Rarp,
    Ip6,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Ah,
    Esp,
}

impl Protocol {
    /// All of them with their names; `link` is another name of `ether`.
    pub(crate) const ALL: [(&'static str, Protocol); 18] = [
        ("ether", Protocol::Ether),
        ("link", Protocol::Ether),
        ("ip", Protocol::Ip),
        ("arp", Protocol::Arp),
        ("rarp", Protocol::Rarp),
        ("ip6", Protocol::Ip6),
        ("tcp", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("sctp", Protocol::Sctp),
        ("icmp", Protocol::Icmp),
        ("icmp6", Protocol::Icmp6),
        ("igmp", Protocol::Igmp),
        ("igrp", Protocol::Igrp),
        ("pim", Protocol::Pim),
        ("vrrp", Protocol::Vrrp),
        ("carp", Protocol::Carp),
        ("ah", Protocol::Ah),
        ("esp", Protocol::Esp),
    ];

    /// The protocol of that name.
    pub fn named(name: &str) -> Option<Protocol> {
        Protocol::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, protocol)| *protocol)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Protocol::ALL
            .iter()
            .find(|(_, known)| *known == self)
            .map_or("", |(name, _)| name)
    }
}

/// Which end of a packet an address or port stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Either end.
    Any,
    /// The source.
    Src,
    /// The destination.
    Dst,
    /// Both ends.
    Both,
}

/// Unsigned comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A value computed from the frame, modulo 2^32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arith {
    /// A constant.
    Number(u32),
    /// The frame's length in bytes.
    Length,
    /// `tcp[13]`, `ip[2:2]`: 1, 2 or 4 bytes, big-endian. The relation fails if the frame is not of
    /// this protocol.
    Load {
        /// From whose header the index counts.
        protocol: Protocol,
        /// Index of the first byte.
        index: Box<Arith>,
        /// How many bytes.
        size: u8,
    },
    /// Two's complement.
    Negate(Box<Arith>),
    /// Two operands.
    Binary(ArithOp, Box<Arith>, Box<Arith>),
}

/// Operators of [`Arith`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
}

impl fmt::Display for FilterExpr {
    /// Full qualifiers, as few parentheses as the equal precedence of `and` and `or` allows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, word, right) = match self {
            FilterExpr::Primitive(primitive) => return write!(f, "{primitive}"),
            FilterExpr::Relation { op, left, right } => {
                return write!(f, "{left} {} {right}", op.symbol());
            }
            FilterExpr::Not(inner) if inner.is_binary() => return write!(f, "not ({inner})"),
            FilterExpr::Not(inner) => return write!(f, "not {inner}"),
            FilterExpr::And(left, right) => (left, "and", right),
            FilterExpr::Or(left, right) => (left, "or", right),
        };
        if right.is_binary() {
            write!(f, "{left} {word} ({right})")
        } else {
            write!(f, "{left} {word} {right}")
        }
    }
}

impl FilterExpr {
    fn is_binary(&self) -> bool {
        matches!(self, FilterExpr::And(..) | FilterExpr::Or(..))
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Primitive::Protocol(protocol) => write!(f, "{}", protocol.name()),
            Primitive::Host {
                protocol,
                direction,
                address,
            } => {
                write!(f, "{}{direction}host {address}", prefix(*protocol))
            }
            Primitive::Net {
                protocol,
                direction,
                address,
                mask,
            } => {
                write!(f, "{}{direction}net ", prefix(*protocol))?;
                write_net(f, *address, *mask)
            }
            Primitive::Ether { direction, address } => {
                write!(f, "ether {direction}host ")?;
                let bytes = &address.to_be_bytes()[2..];
                let text: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                write!(f, "{}", text.join(":"))
            }
            Primitive::Port {
                protocol,
                direction,
                low,
                high: None,
            } => {
                write!(f, "{}{direction}port {low}", prefix(*protocol))
            }
            Primitive::Port {
                protocol,
                direction,
                low,
                high: Some(high),
            } => {
                write!(f, "{}{direction}portrange {low}-{high}", prefix(*protocol))
            }
            Primitive::ProtocolNumber { layer, number } => {
                write!(f, "{}proto {number}", prefix(*layer))
            }
            Primitive::Broadcast => write!(f, "ether broadcast"),
            Primitive::Multicast(layer) => write!(f, "{} multicast", layer.name()),
            Primitive::Vlan(None) => write!(f, "vlan"),
            Primitive::Vlan(Some(id)) => write!(f, "vlan {id}"),
            Primitive::Mpls(None) => write!(f, "mpls"),
            Primitive::Mpls(Some(label)) => write!(f, "mpls {label}"),
            Primitive::Less(length) => write!(f, "less {length}"),
            Primitive::Greater(length) => write!(f, "greater {length}"),
        }
    }
}

fn prefix(protocol: Option<Protocol>) -> String {
    protocol.map_or(String::new(), |protocol| format!("{} ", protocol.name()))
}

fn write_net(f: &mut fmt::Formatter<'_>, address: IpAddr, mask: u128) -> fmt::Result {
    match address {
        IpAddr::V6(address) => write!(f, "{address}/{}", mask.leading_ones()),
        IpAddr::V4(address) => {
            let mask = mask as u32;
            if mask.leading_ones() + mask.trailing_zeros() >= 32 {
                write!(f, "{address}/{}", mask.leading_ones())
            } else {
                write!(f, "{address} mask {}", Ipv4Addr::from(mask))
            }
        }
    }
}

impl fmt::Display for Direction {
    /// With the space that follows it; empty for either end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Any => "",
            Direction::Src => "src ",
            Direction::Dst => "dst ",
            Direction::Both => "src and dst ",
        })
    }
}

impl Relation {
    /// Its sign in filters.
    pub fn symbol(self) -> &'static str {
        match self {
            Relation::Equal => "=",
            Relation::NotEqual => "!=",
            Relation::Less => "<",
            Relation::LessEqual => "<=",
            Relation::Greater => ">",
            Relation::GreaterEqual => ">=",
        }
    }
}

impl ArithOp {
    /// Its sign in filters.
    pub fn symbol(self) -> &'static str {
        match self {
            ArithOp::Add => "+",
            ArithOp::Sub => "-",
            ArithOp::Mul => "*",
            ArithOp::Div => "/",
            ArithOp::Rem => "%",
            ArithOp::And => "&",
            ArithOp::Or => "|",
            ArithOp::Xor => "^",
            ArithOp::Shl => "<<",
            ArithOp::Shr => ">>",
        }
    }
}

impl fmt::Display for Arith {
    /// Operands that are operations themselves stand in parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arith::Number(number) => write!(f, "{number}"),
            Arith::Length => write!(f, "len"),
            Arith::Load {
                protocol,
                index,
                size: 1,
            } => write!(f, "{}[{index}]", protocol.name()),
            Arith::Load {
                protocol,
                index,
                size,
            } => {
                write!(f, "{}[{index}:{size}]", protocol.name())
            }
            Arith::Negate(inner) => write!(f, "-({inner})"),
            Arith::Binary(op, left, right) => {
                write_operand(f, left)?;
                write!(f, " {} ", op.symbol())?;
                write_operand(f, right)
            }
        }
    }
}

fn write_operand(f: &mut fmt::Formatter<'_>, operand: &Arith) -> fmt::Result {
    match operand {
        Arith::Binary(..) | Arith::Negate(_) => write!(f, "({operand})"),
        _ => write!(f, "{operand}"),
    }
}
