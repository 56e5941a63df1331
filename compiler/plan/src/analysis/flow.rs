//! What tells flows apart: which headers and fields, and whether a program's headers are really those.
//!
//! Headers are known by the names of the standard headers (`trisect/std.p4`). A program with a parser of
//! its own may use such a name for something else, for an inner header, or for one that is parsed for some
//! packets of a flow only. So for whoever relies on a value being the same for all packets of a flow
//! ([`same_in_flow`]) a header counts only if it lies where it should: its fields at the standard's
//! places, in front of it only what stands in front of it in the standard parser, and parsed because of
//! fields that are the same for the whole flow.

use super::Slot;
use std::collections::BTreeSet;
use trisect_ir::{Entity, Expr, FieldKind, FieldRef, HeaderId, ParserOp, Program, StdMeta};

/// A field's name, offset and width in bits.
type Place = (&'static str, u32, u32);

/// A header that defines a flow.
struct Known {
    name: &'static str,
    /// Whether it is a stack, of which every element counts.
    stack: bool,
    /// What counts of it; that it is there counts, too.
    fields: &'static [Place],
    /// What may stand in front of it.
    behind: &'static [&'static str],
}

const LINK: &[&str] = &["ethernet", "vlan"];
const LABELS: &[&str] = &["ethernet", "vlan", "mpls", "nsh"];
const NETWORK: &[&str] = &[
    "ethernet",
    "vlan",
    "mpls",
    "nsh",
    "ipv4",
    "ipv6",
    "ipv6_ext",
    "ipv6_ext_after",
    "ipv6_fragment",
];
const PORTS: &[Place] = &[("src_port", 0, 16), ("dst_port", 16, 16)];

const FLOW: [Known; 11] = [
    known(
        "ethernet",
        &[("dst", 0, 48), ("src", 48, 48), ("ether_type", 96, 16)],
        &[],
    ),
    stack("vlan", &[("vid", 4, 12), ("ether_type", 16, 16)], LINK),
    stack("mpls", &[("label", 0, 20)], LABELS),
    known("arp", &[], LINK),
    known(
        "ipv4",
        &[
            ("version", 0, 4),
            ("src", 96, 32),
            ("dst", 128, 32),
            ("protocol", 72, 8),
        ],
        LABELS,
    ),
    known(
        "ipv6",
        &[
            ("version", 0, 4),
            ("src", 64, 128),
            ("dst", 192, 128),
            ("next_header", 48, 8),
        ],
        LABELS,
    ),
    known("ipv6_fragment", &[], NETWORK),
    known("tcp", PORTS, NETWORK),
    known("udp", PORTS, NETWORK),
    known("icmp", &[], NETWORK),
    known("icmpv6", &[], NETWORK),
];

/// Fields that are no part of a flow's identity, but by which its packets are parsed alike: fragments
/// are told from what is whole by whoever asks for ports.
const SELECTORS: [(&str, &[&str]); 6] = [
    ("ipv4", &["fragment_offset"]),
    ("ipv6_fragment", &["fragment_offset", "next_header"]),
    ("ipv6_ext", &["next_header"]),
    ("ipv6_ext_after", &["next_header"]),
    ("mpls", &["bottom"]),
    ("nsh", &["next_protocol"]),
];

const fn known(
    name: &'static str,
    fields: &'static [Place],
    behind: &'static [&'static str],
) -> Known {
    Known {
        name,
        stack: false,
        fields,
        behind,
    }
}
const fn stack(
    name: &'static str,
    fields: &'static [Place],
    behind: &'static [&'static str],
) -> Known {
    Known {
        stack: true,
        ..known(name, fields, behind)
    }
}

/// The name of a header without its place in a stack.
fn stem(program: &Program, header: HeaderId) -> (&str, bool) {
    let name = program.headers[header].name.as_str();
    match name.split_once('[') {
        Some((stem, _)) => (stem, true),
        None => (name, false),
    }
}

fn find(program: &Program, header: HeaderId) -> Option<&'static Known> {
    let (stem, stack) = stem(program, header);
    FLOW.iter().find(|k| k.name == stem && k.stack == stack)
}

fn slots(program: &Program, header: HeaderId, known: &Known) -> impl Iterator<Item = Slot> {
    let ty = program.header_type(header);
    let fields = known.fields.iter().filter_map(|(name, ..)| ty.field(name));
    let fields: Vec<u32> = fields.collect();
    let field = move |field| Slot::Field(FieldRef { header, field });
    std::iter::once(Slot::Valid(header)).chain(fields.into_iter().map(field))
}

/// The fields and validities that define a flow in this program, by the names of the standard
/// headers: whoever writes one of them may make another flow of a packet.
pub fn flow_fields(program: &Program) -> BTreeSet<Slot> {
    program
        .headers
        .keys()
        .filter_map(|header| Some((header, find(program, header)?)))
        .flat_map(|(header, known)| slots(program, header, known))
        .collect()
}

