//! What sampling costs: host throughput as a part of that without, what switch and NIC give up for it, and bytes of
//! records. `cargo bench -p trisect-benches --bench sampling_cost`
//!
//! The host runs what two plans give it, one with sampling and one without, on what their switches send it of the
//! bundled traffic, which is played again and again with other IP identifications, so that the part that is sampled is not
//! a matter of a few packets. Rounds of all cases take turns, so that a ratio is of the same minutes.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use trisect::project::Project;
use trisect_benches::BATCH;
use trisect_collect::ipfix::{Encoder, MAX_MESSAGE};
use trisect_host::{Carried, HostProgram, Options, Packet};
use trisect_plan::{Plan, Strategy};
use trisect_policy::rack::Sampling;
use trisect_rack::{Compiled, Engine, Fate, Frame, Queue, Tags, Tap};
use trisect_sample::{Algorithm, Field, Record, Sampler};

const FLOW: [Field; 4] = [Field::IpSrc, Field::IpDst, Field::SrcPort, Field::DstPort];
const ROUNDS: usize = 100;
/// Packets that a switch gets, at least.
const PACKETS: usize = 8192;
/// Packets that a card has handed over at a time.
const RING: usize = 512;
/// Bytes of a packet that are kept where only headers are.
const HEADERS: usize = 96;

fn sampling(hash: Algorithm, fields: &[Field], one_in: u32) -> Sampling {
    Sampling {
        hash,
        one_in,
        fields: fields.to_vec(),
        key: None,
    }
}

fn project(name: &str, sampling: Option<Sampling>) -> anyhow::Result<Project> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name);
    let mut project = Project::load(&folder, None).map_err(|e| anyhow::anyhow!("{e}"))?;
    if sampling
        .as_ref()
        .is_some_and(|s| s.hash != Algorithm::Toeplitz)
    {
        // This one has a place only on a switch whose stages nobody counts.
        project
            .rack
            .switches
            .iter_mut()
            .for_each(|s| s.stages = None);
    }
    project.rack.sampling = sampling;
    Ok(project)
}

fn plan(project: &Project, strategy: Strategy) -> anyhow::Result<Plan> {
    let registry = trisect::registry::registry()?;
    Ok(Plan::make(&project.input(&registry, strategy))?)
}

/// What the switch sends to the server that it sends most to, with that server's number.
fn frames(project: &Project, plan: &Plan) -> anyhow::Result<(usize, Vec<Packet>)> {
    let captures = project.traffic().map_err(|e| anyhow::anyhow!("{e}"))?;
    let traffic = trisect::run::bundled(&captures).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut switch = Compiled::new(&plan.pieces.switch, 0)?;
    let mut sent = vec![Vec::new(); plan.ports.servers.len()];
    for turn in 0..PACKETS.div_ceil(traffic.arrivals.len().max(1)) {
        for arrival in &traffic.arrivals {
            // Not later: flows would time out.
            let time_ns = arrival.time_ns;
            let frame = Frame::new(identified(arrival.bytes.clone(), turn as u16));
            let (fate, _) = switch.process(arrival.port, time_ns, frame)?;
            let Fate::Emit { port, frame } = fate else {
                continue;
            };
            if let Some(to) = plan.ports.servers.iter().position(|p| *p == port) {
                sent[to].push(Packet::new(&frame.bytes).at_time(time_ns));
            }
        }
    }
    let most = sent
        .into_iter()
        .enumerate()
        .max_by_key(|(_, list)| list.len());
    most.ok_or_else(|| anyhow::anyhow!("nothing goes to a server"))
}

