//! Plans of the bundled examples: each strategy leaves less to the hosts, plans are
//! deterministic and read back, and their pieces, on interpreters in the embedded rack, keep the law over
//! the bundled traffic and over real captures.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use trisect::project::{Pipeline, Project};
use trisect_ir::diag::Span;
use trisect_ir::{NodeId, NodeKind};
use trisect_plan::cut::Proven;
use trisect_plan::explain::{Fix, NodePlan, WhyNot};
use trisect_plan::flows::Numbers;
use trisect_plan::pgraph::Traffic;
use trisect_plan::site::{ServerId, Site};
use trisect_plan::{Plan, Strategy, explain, svg};
use trisect_policy::policy::{Flows, Latency, Located, Updates};
use trisect_ports::Capture;
use trisect_rack::{
    Arrival, Engine, Interpreted, arrivals, assemble, by_flow, check, expect, specs,
};
use trisect_target::{Registry, resource};

const EXAMPLES: [&str; 3] = ["central-office", "l3-firewall", "nat-lb"];
const STRATEGIES: [Strategy; 3] = [Strategy::Host, Strategy::E2, Strategy::Best];

fn project(name: &str) -> Project {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    Project::load(&folder, None).expect("the examples load")
}

fn plan(project: &Project, strategy: Strategy) -> Plan {
    let registry = Registry::new(vec![
        Box::new(trisect_host::HostTarget),
        Box::new(trisect_bmv2::Bmv2),
        Box::new(trisect_rte_flow::RteFlow),
    ])
    .expect("different names");
    Plan::make(&project.input(&registry, strategy)).expect("there is a plan")
}

#[test]
fn better_strategies_leave_less_to_the_hosts() {
    for name in EXAMPLES {
        let project = project(name);
        let mut costs = Vec::new();
        for strategy in STRATEGIES {
            let start = Instant::now();
            let plan = plan(&project, strategy);
            println!(
                "{name} {strategy}: {} nodes, {:.1} cycles per packet, gap {:.2} %, {:?}",
                plan.nodes.len(),
                plan.cost.cycles,
                100.0 * plan.gap(),
                start.elapsed()
            );
            assert_eq!(plan.found_by, strategy);
            costs.push((plan.prediction.load_factor, plan.cost.cycles));
        }
        // What can be carried counts first, then the cores.
        let no_worse = |a: (f64, f64), b: (f64, f64)| {
            let close = (a.0 - b.0).abs() <= 1e-5 * b.0;
            a.0 > b.0 && !close || close && a.1 <= b.1 * (1.0 + 1e-5)
        };
        assert!(costs.iter().all(|c| no_worse(costs[2], *c)), "{costs:?}");
        if name == "central-office" {
            assert!(
                costs.iter().take(2).all(|c| !no_worse(*c, costs[2])),
                "{costs:?}"
            );
        }
    }
}

