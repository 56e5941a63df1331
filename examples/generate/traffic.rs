//! Bundled traffic: one capture per ingress port.

use crate::rng::Rng;
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

const SUBSCRIBER: Mac = Mac([0x02, 0, 0, 0, 0x10, 0x01]);
const ROUTER: Mac = Mac([0x02, 0, 0, 0, 0xff, 0x01]);

/// One conversation: how its packets look, and when they come.
#[derive(Clone)]
struct Flow {
    client: String,
    server: String,
    transport: Transport,
    payloads: Vec<Vec<u8>>,
    start_ns: u64,
    gap_ns: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp { sport: u16, dport: u16 },
    Udp { sport: u16, dport: u16 },
    Echo { id: u16 },
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;
const FIN_ACK: u8 = 0x11;

impl Flow {
    /// The client's packets; with `reversed`, as the server's answers to `client` at `port`.
    fn packets(&self) -> Vec<Timed> {
        let base = || Build::ethernet(SUBSCRIBER, ROUTER);
        let ip = || {
            let id = (self.start_ns / 7) as u16;
            base().ipv4(&self.client, &self.server).with_ipv4(|ip| {
                ip.ttl = 64;
                ip.identification = id;
            })
        };
        let mut frames = Vec::new();
        match self.transport {
            Transport::Tcp { sport, dport } => {
                let mut seq = (self.start_ns >> 8) as u32;
                let mut tcp = |flags: u8, data: &[u8]| {
                    let frame = ip().tcp(sport, dport, flags).with_tcp(|t| t.seq = seq);
                    seq = seq.wrapping_add(data.len().max(1) as u32);
                    frame.payload(data).frame()
                };
                frames.push(tcp(SYN, b""));
                frames.push(tcp(ACK, b""));
                for data in &self.payloads {
                    frames.push(tcp(PSH_ACK, data));
                }
                frames.push(tcp(FIN_ACK, b""));
            }
            Transport::Udp { sport, dport } => {
                for data in &self.payloads {
                    frames.push(ip().udp(sport, dport).payload(data).frame());
                }
            }
            Transport::Echo { id } => {
                for (seq, data) in self.payloads.iter().enumerate() {
                    frames.push(ip().icmp_echo(id, seq as u16).payload(data).frame());
                }
            }
        }
        self.timed(frames)
    }

    fn timed(&self, frames: Vec<Vec<u8>>) -> Vec<Timed> {
        (0..)
            .zip(frames)
            .map(|(i, frame)| Timed { time_ns: self.start_ns + i * self.gap_ns, frame })
            .collect()
    }
}
