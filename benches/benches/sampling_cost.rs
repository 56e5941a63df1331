//! What sampling costs: host throughput as a part of that without, what switch and NIC give up for it, and bytes of
//! records. `cargo bench -p trisect-benches --bench sampling_cost`
//!
//! The host runs what two plans give it, one with sampling and one without, on what their switches send it of the
//! bundled traffic. Rounds of all cases take turns, so that a ratio is of the same minutes.

use std::path::Path;
use std::time::{Duration, Instant};

use trisect::project::Project;
use trisect_benches::BATCH;
use trisect_collect::ipfix::{Encoder, MAX_MESSAGE};
use trisect_host::{HostProgram, Options, Packet};
use trisect_plan::{Plan, Strategy};
use trisect_policy::rack::Sampling;
use trisect_rack::{Compiled, Engine, Fate, Frame, Tags};
use trisect_sample::{
    Algorithm, Field, HashRange, Point, Record, SampleSpec, Sampler, Verdict, digest,
};

const FLOW: [Field; 4] = [Field::IpSrc, Field::IpDst, Field::SrcPort, Field::DstPort];
const ROUNDS: usize = 40;

fn sampling(hash: Algorithm, fields: &[Field]) -> Sampling {
    Sampling {
        hash,
        one_in: 100,
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
    for arrival in &traffic.arrivals {
        let frame = Frame::new(arrival.bytes.clone());
        let (fate, _) = switch.process(arrival.port, arrival.time_ns, frame)?;
        let Fate::Emit { port, frame } = fate else {
            continue;
        };
        if let Some(to) = plan.ports.servers.iter().position(|p| *p == port) {
            sent[to].push(Packet::new(&frame.bytes).at_time(arrival.time_ns));
        }
    }
    let most = sent
        .into_iter()
        .enumerate()
        .max_by_key(|(_, list)| list.len());
    most.ok_or_else(|| anyhow::anyhow!("nothing goes to a server"))
}

/// Notes a sampled packet, with its bytes, as an element does that is to be audited.
fn note(log: &mut Vec<Record>, verdict: Verdict, tag: Option<u64>, point: Point, packet: &Packet) {
    let frame = packet.frame();
    log.push(Record {
        id: verdict.id,
        element: String::new(),
        visit: log.len() as u64,
        point,
        port: 0,
        time_ns: packet.time_ns,
        len: frame.len() as u32,
        digest: digest(frame),
        mark: packet.mark,
        meta: packet.meta,
        tag: tag.map(|_| verdict.id),
        packet: frame.to_vec(),
        work: None,
    });
}

/// One way to run the host.
struct Case {
    name: String,
    host: HostProgram,
    originals: Vec<Packet>,
    packets: Vec<Packet>,
    /// By packet: whether the NIC has put it into the sampled queue; all, where the NIC does not choose.
    chosen: Vec<bool>,
    sampling: Option<(Sampler, Tags)>,
    log: Vec<Record>,
    times: Vec<Duration>,
}

impl Case {
    fn new(
        name: &str,
        project: &Project,
        plan: &Plan,
        one_in: u32,
        nic: bool,
    ) -> anyhow::Result<Self> {
        let (server, originals) = frames(project, plan)?;
        let piece = plan.pieces.hosts.get(server).and_then(Option::as_ref);
        let piece = piece.ok_or_else(|| anyhow::anyhow!("nothing runs on the host"))?;
        let sampling = plan.sampling.compiled.as_ref().map(|spec| {
            let spec = SampleSpec {
                range: HashRange::one_in(one_in),
                ..spec.clone()
            };
            (
                Sampler::new(spec),
                Tags::new(&plan.pieces, plan.sampling.tag),
            )
        });
        let chosen = originals.iter().map(|packet| match &sampling {
            Some((sampler, _)) if nic => sampler.look(packet.frame()).sampled,
            _ => true,
        });
        Ok(Case {
            name: name.to_owned(),
            host: HostProgram::compile(piece, &Options::default())?,
            packets: originals.clone(),
            chosen: chosen.collect(),
            originals,
            sampling,
            log: Vec::new(),
            times: Vec::new(),
        })
    }

    /// Runs all packets once.
    fn round(&mut self) {
        for (packet, original) in self.packets.iter_mut().zip(&self.originals) {
            packet.refill(original.frame());
        }
        self.log.clear();
        let start = Instant::now();
        let batches = self
            .packets
            .chunks_mut(BATCH)
            .zip(self.chosen.chunks(BATCH));
        for (batch, chosen) in batches {
            let mut verdicts = [None; BATCH];
            if let Some((sampler, tags)) = &self.sampling {
                for ((packet, chosen), to) in batch.iter().zip(chosen).zip(&mut verdicts) {
                    if !chosen {
                        continue;
                    }
                    let tag = tags.carried(packet.frame());
                    let verdict = match tag {
                        Some(tag) => sampler.tagged(tag),
                        None => sampler.look(packet.frame()),
                    };
                    if verdict.sampled {
                        note(&mut self.log, verdict, tag, Point::In, packet);
                        *to = Some((verdict, tag));
                    }
                }
            }
            self.host.run_batch(batch);
            for (packet, verdict) in batch.iter().zip(verdicts) {
                if let Some((verdict, tag)) = verdict {
                    note(&mut self.log, verdict, tag, Point::Out, packet);
                }
            }
        }
        self.times.push(start.elapsed());
    }

    /// Nanoseconds per packet in the middle one of all rounds.
    fn nanoseconds(&mut self) -> f64 {
        self.times.sort_unstable();
        let middle = self
            .times
            .get(self.times.len() / 2)
            .copied()
            .unwrap_or_default();
        middle.as_nanos() as f64 / self.packets.len().max(1) as f64
    }
}

fn host_table(name: &str, strategy: Strategy) -> anyhow::Result<()> {
    let none = project(name, None)?;
    let mut cases = vec![Case::new(
        "no sampling",
        &none,
        &plan(&none, strategy)?,
        1,
        false,
    )?];
    for (what, hash, fields, nic) in [
        ("toeplitz, all fields", Algorithm::Toeplitz, &[][..], false),
        (
            "toeplitz, addresses and ports",
            Algorithm::Toeplitz,
            &FLOW,
            false,
        ),
        (
            "toeplitz, chosen by the NIC",
            Algorithm::Toeplitz,
            &FLOW,
            true,
        ),
        (
            "halfsiphash, all fields",
            Algorithm::HalfSipHash,
            &[],
            false,
        ),
    ] {
        let project = project(name, Some(sampling(hash, fields)))?;
        let plan = plan(&project, strategy)?;
        for (rate, one_in) in [("1 %", 100), ("100 %", 1)] {
            let name = format!("{rate}, {what}");
            cases.push(Case::new(&name, &project, &plan, one_in, nic)?);
        }
    }
    for _ in 0..ROUNDS {
        cases.iter_mut().for_each(Case::round);
    }
    println!("\nHost of {name}, strategy {strategy}, one core");
    println!("{:<38} {:>10} {:>8}", "", "ns/packet", "of none");
    let mut base = 0.0;
    for case in &mut cases {
        let ns = case.nanoseconds();
        if base == 0.0 {
            base = ns;
        }
        println!("{:<38} {ns:>10.1} {:>8.3}", case.name, base / ns);
    }
    Ok(())
}

fn device_table() -> anyhow::Result<()> {
    for (hash, fields) in [
        (Algorithm::Toeplitz, &[][..]),
        (Algorithm::Toeplitz, &FLOW),
        (Algorithm::HalfSipHash, &FLOW),
    ] {
        let project = project("central-office", Some(sampling(hash, fields)))?;
        println!("\n{}", plan(&project, Strategy::Best)?.sampling.text());
    }
    Ok(())
}

fn record_table() -> anyhow::Result<()> {
    let project = project("central-office", Some(sampling(Algorithm::Toeplitz, &[])))?;
    let plan = plan(&project, Strategy::Best)?;
    let (_, packets) = frames(&project, &plan)?;
    println!(
        "\nIPFIX of records with all bytes of the packets, arrival and departure at one element"
    );
    println!("{:<10} {:>24}", "1 in", "MB per million packets");
    for one_in in [1000, 100, 10, 1] {
        let mut case = Case::new("", &project, &plan, one_in, false)?;
        case.round();
        let spec = case
            .sampling
            .as_ref()
            .map(|(sampler, _)| sampler.spec().clone());
        let spec = spec.ok_or_else(|| anyhow::anyhow!("nothing is sampled"))?;
        let messages = Encoder::new(1, &spec).messages(0, &case.log, MAX_MESSAGE)?;
        let bytes: usize = messages.iter().map(Vec::len).sum();
        println!("{one_in:<10} {:>24.2}", bytes as f64 / packets.len() as f64);
    }
    // A record of a capture has 16 bytes more than its packet.
    let all: usize = packets.iter().map(|p| 2 * (p.frame().len() + 16)).sum();
    println!(
        "{:<10} {:>24.2}",
        "all, pcap",
        all as f64 / packets.len() as f64
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    host_table("central-office", Strategy::Best)?;
    host_table("l3-firewall", Strategy::Host)?;
    device_table()?;
    record_table()
}
