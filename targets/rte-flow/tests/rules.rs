//! Text of rules, what is refused and why, and single rules on the NIC model.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Both, OVERHEAD, Random, SPI, add, encapsulated, hex, nf, nic, piece, rules};
use std::collections::BTreeMap;
use trisect_ir::state::Cell;
use trisect_ir::{
    Bits, CountUnit, Expr, Index, KeySet, LValue, NodeKind, Object, ObjectKind, Op, Program,
    StdMeta,
};
use trisect_rte_flow::rule::Value;
use trisect_rte_flow::{
    Action, Capabilities, Item, ItemKind, NicModel, RteFlow, Rule, RuleError, RuleSet, Verdict,
    testpmd,
};
use trisect_target::{Target, Verdict as Legality};

/// Compares with a file in tests/golden; `BLESS=1` rewrites it.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(&path, text).expect("written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "BLESS=1 rewrites {}", path.display());
}

#[test]
fn text_of_the_ttl_function() {
    golden("ttl.testpmd", &testpmd::render(&rules(&piece(nf("ttl")))));
}

#[test]
fn text_of_a_small_firewall() {
    let mut p = nf("firewall");
    let any = || KeySet::Any;
    let tcp = KeySet::Mask(Bits::new(8, 6u32), Bits::ones(8));
    let http = KeySet::Range(Bits::new(16, 80u32), Bits::new(16, 81u32));
    let net = KeySet::Mask(Bits::new(32, 0x0a00_0000u32), Bits::prefix_mask(32, 8));
    add(
        &mut p,
        "acl",
        vec![net, any(), tcp, any(), http],
        1,
        "allow",
        &[],
    );
    golden("firewall.testpmd", &testpmd::render(&rules(&piece(p))));
}

#[test]
fn the_same_piece_gives_the_same_bytes() {
    let piece = piece(nf("l3-forwarder"));
    assert_eq!(
        nic().lower(&piece).expect("rules"),
        nic().lower(&piece).expect("rules")
    );
}

/// What is said about the nodes of an uncut program, by node.
fn verdicts(program: &Program) -> BTreeMap<String, Legality> {
    let nic = nic();
    program
        .control
        .nodes
        .iter()
        .map(|(id, node)| (node.name.clone(), nic.check(program, id)))
        .collect()
}

fn reasons(program: &Program) -> Vec<String> {
    let mut out: Vec<String> = verdicts(program)
        .into_values()
        .filter_map(|v| match v {
            Legality::Unable(refusals) => Some(refusals),
            Legality::Able(_) => None,
        })
        .flatten()
        .map(|r| r.code.to_string())
        .collect();
    out.sort();
    out.dedup();
    out
}

#[test]
fn refusals_have_codes() {
    // Only the emit to an external port.
    assert_eq!(reasons(&nf("firewall")), ["E0471"]);
    assert_eq!(reasons(&nf("ttl")), ["E0471"]);
    // Payload.
    assert!(reasons(&nf("ids")).contains(&"E0466".to_owned()));
    // Entries from the data path.
    assert!(reasons(&nf("source-nat")).contains(&"E0467".to_owned()));
    assert!(reasons(&nf("monitor")).contains(&"E0467".to_owned()));
    // Comparison of two fields, and a checksum that no action follows.
    assert!(reasons(&nf("normaliser")).contains(&"E0462".to_owned()));
    // Every other model refuses everything: no NSH.
    for model in RteFlow.models().iter().skip(1) {
        let spec = trisect_target::DeviceSpec {
            name: "x".into(),
            model: model.name.clone(),
            text: None,
            look_ups: Vec::new(),
            limits: trisect_target::Resources::new(),
        };
        let device = RteFlow.device(&spec).expect("a device");
        let program = nf("ttl");
        let entry = program.control.entry.expect("an entry");
        assert!(
            device.check(&program, entry).able().is_none(),
            "{}",
            model.name
        );
        assert!(!RteFlow.capabilities(&model.name).is_empty());
    }
}

