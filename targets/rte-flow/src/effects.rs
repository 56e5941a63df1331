//! Changed fields as actions.
//!
//! A NIC that rewrites an IPv4 field updates the header checksum itself. So a program that does the
//! same as the NIC must update it incrementally (RFC 1624, equation 3), and then both changes
//! together are one action; anything else is refused.

use crate::refuse::{Answer, Why};
use crate::rule::{Action, ModifyTarget, Value};
use crate::shape::{Set, Std, set, std_name};
use crate::symbolic::{Piece, bits_in, pieces};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{BinOp, Bits, Expr, FieldKind, FieldRef, HeaderId, MetaId, Program, UnOp};

/// What the changes to a packet become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Actions, in the order of the fields.
    pub actions: Vec<Action>,
    /// Headers that the pattern must name for them.
    pub need: Set,
}

/// The actions that make the changes `fields` (new value by field, over the old values).
///
/// # Errors
/// A field that no action sets, or a checksum that the program does not update as the NIC does.
pub fn effects(
    program: &Program,
    headers: &BTreeMap<HeaderId, Std>,
    free: &BTreeSet<MetaId>,
    fields: &BTreeMap<FieldRef, Expr>,
) -> Answer<Effects> {
    let mut out = Effects::default();
    let changed: BTreeMap<FieldRef, &Expr> = fields
        .iter()
        .filter(|(field, value)| **value != Expr::Field(**field))
        .map(|(field, value)| (*field, value))
        .collect();
    for (field, value) in &changed {
        let Some(std) = headers.get(&field.header) else {
            return Err(Why::NotSettable(*field));
        };
        let name = field_of(program, *field);
        if std_name(*std) == "ipv4" && name == "checksum" {
            continue;
        }
        let constant = constant(program, free, value);
        let action = action(std_name(*std), name, value, *field, constant)
            .ok_or(Why::NotSettable(*field))?;
        out.actions.push(action);
        out.need |= set(*std);
        if std_name(*std) == "ipv4" && !checksum_follows(program, field.header, &changed) {
            return Err(Why::Checksum(*field));
        }
    }
    // A checksum changed for its own sake.
    if out.actions.is_empty()
        && let Some(field) = changed.keys().next()
    {
        return Err(Why::Checksum(*field));
    }
    Ok(out)
}

fn field_of(program: &Program, field: FieldRef) -> &str {
    &program.header_type(field.header).fields[field.field as usize].name
}

/// The constant that is assigned. While a node is judged alone, values of metadata stand for some
/// constant.
fn constant(program: &Program, free: &BTreeSet<MetaId>, value: &Expr) -> Option<u128> {
    let row = pieces(program, value);
    let known = row.iter().all(|piece| match piece {
        Piece::Const(_) => true,
        Piece::Other(Expr::Meta(meta), ..) => free.contains(meta),
        _ => false,
    });
    match value {
        Expr::Const(bits) => u128::try_from(bits.value()).ok(),
        _ => known.then_some(0),
    }
}

fn action(
    header: &str,
    field: &str,
    value: &Expr,
    target: FieldRef,
    constant: Option<u128>,
) -> Option<Action> {
    let byte = || constant.and_then(|c| u8::try_from(c).ok());
    match (header, field) {
        // The frame's own Ethernet header is the second one, behind the encapsulation.
        ("ethernet", "dst") => Some(Action::ModifyField {
            dst: ModifyTarget::MacDst,
            level: 2,
            value: Value(constant?),
        }),
        ("ethernet", "src") => Some(Action::ModifyField {
            dst: ModifyTarget::MacSrc,
            level: 2,
            value: Value(constant?),
        }),
        ("ipv4", "ttl") | ("ipv6", "hop_limit") if is_decrement(value, target) => {
            Some(Action::DecTtl)
        }
        ("ipv4", "ttl") | ("ipv6", "hop_limit") => Some(Action::SetTtl { ttl_value: byte()? }),
        ("ipv4", "dscp") => Some(Action::SetIpv4Dscp {
            dscp_value: byte()?,
        }),
        ("ipv6", "dscp") => Some(Action::SetIpv6Dscp {
            dscp_value: byte()?,
        }),
        _ => None,
    }
}

