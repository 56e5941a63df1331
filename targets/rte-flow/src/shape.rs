//! Which stacks of headers there are: the standard parse graph (p4/include/trisect/std.p4) behind
//! the encapsulation, as paths.
//!
//! A rule's pattern names headers from the outermost on, so a condition on `ipv4` becomes one
//! pattern per way in which the parser can reach it. [`Shapes`] lists these ways and answers what
//! known validity says about other headers.
//!
//! VLAN tags are not part of a path: items pass over them (see [`ItemKind::Eth`]), and they stand
//! behind the first Ethernet header only. Extension headers belong to the item `ipv6`, optional
//! words of GRE to `gre`.

use crate::ItemKind;
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{HeaderId, ParserOp, Program};
use trisect_target::wire;

/// A header instance of the standard headers or of the encapsulation, by position in [`STANDARD`].
pub type Std = u8;

/// A set of [`Std`].
pub type Set = u64;

/// What a standard header is.
struct Def {
    name: &'static str,
    /// Bits of its fixed fields.
    bits: u32,
    /// Its item; `None` for headers that no item names.
    item: Option<ItemKind>,
    /// What the parser may find behind it, VLAN tags aside.
    next: &'static [&'static str],
}

const fn def(
    name: &'static str,
    bits: u32,
    item: Option<ItemKind>,
    next: &'static [&'static str],
) -> Def {
    Def {
        name,
        bits,
        item,
        next,
    }
}

const STANDARD: &[Def] = {
    use ItemKind::*;
    &[
        def(wire::OUTER, 112, Some(Eth), &[wire::NSH]),
        def(wire::NSH, 64, Some(Nsh), &["ethernet"]),
        def(
            "ethernet",
            112,
            Some(Eth),
            &["nsh", "mpls[0]", "arp", "ipv4", "ipv6"],
        ),
        def(
            "nsh",
            64,
            Some(Nsh),
            &["ipv4", "ipv6", "inner_ethernet", "mpls[0]"],
        ),
        def("mpls[0]", 32, Some(Mpls), &["mpls[1]", "ipv4", "ipv6"]),
        def("mpls[1]", 32, Some(Mpls), &["mpls[2]", "ipv4", "ipv6"]),
        def("mpls[2]", 32, Some(Mpls), &["mpls[3]", "ipv4", "ipv6"]),
        def("mpls[3]", 32, Some(Mpls), &["ipv4", "ipv6"]),
        def("arp", 224, Some(ArpEthIpv4), &[]),
        def("ipv4", 160, Some(Ipv4), &["tcp", "udp", "icmp", "gre"]),
        def("ipv6", 320, Some(Ipv6), &["tcp", "udp", "icmpv6", "gre"]),
        def("tcp", 160, Some(Tcp), &[]),
        def("udp", 64, Some(Udp), &["vxlan"]),
        def("icmp", 64, Some(Icmp), &[]),
        def("icmpv6", 64, Some(Icmp6), &[]),
        def(
            "gre",
            32,
            Some(Gre),
            &["inner_ipv4", "inner_ipv6", "inner_ethernet"],
        ),
        def("vxlan", 64, Some(Vxlan), &["inner_ethernet"]),
        def(
            "inner_ethernet",
            112,
            Some(Eth),
            &["inner_ipv4", "inner_ipv6"],
        ),
        def(
            "inner_ipv4",
            160,
            Some(Ipv4),
            &["inner_tcp", "inner_udp", "inner_icmp"],
        ),
        def(
            "inner_ipv6",
            320,
            Some(Ipv6),
            &["inner_tcp", "inner_udp", "inner_icmpv6"],
        ),
        def("inner_tcp", 160, Some(Tcp), &[]),
        def("inner_udp", 64, Some(Udp), &[]),
        def("inner_icmp", 64, Some(Icmp), &[]),
        def("inner_icmpv6", 64, Some(Icmp6), &[]),
        // Not on paths: passed over, or never matched.
        def("vlan[0]", 32, Some(Vlan), &[]),
        def("vlan[1]", 32, Some(Vlan), &[]),
        def("vlan[2]", 32, Some(Vlan), &[]),
    ]
};

