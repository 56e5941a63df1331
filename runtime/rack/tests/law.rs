//! The rack's machinery with devices made by hand, and the check that must notice what goes wrong.
//!
//! ```text
//!   port 1, 2 --- switch --- port 100 --- nic --- host
//! ```
//!
//! The pipeline learns flows by the first byte (a flow table with an idle timeout). Cut, the switch
//! wraps what begins with a byte below 0x80 in NSH and sends it to the server, whose host runs the
//! pipeline on it; the rest it does itself.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::state::State;
use trisect_ir::{
    Action, ActionCall, Expr, Field, FieldKind, FlowTable, Header, HeaderType, Key, LValue,
    MatchKind, Node, NodeKind, Op, Param, ParseTarget, ParserOp, ParserState, Program, StdMeta,
    Successors, Table, Transition,
};
use trisect_ports::Capture;
use trisect_rack::{
    Arrival, Engine, EngineError, Fate, Frame, HostSpec, LinkSpec, PassThrough, Place, Rack,
    RackError, Report, Server, ServerSpec, Summary, SwitchSpec, Tags, check, expect, write_egress,
};
use trisect_sample::{Field as Part, HashRange, SampleSpec, Sampler};
use trisect_wire::build::Build;
use trisect_wire::{Layers, Proto, nsh};

const SERVER_PORT: u16 = 100;

/// Extracts `h { bit<8> key; }`; a key of 0xff is dropped, others are looked up in a flow table:
/// a miss sends to port 1 and adds `known(port 2)`.
fn pipeline() -> Program {
    let mut p = Program::new("flows");
    let field = Field {
        name: "key".into(),
        kind: FieldKind::Fixed(8),
    };
    let ty = p.header_types.push(HeaderType {
        name: "h_t".into(),
        fields: vec![field],
    });
    let h = p.headers.push(Header {
        name: "h".into(),
        ty,
    });
    p.parser.start = Some(p.parser.states.push(ParserState {
        name: "start".into(),
        ops: vec![ParserOp::Extract {
            header: h,
            varbit: None,
        }],
        next: Transition::Goto(ParseTarget::Accept),
    }));
    p.deparser = vec![h];
    let egress = LValue::meta(StdMeta::EgressPort.id());
    let known = p.actions.push(Action {
        name: "known".into(),
        params: vec![Param {
            name: "port".into(),
            width: 16,
        }],
        ops: vec![Op::Set(egress, Expr::Param(0))],
    });
    let table = trisect_ir::TableId(0);
    let learn = p.actions.push(Action {
        name: "learn".into(),
        params: vec![],
        ops: vec![
            Op::Set(egress, Expr::num(16, 1)),
            Op::AddEntry {
                table,
                action: known,
                args: vec![Expr::num(16, 2)],
                profile: Expr::num(8, 0),
            },
        ],
    });
    p.tables.push(Table {
        name: "flows".into(),
        keys: vec![Key {
            name: "key".into(),
            expr: Expr::field(h, 0),
            kind: MatchKind::Exact,
            signed: false,
        }],
        actions: vec![known, learn],
        default: ActionCall {
            action: learn,
            args: vec![],
        },
        const_default: true,
        entries: vec![],
        size: 64,
        selector: None,
        flow: Some(FlowTable {
            timeouts_ns: vec![50_000],
        }),
    });
    let reason = p.drop_reason("key 0xff");
    let node = |name: &str, kind| Node {
        name: name.into(),
        nf: String::new(),
        kind,
    };
    let emit = p.control.nodes.push(node("emit", NodeKind::Emit));
    let drop = p.control.nodes.push(node("drop", NodeKind::Drop));
    let why = Op::Set(
        LValue::meta(StdMeta::Drop.id()),
        Expr::num(16, u64::from(reason.0) + 1),
    );
    let mark = p
        .control
        .nodes
        .push(node("mark", NodeKind::Exec(vec![why], drop)));
    let apply = p.control.nodes.push(node(
        "apply",
        NodeKind::Apply(table, Successors::Always(emit)),
    ));
    let bad = Expr::Binary(
        trisect_ir::BinOp::Eq,
        Box::new(Expr::field(h, 0)),
        Box::new(Expr::num(8, 0xff)),
    );
    p.control.entry = Some(
        p.control
            .nodes
            .push(node("bad", NodeKind::Branch(bad, mark, apply))),
    );
    p
}

