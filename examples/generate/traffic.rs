//! Bundled traffic: one capture per ingress port.

use super::rng::Rng;
use super::tables::{ATTACKS, SERVER_NETS};
use trisect_wire::{Mac, build::Build};

/// A frame with its arrival time in nanoseconds.
pub struct Timed {
    time_ns: u64,
    frame: Vec<u8>,
}

/// Captures by their path below the examples' folder.
pub type Captures = Vec<(String, Vec<Timed>)>;

/// The bytes of a capture file (pcap, nanoseconds, Ethernet).
pub fn capture(packets: &[Timed]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    // The classic format: magic for nanoseconds, version 2.4, zone and accuracy 0, snap length, Ethernet.
    for word in [0xa1b2_3c4d_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for packet in packets {
        let len = u32::try_from(packet.frame.len())?;
        let seconds = u32::try_from(packet.time_ns / 1_000_000_000)?;
        let nanoseconds = u32::try_from(packet.time_ns % 1_000_000_000)?;
        for word in [seconds, nanoseconds, len, len] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&packet.frame);
    }
    Ok(out)
}

/// Friday, 21 November 2025, 12:00:00 UTC.
const START_NS: u64 = 1_763_726_400_000_000_000;

const CUSTOMER: Mac = Mac([0x02, 0, 0, 0, 0x10, 0x01]);
const ROUTER: Mac = Mac([0x02, 0, 0, 0, 0xff, 0x01]);
const CORE: Mac = Mac([0x02, 0, 0, 0, 0xcc, 0x01]);

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;
const FIN_ACK: u8 = 0x11;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    Tcp { sport: u16, dport: u16 },
    Udp { sport: u16, dport: u16 },
    Echo { id: u16 },
}

/// One conversation, seen from its client.
#[derive(Clone)]
struct Flow {
    client: String,
    server: String,
    transport: Transport,
    payloads: Vec<Vec<u8>>,
    start_ns: u64,
    gap_ns: u64,
}

impl Flow {
    /// The client's packets.
    fn requests(&self) -> Vec<Timed> {
        let ip = || {
            Build::ethernet(CUSTOMER, ROUTER)
                .ipv4(&self.client, &self.server)
                .with_ipv4(|ip| {
                    ip.ttl = 64;
                    ip.id = (self.start_ns / 7) as u16;
                })
        };
        let frames = match self.transport {
            Transport::Tcp { sport, dport } => {
                let mut seq = (self.start_ns >> 8) as u32;
                let mut tcp = |flags: u8, data: &[u8]| {
                    let frame = ip().tcp(sport, dport, flags).with_tcp(|t| t.seq = seq);
                    seq = seq.wrapping_add(data.len().max(1) as u32);
                    frame.payload(data).frame()
                };
                let mut frames = vec![tcp(SYN, b""), tcp(ACK, b"")];
                frames.extend(self.payloads.iter().map(|data| tcp(PSH_ACK, data)));
                frames.push(tcp(FIN_ACK, b""));
                frames
            }
            Transport::Udp { sport, dport } => self
                .payloads
                .iter()
                .map(|data| ip().udp(sport, dport).payload(data).frame())
                .collect(),
            Transport::Echo { id } => (0..)
                .zip(&self.payloads)
                .map(|(seq, data)| ip().icmp_echo(id, seq).payload(data).frame())
                .collect(),
        };
        let times = (0..).map(|i| self.start_ns + i * self.gap_ns);
        times
            .zip(frames)
            .map(|(time_ns, frame)| Timed { time_ns, frame })
            .collect()
    }

    /// Answers to `address` and `port`, which is what the server saw of the client.
    fn answers(&self, address: &str, port: u16, delay_ns: u64) -> Vec<Timed> {
        let mut answer = self.clone();
        answer.client = self.server.clone();
        answer.server = address.to_owned();
        answer.start_ns += delay_ns;
        answer.transport = match self.transport {
            Transport::Tcp { dport, .. } => Transport::Tcp {
                sport: dport,
                dport: port,
            },
            Transport::Udp { dport, .. } => Transport::Udp {
                sport: dport,
                dport: port,
            },
            Transport::Echo { .. } => return Vec::new(),
        };
        answer.requests()
    }
}

