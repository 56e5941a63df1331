//! Which port a captured packet comes in on, and when.

use trisect_ports::{Capture, CaptureError};
use trisect_wire::FlowKey;

/// A packet at an external port of the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When, in nanoseconds since 1970; never before the arrival before it.
    pub time_ns: u64,
    /// The external port.
    pub port: u16,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// The port among `ports` that a frame's flow belongs to; both directions of a flow have the same.
/// `None` if there are no ports.
#[must_use]
pub fn by_flow(ports: &[u16], frame: &[u8]) -> Option<u16> {
    let hash = fnv1a(&FlowKey::of(frame).canonical().to_bytes());
    // FNV's low bits are its best; a modulus of the folded value uses them all.
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    let index = folded.checked_rem(ports.len() as u64)?;
    ports.get(index as usize).copied()
}

/// FNV-1a with 64 bits (Fowler, Noll and Vo; draft-eastlake-fnv).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The arrivals of a capture. `port` gives a frame's external port, or `None` for a frame that
/// enters nowhere; those are counted, not played. A capture whose clock runs backwards (merged
/// captures do) is played in the order of the file, late packets at the latest time seen so far.
///
/// # Errors
/// The first unreadable packet of the capture.
pub fn arrivals(
    capture: &Capture,
    mut port: impl FnMut(&[u8]) -> Option<u16>,
) -> Result<(Vec<Arrival>, u64), CaptureError> {
    let (mut out, mut outside, mut clock) = (Vec::new(), 0, 0);
    for packet in capture.packets() {
        let packet = packet?;
        clock = packet.time_ns.max(clock);
        match port(packet.data) {
            Some(port) => {
                out.push(Arrival {
                    time_ns: clock,
                    port,
                    bytes: packet.data.to_vec(),
                });
            }
            None => outside += 1,
        }
    }
    Ok((out, outside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_wire::build::Build;

    #[test]
    fn fnv_published_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn flows_keep_their_port_and_spread() {
        let ports = [1, 2, 3, 4];
        let mut seen = [0; 4];
        for i in 0..1000u16 {
            let there = Build::sample()
                .ipv4("10.0.0.1", "10.0.0.2")
                .udp(i, 53)
                .frame();
            let back = Build::sample()
                .ipv4("10.0.0.2", "10.0.0.1")
                .udp(53, i)
                .frame();
            let port = by_flow(&ports, &there).unwrap();
            assert_eq!(by_flow(&ports, &back), Some(port));
            seen[usize::from(port) - 1] += 1;
        }
        assert!(seen.iter().all(|n| (150..350).contains(n)), "{seen:?}");
        assert_eq!(by_flow(&[], &[]), None);
        assert_eq!(by_flow(&[9], &[]), Some(9));
    }
}
