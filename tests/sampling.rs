//! Switch, NIC and host sample the same packets: on every packet of the captures, and on made-up ones.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::path::{Path, PathBuf};
use trisect::project::Project;
use trisect::run;
use trisect::sampling::switch_program;
use trisect_host::{Carried, HostProgram, Options, Packet as HostPacket};
use trisect_interp::{Interpreter, Packet};
use trisect_plan::site::Site;
use trisect_plan::{Plan, Strategy};
use trisect_ports::Capture;
use trisect_rack::{Compiled, Engine, Fate, Frame, Queue, Recorder, Report, Tags, Tap};
use trisect_rte_flow::sampling::{KEY_BYTES, SAMPLED_QUEUE, passing, sampled};
use trisect_rte_flow::{Capabilities, NicModel, RuleSet, Verdict};
use trisect_sample::{Algorithm, Field, HashRange, Point, Record, SampleSpec, Sampler, digest};
use trisect_wire::build::Build;
use trisect_wire::nsh;

/// What RSS hashes.
const FLOW: [Field; 4] = [Field::IpSrc, Field::IpDst, Field::SrcPort, Field::DstPort];

/// Fields of headers, addresses left out, as behind a NAT.
const CONTENT: [Field; 6] = [
    Field::IpProto,
    Field::IpId,
    Field::IpLength,
    Field::IpFragOffset,
    Field::TcpSeq,
    Field::TcpAck,
];

fn spec(hash: Algorithm, fields: &[Field]) -> SampleSpec {
    SampleSpec::new(11, HashRange::one_in(10), fields.to_vec()).with_hash(hash)
}

/// All that compute a hash.
struct Devices {
    host: Sampler,
    switches: Vec<(&'static str, Box<dyn Engine>)>,
    nic: Option<NicModel>,
}

impl Devices {
    /// The host, the switch's program as machine code (after it was emitted for BMv2 and read back, if `emitted`),
    /// and the NIC, if RSS hashes these fields.
    fn new(spec: &SampleSpec, emitted: bool) -> Devices {
        let text = switch_program(spec).expect("a switch can");
        let options = trisect_p4::Options::default();
        let mut program = trisect_p4::compile_str("sampler", &text, &options).expect("it compiles");
        if emitted {
            let (p4, entries) = trisect_bmv2::lower(&program).expect("BMv2 can");
            program = trisect_bmv2::read_back(&p4, &entries).expect("it reads back");
        }
        let code = Compiled::new(&program, 0).expect("machine code");
        let rss = spec.hash == Algorithm::Toeplitz && spec.fields == FLOW;
        Devices {
            host: Sampler::new(spec.clone()),
            switches: vec![("machine code", Box::new(code))],
            nic: rss.then(|| nic(spec)),
        }
    }

    /// Also the reference interpreter.
    fn with_interpreter(mut self) -> Devices {
        let text = switch_program(self.host.spec()).expect("a switch can");
        let options = trisect_p4::Options::default();
        let program = trisect_p4::compile_str("sampler", &text, &options).expect("it compiles");
        self.switches.push((
            "interpreter",
            Box::new(Reference(Interpreter::new(&program))),
        ));
        self
    }

