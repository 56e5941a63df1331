//! Policies: which traffic goes through which network functions, and where it leaves.
//!
//! ```text
//! # Residential customers.
//! nf nat = snat { pool = "pool.entries"; idle = 30 };
//! nf ids = ids { signatures = "ids.patterns" };
//!
//! pipeline residential {
//!     class ports p0, p1 filter "ip and (tcp or udp)" rate 4Gbps;
//!     slo min 1Gbps latency 200us weight 2;
//!     in -> nat -> ids;
//!     ids -[ids.verdict == safe]-> p4;
//!     ids -[ids.verdict == unsafe and "tcp port 80", rate 10%]-> norm -> p5;
//!     ids -> drop;
//! }
//! ```
//!
//! # Meaning
//!
//! - A packet belongs to the first pipeline, in the order of the text, whose class takes it: it came
//!   in on one of the ports (all external ports if none are named) and passes the filter. A packet
//!   that belongs to no pipeline is dropped and counted.
//! - Nodes are `in`, NF instances, external ports and `drop`. Behind `in` or an NF a packet takes the
//!   first of the node's edges, in the order of the text, whose filter it passes; if there is none
//!   it is dropped and counted. An edge without a filter takes all that is left.
//! - A packet filter on an edge looks at the packet as it leaves the node. `nf.attribute` is what an NF
//!   upstream declared for the packet.
//! - Rates are estimates for sizing; they change no packet. `slo` says what a plan has to reach for the
//!   class ([`Slo`]); it changes no packet either. Nor does `updates`: how often the control plane changes an entry of
//!   the table ([`Updates`]), which devices must keep up with. Nor does `flows`: how many flows of a class there are at a
//!   time, and how long they are ([`Flows`]).
//!
//! # Grammar
//!
//! ```text
//! policy    = { nf | pipeline }
//! nf        = "nf" NAME "=" NAME [ "{" { NAME "=" value [ updates ] [ ";" | "," ] } "}" ] [ ";" ]
//! updates   = "updates" ( NUMBER | PERCENT )    200 entries a second; one with 0.1% of packets
//! value     = STRING | NUMBER | NAME | ADDRESS
//! pipeline  = "pipeline" NAME "{" { statement ";" } "}"
//! statement = class | slo | NAME edge NAME { edge NAME }
//! slo       = "slo" [ "min" RATE ] [ "max" RATE ] [ "latency" TIME ] [ "weight" NUMBER ]
//! class     = "class" [ "ports" NAME { "," NAME } ] [ "filter" STRING ] [ "rate" RATE ] [ flows ]
//! flows     = "flows" NUMBER "of" NUMBER "packets"
//! edge      = "->" | "-[" ( condition [ "," "rate" share ] | "rate" share ) "]->"
//! share     = RATE | PERCENT                    4Gbps, 250Mbps, 12.5%
//! TIME      = a number with `ns`, `us` or `ms`  200us
//! condition = all { "or" all }
//! all       = unary { "and" unary }
//! unary     = "not" unary | "(" condition ")" | STRING | NAME "." NAME relation ( NAME | NUMBER )
//! relation  = "==" | "!=" | "<" | "<=" | ">" | ">="
//! ```
//!
//! A STRING in a condition or behind `filter` is a packet filter ([`crate::filter`]). Comments run
//! from `#` to the end of the line. The `;` before a `}` may be left out.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use trisect_ir::diag::Span;

use crate::filter::Filter;
use crate::filter::ast::Relation;

/// A value with its place in the text. The place is no part of the value: it is neither compared nor
/// serialised.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands; empty if it was not read from a text.
    pub span: Span,
}

impl<T> Located<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Located<T> {
        Located { value, span }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Located<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Located {
            value,
            span: Span::default(),
        })
    }
}

/// A name with its place.
pub type Name = Located<String>;

/// A whole policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// NF instances, in the order of the text.
    pub nfs: Vec<NfInstance>,
    /// Pipelines, in the order of the text: the first whose class takes a packet has it.
    pub pipelines: Vec<Pipeline>,
}

/// `nf fw = firewall { acl = "acl.entries" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NfInstance {
    /// Its name in this policy.
    pub name: Name,
    /// The network function in the library.
    pub function: Name,
    /// Its configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<Setting>,
}

