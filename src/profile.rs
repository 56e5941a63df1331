//! Profiles: a capture is run through the uncut pipeline in machine code, with a counter on every way; then
//! each network function alone over the packets that reached it, against the clock.

use std::collections::BTreeMap;

use crate::measure;
use crate::problems::{Problems, RACK_FAILED};
use crate::project::{Pipeline, Project};
use crate::run::Traffic;
use trisect_host::{CompileError, HostProgram, HostTarget, Options, Outcome, Packet};
use trisect_ir::state::Cell;
use trisect_ir::{
    CountUnit, Expr, Index, LValue, Node, NodeId, NodeKind, Object, ObjectKind, Op, Program,
    StdMeta, Successors,
};
use trisect_plan::error::PlanError;
use trisect_policy::profile::{NfProfile, NodeProfile, Profile};
use trisect_target::{Device, DeviceSpec, Resources, Target};

/// The pipeline of a project as one program, each function once.
///
/// # Errors
/// What stands in the way of any plan.
pub fn merged(project: &Project) -> Result<Program, PlanError> {
    trisect_plan::profile::merged(project.source(), &project.rack, Default::default())
}

/// Profiles a project.
///
/// # Errors
/// The pipeline cannot be merged, or code cannot be generated.
pub fn of_project(project: &Project, traffic: &Traffic) -> Result<Profile, Problems> {
    let merged = merged(project)?;
    let functions = match &project.pipeline {
        Pipeline::Policy {
            policy, programs, ..
        } => {
            let named = policy.nfs.iter().map(|nf| nf.name.value.as_str());
            named
                .filter_map(|name| Some((name, programs.get(name)?)))
                .collect()
        }
        Pipeline::Program(program) => vec![(project.name.as_str(), &**program)],
        // There is no merged pipeline, as said above.
        Pipeline::Whole(_) => Vec::new(),
    };
    let spec = DeviceSpec {
        name: "host".to_owned(),
        model: HostTarget
            .models()
            .first()
            .map_or_else(String::new, |m| m.name.clone()),
        text: None,
        look_ups: Vec::new(),
        limits: Resources::new(),
    };
    let host = HostTarget
        .device(&spec)
        .map_err(|error| Problems::from(PlanError::Device(error)))?;
    let subject = Subject {
        merged: &merged,
        functions,
        host: &*host,
    };
    profile(&subject, traffic)
}

/// Packets per call of compiled code.
const BATCH: usize = 64;
/// Packets over which a function is timed, at most.
const TIMED: usize = 8192;
/// The counters' name.
const COUNTER: &str = "profile.ways";

/// A pipeline to profile.
pub struct Subject<'a> {
    /// The merged program, with one instance of each function.
    pub merged: &'a Program,
    /// Configured programs by the function's name in the policy, in the policy's order.
    pub functions: Vec<(&'a str, &'a Program)>,
    /// A host, for the estimates by which a function's cycles are divided among its nodes.
    pub host: &'a dyn Device,
}

/// Counts and measures.
///
/// # Errors
/// Code cannot be generated.
pub fn profile(subject: &Subject<'_>, traffic: &Traffic) -> Result<Profile, Problems> {
    let clock_ghz = measure::clock_ghz().map_err(failed)?;
    let packets: Vec<Packet> = traffic
        .arrivals
        .iter()
        .map(|a| Packet::new(&a.bytes).on_port(a.port).at_time(a.time_ns))
        .collect();
    let mut nodes = count(subject.merged, &packets).map_err(failed)?;
    let mut nfs = Vec::new();
    for (name, program) in &subject.functions {
        let reached = reaching(subject.merged, name, &packets).map_err(failed)?;
        if reached.is_empty() {
            continue;
        }
        let timed = &reached[..reached.len().min(TIMED)];
        let ns = measure::program_nanoseconds(program, timed).map_err(failed)?;
        let cycles = (ns * clock_ghz).round().max(1.0) as u64;
        divide(subject, name, cycles, reached.len() as u64, &mut nodes);
        nfs.push(NfProfile {
            name: (*name).to_owned(),
            packets: reached.len() as u64,
            cycles,
        });
    }
    Ok(Profile {
        packets: packets.len() as u64,
        // Three digits: more is noise.
        clock_ghz: (clock_ghz * 1e3).round() / 1e3,
        nfs,
        nodes,
    })
}

fn failed(error: CompileError) -> Problems {
    let help = "the plan needs machine code, too; see the page of this code";
    Problems::error(
        RACK_FAILED,
        "the pipeline cannot be profiled",
        error.to_string(),
        help,
    )
}

