//! What actions do to a frame, checksums included.

use super::parse::Layer;
use crate::ItemKind;
use crate::rule::{Action, ModifyTarget};
use trisect_ir::hash::ones_add;

/// The first header of a kind.
fn first(layers: &[Layer], kind: ItemKind) -> Option<usize> {
    layers.iter().find(|l| l.kind == kind).map(|l| l.at)
}

/// The outermost IP header, and the transport header that belongs to it.
fn ip(layers: &[Layer]) -> Option<(Layer, Option<Layer>)> {
    let at = layers
        .iter()
        .position(|l| matches!(l.kind, ItemKind::Ipv4 | ItemKind::Ipv6))?;
    let transport = layers
        .get(at + 1)
        .filter(|l| matches!(l.kind, ItemKind::Tcp | ItemKind::Udp));
    Some((layers[at], transport.copied()))
}

/// Runs a modification. Returns whether headers were added or removed, so that the frame must be
/// parsed again. A header that is not there is left alone.
pub fn apply(action: &Action, frame: &mut Vec<u8>, layers: &[Layer]) -> bool {
    match action {
        Action::SetMacDst { mac_addr } => mac(frame, layers, 1, 0, mac_addr.0),
        Action::SetMacSrc { mac_addr } => mac(frame, layers, 1, 6, mac_addr.0),
        Action::ModifyField { dst, level, value } => {
            let offset = match dst {
                ModifyTarget::MacDst => 0,
                ModifyTarget::MacSrc => 6,
            };
            mac(frame, layers, *level, offset, value.0);
        }
        Action::SetIpv4Src { ipv4_addr } => {
            address(
                frame,
                layers,
                ItemKind::Ipv4,
                12,
                &(ipv4_addr.0 as u32).to_be_bytes(),
            );
        }
        Action::SetIpv4Dst { ipv4_addr } => {
            address(
                frame,
                layers,
                ItemKind::Ipv4,
                16,
                &(ipv4_addr.0 as u32).to_be_bytes(),
            );
        }
        Action::SetIpv6Src { ipv6_addr } => {
            address(frame, layers, ItemKind::Ipv6, 8, &ipv6_addr.0.to_be_bytes());
        }
        Action::SetIpv6Dst { ipv6_addr } => {
            address(
                frame,
                layers,
                ItemKind::Ipv6,
                24,
                &ipv6_addr.0.to_be_bytes(),
            );
        }
        Action::SetTpSrc { port } => tp_port(frame, layers, 0, *port),
        Action::SetTpDst { port } => tp_port(frame, layers, 2, *port),
        Action::SetTtl { ttl_value } => ttl(frame, layers, |_| *ttl_value),
        Action::DecTtl => ttl(frame, layers, |old| old.wrapping_sub(1)),
        Action::SetIpv4Dscp { dscp_value } => {
            if let Some(at) = first(layers, ItemKind::Ipv4) {
                let tos = dscp_value << 2 | frame.get(at + 1).map_or(0, |b| b & 3);
                ipv4_bytes(frame, at, 1, &[tos]);
            }
        }
        Action::SetIpv6Dscp { dscp_value } => {
            if let Some(at) = first(layers, ItemKind::Ipv6)
                && let Some([b0, b1]) = frame.get_mut(at..at + 2)
            {
                *b0 = *b0 & 0xf0 | dscp_value >> 2;
                *b1 = *b1 & 0x3f | dscp_value << 6;
            }
        }
        Action::OfSetVlanVid { vlan_vid } => {
            vlan(frame, layers, |tci| tci & 0xf000 | vlan_vid & 0xfff);
        }
        Action::OfSetVlanPcp { vlan_pcp } => {
            vlan(frame, layers, |tci| {
                tci & 0x1fff | u16::from(*vlan_pcp) << 13
            });
        }
        Action::OfPopVlan => return pop_vlan(frame, layers),
        Action::OfPushVlan { ethertype } => return push_vlan(frame, layers, *ethertype),
        Action::VxlanDecap => return vxlan_decap(frame, layers),
        Action::VxlanEncap { headers } => return vxlan_encap(frame, headers),
        Action::Drop
        | Action::Count { .. }
        | Action::Mark { .. }
        | Action::SetMeta { .. }
        | Action::SetTag { .. }
        | Action::Queue { .. }
        | Action::Rss { .. }
        | Action::Jump { .. }
        | Action::RepresentedPort { .. } => {}
    }
    false
}

fn mac(frame: &mut [u8], layers: &[Layer], level: u8, offset: usize, value: u128) {
    let mut ethernets = layers.iter().filter(|l| l.kind == ItemKind::Eth);
    let Some(layer) = ethernets.nth(usize::from(level.max(1)) - 1) else {
        return;
    };
    let start = layer.at + offset;
    if let Some(bytes) = frame.get_mut(start..start + 6) {
        bytes.copy_from_slice(&value.to_be_bytes()[10..]);
    }
}

/// `checksum` after 16-bit words changed (RFC 1624, equation 3).
fn updated(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> Vec<u16> {
        bytes
            .chunks(2)
            .map(|w| u16::from_be_bytes([w[0], w.get(1).copied().unwrap_or(0)]))
            .collect()
    };
    let sum = words(old)
        .into_iter()
        .fold(!checksum, |s, w| ones_add(s, !w));
    !words(new).into_iter().fold(sum, ones_add)
}

