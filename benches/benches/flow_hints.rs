//! Hints for flow tables: compiled code that looks up a flow and its way back, over packets of so many flows, without
//! hints and with the number that a NIC gives to each flow. `cargo bench -p trisect-benches --bench flow_hints`
//!
//! What becomes of the packets is compared first. They come in random order; their headers are in the processor's
//! cache, as a NIC leaves them there.

use trisect_benches::{BATCH, Numbers, PACKETS, udp_frame};
use trisect_host::{HostProgram, Options, Packet};
use trisect_ir::Program;

/// Flows in the tables. All figures are over [`PACKETS`] packets; below that many flows some are of one flow.
const FLOWS: [u32; 5] = [1_024, 8_192, 65_536, 262_144, 1_048_576];

/// As a stateful NF has them: a table per direction, both refreshed by each packet.
const SOURCE: &str = r#"
#include <core.p4>
#include <pna.p4>
struct metadata_t { bit<16> seen; bit<32> sum; }
#include <trisect/std.p4>
control Flows(inout headers_t hdr, inout metadata_t meta,
              in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    action known(bit<16> number) { meta.seen = number; }
    action learn() { add_entry("known", {hdr.udp.src_port}, (ExpireTimeProfileId_t) 0); }
    table flows {
        key = {
            hdr.ipv4.src: exact; hdr.ipv4.dst: exact; hdr.ipv4.protocol: exact;
            hdr.udp.src_port: exact; hdr.udp.dst_port: exact;
        }
        actions = { @tableonly known; @defaultonly learn; }
        const default_action = learn();
        add_on_miss = true;
        size = 2097152;
    }
    action back(bit<32> address) { meta.sum = address; }
    action remember() { add_entry("back", {hdr.ipv4.src}, (ExpireTimeProfileId_t) 0); }
    table reverse {
        key = {
            hdr.ipv4.dst: exact; hdr.ipv4.src: exact; hdr.ipv4.protocol: exact;
            hdr.udp.dst_port: exact; hdr.udp.src_port: exact;
        }
        actions = { @tableonly back; @defaultonly remember; }
        const default_action = remember();
        add_on_miss = true;
        size = 2097152;
    }
    action rewrite() { hdr.ipv4.identification = meta.seen ^ meta.sum[15:0]; }
    apply {
        if (hdr.udp.isValid()) {
            flows.apply();
            reverse.apply();
            rewrite();
        }
    }
}
PNA_NIC(StdParser(), StdPreControl(), Flows(), StdDeparser()) main;
"#;

fn run(host: &mut HostProgram, packets: &mut [Packet]) {
    for batch in packets.chunks_mut(BATCH) {
        host.run_batch(batch);
    }
}

/// One packet per flow, then [`PACKETS`] of random flows, with their flows' numbers as hints.
fn traffic(flows: u32) -> (Vec<Packet>, Vec<Packet>) {
    let frame = |flow: u32| {
        let mut numbers = Numbers::new(u64::from(flow));
        numbers.next_u32();
        udp_frame(numbers.next_u32(), numbers.next_u32(), 64, flow)
    };
    let first = (0..flows).map(|flow| {
        let mut packet = Packet::new(&frame(flow));
        packet.hint = flow + 1;
        packet
    });
    let mut numbers = Numbers::new(7);
    let others = (0..PACKETS).map(|_| {
        let flow = ((u64::from(numbers.next_u32()) * u64::from(flows)) >> 32) as u32;
        let mut packet = Packet::new(&frame(flow)).at_time(1);
        packet.hint = flow + 1;
        packet
    });
    (first.collect(), others.collect())
}

/// A host whose tables and hints know all flows.
fn warm(
    program: &Program,
    hinted: bool,
    flows: u32,
    first: &[Packet],
) -> anyhow::Result<HostProgram> {
    let options = Options {
        hinted: match hinted {
            true => program.tables.values().map(|t| t.name.clone()).collect(),
            false => Vec::new(),
        },
        ..Options::default()
    };
    let mut host = HostProgram::compile(program, &options)?;
    (1..=flows).for_each(|flow| host.clear_hint(flow));
    for _ in 0..2 {
        run(&mut host, &mut first.to_vec());
    }
    Ok(host)
}

/// Nanoseconds per packet. The time of a batch counts, without what brings its packets to the cache.
fn measure(host: &mut HostProgram, packets: &mut [Packet]) -> f64 {
    let mut spent = std::time::Duration::ZERO;
    for batch in packets.chunks_mut(BATCH) {
        let read: u64 = batch.iter().map(|p| u64::from(p.frame()[30])).sum();
        std::hint::black_box(read);
        let start = std::time::Instant::now();
        host.run_batch(batch);
        spent += start.elapsed();
    }
    spent.as_nanos() as f64 / packets.len() as f64
}

fn main() -> anyhow::Result<()> {
    let program = trisect_p4::compile_str("flows.p4", SOURCE, &trisect_p4::Options::default())
        .map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    println!("\nTwo look-ups in flow tables, {PACKETS} packets of random flows, one core\n");
    println!(
        "{:>10} {:>14} {:>14} {:>8} {:>10}",
        "flows", "ns, none", "ns, hints", "saved", "hits"
    );
    for flows in FLOWS {
        let (first, packets) = traffic(flows);
        let mut plain = warm(&program, false, flows, &first)?;
        let mut hinted = warm(&program, true, flows, &first)?;
        let before = hinted.hint_counts();
        let (mut a, mut b) = (packets.clone(), packets.clone());
        run(&mut plain, &mut a);
        run(&mut hinted, &mut b);
        let same = a
            .iter()
            .zip(&b)
            .all(|(a, b)| a.frame() == b.frame() && a.outcome() == b.outcome());
        anyhow::ensure!(
            same && plain.state(1) == hinted.state(1),
            "hints change what the program does"
        );
        let after = hinted.hint_counts();
        let hits = (after.hits - before.hits) as f64 / (after.lookups - before.lookups) as f64;
        // Alternating, so that both see the same machine.
        let (mut without, mut with) = (f64::MAX, f64::MAX);
        for _ in 0..9 {
            without = without.min(measure(&mut plain, &mut a));
            with = with.min(measure(&mut hinted, &mut b));
        }
        println!(
            "{flows:>10} {without:>14.1} {with:>14.1} {:>7.0}% {:>9.1}%",
            100.0 * (1.0 - with / without),
            100.0 * hits,
        );
    }
    println!();
    Ok(())
}
