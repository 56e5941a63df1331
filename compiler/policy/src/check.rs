//! What a policy must fulfil beyond its grammar: first alone, then against the NF library and the
//! rack.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::diag::{Code, Diagnostic, Severity, Span};

use crate::codes;
use crate::filter::Filter;
use crate::filter::ast::Relation;
use crate::nf::{ConfigKind, NfDescription};
use crate::parse;
use crate::policy::{
    AttributeTest, AttributeValue, Condition, Edge, Name, NfInstance, Node, Pipeline, Policy, Share,
};
use crate::rack::{ExternalPort, Rack};

/// Names that are words of the language.
const RESERVED: [&str; 5] = ["in", "drop", "class", "nf", "pipeline"];

/// Reads a policy and checks what can be known without the library and the rack: names, cycles,
/// nodes and edges that no packet reaches, filters that never match, shares above 100 %.
/// `file` names the text in diagnostics.
///
/// # Errors
/// All that is wrong, in the order of the text.
pub fn parse_policy(text: &str, file: &str) -> Result<Policy, Vec<Diagnostic>> {
    let (mut policy, mut found) = parse::policy(text, file);
    resolve(&mut policy);
    // After a syntax error a part of the policy is missing, and most checks would report just that.
    if found.is_empty() {
        let mut check = Check {
            file,
            found: Vec::new(),
        };
        check.names(&policy);
        for pipeline in &policy.pipelines {
            check.pipeline(&policy, pipeline);
        }
        check.unused(&policy);
        found = check.found;
    }
    finish(policy, found)
}

fn finish(policy: Policy, mut found: Vec<Diagnostic>) -> Result<Policy, Vec<Diagnostic>> {
    found.sort_by_key(|diagnostic| diagnostic.span);
    if found
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        Err(found)
    } else {
        Ok(policy)
    }
}

/// Nodes that are declared NFs become so; all other names are ports.
fn resolve(policy: &mut Policy) {
    let nfs: BTreeSet<String> = policy.nfs.iter().map(|nf| nf.name.value.clone()).collect();
    for edge in policy
        .pipelines
        .iter_mut()
        .flat_map(|pipeline| &mut pipeline.edges)
    {
        for node in [&mut edge.from.value, &mut edge.to.value] {
            if let Node::Port(name) = node
                && nfs.contains(name)
            {
                *node = Node::Nf(std::mem::take(name));
            }
        }
    }
}

impl Policy {
    /// Checks the policy against the library (by function name) and the rack: functions, attributes
    /// and their values, configuration, ports, and rates. `file` is the name given to
    /// [`parse_policy`].
    pub fn check(
        &self,
        file: &str,
        library: &BTreeMap<String, NfDescription>,
        rack: &Rack,
    ) -> Vec<Diagnostic> {
        let mut check = Check {
            file,
            found: Vec::new(),
        };
        for nf in &self.nfs {
            check.instance(nf, library);
        }
        if self.pipelines.is_empty() {
            let found = check
                .error(
                    codes::POLICY_SYNTAX,
                    Span::default(),
                    "the policy has no pipeline",
                )
                .help("add one: pipeline NAME { class ports PORT; in -> NF -> PORT; }");
            check.found.push(found);
        }
        let ports: Vec<&str> = rack
            .external_ports()
            .map(|port| port.name.as_str())
            .collect();
        for pipeline in &self.pipelines {
            for port in &pipeline.class.ports {
                check.port(port, &port.value, &ports);
            }
            check.slo(pipeline, rack);
            for edge in &pipeline.edges {
                if let Node::Port(name) = &edge.to.value {
                    let place = Name::new(name.clone(), edge.to.span);
                    check.port(&place, name, &ports);
                }
                for test in edge
                    .condition
                    .iter()
                    .flat_map(|condition| condition.attributes())
                {
                    check.attribute(self, test, library);
                }
            }
        }
        check.found.sort_by_key(|diagnostic| diagnostic.span);
        check.found
    }
}