/// Sends everything on, after these operations.
fn plain(ops: impl FnOnce(&mut Program) -> Vec<Op>) -> Program {
    let mut p = Program::new("plain");
    let ops = ops(&mut p);
    let node = |name: &str, kind| Node {
        name: name.into(),
        nf: String::new(),
        kind,
    };
    let emit = p.control.nodes.push(node("emit", NodeKind::Emit));
    p.control.entry = Some(p.control.nodes.push(node("ops", NodeKind::Exec(ops, emit))));
    p
}

/// A device made of a function and an interpreter.
struct Made<F> {
    interpreter: Interpreter,
    step: F,
}

impl<F: FnMut(&mut Interpreter, u16, u64, Frame) -> Fate> Engine for Made<F> {
    fn process(&mut self, port: u16, time: u64, f: Frame) -> Result<(Fate, u64), EngineError> {
        Ok(((self.step)(&mut self.interpreter, port, time, f), 1000))
    }

    fn state(&self, now_ns: u64) -> State {
        self.interpreter.state(now_ns)
    }
}

fn made<F>(step: F) -> Box<dyn Engine>
where
    F: FnMut(&mut Interpreter, u16, u64, Frame) -> Fate + 'static,
{
    Box::new(Made {
        interpreter: Interpreter::new(&pipeline()),
        step,
    })
}

/// The uncut pipeline on a packet that came in on port 9 at `time_ns`.
fn whole(i: &mut Interpreter, time_ns: u64, bytes: Vec<u8>) -> Fate {
    match i.run(Packet::new(9, time_ns, bytes)) {
        Outcome::Emit { port, bytes, .. } => Fate::Emit {
            port,
            frame: Frame::new(bytes),
        },
        Outcome::Drop { reason, .. } => Fate::Drop {
            reason: trisect_interp::reason_text(i.program(), reason).into(),
        },
    }
}

/// NSH with a time and a port as live metadata, in front of a frame.
fn wrap(time_ns: u64, port: u16, frame: &[u8]) -> Frame {
    let mut context = [0; 16];
    context[..8].copy_from_slice(&time_ns.to_be_bytes());
    context[8..10].copy_from_slice(&port.to_be_bytes());
    Frame::new(
        Build::sample()
            .nsh(nsh::Repr::md1(1, context))
            .payload(frame)
            .frame(),
    )
}

fn unwrap(frame: &Frame) -> (u64, u16, Vec<u8>) {
    let at = Layers::parse(&frame.bytes)
        .first(Proto::Nsh)
        .copied()
        .unwrap();
    let context = &at.header(&frame.bytes)[8..];
    let time = u64::from_be_bytes(context[..8].try_into().unwrap());
    let port = u16::from_be_bytes(context[8..10].try_into().unwrap());
    (time, port, at.payload(&frame.bytes).to_vec())
}

fn switch_step(i: &mut Interpreter, port: u16, time_ns: u64, frame: Frame) -> Fate {
    if port == SERVER_PORT {
        let (_, port, inner) = unwrap(&frame);
        return Fate::Emit {
            port,
            frame: Frame::new(inner),
        };
    }
    match frame.bytes.first() {
        Some(key) if *key < 0x80 => Fate::Emit {
            port: SERVER_PORT,
            frame: wrap(time_ns, 0, &frame.bytes),
        },
        _ => whole(i, time_ns, frame.bytes),
    }
}

fn host_step(i: &mut Interpreter, _: u16, _: u64, frame: Frame) -> Fate {
    let (time_ns, _, inner) = unwrap(&frame);
    match whole(i, time_ns, inner) {
        Fate::Emit { port, frame } => Fate::Emit {
            port: 0,
            frame: wrap(time_ns, port, &frame.bytes),
        },
        drop => drop,
    }
}