    fn agree_on(&mut self, frame: &[u8]) {
        let spec = self.host.spec();
        let (first, last) = (spec.range.first, spec.range.last);
        let expected = self.host.look(frame);
        for (name, switch) in &mut self.switches {
            let (fate, _) = switch
                .process(0, 0, Frame::new(frame.to_vec()))
                .expect("it runs");
            let Fate::Emit { frame: report, .. } = fate else {
                panic!("{name} dropped the report of {}", hex(frame));
            };
            let got = report.bytes.first_chunk::<5>().expect("a report");
            let [hash @ .., sampled] = *got;
            assert_eq!(
                u32::from_be_bytes(hash),
                expected.hash,
                "{name}: {}",
                hex(frame)
            );
            assert_eq!(sampled == 1, expected.sampled, "{name}: {}", hex(frame));
        }
        if let Some(nic) = &mut self.nic {
            let mut inside = Build::sample()
                .nsh(nsh::Repr::md1(5, [7; 16]))
                .payload(frame)
                .frame();
            let expected = self.host.look(&inside);
            let Verdict::Host { queue, hash, .. } = nic.receive(&mut inside) else {
                panic!("the NIC kept {}", hex(frame));
            };
            // Without IP there is none, and the host looks by itself.
            let Some(hash) = hash.map(u32::reverse_bits) else {
                assert_eq!(queue, SAMPLED_QUEUE, "NIC: {}", hex(frame));
                return;
            };
            assert_eq!(hash, expected.hash, "NIC: {}", hex(frame));
            // The host looks at what is in the sampled queue.
            let taken = queue == SAMPLED_QUEUE && (first..=last).contains(&hash);
            assert_eq!(taken, expected.sampled, "NIC: {}", hex(frame));
        }
    }
}

/// The switch's program on the interpreter.
struct Reference(Interpreter);

impl Engine for Reference {
    fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: Frame,
    ) -> Result<(Fate, u64), trisect_rack::EngineError> {
        let outcome = self.0.run(Packet::new(port, time_ns, frame.bytes));
        let fate = match outcome.emitted() {
            Some((port, bytes)) => Fate::Emit {
                port,
                frame: Frame::new(bytes.to_vec()),
            },
            None => Fate::Drop {
                reason: String::new(),
            },
        };
        Ok((fate, 0))
    }

    fn state(&self, now_ns: u64) -> trisect_ir::state::State {
        self.0.state(now_ns)
    }
}

fn nic(spec: &SampleSpec) -> NicModel {
    let caps = Capabilities::named("generic").expect("a model");
    let range = (spec.range.first, spec.range.last);
    let rules = sampled(&passing(), &caps, &spec.key, range).expect("the NIC can");
    NicModel::new(&caps, &rules).expect("it takes the rules")
}

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|b| format!("{b:02x}")).collect()
}

/// Captures, or none, said aloud.
fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let Ok(list) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no real captures at {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "pcap"));
    files.sort();
    files
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// A frame: most are as they should be, some have broken fields or are cut.
fn made_up(random: &mut Random) -> Vec<u8> {
    let mut build = Build::sample();
    for _ in 0..random.below(8).saturating_sub(4) {
        build = build.vlan(random.below(4096) as u16);
    }
    if random.chance(8) {
        build = build.mpls(random.below(1 << 20) as u32);
    }
    if random.chance(16) {
        let [a, b, c, ..] = random.next().to_be_bytes();
        let sender = (trisect_wire::Mac([2; 6]), [10, 0, a, b].into());
        return build.arp(sender, [10, 0, a, c].into()).frame();
    }
    build = network(build, random);
    let tunnel = random.below(12);
    if tunnel < 2 {
        build = match tunnel {
            0 => build.gre(random.chance(2).then_some(7)),
            _ => build
                .udp(random.next() as u16, 4789)
                .vxlan(9)
                .inner_ethernet(trisect_wire::Mac([2; 6]), trisect_wire::Mac([4; 6])),
        };
        build = network(build, random);
    }
    build = match random.below(5) {
        0 => build.udp(random.next() as u16, random.next() as u16),
        1 => build.icmp_echo(random.next() as u16, 1),
        2 => build.icmpv6_echo(random.next() as u16, 1),
        _ => build
            .tcp(random.next() as u16, random.next() as u16, 16)
            .with_tcp(|tcp| (tcp.seq, tcp.ack) = (random.next() as u32, random.next() as u32)),
    };
    let payload = random.next().to_be_bytes();
    let mut frame = build.payload(&payload[..random.below(9) as usize]).frame();
    if random.chance(6) {
        let at = random.below(frame.len() as u64) as usize;
        if let Some(byte) = frame.get_mut(at) {
            *byte = random.next() as u8;
        }
    }
    if random.chance(16) {
        let [kind, ..] = random.next().to_be_bytes();
        frame[12..14].copy_from_slice(&[0x88, kind]);
    }
    if random.chance(10) {
        frame.truncate(random.below(frame.len() as u64 + 1) as usize);
    }
    frame
}