struct Check<'a> {
    file: &'a str,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, span, message)
    }

    fn unique<'n>(&mut self, names: impl Iterator<Item = &'n Name>, what: &str) {
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for name in names {
            if let Some(first) = seen.get(name.value.as_str()) {
                let message = format!("{what} `{}` is declared twice", name.value);
                let found = self
                    .error(codes::DUPLICATE_NAME, name.span, message)
                    .related(*first, "first declaration")
                    .help("rename or remove one of the two");
                self.found.push(found);
            } else {
                seen.insert(&name.value, name.span);
            }
        }
    }

    fn names(&mut self, policy: &Policy) {
        self.unique(policy.nfs.iter().map(|nf| &nf.name), "the instance");
        self.unique(
            policy.pipelines.iter().map(|pipeline| &pipeline.name),
            "the pipeline",
        );
        for nf in &policy.nfs {
            self.unique(
                nf.config.iter().map(|setting| &setting.name),
                "the configuration item",
            );
            if RESERVED.contains(&nf.name.value.as_str()) {
                let message = format!("`{}` is a word of the language", nf.name.value);
                let found = self
                    .error(codes::DUPLICATE_NAME, nf.name.span, message)
                    .help("choose another name");
                self.found.push(found);
            }
        }
    }

    fn unused(&mut self, policy: &Policy) {
        let used: BTreeSet<&str> = policy
            .pipelines
            .iter()
            .flat_map(Pipeline::nfs_of_edges)
            .collect();
        for nf in &policy.nfs {
            if !used.contains(nf.name.value.as_str()) {
                let message = format!("no pipeline uses `{}`", nf.name.value);
                let found = self
                    .error(codes::UNREACHABLE, nf.name.span, message)
                    .help("remove the declaration, or put the instance into a pipeline");
                self.found.push(found);
            }
        }
    }

    fn pipeline(&mut self, policy: &Policy, pipeline: &Pipeline) {
        self.unique(pipeline.class.ports.iter(), "the port");
        let class = &pipeline.class.filter;
        if class.never_matches() {
            self.never(class.span, "the class's filter can never match");
        }
        self.ends(pipeline);
        let before = self.found.len();
        self.cycle(pipeline);
        if self.found.len() == before {
            self.reachable(pipeline);
        }
        self.order(pipeline);
        self.rates(pipeline);
        for edge in &pipeline.edges {
            self.condition(policy, pipeline, edge);
        }
    }

    fn never(&mut self, span: Span, message: &str) {
        let found = self
            .error(codes::NEVER_MATCHES, span, message)
            .reason("its tests exclude each other")
            .help("join alternatives with `or`, or remove one of the tests");
        self.found.push(found);
    }

    /// Packets enter at `in` only, and end at ports and `drop`.
    fn ends(&mut self, pipeline: &Pipeline) {
        for edge in &pipeline.edges {
            let (span, message) = match (&edge.from.value, &edge.to.value) {
                (Node::Port(name), _) => {
                    (edge.from.span, format!("`{name}` is no NF of this policy"))
                }
                (Node::Drop, _) => (edge.from.span, "nothing comes out of `drop`".to_string()),
                (_, Node::In) => (edge.to.span, "no edge can lead to `in`".to_string()),
                _ => continue,
            };
            let found = self
                .error(codes::UNKNOWN_NAME, span, message)
                .reason("edges lead from `in` or an NF to an NF, a port or `drop`")
                .help("declare it with `nf NAME = FUNCTION`, or turn the edge round");
            self.found.push(found);
        }
        for name in pipeline.nfs_in_order() {
            let node = Node::Nf(name.to_string());
            if pipeline.edges_from(&node).next().is_none() {
                let at = pipeline.edges.iter().find(|edge| edge.to.value == node);
                let span = at.map_or(pipeline.name.span, |edge| edge.to.span);
                let found = self
                    .error(codes::DEAD_END, span, format!("no edge leaves `{name}`"))
                    .help(format!(
                        "add `{name} -> PORT`, or `{name} -> drop` if that is meant"
                    ));
                self.found.push(found);
            }
        }
    }

    fn cycle(&mut self, pipeline: &Pipeline) {
        let ordered: BTreeSet<&str> = pipeline.nfs_in_order().into_iter().collect();
        // What cannot be ordered is on a cycle or behind one; walk back until a node repeats.
        let open = |edge: &&Edge| match (&edge.from.value, &edge.to.value) {
            (Node::Nf(from), Node::Nf(to)) => {
                !ordered.contains(from.as_str()) && !ordered.contains(to.as_str())
            }
            _ => false,
        };
        let Some(mut edge) = pipeline.edges.iter().find(open) else {
            return;
        };
        let mut walked: Vec<&Edge> = vec![edge];
        while let Some(previous) = pipeline
            .edges
            .iter()
            .filter(open)
            .find(|other| other.to.value == edge.from.value)
        {
            edge = previous;
            if let Some(at) = walked
                .iter()
                .position(|seen| seen.to.value == edge.from.value)
            {
                walked.push(edge);
                walked.drain(..at);
                break;
            }
            walked.push(edge);
        }
        let mut path: Vec<String> = walked.iter().rev().map(|e| e.from.to_string()).collect();
        path.extend(walked.first().map(|edge| edge.to.to_string()));
        let message = format!("the pipeline has a cycle: {}", path.join(" -> "));
        let span = walked
            .first()
            .map_or(pipeline.name.span, |edge| edge.to.span);
        let found = self
            .error(codes::CYCLE, span, message)
            .reason("a packet passes each NF at most once")
            .help("remove one of these edges, or declare a second instance of the NF");
        self.found.push(found);
    }

    fn reachable(&mut self, pipeline: &Pipeline) {
        let mut reached = BTreeSet::from([Node::In]);
        let mut open = vec![&Node::In];
        while let Some(node) = open.pop() {
            for edge in pipeline.edges_from(node) {
                if reached.insert(edge.to.value.clone()) {
                    open.push(&edge.to.value);
                }
            }
        }
        if pipeline.edges_from(&Node::In).next().is_none() {
            let message = format!(
                "no edge leaves `in` in the pipeline `{}`",
                pipeline.name.value
            );
            let found = self
                .error(codes::UNREACHABLE, pipeline.name.span, message)
                .help("begin a chain with `in -> ...`");
            self.found.push(found);
            return;
        }
        let mut reported = BTreeSet::new();
        for edge in &pipeline.edges {
            let from = &edge.from;
            if !reached.contains(&from.value)
                && matches!(from.value, Node::Nf(_))
                && reported.insert(&from.value)
            {
                let message = format!("no packet can reach `{}`", from.value);
                let found = self
                    .error(codes::UNREACHABLE, from.span, message)
                    .help("lead an edge there from `in` or an NF behind it");
                self.found.push(found);
            }
        }
    }

    /// Edges behind an unconditional one, and edges written twice.
    fn order(&mut self, pipeline: &Pipeline) {
        for (index, edge) in pipeline.edges.iter().enumerate() {
            let mut earlier = pipeline.edges[..index]
                .iter()
                .filter(|e| e.from.value == edge.from.value);
            let Some(cover) =
                earlier.find(|e| e.condition.is_none() || e.condition == edge.condition)
            else {
                continue;
            };
            let (code, message) = if cover.to == edge.to && cover.condition == edge.condition {
                (codes::DUPLICATE_EDGE, "this edge is written twice")
            } else {
                (
                    codes::UNREACHABLE,
                    "an earlier edge takes all packets of this one",
                )
            };
            let found = self
                .error(code, edge.from.span.to(edge.to.span), message)
                .related(cover.from.span.to(cover.to.span), "earlier edge")
                .reason("the first edge whose filter a packet passes takes it")
                .help("give the earlier edge a filter, change the order, or remove one");
            self.found.push(found);
        }
    }

    fn rates(&mut self, pipeline: &Pipeline) {
        let nodes: BTreeSet<&Node> = pipeline.edges.iter().map(|edge| &edge.from.value).collect();
        for node in nodes {
            let (mut fraction, mut rate) = (0u64, 0u64);
            let mut span = None;
            for share in pipeline
                .edges_from(node)
                .filter_map(|edge| edge.share.as_ref())
            {
                match share.value {
                    Share::Fraction(millionths) => fraction += u64::from(millionths),
                    Share::Rate(bits) => rate = rate.saturating_add(bits.0),
                }
                span = Some(share.span);
            }
            let Some(span) = span else { continue };
            let offered = pipeline.class.rate.filter(|offered| rate > offered.0);
            let message = if fraction > 1_000_000 {
                let total = Share::Fraction(u32::try_from(fraction).unwrap_or(u32::MAX));
                format!("the edges that leave `{node}` take {total} of its packets")
            } else if let Some(offered) = offered {
                let total = crate::policy::BitRate(rate);
                format!(
                    "the edges that leave `{node}` take {total}, but only {offered} are offered"
                )
            } else {
                continue;
            };
            let found = self
                .error(codes::BAD_RATE, span, message)
                .reason("a packet takes one edge")
                .help("lower the estimates");
            self.found.push(found);
        }
    }

    /// Objectives that no plan can meet, whatever the machines.
    fn slo(&mut self, pipeline: &Pipeline, rack: &Rack) {
        let slo = &pipeline.slo;
        let of_class = |port: &&ExternalPort| {
            let ports = &pipeline.class.ports;
            ports.is_empty() || ports.iter().any(|p| p.value == port.name)
        };
        let line_rates = || {
            rack.external_ports()
                .filter(of_class)
                .map(|port| port.rate.0)
        };
        let offered = match pipeline.class.rate {
            Some(rate) => rate.0,
            None => line_rates().sum(),
        };
        let mut wrong = Vec::new();
        if let Some(min) = &slo.min {
            if min.value.0 == 0 {
                let message = "a minimum of 0 asks for nothing".to_owned();
                wrong.push((min.span, message, "leave it out"));
            } else if min.value.0 > offered {
                let offered = crate::policy::BitRate(offered);
                let message = format!(
                    "at least {} are to be carried, but only {offered} are offered",
                    min.value
                );
                wrong.push((
                    min.span,
                    message,
                    "lower the minimum, or raise the class's rate",
                ));
            }
        }
        if let Some(max) = &slo.max {
            match &slo.min {
                Some(min) if min.value > max.value => {
                    let message = format!("the minimum {} is above the maximum", min.value);
                    wrong.push((max.span, message, "exchange them"));
                }
                _ if max.value.0 == 0 => {
                    let message = "a maximum of 0 forbids the class".to_owned();
                    wrong.push((
                        max.span,
                        message,
                        "leave it out, or send the class to `drop`",
                    ));
                }
                _ => {}
            }
        }
        if let Some(latency) = slo.latency.as_ref().filter(|latency| latency.value.0 == 0) {
            let message = "no packet is through in no time".to_owned();
            wrong.push((latency.span, message, "give a time above 0, such as 200us"));
        }
        for (span, message, help) in wrong {
            let found = self.error(codes::BAD_SLO, span, message).help(help);
            self.found.push(found);
        }
    }

    fn condition(&mut self, policy: &Policy, pipeline: &Pipeline, edge: &Edge) {
        let Some(condition) = &edge.condition else {
            return;
        };
        if can_never_hold(condition) {
            self.never(condition.span, "the edge's condition can never hold");
        } else if edge.from.value == Node::In
            && excluded(condition, &pipeline.class.filter)
            && !pipeline.class.filter.never_matches()
        {
            self.never(
                condition.span,
                "the class's filter leaves no packet for this edge",
            );
        }
        for test in condition.attributes() {
            self.upstream(policy, pipeline, edge, test);
        }
    }

    fn upstream(
        &mut self,
        policy: &Policy,
        pipeline: &Pipeline,
        edge: &Edge,
        test: &AttributeTest,
    ) {
        if policy.nf(&test.nf).is_none() {
            let message = format!("`{}` is no NF of this policy", test.nf.value);
            let names: Vec<&str> = policy.nfs.iter().map(|nf| nf.name.value.as_str()).collect();
            let found = self
                .error(codes::UNKNOWN_NAME, test.nf.span, message)
                .help(format!("declared are: {}", names.join(", ")));
            self.found.push(found);
            return;
        }
        let wanted = Node::Nf(test.nf.value.clone());
        let mut reached = BTreeSet::new();
        let mut open = vec![&edge.from.value];
        while let Some(node) = open.pop() {
            if *node == wanted {
                return;
            }
            if reached.insert(node) {
                let back = pipeline.edges.iter().filter(|edge| edge.to.value == *node);
                open.extend(back.map(|edge| &edge.from.value));
            }
        }
        let message = format!("`{}` is not upstream of this edge", test.nf.value);
        let found = self
            .error(codes::NOT_UPSTREAM, test.nf.span, message)
            .reason("an attribute is known only behind the NF that sets it")
            .help("lead the packets through the NF first, or test something else");
        self.found.push(found);
    }

    fn instance(&mut self, nf: &NfInstance, library: &BTreeMap<String, NfDescription>) {
        let Some(description) = library.get(&nf.function.value) else {
            let names: Vec<&str> = library.keys().map(String::as_str).collect();
            let message = format!(
                "the library has no network function `{}`",
                nf.function.value
            );
            let found = self
                .error(codes::UNKNOWN_NF, nf.function.span, message)
                .help(format!("it has: {}", names.join(", ")));
            self.found.push(found);
            return;
        };
        for setting in &nf.config {
            let Some(item) = description.config_item(&setting.name) else {
                let known: Vec<&str> = description
                    .config
                    .iter()
                    .map(|item| item.name.as_str())
                    .collect();
                let message = format!(
                    "`{}` cannot be configured in `{}`",
                    setting.name.value, description.name
                );
                let found = self
                    .error(codes::BAD_CONFIG, setting.name.span, message)
                    .help(format!("it takes: {}", known.join(", ")));
                self.found.push(found);
                continue;
            };
            if let Some(updates) = &setting.updates
                && item.kind.table().is_none()
            {
                let message = format!("`{}` fills no table whose entries could change", item.name);
                let found = self
                    .error(codes::BAD_CONFIG, updates.span, message)
                    .help("leave `updates` out: it is for files of entries and of backends");
                self.found.push(found);
            }
            if let ConfigKind::Parameter { .. } = item.kind
                && let Err(message) = item.kind.parameter_literal(&setting.value)
            {
                let found = self
                    .error(codes::BAD_CONFIG, setting.value.span, message)
                    .help("give a value of the type that the NF's description names");
                self.found.push(found);
            }
        }
        for item in description.config.iter().filter(|item| item.is_required()) {
            if !nf
                .config
                .iter()
                .any(|setting| setting.name.value == item.name)
            {
                let message = format!("`{}` needs `{}`", nf.name.value, item.name);
                let found = self
                    .error(codes::BAD_CONFIG, nf.name.span, message)
                    .help(format!("add `{} = ...` between braces", item.name));
                self.found.push(found);
            }
        }
    }

    fn port(&mut self, place: &Name, name: &str, known: &[&str]) {
        if !known.contains(&name) {
            let message =
                format!("`{name}` is neither an NF of this policy nor a port of the rack");
            let found = self
                .error(codes::UNKNOWN_PORT, place.span, message)
                .help(format!(
                    "the rack's external ports are: {}",
                    known.join(", ")
                ));
            self.found.push(found);
        }
    }

    fn attribute(
        &mut self,
        policy: &Policy,
        test: &AttributeTest,
        library: &BTreeMap<String, NfDescription>,
    ) {
        // An unknown function is reported where the instance is declared.
        let function = policy
            .nf(&test.nf)
            .and_then(|nf| library.get(&nf.function.value));
        let Some(description) = function else { return };
        let Some(attribute) = description.attribute(&test.attribute) else {
            let known: Vec<&str> = description
                .attributes
                .iter()
                .map(|a| a.name.as_str())
                .collect();
            let message = format!(
                "`{}` declares no attribute `{}`",
                description.name, test.attribute.value
            );
            let found = self
                .error(codes::UNKNOWN_ATTRIBUTE, test.attribute.span, message)
                .help(format!("it declares: {}", known.join(", ")));
            self.found.push(found);
            return;
        };
        let value = &test.value;
        let wrong = match &value.value {
            AttributeValue::Name(name) => !attribute.values.contains_key(name),
            AttributeValue::Number(number) => {
                !attribute.values.is_empty() && !attribute.values.values().any(|v| v == number)
            }
        };
        if wrong {
            let known: Vec<&str> = attribute.values.keys().map(String::as_str).collect();
            let help = if known.is_empty() {
                "its values have no names: compare with a number".to_string()
            } else {
                format!("its values are: {}", known.join(", "))
            };
            let message = format!("`{}` has no value `{}`", attribute.name, value.value);
            let found = self
                .error(codes::UNKNOWN_VALUE, value.span, message)
                .help(help);
            self.found.push(found);
        }
    }
}