fn rack(switch: Box<dyn Engine>, host: Box<dyn Engine>) -> Rack {
    let link = LinkSpec::gbps(10, 500);
    let spec = ServerSpec {
        switch_port: SERVER_PORT,
        link,
        nic: "s1.nic".into(),
        nic_latency_ns: 300,
        bus: LinkSpec::gbps(60, 400),
        host: HostSpec {
            name: "s1".into(),
            cycles_per_second: 2_000_000_000,
        },
    };
    let ports = [(1, link), (2, link)].into();
    Rack {
        switch: SwitchSpec {
            name: "switch".into(),
            latency_ns: 400,
            ports,
        },
        pipeline: switch,
        servers: vec![Server {
            spec,
            nic: Box::new(PassThrough),
            host,
        }],
        sampler: None,
        tags: Tags::default(),
        recorder: None,
        shim: None,
        periods: None,
        provider: None,
    }
}

/// Packets whose first byte varies, so that some are wrapped, some not, some dropped; 100 ns apart.
fn arrivals() -> Vec<Arrival> {
    let arrival = |i: u64| {
        let mut bytes = Build::sample()
            .ipv4("10.0.0.1", "10.0.0.2")
            .udp(i as u16, 53)
            .frame();
        bytes[0] = [1, 2, 0x81, 0xff, 1, 0x82, 3][i as usize % 7].max(i as u8 & 0xf);
        Arrival {
            time_ns: 1_000_000 + i * 100,
            port: 9,
            bytes,
        }
    };
    (0..500).map(arrival).collect()
}

fn run(rack: &mut Rack) -> Report {
    rack.run(&arrivals(), &mut |_| ()).unwrap()
}

fn differences(rack: &mut Rack) -> (Vec<Place>, String) {
    let found = check(&arrivals(), &expect(&pipeline(), &arrivals()), &run(rack));
    let text = found.differences.iter().map(|d| format!("{d}\n")).collect();
    (
        found.differences.into_iter().map(|d| d.place).collect(),
        text,
    )
}

#[test]
fn a_right_cut_keeps_the_law() {
    let mut rack = rack(made(switch_step), made(host_step));
    let (report, expected) = (run(&mut rack), expect(&pipeline(), &arrivals()));
    let found = check(&arrivals(), &expected, &report);
    assert!(found.holds(), "{:#?}", found.differences);
    assert_eq!((found.packets, found.count), (500, 0));
    assert_eq!(report.ended.len(), 500);
    assert!(!expected.state().flows.is_empty() && expected.drops()["key 0xff"] > 50);
    assert!(report.drops()[&("switch", "key 0xff")] > 50);
    // The host takes 500 ns for a packet; wrapped ones come faster than that.
    let host = report.queues.iter().find(|q| q.name == "s1").unwrap();
    assert!(host.max_depth > 10 && host.utilisation > 0.9, "{host:?}");
    assert_eq!(report.busiest().unwrap().name, "s1");
    let left: usize = report.egress().values().map(Vec::len).sum();
    assert_eq!(left as u64 + report.drops().values().sum::<u64>(), 500);
    let times = report.ended.iter().map(|e| e.time_ns);
    assert!(times.is_sorted());
}

#[test]
fn what_left_is_written_and_summed() {
    let dir = tempfile::tempdir().unwrap();
    let report = run(&mut rack(made(switch_step), made(host_step)));
    let summary = report.summary();
    let files = write_egress(dir.path(), &report, |port| format!("p{port}")).unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|f| f.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["p1.pcap", "p2.pcap"]);
    for (file, count) in files.iter().zip(summary.ports.values()) {
        let capture = Capture::open(file).unwrap();
        let packets = capture.read_all().unwrap();
        assert_eq!(packets.len() as u64, count.packets);
        assert_eq!(
            packets.iter().map(|p| p.data.len() as u64).sum::<u64>(),
            count.bytes
        );
    }
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}

#[test]
fn the_same_run_twice_is_the_same() {
    let once = run(&mut rack(made(switch_step), made(host_step)));
    assert_eq!(once, run(&mut rack(made(switch_step), made(host_step))));
}

#[test]
fn a_wrong_byte_is_named() {
    let host = |i: &mut Interpreter, p: u16, t: u64, f: Frame| match host_step(i, p, t, f) {
        Fate::Emit { port, mut frame } => {
            let ttl = frame.bytes.len() - 8 - 12;
            frame.bytes[ttl] ^= 1;
            Fate::Emit { port, frame }
        }
        drop => drop,
    };
    let (places, text) = differences(&mut rack(made(switch_step), made(host)));
    assert_eq!(places[0], Place::Fate { packet: 1 });
    assert!(
        text.contains("differs in ipv4.ttl: 64 against 65 (byte 22)"),
        "{text}"
    );
}