/// Adds to the identification of IPv4, with its checksum (RFC 1624).
fn identified(mut frame: Vec<u8>, more: u16) -> Vec<u8> {
    if frame.len() >= 34 && frame[12..14] == [8, 0] {
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let id = word(18).wrapping_add(more);
        let parts = [!word(24), !word(18), id].map(u32::from);
        let sum = parts.iter().sum::<u32>();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        frame[18..20].copy_from_slice(&id.to_be_bytes());
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// One of the NIC's queues.
struct Lane {
    queue: Queue,
    originals: Vec<Packet>,
    /// The card's ring.
    packets: Vec<Packet>,
}

impl Lane {
    fn new(queue: Queue, originals: Vec<Packet>) -> Lane {
        let packets = originals.iter().take(RING).cloned().collect();
        Lane {
            queue,
            originals,
            packets,
        }
    }
}

/// One way to run the host.
struct Case {
    name: String,
    host: HostProgram,
    lanes: Vec<Lane>,
    tap: Option<Tap>,
    times: Vec<Duration>,
}

impl Case {
    /// `snap` bytes of a packet are kept; `who` finds out what is sampled.
    fn new(
        name: &str,
        project: &Project,
        plan: &Plan,
        snap: usize,
        who: Who,
    ) -> anyhow::Result<Self> {
        let (server, originals) = frames(project, plan)?;
        let piece = plan.pieces.hosts.get(server).and_then(Option::as_ref);
        let piece = piece.ok_or_else(|| anyhow::anyhow!("nothing runs on the host"))?;
        let sampler = sampler(plan);
        let tags = Tags::new(&plan.pieces, plan.sampling.tag);
        let (chosen, plain) = originals.into_iter().partition(|packet| match who {
            Who::Nic => tags.says(packet.frame()) != Carried::NotSampled,
            Who::Switch | Who::Host => true,
        });
        let tags = match who {
            Who::Nic | Who::Switch => tags,
            Who::Host => Tags::default(),
        };
        let tap = sampler.map(|sampler| Tap::new(sampler, tags, snap));
        Ok(Case {
            name: name.to_owned(),
            host: HostProgram::compile(piece, &Options::default())?,
            lanes: vec![
                Lane::new(Queue::Any, chosen),
                Lane::new(Queue::Plain, plain),
            ],
            tap,
            times: Vec::new(),
        })
    }

    /// Runs all packets once. Each part of them is put into its buffers before its time begins, as a card does that writes
    /// what arrives into a cache.
    fn round(&mut self) {
        let mut time = Duration::ZERO;
        for lane in &mut self.lanes {
            for originals in lane.originals.chunks(RING) {
                let packets = &mut lane.packets[..originals.len()];
                for (packet, original) in packets.iter_mut().zip(originals) {
                    packet.refill(original.frame());
                    packet.time_ns = original.time_ns;
                }
                let start = Instant::now();
                for batch in packets.chunks_mut(BATCH) {
                    match &mut self.tap {
                        Some(tap) => {
                            tap.run(&mut self.host, batch, lane.queue);
                            if tap.log().bytes() > Tap::FULL {
                                black_box(tap.log()).clear();
                            }
                        }
                        None => self.host.run_batch(batch),
                    }
                }
                time += start.elapsed();
            }
        }
        self.times.push(time);
    }

    /// Nanoseconds per packet in the middle one of all rounds.
    fn nanoseconds(&mut self) -> f64 {
        self.times.sort_unstable();
        let middle = self
            .times
            .get(self.times.len() / 2)
            .copied()
            .unwrap_or_default();
        let packets: usize = self.lanes.iter().map(|lane| lane.originals.len()).sum();
        middle.as_nanos() as f64 / packets.max(1) as f64
    }
}

/// What a plan's devices sample by.
fn sampler(plan: &Plan) -> Option<Sampler> {
    plan.sampling.compiled.clone().map(Sampler::new)
}

/// Who finds out for the host what is sampled.
#[derive(Clone, Copy)]
enum Who {
    /// The NIC, by its hash or by what the switch says.
    Nic,
    /// The switch: the host reads what it says in every frame.
    Switch,
    /// The host, from every frame, as if the switch said nothing.
    Host,
}

impl Who {
    const ALL: [Who; 3] = [Who::Nic, Who::Switch, Who::Host];
}

/// Prints the table.
fn host_table(name: &str, strategy: Strategy) -> anyhow::Result<()> {
    let none = project(name, None)?;
    let plain = plan(&none, strategy)?;
    let mut cases = vec![Case::new("no sampling", &none, &plain, 0, Who::Host)?];
    let all: &[Field] = &[];
    let (toeplitz, sip) = (Algorithm::Toeplitz, Algorithm::HalfSipHash);
    for (what, hash, fields, one_in, who) in [
        ("toeplitz", toeplitz, all, 100, &Who::ALL[..]),
        ("toeplitz", toeplitz, all, 1, &Who::ALL),
        ("toeplitz, flow", toeplitz, &FLOW, 100, &[Who::Host]),
        ("halfsiphash", sip, all, 100, &[Who::Nic, Who::Host]),
        ("halfsiphash", sip, all, 1, &[Who::Nic, Who::Host]),
    ] {
        let project = project(name, Some(sampling(hash, fields, one_in)))?;
        let plan = plan(&project, strategy)?;
        println!("\n{}", plan.sampling.text());
        for who in who {
            let by = match who {
                Who::Nic => "NIC chooses",
                Who::Switch => "switch says",
                Who::Host => "host hashes",
            };
            let name = format!("1 in {one_in}, {by}, {what}");
            cases.push(Case::new(&name, &project, &plan, usize::MAX, *who)?);
            if one_in == 1 {
                let name = format!("{name}, {HEADERS} bytes");
                cases.push(Case::new(&name, &project, &plan, HEADERS, *who)?);
            }
        }
    }
    for _ in 0..ROUNDS {
        cases.iter_mut().for_each(Case::round);
    }
    // What a host does for a packet besides: as `trisect calibrate` measures it, through ports in memory.
    let io = trisect::measure::io_nanoseconds()?;
    println!(
        "\nHost of {name}, strategy {strategy}, one core; receiving and sending a packet takes {io:.1} ns more"
    );
    println!(
        "{:<58} {:>10} {:>8} {:>8}",
        "", "ns/packet", "of none", "with I/O"
    );
    let mut base = 0.0;
    for case in &mut cases {
        let ns = case.nanoseconds();
        if base == 0.0 {
            base = ns;
        }
        let with_io = (base + io) / (ns + io);
        println!(
            "{:<58} {ns:>10.1} {:>8.3} {with_io:>8.3}",
            case.name,
            base / ns
        );
    }
    Ok(())
}

/// What a host records of the bundled traffic, and how long it takes to make IPFIX of its log.
fn record_table(name: &str, strategy: Strategy) -> anyhow::Result<()> {
    println!("\nRecords of the host of {name}, arrival and departure, in MB per million packets");
    println!(
        "{:<10} {:>12} {:>12} {:>16} {:>20}",
        "1 in", "whole", "headers", "without bytes", "later, ns/record"
    );
    let mut all = Vec::new();
    for one_in in [1000, 100, 10, 1] {
        let project = self::project(name, Some(sampling(Algorithm::Toeplitz, &[], one_in)))?;
        let plan = self::plan(&project, strategy)?;
        let (server, packets) = frames(&project, &plan)?;
        let piece = plan.pieces.hosts.get(server).and_then(Option::as_ref);
        let piece = piece.ok_or_else(|| anyhow::anyhow!("nothing runs on the host"))?;
        let mut row = Vec::new();
        let (mut time, mut records) = (Duration::ZERO, 0);
        for snap in [usize::MAX, HEADERS, 0] {
            let compiled = sampler(&plan).ok_or_else(|| anyhow::anyhow!("no sampling"))?;
            let tags = Tags::new(&plan.pieces, plan.sampling.tag);
            let mut tap = Tap::new(compiled.clone(), tags, snap);
            let mut host = HostProgram::compile(piece, &Options::default())?;
            for batch in packets.clone().chunks_mut(BATCH) {
                tap.run(&mut host, batch, Queue::Any);
            }
            let start = Instant::now();
            let log: Vec<Record> = tap.log().records("host", &compiled).collect();
            let messages = Encoder::new(1, compiled.spec()).messages(0, &log, MAX_MESSAGE)?;
            if snap == usize::MAX {
                (time, records) = (start.elapsed(), log.len());
            }
            let bytes: usize = messages.iter().map(Vec::len).sum();
            row.push(bytes as f64 / packets.len() as f64);
        }
        let [whole, headers, none] = row[..] else {
            continue;
        };
        let later = time.as_nanos() as f64 / records.max(1) as f64;
        println!("{one_in:<10} {whole:>12.2} {headers:>12.2} {none:>16.2} {later:>20.0}");
        all = packets;
    }
    // A record of a capture has 16 bytes more than its packet.
    let capture = |most: usize| {
        let each = all.iter().map(|p| 2 * (p.frame().len().min(most) + 16));
        each.sum::<usize>() as f64 / all.len().max(1) as f64
    };
    println!(
        "{:<10} {:>12.2} {:>12.2} {:>16.2}",
        "all, pcap",
        capture(usize::MAX),
        capture(HEADERS),
        capture(0)
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    // Those that are named on the command line, or all.
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    for (name, strategy) in [
        ("central-office", Strategy::Best),
        ("l3-firewall", Strategy::Host),
    ] {
        if names.is_empty() || names.contains(&name.to_owned()) {
            host_table(name, strategy)?;
            record_table(name, strategy)?;
        }
    }
    Ok(())
}