/// `count` conversations of clients below `client_net` (three octets) with the office's servers.
fn flows(rng: &mut Rng, count: usize, client_nets: &[&str], attacks: u64) -> Vec<Flow> {
    (0..count)
        .map(|_| {
            let client = format!("{}.{}", rng.pick(client_nets), rng.within(2, 250));
            let server = format!("{}.{}", rng.pick(&SERVER_NETS), rng.within(1, 254));
            let sport = rng.within(20_000, 60_000) as u16;
            let transport = match rng.below(10) {
                0..6 => Transport::Tcp {
                    sport,
                    dport: *rng.pick(&[80, 80, 443, 443, 22, 8080, 23, 445]),
                },
                6..9 => Transport::Udp {
                    sport,
                    dport: *rng.pick(&[53, 53, 123, 443, 5060]),
                },
                _ => Transport::Echo { id: sport },
            };
            let payloads = (0..rng.within(2, 8))
                .map(|_| payload(rng, attacks))
                .collect();
            Flow {
                client,
                server,
                transport,
                payloads,
                start_ns: START_NS + rng.below(400_000) * 1_000,
                gap_ns: rng.within(20, 4_000) * 1_000,
            }
        })
        .collect()
}

/// Text of a web request, now and then with something that intrusion detection looks for.
fn payload(rng: &mut Rng, attacks: u64) -> Vec<u8> {
    let mut text = format!(
        "GET /{:x} HTTP/1.1\r\nHost: www.example.net\r\n",
        rng.next()
    );
    if rng.chance(attacks) {
        text.push_str(rng.pick::<&str>(ATTACKS.as_slice()));
    }
    while rng.chance(60) {
        text.push_str(&format!(
            "X-Filler: {:016x}{:016x}\r\n",
            rng.next(),
            rng.next()
        ));
    }
    text.into_bytes()
}

/// All packets in the order of their times.
fn sorted(packets: impl IntoIterator<Item = Vec<Timed>>) -> Vec<Timed> {
    let mut all: Vec<Timed> = packets.into_iter().flatten().collect();
    all.sort_by_key(|p| p.time_ns);
    all
}

/// Packets that are not as they should be, for the normaliser and the parsers.
fn odd_packets(client: &str, server: &str) -> Vec<Timed> {
    let base = || Build::ethernet(CUSTOMER, ROUTER).ipv4(client, server);
    let whole = base()
        .tcp(40_000, 80, PSH_ACK)
        .payload(b"GET / HTTP/1.0")
        .frame();
    let mut lying = whole.clone();
    lying[14] = 0x4f; // an IPv4 header of 60 bytes, which would reach into the payload
    let frames = [
        base()
            .with_ipv4(|ip| ip.ttl = 1)
            .tcp(40_001, 80, SYN)
            .frame(),
        base()
            .with_ipv4(|ip| ip.ttl = 3)
            .udp(40_002, 53)
            .payload(b"low")
            .frame(),
        base().tcp(40_003, 80, SYN | FIN_ACK).frame(),
        base().tcp(40_004, 80, 0).frame(),
        base()
            .with_ipv4(|ip| ip.frag_offset = 1)
            .udp(40_005, 53)
            .payload(b"tiny")
            .frame(),
        base()
            .with_ipv4(|ip| ip.mf = true)
            .udp(40_006, 53)
            .payload(b"first part")
            .frame(),
        Build::ethernet(CUSTOMER, ROUTER)
            .ipv4(server, server)
            .udp(7, 7)
            .payload(b"land")
            .frame(),
        whole[..30].to_vec(),
        lying,
        Build::ethernet(CUSTOMER, ROUTER)
            .vlan(7)
            .ipv4(client, server)
            .udp(40_007, 53)
            .frame(),
        Build::ethernet(CUSTOMER, ROUTER)
            .ipv6("2001:db8::10", "2001:db8:1::1")
            .udp(40_008, 53)
            .payload(b"six")
            .frame(),
    ];
    (0..)
        .zip(frames)
        .map(|(i, frame)| Timed {
            time_ns: START_NS + 200_000_000 + i * 1_000_000,
            frame,
        })
        .collect()
}

/// Residential customers on p0 and p1, answers from the core on p4 in VXLAN, business customers on p2
/// and p3.
pub fn central_office() -> Captures {
    let mut rng = Rng::new(0xce27);
    let mut captures = Captures::new();
    let low = flows(&mut rng, 90, &["10.0.1", "10.0.2"], 6);
    let high = flows(&mut rng, 90, &["10.0.129", "10.0.200"], 6);
    let mappings = Mappings::of(low.iter().chain(&high));
    let answers = mappings.answers("203.0.113.1", 40, 30_000_000);
    let tunnelled = answers.into_iter().map(|p| Timed {
        frame: Build::ethernet(CORE, ROUTER)
            .ipv4("192.0.2.254", "203.0.113.254")
            .udp(49_152, 4789)
            .vxlan(100)
            .payload(&p.frame)
            .frame(),
        ..p
    });
    let tunnelled = sorted([tunnelled.collect()]);
    captures.push(("p0".into(), sorted(low.iter().map(Flow::requests))));
    captures.push(("p1".into(), sorted(high.iter().map(Flow::requests))));
    for (port, net) in [("p2", "172.16.1"), ("p3", "172.16.2")] {
        let business = flows(&mut rng, 80, &[net], 10);
        let odd = odd_packets(&format!("{net}.9"), "198.51.100.9");
        captures.push((
            port.into(),
            sorted(business.iter().map(Flow::requests).chain([odd])),
        ));
    }
    captures.push(("p4".into(), tunnelled));
    below("central-office", captures)
}