/// The program with a counter on every way from every node, and the cell of each node's first way. A table
/// whose result is not looked at gets two ways, of hits and of misses.
fn instrumented(program: &Program) -> (Program, Vec<u32>) {
    let mut counted = program.clone();
    let mut cells = 0;
    let mut first = Vec::new();
    for node in program.control.nodes.values() {
        first.push(cells);
        cells += ways(&node.kind);
    }
    let ways = counted.objects.push(Object {
        name: COUNTER.to_owned(),
        kind: ObjectKind::Counter {
            size: Some(cells.max(1)),
            unit: CountUnit::Packets,
        },
    });
    for (id, node) in program.control.nodes.iter() {
        let mut kind = node.kind.clone();
        if let NodeKind::Apply(_, next @ Successors::Always(_)) = &mut kind
            && let Successors::Always(to) = *next
        {
            *next = Successors::HitMiss { hit: to, miss: to };
        }
        for (k, to) in kind.successors_mut().into_iter().enumerate() {
            let cell = first[trisect_ir::Entity::index(id)] + k as u32;
            let count = Op::Count(ways, Index::At(Expr::num(32, u64::from(cell))));
            *to = counted.control.nodes.push(Node {
                name: format!("profile.{cell}"),
                nf: node.nf.clone(),
                kind: NodeKind::Exec(vec![count], *to),
            });
        }
        counted.control.nodes[id].kind = kind;
    }
    (counted, first)
}

/// Ways from a node, hits and misses of a table apart.
fn ways(kind: &NodeKind) -> u32 {
    match kind {
        NodeKind::Apply(_, Successors::Always(_)) => 2,
        other => other.successors().len() as u32,
    }
}

/// How often each way of the program was taken. Nodes that no packet reached are left out.
fn count(program: &Program, packets: &[Packet]) -> Result<Vec<NodeProfile>, CompileError> {
    let (counted, first) = instrumented(program);
    let mut code = HostProgram::compile(&counted, &Options::default())?;
    run(&mut code, packets);
    let state = code.state(packets.last().map_or(0, |p| p.time_ns));
    let counters = state.counters.get(COUNTER);
    let cell = |n: u32| {
        let found = counters.and_then(|cells| cells.get(&Cell::Index(n)));
        found.map_or(0, |count| count.packets)
    };
    let mut nodes = Vec::new();
    for id in trisect_ir::analysis::topological(program) {
        let node = &program.control.nodes[id];
        let start = first[trisect_ir::Entity::index(id)];
        let seen: Vec<u64> = (start..start + ways(&node.kind)).map(cell).collect();
        let packets = seen.iter().sum();
        if packets == 0 {
            continue;
        }
        let hits = match node.kind {
            NodeKind::Apply(_, Successors::Always(_) | Successors::HitMiss { .. }) => {
                seen.first().copied()
            }
            _ => None,
        };
        nodes.push(NodeProfile {
            name: node.name.clone(),
            packets,
            ways: match node.kind.successors().len() {
                0 | 1 => Vec::new(),
                _ => seen,
            },
            hits,
            cycles: None,
        });
    }
    Ok(nodes)
}

fn run(code: &mut HostProgram, packets: &[Packet]) -> Vec<Packet> {
    let mut copies = packets.to_vec();
    for batch in copies.chunks_mut(BATCH) {
        code.run_batch(batch);
    }
    copies
}

/// The packets that reach a function, as they are then: the merged program up to the function's entry.
fn reaching(
    merged: &Program,
    function: &str,
    packets: &[Packet],
) -> Result<Vec<Packet>, CompileError> {
    let mut tapped = merged.clone();
    let inside: Vec<bool> = merged
        .control
        .nodes
        .values()
        .map(|node| node.nf == function)
        .collect();
    let is_inside = |node: NodeId| inside[trisect_ir::Entity::index(node)];
    let emit = tapped.control.nodes.push(Node {
        name: "profile.tap.emit".to_owned(),
        nf: String::new(),
        kind: NodeKind::Emit,
    });
    let port = LValue::meta(StdMeta::EgressPort.id());
    let tap = tapped.control.nodes.push(Node {
        name: "profile.tap".to_owned(),
        nf: String::new(),
        kind: NodeKind::Exec(vec![Op::Set(port, Expr::num(16, 0))], emit),
    });
    for (id, node) in merged.control.nodes.iter() {
        let kind = &mut tapped.control.nodes[id].kind;
        match kind {
            // What leaves elsewhere has not come this way.
            NodeKind::Emit => *kind = NodeKind::Drop,
            _ if node.nf == function => {}
            _ => {
                for to in kind.successors_mut() {
                    if is_inside(*to) {
                        *to = tap;
                    }
                }
            }
        }
    }
    if let Some(entry) = merged.control.entry.filter(|entry| is_inside(*entry)) {
        debug_assert!(!merged.control.nodes[entry].nf.is_empty());
        tapped.control.entry = Some(tap);
    }
    trisect_ir::transform::remove_unreachable(&mut tapped);
    let mut code = HostProgram::compile(&tapped, &Options::default())?;
    let after = run(&mut code, packets);
    let reached = packets.iter().zip(&after);
    let reached = reached.filter(|(_, after)| after.outcome() == Outcome::Emit);
    Ok(reached
        .map(|(before, after)| {
            Packet::new(after.frame())
                .on_port(before.port)
                .at_time(before.time_ns)
        })
        .collect())
}

