//! The policy grammar, with nom; [`crate::policy`] describes it. Errors inside one statement do not
//! hide those of the next: reading goes on behind the next `;` or `}`.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while};
use nom::combinator::{map, opt, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use trisect_ir::diag::{Diagnostic, Span};

use crate::codes;
use crate::filter::Filter;
use crate::filter::ast::Relation;
use crate::policy::{
    AttributeTest, AttributeValue, BitRate, Class, Condition, Edge, Flows, Latency, Located, Name,
    NfInstance, Node, Pipeline, Policy, Setting, Share, Slo, Updates, scaled,
};
use crate::syntax::{Fault, Input, Parsed, bad_value, fail, sign, skip};

/// Deepest nesting of conditions.
const MAX_DEPTH: u32 = 100;
/// Most tests in the condition of one edge. It bounds the depth of the tree.
const MAX_TESTS: u32 = 1000;

const TOP_HELP: &str =
    "a policy is a list of `nf NAME = FUNCTION { ... }` and `pipeline NAME { ... }`";
const STATEMENT_HELP: &str =
    "write `class ports p0 filter \"ip\";`, `slo min 1Gbps;` or a chain `in -> fw -> p1;`";
const NAME_HELP: &str = "a name is a letter, then letters, digits, `_` and `-`";
const UPDATES_HELP: &str =
    "write `updates 200` for entries per second, or `updates 0.1%` for one with so many packets";
const FLOWS_HELP: &str =
    "write `flows 100000 of 40 packets`: so many at a time, each with so many packets on average";
const RATE_HELP: &str = "write it as 4Gbps, 250Mbps or (on edges) 12.5%";

/// Reads the text as far as it follows the grammar.
pub(crate) fn policy(source: &str, file: &str) -> (Policy, Vec<Diagnostic>) {
    let mut grammar = Grammar {
        source,
        file,
        found: Vec::new(),
        tests: 0,
    };
    let policy = grammar.policy();
    (policy, grammar.found)
}

struct Grammar<'a> {
    source: &'a str,
    file: &'a str,
    found: Vec<Diagnostic>,
    /// Tests in the condition that is being read.
    tests: u32,
}

/// A chain of nodes joined by edges, the class, or its objectives.
enum Statement {
    Class(Class, Span),
    Slo(Slo, Span),
    Chain(Vec<Edge>),
}

/// What stands between two nodes.
struct Arrow {
    condition: Option<Located<Condition>>,
    share: Option<Located<Share>>,
}

impl<'a> Grammar<'a> {
    fn offset(&self, rest: Input<'_>) -> usize {
        self.source.len() - rest.len()
    }

    fn span(&self, from: Input<'_>, to: Input<'_>) -> Span {
        Span::new(self.offset(from), self.offset(to))
    }

    fn report(&mut self, error: nom::Err<Fault<'_>>) {
        let (nom::Err::Error(fault) | nom::Err::Failure(fault)) = error else {
            return;
        };
        let span = fault.span(self.source);
        let message = if fault.message.is_empty() {
            "unexpected text"
        } else {
            &fault.message
        };
        self.found.push(
            Diagnostic::error(codes::POLICY_SYNTAX, self.file, span, message).help(fault.help),
        );
    }

    fn policy(&mut self) -> Policy {
        let mut policy = Policy::default();
        let mut rest = skip(self.source);
        while !rest.is_empty() {
            let at = rest;
            let (behind, word) = word(rest).unwrap_or((rest, ""));
            let done = match word {
                "nf" => self.nf(behind).map(|(rest, nf)| {
                    policy.nfs.push(nf);
                    rest
                }),
                "pipeline" => self.pipeline(behind).map(|(rest, pipeline)| {
                    policy.pipelines.push(pipeline);
                    rest
                }),
                _ => fail(at, "expected `nf` or `pipeline`", TOP_HELP).map(|(rest, ())| rest),
            };
            rest = match done {
                Ok(rest) => skip(rest),
                Err(error) => {
                    self.report(error);
                    next_declaration(behind)
                }
            };
        }
        policy
    }

