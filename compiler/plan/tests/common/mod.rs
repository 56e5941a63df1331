//! A small program to cut, random programs, and a rack made of interpreters.
#![allow(dead_code, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::state::State;
use trisect_ir::{
    Bits, Entity, Field, FieldKind, Header, HeaderId, HeaderType, KeySet, MetaId, ParseTarget,
    ParserOp, ParserState, Program, SelectCase, Transition,
};
use trisect_plan::split::Pieces;
use trisect_target::wire;

fn header(program: &mut Program, name: &str, fields: &[(&str, u32)]) -> HeaderId {
    let ty = program.header_types.push(HeaderType {
        name: format!("{name}_t"),
        fields: fields
            .iter()
            .map(|(name, width)| Field {
                name: (*name).to_owned(),
                kind: FieldKind::Fixed(*width),
            })
            .collect(),
    });
    let id = program.headers.push(Header {
        name: name.to_owned(),
        ty,
    });
    program.deparser.push(id);
    id
}

/// Headers of the test programs.
#[derive(Clone, Copy)]
pub struct Headers {
    pub ethernet: HeaderId,
    pub ipv4: HeaderId,
    pub udp: HeaderId,
}

/// A program with parser and deparser but no control.
pub fn base() -> (Program, Headers) {
    let mut p = Program::new("test");
    let ethernet = header(
        &mut p,
        "ethernet",
        &[("dst", 48), ("src", 48), ("ether_type", 16)],
    );
    let ipv4 = header(
        &mut p,
        "ipv4",
        &[("ttl", 8), ("protocol", 8), ("src", 32), ("dst", 32)],
    );
    let udp = header(&mut p, "udp", &[("src_port", 16), ("dst_port", 16)]);
    let mut state = |name: &str, header: HeaderId, next: Transition| {
        p.parser.states.push(ParserState {
            name: name.to_owned(),
            ops: vec![ParserOp::Extract {
                header,
                varbit: None,
            }],
            next,
        })
    };
    let select = |header: HeaderId, field: u32, width: u32, value: u64, to| {
        Transition::Select(
            vec![trisect_ir::Expr::field(header, field)],
            vec![
                SelectCase {
                    sets: vec![KeySet::Exact(Bits::new(width, value))],
                    target: ParseTarget::State(to),
                },
                SelectCase {
                    sets: vec![KeySet::Any],
                    target: ParseTarget::Accept,
                },
            ],
        )
    };
    let u = state("udp", udp, Transition::Goto(ParseTarget::Accept));
    let i = state("ipv4", ipv4, select(ipv4, 1, 8, 17, u));
    let e = state("start", ethernet, select(ethernet, 2, 16, 0x0800, i));
    p.parser.start = Some(e);
    (
        p,
        Headers {
            ethernet,
            ipv4,
            udp,
        },
    )
}

/// A frame that the test parser understands.
pub fn frame(src: u32, dst: u32, ttl: u8, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0, ttl, 17];
    bytes.extend(src.to_be_bytes());
    bytes.extend(dst.to_be_bytes());
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What became of a packet, by names that cut and uncut programs share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Sent { port: u16, bytes: Vec<u8> },
    Dropped { reason: String },
}

/// The pieces of a plan on interpreters, joined by wires.
pub struct TestRack {
    switch: Interpreter,
    nics: Vec<Option<Interpreter>>,
    hosts: Vec<Option<Interpreter>>,
    ports: Vec<u16>,
    pub crossings: usize,
}

impl TestRack {
    pub fn new(pieces: &Pieces, ports: &[u16]) -> Self {
        let all = |pieces: &[Option<Program>]| {
            pieces
                .iter()
                .map(|p| p.as_ref().map(Interpreter::new))
                .collect()
        };
        Self {
            switch: Interpreter::new(&pieces.switch),
            nics: all(&pieces.nics),
            hosts: all(&pieces.hosts),
            ports: ports.to_vec(),
            crossings: 0,
        }
    }
    pub fn run(&mut self, packet: Packet) -> Fate {
        let time = packet.time_ns;
        let mut outcome = self.switch.run(packet);
        // No plan visits servers a hundred times.
        for _ in 0..100 {
            let Outcome::Emit { port, bytes, .. } = &outcome else {
                return fate(self.switch.program(), &outcome);
            };
            let Some(server) = self.ports.iter().position(|p| p == port) else {
                return fate(self.switch.program(), &outcome);
            };
            self.crossings += 1;
            let mut to_host = Packet::new(wire::HOST_PORT, time, bytes.clone());
            if let Some(nic) = &mut self.nics[server] {
                let result = nic.run(Packet::new(*port, time, bytes.clone()));
                let Outcome::Emit {
                    bytes, metadata, ..
                } = &result
                else {
                    return fate(nic.program(), &result);
                };
                to_host.bytes.clone_from(bytes);
                let host = self.hosts[server].as_ref().expect("a host behind the NIC");
                for name in [wire::MARK, wire::META] {
                    // A piece that does not look at it has dropped it.
                    if let (Some(from), Some(to)) = (
                        nic.program().meta_named(name),
                        host.program().meta_named(name),
                    ) {
                        to_host = to_host.with_metadata(to, metadata[from].clone());
                    }
                }
            }
            let host = self.hosts[server].as_mut().expect("a host to send to");
            let result = host.run(to_host);
            let Outcome::Emit { bytes, port, .. } = result else {
                return fate(host.program(), &result);
            };
            assert_eq!(port, wire::HOST_PORT);
            outcome = self
                .switch
                .run(Packet::new(self.ports[server], time, bytes));
        }
        panic!("the packet never leaves");
    }
    pub fn state(&self, now: u64) -> State {
        let mut state = self.switch.state(now);
        for device in self.nics.iter().chain(&self.hosts).flatten() {
            state.merge(device.state(now));
        }
        state
    }
}

pub fn fate(program: &Program, outcome: &Outcome) -> Fate {
    match outcome {
        Outcome::Emit { port, bytes, .. } => Fate::Sent {
            port: *port,
            bytes: bytes.clone(),
        },
        Outcome::Drop { reason, .. } => Fate::Dropped {
            reason: match usize::from(*reason).checked_sub(1) {
                None => String::new(),
                Some(i) => program
                    .drop_reasons
                    .get(Entity::new(i))
                    .cloned()
                    .unwrap_or_else(|| format!("reason {reason}")),
            },
        },
    }
}

/// Runs packets through the pieces and through the uncut program and compares everything.
pub fn compare(uncut: &Program, pieces: &Pieces, ports: &[u16], packets: &[Packet]) -> usize {
    let mut rack = TestRack::new(pieces, ports);
    let mut reference = Interpreter::new(uncut);
    let mut last = 0;
    for (i, packet) in packets.iter().enumerate() {
        last = packet.time_ns;
        let want = fate(uncut, &reference.run(packet.clone()));
        let got = rack.run(packet.clone());
        assert_eq!(got, want, "packet {i}");
    }
    assert_eq!(rack.state(last), reference.state(last));
    rack.crossings
}

/// Metadata by name, for hand-made programs.
pub fn metas(program: &mut Program, list: &[(&str, u32)]) -> BTreeMap<String, MetaId> {
    list.iter()
        .map(|(name, width)| ((*name).to_owned(), program.add_meta(*name, *width)))
        .collect()
}