/// One configuration item of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The item, as the NF's description names it.
    pub name: Name,
    /// The text of the value: a path relative to the policy, or a parameter's value.
    pub value: Located<String>,
    /// How often the control plane changes entries of the table that the item fills; as the NF's description
    /// says if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<Located<Updates>>,
}

/// How often the control plane changes an entry of a table while packets run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Updates {
    /// So many entries per second, whatever the traffic.
    PerSecond(u64),
    /// One for so many millionths of the packets that look the table up.
    Fraction(u32),
}

/// A traffic class and the graph that its packets walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Name.
    pub name: Name,
    /// Which packets.
    pub class: Class,
    /// What a plan has to reach for them.
    #[serde(default, skip_serializing_if = "Slo::is_empty")]
    pub slo: Slo,
    /// Edges, in the order of the text: the first of a node's edges that takes a packet has it.
    pub edges: Vec<Edge>,
}

/// A traffic class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// External ports; none: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Name>,
    /// Packet filter.
    pub filter: Located<Filter>,
    /// Offered load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<BitRate>,
    /// Its flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<Flows>,
}

/// How many flows of a class there are, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// Flows at a time; at least 1.
    pub at_once: u64,
    /// Packets of each, on average; at least 1.
    pub packets: u64,
}

impl Default for Class {
    fn default() -> Class {
        let filter = Located::new(Filter::everything(), Span::default());
        Class {
            ports: Vec::new(),
            filter,
            rate: None,
            flows: None,
        }
    }
}

/// Service-level objectives of a traffic class. What is not given is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slo {
    /// Bits per second that must be carried, at most the offered load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Located<BitRate>>,
    /// Bits per second above which more is worth nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Located<BitRate>>,
    /// Longest time from external port to external port, without queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Located<Latency>>,
    /// What a bit per second of this class is worth, relative to those of other classes; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Located<u32>>,
}

impl Slo {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Slo::default()
    }
}

/// A time in nanoseconds; as text a number with a unit, such as `200us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Latency(pub u64);

/// A node of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// Where the class's packets come in.
    In,
    /// An NF instance.
    Nf(String),
    /// An external port.
    Port(String),
    /// Where packets end.
    Drop,
}

/// An edge of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// From.
    pub from: Located<Node>,
    /// To.
    pub to: Located<Node>,
    /// Which packets; `None`: all that earlier edges left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Located<Condition>>,
    /// Estimate of how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Located<Share>>,
}

/// What an edge asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// A packet filter.
    Packet(Filter),
    /// A derived attribute.
    Attribute(AttributeTest),
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// Either.
    Or(Box<Condition>, Box<Condition>),
    /// The opposite.
    Not(Box<Condition>),
}

/// `ids.verdict == unsafe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeTest {
    /// The NF instance.
    pub nf: Name,
    /// Its attribute.
    pub attribute: Name,
    /// Unsigned comparison.
    pub relation: Relation,
    /// The value compared with.
    pub value: Located<AttributeValue>,
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeValue {
    /// A name from the NF's description.
    Name(String),
    /// A number.
    Number(u64),
}

/// Bits per second; as text a number with a unit, such as `2.5Gbps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BitRate(pub u64);

/// How much of the traffic takes an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Bits per second.
    Rate(BitRate),
    /// Millionths of what enters the node.
    Fraction(u32),
}

impl Policy {
    /// The instance of that name.
    pub fn nf(&self, name: &str) -> Option<&NfInstance> {
        self.nfs.iter().find(|nf| nf.name.value == name)
    }
}

impl Pipeline {
    /// The edges that leave a node, in the order in which they are tried.
    pub fn edges_from<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Edge> {
        self.edges
            .iter()
            .filter(move |edge| edge.from.value == *node)
    }

