//! What sampling hashes: what no node of the pipeline changes.

use crate::analysis::Slot;
use crate::facts::Facts;
use std::collections::BTreeSet;
use trisect_ir::{FieldKind, HeaderType, NodeKind};
use trisect_sample::Field;

/// Fields of headers for sampling of which no node writes any source: no switch sees payload, and all devices
/// must agree. Adding or removing a header of a kind
/// changes which header is the innermost, not its fields; sampling looks at the innermost one.
pub(crate) fn invariant_fields(facts: &Facts) -> Vec<Field> {
    let program = facts.program;
    let mut written: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut touched: BTreeSet<Field> = BTreeSet::new();
    for node in facts.sited() {
        if matches!(program.control.nodes[node].kind, NodeKind::Reparse(_)) {
            continue;
        }
        let effects = facts.effects(node);
        for slot in &effects.writes {
            let Slot::Field(field) = slot else { continue };
            if effects.restructures.contains(&field.header) {
                continue;
            }
            let ty = program.header_type(field.header);
            match ty.fields.get(field.field as usize) {
                Some(f) if is_standard(ty) => drop(written.insert((&ty.name, &f.name))),
                Some(_) => touched.extend(possibly(ty, field.field as usize)),
                None => {}
            }
        }
    }
    let mut kept = Field::invariant(|header, field| written.contains(&(header, field)));
    kept.retain(|field| !touched.contains(field) && !field.is_payload());
    kept
}

/// Other standard header types: nothing of them is sampled.
const OTHERS: [&str; 14] = [
    "ethernet_t",
    "vlan_t",
    "nsh_t",
    "mpls_t",
    "arp_t",
    "ipv6_extension_t",
    "ipv6_fragment_t",
    "icmp_t",
    "icmpv6_t",
    "gre_t",
    "gre_checksum_t",
    "gre_key_t",
    "gre_sequence_t",
    "vxlan_t",
];

/// Whether this is the standard header type of its name, as far as sampling is concerned.
fn is_standard(ty: &HeaderType) -> bool {
    let sources = Field::ALL.into_iter().flat_map(|f| f.sources());
    let mut own = sources.filter(|(header, _)| *header == ty.name).peekable();
    match own.peek() {
        Some(_) => own.all(|(_, field)| ty.field(field).is_some()),
        None => OTHERS.contains(&ty.name.as_str()),
    }
}

/// A sampled field with its offset and width in bits.
type FieldPlace = (Field, u32, u32);

/// Where sampled fields lie in the headers of a length in bits.
const PLACES: [(u32, &[FieldPlace]); 5] = [
    // Ethernet: nothing of it is sampled.
    (112, &[]),
    // VLAN tags, MPLS labels, or the ports of TCP and UDP alone.
    (32, &[(Field::SrcPort, 0, 16), (Field::DstPort, 16, 16)]),
    (64, &[(Field::SrcPort, 0, 16), (Field::DstPort, 16, 16)]),
    // IPv4 or TCP.
    (
        160,
        &[
            (Field::IpLength, 16, 16),
            (Field::IpId, 32, 16),
            (Field::IpFragOffset, 51, 13),
            (Field::IpProto, 72, 8),
            (Field::IpSrc, 96, 32),
            (Field::IpDst, 128, 32),
            (Field::SrcPort, 0, 16),
            (Field::DstPort, 16, 16),
            (Field::TcpSeq, 32, 32),
            (Field::TcpAck, 64, 32),
        ],
    ),
    (
        320,
        &[
            (Field::IpLength, 32, 16),
            (Field::IpProto, 48, 8),
            (Field::IpSrc, 64, 128),
            (Field::IpDst, 192, 128),
        ],
    ),
];

/// What sampling may find where the field of a program's own header type lies: by the header's length,
/// and all of it where that says nothing.
fn possibly(ty: &HeaderType, field: usize) -> Vec<Field> {
    let Some((_, places)) = PLACES.iter().find(|(bits, _)| *bits == ty.fixed_bits()) else {
        return Field::ALL.to_vec();
    };
    let width = |f: &trisect_ir::Field| match f.kind {
        FieldKind::Fixed(width) => width,
        FieldKind::Varbit(_) => 0,
    };
    let start: u32 = ty.fields.iter().take(field).map(width).sum();
    let end = start + ty.fields.get(field).map_or(0, width);
    places
        .iter()
        .filter(|(_, at, bits)| start < at + bits && *at < end)
        .map(|(field, ..)| *field)
        .collect()
}