fn network(build: Build, random: &mut Random) -> Build {
    let n = random.next();
    let [a, b, c, d, ..] = n.to_be_bytes();
    if random.chance(3) {
        return build.ipv6(
            &format!("2001:db8::{a:x}:{b:x}"),
            &format!("fe80::{c:x}:{d:x}"),
        );
    }
    build
        .ipv4(&format!("10.{a}.{b}.1"), &format!("192.{c}.{d}.2"))
        .with_ipv4(|ip| ip.id = n as u16)
}

#[test]
fn all_agree_on_the_captures() {
    let all = [
        (Algorithm::Toeplitz, &FLOW[..]),
        (Algorithm::Toeplitz, &CONTENT[..]),
        (Algorithm::HalfSipHash, &FLOW[..]),
    ];
    for (hash, fields) in all {
        let mut devices = Devices::new(&spec(hash, fields), true);
        let mut packets = 0;
        for file in captures() {
            let capture = Capture::open(&file).expect("a capture");
            for packet in capture.packets() {
                devices.agree_on(packet.expect("a packet").data);
                packets += 1;
            }
        }
        println!("{hash}: {packets} packets of captures");
    }
}

#[test]
fn all_agree_on_made_up_packets() {
    for hash in [Algorithm::Toeplitz, Algorithm::HalfSipHash] {
        for fields in [&FLOW[..], &CONTENT[..]] {
            let mut devices = Devices::new(&spec(hash, fields), false).with_interpreter();
            let mut random = Random(5);
            for _ in 0..400 {
                devices.agree_on(&made_up(&mut random));
            }
        }
    }
}

/// `cargo test --release --test sampling -- --ignored --nocapture`
#[test]
#[ignore = "takes some minutes"]
fn all_agree_on_ten_million_made_up_packets() {
    let mut flow = Devices::new(&spec(Algorithm::Toeplitz, &FLOW), true);
    let mut sip = Devices::new(&spec(Algorithm::HalfSipHash, &CONTENT), true);
    let mut random = Random(6);
    for n in 0..10_000_000u64 {
        let frame = made_up(&mut random);
        match n % 10 {
            0 => sip.agree_on(&frame),
            _ => flow.agree_on(&frame),
        }
    }
    println!("10,000,000 packets agree");
}

fn example(name: &str) -> Project {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    Project::load(&folder, None).expect("the example loads")
}

fn plan(project: &Project, strategy: Strategy) -> Plan {
    let registry = trisect::registry::registry().expect("targets");
    Plan::make(&project.input(&registry, strategy)).expect("there is a plan")
}

/// Plays a project's traffic with all packets sampled. Every trajectory is whole, from the rack's entry to its end,
/// under one identity, which is the hash of the fields at the entry; and packets, their order and the final state are
/// those of the uncut pipeline without sampling.
fn keeps_trajectories(project: &Project, strategy: Strategy) -> (Plan, Report) {
    let name = format!("{}, {strategy}", project.name);
    let traffic = run::bundled(&project.traffic().expect("it has traffic")).expect("captures");
    let plan = plan(project, strategy);
    let mut rack = run::rack(&plan, 1, false).expect("a rack");
    rack.recorder = Some(Recorder {
        snap: usize::MAX,
        witnesses: Vec::new(),
    });
    let report = rack.run(&traffic.arrivals, &mut |_| {}).expect("it runs");
    let (elements, trajectories) = report.trajectories();
    assert_eq!(trajectories.len(), traffic.arrivals.len(), "{name}");
    for way in &trajectories {
        assert!(way.whole, "{name}: {}", way.path(&elements));
    }
    // What the switch has found is what its packets' bytes say.
    let sampler = rack.sampler.as_ref().expect("it samples");
    let came_in = traffic.arrivals.iter().map(|a| sampler.look(&a.bytes).id);
    let mut came_in: Vec<u64> = came_in.collect();
    let mut known: Vec<u64> = trajectories.iter().map(|way| way.id).collect();
    came_in.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, came_in, "{name}");
    let mut without = project.clone();
    without.rack.sampling = None;
    let uncut = self::plan(&without, Strategy::Host).uncut;
    let expected = trisect_rack::expect(&uncut, &traffic.arrivals);
    let result = trisect_rack::check(&traffic.arrivals, &expected, &report);
    assert!(result.holds(), "{name}: {result}");
    (plan, report)
}