/// Divides a function's cycles among its nodes, in proportion to the host's estimates.
fn divide(
    subject: &Subject<'_>,
    function: &str,
    cycles: u64,
    packets: u64,
    nodes: &mut [NodeProfile],
) {
    let control = &subject.merged.control.nodes;
    let estimates: BTreeMap<&str, u64> = control
        .iter()
        .filter(|(_, node)| node.nf == function)
        .map(|(id, node)| {
            let verdict = subject.host.check(subject.merged, id);
            let cycles = verdict.able().map_or(0, |used| used.cycles);
            (node.name.as_str(), cycles)
        })
        .collect();
    let of = |node: &NodeProfile| estimates.get(node.name.as_str()).copied();
    let estimated: f64 = nodes
        .iter()
        .filter_map(|node| Some(of(node)? as f64 * node.packets as f64))
        .sum();
    if estimated <= 0.0 {
        return;
    }
    let scale = cycles as f64 * packets as f64 / estimated;
    for node in nodes {
        if let Some(estimate) = of(node) {
            node.cycles = Some((estimate as f64 * scale).round() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)] // a test fails by panicking

    use super::*;
    use std::path::Path;
    use trisect_interp::Interpreter;

    /// The counts of compiled code are those of the interpreter's visits.
    #[test]
    fn ways_are_counted_as_the_interpreter_goes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/l3-firewall");
        let project = crate::project::Project::load(&folder, None).expect("the example reads");
        let merged = merged(&project).expect("it merges");
        let captures = project.traffic().expect("it has traffic");
        let mut traffic = crate::run::bundled(&captures).expect("captures read");
        traffic.arrivals.truncate(2000);
        let packets: Vec<Packet> = traffic
            .arrivals
            .iter()
            .map(|a| Packet::new(&a.bytes).on_port(a.port).at_time(a.time_ns))
            .collect();
        let counted = count(&merged, &packets).expect("compiles");

        let mut interpreter = Interpreter::new(&merged);
        let mut ways: BTreeMap<(NodeId, NodeId), u64> = BTreeMap::new();
        let mut hits: BTreeMap<NodeId, u64> = BTreeMap::new();
        for arrival in &traffic.arrivals {
            let packet =
                trisect_interp::Packet::new(arrival.port, arrival.time_ns, arrival.bytes.clone());
            let (_, trace) = interpreter.run_traced(packet);
            for pair in trace.steps.windows(2) {
                *ways.entry((pair[0].node, pair[1].node)).or_default() += 1;
            }
            for step in &trace.steps {
                let hit = step.hit.as_ref().is_some_and(|hit| hit.entry.is_some());
                *hits.entry(step.node).or_default() += u64::from(hit);
            }
        }
        let mut parted = 0;
        for node in &counted {
            let id = merged
                .control
                .nodes
                .find(|n| n.name == node.name)
                .expect("a node");
            assert_eq!(node.packets, interpreter.visits()[id], "{}", node.name);
            if let Some(found) = node.hits {
                assert_eq!(found, hits[&id], "{}", node.name);
            }
            let successors = merged.control.nodes[id].kind.successors();
            for to in &successors {
                let of_way = successors.iter().zip(&node.ways).filter(|(s, _)| *s == to);
                let sum: u64 = of_way.map(|(_, n)| *n).sum();
                if !node.ways.is_empty() {
                    assert_eq!(
                        sum,
                        ways.get(&(id, *to)).copied().unwrap_or(0),
                        "{}",
                        node.name
                    );
                    parted += 1;
                }
            }
        }
        assert!(parted > 10, "{parted}");
    }
}