#[test]
fn a_rack_file_can_make_the_nic_too_small() {
    let spec = trisect_target::DeviceSpec {
        name: "x".into(),
        model: "generic".into(),
        text: None,
        look_ups: Vec::new(),
        limits: trisect_target::Resources::new().with("rules", 5),
    };
    let device = RteFlow.device(&spec).expect("a device");
    let refusals = device.fit(&piece(nf("ttl"))).expect_err("too small");
    assert_eq!(refusals[0].code.to_string(), "E0474");
}

#[test]
fn another_parser_is_refused() {
    let mut p = nf("ttl");
    let icmp = p.header_named("icmp").expect("icmp");
    if let Some(header) = p.headers.get_mut(icmp) {
        header.name = "mine".into();
    }
    let refusals = nic().fit(&piece(p)).expect_err("not the standard parser");
    assert_eq!(refusals[0].code.to_string(), "E0473");
}

/// Counts every packet in one cell of a counter.
#[test]
fn counters_come_back_under_their_names() {
    let mut p = nf("ttl");
    let all = p.objects.push(Object {
        name: "all".into(),
        kind: ObjectKind::Counter {
            size: Some(4),
            unit: CountUnit::PacketsAndBytes,
        },
    });
    let entry = p.control.entry.expect("an entry");
    let length = StdMeta::PacketLength;
    let counted = p.control.nodes.push(trisect_ir::Node {
        name: "count".into(),
        nf: String::new(),
        kind: NodeKind::Exec(
            vec![
                // The pipeline counts the frame without its encapsulation.
                Op::Set(
                    LValue::meta(length.id()),
                    Expr::binary(
                        trisect_ir::BinOp::Sub,
                        length.get(),
                        Expr::num(32, OVERHEAD as u64),
                    ),
                ),
                Op::Count(all, Index::At(Expr::num(8, 2))),
            ],
            entry,
        ),
    });
    p.control.entry = Some(counted);
    let mut both = Both::new(&piece(p));
    let mut seed = Random(11);
    let mut bytes = 0;
    for _ in 0..500 {
        let frame = seed.frame();
        bytes += frame.len() as u64;
        both.run(&encapsulated(&frame, SPI));
    }
    let state = both.compare_state();
    let count = state.counters["all"][&Cell::Index(2)];
    assert_eq!((count.packets, count.bytes), (500, bytes));
}

fn generic() -> Capabilities {
    Capabilities::named("generic").expect("generic")
}

fn rule(pattern: Vec<Item>, actions: Vec<Action>) -> Rule {
    Rule {
        group: 0,
        priority: 0,
        pattern,
        actions,
        drop_reason: None,
    }
}

fn insert(caps: &Capabilities, rule: Rule) -> Result<NicModel, RuleError> {
    let set = RuleSet {
        rules: vec![rule],
        ..RuleSet::default()
    };
    NicModel::new(caps, &set)
}

