//! The hash by which a NIC chooses a queue (Microsoft, "RSS hashing types and functions").

use super::parse::Layer;
use crate::ItemKind;

/// The Toeplitz hash of the addresses of the innermost IP header and of the ports behind it; `None` without IP:
/// the packet's descriptor then says that it has no hash.
pub fn hash(frame: &[u8], layers: &[Layer], key: &[u8]) -> Option<u32> {
    let is_ip = |l: &Layer| matches!(l.kind, ItemKind::Ipv4 | ItemKind::Ipv6);
    let at = layers.iter().rposition(is_ip)?;
    let (ip, behind) = (layers[at], &layers[at + 1..]);
    let addresses = match ip.kind {
        ItemKind::Ipv4 => ip.at + 12..ip.at + 20,
        _ => ip.at + 8..ip.at + 40,
    };
    let transport = |l: &&Layer| matches!(l.kind, ItemKind::Tcp | ItemKind::Udp);
    let ports = behind.iter().find(transport).map(|l| l.at..l.at + 4);
    let mut register = Register::new(key);
    for part in [Some(addresses), ports].into_iter().flatten() {
        for byte in frame.get(part).unwrap_or_default() {
            register.take(*byte);
        }
    }
    Some(register.hash)
}

/// As hardware does it: the key is shifted past the input, bit by bit.
struct Register<'a> {
    /// The 64 key bits from the place that the input has reached.
    window: u64,
    rest: std::slice::Iter<'a, u8>,
    hash: u32,
}

impl Register<'_> {
    fn new(key: &[u8]) -> Register<'_> {
        let mut rest = key.iter();
        let mut window = 0;
        for _ in 0..8 {
            window = window << 8 | u64::from(rest.next().copied().unwrap_or(0));
        }
        Register {
            window,
            rest,
            hash: 0,
        }
    }

    fn take(&mut self, byte: u8) {
        for bit in (0..8).rev() {
            if byte >> bit & 1 == 1 {
                self.hash ^= (self.window >> 32) as u32;
            }
            self.window <<= 1;
        }
        self.window |= u64::from(self.rest.next().copied().unwrap_or(0));
    }
}
