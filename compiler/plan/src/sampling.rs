//! What sampling hashes, and the tag that a packet carries where an NF changes that.
//!
//! The tag is two hashes of the packet's fields, made by the switch as the packet enters the rack. In classes
//! whose NFs change something that is hashed, it is live from there to the end, and so travels like all live
//! metadata: in the context headers between devices, as metadata within one. Elsewhere each device hashes the
//! fields that it sees.

use crate::analysis::Slot;
use crate::cut::{Problem, Solution};
use crate::error::PlanError;
use crate::facts::Facts;
use crate::machines::Machines;
use crate::merge::Merged;
use crate::pgraph::PGraph;
use crate::site::Site;
use crate::split::{self, SplitError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use trisect_ir::{
    BinOp, Expr, FieldKind, HashAlgorithm, HeaderType, LValue, MetaId, NodeId, NodeKind, Op,
    Program,
};
use trisect_sample::{Algorithm, Field, SampleSpec};
use trisect_target::{Resources, wire};

/// What sampling hashes, and how a packet's trajectory is known where an NF changes that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What it takes of each device that it is compiled into.
    pub costs: Vec<SamplingCost>,
    /// Bytes of context headers more, per packet of the rack.
    pub header_bytes: f64,
}

/// What sampling takes of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplingCost {
    /// The device.
    pub device: String,
    /// What the device's piece uses more than it would without.
    pub uses: Resources,
    /// Cycles of a host core for a packet that carries no tag, by the target's estimate for the same operations: those
    /// that carry one are not hashed.
    pub cycles: u64,
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
        costs: Vec::new(),
        header_bytes: 0.0,
    }
}