#[test]
fn a_profile_changes_cycles_and_shares() {
    let unprofiled = project("l3-firewall");
    let captures = unprofiled.traffic().expect("it has traffic");
    let traffic = trisect::run::bundled(&captures).expect("captures read");
    let mut profile = trisect::profile::of_project(&unprofiled, &traffic).expect("it runs");
    // Measured cycles differ from run to run.
    for (i, nf) in profile.nfs.iter_mut().enumerate() {
        assert!(nf.packets > 0 && nf.cycles > 0, "{nf:?}");
        nf.cycles = 1000 + i as u64;
    }
    let counted: Vec<_> = profile
        .nodes
        .iter()
        .filter(|n| !n.ways.is_empty())
        .collect();
    assert!(counted.len() > 3);
    let profiled = Project {
        profile: Some(profile.clone()),
        ..unprofiled.clone()
    };
    let before = plan(&unprofiled, Strategy::Host);
    let after = plan(&profiled, Strategy::Host);
    assert_eq!(before.pgraph.profile, None);
    let taken = after.pgraph.profile.clone().expect("a profile was taken");
    assert_eq!(taken.packets, profile.packets);
    assert!(taken.parted > 3, "{taken:?}");
    for nf in &profile.nfs {
        let planned = after
            .pgraph
            .nfs
            .iter()
            .find(|n| n.name == nf.name)
            .expect("an NF");
        assert_eq!(planned.cycles, nf.cycles);
    }
    // What the nodes of an NF cost on a host in sum is what was measured for it.
    let frequency = |plan: &Plan, name: &str| {
        plan.nodes
            .iter()
            .find(|n| n.name == name)
            .map_or(0.0, |n| n.frequency)
    };
    for nf in &profile.nfs {
        let of_nf = profile
            .nodes
            .iter()
            .filter(|n| n.name.starts_with(&format!("{}.", nf.name)));
        let sum: f64 = of_nf
            .filter_map(|n| Some(n.cycles? as f64 * n.packets as f64 / nf.packets as f64))
            .sum();
        assert!(sum > 0.0, "{nf:?}");
    }
    // A firewall drops more than the five percent that are assumed, or less: as counted.
    let changed = before
        .nodes
        .iter()
        .any(|n| (n.frequency - frequency(&after, &n.name)).abs() > 0.01);
    assert!(changed);
    let stranger = trisect_policy::profile::NfProfile {
        name: "stranger".to_owned(),
        packets: 1,
        cycles: 1,
    };
    let mut other = profile;
    other.nfs.push(stranger);
    let wrong = trisect_plan::pgraph::PGraph::new;
    let Pipeline::Policy {
        policy, library, ..
    } = &unprofiled.pipeline
    else {
        panic!("the example has a policy")
    };
    let error = wrong(
        policy,
        library,
        &unprofiled.rack,
        Traffic::default(),
        Some(&other),
    )
    .expect_err("it is another pipeline's");
    assert_eq!(error.code().0, 314);
}

#[test]
fn every_switch_model_is_planned_for_within_its_limits() {
    for model in trisect_bmv2::SwitchModel::builtin() {
        let mut project = project("l3-firewall");
        let switch = &mut project.rack.switches[0];
        switch.model = model.name.clone();
        (switch.stages, switch.sram_kib) = (None, None);
        (switch.tcam_kib, switch.entries) = (None, None);
        let plan = plan(&project, Strategy::Best);
        let device = &plan.devices[0];
        assert_eq!(device.uses.exceeding(&device.budget), [], "{}", model.name);
        let on_switch = device.nodes;
        match model.tables.is_empty() {
            // All of it fits a programmable switch.
            true => assert_eq!(on_switch, plan.nodes.len(), "{}", model.name),
            false => assert!(on_switch > 0 && on_switch < plan.nodes.len()),
        }
    }
}

/// The access list of `l3-firewall` is changed so often; the switch is one that states how many changes it takes.
fn changing(updates: Updates) -> Project {
    let mut project = project("l3-firewall");
    let switch = &mut project.rack.switches[0];
    switch.model = "tofino-12".to_owned();
    (switch.stages, switch.sram_kib) = (None, None);
    (switch.tcam_kib, switch.entries) = (None, None);
    let Pipeline::Policy { policy, .. } = &mut project.pipeline else {
        panic!("the example has a policy")
    };
    let rules = &mut policy.nfs[0].config[0];
    assert_eq!(rules.name.value, "rules");
    rules.updates = Some(Located::new(updates, Span::default()));
    project
}

fn node<'p>(plan: &'p Plan, name: &str) -> &'p NodePlan {
    plan.nodes.iter().find(|n| n.name == name).expect("a node")
}

