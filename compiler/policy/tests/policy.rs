//! Policies: the grammar, what is refused, and that the printed form reads back.
// Helpers of tests fail like tests; clippy exempts only the tests themselves.
#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use trisect_ir::diag::{Diagnostic, Span};
use trisect_policy::filter::ast::Relation;
use trisect_policy::policy::{
    AttributeTest, AttributeValue, BitRate, Class, Condition, Edge, Flows, Latency, Located,
    NfInstance, Node, Pipeline, Setting, Share, Slo, Updates,
};
use trisect_policy::{Filter, NfDescription, Policy, Rack, parse_policy};

const CENTRAL_OFFICE: &str = r#"
# Residential customers, and the introductory policy of E2.
nf nat = snat { pool = "pool.entries"; idle = 30 };
nf fw = firewall { acl = "acl.entries" updates 200, other = "o.entries" updates 0.1% }
nf ids = ids { signatures = "ids.patterns" };
nf norm = normaliser
nf mon = monitor;

pipeline residential {
    class ports p0, p1 filter "ip and (tcp or udp)" rate 4Gbps;
    slo min 1Gbps max 3.5Gbps latency 200us weight 2;
    in -> nat -> fw -> p4
}

pipeline intro {
    class ports p2;
    in -> ids;
    ids -[ids.verdict == safe and "tcp port 80"]-> mon;    # cache stand-in
    ids -[ids.verdict == unsafe, rate 12.5%]-> norm -> mon;
    ids -[rate 250Mbps]-> mon -> p5;
}
"#;

fn errors(text: &str) -> Vec<Diagnostic> {
    parse_policy(text, "x.policy").expect_err("must be refused")
}

/// Codes and the text they point at.
fn found(text: &str) -> Vec<(u16, &str)> {
    errors(text)
        .iter()
        .map(|error| (error.code.0, error.span.text(text)))
        .collect()
}

#[test]
fn a_policy_is_read_and_printed() {
    let policy = parse_policy(CENTRAL_OFFICE, "x.policy").expect("valid");
    assert_eq!(policy.nfs.len(), 5);
    assert_eq!(policy.nfs[0].config[1].value.value, "30");
    let updates = |i: usize| policy.nfs[1].config[i].updates.as_ref().map(|u| u.value);
    assert_eq!(updates(0), Some(Updates::PerSecond(200)));
    assert_eq!(updates(1), Some(Updates::Fraction(1000)));
    let [residential, intro] = &policy.pipelines[..] else {
        panic!("two pipelines")
    };
    assert_eq!(residential.class.rate, Some(BitRate(4_000_000_000)));
    assert_eq!(residential.nfs_in_order(), ["nat", "fw"]);
    assert_eq!(residential.edges[2].to.value, Node::Port("p4".to_string()));
    assert_eq!(intro.nfs_in_order(), ["ids", "norm", "mon"]);
    assert_eq!(
        intro.edges[2].share.as_ref().expect("a share").value,
        Share::Fraction(125_000)
    );
    assert_eq!(parse_policy(&policy.to_string(), "again"), Ok(policy));
}

#[test]
fn several_syntax_errors_in_one_run() {
    let text = "nf = firewall\nnf fw = firewall\npipeline p {\n  in => fw;\n  fw -[\"prot 5\"]-> p1;\n  \
                fw -[rate 5Gb]-> p2;\n  fw -> ;\n}\npipline q {}\n";
    let found = found(text);
    let places: Vec<&str> = found.iter().map(|(_, place)| *place).collect();
    assert_eq!(
        places,
        ["=", "=", "prot", "5Gb", ";", "pipline"],
        "{found:?}"
    );
    assert!(errors(text).iter().all(|error| !error.help.is_empty()));
}

#[test]
fn names_are_checked() {
    let nfs = "nf a = x nf a = y nf in = x nf lost = x\n";
    let text = format!("{nfs}pipeline p {{ class ports p0, p0; in -> a -> p1; b -> a; }}");
    let found = found(&text);
    assert_eq!(
        found,
        [
            (203, "a"),
            (203, "in"),
            (205, "in"),
            (205, "lost"),
            (203, "p0"),
            (202, "b")
        ]
    );
}

