//! The law on real network functions: each of the library's, cut at random wherever that is legal,
//! its pieces on interpreters joined by the rack's links, against the uncut program, on real and on
//! made-up packets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trisect_host::CompileError;
use trisect_ir::{Program, StdMeta};
use trisect_p4::Options;
use trisect_plan::facts::Facts;
use trisect_plan::legal;
use trisect_plan::site::{Assignment, ServerId, Site};
use trisect_plan::split::{Pieces, Ports, split};
use trisect_policy::NfDescription;
use trisect_policy::config::configure;
use trisect_ports::Capture;
use trisect_rack::{
    Arrival, Asked, Compiled, Engine, Expected, Fate, HostSpec, Interpreted, LinkSpec, Recorder,
    Role, ServerSpec, SwitchSpec, arrivals, assemble, by_flow, check, expect,
};
use trisect_sample::{Field, HashRange, Point, Record, SampleSpec, Sampler};

const SERVER_PORTS: [u16; 2] = [8, 9];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names with texts or files.
type Named = Vec<(&'static str, &'static str)>;

/// Parameters and configuration files (below `examples`) with which a network function is tried.
fn settings(nf: &str) -> (Named, Named) {
    let nat = ("inside", "nat-lb/inside.entries");
    match nf {
        "source-nat" => (vec![("EXTERNAL_ADDRESS", "0xcb007107")], vec![nat]),
        "firewall" => (vec![], vec![("rules", "central-office/acl.entries")]),
        "ids" => (vec![], vec![("signatures", "central-office/ids.patterns")]),
        "l3-forwarder" => (
            vec![],
            vec![
                ("routes", "central-office/routes.entries"),
                ("next_hops", "central-office/next_hops.entries"),
            ],
        ),
        "load-balancer" => (
            vec![],
            vec![
                ("services", "nat-lb/services.entries"),
                ("backends", "nat-lb/backends.txt"),
            ],
        ),
        "tunnel-gateway" => (
            vec![],
            vec![
                ("tunnels", "central-office/tunnels.entries"),
                ("endpoints", "central-office/endpoints.entries"),
            ],
        ),
        _ => (vec![], vec![]),
    }
}

