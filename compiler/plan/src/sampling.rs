//! What sampling hashes, and the tag that a packet carries where an NF changes that.
//!
//! The tag is two hashes of the packet's fields, made by the switch as the packet enters the rack. In classes
//! whose NFs change something that is hashed, it is live from there to the end, and so travels like all live
//! metadata: in the context headers between devices, as metadata within one. Elsewhere each device hashes the
//! fields that it sees.

use crate::analysis::Slot;
use crate::error::PlanError;
use crate::facts::Facts;
use crate::merge::Merged;
use crate::pgraph::PGraph;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use trisect_ir::{
    Expr, FieldKind, HashAlgorithm, HeaderType, LValue, MetaId, NodeId, NodeKind, Op, Program,
};
use trisect_sample::{Algorithm, Field, SampleSpec};
use trisect_target::wire;

/// What sampling hashes, and how a packet's trajectory is known where an NF changes that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// Hash, key and range that are compiled into the devices, if the rack file asks for that.
    pub compiled: Option<SampleSpec>,
    /// What is hashed. Without anything compiled in, the fields that no NF of any class changes.
    pub fields: Vec<Field>,
    /// The metadata that holds the tag: two hashes of a packet's fields at the rack's entry, first the one that
    /// selects, then the one that labels (see [`trisect_sample::Sampler::tagged`]), 32 bits each.
    pub tag: Option<MetaId>,
    /// The classes, as the policy names them.
    pub classes: Vec<ClassSampling>,
}

/// Sampling of one traffic class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSampling {
    /// The pipeline's name.
    pub class: String,
    /// Fields that no NF of the class changes.
    pub invariant: Vec<Field>,
    /// Fields that are hashed though an NF of the class changes them.
    pub changed: Vec<Changed>,
    /// Whether its packets carry their tag from the rack's entry on, as something that is hashed changes.
    pub tagged: bool,
}

/// A field that NFs change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The field.
    pub field: Field,
    /// The NFs.
    pub by: Vec<String>,
}

/// Name of the node that gives packets their tag.
const TAG_NODE: &str = "sampling.tag";

/// What the plan does about sampling; `spec` is what the rack file asks for.
pub(crate) fn sampling(
    facts: &Facts,
    spec: Option<&SampleSpec>,
    merged: &Merged,
    graph: &PGraph,
) -> Sampling {
    let every: BTreeSet<NodeId> = facts.sited().collect();
    let invariant = |nodes: &BTreeSet<NodeId>| -> (Vec<Field>, BTreeMap<Field, BTreeSet<String>>) {
        let changed = changed(facts, nodes);
        let kept = headers().filter(|f| !changed.contains_key(f)).collect();
        (kept, changed)
    };
    let fields = spec.map_or_else(|| invariant(&every).0, |spec| spec.fields.clone());
    let classes = graph.pipelines.iter().zip(&merged.starts);
    let classes = classes.map(|(pipeline, start)| {
        let (invariant, changed) = invariant(&of_class(facts, *start));
        let hashed = changed.into_iter().filter(|(f, _)| fields.contains(f));
        let changed: Vec<Changed> = hashed
            .map(|(field, by)| Changed {
                field,
                by: by.into_iter().collect(),
            })
            .collect();
        ClassSampling {
            class: pipeline.name.clone(),
            invariant,
            tagged: spec.is_some() && !changed.is_empty(),
            changed,
        }
    });
    Sampling {
        classes: classes.collect(),
        compiled: spec.cloned(),
        fields,
        tag: facts.program.meta_named(wire::TAG),
    }
}

/// The nodes whose packets carry the tag: those of tagged classes, those from which there is a way to such a
/// class, and `Emit`, which all classes share.
pub(crate) fn tagged_nodes(
    facts: &Facts,
    sampling: &Sampling,
    merged: &Merged,
) -> BTreeSet<NodeId> {
    let mut nodes = BTreeSet::new();
    for (class, start) in sampling.classes.iter().zip(&merged.starts) {
        if class.tagged {
            nodes.extend(of_class(facts, *start));
            nodes.extend(facts.graph.ancestors(*start));
        }
    }
    // The tag is not known before the node that gives it, and not asked for where a packet ends.
    let gives = facts.program.control.entry;
    let dropped = |node| matches!(facts.program.control.nodes[node].kind, NodeKind::Drop);
    nodes.retain(|node| Some(*node) != gives && !dropped(*node));
    nodes
}