#[test]
fn forgotten_live_metadata_shows_in_the_state() {
    // The host takes the time of its own clock instead of the packet's.
    let host = |i: &mut Interpreter, _: u16, now: u64, frame: Frame| {
        let (_, _, inner) = unwrap(&frame);
        match whole(i, now, inner) {
            Fate::Emit { port, frame } => Fate::Emit {
                port: 0,
                frame: wrap(now, port, &frame.bytes),
            },
            drop => drop,
        }
    };
    let (places, text) = differences(&mut rack(made(switch_step), made(host)));
    let named = places
        .iter()
        .any(|p| matches!(p, Place::State { path } if path.starts_with("flows flows 8w0x")));
    assert!(named, "{text}");
}

#[test]
fn a_lost_packet_and_a_wrong_reason_are_found() {
    let mut seen = 0;
    let switch = move |i: &mut Interpreter, port: u16, time: u64, frame: Frame| {
        seen += 1;
        match switch_step(i, port, time, frame) {
            Fate::Drop { .. } => Fate::Drop {
                reason: "bored".into(),
            },
            Fate::Emit { .. } if seen == 1 => Fate::Drop {
                reason: "lost".into(),
            },
            fate => fate,
        }
    };
    let (places, text) = differences(&mut rack(made(switch), made(host_step)));
    assert_eq!(
        places[..2],
        [Place::Fate { packet: 1 }, Place::Fate { packet: 4 }],
        "{text}"
    );
    assert!(text.contains("dropped at switch: lost"), "{text}");
    assert!(
        text.contains("uncut: dropped: key 0xff\n  rack:  dropped at switch: bored"),
        "{text}"
    );
}

#[test]
fn one_flow_over_two_ways_is_found_out_of_order() {
    // All packets are of one flow, every other one goes by the server.
    let mut bytes = Build::sample()
        .ipv4("10.0.0.1", "10.0.0.2")
        .udp(1, 2)
        .frame();
    bytes[0] = 0x90;
    let packet = |i: u64| Arrival {
        time_ns: i * 100,
        port: 9,
        bytes: bytes.clone(),
    };
    let arrivals: Vec<Arrival> = (0..20).map(packet).collect();
    // Without a table there is nothing but the order to go wrong.
    let program = plain(|_| vec![]);
    let mut n = 0;
    let switch = move |_: &mut Interpreter, port: u16, time: u64, frame: Frame| {
        n += 1;
        match port {
            SERVER_PORT => Fate::Emit {
                port: 0,
                frame: Frame::new(unwrap(&frame).2),
            },
            _ if n % 2 == 0 => Fate::Emit {
                port: SERVER_PORT,
                frame: wrap(time, 0, &frame.bytes),
            },
            _ => Fate::Emit { port: 0, frame },
        }
    };
    let host = |_: &mut Interpreter, _: u16, _: u64, frame: Frame| Fate::Emit { port: 0, frame };
    let report = rack(made(switch), made(host))
        .run(&arrivals, &mut |_| ())
        .unwrap();
    let found = check(&arrivals, &expect(&program, &arrivals), &report);
    assert!(found.count > 0 && found.flows == 1);
    assert!(
        found
            .differences
            .iter()
            .all(|d| matches!(d.place, Place::Order { port: 0, .. }))
    );
}

#[test]
fn bugs_of_devices_are_errors_not_fates() {
    let bounce = |_: &mut Interpreter, _: u16, _: u64, frame: Frame| Fate::Emit {
        port: SERVER_PORT,
        frame,
    };
    let back = |_: &mut Interpreter, _: u16, _: u64, frame: Frame| Fate::Emit { port: 0, frame };
    let result = rack(made(bounce), made(back)).run(&arrivals(), &mut |_| ());
    assert!(
        matches!(result, Err(RackError::Loop { packet: 1, .. })),
        "{result:?}"
    );
    let astray = |_: &mut Interpreter, _: u16, _: u64, frame: Frame| Fate::Emit { port: 7, frame };
    let result = rack(made(switch_step), made(astray)).run(&arrivals(), &mut |_| ());
    let message = result.unwrap_err().to_string();
    assert_eq!(
        message,
        "s1 sent packet 1 of the run to its port 7, which leads nowhere"
    );
    let mut late = arrivals();
    late[3].time_ns = 0;
    let result = rack(made(switch_step), made(host_step)).run(&late, &mut |_| ());
    assert_eq!(result, Err(RackError::Order { packet: 4 }));
}

