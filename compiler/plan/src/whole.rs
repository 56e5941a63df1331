//! The plan of a program that copies packets or sends them again: the switch runs it whole.
//!
//! Such a program needs a traffic manager between its passes ([`trisect_ir::bridge`]), which only the switch has. So
//! there is nothing to choose, and nothing crosses a link to a server; what other devices say stands with each node.

use crate::cut::{self, Cost, Proof, Proven, Strategy};
use crate::error::PlanError;
use crate::explain::{Alternative, Fix, NodePlan, WhyNot};
use crate::facts::Facts;
use crate::igraph::IGraph;
use crate::machines::Machines;
use crate::pgraph::PGraph;
use crate::plan::{DevicePlan, Input, Plan, Prediction, host_cycles};
use crate::sampling::Sampling;
use crate::site::{Assignment, Site};
use crate::split::Pieces;
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::bridge::{Bridge, Role, step};
use trisect_ir::{BinOp, Entity, Expr, NodeId, NodeKind, Program};
use trisect_policy::rack::Rack;
use trisect_target::{Refusal, TargetKind, Use, Whole};

/// Makes the plan.
///
/// # Errors
/// The switch refuses the program, the strategy is one that uses no switch, or the rack file asks for samples.
pub(crate) fn plan(
    input: &Input<'_>,
    machines: &Machines,
    name: &str,
    program: &Program,
    whole: &Whole,
) -> Result<Plan, PlanError> {
    let refused = |reason: String| PlanError::Whole {
        program: name.to_owned(),
        reason,
    };
    if let Strategy::Host | Strategy::Packing = input.strategy {
        let reason = format!("strategy `{}` leaves it nothing to run", input.strategy);
        return Err(refused(reason));
    }
    if input.rack.sampling.is_some() {
        let reason = "its packets cannot be sampled, as the rack file asks";
        return Err(refused(reason.to_owned()));
    }
    let invalid = |error: String| PlanError::Invalid {
        what: format!("the program of `{name}`"),
        error,
    };
    trisect_ir::verify(program).map_err(|error| invalid(error.to_string()))?;
    let bridge = &whole.bridge;
    bridge.check(program).map_err(|e| invalid(e.to_string()))?;
    let fits = |site| match machines.device(site) {
        Some(device) => device.fit_whole(program, whole),
        None => Ok(Use::default()),
    };
    let used = fits(Site::Switch).map_err(|why| refused(texts(&why)))?;
    let elsewhere: Vec<Alternative> = machines
        .sites()
        .into_iter()
        .filter_map(|site| {
            let refusals = fits(site).err()?;
            let why = refusals.iter().map(Refusal::to_string).collect::<Vec<_>>();
            Some(Alternative {
                site,
                device: machines.name(site),
                fix: Fix::Nothing(format!(
                    "a program that copies packets runs whole, on a switch; {}",
                    why.join("; ")
                )),
                why: WhyNot::Unable(refusals),
            })
        })
        .collect();

    let uncut = named(program, name);
    let facts = Facts::new(&uncut);
    let cycles = host_cycles(program, machines);
    let pgraph = PGraph::of_program(name, cycles, input.rack, input.traffic);
    let offered_pps = pgraph.pipelines.iter().map(|p| p.pps).sum();
    let servers = machines.servers.len();
    Ok(Plan {
        name: input.name.to_owned(),
        objective: input.objective,
        strategy: input.strategy,
        traffic: input.traffic,
        rack: input.rack.clone(),
        igraph: IGraph::new(&pgraph, f64::INFINITY, &BTreeSet::new()),
        pgraph,
        placement: Vec::new(),
        servers: machines.servers.clone(),
        ports: machines.ports.clone(),
        nodes: nodes(&facts, machines, bridge, &elsewhere),
        devices: devices(&facts, machines, used, offered_pps),
        crossings: Vec::new(),
        sampling: Sampling {
            compiled: None,
            fields: Vec::new(),
            tag: None,
            classes: Vec::new(),
            costs: Vec::new(),
            header_bytes: 0.0,
        },
        cost: Cost {
            by_server: vec![0.0; servers],
            stays_by_server: vec![0.0; servers],
            ..Cost::default()
        },
        proof: proof(),
        found_by: input.strategy,
        prediction: prediction(input.rack, offered_pps),
        flows: Vec::new(),
        assignment: Assignment::all(facts.effects.len(), Site::Switch),
        pieces: Pieces {
            switch: program.clone(),
            nics: vec![None; servers],
            hosts: vec![None; servers],
            continuations: Vec::new(),
            marks: Vec::new(),
        },
        whole: Some(whole.clone()),
        uncut,
    })
}