/// What is behind the start of a class, with it.
fn of_class(facts: &Facts, start: NodeId) -> BTreeSet<NodeId> {
    let mut nodes = facts.graph.descendants(start);
    nodes.insert(start);
    nodes
}

/// Fields of headers: no switch sees payload, and all devices must agree.
fn headers() -> impl Iterator<Item = Field> {
    Field::ALL.into_iter().filter(|field| !field.is_payload())
}

/// Fields of which some of these nodes write a source, with the NFs (nodes, where they are of none). Adding or
/// removing a header of a kind changes which header is the innermost, not its fields; sampling looks at the
/// innermost one.
fn changed(facts: &Facts, nodes: &BTreeSet<NodeId>) -> BTreeMap<Field, BTreeSet<String>> {
    let program = facts.program;
    let mut found: BTreeMap<Field, BTreeSet<String>> = BTreeMap::new();
    for &node in nodes {
        let own = &program.control.nodes[node];
        if facts.is_terminal(node) || matches!(own.kind, NodeKind::Reparse(_)) {
            continue;
        }
        let by = match own.nf.as_str() {
            "" => &own.name,
            nf => nf,
        };
        let effects = facts.effects(node);
        for slot in &effects.writes {
            let Slot::Field(field) = slot else { continue };
            if effects.restructures.contains(&field.header) {
                continue;
            }
            let ty = program.header_type(field.header);
            let Some(written) = ty.fields.get(field.field as usize) else {
                continue;
            };
            let fields = match is_standard(ty) {
                true => headers()
                    .filter(|f| f.sources().contains(&(&ty.name, &written.name)))
                    .collect(),
                false => possibly(ty, field.field as usize),
            };
            for field in fields {
                found.entry(field).or_default().insert(by.to_owned());
            }
        }
    }
    found
}

/// Declares the tag, and makes what gives it to a packet as it enters the rack.
///
/// # Errors
/// The hash is none that devices compute, or a header that sampling looks at is not known.
pub(crate) fn give_tag(program: &mut Program, spec: &SampleSpec) -> Result<Tagging, PlanError> {
    let algorithm = |key: Vec<u8>| match spec.hash {
        Algorithm::Toeplitz => Ok(HashAlgorithm::Toeplitz(key)),
        other => Err(PlanError::Sampling(format!(
            "no device of this rack computes `{other}` for its packets"
        ))),
    };
    let (select, label) = (algorithm(spec.key.clone())?, algorithm(spec.label_key())?);
    let known = Known::new(program)?;
    let input = known.input(&spec.fields);
    let bits = program.width(&input, &[]);
    let whole = program.add_meta("sampling.input", bits);
    let tag = program.add_meta(wire::TAG, wire::TAG_BITS);
    let hash = |algorithm| Expr::Hash(algorithm, vec![Expr::Meta(whole)]);
    let ops = vec![
        Op::Set(LValue::meta(whole), input),
        Op::Set(
            LValue::meta(tag),
            Expr::Concat(vec![hash(select), hash(label)]),
        ),
    ];
    Ok(Tagging {
        name: TAG_NODE,
        ops,
    })
}

/// The node that gives packets their tag.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tagging {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub ops: Vec<Op>,
}

/// The headers that sampling looks at, as `p4/include/trisect/std.p4` names them.
struct Known<'a> {
    program: &'a Program,
}

