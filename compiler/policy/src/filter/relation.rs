//! The relations of packet filters: byte offsets, constants, arithmetic.

use super::ast::{Arith, ArithOp, FilterExpr, Protocol, Relation};
use super::parse::{MAX_DEPTH, blank, number, parse_number, symbol, word};
use crate::syntax::{Input, Parsed, bad_value, fail};

/// The comparison sign at the start of the text.
pub(super) fn relation_sign(input: Input<'_>) -> Option<(Input<'_>, Relation)> {
    const SIGNS: [(&str, Relation); 7] = [
        ("<=", Relation::LessEqual),
        (">=", Relation::GreaterEqual),
        ("!=", Relation::NotEqual),
        ("==", Relation::Equal),
        ("=", Relation::Equal),
        ("<", Relation::Less),
        (">", Relation::Greater),
    ];
    SIGNS
        .iter()
        .find_map(|(sign, relation)| Some((symbol(input, sign)?, *relation)))
}

/// Two values and how they are compared.
pub(super) fn relation(input: Input<'_>, depth: u32) -> Parsed<'_, FilterExpr> {
    let (rest, left) = arith(input, 0, depth)?;
    if relation_sign(rest).is_none() && matches!(left, Arith::Number(_)) {
        // A bare number: that it lacks a qualifier is the better explanation.
        return fail(input, "", "");
    }
    let Some((rest, op)) = relation_sign(rest) else {
        return fail(
            blank(rest),
            "expected a comparison",
            "compare the value: `tcp[13] != 0`",
        );
    };
    let (rest, right) = arith(rest, 0, depth)?;
    Ok((rest, FilterExpr::Relation { op, left, right }))
}

/// Binding strength of unary minus.
const UNARY: u32 = 9;

/// An operator; no strength for those that libpcap's grammar gives none.
pub(super) fn operator(input: Input<'_>) -> Option<(Input<'_>, ArithOp, Option<u32>)> {
    const SIGNS: [(&str, ArithOp, Option<u32>); 10] = [
        ("<<", ArithOp::Shl, Some(3)),
        (">>", ArithOp::Shr, Some(3)),
        ("|", ArithOp::Or, Some(1)),
        ("&", ArithOp::And, Some(2)),
        ("+", ArithOp::Add, Some(4)),
        ("-", ArithOp::Sub, Some(4)),
        ("*", ArithOp::Mul, Some(5)),
        ("/", ArithOp::Div, Some(5)),
        ("%", ArithOp::Rem, None),
        ("^", ArithOp::Xor, None),
    ];
    if symbol(input, "&&").is_some() || symbol(input, "||").is_some() {
        return None;
    }
    SIGNS
        .iter()
        .find_map(|(sign, op, strength)| Some((symbol(input, sign)?, *op, *strength)))
}

/// Precedence climbing: operators that bind at least as strongly as `least` are taken.
fn arith(input: Input<'_>, least: u32, depth: u32) -> Parsed<'_, Arith> {
    if depth > MAX_DEPTH {
        return bad_value(
            input,
            "the filter is nested too deeply",
            "split it into several",
        );
    }
    let (mut rest, mut left) = arith_atom(input, depth)?;
    while let Some((behind, op, strength)) = operator(rest) {
        // Without a strength the parser shifts: all that follows belongs to the right operand.
        let right_least = match strength {
            Some(strength) if strength < least => break,
            Some(strength) => strength + 1,
            None => 0,
        };
        let (next, right) = arith(behind, right_least, depth + 1)?;
        left = Arith::Binary(op, Box::new(left), Box::new(right));
        rest = next;
    }
    Ok((rest, left))
}

fn arith_atom(input: Input<'_>, depth: u32) -> Parsed<'_, Arith> {
    if let Some(rest) = symbol(input, "(") {
        let (rest, inner) = arith(rest, 0, depth + 1)?;
        return match symbol(rest, ")") {
            Some(rest) => Ok((rest, inner)),
            None => fail(blank(rest), "expected `)`", "close the parenthesis"),
        };
    }
    if let Some(rest) = symbol(input, "-") {
        let (rest, inner) = arith(rest, UNARY, depth + 1)?;
        return Ok((rest, Arith::Negate(Box::new(inner))));
    }
    let start = blank(input);
    let (rest, text) = word(input);
    if text == "len" {
        return Ok((rest, Arith::Length));
    }
    if let Some(number) = parse_number(text).or_else(|| constant(text)) {
        return Ok((rest, Arith::Number(number)));
    }
    match (Protocol::named(text), symbol(rest, "[")) {
        (Some(Protocol::Ah | Protocol::Esp), Some(_)) => bad_value(
            start,
            format!("`{text}` has no index"),
            "count from `ip[0]`",
        ),
        (Some(protocol), Some(rest)) => load(rest, protocol, depth),
        // Empty message: another alternative knows better what is wrong here.
        _ => fail(start, "", ""),
    }
}

fn load(input: Input<'_>, protocol: Protocol, depth: u32) -> Parsed<'_, Arith> {
    let (rest, index) = arith(input, 0, depth + 1)?;
    let (rest, size) = match symbol(rest, ":") {
        None => (rest, 1),
        Some(behind) => match number(behind)? {
            (rest, size @ (1 | 2 | 4)) => (rest, size as u8),
            _ => {
                return bad_value(
                    blank(behind),
                    "a size is 1, 2 or 4 bytes",
                    "use one of these",
                );
            }
        },
    };
    match symbol(rest, "]") {
        Some(rest) => Ok((
            rest,
            Arith::Load {
                protocol,
                index: Box::new(index),
                size,
            },
        )),
        None => fail(blank(rest), "expected `]`", "close the index"),
    }
}

/// Named offsets and values of pcap-filter.
fn constant(name: &str) -> Option<u32> {
    const NAMES: [(&str, u32); 49] = [
        ("icmptype", 0),
        ("icmpcode", 1),
        ("icmp-echoreply", 0),
        ("icmp-unreach", 3),
        ("icmp-sourcequench", 4),
        ("icmp-redirect", 5),
        ("icmp-echo", 8),
        ("icmp-routeradvert", 9),
        ("icmp-routersolicit", 10),
        ("icmp-timxceed", 11),
        ("icmp-paramprob", 12),
        ("icmp-tstamp", 13),
        ("icmp-tstampreply", 14),
        ("icmp-ireq", 15),
        ("icmp-ireqreply", 16),
        ("icmp-maskreq", 17),
        ("icmp-maskreply", 18),
        ("icmp6type", 0),
        ("icmp6code", 1),
        ("icmp6-destinationrunreach", 1),
        ("icmp6-packettoobig", 2),
        ("icmp6-timeexceeded", 3),
        ("icmp6-parameterproblem", 4),
        ("icmp6-echo", 128),
        ("icmp6-echoreply", 129),
        ("icmp6-multicastlistenerquery", 130),
        ("icmp6-multicastlistenerreportv1", 131),
        ("icmp6-multicastlistenerdone", 132),
        ("icmp6-routersolicit", 133),
        ("icmp6-routeradvert", 134),
        ("icmp6-neighborsolicit", 135),
        ("icmp6-neighboradvert", 136),
        ("icmp6-redirect", 137),
        ("icmp6-routerrenum", 138),
        ("icmp6-nodeinformationquery", 139),
        ("icmp6-nodeinformationresponse", 140),
        ("icmp6-ineighbordiscoverysolicit", 141),
        ("icmp6-ineighbordiscoveryadvert", 142),
        ("icmp6-multicastlistenerreportv2", 143),
        ("icmp6-homeagentdiscoveryrequest", 144),
        ("tcpflags", 13),
        ("tcp-fin", 0x01),
        ("tcp-syn", 0x02),
        ("tcp-rst", 0x04),
        ("tcp-push", 0x08),
        ("tcp-ack", 0x10),
        ("tcp-urg", 0x20),
        ("tcp-ece", 0x40),
        ("tcp-cwr", 0x80),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}