/// Position of a standard header by name.
pub fn std_named(name: &str) -> Option<Std> {
    STANDARD
        .iter()
        .position(|d| d.name == name)
        .map(|i| i as Std)
}

/// Whether the standard parser, or that of the encapsulation, extracts a header of this name.
pub fn is_parsed(name: &str) -> bool {
    let stack = name.split('[').next().unwrap_or(name);
    std_named(name).is_some()
        || [wire::CONTEXT1, wire::CONTEXT2].contains(&name)
        || [
            "ipv6_ext",
            "ipv6_fragment",
            "ipv6_ext_after",
            "gre_checksum",
            "gre_key",
            "gre_sequence",
        ]
        .contains(&stack)
}

/// Name of a standard header.
pub fn std_name(header: Std) -> &'static str {
    STANDARD[usize::from(header)].name
}

/// The item that names a standard header.
pub fn item_of(header: Std) -> Option<ItemKind> {
    STANDARD[usize::from(header)].item
}

/// The set with one member.
pub fn set(header: Std) -> Set {
    1 << header
}

/// The standard header that each header of a program is; `None` for headers of the program's own.
pub fn standard_headers(program: &Program) -> BTreeMap<HeaderId, Std> {
    program
        .headers
        .iter()
        .filter_map(|(id, header)| {
            let std = std_named(&header.name)?;
            (program.header_types[header.ty].fixed_bits() == STANDARD[usize::from(std)].bits)
                .then_some((id, std))
        })
        .collect()
}

/// What a program's parser does otherwise than the standard one, so that the NIC, whose parser is like
/// that one, would find other headers: a header that is not reached on all ways on which it can be
/// reached there, or on others. (Ways that are left out because nobody needs what they lead to are no
/// difference.)
pub fn strange_parser(program: &Program) -> Option<String> {
    let mut found: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut work: Vec<(_, Option<&str>)> = program
        .parser
        .start
        .into_iter()
        .map(|s| (s, None))
        .collect();
    while let Some((at, mut last)) = work.pop() {
        if !seen.insert((at, last)) {
            continue;
        }
        let state = &program.parser.states[at];
        for op in &state.ops {
            match op {
                ParserOp::Extract { header, .. } => {
                    let name = program.headers[*header].name.as_str();
                    if std_named(name).is_some() {
                        found.entry(name).or_default().insert(last);
                        last = Some(name);
                    } else if !is_parsed(name) {
                        return Some(format!("parser that extracts `{name}`"));
                    }
                }
                ParserOp::Advance(_) => return Some("parser that skips bytes".to_owned()),
                _ => {}
            }
        }
        work.extend(state.next.states().into_iter().map(|next| (next, last)));
    }
    // Headers that nobody needs are gone from the program, so those that are there are looked for.
    let names = program.headers.values().map(|h| h.name.as_str());
    for name in names.filter(|name| std_named(name).is_some()) {
        if !found.contains_key(name) {
            return Some(format!("parser that never finds `{name}`"));
        }
    }
    let differs = found
        .iter()
        .find(|(name, from)| ways_to(name).is_some_and(|ways| ways != **from));
    differs.map(|(name, _)| format!("parser that finds `{name}` otherwise than the standard one"))
}

/// What the standard parser extracts before a header; `None` for the headers with which a frame may begin.
fn ways_to(name: &str) -> Option<BTreeSet<Option<&'static str>>> {
    if [wire::OUTER, wire::NSH, "ethernet"].contains(&name) {
        return None;
    }
    let tags = ["vlan[0]", "vlan[1]", "vlan[2]"];
    if let Some(tag) = tags.iter().position(|tag| *tag == name) {
        let before = tag.checked_sub(1).map_or("ethernet", |before| tags[before]);
        return Some(BTreeSet::from([Some(before)]));
    }
    let mut ways = BTreeSet::new();
    for def in STANDARD.iter().filter(|def| def.next.contains(&name)) {
        ways.insert(Some(def.name));
        if def.name == "ethernet" {
            ways.extend(tags.map(Some));
        }
    }
    Some(ways)
}