/// Those of [`flow_fields`] that are the same for all packets of a flow, whatever the parser.
pub(super) fn same_in_flow(program: &Program) -> BTreeSet<Slot> {
    let states = before_states(program);
    let stands = |header: HeaderId, known: &Known| {
        let mut extracted = false;
        for (id, state) in program.parser.states.iter() {
            let Some(before) = &states[id.index()] else {
                continue;
            };
            let mut before = before.clone();
            for op in &state.ops {
                if let ParserOp::Extract { header: h, .. } = op
                    && *h == header
                {
                    extracted = true;
                    let behind = before.headers.iter().all(|h| {
                        let (stem, _) = stem(program, *h);
                        known.behind.contains(&stem)
                    });
                    if before.strange || !behind {
                        return false;
                    }
                }
                before.op(program, op);
            }
        }
        extracted && laid_out(program, header, known)
    };
    program
        .headers
        .keys()
        .filter_map(|header| Some((header, find(program, header)?)))
        .filter(|(header, known)| stands(*header, known))
        .flat_map(|(header, known)| slots(program, header, known))
        .collect()
}

/// Whether the fields that count, as far as the header has them, lie at their places.
fn laid_out(program: &Program, header: HeaderId, known: &Known) -> bool {
    let mut at = Some(0);
    program.header_type(header).fields.iter().all(|field| {
        let place = known.fields.iter().find(|(name, ..)| *name == field.name);
        let here = at;
        let width = match field.kind {
            FieldKind::Fixed(width) => width,
            FieldKind::Varbit(_) => 0,
        };
        at = match field.kind {
            FieldKind::Fixed(width) => here.map(|at| at + width),
            FieldKind::Varbit(_) => None,
        };
        place.is_none_or(|(_, offset, bits)| here == Some(*offset) && width == *bits)
    })
}

/// What may have happened before a place in the parser, on any way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Before {
    /// Headers that may have been extracted.
    headers: BTreeSet<HeaderId>,
    /// Whether something else moved the cursor or chose the way.
    strange: bool,
}

impl Before {
    fn op(&mut self, program: &Program, op: &ParserOp) {
        match op {
            ParserOp::Extract { header, .. } => drop(self.headers.insert(*header)),
            // A packet that fails is parsed no further: this may be so for some of a flow.
            ParserOp::Verify(cond, _) => self.strange |= !steady(program, cond),
            ParserOp::Set(..) => {}
            _ => self.strange = true,
        }
    }
    fn join(&mut self, other: &Before) -> bool {
        let old = self.clone();
        self.headers.extend(&other.headers);
        self.strange |= other.strange;
        old != *self
    }
}

/// By state index: what may have happened before a reachable state.
fn before_states(program: &Program) -> Vec<Option<Before>> {
    let mut found: Vec<Option<Before>> = vec![None; program.parser.states.len()];
    let Some(start) = program.parser.start else {
        return found;
    };
    found[start.index()] = Some(Before::default());
    let mut work = vec![start];
    while let Some(at) = work.pop() {
        let state = &program.parser.states[at];
        let Some(mut here) = found[at.index()].clone() else {
            continue;
        };
        for op in &state.ops {
            here.op(program, op);
        }
        here.strange |= state.next.exprs().iter().any(|key| !steady(program, key));
        for next in state.next.states() {
            let changed = match &mut found[next.index()] {
                Some(known) => known.join(&here),
                unknown => {
                    *unknown = Some(here.clone());
                    true
                }
            };
            if changed {
                work.push(next);
            }
        }
    }
    found
}

/// Whether the parser decides by an expression alike for all packets of a flow.
fn steady(program: &Program, expr: &Expr) -> bool {
    let mut steady = true;
    expr.walk(&mut |e| {
        steady &= match e {
            Expr::Field(f) => {
                let (stem, _) = stem(program, f.header);
                let ty = program.header_type(f.header);
                let name = ty.fields.get(f.field as usize).map(|f| f.name.as_str());
                let flow = find(program, f.header)
                    .is_some_and(|k| k.fields.iter().any(|(n, ..)| Some(*n) == name));
                let by = |(s, names): &(&str, &[&str])| {
                    *s == stem && names.iter().any(|n| Some(*n) == name)
                };
                flow || SELECTORS.iter().any(by)
            }
            // The standard parser looks ahead at versions and lengths.
            Expr::Lookahead { .. } => true,
            Expr::Meta(meta) => *meta == StdMeta::IngressPort.id(),
            Expr::Valid(_) | Expr::Frame { .. } | Expr::FrameLen => false,
            _ => true,
        };
    });
    steady
}