#[test]
fn cycles_are_shown_with_their_path() {
    let text =
        "nf a = x nf b = x nf c = x\npipeline p { in -> a -> b -> c -> a; c -[\"tcp\"]-> p1; }";
    let errors = errors(text);
    let cycle = errors
        .iter()
        .find(|error| error.code.0 == 204)
        .expect("a cycle");
    assert_eq!(
        cycle.message, "the pipeline has a cycle: b -> c -> a -> b",
        "{errors:?}"
    );
}

#[test]
fn what_no_packet_reaches() {
    let text = "nf a = x nf b = x nf c = x\n\
                pipeline p { in -> a -> p1; a -[\"tcp\"]-> p2; b -> p1; in -> c; }";
    assert_eq!(
        found(text),
        [
            (205, "a -[\"tcp\"]-> p2"),
            (205, "b"),
            (205, "in -> c"),
            (213, "c")
        ]
    );
    assert_eq!(found("pipeline p { class; }"), [(205, "p")]);
}

#[test]
fn conditions_that_never_hold() {
    let nfs = "nf ids = x\n";
    let edges = "class filter \"udp\"; in -[\"tcp\"]-> ids; ids -[\"ip and ip6\"]-> p1; \
                 ids -[ids.v == a and ids.v == b]-> p2; ids -> p3;";
    let text = format!("{nfs}pipeline p {{ {edges} }}");
    assert_eq!(
        found(&text),
        [
            (206, "\"tcp\""),
            (206, "\"ip and ip6\""),
            (206, "ids.v == a and ids.v == b")
        ]
    );
}

#[test]
fn rates_and_attributes() {
    let text = "nf a = x nf b = x\npipeline p { class rate 1Gbps; in -> a; \
                a -[\"tcp\", rate 60%]-> b; a -[\"udp\", rate 50%]-> p1; a -[b.v == 1]-> p2; \
                b -[c.v == 1, rate 2Gbps]-> p1; }";
    assert_eq!(
        found(text),
        [(212, "50%"), (210, "b"), (202, "c"), (212, "2Gbps")]
    );
}

const RACK: &str = r#"
name = "lab"
[[switch]]
name = "tor"
model = "bmv2"
ports = 4
stages = 12
sram_kib = 1280
tcam_kib = 66
entries = 100000
[[switch.external]]
name = "p0"
port = 0
rate = "10Gbps"
[[switch.external]]
name = "p1"
port = 1
rate = "10Gbps"
[[server]]
name = "srv0"
cores = 8
ghz = 2.4
io_cores = 1
io_cycles = 150
[[server.nic]]
name = "nic0"
model = "generic"
rules = 65536
rate = "40Gbps"
pcie = "50Gbps"
link = { switch = "tor", port = 2, rate = "40Gbps", latency_ns = 500 }
"#;

#[test]
fn a_rack_is_read_and_printed() {
    let rack = Rack::from_toml(RACK, "rack.toml").expect("valid");
    assert_eq!(rack.port_number("p1"), Some(1));
    assert_eq!(rack.servers[0].nics[0].link.rate, BitRate(40_000_000_000));
    assert_eq!(Rack::from_toml(&rack.to_string(), "again"), Ok(rack));
}

#[test]
fn racks_that_contradict_themselves() {
    let text = RACK
        .replace("port = 1\n", "port = 2\n")
        .replace("name = \"p1\"", "name = \"p0\"")
        .replace("switch = \"tor\"", "switch = \"spine\"")
        .replace("cores = 8", "cores = 1")
        .replace("\"50Gbps\"", "\"0bps\"");
    let found = Rack::from_toml(&text, "rack.toml").expect_err("must be refused");
    let places: Vec<&str> = found.iter().map(|error| error.span.text(&text)).collect();
    assert_eq!(places, ["\"p0\"", "1", "\"0bps\"", "\"spine\""]);
    let taken = RACK.replace("port = 2,", "port = 1,");
    let found = Rack::from_toml(&taken, "rack.toml").expect_err("must be refused");
    assert_eq!(
        found[0].message,
        "port 1 of `tor` is used by `p1` and `srv0.nic0`"
    );
    let few = RACK.replace("ports = 4", "ports = 2");
    let found = Rack::from_toml(&few, "rack.toml").expect_err("must be refused");
    assert_eq!(found[0].message, "`tor` has no port 2, only 2");
    let unknown = RACK.replace("ghz", "gigahertz");
    let found = Rack::from_toml(&unknown, "rack.toml").expect_err("must be refused");
    assert_eq!(
        (found[0].code.0, found[0].span.text(&unknown)),
        (240, "gigahertz")
    );
}