#[test]
fn sampled_packets_are_seen_at_every_hop() {
    let spec = SampleSpec::new(1, HashRange::one_in(4), vec![Part::SrcPort]);
    let sampler = Sampler::new(spec);
    let mut rack = rack(made(switch_step), made(host_step));
    rack.sampler = Some(sampler.clone());
    let report = run(&mut rack);
    let sampled = arrivals()
        .iter()
        .filter(|a| sampler.look(&a.bytes).sampled)
        .count();
    let (_, found) = report.trajectories();
    assert_eq!(found.len(), sampled);
    assert!(found.iter().all(|t| t.whole));
    let paths = report.summary().paths;
    let mut names: Vec<&str> = paths.iter().map(|p| p.path.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "switch",
            "switch (dropped)",
            "switch > s1.nic > s1 > switch"
        ]
    );
}

#[test]
fn sampling_changes_nothing_of_what_happens_to_packets() {
    let plain = run(&mut rack(made(switch_step), made(host_step)));
    let mut sampled = rack(made(switch_step), made(host_step));
    let spec = SampleSpec::new(1, HashRange::ALL, Part::ALL.to_vec());
    sampled.sampler = Some(Sampler::new(spec));
    let sampled = run(&mut sampled);
    assert!(plain.records.is_empty() && sampled.records.len() > 100);
    assert_eq!(plain.ended, sampled.ended);
    assert_eq!(plain.states, sampled.states);
    assert_eq!(plain.devices, sampled.devices);
    assert_eq!(plain.queues, sampled.queues);
}

#[test]
fn the_mark_reaches_an_interpreted_piece() {
    let p = plain(|p| {
        let mark = p.add_meta(trisect_target::wire::MARK, 32);
        let low = Expr::Slice(Box::new(Expr::Meta(mark)), 15, 0);
        vec![Op::Set(LValue::meta(StdMeta::EgressPort.id()), low)]
    });
    let mut engine = trisect_rack::Interpreted::new(&p, 5);
    let frame = Frame {
        bytes: vec![1],
        mark: 77,
        meta: 0,
        flow: 0,
    };
    let (fate, cycles) = engine.process(0, 0, frame.clone()).unwrap();
    assert_eq!((fate, cycles), (Fate::Emit { port: 77, frame }, 5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What the rack does to packets does not depend on how long anything takes.
    #[test]
    fn time_does_not_change_meaning(
        gbps in 0u64..100, link_ns in 0u64..1_000_000, bus_gbps in 0u64..200, bus_ns in 0u64..5000,
        nic_ns in 0u64..5000, switch_ns in 0u64..5000, hz in 0u64..10_000_000_000,
        gaps in prop::collection::vec(0u64..2000, 100),
    ) {
        let mut rack = rack(made(switch_step), made(host_step));
        rack.switch.latency_ns = switch_ns;
        rack.switch.ports = [(1, LinkSpec::gbps(gbps, link_ns))].into();
        let spec = &mut rack.servers[0].spec;
        spec.link = LinkSpec::gbps(gbps, link_ns);
        spec.bus = LinkSpec::gbps(bus_gbps, bus_ns);
        spec.nic_latency_ns = nic_ns;
        spec.host.cycles_per_second = hz;
        let mut time_ns = 0;
        let timed = arrivals().into_iter().zip(gaps).map(|(a, gap)| {
            time_ns += gap;
            Arrival { time_ns, ..a }
        });
        let timed: Vec<Arrival> = timed.collect();
        let report = rack.run(&timed, &mut |_| ()).unwrap();
        let found = check(&timed, &expect(&pipeline(), &timed), &report);
        prop_assert!(found.holds(), "{:#?}", found.differences);
        prop_assert!(report.ended.iter().all(|e| e.time_ns >= timed[e.arrival].time_ns));
    }
}
