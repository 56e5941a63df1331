//! From a filter as written to tests on frame bytes, for Ethernet.
//!
//! `vlan` and `mpls` move the place where everything behind them in the text looks for headers, also
//! across `or` and `not`: that is pcap-filter's documented behaviour, so the tree is walked in text
//! order with [`Layers`] as the state.

use std::net::IpAddr;

use super::ast::{Arith, ArithOp, Direction, FilterExpr, Primitive, Protocol, Relation};
use super::test::{Base, Test, Value};

const IPV4: u32 = 0x0800;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;
const IPV6: u32 = 0x86dd;
const MPLS: u32 = 0x8847;
const VLAN_TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
const ETHER_HEADER: u32 = 14;
/// Length of the IPv6 header, behind which transport headers are looked for.
const IPV6_HEADER: u32 = 40;
const NEXT_HEADER_FRAGMENT: u32 = 44;

/// Why a filter that parses has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// `vlan` behind `mpls`.
    #[error("`vlan` cannot follow `mpls`: VLAN tags stand before the labels")]
    VlanAfterMpls,
    /// A protocol other than IPv4 and IPv6 behind `mpls`.
    #[error("`{0}` cannot follow `mpls`: only ip and ip6 are recognised behind labels")]
    NotOverMpls(&'static str),
    /// A constant division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A constant shift by 32 bits or more.
    #[error("shift by more than 31 bits")]
    ShiftTooFar,
}

/// The meaning of a filter.
pub(crate) fn compile(expr: &FilterExpr) -> Result<Test, CompileError> {
    Layers { tags: 0, labels: 0 }.expr(expr)
}

/// How many VLAN tags and MPLS labels were passed so far.
struct Layers {
    tags: u32,
    labels: u32,
}

impl Layers {
    /// Offset of the EtherType.
    fn ether_type(&self) -> u32 {
        12 + 4 * self.tags
    }

    /// Offset of the network header.
    fn network(&self) -> u32 {
        ETHER_HEADER + 4 * (self.tags + self.labels)
    }

    fn expr(&mut self, expr: &FilterExpr) -> Result<Test, CompileError> {
        Ok(match expr {
            FilterExpr::Primitive(primitive) => self.primitive(primitive)?,
            FilterExpr::Relation { op, left, right } => self.relation(*op, left, right)?,
            FilterExpr::And(left, right) => self.expr(left)?.and(self.expr(right)?),
            FilterExpr::Or(left, right) => self.expr(left)?.or(self.expr(right)?),
            FilterExpr::Not(inner) => Test::Not(Box::new(self.expr(inner)?)),
        })
    }

    fn primitive(&mut self, primitive: &Primitive) -> Result<Test, CompileError> {
        match primitive {
            Primitive::Protocol(protocol) => self.protocol(*protocol),
            Primitive::Host {
                protocol,
                direction,
                address: IpAddr::V4(address),
            } => self.host4(*protocol, *direction, u32::from(*address), u32::MAX),
            Primitive::Net {
                protocol,
                direction,
                address: IpAddr::V4(address),
                mask,
            } => self.host4(*protocol, *direction, u32::from(*address), *mask as u32),
            Primitive::Host {
                direction,
                address: IpAddr::V6(address),
                ..
            } => self.host6(*direction, u128::from(*address), u128::MAX),
            Primitive::Net {
                direction,
                address: IpAddr::V6(address),
                mask,
                ..
            } => self.host6(*direction, u128::from(*address), *mask),
            Primitive::Ether { direction, address } => Ok(ether(*direction, *address)),
            Primitive::Port {
                protocol,
                direction,
                low,
                high,
            } => self.port(*protocol, *direction, Ports::new(*low, *high)),
            Primitive::ProtocolNumber { layer, number } => self.protocol_number(*layer, *number),
            Primitive::Broadcast => Ok(ether(Direction::Dst, 0xffff_ffff_ffff)),
            Primitive::Multicast(Protocol::Ip) => Ok(self.link(IPV4, "ip")?.and(Test::Compare {
                op: Relation::GreaterEqual,
                left: Value::at(self.network() + 16, 1),
                right: Value::Number(0xe0),
            })),
            Primitive::Multicast(Protocol::Ip6) => Ok(self
                .link(IPV6, "ip6")?
                .and(Test::equal(Value::at(self.network() + 24, 1), 0xff))),
            Primitive::Multicast(_) => Ok(Test::equal(Value::at(0, 1).masked(1), 1)),
            Primitive::Vlan(id) => self.vlan(*id),
            Primitive::Mpls(label) => self.mpls(*label),
            Primitive::Less(length) => Ok(length_is(Relation::LessEqual, *length)),
            Primitive::Greater(length) => Ok(length_is(Relation::GreaterEqual, *length)),
        }
    }