#[test]
fn racks_may_leave_out_what_the_model_has() {
    let figures = "stages = 12\nsram_kib = 1280\ntcam_kib = 66\nentries = 100000\n";
    let rack = Rack::from_toml(&RACK.replace(figures, ""), "rack.toml").expect("valid");
    assert_eq!(rack.switches[0].stages, None);
    assert_eq!(Rack::from_toml(&rack.to_string(), "again"), Ok(rack));
    let none = RACK.replace("stages = 12", "stages = 0");
    let found = Rack::from_toml(&none, "rack.toml").expect_err("must be refused");
    assert_eq!((found[0].code.0, found[0].span.text(&none)), (241, "0"));
}

#[test]
fn racks_state_changes_of_tables_and_look_ups() {
    let with = |updates: &str, look_ups: &str, insertions: &str| {
        RACK.replace(
            "entries = 100000",
            &format!("entries = 100000\nupdates_per_second = {updates}"),
        )
        .replace(
            "io_cycles = 150",
            &format!("io_cycles = 150\nlook_ups = {look_ups}"),
        )
        .replace(
            "rules = 65536",
            &format!("rules = 65536\ninsertions_per_second = {insertions}"),
        )
    };
    let look_ups = "[{ bytes = 1000, cycles = 40, by_number = 30 }, { bytes = 9000, cycles = 40, by_number = 31 }]";
    let rack = Rack::from_toml(&with("200000", look_ups, "5000"), "rack.toml").expect("valid");
    assert_eq!(rack.switches[0].updates_per_second, Some(200_000));
    assert_eq!(rack.servers[0].nics[0].insertions_per_second, Some(5_000));
    assert_eq!(rack.servers[0].look_ups[1].by_number, 31);
    assert_eq!(Rack::from_toml(&rack.to_string(), "again"), Ok(rack));
    // Each figure that cannot be is named.
    let look_ups = "[{ bytes = 0, cycles = 2000000, by_number = 3 }, { bytes = 7, cycles = 8, by_number = 2 }, \
                    { bytes = 7, cycles = 9, by_number = 0 }]";
    let text = with("0", look_ups, "1000000001");
    let found = Rack::from_toml(&text, "rack.toml").expect_err("must be refused");
    let said: Vec<(u16, &str)> = found
        .iter()
        .map(|error| (error.code.0, error.span.text(&text)))
        .collect();
    let places = ["0", "2000000", "0", "8", "2", "0", "7", "0", "1000000001"];
    assert_eq!(said, places.map(|place| (241, place)));
    let unknown = with("1", "[{ bytes = 1, cycles = 1, by_hand = 1 }]", "1");
    let found = Rack::from_toml(&unknown, "rack.toml").expect_err("must be refused");
    assert_eq!(found[0].code.0, 240);
}

#[test]
fn objectives_are_read() {
    let policy = parse_policy(CENTRAL_OFFICE, "x.policy").expect("valid");
    let slo = &policy.pipelines[0].slo;
    assert_eq!(slo.min.as_ref().map(|r| r.value.0), Some(1_000_000_000));
    assert_eq!(slo.max.as_ref().map(|r| r.value.0), Some(3_500_000_000));
    assert_eq!(slo.latency.as_ref().map(|l| l.value.0), Some(200_000));
    assert_eq!(slo.weight.as_ref().map(|w| w.value), Some(2));
    assert!(policy.pipelines[1].slo.is_empty());
    // An NF may be called `slo`.
    let named = "nf slo = x pipeline p { in -> slo; slo -> p1; }";
    assert!(parse_policy(named, "x").is_ok());
    let wrong = |slo: &str| {
        let text = format!("pipeline p {{ {slo}; in -> p1; }}");
        let found = errors(&text);
        (found[0].code.0, found[0].span.text(&text).to_owned())
    };
    assert_eq!(wrong("slo").0, 200);
    assert_eq!(wrong("slo min 10%").0, 200);
    assert_eq!(wrong("slo latency 5").0, 200);
    assert_eq!(wrong("slo weight 0").0, 200);
    assert_eq!(wrong("slo min 1Gbps; slo max 2Gbps").0, 203);
}