    /// The NF instances of this pipeline, each after all that come before it on some path; those that
    /// do not depend on each other in the order of the text.
    pub fn nfs_in_order(&self) -> Vec<&str> {
        let mut open: Vec<&str> = Vec::new();
        for edge in &self.edges {
            for node in [&edge.from.value, &edge.to.value] {
                if let Node::Nf(name) = node
                    && !open.contains(&name.as_str())
                {
                    open.push(name);
                }
            }
        }
        let mut done: Vec<&str> = Vec::new();
        loop {
            let ready = open.iter().position(|name| {
                !self
                    .edges
                    .iter()
                    .any(|edge| match (&edge.from.value, &edge.to.value) {
                        (Node::Nf(from), Node::Nf(to)) => {
                            to == name && open.contains(&from.as_str())
                        }
                        _ => false,
                    })
            });
            match ready {
                Some(index) => done.push(open.remove(index)),
                None => return done,
            }
        }
    }
}

impl Condition {
    /// The packet filters in this condition, in the order of the text.
    pub fn filters(&self) -> Vec<&Filter> {
        match self {
            Condition::Packet(filter) => vec![filter],
            Condition::Attribute(_) => vec![],
            Condition::And(left, right) | Condition::Or(left, right) => {
                [left.filters(), right.filters()].concat()
            }
            Condition::Not(inner) => inner.filters(),
        }
    }

