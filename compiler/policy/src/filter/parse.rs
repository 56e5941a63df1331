//! The grammar of pcap-filter(7), as libpcap implements it.
//!
//! What differs from other languages: `and` and `or` have equal precedence and associate to the
//! left; an operand that is a bare value takes the qualifiers of the operand before it (`port 80 or
//! 443`); `^` and `%` take everything on their right. Names of hosts, networks, and services are
//! refused, because they would be resolved on the machine that compiles.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ast::{Direction, FilterExpr, Primitive, Protocol};
use super::relation::{operator, relation, relation_sign};
use crate::lex;
use crate::syntax::{Input, Parsed, bad_value, fail, is_word_byte};

/// Deepest nesting of parentheses, signs and indices.
pub(super) const MAX_DEPTH: u32 = 100;

const OPERAND_HELP: &str =
    "write a primitive such as `tcp`, `host 10.0.0.1`, `dst port 80` or `ip[0] = 0x45`";

/// A whole filter, up to the end of the text.
pub(crate) fn filter(input: Input<'_>) -> Parsed<'_, FilterExpr> {
    let (rest, operand) = expr(input, 0)?;
    if !blank(rest).is_empty() {
        return fail(
            blank(rest),
            "unexpected text behind the filter",
            "join tests with and, or",
        );
    }
    Ok(("", operand.expr))
}

/// What an operand leaves for a bare value that follows it.
#[derive(Clone, Copy)]
struct Qualifiers {
    protocol: Option<Protocol>,
    direction: Direction,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

struct Operand {
    expr: FilterExpr,
    qualifiers: Option<Qualifiers>,
}

impl Operand {
    /// An operand behind which a bare value has no meaning.
    fn plain(expr: FilterExpr) -> Operand {
        Operand {
            expr,
            qualifiers: None,
        }
    }
}

pub(super) fn blank(input: Input<'_>) -> Input<'_> {
    input.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// The word at the start of the text, possibly empty.
pub(super) fn word(input: Input<'_>) -> (Input<'_>, &str) {
    let input = blank(input);
    let length = input.bytes().take_while(|&byte| is_word_byte(byte)).count();
    (&input[length..], &input[..length])
}

/// The rest behind a word, if it stands here.
fn keyword<'a>(input: Input<'a>, expected: &str) -> Option<Input<'a>> {
    let (rest, found) = word(input);
    (found == expected).then_some(rest)
}

/// The rest behind a sign, if it stands here.
pub(super) fn symbol<'a>(input: Input<'a>, expected: &str) -> Option<Input<'a>> {
    blank(input).strip_prefix(expected)
}

#[derive(Clone, Copy)]
enum Join {
    And,
    Or,
}

impl Join {
    fn apply(self, left: FilterExpr, right: FilterExpr) -> FilterExpr {
        match self {
            Join::And => FilterExpr::And(Box::new(left), Box::new(right)),
            Join::Or => FilterExpr::Or(Box::new(left), Box::new(right)),
        }
    }
}

fn join(input: Input<'_>) -> Option<(Input<'_>, Join)> {
    let and = keyword(input, "and").or_else(|| symbol(input, "&&"));
    let or = || keyword(input, "or").or_else(|| symbol(input, "||"));
    and.map(|rest| (rest, Join::And))
        .or_else(|| or().map(|rest| (rest, Join::Or)))
}