#[test]
fn objectives_that_no_plan_can_meet() {
    let rack = Rack::from_toml(RACK, "rack.toml").expect("valid");
    let found = |statements: &str| -> Vec<(u16, String)> {
        let text = format!("pipeline p {{ {statements} in -> p1; }}");
        let policy = parse_policy(&text, "x").expect("well formed");
        let found = policy.check("x", &BTreeMap::new(), &rack);
        let place = |d: &Diagnostic| (d.code.0, d.span.text(&text).to_owned());
        found.iter().map(place).collect()
    };
    assert_eq!(
        found("class rate 2Gbps; slo min 2Gbps max 2Gbps latency 1ns;"),
        []
    );
    let one = |place: &str| vec![(215, place.to_owned())];
    assert_eq!(found("class rate 2Gbps; slo min 2.5Gbps;"), one("2.5Gbps"));
    // Without a rate, the ports' line rates are offered.
    assert_eq!(found("class ports p0; slo min 11Gbps;"), one("11Gbps"));
    assert_eq!(found("slo min 11Gbps;"), []);
    assert_eq!(found("slo min 2Gbps max 1Gbps;"), one("1Gbps"));
    assert_eq!(found("slo min 0bps;"), one("0bps"));
    assert_eq!(found("slo max 0bps;"), one("0bps"));
    assert_eq!(found("slo latency 0us;"), one("0us"));
}

#[test]
fn policies_against_library_and_rack() {
    let ids = "name = \"ids\"\nprogram = \"ids.p4\"\ncycles_per_packet = 9\n\
               [[attribute]]\nname = \"verdict\"\nmethod = \"metadata\"\n\
               values = { safe = 0, unsafe = 1 }\n\
               [[config]]\nname = \"signatures\"\ntype = \"patterns\"\npattern_set = \"s\"\n\
               required = true\n";
    let ids = NfDescription::from_toml(ids, "ids.nf.toml").expect("valid");
    let library = BTreeMap::from([("ids".to_string(), ids)]);
    let rack = Rack::from_toml(RACK, "rack.toml").expect("valid");
    let good = "nf i = ids { signatures = \"x\" }\n\
                pipeline p { class ports p0; in -> i; i -[i.verdict == safe]-> p1; i -> drop; }";
    let policy = parse_policy(good, "x").expect("valid");
    assert_eq!(policy.check("x", &library, &rack), []);

    let bad = "nf i = ids { sigs = \"x\" } nf j = idz nf k = ids { signatures = \"x\" updates 5 }\n\
               pipeline p { class ports p9; in -> i; i -[i.verdict == danger]-> p1; \
               i -[i.color == 1]-> j -> k -> p7; }";
    let policy = parse_policy(bad, "x").expect("well formed");
    let found = policy.check("x", &library, &rack);
    let found: Vec<(u16, &str)> = found.iter().map(|e| (e.code.0, e.span.text(bad))).collect();
    assert_eq!(
        found,
        [
            (211, "i"),
            (211, "sigs"),
            (201, "idz"),
            (211, "5"),
            (209, "p9"),
            (208, "danger"),
            (207, "color"),
            (209, "p7"),
        ]
    );
}

fn located<T>(value: T) -> Located<T> {
    Located::new(value, Span::default())
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_]{0,5}(-[a-z0-9]{1,3})?".prop_filter("words of the language", |name| {
        ![
            "in", "drop", "class", "nf", "pipeline", "not", "and", "or", "rate", "ports", "filter",
        ]
        .contains(&name.as_str())
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let texts = vec![
        "tcp port 80",
        "ip and (tcp or udp)",
        "vlan 5 and ip host 10.0.0.1",
        "ip6",
    ];
    select(texts).prop_map(|text| text.parse().expect("valid"))
}