#[test]
fn devices_take_only_so_many_changes_of_tables() {
    // 200,000 a second is what the switch takes, 100,000 rules the NIC.
    let few = plan(&changing(Updates::PerSecond(150_000)), Strategy::Best);
    assert_eq!(node(&few, "fw.acl").device, "tor");
    assert_eq!(few.devices[0].uses.get(resource::UPDATES), Some(150_000));
    assert_eq!(few.prediction.bottleneck, "port p1");
    let many = plan(&changing(Updates::PerSecond(300_000)), Strategy::Best);
    let acl = node(&many, "fw.acl");
    assert_eq!(acl.device, "s1");
    let of = |device: &str| {
        let found = acl.elsewhere.iter().find(|a| a.device == device);
        found.expect("a reason").why.clone()
    };
    let WhyNot::Full { shortage, .. } = of("tor") else {
        panic!("{}", of("tor"))
    };
    let stated = (
        shortage.quantity.as_str(),
        shortage.needed,
        shortage.available,
    );
    assert_eq!(stated, (resource::UPDATES, 300_000, 200_000));
    assert!(
        !matches!(of("s1.nic"), WhyNot::Unable(_)),
        "{}",
        of("s1.nic")
    );
}

/// nat-lb, every NF on the host, with so many flows per class of so many packets, on a rack whose NIC is of a model and
/// has so many rules.
fn with_flows(flows: Option<(u64, u64)>, model: &str, rules: u64) -> Plan {
    flows_by(Strategy::Host, flows, model, rules)
}

/// The same, cut by a strategy.
fn flows_by(strategy: Strategy, flows: Option<(u64, u64)>, model: &str, rules: u64) -> Plan {
    let mut project = project("nat-lb");
    let Pipeline::Policy { policy, .. } = &mut project.pipeline else {
        panic!("no policy");
    };
    for pipeline in &mut policy.pipelines {
        pipeline.class.flows = flows.map(|(at_once, packets)| Flows { at_once, packets });
    }
    let nic = &mut project.rack.servers[0].nics[0];
    (nic.model, nic.rules) = (model.to_owned(), rules);
    plan(&project, strategy)
}

/// Whatever the strategy, and however many rules are left for flows: no figure is better than what is proven of all cuts.
#[test]
fn what_is_proven_holds_with_numbers_too() {
    for rules in [2_000, 30_000, 262_144] {
        let of = |strategy| flows_by(strategy, Some((60_000, 200)), "generic", rules);
        let best = of(Strategy::Best);
        let proof = &best.proof;
        let bound = |figure: Proven| figure.bound.expect("a bound");
        for plan in [Strategy::Host, Strategy::Greedy, Strategy::NicFirst]
            .map(of)
            .iter()
            .chain([&best])
        {
            let found = (plan.proof.scale.value, plan.proof.cores.value);
            assert!(
                found.0 <= bound(proof.scale) * (1.0 + 1e-6),
                "{rules}: {found:?}"
            );
            if found.0 >= proof.scale.value * (1.0 - 1e-6) {
                assert!(
                    found.1 >= bound(proof.cores) * (1.0 - 1e-6),
                    "{rules}: {found:?}"
                );
                assert!(
                    found.1 >= proof.cores.value * (1.0 - 1e-4),
                    "{rules}: {found:?}"
                );
            }
        }
        assert!(best.gap() < 0.12, "{rules}: {}", best.gap());
    }
}

