//! A port that tells what passes.

use trisect_wire::describe;

use crate::{Packet, Port};

/// Wraps a port: every packet in either direction is told to `tell` as one line of text, like
/// `1.000000000 < 54 bytes: ...` (received) or `... > ...` (sent).
pub struct Trace<P, F> {
    inner: P,
    tell: F,
}

impl<P: Port, F: FnMut(&str)> Trace<P, F> {
    /// Traces `inner`.
    pub fn new(inner: P, tell: F) -> Trace<P, F> {
        Trace { inner, tell }
    }

    /// The traced port.
    pub fn into_inner(self) -> P {
        self.inner
    }

    fn line(&mut self, direction: char, packet: &Packet) {
        let (s, ns) = (
            packet.time_ns / 1_000_000_000,
            packet.time_ns % 1_000_000_000,
        );
        (self.tell)(&format!(
            "{s}.{ns:09} {direction} {}",
            describe(&packet.data)
        ));
    }
}

impl<P: Port, F: FnMut(&str)> Port for Trace<P, F> {
    fn receive(&mut self) -> Option<Packet> {
        let packet = self.inner.receive()?;
        self.line('<', &packet);
        Some(packet)
    }

    fn send(&mut self, packet: Packet) {
        self.line('>', &packet);
        self.inner.send(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultSpec, Faults, MemoryPort};

    #[test]
    fn wrappers_stack() {
        let mut lines = Vec::new();
        let packet = Packet {
            time_ns: 1_500_000_000,
            data: vec![0; 13],
        };
        let memory = MemoryPort {
            incoming: [packet.clone()].into(),
            outgoing: vec![],
        };
        let all_lost = FaultSpec {
            drop_ppm: 1_000_000,
            ..FaultSpec::default()
        };
        let inner = Trace::new(memory, |l: &str| lines.push(l.to_owned()));
        let mut port = Faults::new(inner, all_lost);
        assert_eq!(port.receive(), None);
        port.send(packet);
        drop(port);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with("1.500000000 < 13 bytes: 13 payload [ethernet: "),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("1.500000000 > "), "{lines:?}");
    }
}