#[test]
fn trajectories_survive_a_nat() {
    let project = example("central-office");
    let (plan, report) = keeps_trajectories(&project, Strategy::Best);
    let tagged = plan.sampling.classes.iter().map(|class| class.tagged);
    assert_eq!(tagged.collect::<Vec<_>>(), [true, true, false]);
    // Where the NAT was passed, hashing what is there would give another identity.
    let sampler = Sampler::new(SampleSpec {
        range: HashRange::ALL,
        ..plan.sampling.compiled.clone().expect("compiled in")
    });
    let lost = report.records.iter();
    let lost = lost.filter(|r| r.tag.is_some() && sampler.look(&r.packet).id != r.id);
    assert!(lost.count() > 100);
}

/// By either hash, with and without a NIC that chooses by itself.
#[test]
fn what_is_sampled_is_treated_alike() {
    let sampling = |hash, fields: &[Field]| trisect_policy::rack::Sampling {
        hash,
        one_in: 16,
        fields: fields.to_vec(),
        key: None,
    };
    let mut nat = example("nat-lb");
    nat.rack.sampling = Some(sampling(Algorithm::Toeplitz, &FLOW));
    let (plan, _) = keeps_trajectories(&nat, Strategy::Best);
    let registry = trisect::registry::registry().expect("targets");
    let files = trisect::artifacts::all(&plan, &registry).expect("they lower");
    let rules = files.iter().flat_map(|device| &device.files);
    let rules = rules.filter(|file| file.name == "rules.json");
    let rss = rules.filter(|file| String::from_utf8_lossy(&file.bytes).contains("rss"));
    assert_eq!(rss.count(), 1);

    // Twelve stages are too few for this one.
    nat.rack.sampling = Some(sampling(Algorithm::HalfSipHash, &CONTENT));
    nat.rack.switches[0].stages = None;
    let (plan, _) = keeps_trajectories(&nat, Strategy::Host);
    nics_carry_the_verdict(&plan);
    let (plan, _) = keeps_trajectories(&nat, Strategy::Best);
    nics_carry_the_verdict(&plan);
}