#[test]
fn rules_beyond_the_capabilities_are_refused() {
    let eth = || vec![Item::any(ItemKind::Eth)];
    let drop = || vec![Action::Drop];
    let caps = generic();
    let refused = |rule| insert(&caps, rule).expect_err("refused");

    let beyond = Rule {
        group: 256,
        ..rule(eth(), drop())
    };
    assert_eq!(refused(beyond), RuleError::Group(0, 256, 256));
    let beyond = Rule {
        priority: 16384,
        ..rule(eth(), drop())
    };
    assert_eq!(refused(beyond), RuleError::Priority(0, 16384, 16384));
    assert_eq!(refused(rule(vec![], drop())), RuleError::Pattern(0));
    assert_eq!(refused(rule(eth(), vec![])), RuleError::Fate(0, 0));
    assert_eq!(
        refused(rule(eth(), vec![Action::Drop, Action::Drop])),
        RuleError::Fate(0, 2)
    );
    let wide = Item::any(ItemKind::Eth).with("type", 0x1_0000, 0xffff);
    assert!(matches!(
        refused(rule(vec![wide], drop())),
        RuleError::Field(..)
    ));
    let unknown = Item::any(ItemKind::Eth).with("colour", 1, 1);
    assert!(matches!(
        refused(rule(vec![unknown], drop())),
        RuleError::Field(..)
    ));
    let mut ranged = Item::any(ItemKind::Eth).with("type", 1, 0xffff);
    ranged.last.insert("type".into(), Value(5));
    assert!(matches!(
        refused(rule(vec![ranged.clone()], drop())),
        RuleError::Field(..)
    ));
    assert!(matches!(
        refused(rule(eth(), vec![Action::DecTtl, Action::Drop])),
        RuleError::Action(..)
    ));
    assert!(matches!(
        refused(rule(eth(), vec![Action::Jump { group: 0 }])),
        RuleError::Action(..)
    ));

    let ice = Capabilities::named("ice").expect("ice");
    let mpls = rule(
        vec![Item::any(ItemKind::Eth), Item::any(ItemKind::Mpls)],
        drop(),
    );
    assert_eq!(
        insert(&ice, mpls).expect_err("refused"),
        RuleError::Item(0, ItemKind::Mpls)
    );
    let mark = rule(
        eth(),
        vec![Action::SetMeta { data: 1, mask: 1 }, Action::Drop],
    );
    assert!(matches!(
        insert(&ice, mark).expect_err("refused"),
        RuleError::Action(..)
    ));

    let mut small = generic();
    small.limits.counters = Some(0);
    let count = rule(eth(), vec![Action::Count { identifier: 0 }, Action::Drop]);
    assert_eq!(
        insert(&small, count).expect_err("refused"),
        RuleError::Full(0, "counters", 0)
    );
    small.limits.rules = Some(0);
    assert_eq!(
        insert(&small, rule(eth(), drop())).expect_err("refused"),
        RuleError::Full(0, "rules", 0)
    );

    let mut with_ranges = generic();
    with_ranges.matching.ranges = true;
    let mut nic = insert(&with_ranges, rule(vec![ranged], drop())).expect("accepted");
    for (ethertype, dropped) in [(0u8, false), (1, true), (5, true), (6, false)] {
        let mut frame = vec![0; 14];
        frame[13] = ethertype;
        let verdict = nic.receive(&mut frame);
        assert_eq!(
            matches!(verdict, Verdict::Dropped { .. }),
            dropped,
            "{ethertype}"
        );
    }
}

#[test]
fn rules_with_unknown_fields_are_not_read() {
    let text = r#"{"model":"generic","rules":[{"group":0,"priority":0,"pattern":[{"type":"eth","speck":{}}],
        "actions":[{"type":"drop"}]}],"counters":[],"drop_reasons":{}}"#;
    assert!(serde_json::from_str::<RuleSet>(text).is_err());
    assert!(serde_json::from_str::<RuleSet>(&text.replace("\"speck\":{}", "\"spec\":{}")).is_ok());
}

/// One rule in group 1 that matches `pattern` and does `actions`.
fn run(pattern: Vec<Item>, mut actions: Vec<Action>, frame: &[u8]) -> Vec<u8> {
    actions.push(Action::Queue { index: 0 });
    let set = RuleSet {
        rules: vec![
            rule(
                vec![Item::any(ItemKind::Eth)],
                vec![Action::Jump { group: 1 }],
            ),
            Rule {
                group: 1,
                ..rule(pattern, actions)
            },
        ],
        ..RuleSet::default()
    };
    let mut nic = NicModel::new(&generic(), &set).unwrap_or_else(|e| panic!("{e}"));
    let mut frame = frame.to_vec();
    nic.receive(&mut frame);
    frame
}

