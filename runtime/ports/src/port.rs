//! What a source and sink of packets looks like.

use std::collections::VecDeque;

/// A packet at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When it arrives or leaves, in nanoseconds since 1970.
    pub time_ns: u64,
    /// The Ethernet frame without frame check sequence.
    pub data: Vec<u8>,
}

/// A source and sink of packets.
pub trait Port {
    /// The next packet that has arrived; `None` if there is none (for a capture: at its end).
    fn receive(&mut self) -> Option<Packet>;

    /// Sends a packet.
    fn send(&mut self, packet: Packet);
}

/// A port in memory: what is put into `incoming` is received, what is sent is in `outgoing`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryPort {
    /// Packets to be received, first one first.
    pub incoming: VecDeque<Packet>,
    /// Packets that were sent, first one first.
    pub outgoing: Vec<Packet>,
}

impl Port for MemoryPort {
    fn receive(&mut self) -> Option<Packet> {
        self.incoming.pop_front()
    }

    fn send(&mut self, packet: Packet) {
        self.outgoing.push(packet);
    }
}