/// Where a card cannot hash what is hashed, it takes the switch's word for it: what the switch has found to be
/// sampled comes in a queue of its own, whether the card has other rules or none. A card that matches no fields of NSH has no
/// such rules, and that is said.
fn nics_carry_the_verdict(plan: &Plan) {
    let registry = trisect::registry::registry().expect("targets");
    let files = trisect::artifacts::all(plan, &registry).expect("they lower");
    let sampler = Sampler::new(plan.sampling.compiled.clone().expect("compiled in"));
    let tags = Tags::new(&plan.pieces, plan.sampling.tag);
    let mut switch = Compiled::new(&plan.pieces.switch, 0).expect("machine code");
    let captures = example("nat-lb").traffic().expect("traffic");
    let traffic = run::bundled(&captures).expect("traffic");
    let caps = Capabilities::named("generic").expect("a model");
    let mut nics: Vec<Option<NicModel>> = vec![None; plan.ports.servers.len()];
    for device in &files {
        if let (Site::Nic(server), Some(rules)) = (
            device.site,
            device.files.iter().find(|f| f.name == "rules.json"),
        ) {
            let rules: RuleSet = serde_json::from_slice(&rules.bytes).expect("rules");
            let nic = NicModel::new(&caps, &rules).expect("it takes the rules");
            nics[usize::from(server.0)] = Some(nic);
        }
    }
    let (mut sampled, mut plain) = (0, 0);
    for arrival in &traffic.arrivals {
        let frame = Frame::new(arrival.bytes.clone());
        let sent = switch.process(arrival.port, arrival.time_ns, frame);
        let Ok((Fate::Emit { port, frame }, _)) = sent else {
            continue;
        };
        let Some(server) = plan.ports.servers.iter().position(|p| *p == port) else {
            continue;
        };
        let mut bytes = frame.bytes;
        let verdict = match tags.carried(&bytes) {
            Some(tag) => sampler.tagged(tag),
            None => sampler.look(&bytes),
        };
        let nic = nics[server].as_mut().expect("a NIC with rules");
        if let Verdict::Host { queue, .. } = nic.receive(&mut bytes) {
            assert_eq!(queue == SAMPLED_QUEUE, verdict.sampled, "{}", hex(&bytes));
            *(if verdict.sampled {
                &mut sampled
            } else {
                &mut plain
            }) += 1;
        }
    }
    assert!(sampled > 5 && plain > 50, "{sampled} sampled, {plain} not");

    let text = trisect::artifacts::sampling_text(plan, &registry).expect("text");
    assert!(text.contains("takes the switch's verdict"), "{text}");
    let mut other = plan.clone();
    other
        .rack
        .servers
        .iter_mut()
        .flat_map(|s| &mut s.nics)
        .for_each(|nic| nic.model = "ice".into());
    other.pieces.nics.fill(None);
    let text = trisect::artifacts::sampling_text(&other, &registry).expect("text");
    assert!(
        text.contains("the host looks at what the switch says"),
        "{text}"
    );
}

/// What a host's driver notes of batches is what every element notes packet by packet: by either hash, with tags and
/// without, whole and cut, of packets that leave and of packets that are dropped.
#[test]
fn a_tap_notes_what_samplers_see() {
    let mut nat = example("nat-lb");
    let registry = trisect::registry::registry().expect("targets");
    nat.rack.switches[0].stages = None;
    let (mut tagged, mut dropped) = (0, 0);
    for (hash, fields, snap) in [
        (Algorithm::Toeplitz, &FLOW[..], usize::MAX),
        (Algorithm::Toeplitz, &CONTENT[..], 80),
        (Algorithm::HalfSipHash, &CONTENT[..], 0),
    ] {
        nat.rack.sampling = Some(trisect_policy::rack::Sampling {
            hash,
            one_in: 2,
            fields: fields.to_vec(),
            key: None,
        });
        let plan = Plan::make(&nat.input(&registry, Strategy::Host)).expect("there is a plan");
        let sampler = Sampler::new(plan.sampling.compiled.clone().expect("compiled in"));
        let tags = || Tags::new(&plan.pieces, plan.sampling.tag);
        let piece = plan.pieces.hosts[0].as_ref().expect("a host's piece");
        let code = || HostProgram::compile(piece, &Options::default()).expect("machine code");

        let captures = nat.traffic().expect("traffic");
        let traffic = run::bundled(&captures).expect("traffic");
        let mut switch = Compiled::new(&plan.pieces.switch, 0).expect("machine code");
        let mut frames = Vec::new();
        for arrival in &traffic.arrivals {
            let frame = Frame::new(arrival.bytes.clone());
            let sent = switch.process(arrival.port, arrival.time_ns, frame);
            if let Ok((Fate::Emit { port, frame }, _)) = sent
                && port == plan.ports.servers[0]
            {
                frames.push(HostPacket::new(&frame.bytes).at_time(arrival.time_ns));
            }
        }
        assert!(frames.len() > 100);
        // What the switch says of a frame is what looking at it finds.
        let carried = tags();
        for frame in &frames {
            let (frame, tag) = (frame.frame(), carried.carried(frame.frame()));
            let verdict = tag.map_or_else(|| sampler.look(frame), |tag| sampler.tagged(tag));
            assert_eq!(carried.says(frame) != Carried::NotSampled, verdict.sampled);
        }

        let mut tap = Tap::new(sampler.clone(), tags(), snap);
        let mut batched = code();
        for batch in frames.clone().chunks_mut(32) {
            tap.run(&mut batched, batch, Queue::Any);
        }
        let noted: Vec<Record> = tap.log().records("s1", &sampler).collect();

        let tags = tags();
        let record = |visit, point, port, packet: &HostPacket, frame: &[u8], tag: Option<u64>| {
            let verdict = match tag {
                Some(tag) => sampler.tagged(tag),
                None => sampler.look(frame),
            };
            verdict.sampled.then(|| Record {
                id: verdict.id,
                element: "s1".into(),
                visit,
                point,
                port,
                time_ns: packet.time_ns,
                len: frame.len() as u32,
                digest: digest(frame),
                mark: packet.mark,
                meta: packet.meta,
                tag: tag.map(|_| verdict.id),
                packet: frame[..frame.len().min(snap)].to_vec(),
                work: None,
            })
        };
        let mut single = code();
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for (visit, packet) in (0..).zip(&mut frames) {
            let arrived = packet.frame().to_vec();
            let tag = tags.carried(&arrived);
            came.push(record(visit, Point::In, packet.port, packet, &arrived, tag));
            single.run_batch(std::slice::from_mut(packet));
            let left = tags.carried(packet.frame()).or(tag);
            went.push(match packet.egress_port() {
                Some(port) => record(visit, Point::Out, port, packet, packet.frame(), left),
                None => record(visit, Point::Drop, 0, packet, &arrived, tag),
            });
        }
        let batches = came.chunks(32).zip(went.chunks(32));
        let expected = batches.flat_map(|(came, went)| came.iter().chain(went).flatten());
        let expected: Vec<Record> = expected.cloned().collect();
        assert_eq!(noted, expected);
        tagged += noted.iter().filter(|r| r.tag.is_some()).count();
        dropped += noted.iter().filter(|r| r.point == Point::Drop).count();
    }
    assert!(tagged > 50, "{tagged}");
    println!("{dropped} drops");
}