/// Clients on p0, with packets that a firewall should stop.
pub fn l3_firewall() -> Captures {
    let mut rng = Rng::new(0x13f);
    let flows = flows(&mut rng, 60, &["10.0.0"], 0);
    let odd = odd_packets("10.0.0.9", "198.51.100.9");
    let packets = sorted(flows.iter().map(Flow::requests).chain([odd]));
    below("l3-firewall", vec![("p0".into(), packets)])
}

/// The virtual service of nat-lb, and the backends behind it.
const SERVICE: &str = "198.51.100.80";
const BACKENDS: [&str; 4] = ["192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14"];

/// Inside clients on p0, many of which ask for the virtual service, and answers on p1. Every backend
/// answers for the service: only the one that the load balancer chose is a known connection.
pub fn nat_lb() -> Captures {
    let mut rng = Rng::new(0x2a7);
    let mut inside = flows(&mut rng, 80, &["10.1.0", "10.1.7"], 0);
    for flow in &mut inside {
        if rng.chance(70) {
            flow.server = SERVICE.to_owned();
            if let Transport::Tcp { dport, .. } = &mut flow.transport {
                *dport = 80;
            }
        }
    }
    let requests = sorted(inside.iter().map(Flow::requests));
    let mut mapped = Mappings::of(inside.iter()).0;
    mapped.truncate(30);
    let answers = mapped.iter().flat_map(|(flow, port)| {
        let servers = if flow.server == SERVICE {
            &BACKENDS[..]
        } else {
            &[flow.server.as_str()]
        };
        let answer = |server: &&str| {
            Flow {
                server: (*server).to_owned(),
                ..flow.clone()
            }
            .answers("203.0.113.7", *port, 20_000_000)
        };
        servers.iter().map(answer).collect::<Vec<_>>()
    });
    let answers = sorted(answers);
    below(
        "nat-lb",
        vec![("p0".into(), requests), ("p1".into(), answers)],
    )
}

/// One capture for the programs of v1model: clients of web servers and of the balancer's services, one
/// conversation in three in VLAN 7 with priority 5, and odd packets.
pub fn v1model() -> Captures {
    let mut rng = Rng::new(0x511);
    let mut flows = flows(&mut rng, 45, &["10.0.0", "203.0.113"], 0);
    for flow in &mut flows {
        if rng.chance(50) {
            flow.server = SERVICE.to_owned();
        }
    }
    let requests = (0..).zip(&flows).map(|(i, flow)| {
        let mut packets = flow.requests();
        if i % 3 == 0 {
            for packet in &mut packets {
                packet.frame.splice(12..12, [0x81, 0x00, 0xa0, 0x07]);
            }
        }
        packets
    });
    let odd = odd_packets("10.0.0.9", "198.51.100.9");
    vec![(
        "v1model/traffic.pcap".to_owned(),
        sorted(requests.chain([odd])),
    )]
}

fn below(example: &str, captures: Captures) -> Captures {
    let path = |port: &str| format!("{example}/traffic/{port}.pcap");
    captures
        .into_iter()
        .map(|(port, packets)| (path(&port), packets))
        .collect()
}

/// What a NAT whose pool begins at port 1024 gives to flows in the order of their first packets.
struct Mappings(Vec<(Flow, u16)>);

impl Mappings {
    fn of<'a>(flows: impl Iterator<Item = &'a Flow>) -> Self {
        let mut flows: Vec<&Flow> = flows.collect();
        flows.sort_by_key(|f| f.start_ns);
        let mut ports = std::collections::BTreeMap::new();
        let mut mapped = Vec::new();
        for flow in flows {
            let (protocol, inside) = match flow.transport {
                Transport::Tcp { sport, .. } => (6, sport),
                Transport::Udp { sport, .. } => (17, sport),
                Transport::Echo { id } => (1, id),
            };
            let next = 1024 + ports.len() as u16;
            let port = *ports
                .entry((flow.client.clone(), protocol, inside))
                .or_insert(next);
            mapped.push((flow.clone(), port));
        }
        Self(mapped)
    }

    /// Answers of the servers of the first `count` flows, `delay_ns` after each request.
    fn answers(&self, address: &str, count: usize, delay_ns: u64) -> Vec<Timed> {
        self.0
            .iter()
            .take(count)
            .flat_map(|(f, port)| f.answers(address, *port, delay_ns))
            .collect()
    }
}
