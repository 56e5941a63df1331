//! The TTL network function: interpreter, compiled code and a loop by hand, over the same 65,536
//! packets of 64 bytes in one run. `cargo bench -p trisect-benches --bench ttl`
//!
//! Compiled code must reach at least 0.8 of the loop by hand.

use criterion::{Criterion, Throughput};
use trisect_benches::{BATCH, Numbers, PACKETS, nanoseconds_per_packet, packets, ttl_by_hand};
use trisect_host::{HostProgram, Options, Packet};
use trisect_interp::Interpreter;
use trisect_ir::Program;

/// Packets that the interpreter runs over: it is slow.
const FEW: usize = 4096;

fn program() -> anyhow::Result<Program> {
    let nf = trisect_p4::library::find("ttl").ok_or_else(|| anyhow::anyhow!("no ttl"))?;
    nf.compile(&trisect_p4::Options::default())
        .map_err(|errors| anyhow::anyhow!("ttl.p4: {errors:?}"))
}

fn interpret(interpreter: &mut Interpreter, packets: &mut [Packet]) {
    for packet in packets {
        let input = trisect_interp::Packet::new(packet.port, packet.time_ns, packet.frame());
        let outcome = interpreter.run(input);
        if let Some((_, bytes)) = outcome.emitted() {
            packet.refill(bytes);
        }
    }
}

fn compiled(host: &mut HostProgram, packets: &mut [Packet]) {
    for batch in packets.chunks_mut(BATCH) {
        host.run_batch(batch);
    }
}

/// What is measured must also be the same.
fn check(program: &Program, originals: &[Packet]) -> anyhow::Result<()> {
    let mut by_hand = originals.to_vec();
    ttl_by_hand(&mut by_hand);
    let mut by_host = originals.to_vec();
    compiled(
        &mut HostProgram::compile(program, &Options::default())?,
        &mut by_host,
    );
    let mut by_interpreter = originals[..FEW].to_vec();
    interpret(&mut Interpreter::new(program), &mut by_interpreter);
    for (i, (a, b)) in by_hand.iter().zip(&by_host).enumerate() {
        anyhow::ensure!(
            a.frame() == b.frame(),
            "packet {i} differs from the loop by hand"
        );
    }
    for (i, (a, b)) in by_interpreter.iter().zip(&by_host).enumerate() {
        anyhow::ensure!(
            a.frame() == b.frame(),
            "packet {i} differs from the interpreter"
        );
    }
    Ok(())
}

fn table(program: &Program, originals: &[Packet]) -> anyhow::Result<f64> {
    let mut host = HostProgram::compile(program, &Options::default())?;
    let mut interpreter = Interpreter::new(program);
    let slow = nanoseconds_per_packet(&originals[..FEW], 3, |p| interpret(&mut interpreter, p));
    // Alternating, so that both see the same machine.
    let (mut hand, mut jit) = (f64::MAX, f64::MAX);
    for _ in 0..10 {
        hand = hand.min(nanoseconds_per_packet(originals, 5, ttl_by_hand));
        jit = jit.min(nanoseconds_per_packet(originals, 5, |p| {
            compiled(&mut host, p)
        }));
    }
    println!("\nTTL network function, {PACKETS} packets of 64 bytes, one core");
    println!(
        "{:<16} {:>10} {:>10} {:>16}",
        "", "ns/packet", "Mpps", "of loop by hand"
    );
    for (name, ns) in [
        ("interpreter", slow),
        ("compiled", jit),
        ("loop by hand", hand),
    ] {
        println!(
            "{name:<16} {ns:>10.2} {:>10.2} {:>16.3}",
            1000.0 / ns,
            hand / ns
        );
    }
    println!();
    Ok(hand / jit)
}

fn main() -> anyhow::Result<()> {
    let program = program()?;
    let originals = packets(Numbers::next_u32);
    check(&program, &originals)?;
    let ratio = table(&program, &originals)?;
    anyhow::ensure!(
        ratio >= 0.8,
        "compiled code reaches only {ratio:.3} of the loop by hand"
    );

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("ttl");
    group.throughput(Throughput::Elements(PACKETS as u64));
    // Packets stay as a round leaves them: those that have expired are dropped, in both.
    let mut host = HostProgram::compile(&program, &Options::default())?;
    let mut packets = originals.clone();
    group.bench_function("compiled", |b| b.iter(|| compiled(&mut host, &mut packets)));
    let mut packets = originals.clone();
    group.bench_function("by_hand", |b| b.iter(|| ttl_by_hand(&mut packets)));
    let mut interpreter = Interpreter::new(&program);
    let mut packets = originals[..FEW].to_vec();
    group.throughput(Throughput::Elements(FEW as u64));
    group.sample_size(10);
    group.bench_function("interpreter", |b| {
        b.iter(|| interpret(&mut interpreter, &mut packets))
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