    fn name(&self, input: Input<'a>, what: &str) -> Parsed<'a, Name> {
        let start = skip(input);
        match word(start) {
            Ok((rest, text)) => Ok((rest, Located::new(text.to_string(), self.span(start, rest)))),
            Err(_) => fail(start, format!("expected {what}"), NAME_HELP),
        }
    }

    fn string(&self, input: Input<'a>) -> Parsed<'a, Located<&'a str>> {
        let start = skip(input);
        let quote = tag::<_, _, Fault<'a>>("\"");
        let text = take_while(|c| c != '"' && c != '\n');
        match delimited(quote, text, tag("\"")).parse(start) {
            Ok((rest, text)) => {
                let open = self.offset(start) + 1;
                Ok((rest, Located::new(text, Span::new(open, open + text.len()))))
            }
            Err(_) if start.starts_with('"') => fail(
                start,
                "the string does not end on its line",
                "close it with \"",
            ),
            Err(_) => fail(start, "expected a string", "write it in double quotes"),
        }
    }

    /// A string that is a packet filter; a wrong one is reported and taken as "everything".
    fn filter(&mut self, input: Input<'a>) -> Parsed<'a, Located<Filter>> {
        let (rest, text) = self.string(input)?;
        let filter = Filter::parse_in(self.source, text.span, self.file).unwrap_or_else(|error| {
            self.found.push(*error);
            Filter::everything()
        });
        Ok((rest, Located::new(filter, text.span)))
    }

    fn nf(&mut self, input: Input<'a>) -> Parsed<'a, NfInstance> {
        let (rest, name) = self.name(input, "the name of the instance")?;
        let (rest, ()) = expect(rest, "=", "write `nf fw = firewall { ... }`")?;
        let (rest, function) = self.name(rest, "the name of a network function")?;
        let mut nf = NfInstance {
            name,
            function,
            config: Vec::new(),
        };
        let Ok((mut rest, ())) = sign("{")(rest) else {
            return map(opt(sign(";")), |_| nf.clone()).parse(rest);
        };
        loop {
            if let Ok((behind, ())) = sign("}")(rest) {
                let (behind, _) = opt(sign(";")).parse(behind)?;
                return Ok((behind, nf));
            }
            let (behind, name) = self.name(rest, "a configuration item or `}`")?;
            let (behind, ()) = expect(behind, "=", "write `item = \"file\"`")?;
            let (behind, value) = self.setting_value(behind)?;
            let (behind, updates) = self.updates(behind)?;
            nf.config.push(Setting {
                name,
                value,
                updates,
            });
            (rest, _) = opt(alt((sign(";"), sign(",")))).parse(behind)?;
        }
    }

    fn setting_value(&self, input: Input<'a>) -> Parsed<'a, Located<String>> {
        let start = skip(input);
        if start.starts_with('"') {
            let (rest, text) = self.string(start)?;
            return Ok((rest, Located::new(text.value.to_string(), text.span)));
        }
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_' | '-');
        let (rest, text) = take_while::<_, _, Fault<'a>>(bare).parse(start)?;
        if text.is_empty() {
            return fail(
                start,
                "expected a value",
                "write a string, a number or an address",
            );
        }
        Ok((rest, Located::new(text.to_string(), self.span(start, rest))))
    }

    /// How often the entries of a file change, if that stands there. `updates` may also be the next item.
    fn updates(&self, input: Input<'a>) -> Parsed<'a, Option<Located<Updates>>> {
        let Ok((behind, ())) = keyword("updates")(input) else {
            return Ok((input, None));
        };
        let start = skip(behind);
        if start.starts_with('=') {
            return Ok((input, None));
        }
        let number = |c: char| c.is_ascii_digit() || c == '.';
        let (rest, text) = take_while::<_, _, Fault<'a>>(number).parse(start)?;
        let (rest, updates) = match sign("%")(rest) {
            Ok((rest, ())) => {
                let share = scaled(text, 10_000).and_then(|share| u32::try_from(share).ok());
                let share = share.filter(|share| *share <= 1_000_000);
                (rest, share.map(Updates::Fraction))
            }
            Err(_) => (rest, text.parse().ok().map(Updates::PerSecond)),
        };
        match updates {
            Some(updates) => Ok((rest, Some(Located::new(updates, self.span(start, rest))))),
            None => bad_value(start, "expected how often entries change", UPDATES_HELP),
        }
    }

    fn pipeline(&mut self, input: Input<'a>) -> Parsed<'a, Pipeline> {
        let (rest, name) = self.name(input, "the name of the pipeline")?;
        let (mut rest, ()) = expect(rest, "{", "write `pipeline NAME { ... }`")?;
        let mut pipeline = Pipeline {
            name,
            class: Class::default(),
            slo: Slo::default(),
            edges: Vec::new(),
        };
        let mut class_at: Option<Span> = None;
        let mut slo_at: Option<Span> = None;
        loop {
            rest = skip(rest);
            if let Ok((behind, ())) = sign("}")(rest) {
                return Ok((behind, pipeline));
            }
            if let Ok((behind, ())) = sign(";")(rest) {
                rest = behind;
                continue;
            }
            if rest.is_empty() {
                return fail(rest, "the pipeline does not end", "close it with `}`");
            }
            rest = match self.statement(rest) {
                Ok((behind, Statement::Chain(edges))) => {
                    pipeline.edges.extend(edges);
                    behind
                }
                Ok((behind, Statement::Class(class, span))) => {
                    if let Some(first) = class_at {
                        let message = "a pipeline has one class";
                        self.found.push(
                            Diagnostic::error(codes::DUPLICATE_NAME, self.file, span, message)
                                .related(first, "first class")
                                .help("join the filters with `or`, or write a second pipeline"),
                        );
                    }
                    class_at = Some(span);
                    pipeline.class = class;
                    behind
                }
                Ok((behind, Statement::Slo(slo, span))) => {
                    if let Some(first) = slo_at {
                        let message = "a pipeline has one `slo`";
                        self.found.push(
                            Diagnostic::error(codes::DUPLICATE_NAME, self.file, span, message)
                                .related(first, "first `slo`")
                                .help("write all objectives behind one `slo`"),
                        );
                    }
                    slo_at = Some(span);
                    pipeline.slo = slo;
                    behind
                }
                Err(error) => {
                    self.report(error);
                    next_statement(rest)
                }
            };
        }
    }

    fn statement(&mut self, input: Input<'a>) -> Parsed<'a, Statement> {
        let (rest, statement) = match word(input) {
            Ok((rest, "class")) => {
                let (behind, class) = self.class(rest)?;
                (behind, Statement::Class(class, self.span(input, rest)))
            }
            // An NF may be called so.
            Ok((rest, "slo")) if !skip(rest).starts_with('-') => {
                let (behind, slo) = self.slo(rest)?;
                (behind, Statement::Slo(slo, self.span(input, rest)))
            }
            _ => {
                let (behind, edges) = self.chain(input)?;
                (behind, Statement::Chain(edges))
            }
        };
        let end = skip(rest);
        if end.starts_with('}') {
            return Ok((end, statement));
        }
        let (rest, ()) = expect(end, ";", "end the statement with `;`")?;
        Ok((rest, statement))
    }

    fn class(&mut self, input: Input<'a>) -> Parsed<'a, Class> {
        let mut class = Class::default();
        let mut rest = input;
        if let Ok((behind, ())) = keyword("ports")(rest) {
            let (behind, ports) =
                separated_list1(sign(","), |input| self.name(input, "a port")).parse(behind)?;
            class.ports = ports;
            rest = behind;
        }
        if let Ok((behind, ())) = keyword("filter")(rest) {
            (rest, class.filter) = self.filter(behind)?;
        }
        if let Ok((behind, ())) = keyword("rate")(rest) {
            let (behind, share) = self.share(behind)?;
            match share.value {
                Share::Rate(rate) => class.rate = Some(rate),
                Share::Fraction(_) => {
                    return bad_value(skip(rest), "a class has a rate, not a share", RATE_HELP);
                }
            }
            rest = behind;
        }
        if let Ok((behind, ())) = keyword("flows")(rest) {
            let (behind, at_once) = self.amount(behind)?;
            let (behind, ()) = expect(behind, "of", FLOWS_HELP)?;
            let (behind, packets) = self.amount(behind)?;
            let (behind, ()) = expect(behind, "packets", FLOWS_HELP)?;
            class.flows = Some(Flows { at_once, packets });
            rest = behind;
        }
        Ok((rest, class))
    }

    /// A number of flows, or of their packets.
    fn amount(&self, input: Input<'a>) -> Parsed<'a, u64> {
        let start = skip(input);
        let (behind, text) = digits(start)?;
        match text
            .parse()
            .ok()
            .filter(|n| (1..=1_000_000_000).contains(n))
        {
            Some(amount) => Ok((behind, amount)),
            None => {
                let message = format!("`{text}` is no number of flows or packets");
                bad_value(start, message, "give a whole number from 1 to 1000000000")
            }
        }
    }

    fn slo(&self, input: Input<'a>) -> Parsed<'a, Slo> {
        const HELP: &str = "write `slo min 1Gbps max 4Gbps latency 200us weight 2;`, any of them";
        let mut slo = Slo::default();
        let mut rest = input;
        if let Ok((behind, ())) = keyword("min")(rest) {
            let (behind, rate) = self.rate(behind)?;
            slo.min = Some(rate);
            rest = behind;
        }
        if let Ok((behind, ())) = keyword("max")(rest) {
            let (behind, rate) = self.rate(behind)?;
            slo.max = Some(rate);
            rest = behind;
        }
        if let Ok((behind, ())) = keyword("latency")(rest) {
            let (behind, latency) = self.latency(behind)?;
            slo.latency = Some(latency);
            rest = behind;
        }
        if let Ok((behind, ())) = keyword("weight")(rest) {
            let start = skip(behind);
            let (behind, text) = digits(start)?;
            let Some(weight) = text.parse().ok().filter(|w| (1..=1_000_000).contains(w)) else {
                let message = format!("`{text}` is no weight");
                return bad_value(start, message, "give a whole number from 1 to 1000000");
            };
            slo.weight = Some(Located::new(weight, self.span(start, behind)));
            rest = behind;
        }
        match slo.is_empty() {
            true => fail(skip(rest), "expected an objective", HELP),
            false => Ok((rest, slo)),
        }
    }

    fn rate(&self, input: Input<'a>) -> Parsed<'a, Located<BitRate>> {
        let (rest, share) = self.share(input)?;
        match share.value {
            Share::Rate(rate) => Ok((rest, Located::new(rate, share.span))),
            Share::Fraction(_) => bad_value(
                skip(input),
                "an objective is a rate, not a share",
                RATE_HELP,
            ),
        }
    }

    fn latency(&self, input: Input<'a>) -> Parsed<'a, Located<Latency>> {
        let start = skip(input);
        let number = |c: char| c.is_ascii_digit() || c == '.';
        let (rest, text) = take_while::<_, _, Fault<'a>>(number).parse(start)?;
        let unit = Latency::UNITS.iter().find_map(|(unit, ns)| {
            let rest = rest.trim_start_matches(' ').strip_prefix(unit)?;
            Some((rest, *ns))
        });
        match unit.and_then(|(rest, ns)| Some((rest, scaled(text, ns)?))) {
            Some((rest, ns)) => Ok((rest, Located::new(Latency(ns), self.span(start, rest)))),
            None => fail(
                start,
                "expected a time",
                "write it as 200us, 2.5ms or 800ns",
            ),
        }
    }

    fn chain(&mut self, input: Input<'a>) -> Parsed<'a, Vec<Edge>> {
        let (mut rest, mut from) = self.node(input)?;
        let mut edges = Vec::new();
        loop {
            let at = skip(rest);
            if !edges.is_empty() && !at.starts_with('-') {
                return Ok((rest, edges));
            }
            let (behind, arrow) = self.arrow(at)?;
            let (behind, to) = self.node(behind)?;
            edges.push(Edge {
                from,
                to: to.clone(),
                condition: arrow.condition,
                share: arrow.share,
            });
            from = to;
            rest = behind;
        }
    }

    /// A node; whether a name is an NF or a port is decided when all declarations are known.
    fn node(&self, input: Input<'a>) -> Parsed<'a, Located<Node>> {
        let (rest, name) = self.name(input, "an NF, a port, `in` or `drop`")?;
        let node = match name.value.as_str() {
            "in" => Node::In,
            "drop" => Node::Drop,
            "class" | "nf" | "pipeline" => {
                let message = format!("`{}` cannot be the name of a node", name.value);
                return fail(skip(input), message, STATEMENT_HELP);
            }
            _ => Node::Port(name.value),
        };
        Ok((rest, Located::new(node, name.span)))
    }

    fn arrow(&mut self, input: Input<'a>) -> Parsed<'a, Arrow> {
        if let Ok((rest, ())) = sign("->")(input) {
            return Ok((
                rest,
                Arrow {
                    condition: None,
                    share: None,
                },
            ));
        }
        let (rest, ()) = expect(input, "-[", "join nodes with `->` or `-[condition]->`")?;
        let mut arrow = Arrow {
            condition: None,
            share: None,
        };
        let mut rest = rest;
        if let Ok((behind, ())) = keyword("rate")(rest) {
            let (behind, share) = self.share(behind)?;
            arrow.share = Some(share);
            rest = behind;
        } else {
            let start = skip(rest);
            self.tests = 0;
            let (behind, condition) = self.condition(start, 0)?;
            arrow.condition = Some(Located::new(condition, self.span(start, behind)));
            rest = behind;
            if let Ok((behind, ())) = preceded(sign(","), keyword("rate")).parse(rest) {
                let (behind, share) = self.share(behind)?;
                arrow.share = Some(share);
                rest = behind;
            }
        }
        let (rest, ()) = expect(rest, "]->", "close the condition with `]->`")?;
        Ok((rest, arrow))
    }

    fn condition(&mut self, input: Input<'a>, depth: u32) -> Parsed<'a, Condition> {
        let (mut rest, mut left) = self.all(input, depth)?;
        while let Ok((behind, ())) = keyword("or")(rest) {
            let (behind, right) = self.all(behind, depth)?;
            left = Condition::Or(Box::new(left), Box::new(right));
            rest = behind;
        }
        Ok((rest, left))
    }

    fn all(&mut self, input: Input<'a>, depth: u32) -> Parsed<'a, Condition> {
        let (mut rest, mut left) = self.unary(input, depth)?;
        while let Ok((behind, ())) = keyword("and")(rest) {
            let (behind, right) = self.unary(behind, depth)?;
            left = Condition::And(Box::new(left), Box::new(right));
            rest = behind;
        }
        Ok((rest, left))
    }

    fn unary(&mut self, input: Input<'a>, depth: u32) -> Parsed<'a, Condition> {
        let start = skip(input);
        self.tests += 1;
        if depth > MAX_DEPTH || self.tests > MAX_TESTS {
            return bad_value(
                start,
                "the condition is too long or nested too deeply",
                "split the edge",
            );
        }
        if let Ok((rest, ())) = keyword("not")(start) {
            let (rest, inner) = self.unary(rest, depth + 1)?;
            return Ok((rest, Condition::Not(Box::new(inner))));
        }
        if let Ok((rest, ())) = sign("(")(start) {
            let (rest, inner) = self.condition(rest, depth + 1)?;
            let (rest, ()) = expect(rest, ")", "close the parenthesis")?;
            return Ok((rest, inner));
        }
        if start.starts_with('"') {
            let (rest, filter) = self.filter(start)?;
            return Ok((rest, Condition::Packet(filter.value)));
        }
        self.attribute(start)
    }

    fn attribute(&self, input: Input<'a>) -> Parsed<'a, Condition> {
        const HELP: &str = "write `nf.attribute == value`, or a packet filter in quotes";
        let (rest, nf) = self.name(input, "a condition")?;
        let (rest, ()) = expect(rest, ".", HELP)?;
        let (rest, attribute) = self.name(rest, "an attribute")?;
        let at = skip(rest);
        let Ok((rest, relation)) = relation(at) else {
            return fail(at, "expected a comparison", HELP);
        };
        let start = skip(rest);
        let (rest, value) = match word(start) {
            Ok((rest, name)) => (rest, AttributeValue::Name(name.to_string())),
            Err(_) => {
                let (rest, text) = digits(start)?;
                let number = crate::lex::number(text).and_then(|n| u64::try_from(n).ok());
                match number {
                    Some(number) => (rest, AttributeValue::Number(number)),
                    None => return fail(start, "expected a value", HELP),
                }
            }
        };
        let value = Located::new(value, self.span(start, rest));
        Ok((
            rest,
            Condition::Attribute(AttributeTest {
                nf,
                attribute,
                relation,
                value,
            }),
        ))
    }

    fn share(&self, input: Input<'a>) -> Parsed<'a, Located<Share>> {
        let start = skip(input);
        let number = |c: char| c.is_ascii_digit() || c == '.';
        let (rest, text) = take_while::<_, _, Fault<'a>>(number).parse(start)?;
        if let Ok((rest, ())) = sign("%")(rest) {
            return match scaled(text, 10_000).and_then(|share| u32::try_from(share).ok()) {
                Some(share) if share <= 1_000_000 => Ok((
                    rest,
                    Located::new(Share::Fraction(share), self.span(start, rest)),
                )),
                _ => bad_value(start, format!("`{text}%` is no share"), "use 0% to 100%"),
            };
        }
        let unit = BitRate::UNITS.iter().find_map(|(unit, bits)| {
            let rest = rest.trim_start_matches(' ').strip_prefix(unit)?;
            Some((rest, *bits))
        });
        match unit.and_then(|(rest, bits)| Some((rest, scaled(text, bits)?))) {
            Some((rest, bits)) => {
                let share = Share::Rate(BitRate(bits));
                Ok((rest, Located::new(share, self.span(start, rest))))
            }
            None => fail(start, "expected a rate", RATE_HELP),
        }
    }
}

/// A name at the start of the text: `-` only between other characters, as it may begin an arrow.
fn word(input: Input<'_>) -> Result<(Input<'_>, &str), ()> {
    let input = skip(input);
    let bytes = input.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if !bytes
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
    {
        return Err(());
    }
    let mut end = 1;
    while let Some(byte) = bytes.get(end) {
        let hyphen = *byte == b'-' && bytes.get(end + 1).is_some_and(is_part);
        if !is_part(byte) && !hyphen {
            break;
        }
        end += 1;
    }
    Ok((&input[end..], &input[..end]))
}

fn digits(input: Input<'_>) -> Parsed<'_, &str> {
    take_while(|c: char| c.is_ascii_alphanumeric() || c == '_').parse(input)
}

fn keyword<'a>(expected: &'static str) -> impl FnMut(Input<'a>) -> Parsed<'a, ()> {
    move |input| match word(input) {
        Ok((rest, found)) if found == expected => Ok((rest, ())),
        _ => fail(skip(input), format!("expected `{expected}`"), ""),
    }
}

fn expect<'a>(input: Input<'a>, text: &'static str, help: &'static str) -> Parsed<'a, ()> {
    match sign(text)(input) {
        Ok(done) => Ok(done),
        Err(_) => fail(skip(input), format!("expected `{text}`"), help),
    }
}

fn relation(input: Input<'_>) -> Parsed<'_, Relation> {
    alt((
        value(Relation::Equal, tag("==")),
        value(Relation::NotEqual, tag("!=")),
        value(Relation::LessEqual, tag("<=")),
        value(Relation::GreaterEqual, tag(">=")),
        value(Relation::Less, tag("<")),
        value(Relation::Greater, tag(">")),
    ))
    .parse(input)
}

/// The text behind the next `;`, or from the next `}` on; comments and strings are passed over.
fn next_statement(input: Input<'_>) -> Input<'_> {
    let mut quoted = false;
    let mut comment = false;
    for (index, byte) in input.bytes().enumerate() {
        match byte {
            b'\n' => (quoted, comment) = (false, false),
            _ if comment => {}
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'#' => comment = true,
            b';' => return &input[index + 1..],
            b'}' => return &input[index..],
            _ => {}
        }
    }
    ""
}

/// The text from the next line that begins with `nf` or `pipeline` on.
fn next_declaration(input: Input<'_>) -> Input<'_> {
    let mut rest = input;
    while let Some(end) = rest.find('\n') {
        rest = &rest[end + 1..];
        let begins = rest.starts_with("nf ") || rest.starts_with("pipeline ");
        if begins {
            return rest;
        }
    }
    ""
}