    /// Whether the network header is of this EtherType.
    fn link(&self, ether_type: u32, name: &'static str) -> Result<Test, CompileError> {
        if self.labels == 0 {
            return Ok(Test::equal(Value::at(self.ether_type(), 2), ether_type));
        }
        let version = match ether_type {
            IPV4 => 0x40,
            IPV6 => 0x60,
            _ => return Err(CompileError::NotOverMpls(name)),
        };
        let bottom = Test::equal(Value::at(self.network() - 2, 1).masked(1), 1);
        Ok(bottom.and(Test::equal(
            Value::at(self.network(), 1).masked(0xf0),
            version,
        )))
    }

    fn protocol(&self, protocol: Protocol) -> Result<Test, CompileError> {
        match protocol {
            Protocol::Ether => Ok(Test::Const(true)),
            Protocol::Ip => self.link(IPV4, "ip"),
            Protocol::Ip6 => self.link(IPV6, "ip6"),
            Protocol::Arp => self.link(ARP, "arp"),
            Protocol::Rarp => self.link(RARP, "rarp"),
            Protocol::Icmp | Protocol::Igmp | Protocol::Igrp | Protocol::Vrrp | Protocol::Carp => {
                self.protocol_number(Some(Protocol::Ip), number(protocol))
            }
            Protocol::Icmp6 => self.protocol_number(Some(Protocol::Ip6), number(protocol)),
            Protocol::Tcp
            | Protocol::Udp
            | Protocol::Sctp
            | Protocol::Pim
            | Protocol::Ah
            | Protocol::Esp => self.protocol_number(None, number(protocol)),
        }
    }

    fn protocol_number(&self, layer: Option<Protocol>, number: u32) -> Result<Test, CompileError> {
        match layer {
            Some(Protocol::Ether) => self.link(number, "ether proto"),
            Some(Protocol::Ip) => Ok(self.link(IPV4, "ip")?.and(self.byte_is(9, number))),
            Some(Protocol::Ip6) => {
                // One fragment header is looked behind, no other extension header.
                let behind_fragment = self
                    .byte_is(6, NEXT_HEADER_FRAGMENT)
                    .and(self.byte_is(IPV6_HEADER, number));
                let next = self.byte_is(6, number).or(behind_fragment);
                Ok(self.link(IPV6, "ip6")?.and(next))
            }
            _ => Ok(self
                .protocol_number(Some(Protocol::Ip), number)?
                .or(self.protocol_number(Some(Protocol::Ip6), number)?)),
        }
    }

    /// Whether the byte at `offset` of the network header is `value`.
    fn byte_is(&self, offset: u32, value: u32) -> Test {
        Test::equal(Value::at(self.network() + offset, 1), value)
    }

    fn host4(
        &self,
        protocol: Option<Protocol>,
        direction: Direction,
        address: u32,
        mask: u32,
    ) -> Result<Test, CompileError> {
        let of = |ether_type, name, src, dst| {
            let link = self.link(ether_type, name)?;
            let at = |offset| {
                let value = Value::at(self.network() + offset, 4);
                Test::equal(
                    if mask == u32::MAX {
                        value
                    } else {
                        value.masked(mask)
                    },
                    address,
                )
            };
            Ok(by_direction(direction, &link, at(src), at(dst)))
        };
        match protocol {
            Some(Protocol::Arp) => of(ARP, "arp", 14, 24),
            Some(Protocol::Rarp) => of(RARP, "rarp", 14, 24),
            None if self.labels == 0 => Ok(of(IPV4, "ip", 12, 16)?
                .or(of(ARP, "arp", 14, 24)?)
                .or(of(RARP, "rarp", 14, 24)?)),
            _ => of(IPV4, "ip", 12, 16),
        }
    }