fn negation(input: Input<'_>) -> Option<Input<'_>> {
    let sign = || symbol(input, "!").filter(|rest| !rest.starts_with('='));
    keyword(input, "not").or_else(sign)
}

fn expr(input: Input<'_>, depth: u32) -> Parsed<'_, Operand> {
    let (mut rest, mut left) = term(input, depth)?;
    while let Some((behind, join)) = join(rest) {
        let (next, right) = operand(behind, left.qualifiers, depth)?;
        left = Operand {
            expr: join.apply(left.expr, right.expr),
            qualifiers: right.qualifiers,
        };
        rest = next;
    }
    Ok((rest, left))
}

/// What stands behind `and` or `or`: a bare value if that is possible, else a term.
fn operand(input: Input<'_>, inherited: Option<Qualifiers>, depth: u32) -> Parsed<'_, Operand> {
    let Some(qualifiers) = inherited else {
        return term(input, depth);
    };
    match id(input, qualifiers, depth) {
        Ok((rest, expr)) if !continues_value(rest) => Ok((
            rest,
            Operand {
                expr,
                qualifiers: Some(qualifiers),
            },
        )),
        // A number that is no port may still begin a relation.
        Err(failure @ nom::Err::Failure(_)) => term(input, depth).or(Err(failure)),
        _ => term(input, depth),
    }
}

/// Whether a number that was just read is the start of a relation.
fn continues_value(input: Input<'_>) -> bool {
    let at = blank(input);
    relation_sign(at).is_some() || (operator(at).is_some() && join(at).is_none())
}

fn term(input: Input<'_>, depth: u32) -> Parsed<'_, Operand> {
    if depth > MAX_DEPTH {
        return bad_value(
            input,
            "the filter is nested too deeply",
            "split it into several",
        );
    }
    if let Some(rest) = negation(input) {
        let (rest, inner) = term(rest, depth + 1)?;
        return Ok((
            rest,
            Operand {
                expr: FilterExpr::Not(Box::new(inner.expr)),
                ..inner
            },
        ));
    }
    let first = match relation(input, depth) {
        Ok((rest, expr)) => return Ok((rest, Operand::plain(expr))),
        Err(nom::Err::Error(fault)) => fault,
        Err(other) => return Err(other),
    };
    let second = if let Some(rest) = symbol(input, "(") {
        let (rest, inner) = expr(rest, depth + 1)?;
        match symbol(rest, ")") {
            Some(rest) => return Ok((rest, inner)),
            None => return fail(blank(rest), "expected `)`", "close the parenthesis"),
        }
    } else {
        match primitive(input, depth) {
            Ok(done) => return Ok(done),
            Err(nom::Err::Error(fault)) => fault,
            Err(other) => return Err(other),
        }
    };
    Err(nom::Err::Error(nom::error::ParseError::or(second, first)))
}

fn primitive(input: Input<'_>, depth: u32) -> Parsed<'_, Operand> {
    let start = blank(input);
    let (rest, first) = word(input);
    let of = |rest, primitive| Ok((rest, Operand::plain(FilterExpr::Primitive(primitive))));
    match first {
        "less" | "greater" => {
            let (rest, length) = number(rest)?;
            let less = first == "less";
            return of(
                rest,
                if less {
                    Primitive::Less(length)
                } else {
                    Primitive::Greater(length)
                },
            );
        }
        "vlan" => return tag(rest, 0xfff, |id| Primitive::Vlan(id.map(|id| id as u16))),
        "mpls" => return tag(rest, 0xf_ffff, Primitive::Mpls),
        "broadcast" => return of(rest, Primitive::Broadcast),
        "multicast" => return of(rest, Primitive::Multicast(Protocol::Ether)),
        _ => {}
    }
    let protocol = Protocol::named(first);
    let rest = if protocol.is_some() { rest } else { start };
    if protocol.is_some() && symbol(rest, "[").is_some() {
        // A value, not a primitive: what is wrong with it was found already.
        return fail(start, "", "");
    }
    if let Some(protocol) = protocol {
        if let Some(behind) = keyword(rest, "multicast") {
            return match protocol {
                Protocol::Ether | Protocol::Ip | Protocol::Ip6 => {
                    of(behind, Primitive::Multicast(protocol))
                }
                _ => bad_value(start, format!("`{first}` has no multicast"), OPERAND_HELP),
            };
        }
        if let Some(behind) = keyword(rest, "broadcast") {
            return match protocol {
                Protocol::Ether => of(behind, Primitive::Broadcast),
                _ => bad_value(
                    start,
                    format!("`{first} broadcast` cannot be known without a netmask"),
                    "use `ether broadcast`, or `dst host` with the broadcast address",
                ),
            };
        }
    }
    let (rest, direction) = direction(rest);
    let (rest, kind) = kind(rest);
    match (protocol, direction, kind) {
        (None, None, None) => unknown(start, first),
        (Some(Protocol::Ether), None, None) => fail(
            blank(rest),
            "`ether` needs src, dst, host or proto behind it",
            OPERAND_HELP,
        ),
        (Some(protocol), None, None) => of(rest, Primitive::Protocol(protocol)),
        (_, Some(_), Some(Kind::Proto)) => {
            fail(start, "`proto` takes no src or dst", "write `ip proto 6`")
        }
        (protocol, direction, kind) => {
            let direction = direction.unwrap_or(Direction::Any);
            let qualifiers = Qualifiers {
                protocol,
                direction,
                kind: kind.unwrap_or(Kind::Host),
            };
            let (rest, expr) = id(rest, qualifiers, depth)?;
            Ok((
                rest,
                Operand {
                    expr,
                    qualifiers: Some(qualifiers),
                },
            ))
        }
    }
}

fn unknown<'a, T>(at: Input<'a>, found: &str) -> Parsed<'a, T> {
    const LEFT_OUT: [&str; 12] = [
        "gateway",
        "protochain",
        "inbound",
        "outbound",
        "ifname",
        "rnr",
        "llc",
        "pppoes",
        "pppoed",
        "geneve",
        "wlan",
        "atalk",
    ];
    if LEFT_OUT.contains(&found) {
        let message = format!("`{found}` is not supported");
        return bad_value(
            at,
            message,
            "use the primitives listed in the policy language chapter",
        );
    }
    let number_or_address = || found.starts_with(|c: char| c.is_ascii_digit());
    match found {
        "" if at.is_empty() => fail(
            at,
            "the filter ends where an operand is needed",
            OPERAND_HELP,
        ),
        "" => fail(at, "expected an operand", OPERAND_HELP),
        _ if number_or_address() => fail(
            at,
            format!("`{found}` has no qualifier"),
            "write what it is: `host`, `net`, `port` or `proto` in front of it",
        ),
        _ => fail(
            at,
            format!("`{found}` is not a filter primitive"),
            OPERAND_HELP,
        ),
    }
}

/// `vlan` and `mpls` with their optional number.
fn tag(
    input: Input<'_>,
    most: u32,
    make: impl Fn(Option<u32>) -> Primitive,
) -> Parsed<'_, Operand> {
    let of = |number| Operand::plain(FilterExpr::Primitive(make(number)));
    let (rest, text) = word(input);
    match parse_number(text) {
        None => Ok((input, of(None))),
        Some(number) if number <= most => Ok((rest, of(Some(number)))),
        Some(number) => bad_value(
            blank(input),
            format!("{number} is above {most}"),
            "use a smaller number",
        ),
    }
}

fn direction(input: Input<'_>) -> (Input<'_>, Option<Direction>) {
    let (rest, first) = word(input);
    let (other, one) = match first {
        "src" => ("dst", Direction::Src),
        "dst" => ("src", Direction::Dst),
        _ => return (input, None),
    };
    for (word, both) in [("or", Direction::Any), ("and", Direction::Both)] {
        if let Some(rest) = keyword(rest, word).and_then(|rest| keyword(rest, other)) {
            return (rest, Some(both));
        }
    }
    (rest, Some(one))
}

fn kind(input: Input<'_>) -> (Input<'_>, Option<Kind>) {
    let (rest, found) = word(input);
    let kind = match found {
        "host" => Kind::Host,
        "net" => Kind::Net,
        "port" => Kind::Port,
        "portrange" => Kind::PortRange,
        "proto" => Kind::Proto,
        _ => return (input, None),
    };
    (rest, Some(kind))
}

/// A value, or several in parentheses or negated, all with the same qualifiers.
fn id(input: Input<'_>, qualifiers: Qualifiers, depth: u32) -> Parsed<'_, FilterExpr> {
    if depth > MAX_DEPTH {
        return bad_value(
            input,
            "the filter is nested too deeply",
            "split it into several",
        );
    }
    if let Some(rest) = negation(input) {
        let (rest, inner) = id(rest, qualifiers, depth + 1)?;
        return Ok((rest, FilterExpr::Not(Box::new(inner))));
    }
    if let Some(rest) = symbol(input, "(") {
        let (mut rest, mut left) = id(rest, qualifiers, depth + 1)?;
        while let Some((behind, join)) = join(rest) {
            let (next, right) = id(behind, qualifiers, depth + 1)?;
            left = join.apply(left, right);
            rest = next;
        }
        return match symbol(rest, ")") {
            Some(rest) => Ok((rest, left)),
            None => fail(blank(rest), "expected `)`", "close the parenthesis"),
        };
    }
    let (rest, primitive) = match qualifiers.kind {
        Kind::Host if qualifiers.protocol == Some(Protocol::Ether) => ether(input, qualifiers)?,
        Kind::Host => host(input, qualifiers)?,
        Kind::Net => net(input, qualifiers)?,
        Kind::Port | Kind::PortRange => port(input, qualifiers)?,
        Kind::Proto => proto(input, qualifiers)?,
    };
    Ok((rest, FilterExpr::Primitive(primitive)))
}

/// The characters of an address or number, colons included.
fn address_text(input: Input<'_>) -> (Input<'_>, &str) {
    let input = blank(input);
    let length = input
        .bytes()
        .take_while(|&byte| is_word_byte(byte) || byte == b':')
        .count();
    (&input[length..], &input[..length])
}

fn ether(input: Input<'_>, qualifiers: Qualifiers) -> Parsed<'_, Primitive> {
    let (rest, text) = address_text(input);
    match lex::mac(text) {
        Some(address) => Ok((
            rest,
            Primitive::Ether {
                direction: qualifiers.direction,
                address,
            },
        )),
        None => fail(
            blank(input),
            "expected an Ethernet address",
            "write it as 00:11:22:33:44:55",
        ),
    }
}

fn host(input: Input<'_>, qualifiers: Qualifiers) -> Parsed<'_, Primitive> {
    let start = blank(input);
    let (rest, text) = address_text(input);
    let Some(address) = parse_address(text) else {
        let looks_like_name = text.contains(|c: char| c.is_ascii_alphabetic());
        return if looks_like_name && !is_reserved(text) {
            fail(
                start,
                format!("`{text}` is a name, not an address"),
                NAMES_HELP,
            )
        } else {
            fail(
                start,
                "expected an address",
                "write all of it, such as 10.0.0.1 or fe80::1",
            )
        };
    };
    check_family(start, qualifiers.protocol, address)?;
    let Qualifiers {
        protocol,
        direction,
        ..
    } = qualifiers;
    if blank(rest).starts_with('/') {
        return bad_value(
            blank(rest),
            "a host has no mask",
            "write `net` instead of `host`",
        );
    }
    Ok((
        rest,
        Primitive::Host {
            protocol,
            direction,
            address,
        },
    ))
}

const NAMES_HELP: &str = "names are not resolved: write addresses and numbers";

fn is_reserved(text: &str) -> bool {
    [
        "and",
        "or",
        "not",
        "src",
        "dst",
        "host",
        "net",
        "port",
        "portrange",
        "proto",
    ]
    .contains(&text)
        || Protocol::named(text).is_some()
}

/// Only complete addresses; Rust's parser refuses octal-looking parts, which libpcap reads as octal.
fn parse_address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

/// Whether the protocol can carry the address.
fn check_family<'a>(
    at: Input<'a>,
    protocol: Option<Protocol>,
    address: IpAddr,
) -> Result<(), nom::Err<crate::syntax::Fault<'a>>> {
    let fits = match protocol {
        None => true,
        Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp) => address.is_ipv4(),
        Some(Protocol::Ip6) => address.is_ipv6(),
        Some(_) => false,
    };
    if fits {
        return Ok(());
    }
    let name = protocol.map_or("", Protocol::name);
    let message = format!("`{name}` does not have the address {address}");
    let help = "use ip, arp or rarp with IPv4 addresses, ip6 with IPv6 addresses, or neither";
    bad_value(at, message, help).map(|(_, ())| ())
}

fn net(input: Input<'_>, qualifiers: Qualifiers) -> Parsed<'_, Primitive> {
    let start = blank(input);
    let (rest, text) = address_text(input);
    let (address, written) = match parse_address(text) {
        Some(IpAddr::V6(address)) => (IpAddr::V6(address), 128),
        Some(IpAddr::V4(address)) => (IpAddr::V4(address), 32),
        None => match partial_net(text) {
            Some((address, written)) => (IpAddr::V4(address), written),
            None => {
                return fail(
                    start,
                    "expected a network",
                    "write it as 10.0.0.0/8 or fe80::/10",
                );
            }
        },
    };
    check_family(start, qualifiers.protocol, address)?;
    let width = if address.is_ipv6() { 128 } else { 32 };
    let (rest, mask) = if let Some(behind) = symbol(rest, "/") {
        let (rest, length) = number(behind)?;
        if length > width {
            let message = format!("a prefix of {length} bits is longer than the address");
            return bad_value(
                blank(behind),
                message,
                "use at most 32 for IPv4, 128 for IPv6",
            );
        }
        (rest, prefix_mask(width, length))
    } else if let Some(behind) = keyword(rest, "mask").filter(|_| address.is_ipv4()) {
        let (rest, text) = address_text(behind);
        match text.parse::<Ipv4Addr>() {
            Ok(mask) => (rest, u128::from(u32::from(mask))),
            Err(_) => return fail(blank(behind), "expected a mask", "write it as 255.255.0.0"),
        }
    } else {
        (rest, prefix_mask(width, written))
    };
    let bits = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    if bits & !mask != 0 {
        let message = format!("{address} has bits outside its mask");
        return bad_value(start, message, "set the host bits to 0, or use `host`");
    }
    let Qualifiers {
        protocol,
        direction,
        ..
    } = qualifiers;
    Ok((
        rest,
        Primitive::Net {
            protocol,
            direction,
            address,
            mask,
        },
    ))
}

/// `10`, `10.1`, `10.1.2`: the network with these leading bytes, and how many bits they are.
fn partial_net(text: &str) -> Option<(Ipv4Addr, u32)> {
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let mut octets = [0; 4];
    octets.get_mut(..parts.len())?.copy_from_slice(&parts);
    (parts.first() != Some(&0)).then(|| (Ipv4Addr::from(octets), parts.len() as u32 * 8))
}

fn prefix_mask(width: u32, length: u32) -> u128 {
    let ones = |bits: u32| u128::MAX.checked_shr(128 - bits).unwrap_or(0);
    ones(width) ^ ones(width - length)
}

fn port(input: Input<'_>, qualifiers: Qualifiers) -> Parsed<'_, Primitive> {
    let start = blank(input);
    let Qualifiers {
        protocol,
        direction,
        kind,
    } = qualifiers;
    if !matches!(
        protocol,
        None | Some(Protocol::Tcp | Protocol::Udp | Protocol::Sctp)
    ) {
        let name = protocol.map_or("", Protocol::name);
        return bad_value(
            start,
            format!("`{name}` has no ports"),
            "use tcp, udp, sctp, or none",
        );
    }
    let (rest, text) = word(input);
    let (low, high) = match text.split_once('-').filter(|_| kind == Kind::PortRange) {
        Some((low, high)) => (low, Some(high)),
        None => (text, None),
    };
    let Some(low) = parse_number(low) else {
        return if low.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_reserved(low) {
            fail(
                start,
                format!("`{low}` is a name, not a port number"),
                NAMES_HELP,
            )
        } else {
            fail(
                start,
                "expected a port number",
                "write it as `port 80` or `portrange 80-90`",
            )
        };
    };
    let high = match high.map(parse_number) {
        Some(None) => {
            return fail(
                start,
                "expected two port numbers",
                "write `portrange 80-90`",
            );
        }
        Some(high) => high,
        None => None,
    };
    let (Ok(low), Ok(high)) = (u16::try_from(low), high.map(u16::try_from).transpose()) else {
        return bad_value(start, "a port is at most 65535", "use a smaller number");
    };
    Ok((
        rest,
        Primitive::Port {
            protocol,
            direction,
            low,
            high,
        },
    ))
}

fn proto(input: Input<'_>, qualifiers: Qualifiers) -> Parsed<'_, Primitive> {
    let start = blank(input);
    let layer = qualifiers.protocol;
    if !matches!(
        layer,
        None | Some(Protocol::Ip | Protocol::Ip6 | Protocol::Ether)
    ) {
        let name = layer.map_or("", Protocol::name);
        return bad_value(
            start,
            format!("`{name}` carries no protocol number"),
            OPERAND_HELP,
        );
    }
    let (rest, text) = word(start.strip_prefix('\\').unwrap_or(start));
    let escaped = start.starts_with('\\') || Protocol::named(text).is_none();
    let ether = layer == Some(Protocol::Ether);
    let named = || {
        let number = if ether {
            ether_type(text)
        } else {
            ip_protocol(text)
        };
        number.filter(|_| escaped)
    };
    let Some(number) = parse_number(text).or_else(named) else {
        return fail(
            start,
            "expected a protocol",
            "write its number, or \\ and its name",
        );
    };
    if ether && (number <= 1500 || [0x809b, 0x80f3].contains(&number)) {
        let message = format!("EtherType {number:#x} stands for an LLC or AppleTalk test");
        return bad_value(start, message, "test the bytes: `ether[12:2] = ...`");
    }
    if number > 0xffff {
        return bad_value(
            start,
            format!("{number} is no protocol number"),
            "use a smaller number",
        );
    }
    Ok((rest, Primitive::ProtocolNumber { layer, number }))
}

fn ether_type(name: &str) -> Option<u32> {
    Some(match name {
        "ip" => 0x0800,
        "arp" => 0x0806,
        "rarp" => 0x8035,
        "ip6" => 0x86dd,
        _ => return None,
    })
}

fn ip_protocol(name: &str) -> Option<u32> {
    Some(match name {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmp6" => 58,
        "pim" => 103,
        "vrrp" => 112,
        "sctp" => 132,
        _ => return None,
    })
}

pub(super) fn number(input: Input<'_>) -> Parsed<'_, u32> {
    let (rest, text) = word(input);
    match parse_number(text) {
        Some(number) => Ok((rest, number)),
        None => fail(
            blank(input),
            "expected a number",
            "write it as 10, 0xa or 012",
        ),
    }
}

/// Decimal, `0x` hexadecimal, or octal with a leading 0, as in C.
pub(super) fn parse_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
