//! Rules that number flows, inserted while packets run: against a map with times.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Random, encapsulated, nf, nic, piece, rules};
use std::collections::BTreeMap;
use trisect_rte_flow::flows::with_numbers;
use trisect_rte_flow::{
    Capabilities, Carrier, Change, FlowMatcher, NicModel, RuleError, RuleSet, Verdict, testpmd,
};
use trisect_target::Refusal;

fn generic() -> Capabilities {
    Capabilities::named("generic").unwrap()
}

/// Ethernet, IPv4 and UDP from a host of ours, as the switch sends it on a path.
fn frame(path: u64, host: u8, port: u16) -> Vec<u8> {
    let mut inner = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    inner.extend([
        0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 1, 0, 1,
    ]);
    inner.extend(port.to_be_bytes());
    inner.extend([0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    encapsulated(&inner, path)
}

fn handed_over(nic: &mut NicModel, frame: &[u8]) -> (u32, u32) {
    match nic.receive(&mut frame.to_vec()) {
        Verdict::Host { mark, meta, .. } => (mark, meta),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_take_their_time_and_packets_get_the_number_that_their_flow_has_then() {
    for seed in 0..40 {
        let random = &mut Random(seed + 1);
        let mut caps = generic();
        caps.rates.insertions_per_second =
            [None, Some(1_000_000), Some(100_000)][random.below(3) as usize];
        let took = caps
            .rates
            .insertions_per_second
            .map_or(0, |rate| 1_000_000_000 / rate);
        let most = 1 + random.below(6) as u32;
        let set = with_numbers(&RuleSet::default(), &caps, most).expect("rules");
        let template = set.flows.clone().expect("a template");
        assert_eq!((template.carrier, template.most), (Carrier::Mark, most));
        let matcher = FlowMatcher::new(&template, &caps);
        let mut nic = NicModel::new(&caps, &set).expect("a NIC");
        let frames: Vec<Vec<u8>> = (0..8)
            .map(|i| frame(1 + i % 2, (i / 4) as u8, (i / 2 % 2) as u16))
            .collect();
        // By number: the flow that will have it. By flow: the number that it has now. What waits for its time.
        let mut numbers: BTreeMap<u32, usize> = BTreeMap::new();
        let mut current: BTreeMap<usize, u32> = BTreeMap::new();
        let mut waiting: Vec<(u64, usize, Option<u32>)> = Vec::new();
        let (mut now, mut free_at) = (0u64, 0u64);
        for _ in 0..300 {
            now += [0, 700, 9_000][random.below(3) as usize];
            let (flow, number) = (random.below(8) as usize, 1 + random.below(7) as u32);
            let named = numbers.values().any(|f| *f == flow);
            if random.below(3) == 0 && !named {
                let wanted = Change::Insert(matcher.flow(&frames[flow]).expect("a flow"), number);
                let asked = nic.change(now, wanted);
                if numbers.contains_key(&number) {
                    assert!(matches!(asked, Err(RuleError::Number(..))), "{asked:?}");
                } else if numbers.len() as u32 == most {
                    assert!(matches!(asked, Err(RuleError::Full(..))), "{asked:?}");
                } else {
                    free_at = now.max(free_at) + took;
                    assert_eq!(asked, Ok(free_at));
                    numbers.insert(number, flow);
                    waiting.push((free_at, flow, Some(number)));
                }
            } else if random.below(3) == 0 {
                let asked = nic.change(now, Change::Remove(number));
                match numbers.remove(&number) {
                    None => assert!(matches!(asked, Err(RuleError::Number(..))), "{asked:?}"),
                    Some(flow) => {
                        free_at = now.max(free_at) + took;
                        assert_eq!(asked, Ok(free_at));
                        waiting.push((free_at, flow, None));
                    }
                }
            }
            nic.advance(now);
            for (_, flow, number) in waiting.extract_if(.., |(at, ..)| *at <= now) {
                match number {
                    Some(number) => current.insert(flow, number),
                    None => current.remove(&flow),
                };
            }
            for (flow, frame) in frames.iter().enumerate() {
                let number = current.get(&flow).copied().unwrap_or(0);
                assert_eq!(
                    handed_over(&mut nic, frame),
                    (number, 0),
                    "seed {seed}, flow {flow}"
                );
            }
        }
    }
}

#[test]
fn rules_with_marks_of_their_own_leave_meta_for_numbers_and_nothing_else_changes() {
    let before = rules(&piece(nf("ttl")));
    let caps = generic();
    let set = with_numbers(&before, &caps, 10).expect("rules");
    let template = set.flows.clone().expect("a template");
    assert_eq!(template.carrier, Carrier::Meta);
    let path = common::SPI;
    let known = frame(path, 1, 1);
    let matcher = FlowMatcher::new(&template, &caps);
    let mut plain = NicModel::new(&caps, &before).expect("a NIC");
    let mut nic = NicModel::new(&caps, &set).expect("a NIC");
    // The flow as the host sees it: with what the rules have done to the packet.
    let mut seen = known.clone();
    plain.receive(&mut seen);
    let flow = matcher.flow(&seen).expect("a flow");
    nic.change(0, Change::Insert(flow, 7)).expect("room");
    nic.advance(u64::MAX);
    for (frame, number) in [
        (known, 7),
        (frame(path, 2, 1), 0),
        (frame(path + 1, 1, 1), 0),
    ] {
        let (mut a, mut b) = (frame.clone(), frame);
        let Verdict::Host {
            mark,
            meta: 0,
            queue,
            ..
        } = plain.receive(&mut a)
        else {
            panic!("no host");
        };
        let Verdict::Host {
            mark: also,
            meta,
            queue: same,
            ..
        } = nic.receive(&mut b)
        else {
            panic!("no host");
        };
        assert_eq!((a, mark, queue), (b, also, same));
        assert_eq!(meta, number);
    }
}

#[test]
fn text_of_the_template() {
    let set = with_numbers(&rules(&piece(nf("ttl"))), &generic(), 1000).expect("rules");
    let text = testpmd::render(&set);
    let template = text
        .split_once("# rules that number")
        .expect("a template")
        .1;
    let lines: Vec<&str> = template.lines().skip(1).collect();
    assert_eq!(
        lines[0],
        "flow pattern_template 0 create ingress pattern_template_id 0 relaxed no template eth / raw relative is 1 \
         search is 0 offset is 4 limit is 0 pattern_hex spec 000000 pattern_hex mask ffffff / eth / ipv4 dst mask \
         255.255.255.255 src mask 255.255.255.255 / tcp dst mask 65535 src mask 65535 / end"
    );
    assert_eq!(
        lines[4],
        "flow actions_template 0 create ingress actions_template_id 0 template set_meta data 0 mask 4294967295 / \
         queue index 0 / end mask set_meta / queue index 0 / end"
    );
    let group = set.flows.expect("a template").group;
    assert_eq!(
        lines[5],
        format!(
            "flow template_table 0 create table_id 0 group {group} priority 0 ingress rules_number 1000 \
             pattern_template 0 pattern_template 1 pattern_template 2 pattern_template 3 actions_template 0"
        )
    );
}

#[test]
fn what_a_nic_lacks_is_said() {
    let refused = |caps: &Capabilities, rules: &RuleSet| -> Refusal {
        let why = with_numbers(rules, caps, 10).expect_err("refused");
        why.refusal(&nf("ttl"))
    };
    for name in ["mlx5", "ice", "i40e", "bnxt", "cxgbe", "tap"] {
        let caps = Capabilities::named(name).unwrap();
        assert_eq!(refused(&caps, &RuleSet::default()).code.0, 465, "{name}");
    }
    let mut caps = generic();
    caps.actions
        .names
        .retain(|name| name != "mark" && name != "set_meta");
    assert_eq!(
        refused(&caps, &RuleSet::default()).operation,
        "action `mark`"
    );
    let mut caps = generic();
    caps.actions.names.retain(|name| name != "set_meta");
    let own = rules(&piece(nf("ttl")));
    assert_eq!(refused(&caps, &own).operation, "action `set_meta`");
    let mut caps = generic();
    caps.limits.rules = Some(own.rules.len() as u32 + 3);
    assert_eq!(refused(&caps, &own).code.0, 474);
    // The device says the same.
    let room = nic().flow_numbers(None).expect("a NIC").expect("room");
    assert_eq!((room.flows, room.per_second), (65536 - 3, Some(100_000)));
}