/// Changes bytes of a header at `at`, and the checksum at `checksum` of it that covers them, word by
/// word.
fn covered(frame: &mut [u8], at: usize, offset: usize, bytes: &[u8], checksum: usize) {
    let first = at + offset / 2 * 2;
    let end = at + (offset + bytes.len()).div_ceil(2) * 2;
    let Some(old) = frame.get(first..end).map(<[u8]>::to_vec) else {
        return;
    };
    let start = at + offset;
    frame[start..start + bytes.len()].copy_from_slice(bytes);
    let new = frame[first..end].to_vec();
    fix(frame, at + checksum, &old, &new);
}

fn fix(frame: &mut [u8], checksum: usize, old: &[u8], new: &[u8]) {
    if let Some([b0, b1]) = frame.get_mut(checksum..checksum + 2) {
        [*b0, *b1] = updated(u16::from_be_bytes([*b0, *b1]), old, new).to_be_bytes();
    }
}

fn ipv4_bytes(frame: &mut [u8], at: usize, offset: usize, bytes: &[u8]) {
    covered(frame, at, offset, bytes, 10);
}

/// The transport's checksum after words that it covers changed; UDP without checksum stays without.
fn transport_checksum(frame: &mut [u8], transport: Layer, old: &[u8], new: &[u8]) {
    let udp = transport.kind == ItemKind::Udp;
    let at = transport.at + if udp { 6 } else { 16 };
    if udp && frame.get(at..at + 2) == Some(&[0, 0]) {
        return;
    }
    fix(frame, at, old, new);
    if udp && frame.get(at..at + 2) == Some(&[0, 0]) {
        frame[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    }
}

fn address(frame: &mut [u8], layers: &[Layer], kind: ItemKind, offset: usize, bytes: &[u8]) {
    let Some((header, transport)) = ip(layers).filter(|(l, _)| l.kind == kind) else {
        return;
    };
    let start = header.at + offset;
    let Some(old) = frame.get(start..start + bytes.len()).map(<[u8]>::to_vec) else {
        return;
    };
    if kind == ItemKind::Ipv4 {
        ipv4_bytes(frame, header.at, offset, bytes);
    } else {
        frame[start..start + bytes.len()].copy_from_slice(bytes);
    }
    if let Some(transport) = transport {
        transport_checksum(frame, transport, &old, bytes);
    }
}

fn tp_port(frame: &mut [u8], layers: &[Layer], offset: usize, port: u16) {
    let Some((_, Some(transport))) = ip(layers) else {
        return;
    };
    let start = transport.at + offset;
    let Some(old) = frame.get(start..start + 2).map(<[u8]>::to_vec) else {
        return;
    };
    frame[start..start + 2].copy_from_slice(&port.to_be_bytes());
    transport_checksum(frame, transport, &old, &port.to_be_bytes());
}

fn ttl(frame: &mut [u8], layers: &[Layer], new: impl Fn(u8) -> u8) {
    let Some((header, _)) = ip(layers) else {
        return;
    };
    let offset = if header.kind == ItemKind::Ipv4 { 8 } else { 7 };
    let Some(old) = frame.get(header.at + offset).copied() else {
        return;
    };
    if header.kind == ItemKind::Ipv4 {
        ipv4_bytes(frame, header.at, offset, &[new(old)]);
    } else {
        frame[header.at + offset] = new(old);
    }
}

fn vlan(frame: &mut [u8], layers: &[Layer], new: impl Fn(u16) -> u16) {
    if let Some(at) = first(layers, ItemKind::Vlan)
        && let Some([b0, b1]) = frame.get_mut(at..at + 2)
    {
        [*b0, *b1] = new(u16::from_be_bytes([*b0, *b1])).to_be_bytes();
    }
}

fn pop_vlan(frame: &mut Vec<u8>, layers: &[Layer]) -> bool {
    let Some(at) = first(layers, ItemKind::Vlan) else {
        return false;
    };
    // The tag and the Ethertype in front of it go; the tag's own Ethertype takes that place.
    frame.drain(at - 2..at + 2);
    true
}

fn push_vlan(frame: &mut Vec<u8>, layers: &[Layer], ethertype: u16) -> bool {
    let Some(eth) = first(layers, ItemKind::Eth) else {
        return false;
    };
    let tci = first(layers, ItemKind::Vlan)
        .and_then(|at| frame.get(at..at + 2))
        .map_or([0, 0], |b| [b[0], b[1]]);
    let [t0, t1] = ethertype.to_be_bytes();
    frame.splice(eth + 12..eth + 12, [t0, t1, tci[0], tci[1]]);
    true
}

fn vxlan_decap(frame: &mut Vec<u8>, layers: &[Layer]) -> bool {
    let Some(at) = first(layers, ItemKind::Vxlan) else {
        return false;
    };
    frame.drain(..at + 8);
    true
}

fn vxlan_encap(frame: &mut Vec<u8>, headers: &[u8]) -> bool {
    let inner = frame.len();
    frame.splice(0..0, headers.iter().copied());
    // Ethernet 14, IPv4 20, UDP 8, VXLAN 8: lengths and the IPv4 checksum are the NIC's to fill in.
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    frame[38..40].copy_from_slice(&length(inner + 16));
    frame[16..18].copy_from_slice(&length(inner + 36));
    frame[24..26].copy_from_slice(&[0, 0]);
    let sum = trisect_ir::hash::ones_sum(0, &frame[14..34]);
    frame[24..26].copy_from_slice(&(!sum).to_be_bytes());
    true
}

/// Bytes of the headers that [`Action::VxlanEncap`] adds.
pub const VXLAN_HEADERS: usize = 50;