/// Ethernet, IPv4 and UDP with right checksums.
fn udp_frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([
        0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    frame.extend([0, 53, 4, 0, 0, 12, 0, 0, 1, 2, 3, 4]);
    checksums(&mut frame);
    frame
}

fn checksums(frame: &mut [u8]) {
    use trisect_ir::hash::ones_sum;
    frame[24..26].copy_from_slice(&[0, 0]);
    let ip = !ones_sum(0, &frame[14..34]);
    frame[24..26].copy_from_slice(&ip.to_be_bytes());
    frame[40..42].copy_from_slice(&[0, 0]);
    let pseudo = ones_sum(17, &frame[26..34]);
    let pseudo = ones_sum(pseudo, &frame[38..40]);
    let udp = !ones_sum(pseudo, &frame[34..46]);
    frame[40..42].copy_from_slice(&udp.to_be_bytes());
}

#[test]
fn rewrites_keep_checksums_right() {
    let ip = || {
        vec![
            Item::any(ItemKind::Eth),
            Item::any(ItemKind::Ipv4),
            Item::any(ItemKind::Udp),
        ]
    };
    let changes = [
        Action::SetIpv4Src {
            ipv4_addr: Value(0xc0a8_0101),
        },
        Action::SetIpv4Dst {
            ipv4_addr: Value(0x0102_0304),
        },
        Action::SetTpSrc { port: 9999 },
        Action::SetTpDst { port: 1 },
        Action::SetTtl { ttl_value: 3 },
        Action::SetIpv4Dscp { dscp_value: 46 },
        Action::DecTtl,
    ];
    for change in changes {
        let out = run(ip(), vec![change.clone()], &udp_frame());
        assert_ne!(out, udp_frame(), "{change:?}");
        let mut right = out.clone();
        checksums(&mut right);
        assert_eq!(hex(&out), hex(&right), "{change:?}");
    }
}

#[test]
fn tags_and_tunnels_go_on_and_off() {
    let eth = || vec![Item::any(ItemKind::Eth)];
    let frame = udp_frame();
    let tagged = run(
        eth(),
        vec![
            Action::OfPushVlan { ethertype: 0x8100 },
            Action::OfSetVlanVid { vlan_vid: 5 },
            Action::OfSetVlanPcp { vlan_pcp: 3 },
        ],
        &frame,
    );
    assert_eq!(tagged[12..18], [0x81, 0, 0x60, 5, 8, 0]);
    assert_eq!(run(eth(), vec![Action::OfPopVlan], &tagged), frame);
    // A pattern without VLAN items matches tagged frames too.
    let ip = vec![Item::any(ItemKind::Eth), Item::any(ItemKind::Ipv4)];
    assert_ne!(run(ip, vec![Action::DecTtl], &tagged), tagged);

    let mut headers = udp_frame();
    headers.truncate(42);
    headers[36..38].copy_from_slice(&4789u16.to_be_bytes());
    headers.extend([8, 0, 0, 0, 0, 0, 9, 0]);
    let tunnelled = run(eth(), vec![Action::VxlanEncap { headers }], &frame);
    assert_eq!(tunnelled.len(), frame.len() + 50);
    let vni = Item::any(ItemKind::Vxlan).with("vni", 9, 0xff_ffff);
    let to_vxlan = vec![
        Item::any(ItemKind::Eth),
        Item::any(ItemKind::Ipv4),
        Item::any(ItemKind::Udp),
        vni,
    ];
    assert_eq!(run(to_vxlan, vec![Action::VxlanDecap], &tunnelled), frame);
}

#[test]
fn no_frame_makes_the_model_panic() {
    let everything: Vec<Action> = vec![
        Action::DecTtl,
        Action::SetTtl { ttl_value: 1 },
        Action::SetIpv4Src {
            ipv4_addr: Value(1),
        },
        Action::SetIpv6Dst {
            ipv6_addr: Value(1),
        },
        Action::SetTpDst { port: 7 },
        Action::SetIpv4Dscp { dscp_value: 1 },
        Action::SetIpv6Dscp { dscp_value: 1 },
        Action::OfSetVlanVid { vlan_vid: 1 },
        Action::SetMacDst { mac_addr: Value(1) },
        Action::OfPopVlan,
        Action::OfPushVlan { ethertype: 0x8100 },
        Action::VxlanDecap,
    ];
    let mut seed = Random(99);
    for i in 0..5000 {
        let mut frame = seed.frame();
        if i % 2 == 0 {
            frame = encapsulated(&frame, SPI);
            frame.truncate(seed.below(frame.len() as u64 + 1) as usize);
        }
        run(vec![Item::any(ItemKind::Eth)], everything.clone(), &frame);
    }
}