impl<'a> Known<'a> {
    fn new(program: &'a Program) -> Result<Self, PlanError> {
        let names = ["ipv4", "ipv6", "tcp", "udp"];
        let all = names.into_iter().flat_map(|n| [n.to_owned(), inner(n)]);
        for name in all {
            let standard = |h| is_standard(program.header_type(h));
            if !program.header_named(&name).is_some_and(standard) {
                return Err(PlanError::Sampling(format!(
                    "the pipeline's parser has no standard header `{name}`"
                )));
            }
        }
        Ok(Self { program })
    }
    fn valid(&self, header: &str) -> Expr {
        match self.program.header_named(header) {
            Some(header) => Expr::Valid(header),
            None => Expr::num(1, 0),
        }
    }
    /// A field at a width; 0 if its header is not there.
    fn field(&self, header: &str, name: &str, width: u32) -> Expr {
        let Some(field) = self.program.field_named(header, name) else {
            return Expr::num(width, 0);
        };
        let field = Expr::Field(field);
        match self.program.width(&field, &[]) == width {
            true => field,
            false => Expr::Resize(Box::new(field), width),
        }
    }
    /// A field of the innermost of two headers.
    fn innermost(&self, header: &str, name: &str, width: u32) -> Expr {
        let (outer, inner) = (
            self.field(header, name, width),
            self.field(&inner(header), name, width),
        );
        mux(self.valid(&self::inner(header)), inner, outer)
    }
    /// A field of TCP or, if `udp` has it, too, of UDP, behind the innermost IP header.
    fn transport(&self, name: &str, width: u32, udp: bool) -> Expr {
        let either = |tcp: &str, other: &str| {
            let of_tcp = self.field(tcp, name, width);
            match udp {
                true => mux(self.valid(tcp), of_tcp, self.field(other, name, width)),
                false => of_tcp,
            }
        };
        let (outer, inner) = (either("tcp", "udp"), either("inner_tcp", "inner_udp"));
        let inside = self.valid("inner_ipv4").or(self.valid("inner_ipv6"));
        mux(inside, inner, outer)
    }
    /// What [`trisect_sample::Sampler::input`] takes of a packet; that of IPv4, which is shorter, with zeroes
    /// behind it, which do not change a Toeplitz hash.
    fn input(&self, fields: &[Field]) -> Expr {
        let part = |field: &Field, six: bool| match field {
            Field::IpSrc if six => self.innermost("ipv6", "src", 128),
            Field::IpDst if six => self.innermost("ipv6", "dst", 128),
            Field::IpProto if six => self.innermost("ipv6", "next_header", 8),
            Field::IpLength if six => self.innermost("ipv6", "payload_length", 16),
            Field::IpId | Field::IpFragOffset if six => Expr::num(16, 0),
            Field::IpSrc => self.innermost("ipv4", "src", 32),
            Field::IpDst => self.innermost("ipv4", "dst", 32),
            Field::IpProto => self.innermost("ipv4", "protocol", 8),
            Field::IpLength => self.innermost("ipv4", "total_length", 16),
            Field::IpId => self.innermost("ipv4", "identification", 16),
            Field::IpFragOffset => self.innermost("ipv4", "fragment_offset", 16),
            Field::SrcPort => self.transport("src_port", 16, true),
            Field::DstPort => self.transport("dst_port", 16, true),
            Field::TcpSeq => self.transport("seq", 32, false),
            Field::TcpAck => self.transport("ack", 32, false),
            // Refused where the rack file is read.
            Field::PayloadPrefix | Field::PayloadDigest => Expr::num(8, 0),
        };
        let joined = |six: bool| fields.iter().map(|f| part(f, six)).collect::<Vec<_>>();
        let (four, six) = (joined(false), joined(true));
        let bits = |parts: &[Expr]| {
            parts
                .iter()
                .map(|p| self.program.width(p, &[]))
                .sum::<u32>()
        };
        let missing = bits(&six) - bits(&four);
        let mut four = four;
        if missing > 0 {
            four.push(Expr::num(missing, 0));
        }
        let is_six = mux(
            self.valid("inner_ipv4"),
            Expr::num(1, 0),
            self.valid("inner_ipv6").or(self.valid("ipv6")),
        );
        mux(is_six, Expr::Concat(six), Expr::Concat(four))
    }
}

/// The same header in a tunnel.
fn inner(header: &str) -> String {
    format!("inner_{header}")
}

fn mux(cond: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Mux(Box::new(cond), Box::new(yes), Box::new(no))
}

impl Sampling {
    /// What is hashed and which classes carry tags, for people.
    pub fn text(&self) -> String {
        let list = |fields: &[Field]| {
            let names: Vec<String> = fields.iter().map(Field::to_string).collect();
            names.join(", ")
        };
        let mut out = match &self.compiled {
            Some(spec) => format!("sampling by {} over {}\n", spec.hash, list(&self.fields)),
            None => format!(
                "sampling is not compiled in ([sampling] in the rack file asks for it); `run` hashes {}\n",
                list(&self.fields)
            ),
        };
        for class in &self.classes {
            // Writing to a String cannot fail.
            let _ = write!(out, "    {}: ", class.class);
            let changes: Vec<String> = class.changed.iter().map(Changed::to_string).collect();
            let _ = match (class.tagged, changes.is_empty()) {
                (true, _) => writeln!(
                    out,
                    "packets carry the tag that they get at the rack's entry, since {}; they leave the rack without",
                    changes.join(", ")
                ),
                (false, true) => {
                    writeln!(out, "every device hashes, since no NF changes any of it")
                }
                (false, false) => writeln!(out, "no tags, though {}", changes.join(", ")),
            };
        }
        out
    }
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} changes {}", self.by.join(" and "), self.field)
    }
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