/// What a cut costs more with sampling than without.
///
/// # Errors
/// The cut cannot be carried out without: a bug of ours.
pub(crate) fn costs(
    facts: &Facts,
    problem: &Problem,
    machines: &Machines,
    solution: &Solution,
) -> Result<(Vec<SamplingCost>, f64), SplitError> {
    let Some(tagging) = facts.tagging() else {
        return Ok((Vec::new(), 0.0));
    };
    let mut plain = facts.program.clone();
    plain.control.entry = Some(tagging.next);
    let plain = Facts::new(&plain);
    let pieces = split::split(&plain, &solution.assignment, &machines.ports)?;
    let mut costs = Vec::new();
    for site in machines.sites() {
        let (Some(device), Some(with)) = (machines.device(site), solution.pieces.at(site)) else {
            continue;
        };
        let used = |piece: &Program| device.fit(piece).map(|used| used.resources);
        let without = pieces.at(site).and_then(|piece| used(piece).ok());
        let without = without.unwrap_or_default();
        let more = used(with).unwrap_or_default();
        let more = more.iter().map(|(name, amount)| {
            let more = amount.saturating_sub(without.get(name).unwrap_or(0));
            (name.to_owned(), more)
        });
        let hashes = device.check(facts.program, tagging.node);
        costs.push(SamplingCost {
            device: machines.name(site),
            uses: more.filter(|(_, more)| *more > 0).collect(),
            cycles: match site {
                Site::Host(_) => hashes.able().map_or(0, |used| used.cycles),
                Site::Switch | Site::Nic(_) => 0,
            },
        });
    }
    let without = problem.cost(&plain, &solution.assignment).header_bytes;
    Ok((costs, solution.cost.header_bytes - without))
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

/// Name of the node that gives packets their tag.
pub(crate) const TAG_NODE: &str = "sampling.tag";

/// Declares the tag, and makes what gives it to a packet as it enters the rack; last, what finds from it whether the
/// packet is sampled.
///
/// # Errors
/// The hash is none that devices compute, or a header that sampling looks at is not known.
pub(crate) fn give_tag(program: &mut Program, spec: &SampleSpec) -> Result<Vec<Op>, PlanError> {
    let algorithm = |key: Vec<u8>| match spec.hash {
        Algorithm::Toeplitz => Ok(HashAlgorithm::Toeplitz(key)),
        Algorithm::HalfSipHash => Ok(HashAlgorithm::HalfSipHash(first_bytes(&key))),
        other => Err(PlanError::Sampling(format!(
            "no device of this rack computes `{other}` for its packets"
        ))),
    };
    let (select, label) = (algorithm(spec.key.clone())?, algorithm(spec.label_key())?);
    let known = Known::new(program)?;
    let (is_six, four, six) = known.inputs(&spec.fields);
    let width = |parts: &[Expr]| parts.iter().map(|p| program.width(p, &[])).sum::<u32>();
    let (bits, missing) = (width(&six), width(&six) - width(&four));
    let whole = program.add_meta("sampling.input", bits);
    let tag = program.add_meta(wire::TAG, wire::TAG_BITS);
    let sampled = program.add_meta(wire::SAMPLED, 1);
    // The shorter input stands in front, zeroes behind it.
    let zeroes = (missing > 0).then(|| Expr::num(missing, 0));
    let padded = Expr::Concat(four.into_iter().chain(zeroes).collect());
    let input = mux(is_six.clone(), Expr::Concat(six), padded);
    let hash = |algorithm: HashAlgorithm| {
        let of = |input| Expr::Hash(algorithm.clone(), vec![input]);
        let all = of(Expr::Meta(whole));
        match spec.hash {
            // Zeroes behind its input do not change it.
            Algorithm::Toeplitz => all,
            _ if missing == 0 => all,
            _ => {
                let front = Expr::Slice(Box::new(Expr::Meta(whole)), bits - 1, missing);
                mux(is_six.clone(), all, of(front))
            }
        }
    };
    let both = Expr::Concat(vec![hash(select), hash(label)]);
    Ok(vec![
        Op::Set(LValue::meta(whole), input),
        Op::Set(LValue::meta(tag), both),
        Op::Set(LValue::meta(sampled), verdict(spec, tag)),
    ])
}

/// As many bytes of a key as HalfSipHash takes.
fn first_bytes(key: &[u8]) -> [u8; 8] {
    std::array::from_fn(|i| key.get(i).copied().unwrap_or(0))
}

/// Whether the first hash of a tag lies in the range.
fn verdict(spec: &SampleSpec, tag: MetaId) -> Expr {
    let bits = |hi, lo| Expr::Slice(Box::new(Expr::Meta(tag)), hi, lo);
    let (first, last) = (spec.range.first, spec.range.last);
    let high = wire::TAG_BITS - 1;
    let reversed = spec.hash == Algorithm::Toeplitz;
    let size = u64::from(last) + 1;
    let number = match reversed {
        // The range is a part of the buckets of a NIC's redirection table: some of the lowest bits are 0.
        true if first == 0 && size.is_power_of_two() => {
            return match 32 - size.trailing_zeros() {
                0 => Expr::num(1, 1),
                zeroes => bits(31 + zeroes, 32).equals(Expr::num(zeroes, 0)),
            };
        }
        true => Expr::Concat((32..=high).map(|bit| bits(bit, bit)).collect()),
        false => bits(high, 32),
    };
    let from = Expr::binary(BinOp::Ge, number.clone(), Expr::num(32, u64::from(first)));
    let to = Expr::binary(BinOp::Le, number, Expr::num(32, u64::from(last)));
    from.and(to)
}

/// The headers that sampling looks at, as `p4/include/trisect/std.p4` names them.
struct Known<'a> {
    program: &'a Program,
}

