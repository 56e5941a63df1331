//! Measuring on the machine at hand: its clock, what packet I/O and look-ups in flow tables cost, what a program costs.
//!
//! Times are the least of several rounds, so that what else the machine does counts as little as
//! possible. Cycles are time multiplied by the clock. Machine code is the same in every build of
//! Trisect; the code around it (look-ups, ports, copies) is not, so figures other than the clock are those of an
//! optimised build only ([`optimised`]).

mod look_ups;

pub use look_ups::look_ups;

use std::hint::black_box;
use std::time::{Duration, Instant};

use trisect_host::{CompileError, HostProgram, Options, Packet};
use trisect_ir::{BinOp, Control, Expr, LValue, Node, NodeKind, Op, Program, StdMeta};
use trisect_ports::{MemoryPort, Port};

/// Rounds of each measurement.
const ROUNDS: usize = 7;
/// Packets per call of compiled code.
const BATCH: usize = 64;
/// Packets of a round of the I/O measurement: their buffers stay within a second-level cache.
const IO_PACKETS: usize = 2048;
/// Bytes of each: Ethernet's least, without frame check sequence.
const IO_BYTES: usize = 60;

/// Whether this build is optimised, so that measurements mean something.
pub fn optimised() -> bool {
    !cfg!(debug_assertions)
}

/// The clock of a core in GHz, under load: cycles of a chain of dependent operations over its time.
///
/// A step of xorshift64 (Marsaglia, 2003) is six operations each of which needs the result of the one before
/// and takes one cycle, on all processors that code is generated for. The chain is machine code of ours, so that
/// every build measures the same.
///
/// # Errors
/// There is no code generator for this machine.
pub fn clock_ghz() -> Result<f64, CompileError> {
    const STEPS: usize = 1000;
    const CYCLES: usize = 6;
    const PACKETS: usize = 64;
    let packets: Vec<Packet> = (0..PACKETS as u64)
        .map(|i| Packet::new(&[]).at_time(1 + i))
        .collect();
    let time = run_time(&chain(STEPS), &packets)?.saturating_sub(run_time(&empty(), &packets)?);
    let cycles = (STEPS * CYCLES * PACKETS) as f64;
    Ok(cycles / time.as_nanos().max(1) as f64)
}

/// A program that takes a number through so many steps of xorshift64 and sends the packet on by its low bits.
fn chain(steps: usize) -> Program {
    let mut program = empty();
    let x = program.add_meta("x", 64);
    let set = |value| Op::Set(LValue::meta(x), value);
    let mut ops = vec![set(StdMeta::Timestamp.get())];
    for _ in 0..steps {
        for (shift, by) in [(BinOp::Shl, 13), (BinOp::Shr, 7), (BinOp::Shl, 17)] {
            let shifted = Expr::binary(shift, Expr::Meta(x), Expr::num(8, by));
            ops.push(set(Expr::binary(BinOp::Xor, Expr::Meta(x), shifted)));
        }
    }
    let port = LValue::meta(StdMeta::EgressPort.id());
    ops.push(Op::Set(port, Expr::Slice(Box::new(Expr::Meta(x)), 15, 0)));
    let control = &mut program.control;
    if let Some(emit) = control.entry {
        control.entry = Some(control.nodes.push(Node {
            name: "chain".to_owned(),
            nf: String::new(),
            kind: NodeKind::Exec(ops, emit),
        }));
    }
    program
}

/// A program that sends every packet on as it is.
fn empty() -> Program {
    let mut program = Program::new("empty");
    let mut control = Control::default();
    let emit = control.nodes.push(Node {
        name: "emit".to_owned(),
        nf: String::new(),
        kind: NodeKind::Emit,
    });
    control.entry = Some(emit);
    program.control = control;
    program
}

/// Nanoseconds that receiving and sending one packet takes on a host of the embedded rack: out of a port's
/// memory into a packet's buffer, once through compiled code that does nothing, and back to a port.
///
/// # Errors
/// There is no code generator for this machine.
pub fn io_nanoseconds() -> Result<f64, CompileError> {
    let mut code = HostProgram::compile(&empty(), &Options::default())?;
    let mut buffers: Vec<Packet> = (0..BATCH).map(|_| Packet::new(&[])).collect();
    let mut port = MemoryPort::default();
    let packet = |i: usize| trisect_ports::Packet {
        time_ns: i as u64,
        data: vec![i as u8; IO_BYTES],
    };
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        port.outgoing.clear();
        port.incoming = (0..IO_PACKETS).map(packet).collect();
        let start = Instant::now();
        loop {
            let mut filled = 0;
            for buffer in &mut buffers {
                let Some(received) = port.receive() else {
                    break;
                };
                buffer.refill(&received.data);
                buffer.time_ns = received.time_ns;
                filled += 1;
            }
            if filled == 0 {
                break;
            }
            code.run_batch(&mut buffers[..filled]);
            for buffer in &buffers[..filled] {
                port.send(trisect_ports::Packet {
                    time_ns: buffer.time_ns,
                    data: buffer.frame().to_vec(),
                });
            }
        }
        best = best.min(start.elapsed());
    }
    Ok(best.as_nanos() as f64 / IO_PACKETS as f64)
}

/// Nanoseconds per packet of a program over these packets, each round from its initial state, beyond what
/// a program that does nothing takes for them.
///
/// # Errors
/// The program cannot be compiled.
pub fn program_nanoseconds(program: &Program, packets: &[Packet]) -> Result<f64, CompileError> {
    let own = run_time(program, packets)?;
    let nothing = run_time(&empty(), packets)?;
    let beyond = own.saturating_sub(nothing);
    Ok(beyond.as_nanos() as f64 / packets.len().max(1) as f64)
}

fn run_time(program: &Program, packets: &[Packet]) -> Result<Duration, CompileError> {
    let mut code = HostProgram::compile(program, &Options::default())?;
    // The state of no time at all is the initial one.
    let initial = code.state(0);
    let mut best = Duration::MAX;
    for round in 0..ROUNDS {
        if round > 0 && code.restore(&initial, 0).is_err() {
            code = HostProgram::compile(program, &Options::default())?;
        }
        let mut copies = packets.to_vec();
        let start = Instant::now();
        for batch in copies.chunks_mut(BATCH) {
            code.run_batch(batch);
        }
        best = best.min(start.elapsed());
        black_box(&copies);
    }
    Ok(best)
}