/// What is known about the validity of headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facts {
    /// These are valid.
    pub yes: Set,
    /// These are not.
    pub no: Set,
}

impl Facts {
    /// What both say.
    #[must_use]
    pub fn and(self, other: Facts) -> Facts {
        Facts {
            yes: self.yes | other.yes,
            no: self.no | other.no,
        }
    }
}

/// One stack of headers, with the encapsulation, without VLAN tags.
type Path = Vec<Std>;

/// The paths of the standard parse graph.
pub struct Shapes {
    paths: Vec<(Path, Set)>,
    vlan: [Std; 3],
    ethernet: Std,
    outer: Std,
}

impl Default for Shapes {
    fn default() -> Self {
        Self::new()
    }
}

impl Shapes {
    /// Lists all paths.
    pub fn new() -> Self {
        let position = |name| std_named(name).unwrap_or_default();
        let outer = position(wire::OUTER);
        let mut paths = Vec::new();
        extend(&mut vec![outer], &mut paths);
        Self {
            paths,
            vlan: [
                position("vlan[0]"),
                position("vlan[1]"),
                position("vlan[2]"),
            ],
            ethernet: position("ethernet"),
            outer,
        }
    }

    fn vlans(&self) -> Set {
        self.vlan.iter().fold(0, |all, v| all | set(*v))
    }

    /// The facts with everything that follows for VLAN tags: a tag has all tags before it and the
    /// Ethernet header in front of it.
    fn with_vlan(&self, mut facts: Facts) -> Facts {
        if let Some(deepest) = self.vlan.iter().rposition(|v| facts.yes & set(*v) != 0) {
            facts.yes |= set(self.ethernet);
            for v in &self.vlan[..deepest] {
                facts.yes |= set(*v);
            }
        }
        if let Some(first) = self.vlan.iter().position(|v| facts.no & set(*v) != 0) {
            for v in &self.vlan[first..] {
                facts.no |= set(*v);
            }
        }
        if facts.no & set(self.ethernet) != 0 {
            facts.no |= self.vlans();
        }
        facts
    }

    fn feasible(&self, facts: Facts) -> impl Iterator<Item = &(Path, Set)> {
        let yes = facts.yes & !self.vlans();
        self.paths
            .iter()
            .filter(move |(_, on)| on & yes == yes && on & facts.no == 0)
    }

    /// Whether a header is valid, as far as the facts tell.
    pub fn validity(&self, header: Std, facts: Facts) -> Option<bool> {
        let facts = self.with_vlan(facts);
        if facts.yes & set(header) != 0 {
            return Some(true);
        }
        if facts.no & set(header) != 0 {
            return Some(false);
        }
        if self.vlan.contains(&header) {
            return self.validity(self.ethernet, facts).filter(|valid| !valid);
        }
        let mut seen = None;
        for (_, on) in self.feasible(facts) {
            let here = on & set(header) != 0;
            if *seen.get_or_insert(here) != here {
                return None;
            }
        }
        // Contradicting facts describe no packet: any answer will do.
        Some(seen.unwrap_or(false))
    }

    /// The stacks that a pattern must name to see all headers of `need`, for packets of which
    /// `facts` holds. Each ends at the last header of `need`.
    pub fn stacks(&self, need: Set, facts: Facts) -> Vec<Vec<Std>> {
        let both = self.with_vlan(Facts {
            yes: facts.yes | need,
            no: facts.no,
        });
        if both.yes & both.no != 0 {
            return Vec::new();
        }
        let tags: Vec<Std> = match self.vlan.iter().rposition(|v| need & set(*v) != 0) {
            Some(deepest) => self.vlan[..=deepest].to_vec(),
            None => Vec::new(),
        };
        let mut wanted = (need | set(self.outer)) & !self.vlans();
        if !tags.is_empty() {
            wanted |= set(self.ethernet);
        }
        let mut out: Vec<Vec<Std>> = Vec::new();
        for (path, _) in self.feasible(both) {
            let Some(last) = path.iter().rposition(|h| wanted & set(*h) != 0) else {
                continue;
            };
            let mut stack = Vec::new();
            for header in &path[..=last] {
                stack.push(*header);
                if *header == self.ethernet {
                    stack.extend(&tags);
                }
            }
            out.push(stack);
        }
        out.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        out.dedup();
        out
    }