    /// The attribute tests in this condition, in the order of the text.
    pub fn attributes(&self) -> Vec<&AttributeTest> {
        match self {
            Condition::Packet(_) => vec![],
            Condition::Attribute(test) => vec![test],
            Condition::And(left, right) | Condition::Or(left, right) => {
                [left.attributes(), right.attributes()].concat()
            }
            Condition::Not(inner) => inner.attributes(),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for nf in &self.nfs {
            writeln!(f, "{nf}")?;
        }
        for (index, pipeline) in self.pipelines.iter().enumerate() {
            if index > 0 || !self.nfs.is_empty() {
                writeln!(f)?;
            }
            write!(f, "{pipeline}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NfInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nf {} = {}", self.name.value, self.function.value)?;
        if self.config.is_empty() {
            return f.write_str(";");
        }
        f.write_str(" {")?;
        for Setting {
            name,
            value,
            updates,
        } in &self.config
        {
            write!(f, " {} = \"{}\"", name.value, value.value)?;
            if let Some(updates) = updates {
                write!(f, " updates {}", updates.value)?;
            }
            f.write_str(";")?;
        }
        f.write_str(" };")
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pipeline {} {{", self.name.value)?;
        write!(f, "    class")?;
        for (index, port) in self.class.ports.iter().enumerate() {
            write!(
                f,
                "{}{}",
                if index == 0 { " ports " } else { ", " },
                port.value
            )?;
        }
        if !self.class.filter.is_everything() {
            write!(f, " filter \"{}\"", self.class.filter.value)?;
        }
        if let Some(rate) = self.class.rate {
            write!(f, " rate {rate}")?;
        }
        if let Some(flows) = self.class.flows {
            write!(f, " flows {} of {} packets", flows.at_once, flows.packets)?;
        }
        writeln!(f, ";")?;
        if !self.slo.is_empty() {
            writeln!(f, "    {};", self.slo)?;
        }
        for edge in &self.edges {
            writeln!(f, "    {edge};")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slo")?;
        if let Some(min) = &self.min {
            write!(f, " min {}", min.value)?;
        }
        if let Some(max) = &self.max {
            write!(f, " max {}", max.value)?;
        }
        if let Some(latency) = &self.latency {
            write!(f, " latency {}", latency.value)?;
        }
        if let Some(weight) = &self.weight {
            write!(f, " weight {}", weight.value)?;
        }
        Ok(())
    }
}

impl Latency {
    /// Units with their nanoseconds, largest first.
    pub(crate) const UNITS: [(&'static str, u64); 3] =
        [("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
}

impl fmt::Display for Latency {
    /// In the largest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = Latency::UNITS
            .iter()
            .find(|(_, ns)| self.0 > 0 && self.0.is_multiple_of(*ns));
        let (unit, ns) = fits.copied().unwrap_or(("ns", 1));
        write!(f, "{}{unit}", self.0 / ns)
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.from.value)?;
        match (&self.condition, &self.share) {
            (None, None) => write!(f, "->")?,
            (Some(condition), None) => write!(f, "-[{}]->", condition.value)?,
            (None, Some(share)) => write!(f, "-[rate {}]->", share.value)?,
            (Some(condition), Some(share)) => {
                write!(f, "-[{}, rate {}]->", condition.value, share.value)?;
            }
        }
        write!(f, " {}", self.to.value)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::In => f.write_str("in"),
            Node::Drop => f.write_str("drop"),
            Node::Nf(name) | Node::Port(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Condition {
    /// Parentheses only where precedence needs them; both joins associate to the left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strength = |condition: &Condition| match condition {
            Condition::Or(..) => 0,
            Condition::And(..) => 1,
            _ => 2,
        };
        let nested = |f: &mut fmt::Formatter<'_>, condition: &Condition, least: u32| {
            if strength(condition) < least {
                write!(f, "({condition})")
            } else {
                write!(f, "{condition}")
            }
        };
        match self {
            Condition::Packet(filter) => write!(f, "\"{filter}\""),
            Condition::Attribute(test) => write!(
                f,
                "{}.{} {} {}",
                test.nf.value,
                test.attribute.value,
                if test.relation == Relation::Equal {
                    "=="
                } else {
                    test.relation.symbol()
                },
                test.value.value
            ),
            Condition::Not(inner) => {
                f.write_str("not ")?;
                nested(f, inner, 2)
            }
            Condition::And(left, right) => {
                nested(f, left, 1)?;
                f.write_str(" and ")?;
                nested(f, right, 2)
            }
            Condition::Or(left, right) => {
                nested(f, left, 0)?;
                f.write_str(" or ")?;
                nested(f, right, 1)
            }
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Name(name) => f.write_str(name),
            AttributeValue::Number(number) => write!(f, "{number}"),
        }
    }
}

impl BitRate {
    /// Units with their bits per second, largest first.
    pub(crate) const UNITS: [(&'static str, u64); 5] = [
        ("Tbps", 1_000_000_000_000),
        ("Gbps", 1_000_000_000),
        ("Mbps", 1_000_000),
        ("kbps", 1_000),
        ("bps", 1),
    ];
}

/// What is wrong with the text of a [`BitRate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate; write it as 10Gbps, 2.5Gbps or 250Mbps")]
pub struct ParseRateError(pub String);

impl std::str::FromStr for BitRate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<BitRate, ParseRateError> {
        let unit = BitRate::UNITS
            .iter()
            .find_map(|(unit, bits)| Some((text.trim().strip_suffix(unit)?, *bits)));
        unit.and_then(|(number, bits)| scaled(number.trim(), bits))
            .map(BitRate)
            .ok_or_else(|| ParseRateError(text.to_string()))
    }
}

impl TryFrom<String> for BitRate {
    type Error = ParseRateError;

    fn try_from(text: String) -> Result<BitRate, ParseRateError> {
        text.parse()
    }
}

impl From<BitRate> for String {
    fn from(rate: BitRate) -> String {
        rate.to_string()
    }
}

/// A decimal number times a unit, rounded down; `None` if it is malformed or does not fit.
pub(crate) fn scaled(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 12 {
        return None;
    }
    let digits: u128 = fraction.parse().ok()?;
    let part = digits * u128::from(unit) / 10u128.pow(fraction.len() as u32);
    let total = u128::from(whole.parse::<u64>().ok()?) * u128::from(unit) + part;
    u64::try_from(total).ok()
}

impl fmt::Display for BitRate {
    /// In the largest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = BitRate::UNITS
            .iter()
            .find(|(_, bits)| self.0 > 0 && self.0.is_multiple_of(*bits));
        let (unit, bits) = fits.copied().unwrap_or(("bps", 1));
        write!(f, "{}{unit}", self.0 / bits)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Rate(rate) => write!(f, "{rate}"),
            Share::Fraction(millionths) => percent(f, *millionths),
        }
    }
}

impl fmt::Display for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Updates::PerSecond(entries) => write!(f, "{entries}"),
            Updates::Fraction(millionths) => percent(f, *millionths),
        }
    }
}

/// Millionths as a percentage.
fn percent(f: &mut fmt::Formatter<'_>, millionths: u32) -> fmt::Result {
    let percent = format!("{}.{:04}", millionths / 10_000, millionths % 10_000);
    write!(
        f,
        "{}%",
        percent.trim_end_matches('0').trim_end_matches('.')
    )
}