/// `field - 1` or `field + 255`, of 8 bits.
fn is_decrement(value: &Expr, field: FieldRef) -> bool {
    let Expr::Binary(op, a, b) = value else {
        return false;
    };
    let (Expr::Field(f), Expr::Const(by)) = (&**a, &**b) else {
        return false;
    };
    *f == field
        && match op {
            BinOp::Sub => *by == Bits::new(8, 1u32),
            BinOp::Add => *by == Bits::ones(8),
            _ => false,
        }
}

/// Whether the checksum of an IPv4 header is assigned what the NIC computes for the other changes:
/// `~(~checksum + sum of (~old word + new word))` over the changed 16-bit words.
fn checksum_follows(
    program: &Program,
    header: HeaderId,
    changed: &BTreeMap<FieldRef, &Expr>,
) -> bool {
    let ty = program.header_type(header);
    let Some(checksum) = ty.field("checksum") else {
        return false;
    };
    let checksum = FieldRef {
        header,
        field: checksum,
    };
    let Some(Expr::Unary(UnOp::Not, sum)) = changed.get(&checksum) else {
        return false;
    };
    let Expr::OnesSum(init, terms) = &**sum else {
        return false;
    };
    if !matches!(&**init, Expr::Const(c) if c.is_zero()) {
        return false;
    }
    let mut actual: Vec<(bool, Vec<Piece>)> = Vec::new();
    for term in terms {
        for word in words(&pieces(program, &term.value)) {
            actual.push((term.subtract, word));
        }
    }
    let others: Vec<FieldRef> = changed
        .keys()
        .filter(|f| f.header == header && **f != checksum)
        .copied()
        .collect();
    let mut expected = vec![(true, pieces(program, &Expr::Field(checksum)))];
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (index, def) in ty.fields.iter().enumerate() {
        if matches!(def.kind, FieldKind::Varbit(_)) {
            continue;
        }
        let field = FieldRef {
            header,
            field: index as u32,
        };
        let before = Expr::Field(field);
        new.push((*changed.get(&field).unwrap_or(&&before)).clone());
        old.push(before);
    }
    let old_words = words(&pieces(program, &Expr::Concat(old)));
    let new_words = words(&pieces(program, &Expr::Concat(new)));
    let touched: BTreeSet<usize> = others
        .iter()
        .flat_map(|f| {
            let first = ty.offset(f.field);
            let last = first + program.field_width(*f) - 1;
            (first as usize / 16)..=(last as usize / 16)
        })
        .collect();
    for word in touched {
        expected.push((true, old_words[word].clone()));
        expected.push((false, new_words[word].clone()));
    }
    same_terms(actual, expected)
}

/// Whether two sums have the same terms, in any order. Added zeros do not count.
fn same_terms(mut a: Vec<(bool, Vec<Piece>)>, mut b: Vec<(bool, Vec<Piece>)>) -> bool {
    let matters = |term: &(bool, Vec<Piece>)| {
        term.0 || !matches!(term.1.as_slice(), [Piece::Const(c)] if c.is_zero())
    };
    a.retain(matters);
    b.retain(matters);
    for term in b {
        match a.iter().position(|t| *t == term) {
            Some(at) => {
                a.swap_remove(at);
            }
            None => return false,
        }
    }
    a.is_empty()
}

/// A row of bits as 16-bit words, padded with zeros on the right.
fn words(row: &[Piece]) -> Vec<Vec<Piece>> {
    let width: u32 = row.iter().map(Piece::width).sum();
    let padded = width.next_multiple_of(16);
    let mut row = row.to_vec();
    if padded > width {
        row.push(Piece::Const(Bits::zero(padded - width)));
    }
    (0..padded / 16)
        .rev()
        .map(|i| bits_in(&row, i * 16 + 15, i * 16))
        .collect()
}
