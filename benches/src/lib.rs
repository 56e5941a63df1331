//! Shared parts of the benchmarks: the packets, and the loops by hand that compiled code is held
//! against.

pub mod e2_rack;
pub mod p4_programs;

use std::time::{Duration, Instant};
use trisect_host::{Outcome, Packet};

/// How many distinct packets every benchmark runs over.
pub const PACKETS: usize = 65_536;

/// Packets per call of compiled code.
pub const BATCH: usize = 64;

/// Pseudo-random numbers (a linear congruential generator): the same in every run.
pub struct Numbers(u64);

impl Numbers {
    /// A sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// The next number.
    pub fn next_u32(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }
}

/// The checksum of an IPv4 header without options (RFC 1071).
fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header
        .chunks_exact(2)
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// A 64-byte frame (60 bytes without FCS): Ethernet, IPv4, UDP.
pub fn udp_frame(src: u32, dst: u32, ttl: u8, ports: u32) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&46u16.to_be_bytes());
    frame[22] = ttl;
    frame[23] = 17;
    frame[26..30].copy_from_slice(&src.to_be_bytes());
    frame[30..34].copy_from_slice(&dst.to_be_bytes());
    let sum = checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame[34..38].copy_from_slice(&ports.to_be_bytes());
    frame[38..40].copy_from_slice(&26u16.to_be_bytes());
    frame
}

/// [`PACKETS`] packets with random addresses (destinations from `destination`) and a time to live
/// that lasts for many rounds.
pub fn packets(mut destination: impl FnMut(&mut Numbers) -> u32) -> Vec<Packet> {
    let mut numbers = Numbers::new(1);
    (0..PACKETS)
        .map(|i| {
            let src = numbers.next_u32();
            let dst = destination(&mut numbers);
            let frame = udp_frame(src, dst, 64 + (i % 190) as u8, numbers.next_u32());
            Packet::new(&frame).at_time(1000 * i as u64)
        })
        .collect()
}

/// The TTL network function as one would write it by hand: Ethernet and IPv4 (with options, and
/// lengths checked), drop at a TTL of at most 1, else decrement with an incremental checksum
/// (RFC 1624, equation 3).
pub fn ttl_by_hand(packets: &mut [Packet]) {
    for packet in packets {
        let keep = ttl_frame(packet.frame_mut());
        packet.set_outcome(if keep {
            Outcome::Emit
        } else {
            Outcome::Drop(1)
        });
    }
}

/// Whether the packet goes on.
#[inline]
fn ttl_frame(frame: &mut [u8]) -> bool {
    let Some((ethernet, rest)) = frame.split_at_mut_checked(14) else {
        return true;
    };
    if [ethernet[12], ethernet[13]] != [0x08, 0x00] {
        return true;
    }
    let Some(&start) = rest.first() else {
        return true;
    };
    let len = usize::from(start & 15) * 4;
    if start >> 4 != 4 || len < 20 || rest.len() < len {
        return true;
    }
    let Some(ip) = rest.first_chunk_mut::<20>() else {
        return true;
    };
    if ip[8] <= 1 {
        return false;
    }
    let old = u32::from(u16::from_be_bytes([ip[8], ip[9]]));
    ip[8] -= 1;
    let new = u32::from(u16::from_be_bytes([ip[8], ip[9]]));
    let sum = u32::from(!u16::from_be_bytes([ip[10], ip[11]])) + (old ^ 0xffff) + new;
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let checksum = !(sum as u16);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    true
}

/// Time for one packet of the fastest of several rounds, in nanoseconds. Each round restores the
/// packets first, outside the measurement.
pub fn nanoseconds_per_packet(
    originals: &[Packet],
    rounds: usize,
    mut run: impl FnMut(&mut [Packet]),
) -> f64 {
    let mut packets = originals.to_vec();
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        for (packet, original) in packets.iter_mut().zip(originals) {
            packet.refill(original.frame());
        }
        let start = Instant::now();
        run(&mut packets);
        best = best.min(start.elapsed());
    }
    best.as_nanos() as f64 / originals.len() as f64
}