impl Pipeline {
    fn nfs_of_edges(&self) -> impl Iterator<Item = &str> {
        let nodes = self
            .edges
            .iter()
            .flat_map(|edge| [&edge.from.value, &edge.to.value]);
        nodes.filter_map(|node| match node {
            Node::Nf(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// The operands of a conjunction.
fn conjuncts(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::And(left, right) => [conjuncts(left), conjuncts(right)].concat(),
        other => vec![other],
    }
}

/// Whether it can be shown that the condition holds for no packet.
fn can_never_hold(condition: &Condition) -> bool {
    match condition {
        Condition::Packet(filter) => filter.never_matches(),
        Condition::Attribute(_) | Condition::Not(_) => false,
        Condition::Or(left, right) => can_never_hold(left) && can_never_hold(right),
        Condition::And(..) => {
            let parts = conjuncts(condition);
            let pairs = || {
                parts
                    .iter()
                    .enumerate()
                    .flat_map(|(i, a)| parts[..i].iter().map(move |b| (*a, *b)))
            };
            parts.iter().any(|part| can_never_hold(part)) || pairs().any(|(a, b)| contradict(a, b))
        }
    }
}

fn contradict(left: &Condition, right: &Condition) -> bool {
    match (left, right) {
        (Condition::Packet(left), Condition::Packet(right)) => left.excludes(right),
        (Condition::Attribute(left), Condition::Attribute(right)) => {
            let same = left.nf == right.nf && left.attribute == right.attribute;
            let (equal, other) = (Relation::Equal, right.relation);
            same && match (left.relation == equal, other == equal) {
                (true, true) => left.value != right.value,
                (true, false) => other == Relation::NotEqual && left.value == right.value,
                (false, true) => left.relation == Relation::NotEqual && left.value == right.value,
                (false, false) => false,
            }
        }
        (Condition::Not(inner), other) | (other, Condition::Not(inner)) => **inner == *other,
        _ => false,
    }
}

/// Whether it can be shown that no packet of the class passes the condition.
fn excluded(condition: &Condition, class: &Filter) -> bool {
    match condition {
        Condition::Packet(filter) => filter.excludes(class),
        Condition::And(left, right) => excluded(left, class) || excluded(right, class),
        Condition::Or(left, right) => excluded(left, class) && excluded(right, class),
        Condition::Attribute(_) | Condition::Not(_) => false,
    }
}