fn configured(nf: &trisect_p4::LibraryNf) -> Program {
    let description = NfDescription::from_toml(nf.description, nf.name).unwrap();
    let (defines, files) = settings(nf.name);
    let mut options = Options::default();
    for (name, text) in defines {
        options = options.with_define(name, text);
    }
    let mut program = nf
        .compile(&options)
        .unwrap_or_else(|e| panic!("{}: {e:?}", nf.name));
    for (item, file) in files {
        let text = std::fs::read_to_string(root().join("examples").join(file)).unwrap();
        let config = description
            .config
            .iter()
            .find(|c| c.name == item)
            .expect("such an item");
        configure(&mut program, &config.kind, &text, file)
            .unwrap_or_else(|e| panic!("{}: {}", nf.name, e[0].render(&text)));
    }
    assert_eq!(trisect_ir::verify::verify(&program), Ok(()), "{}", nf.name);
    program
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// A legal assignment: from all on one host, nodes are moved at random where that stays legal.
fn random_cut(facts: &Facts<'_>, random: &mut Random) -> Assignment {
    let start = Site::Host(ServerId(random.below(2) as u16));
    let mut cut = Assignment::all(facts.program.control.nodes.len(), start);
    let nodes: Vec<_> = facts.sited().collect();
    let sites = [
        Site::Switch,
        Site::Nic(ServerId(0)),
        Site::Host(ServerId(0)),
        Site::Nic(ServerId(1)),
        Site::Host(ServerId(1)),
    ];
    for _ in 0..nodes.len() * 3 {
        // A run of nodes at once, since single moves are seldom legal.
        let (from, len) = (random.below(nodes.len()), 1 + random.below(nodes.len()));
        let site = sites[random.below(sites.len())];
        let mut moved = cut.clone();
        for node in nodes.iter().skip(from).take(len) {
            moved.set(*node, site);
        }
        if legal::check(facts, &moved).is_empty() {
            cut = moved;
        }
    }
    cut
}

fn specs() -> (SwitchSpec, Vec<ServerSpec>) {
    let link = LinkSpec::gbps(40, 500);
    let server = |i: usize| ServerSpec {
        switch_port: SERVER_PORTS[i],
        link,
        nic: format!("s{i}.nic"),
        nic_latency_ns: 300,
        bus: LinkSpec::gbps(60, 450),
        host: HostSpec {
            name: format!("s{i}"),
            cycles_per_second: 2_000_000_000,
        },
    };
    let ports = (0..8).map(|p| (p, LinkSpec::gbps(10, 0))).collect();
    let switch = SwitchSpec {
        name: "switch".into(),
        latency_ns: 450,
        ports,
    };
    (switch, vec![server(0), server(1)])
}

/// Pieces on the interpreter.
fn interpreted(asked: Asked<'_>) -> Result<Box<dyn Engine>, CompileError> {
    Ok(Box::new(Interpreted::new(asked.piece, 500)))
}

/// Switch and hosts in machine code, the NIC on the interpreter.
fn compiled(asked: Asked<'_>) -> Result<Box<dyn Engine>, CompileError> {
    match asked.role {
        Role::Nic => interpreted(asked),
        Role::Switch | Role::Host => Ok(Box::new(Compiled::new(asked.piece, 500)?)),
    }
}

fn held<E: std::fmt::Display>(
    expected: &Expected,
    pieces: &Pieces,
    arrivals: &[Arrival],
    engine: impl FnMut(Asked<'_>) -> Result<Box<dyn Engine>, E>,
    what: &str,
) -> usize {
    let (switch, servers) = specs();
    let assembled = assemble(switch, servers, pieces, engine);
    let mut rack = assembled.unwrap_or_else(|e| panic!("{what}: {e}"));
    let report = rack.run(arrivals, &mut |_| ()).unwrap();
    let found = check(arrivals, expected, &report);
    if let Some(first) = found.differences.first() {
        panic!("{what}: {} differences, the first:\n{first}", found.count);
    }
    report
        .devices
        .iter()
        .skip(1)
        .filter(|d| d.packets > 0)
        .count()
}

fn captures() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    let shared = root().join("../shared/traces");
    if !shared.is_dir() {
        eprintln!("SKIPPED: no real captures in {}", shared.display());
    }
    for dir in [shared, root().join("examples/nat-lb/traffic")] {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        files.extend(entries.filter_map(|e| Some(e.ok()?.path())));
    }
    files.retain(|p| p.extension().is_some_and(|e| e == "pcap"));
    files.sort();
    files
}

/// Up to `most` packets of every capture, the captures one after the other.
fn packets(most: usize) -> Vec<Arrival> {
    let mut out: Vec<Arrival> = Vec::new();
    for file in captures() {
        let capture = Capture::open(&file).unwrap();
        let port = |frame: &[u8]| by_flow(&[0, 1, 2, 3], frame);
        let (mut some, _) = arrivals(&capture, port).unwrap();
        some.truncate(most);
        let first = some.first().map_or(0, |a| a.time_ns);
        let start = out.last().map_or(0, |a| a.time_ns + 1_000_000);
        out.extend(some.into_iter().map(|a| Arrival {
            time_ns: start + a.time_ns - first,
            ..a
        }));
    }
    out
}

#[test]
fn every_library_function_keeps_the_law_however_it_is_cut() {
    let arrivals = packets(80);
    if arrivals.is_empty() {
        return;
    }
    let mut random = Random(1);
    for nf in trisect_p4::library() {
        let program = configured(nf);
        assert!(program.metas.len() >= StdMeta::ALL.len());
        let facts = Facts::new(&program);
        let expected = expect(&program, &arrivals);
        let mut devices = 0;
        for round in 0..6 {
            let cut = random_cut(&facts, &mut random);
            let ports = Ports {
                servers: SERVER_PORTS.to_vec(),
            };
            let pieces = split(&facts, &cut, &ports).unwrap();
            let what = format!("{} cut {round}: {cut:?}", nf.name);
            devices = devices.max(held(&expected, &pieces, &arrivals, interpreted, &what));
            held(
                &expected,
                &pieces,
                &arrivals,
                compiled,
                &format!("compiled {what}"),
            );
        }
        assert!(devices > 0, "{}: no cut used a server", nf.name);
    }
}

/// Every visit that the records of a run tell of gives, run again from what was recorded, what was
/// recorded of its end.
#[test]
fn recorded_visits_run_again() {
    let arrivals = packets(25);
    let mut random = Random(2);
    for nf in trisect_p4::library() {
        let program = configured(nf);
        let facts = Facts::new(&program);
        let cut = random_cut(&facts, &mut random);
        let ports = Ports {
            servers: SERVER_PORTS.to_vec(),
        };
        let pieces = split(&facts, &cut, &ports).unwrap();
        let (switch, servers) = specs();
        let mut rack = assemble(switch, servers, &pieces, compiled).unwrap();
        let fields = vec![Field::PayloadDigest];
        rack.sampler = Some(Sampler::new(SampleSpec::new(1, HashRange::ALL, fields)));
        rack.recorder = Some(Recorder::new(&pieces));
        let report = rack.run(&arrivals, &mut |_| ()).unwrap();
        let elements: Vec<&str> = report.devices.iter().map(|d| d.name.as_str()).collect();
        let mut auditors = Recorder::new(&pieces).witnesses;
        let mut arrived: BTreeMap<(&str, u64), &Record> = BTreeMap::new();
        let mut visits = 0;
        for record in &report.records {
            let visit = (record.element.as_str(), record.visit);
            if record.point == Point::In {
                assert_eq!(arrived.insert(visit, record), None);
                continue;
            }
            let came = arrived
                .remove(&visit)
                .expect("it came in before it went out");
            let at = elements.iter().position(|e| *e == record.element).unwrap();
            let Some(auditor) = &mut auditors[at] else {
                continue;
            };
            let work = record.work.as_ref().expect("recorded");
            let (fate, seen) = auditor.replay(came, &work.state).unwrap();
            assert_eq!(seen.state, work.state, "{}: {record:?}", nf.name);
            assert_eq!(seen.lookups, work.lookups, "{}: {record:?}", nf.name);
            match fate {
                Fate::Emit { port, frame } => {
                    assert_eq!(record.point, Point::Out, "{}: {record:?}", nf.name);
                    assert_eq!((port, frame.bytes), (record.port, record.packet.clone()));
                    assert_eq!((frame.mark, frame.meta), (record.mark, record.meta));
                }
                Fate::Drop { reason } => assert_eq!(reason, work.reason),
                Fate::Copies(_) => panic!("a piece of a cut copies nothing: {record:?}"),
            }
            visits += 1;
        }
        assert!(
            arrived.is_empty() && visits >= arrivals.len(),
            "{}",
            nf.name
        );
    }
}
