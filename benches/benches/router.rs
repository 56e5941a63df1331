//! The embedded switch as a router: the `l3-forwarder` function with 10,000 routes, emitted as
//! v1model P4, read back and compiled, as the rack's switch runs it.
//! `cargo bench -p trisect-benches --bench router`
//!
//! BMv2 was seen at 25,000 packets a second on a machine of this kind, 55,000 in its performance
//! build. One core must forward at least 100 times the former.

use anyhow::{Context, anyhow};
use criterion::{Criterion, Throughput};
use trisect_benches::{BATCH, Numbers, PACKETS, nanoseconds_per_packet, packets};
use trisect_host::{HostProgram, Options, Packet};
use trisect_interp::Interpreter;
use trisect_ir::{ActionCall, Bits, Entry, KeySet, Origin, Program};

/// Routes in the table.
const ROUTES: usize = 10_000;
/// Next hops that they lead to.
const NEXT_HOPS: u64 = 64;
/// Packets a second of BMv2, and of its performance build.
const BMV2: [(&str, f64); 2] = [("BMv2", 25_000.0), ("BMv2 performance build", 55_000.0)];

/// Prefixes as in the Internet's tables: most of them /24, the rest /8 to /23, a few longer.
fn routes() -> Vec<(u32, u32)> {
    let mut numbers = Numbers::new(2);
    (0..ROUTES)
        .map(|i| {
            let len = match i % 10 {
                0..=5 => 24,
                6..=8 => 14 + numbers.next_u32() % 10,
                _ => 25 + numbers.next_u32() % 8,
            };
            let address = numbers.next_u32() >> (32 - len) << (32 - len);
            (address, len)
        })
        .collect()
}

fn add(
    program: &mut Program,
    table: &str,
    action: &str,
    entry: (KeySet, Vec<u64>),
) -> anyhow::Result<()> {
    let find_action = program
        .actions
        .iter()
        .find(|(_, a)| a.name == action || a.name.ends_with(&format!(".{action}")))
        .map(|(id, a)| (id, a.params.iter().map(|p| p.width).collect::<Vec<_>>()));
    let (action, widths) = find_action.with_context(|| format!("no action {action}"))?;
    let table = program
        .tables
        .values_mut()
        .find(|t| t.name == table || t.name.ends_with(&format!(".{table}")))
        .with_context(|| format!("no table {table}"))?;
    let (key, args) = entry;
    table.entries.push(Entry {
        keys: vec![key],
        priority: 0,
        call: ActionCall {
            action,
            args: args
                .into_iter()
                .zip(widths)
                .map(|(value, width)| Bits::new(width, value))
                .collect(),
        },
        members: Vec::new(),
        origin: Origin::Control,
    });
    Ok(())
}

/// The router's program as its network function describes it, with its entries.
fn router(routes: &[(u32, u32)]) -> anyhow::Result<Program> {
    let nf = trisect_p4::library::find("l3-forwarder").context("no l3-forwarder")?;
    let mut program = nf
        .compile(&trisect_p4::Options::default())
        .map_err(|errors| anyhow!("l3-forwarder.p4: {errors:?}"))?;
    for (i, (address, len)) in routes.iter().enumerate() {
        let key = KeySet::Prefix(Bits::new(32, *address), *len);
        add(
            &mut program,
            "routes",
            "via",
            (key, vec![i as u64 % NEXT_HOPS]),
        )?;
    }
    for hop in 0..NEXT_HOPS {
        let key = KeySet::Exact(Bits::new(16, hop));
        let args = vec![1 + hop % 8, 0x0200_0000_0000 + hop, 0x0200_0000_0100 + hop];
        add(&mut program, "next_hops", "forward", (key, args))?;
    }
    Ok(program)
}

/// What the embedded switch runs.
fn as_the_switch_runs_it(program: &Program) -> anyhow::Result<Program> {
    let (text, runtime) = trisect_bmv2::lower(program)?;
    Ok(trisect_bmv2::read_back(&text, &runtime)?)
}

fn forward(host: &mut HostProgram, packets: &mut [Packet]) {
    for batch in packets.chunks_mut(BATCH) {
        host.run_batch(batch);
    }
}

/// The same packets come out of the interpreter that runs the original program.
fn check(original: &Program, host: &mut HostProgram, packets: &[Packet]) -> anyhow::Result<usize> {
    let mut compiled = packets.to_vec();
    forward(host, &mut compiled);
    let mut interpreter = Interpreter::new(original);
    // One in 64: the interpreter looks at every route.
    for (i, (packet, got)) in packets.iter().zip(&compiled).enumerate().step_by(64) {
        let input = trisect_interp::Packet::new(packet.port, packet.time_ns, packet.frame());
        let outcome = interpreter.run(input);
        let want = outcome.emitted();
        let got = got.egress_port().map(|port| (port, got.frame()));
        anyhow::ensure!(want == got, "packet {i}: {got:?} instead of {want:?}");
    }
    Ok(compiled
        .iter()
        .filter(|p| p.egress_port().is_some())
        .count())
}

fn main() -> anyhow::Result<()> {
    let routes = routes();
    let original = router(&routes)?;
    let program = as_the_switch_runs_it(&original)?;
    let mut host = HostProgram::compile(&program, &Options::default())?;
    let originals = packets(|numbers| {
        let (address, len) = routes[numbers.next_u32() as usize % routes.len()];
        address | numbers.next_u32() & u32::MAX.checked_shr(len).unwrap_or(0)
    });
    let forwarded = check(&original, &mut host, &originals)?;
    anyhow::ensure!(
        forwarded == PACKETS,
        "only {forwarded} packets were forwarded"
    );

    let ns = nanoseconds_per_packet(&originals, 30, |p| forward(&mut host, p));
    let rate = 1e9 / ns;
    println!("\nIPv4 router, {ROUTES} routes, {PACKETS} packets of 64 bytes, one core");
    println!("{:<26} {:>12} {:>10}", "", "packets/s", "ratio");
    println!("{:<26} {rate:>12.0} {:>10.2}", "embedded switch", 1.0);
    for (name, theirs) in BMV2 {
        println!("{name:<26} {theirs:>12.0} {:>10.1}", rate / theirs);
    }
    println!();
    let ratio = rate / BMV2[0].1;
    anyhow::ensure!(ratio >= 100.0, "only {ratio:.1} times BMv2");

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("router");
    group.throughput(Throughput::Elements(PACKETS as u64));
    let mut packets = originals.clone();
    // Packets age from round to round and are dropped in the end: restore them each time.
    group.bench_function("embedded_switch", |b| {
        b.iter_custom(|rounds| {
            (0..rounds)
                .map(|_| {
                    for (packet, original) in packets.iter_mut().zip(&originals) {
                        packet.refill(original.frame());
                    }
                    let start = std::time::Instant::now();
                    forward(&mut host, &mut packets);
                    start.elapsed()
                })
                .sum()
        })
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