fn texts(refusals: &[Refusal]) -> String {
    let texts: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    texts.join("; ")
}

/// The program with its nodes named as those of a pipeline are.
fn named(program: &Program, name: &str) -> Program {
    let mut named = program.clone();
    for node in named.control.nodes.values_mut() {
        node.name = format!("{name}.{}", node.name);
        name.clone_into(&mut node.nf);
    }
    named
}

fn nodes(
    facts: &Facts,
    machines: &Machines,
    bridge: &Bridge,
    elsewhere: &[Alternative],
) -> Vec<NodePlan> {
    let frequency = frequency(facts, bridge);
    let switch = machines.device(Site::Switch);
    let uses = |node: NodeId| {
        let verdict = switch?.check(facts.program, node);
        Some(verdict.able()?.resources.clone())
    };
    let of_node = |node: NodeId| NodePlan {
        node,
        name: facts.program.control.nodes[node].name.clone(),
        nf: facts.program.control.nodes[node].nf.clone(),
        site: Site::Switch,
        device: machines.name(Site::Switch),
        frequency: frequency[node.index()],
        uses: uses(node).unwrap_or_default(),
        cycles: 0,
        with: Vec::new(),
        elsewhere: elsewhere.to_vec(),
    };
    facts.sited().map(of_node).collect()
}

/// By node index: the expected part of packets that reach it in any of their passes.
fn frequency(facts: &Facts, bridge: &Bridge) -> Vec<f64> {
    let mut all = vec![0.0; facts.effects.len()];
    for pass in [step::INGRESS, step::EGRESS, step::DEPARSE] {
        let of_pass = cut::frequency(facts, &ways(facts.program, bridge, pass));
        for (sum, part) in all.iter_mut().zip(of_pass) {
            *sum = f64::min(*sum + part, 1.0);
        }
    }
    all
}

/// Which way a pass takes where the program asks which pass it is.
fn ways(program: &Program, bridge: &Bridge, pass: u64) -> BTreeMap<(NodeId, NodeId), f64> {
    let mut ways = BTreeMap::new();
    let step = bridge.role(Role::Step);
    for (id, node) in program.control.nodes.iter() {
        let NodeKind::Branch(Expr::Binary(BinOp::Eq, field, number), yes, no) = &node.kind else {
            continue;
        };
        let (Expr::Field(field), Expr::Const(number)) = (&**field, &**number) else {
            continue;
        };
        if step == Some(*field) && yes != no {
            let here = number.low_u64() == pass;
            ways.insert((id, *yes), f64::from(u8::from(here)));
            ways.insert((id, *no), f64::from(u8::from(!here)));
        }
    }
    ways
}

/// Every port may be full with what comes in; how many copies there will be, nobody knows before.
fn prediction(rack: &Rack, offered_pps: f64) -> Prediction {
    let ports = rack.external_ports().map(|p| format!("port {}", p.name));
    let loads: BTreeMap<String, f64> = ports.map(|port| (port, 1.0)).collect();
    Prediction {
        offered_pps,
        load_factor: 1.0,
        bottleneck: loads.keys().next().cloned().unwrap_or_default(),
        cores: 0.0,
        latency_us: 0.0,
        longest_us: 0.0,
        latencies: Vec::new(),
        rates: Vec::new(),
        loads,
    }
}

/// There is no other cut.
fn proof() -> Proof {
    let only = |value| Proven {
        value,
        bound: Some(value),
    };
    Proof {
        rates: None,
        scale: only(1.0),
        cores: only(0.0),
        header_bytes: only(0.0),
        bounces: only(0.0),
        stopped: false,
    }
}

fn devices(facts: &Facts, machines: &Machines, used: Use, pps: f64) -> Vec<DevicePlan> {
    let of_site = |site: Site| {
        let here = site == Site::Switch;
        Some(DevicePlan {
            site,
            name: machines.name(site),
            kind: match site {
                Site::Switch => TargetKind::Switch,
                Site::Nic(_) => TargetKind::Nic,
                Site::Host(_) => TargetKind::Host,
            },
            nodes: if here { facts.sited().count() } else { 0 },
            uses: match here {
                true => used.resources.clone(),
                false => Default::default(),
            },
            budget: machines.device(site)?.budget(),
            pps: if here { pps } else { 0.0 },
            load: matches!(site, Site::Host(_)).then_some(0.0),
        })
    };
    machines.sites().into_iter().filter_map(of_site).collect()
}