impl<'a> Known<'a> {
    fn new(program: &'a Program) -> Result<Self, PlanError> {
        let names = ["ipv4", "ipv6", "tcp", "udp"];
        let all = names.into_iter().flat_map(|n| [n.to_owned(), inner(n)]);
        for name in all.chain(["arp".to_owned(), "ethernet".to_owned()]) {
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
    /// A field of ARP, where that is; else this.
    fn or_arp(&self, name: &str, other: Expr, width: u32) -> Expr {
        mux(self.valid("arp"), self.field("arp", name, width), other)
    }
    /// The length of IPv4 or, of what is neither IP nor ARP, the EtherType.
    fn length_or_kind(&self) -> Expr {
        let kind = self.field("ethernet", "ether_type", 16);
        let kind = mux(self.valid("arp"), Expr::num(16, 0), kind);
        let ip = self.valid("ipv4").or(self.valid("inner_ipv4"));
        mux(ip, self.innermost("ipv4", "total_length", 16), kind)
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
    /// What [`trisect_sample::Sampler::input`] takes of a packet: whether it is IPv6, the parts of other packets, and
    /// those of IPv6.
    fn inputs(&self, fields: &[Field]) -> (Expr, Vec<Expr>, Vec<Expr>) {
        let part = |field: &Field, six: bool| match field {
            Field::IpSrc if six => self.innermost("ipv6", "src", 128),
            Field::IpDst if six => self.innermost("ipv6", "dst", 128),
            Field::IpProto if six => self.innermost("ipv6", "next_header", 8),
            Field::IpLength if six => self.innermost("ipv6", "payload_length", 16),
            Field::IpId | Field::IpFragOffset if six => Expr::num(16, 0),
            Field::IpSrc => self.or_arp("sender_ip", self.innermost("ipv4", "src", 32), 32),
            Field::IpDst => self.or_arp("target_ip", self.innermost("ipv4", "dst", 32), 32),
            Field::IpProto => self.or_arp("operation", self.innermost("ipv4", "protocol", 8), 8),
            Field::IpLength => self.length_or_kind(),
            Field::IpId => self.innermost("ipv4", "identification", 16),
            Field::IpFragOffset => self.innermost("ipv4", "fragment_offset", 16),
            Field::SrcPort => self.transport("src_port", 16, true),
            Field::DstPort => self.transport("dst_port", 16, true),
            Field::TcpSeq => self.transport("seq", 32, false),
            Field::TcpAck => self.transport("ack", 32, false),
            // Refused where the rack file is read.
            Field::PayloadPrefix | Field::PayloadDigest => Expr::num(8, 0),
        };
        let parts = |six: bool| fields.iter().map(|f| part(f, six)).collect();
        let is_six = mux(
            self.valid("inner_ipv4"),
            Expr::num(1, 0),
            self.valid("inner_ipv6").or(self.valid("ipv6")),
        );
        (is_six, parts(false), parts(true))
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
        for cost in &self.costs {
            // Writing to a String cannot fail.
            let _ = write!(out, "    {}: {} more", cost.device, cost.uses);
            let _ = match cost.cycles {
                0 => writeln!(out),
                cycles => writeln!(out, ", {cycles} cycles per packet without a tag"),
            };
        }
        if self.compiled.is_some() {
            let bytes = self.header_bytes;
            let _ = writeln!(
                out,
                "    {bytes:.2} bytes of context headers more per packet of the rack"
            );
        }
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
const OTHERS: [&str; 12] = [
    "vlan_t",
    "nsh_t",
    "mpls_t",
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
const PLACES: [(u32, &[FieldPlace]); 6] = [
    // Ethernet.
    (112, &[(Field::IpLength, 96, 16)]),
    // VLAN tags, MPLS labels, or the ports of TCP and UDP alone.
    (32, &[(Field::SrcPort, 0, 16), (Field::DstPort, 16, 16)]),
    (64, &[(Field::SrcPort, 0, 16), (Field::DstPort, 16, 16)]),
    // ARP for Ethernet and IPv4.
    (
        224,
        &[
            (Field::IpProto, 48, 16),
            (Field::IpSrc, 112, 32),
            (Field::IpDst, 192, 32),
        ],
    ),
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