    fn host6(&self, direction: Direction, address: u128, mask: u128) -> Result<Test, CompileError> {
        let link = self.link(IPV6, "ip6")?;
        let at = |offset: u32| {
            let words = (0..4u32).map(|word| {
                let shift = 96 - 32 * word;
                let value = Value::at(self.network() + offset + 4 * word, 4);
                let mask = (mask >> shift) as u32;
                let value = if mask == u32::MAX {
                    value
                } else {
                    value.masked(mask)
                };
                Test::equal(value, (address >> shift) as u32)
            });
            words.reduce(Test::and).unwrap_or(Test::Const(true))
        };
        Ok(by_direction(direction, &link, at(8), at(24)))
    }

    fn port(
        &self,
        protocol: Option<Protocol>,
        direction: Direction,
        ports: Ports,
    ) -> Result<Test, CompileError> {
        let network = self.network();
        let protocols = match protocol {
            Some(protocol) => vec![protocol],
            None => vec![Protocol::Sctp, Protocol::Tcp, Protocol::Udp],
        };
        let either = |test: &dyn Fn(Protocol) -> Test| {
            protocols
                .iter()
                .map(|&p| test(p))
                .reduce(Test::or)
                .unwrap_or(Test::Const(false))
        };
        let in6 = either(&|protocol| {
            let at = |offset| ports.test(&|| Value::at(network + IPV6_HEADER + offset, 2));
            by_direction(direction, &self.byte_is(6, number(protocol)), at(0), at(2))
        });
        let in4 = either(&|protocol| {
            let at = |offset| ports.test(&|| Value::after_ipv4(network, offset, 2));
            let first = self.byte_is(9, number(protocol)).and(self.first_fragment());
            by_direction(direction, &first, at(0), at(2))
        });
        Ok(self
            .link(IPV6, "ip6")?
            .and(in6)
            .or(self.link(IPV4, "ip")?.and(in4)))
    }

    /// Not a fragment, or the first one.
    fn first_fragment(&self) -> Test {
        Test::equal(Value::at(self.network() + 6, 2).masked(0x1fff), 0)
    }

    fn vlan(&mut self, id: Option<u16>) -> Result<Test, CompileError> {
        if self.labels > 0 {
            return Err(CompileError::VlanAfterMpls);
        }
        let at = self.ether_type();
        let [first, second, third] = VLAN_TAGS.map(|tag| Test::equal(Value::at(at, 2), tag));
        let mut test = first.or(second).or(third);
        if let Some(id) = id {
            test = test.and(Test::equal(
                Value::at(at + 2, 2).masked(0x0fff),
                u32::from(id),
            ));
        }
        self.tags += 1;
        Ok(test)
    }

    fn mpls(&mut self, label: Option<u32>) -> Result<Test, CompileError> {
        let mut test = if self.labels == 0 {
            Test::equal(Value::at(self.ether_type(), 2), MPLS)
        } else {
            Test::equal(Value::at(self.network() - 2, 1).masked(1), 0)
        };
        if let Some(label) = label {
            let value = Value::at(self.network(), 4).masked(0xffff_f000);
            test = test.and(Test::equal(value, label << 12));
        }
        self.labels += 1;
        Ok(test)
    }

    fn relation(&self, op: Relation, left: &Arith, right: &Arith) -> Result<Test, CompileError> {
        let (left_guard, left) = self.arith(left)?;
        let (right_guard, right) = self.arith(right)?;
        let compare = Test::Compare { op, left, right };
        Ok(match conjunction(left_guard, right_guard) {
            Some(guard) => guard.and(compare),
            None => compare,
        })
    }

    /// The value, and what must hold for it to be looked at.
    fn arith(&self, arith: &Arith) -> Result<(Option<Test>, Value), CompileError> {
        match arith {
            Arith::Number(number) => Ok((None, Value::Number(*number))),
            Arith::Length => Ok((None, Value::Length)),
            Arith::Negate(inner) => {
                let (guard, value) = self.arith(inner)?;
                Ok((guard, Value::Negate(Box::new(value))))
            }
            Arith::Binary(op, left, right) => {
                let (guard, left) = self.arith(left)?;
                // libpcap forgets what the right operand asks for, so that `0 + ip[2]` reads frames of
                // every protocol while `ip[2] + 0` does not.
                let (_, right) = self.arith(right)?;
                match (op, &right) {
                    (ArithOp::Div | ArithOp::Rem, Value::Number(0)) => {
                        return Err(CompileError::DivisionByZero);
                    }
                    (ArithOp::Shl | ArithOp::Shr, Value::Number(32..)) => {
                        return Err(CompileError::ShiftTooFar);
                    }
                    _ => {}
                }
                Ok((guard, Value::Binary(*op, Box::new(left), Box::new(right))))
            }
            Arith::Load {
                protocol,
                index,
                size,
            } => {
                let (index_guard, index) = self.arith(index)?;
                let (base, first, guard) = self.layer(*protocol)?;
                let guard = conjunction(first, conjunction(index_guard, guard));
                let value = Value::Load {
                    base,
                    index: Box::new(index),
                    size: *size,
                };
                Ok((guard, value))
            }
        }
    }