/// All devices choose at the rate that is asked for, not only those that find out by themselves.
#[test]
fn a_rate_that_is_asked_for_is_compiled_in() {
    let project = example("central-office").sampling_one_in(8);
    let compiled = plan(&project, Strategy::Host).sampling.compiled;
    assert_eq!(compiled.map(|s| s.range), Some(HashRange::one_in(8)));
}

#[test]
fn what_a_switch_cannot_hash_is_refused() {
    let text = |hash, fields: &[Field]| {
        let refused = switch_program(&spec(hash, fields));
        refused.expect_err("it cannot").to_string()
    };
    let payload = text(Algorithm::Toeplitz, &[Field::IpSrc, Field::PayloadPrefix]);
    assert!(
        payload.starts_with("a switch cannot hash `payload.prefix`"),
        "{payload}"
    );
    assert!(text(Algorithm::Bob, &FLOW).contains("does not compute `bob`"));
    assert!(text(Algorithm::Crc32, &FLOW).contains("does not compute `crc32`"));
    assert!(text(Algorithm::Crc32, &[]).starts_with("there are no fields"));
}

#[test]
fn what_a_nic_cannot_do_is_refused() {
    let caps = Capabilities::named("generic").expect("a model");
    let refused = sampled(&RuleSet::default(), &caps, &[1; KEY_BYTES - 1], (0, 1));
    let text = refused.expect_err("the key is too short").to_string();
    assert!(text.starts_with("the sampling key has 39 bytes"), "{text}");
    let tap = Capabilities::named("tap").expect("a model");
    let refused = sampled(&RuleSet::default(), &tap, &[1; KEY_BYTES], (0, 1));
    let text = refused.expect_err("no key").to_string();
    assert!(text.starts_with("NIC model tap takes no key"), "{text}");
}