    /// The headers of a set and all that may stand in front of them in a packet, except for those that
    /// a pattern names in any case.
    pub fn in_front_of(&self, headers: Set) -> Set {
        let mut all = headers;
        for (path, on) in &self.paths {
            if on & headers != 0
                && let Some(last) = path.iter().rposition(|h| headers & set(*h) != 0)
            {
                all |= path[..last].iter().fold(0, |all, h| all | set(*h));
            }
        }
        all | if headers & self.vlans() != 0 {
            set(self.ethernet)
        } else {
            0
        }
    }

    /// Whether a stack reaches behind the frame's Ethernet header, where VLAN tags are passed over.
    pub fn behind_ethernet(&self, stack: &[Std]) -> bool {
        let at = stack.iter().position(|h| *h == self.ethernet);
        at.is_some_and(|at| at + 1 < stack.len())
    }
}

fn extend(path: &mut Path, out: &mut Vec<(Path, Set)>) {
    let on = path.iter().fold(0, |all, h| all | set(*h));
    out.push((path.clone(), on));
    let Some(last) = path.last() else { return };
    for next in STANDARD[usize::from(*last)].next {
        let Some(next) = std_named(next) else {
            continue;
        };
        path.push(next);
        extend(path, out);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(yes: &[&str], no: &[&str]) -> Facts {
        let all = |names: &[&str]| {
            names
                .iter()
                .filter_map(|n| std_named(n))
                .fold(0, |all, h| all | set(h))
        };
        Facts {
            yes: all(yes),
            no: all(no),
        }
    }

    fn text(stacks: &[Vec<Std>]) -> Vec<String> {
        stacks
            .iter()
            .map(|s| s.iter().map(|h| std_name(*h)).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn one_pattern_per_way_to_a_header() {
        let shapes = Shapes::new();
        let need = facts(&["ipv4"], &[]).yes;
        // Five depths of MPLS, each with and without NSH in front.
        assert_eq!(shapes.stacks(need, Facts::default()).len(), 10);
        let plain = facts(&[], &["nsh", "mpls[0]"]);
        assert_eq!(
            text(&shapes.stacks(need, plain)),
            ["outer cut_nsh ethernet ipv4"]
        );
        let need = facts(&["ipv4", "vlan[1]"], &[]).yes;
        assert_eq!(
            text(&shapes.stacks(need, plain)),
            ["outer cut_nsh ethernet vlan[0] vlan[1] ipv4"]
        );
        assert!(shapes.stacks(need, facts(&["ipv6"], &[])).is_empty());
    }

    #[test]
    fn facts_imply_others() {
        let shapes = Shapes::new();
        let std = |name| std_named(name).unwrap_or_default();
        let tcp4 = facts(&["ipv4", "tcp"], &[]);
        assert_eq!(shapes.validity(std("ipv6"), tcp4), Some(false));
        assert_eq!(shapes.validity(std("udp"), tcp4), Some(false));
        assert_eq!(shapes.validity(std("ethernet"), tcp4), Some(true));
        assert_eq!(shapes.validity(std("vlan[0]"), tcp4), None);
        let tagged = facts(&["vlan[1]"], &[]);
        assert_eq!(shapes.validity(std("vlan[0]"), tagged), Some(true));
        let not4 = facts(&["tcp"], &["ipv4"]);
        assert_eq!(shapes.validity(std("ipv6"), not4), Some(true));
        let nothing = facts(&[], &["ethernet"]);
        assert_eq!(shapes.validity(std("vlan[0]"), nothing), Some(false));
        assert_eq!(shapes.validity(std("ipv4"), nothing), Some(false));
    }
}