    /// Where `protocol[0]` is, and what must hold for it to be there: before and after what the index
    /// asks for.
    fn layer(&self, protocol: Protocol) -> Result<Layer, CompileError> {
        let network = self.network();
        Ok(match protocol {
            Protocol::Ether => (Base::Fixed(0), None, None),
            Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => {
                (Base::Fixed(network), None, Some(self.protocol(protocol)?))
            }
            Protocol::Icmp6 => {
                let next = self.byte_is(6, number(protocol));
                let guard = self.link(IPV6, "ip6")?.and(next);
                (Base::Fixed(network + IPV6_HEADER), None, Some(guard))
            }
            _ => {
                let first = self.link(IPV4, "ip")?;
                let guard = self.byte_is(9, number(protocol)).and(self.first_fragment());
                (Base::AfterIpv4(network), Some(first), Some(guard))
            }
        })
    }
}

/// Where a layer begins, and what must hold for it to be there.
type Layer = (Base, Option<Test>, Option<Test>);

fn conjunction(left: Option<Test>, right: Option<Test>) -> Option<Test> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.and(right)),
        (left, right) => left.or(right),
    }
}

/// The IP protocol number.
fn number(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Igmp => 2,
        Protocol::Tcp => 6,
        Protocol::Igrp => 9,
        Protocol::Udp => 17,
        Protocol::Esp => 50,
        Protocol::Ah => 51,
        Protocol::Icmp6 => 58,
        Protocol::Pim => 103,
        Protocol::Vrrp | Protocol::Carp => 112,
        Protocol::Sctp => 132,
        Protocol::Ether | Protocol::Ip | Protocol::Arp | Protocol::Rarp | Protocol::Ip6 => 0,
    }
}

/// `guard` and the test of the end or ends that the direction names.
fn by_direction(direction: Direction, guard: &Test, src: Test, dst: Test) -> Test {
    guard.clone().and(by_ends(direction, src, dst))
}

/// Ethernet addresses: source at byte 6, destination at byte 0; the last four bytes first.
fn ether(direction: Direction, address: u64) -> Test {
    let at = |offset: u32| {
        Test::equal(Value::at(offset + 2, 4), address as u32)
            .and(Test::equal(Value::at(offset, 2), (address >> 32) as u32))
    };
    by_ends(direction, at(6), at(0))
}

fn by_ends(direction: Direction, src: Test, dst: Test) -> Test {
    match direction {
        Direction::Src => src,
        Direction::Dst => dst,
        Direction::Both => src.and(dst),
        Direction::Any => src.or(dst),
    }
}

fn length_is(op: Relation, length: u32) -> Test {
    Test::Compare {
        op,
        left: Value::Length,
        right: Value::Number(length),
    }
}

/// One port or an inclusive range.
struct Ports {
    low: u16,
    high: Option<u16>,
}

impl Ports {
    /// A range may be written backwards.
    fn new(low: u16, high: Option<u16>) -> Ports {
        match high {
            Some(high) if high < low => Ports {
                low: high,
                high: Some(low),
            },
            _ => Ports { low, high },
        }
    }

    fn test(&self, value: &dyn Fn() -> Value) -> Test {
        let low = u32::from(self.low);
        let Some(high) = self.high else {
            return Test::equal(value(), low);
        };
        let from = Test::Compare {
            op: Relation::GreaterEqual,
            left: value(),
            right: Value::Number(low),
        };
        from.and(Test::Compare {
            op: Relation::LessEqual,
            left: value(),
            right: Value::Number(u32::from(high)),
        })
    }
}
