//! The solver's answers against the interpreter, and against the search.

use trisect_ir::arbitrary::{Choices, Shape, packets, program};
use trisect_ir::{Bits, Expr, LValue, Node, NodeKind, Object, ObjectKind, Op, Program, StdMeta};
use trisect_rack::Witness;
use trisect_sample::{Point, Record, digest};

use super::{Answer, explained};
use crate::blackbox::{Explained, searched};

fn record(point: Point, port: u16, time_ns: u64, frame: &[u8]) -> Record {
    Record {
        id: 0,
        element: "s1".into(),
        visit: 0,
        point,
        port,
        time_ns,
        len: frame.len() as u32,
        digest: digest(frame),
        mark: 0,
        meta: 0,
        tag: None,
        packet: frame.to_vec(),
        work: None,
    }
}

/// What a device does with packets, one after the other.
fn visits(program: &Program, choices: &mut Choices<'_>, count: usize) -> Vec<(Record, Record)> {
    let mut device = trisect_interp::Interpreter::new(program);
    let arrivals = packets(choices, count).into_iter().map(|a| {
        let arrival = record(Point::In, a.port, a.time_ns, &a.bytes);
        let packet = trisect_interp::Packet::new(a.port, a.time_ns, a.bytes);
        let departure = match device.run(packet).emitted() {
            Some((port, bytes)) => record(Point::Out, port, a.time_ns, bytes),
            None => Record {
                point: Point::Drop,
                port: 0,
                ..arrival.clone()
            },
        };
        (arrival, departure)
    });
    arrivals.collect()
}

/// A departure that is not as it was.
fn spoilt(departure: &Record, by: u8) -> Record {
    let mut spoilt = departure.clone();
    let at = usize::from(by) % spoilt.packet.len().max(1);
    match spoilt.packet.get_mut(at) {
        Some(byte) => *byte ^= 1 << (by % 8),
        None => spoilt.port ^= 1,
    }
    spoilt.digest = digest(&spoilt.packet);
    if spoilt.point == Point::Drop {
        spoilt.point = Point::Out;
    }
    spoilt
}

/// Widths are kept small for the solver's sake.
fn small() -> Shape {
    Shape {
        max_width: 64,
        max_nodes: 8,
        ..Shape::default()
    }
}

/// SplitMix64, as bytes.
fn decisions(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_be_bytes()
    };
    std::iter::repeat_with(next).take(180).flatten().collect()
}

/// Random programs with the visits of some packets, and a number.
fn programs(shape: &Shape) -> impl Iterator<Item = (Program, Vec<(Record, Record)>, u8)> {
    (0..PROGRAMS).map(|seed| {
        let bytes = decisions(seed);
        let mut choices = Choices::new(&bytes);
        let program = program(&mut choices, shape);
        let visits = visits(&program, &mut choices, 5);
        (program, visits, bytes[0])
    })
}

const PROGRAMS: u64 = 25;

/// What a device has done, whatever packets it got before, some state explains.
#[test]
fn what_happened_is_explained() {
    let (mut explained_by, mut all) = (0, 0);
    for (program, visits, _) in programs(&small()) {
        for (arrival, departure) in visits {
            let answer = explained(&program, &arrival, &departure);
            assert_ne!(answer, Answer::No, "{program}\n{arrival:?}\n{departure:?}");
            explained_by += u32::from(answer == Answer::Yes);
            all += 1;
        }
    }
    assert!(explained_by * 10 > all * 8, "{explained_by} of {all}");
}

/// Without state there is one output, and no other one is explained.
#[test]
fn without_state_only_what_happened_is_explained() {
    let shape = Shape {
        flow_tables: false,
        allocators: false,
        meters: false,
        registers: false,
        random: false,
        ..small()
    };
    for (program, visits, by) in programs(&shape) {
        for (arrival, departure) in visits {
            assert_eq!(explained(&program, &arrival, &departure), Answer::Yes);
            let other = spoilt(&departure, by);
            assert_eq!(
                explained(&program, &arrival, &other),
                Answer::No,
                "{program}"
            );
        }
    }
}

/// Where the search comes to an end, the solver says the same.
#[test]
fn solver_and_search_agree() {
    let (mut by, mut not) = (0, 0);
    for (program, visits, number) in programs(&small()) {
        let mut witness = Witness::new(&program);
        for (arrival, departure) in visits {
            for departure in [&departure, &spoilt(&departure, number)] {
                let found = searched(&mut witness, &arrival, departure);
                if let Ok(Explained::Unknown(_)) | Err(_) = found {
                    continue;
                }
                match (explained(&program, &arrival, departure), found) {
                    (Answer::Yes, Ok(Explained::By(_))) => by += 1,
                    (Answer::No, Ok(Explained::Not(..))) => not += 1,
                    (Answer::Unknown(_), _) => {}
                    (answer, _) => panic!("{answer:?} {program}\n{arrival:?}\n{departure:?}"),
                }
            }
        }
    }
    assert!(by > 50 && not > 50, "{by} {not}");
}

/// A program that sends each packet to the port that the packet before it wrote into a register.
fn by_register(written: Expr) -> Program {
    let mut program = Program::new("by_register");
    let object = program.objects.push(Object {
        name: "last".into(),
        kind: ObjectKind::Register {
            width: 16,
            size: 1,
            init: Bits::zero(16),
        },
    });
    let node = |name: &str, kind| Node {
        name: name.into(),
        nf: String::new(),
        kind,
    };
    let emit = program.control.nodes.push(node("emit", NodeKind::Emit));
    let ops = vec![
        Op::Read {
            object,
            index: Expr::num(32, 0),
            dst: LValue::meta(StdMeta::EgressPort.id()),
        },
        Op::Write {
            object,
            index: Expr::num(32, 0),
            value: written,
        },
    ];
    let exec = node("exec", NodeKind::Exec(ops, emit));
    program.control.entry = Some(program.control.nodes.push(exec));
    program
}

/// A register that other packets write decides: the search cannot tell, the solver does.
#[test]
fn the_solver_tells_what_the_search_cannot() {
    let arrival = record(Point::In, 3, 0, b"frame");
    let left = |port| record(Point::Out, port, 0, b"frame");
    let any = by_register(StdMeta::IngressPort.get());
    let mut witness = Witness::new(&any);
    assert!(searched(&mut witness, &arrival, &left(7)).is_err());
    assert_eq!(explained(&any, &arrival, &left(7)), Answer::Yes);
    let other = record(Point::Out, 7, 0, b"Frame");
    assert_eq!(explained(&any, &arrival, &other), Answer::No);
    let five = by_register(Expr::num(16, 5));
    for (port, answer) in [(0, Answer::Yes), (5, Answer::Yes), (7, Answer::No)] {
        assert_eq!(explained(&five, &arrival, &left(port)), answer, "{port}");
    }
}