fn condition() -> impl Strategy<Value = Condition> {
    let relations = vec![
        Relation::Equal,
        Relation::NotEqual,
        Relation::Less,
        Relation::Greater,
    ];
    let value = prop_oneof![
        name().prop_map(AttributeValue::Name),
        any::<u64>().prop_map(AttributeValue::Number),
    ];
    let attribute =
        (name(), name(), select(relations), value).prop_map(|(nf, attribute, relation, value)| {
            Condition::Attribute(AttributeTest {
                nf: located(nf),
                attribute: located(attribute),
                relation,
                value: located(value),
            })
        });
    let leaf = prop_oneof![filter().prop_map(Condition::Packet), attribute];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let pair = || {
            (
                inner.clone().prop_map(Box::new),
                inner.clone().prop_map(Box::new),
            )
        };
        prop_oneof![
            pair().prop_map(|(left, right)| Condition::And(left, right)),
            pair().prop_map(|(left, right)| Condition::Or(left, right)),
            inner
                .clone()
                .prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![
        any::<u64>().prop_map(|bits| Share::Rate(BitRate(bits))),
        (0u32..=1_000_000).prop_map(Share::Fraction),
    ]
}

/// A chain of NFs with any conditions; only the text form is of interest.
fn pipeline() -> impl Strategy<Value = Policy> {
    let edge = (
        proptest::option::of(condition()),
        proptest::option::of(share()),
    );
    let class = (
        proptest::collection::vec(name(), 0..3),
        filter(),
        any::<u32>(),
    );
    (
        proptest::collection::btree_set(name(), 1..5),
        proptest::collection::vec(edge, 5),
        class,
    )
        .prop_map(|(nfs, edges, (ports, filter, rate))| {
            let chain: Vec<Node> = std::iter::once(Node::In)
                .chain(nfs.iter().cloned().map(Node::Nf))
                .chain([Node::Drop])
                .collect();
            let edges = chain
                .windows(2)
                .zip(edges)
                .map(|(ends, (condition, share))| Edge {
                    from: located(ends[0].clone()),
                    to: located(ends[1].clone()),
                    condition: condition.map(located),
                    share: share.map(located),
                });
            let setting = Setting {
                name: located("a".into()),
                value: located("b c.d".into()),
                updates: match rate % 3 {
                    0 => None,
                    1 => Some(located(Updates::PerSecond(u64::from(rate)))),
                    _ => Some(located(Updates::Fraction(rate % 1_000_001))),
                },
            };
            Policy {
                pipelines: vec![Pipeline {
                    name: located("p".to_string()),
                    slo: Slo {
                        min: (rate > 0).then(|| located(BitRate(u64::from(rate)))),
                        max: None,
                        latency: Some(located(Latency(u64::from(rate)))),
                        weight: Some(located(1 + rate % 1000)),
                    },
                    class: Class {
                        ports: ports.into_iter().map(located).collect(),
                        filter: located(filter),
                        rate: Some(BitRate(u64::from(rate))),
                        flows: (rate % 2 == 1).then_some(Flows {
                            at_once: 1 + u64::from(rate) % 1_000_000_000,
                            packets: 1 + u64::from(rate) % 100,
                        }),
                    },
                    edges: edges.collect(),
                }],
                nfs: nfs
                    .into_iter()
                    .map(|name| NfInstance {
                        name: located(name),
                        function: located("f".to_string()),
                        config: vec![setting.clone()],
                    })
                    .collect(),
            }
        })
}

proptest! {
    #[test]
    fn printed_policies_read_back(policy in pipeline()) {
        let text = policy.to_string();
        match parse_policy(&text, "x") {
            Ok(again) => prop_assert_eq!(&again, &policy),
            // The generated graph may be refused, but never for its grammar.
            Err(found) => prop_assert!(
                found.iter().all(|d| d.code.0 != 200 && d.code.0 != 220), "{}\n{:?}", text, found),
        }
        let json = serde_json::to_string(&policy).expect("serialises");
        prop_assert_eq!(serde_json::from_str::<Policy>(&json).expect("reads back"), policy);
    }

    #[test]
    fn any_text_is_answered(text in "[ -~\n]{0,200}") {
        let _ = parse_policy(&text, "x");
        let _ = Filter::parse(&text);
        let _ = Rack::from_toml(&text, "x");
    }

    #[test]
    fn any_words_are_answered(
        words in proptest::collection::vec(select(vec![
            "nf ", "pipeline ", "{", "}", "in ", "->", "-[", "]->", ";", "a", " = ", "\"tcp\"", "\"",
            "class ", "rate ", "5Gbps", "10%", ",", "a.b == c", "#", "\n", "not ", "(", ")",
        ]), 0..40)
    ) {
        let text = words.concat();
        if let Err(found) = parse_policy(&text, "x") {
            prop_assert!(found.iter().all(|d| d.span.end as usize <= text.len()));
        }
    }
}