#[test]
fn flows_have_numbers_where_that_is_worth_it_and_explain_says_why_not() {
    const MANY: u64 = 262_144;
    let text = |plan: &Plan| -> String {
        let all = explain::text(plan, Some("s1"));
        let lines = all.lines().filter(|line| line.contains("numbers"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let numbered = with_flows(Some((60_000, 200)), "generic", MANY);
    let shown = text(&numbered);
    assert!(
        shown.contains("lb.flows on s1: looked up by the numbers that s1.nic gives"),
        "{shown}"
    );
    assert!(
        shown.contains("s1.nic numbers flows for s1: 99.0 % of"),
        "{shown}"
    );
    assert_eq!(numbered.flows[0].rules(), Some(120_000));
    // Both tables of each NF, and what is asked for by an NF's name.
    assert_eq!(numbered.flows[0].hinted().len(), 4);
    let of_nat = explain::text(&numbered, Some("nat"));
    assert!(
        of_nat.contains("nat.mappings on s1: looked up by") && !of_nat.contains("lb.flows on s1")
    );
    // What runs where is the same; what look-ups cost, and what numbers change, is in all figures.
    let plain = with_flows(None, "generic", MANY);
    let unable = with_flows(Some((60_000, 200)), "mlx5", MANY);
    assert_eq!(
        (&plain.assignment, &plain.pieces, &plain.assignment),
        (&numbered.assignment, &numbered.pieces, &unable.assignment)
    );
    let Numbers::Yes(gain) = numbered.flows[0].numbers else {
        panic!("{:?}", numbered.flows);
    };
    let less = unable.cost.cycles - numbered.cost.cycles;
    assert!((less - (gain.saved - gain.spent)).abs() < 1e-6, "{less}");
    assert!(unable.cost.cycles > plain.cost.cycles + 50.0);
    let (few, many) = (&numbered.prediction, &unable.prediction);
    let work = |cycles: f64| cycles * few.offered_pps / numbered.servers[0].hz;
    assert!((few.cores - work(numbered.cost.cycles)).abs() < 1e-9);
    assert!((many.cores - few.cores - work(less)).abs() < 1e-9);
    assert!(
        few.load_factor >= many.load_factor && many.load_factor <= plain.prediction.load_factor
    );
    // The longest way is that of a packet without number, which takes more.
    assert!(few.longest_us > many.longest_us && many.longest_us > plain.prediction.longest_us);
    let nic = numbered.device(Site::Nic(ServerId(0))).unwrap();
    assert_eq!(nic.uses.get(resource::RULES), Some(120_000));

    for (flows, model, rules, why) in [
        (
            None,
            "generic",
            MANY,
            "nothing says how many flows there are",
        ),
        (Some((60_000, 200)), "mlx5", MANY, "E0465"),
        (
            Some((60_000, 200)),
            "generic",
            4096,
            "not worth it: too few rules are left",
        ),
        (
            Some((60_000, 4)),
            "generic",
            MANY,
            "not worth it: the NIC inserts too few rules per second",
        ),
        (Some((60_000, 2)), "generic", MANY, "not worth it"),
        (
            Some((100, 200)),
            "generic",
            MANY,
            "s1.nic numbers no flows for s1: 99.0 %",
        ),
    ] {
        let plan = with_flows(flows, model, rules);
        assert_eq!(plan.flows[0].rules(), None);
        let shown = text(&plan);
        assert!(
            shown.contains("not looked up by numbers of s1.nic") && shown.contains(why),
            "{why}: {shown}"
        );
    }
}

#[test]
fn changes_that_come_with_packets_grow_with_the_load() {
    // 1 Gbit/s of 512 bytes is 244,140 packets a second, of which the filter takes all.
    let plan = plan(&changing(Updates::Fraction(400_000)), Strategy::SwitchFirst);
    assert_eq!(node(&plan, "fw.acl").device, "tor");
    let used = plan.devices[0].uses.get(resource::UPDATES).expect("some");
    let load = plan.prediction.loads["table updates of tor"];
    assert!(
        (load - used as f64 / 200_000.0).abs() < 1e-9,
        "{load} {used}"
    );
    assert_eq!(plan.prediction.bottleneck, "table updates of tor");
    assert!((plan.prediction.load_factor * load - 1.0).abs() < 1e-6);
}

/// Microseconds of the longest way from a node on, coming from a site, by walking all ways; `None` if all end in
/// drops.
fn longest_from(plan: &Plan, node: NodeId, from: Site, known: &mut Known) -> Option<f64> {
    let kind = &plan.uncut.control.nodes[node].kind;
    match kind {
        NodeKind::Emit => return Some(0.0),
        NodeKind::Drop => return None,
        _ => {}
    }
    if let Some(us) = known.get(&(node, from)) {
        return *us;
    }
    let at = plan.assignment.site(node);
    let enters = at.server().filter(|server| from.server() != Some(*server));
    let visit = enters.map_or(0.0, |server| {
        let server = &plan.servers[usize::from(server.0)];
        2.0 * server.link_ns as f64 / 1e3 + 1e6 * server.io_cycles as f64 / server.hz
    });
    let cycles = plan
        .nodes
        .iter()
        .find(|n| n.node == node)
        .map_or(0, |n| n.cycles);
    let hz = at
        .server()
        .map_or(1.0, |s| plan.servers[usize::from(s.0)].hz);
    let behind = kind.successors().into_iter();
    let behind = behind.filter_map(|next| longest_from(plan, next, at, known));
    let us = behind.reduce(f64::max);
    let us = us.map(|us| us + visit + 1e6 * cycles as f64 / hz);
    known.insert((node, from), us);
    us
}
type Known = BTreeMap<(NodeId, Site), Option<f64>>;

#[test]
fn latency_objectives_hold_for_the_longest_way() {
    for (name, class) in [("central-office", 0), ("nat-lb", 1)] {
        let mut project = project(name);
        let free = plan(&project, Strategy::Best);
        let entry = free.uncut.control.entry.expect("an entry");
        let longest = longest_from(&free, entry, Site::Switch, &mut Known::new());
        let longest = longest.expect("packets leave");
        let stated = &free.prediction;
        assert!(
            (longest - stated.longest_us).abs() < 1e-6,
            "{name}: {longest} {stated:?}"
        );
        let of_class = stated.latencies[class].clone();
        assert!(of_class.expected_us < of_class.longest_us, "{of_class:?}");
        // Between the two: the mean would do, the longest way does not.
        let most = (of_class.expected_us + of_class.longest_us) / 2.0;
        let Pipeline::Policy { policy, .. } = &mut project.pipeline else {
            panic!("the example has a policy")
        };
        let ns = Latency((1e3 * most) as u64);
        policy.pipelines[class].slo.latency = Some(Located::new(ns, Span::default()));
        let registry = trisect::registry::registry().expect("different names");
        match Plan::make(&project.input(&registry, Strategy::Best)) {
            Ok(kept) => {
                let kept = &kept.prediction.latencies[class];
                assert!(kept.longest_us <= most && kept.most_us.is_some(), "{kept}");
            }
            Err(error) => {
                let said = error.to_string();
                assert!(
                    said.contains(&format!("latency of {}", of_class.class)),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn central_office_keeps_the_law_on_an_rmt_switch() {
    let mut project = project("central-office");
    let switch = &mut project.rack.switches[0];
    switch.model = "rmt-32".to_owned();
    (switch.stages, switch.sram_kib) = (None, None);
    (switch.tcam_kib, switch.entries) = (None, None);
    // What hashes and carries tags takes more of the header vector than is left.
    project.rack.sampling = None;
    let plan = plan(&project, Strategy::Best);
    let tor = &plan.devices[0];
    assert!(tor.nodes > 10, "{}", tor.nodes);
    assert_eq!(tor.uses.exceeding(&tor.budget), []);
    keeps_the_law(&plan, &bundled(&project), "central-office on rmt-32");
}

/// The fix for a node at a device.
fn fix(plan: &Plan, of: &str, device: &str) -> Fix {
    let elsewhere = &node(plan, of).elsewhere;
    let found = elsewhere.iter().find(|a| a.device == device);
    found.expect("a reason").fix.clone()
}

fn change(text: &str) -> Fix {
    Fix::Change(text.to_owned())
}

#[test]
fn every_reason_has_a_fix_or_says_why_nothing_helps() {
    // By category: with a change, and with none.
    let mut counted: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for name in EXAMPLES {
        let project = project(name);
        let plan = plan(&project, Strategy::Best);
        let picture = svg::picture(&plan);
        for node in &plan.nodes {
            let text = explain::text(&plan, Some(&node.name));
            for other in &node.elsewhere {
                let category = match &other.why {
                    WhyNot::Unable(_) => "unable",
                    WhyNot::Companion { .. } => "companion",
                    WhyNot::Rule(_) => "rule",
                    WhyNot::Full { .. } => "full",
                    WhyNot::Promise(_) => "promise",
                    WhyNot::Loses(_) => "no gain",
                };
                let (said, place) = match &other.fix {
                    Fix::Change(change) => (change, 0),
                    Fix::Nothing(why) => (why, 1),
                };
                assert!(said.len() > 10, "{name}, {}: {other:?}", node.name);
                assert!(
                    text.contains(&format!("nearest fix: {}", other.fix)),
                    "{text}"
                );
                counted.entry(category).or_default()[place] += 1;
            }
        }
        assert!(picture.contains("nearest fix: "), "{name}");
    }
    println!("{counted:?}");
    let changes: usize = counted.values().map(|[changes, _]| changes).sum();
    let all: usize = counted.values().flatten().sum();
    assert!(8 * changes > all, "{counted:?}");
}

#[test]
fn the_nearest_fix_is_one() {
    // A switch without TCAM and with few entries: exact keys, other models, smaller tables.
    let mut project = project("l3-firewall");
    let switch = &mut project.rack.switches[0];
    switch.tcam_kib = Some(0);
    let said = fix(&plan(&project, Strategy::Best), "fw.acl", "tor");
    assert_eq!(said, change("take model `rmt-32` for tor"));
    // The change is one: with it the reason is gone.
    let switch = &mut project.rack.switches[0];
    switch.model = "rmt-32".to_owned();
    (switch.stages, switch.sram_kib, switch.tcam_kib) = (None, None, None);
    let better = plan(&project, Strategy::Best);
    assert_eq!(node(&better, "fw.acl").device, "tor");
    // Fewer updates than are asked for.
    let often = plan(&changing(Updates::PerSecond(300_000)), Strategy::Best);
    let said = fix(&often, "fw.acl", "tor");
    let seldom =
        "change table fw.acl so seldom that it takes 200000 updates_per_second instead of 300000";
    assert_eq!(said, change(seldom));
    assert_eq!(
        node(
            &plan(&changing(Updates::PerSecond(200_000)), Strategy::Best),
            "fw.acl"
        )
        .device,
        "tor"
    );
}

#[test]
fn plans_are_deterministic_and_read_back() {
    let project = project("nat-lb");
    let text = plan(&project, Strategy::Best)
        .to_json()
        .expect("serialises");
    let again = plan(&project, Strategy::Best)
        .to_json()
        .expect("serialises");
    assert!(text == again, "the same input gave two plans");
    let read = Plan::from_json(&text).expect("reads back");
    assert!(read.to_json().expect("serialises") == text);
}

#[test]
fn every_node_has_its_reasons() {
    let project = project("central-office");
    let plan = plan(&project, Strategy::Best);
    let text = explain::text(&plan, None);
    for node in &plan.nodes {
        assert!(text.contains(&node.name), "{} is not explained", node.name);
        let sites = node.elsewhere.len();
        // Switch, and NIC and host of two servers.
        assert_eq!(sites, 4, "{}: {:?}", node.name, node.elsewhere);
    }
    let ids = explain::text(&plan, Some("ids"));
    assert!(ids.contains("unable"), "{ids}");
    assert_eq!(explain::text(&plan, Some("nothing")), "");
    let picture = svg::picture(&plan);
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
}

fn bundled(project: &Project) -> Vec<Arrival> {
    let mut all = Vec::new();
    for (port, file) in project.traffic().expect("bundled traffic") {
        let capture = Capture::open(&file).expect("a capture");
        let (some, _) = arrivals(&capture, |_| Some(port)).expect("readable");
        all.extend(some);
    }
    all.sort_by_key(|a| a.time_ns);
    all
}

fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let Ok(list) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no real captures at {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = list.filter_map(|e| Some(e.ok()?.path())).collect();
    files.sort();
    files
}

/// Ten times the load on servers with few cores: several instances, on several servers.
fn grown(project: &mut Project) {
    let Pipeline::Policy { policy, .. } = &mut project.pipeline else {
        panic!("the example has a policy");
    };
    for pipeline in &mut policy.pipelines {
        if let Some(rate) = &mut pipeline.class.rate {
            rate.0 *= 10;
        }
    }
    let first = project.rack.servers[0].clone();
    let port = project
        .rack
        .servers
        .iter()
        .flat_map(|s| &s.nics)
        .map(|n| n.link.port)
        .max();
    for k in 0..3 {
        let mut server = first.clone();
        server.name = format!("more{k}");
        server.nics[0].link.port = port.unwrap_or(0) + 1 + k;
        project.rack.servers.push(server);
    }
    for server in &mut project.rack.servers {
        server.cores = 4;
    }
}

#[test]
fn several_instances_on_several_servers_keep_the_law() {
    for name in EXAMPLES {
        let mut project = project(name);
        grown(&mut project);
        let arrivals = bundled(&project);
        for strategy in STRATEGIES {
            let start = Instant::now();
            let plan = plan(&project, strategy);
            println!(
                "{name} grown, {strategy}: {} instances, {:?}, {} nodes, {:.1} cycles per packet, gap {:.2} %, found by {}, {:?}",
                plan.igraph.instances.len(),
                plan.placement,
                plan.nodes.len(),
                plan.cost.cycles,
                100.0 * plan.gap(),
                plan.found_by,
                start.elapsed()
            );
            keeps_the_law(&plan, &arrivals, name);
        }
    }
}

/// Runs a plan's pieces in the rack and compares with the uncut program.
fn keeps_the_law(plan: &Plan, arrivals: &[Arrival], what: &str) {
    let (switch, servers) = specs(&plan.rack).expect("a rack");
    let mut rack = assemble(switch, servers, &plan.pieces, |asked| {
        Ok::<Box<dyn Engine>, String>(Box::new(Interpreted::new(asked.piece, 500)))
    })
    .expect("engines");
    let report = rack.run(arrivals, &mut |_| {}).expect("runs");
    let result = check(arrivals, &expect(&plan.uncut, arrivals), &report);
    assert_eq!(
        result.count, 0,
        "{what}, {}: {:#?}",
        plan.strategy, result.differences
    );
}

#[test]
fn cut_pipelines_keep_the_law_over_bundled_and_real_traffic() {
    for name in EXAMPLES {
        let project = project(name);
        let bundled = bundled(&project);
        let plans: Vec<Plan> = STRATEGIES.iter().map(|s| plan(&project, *s)).collect();
        for plan in &plans {
            keeps_the_law(plan, &bundled, name);
        }
        // The other strategies find stranger cuts; one that leaves them most to choose from will do.
        for strategy in Strategy::ALL {
            if name == "nat-lb" && !STRATEGIES.contains(&strategy) {
                keeps_the_law(&plan(&project, strategy), &bundled, name);
            }
        }
        let ports: Vec<u16> = (0..project.rack.external_ports().count() as u16).collect();
        for file in traces() {
            let Ok(capture) = Capture::open(&file) else {
                continue;
            };
            let Ok((mut some, _)) = arrivals(&capture, |frame| by_flow(&ports, frame)) else {
                continue;
            };
            some.truncate(400);
            for plan in &plans {
                keeps_the_law(plan, &some, &format!("{name}, {}", file.display()));
            }
        }
    }
}
