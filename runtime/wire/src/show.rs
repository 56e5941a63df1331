//! Packets as text: one line like tcpdump, or every field.

use std::fmt::Write;

use crate::{Layer, Layers, Proto, checksum, ipv4, tcp};

/// One line per packet: every header with what matters of it, what is wrong in brackets.
///
/// ```
/// use trisect_wire::{build::Build, describe, tcp::flag};
/// let p = Build::sample().ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80, flag::SYN).frame();
/// assert_eq!(describe(&p), "54 bytes: 02:00:00:00:00:01 > 02:00:00:00:00:02 / \
///     10.0.0.1 > 10.0.0.2 ttl 64 / tcp 1234 > 80 S seq 0 ack 0 win 65535 / 0 payload");
/// ```
#[must_use]
pub fn describe(frame: &[u8]) -> String {
    let walked = Layers::parse(frame);
    let mut parts: Vec<String> = Vec::new();
    for layer in &walked.layers {
        let mut text = one_line(frame, layer);
        if layer.cut {
            text.push_str(" [cut: length field beyond the packet]");
        }
        if let Some((found, right)) = checksum_of(frame, &walked, layer).filter(|(f, r)| f != r) {
            let _ = write!(
                text,
                " [bad checksum 0x{found:04x}, right is 0x{right:04x}]"
            );
        }
        parts.push(text);
    }
    parts.push(match walked.stop {
        Some(reason) => format!("{} payload [{reason}]", walked.payload.len()),
        None => format!("{} payload", walked.payload.len()),
    });
    format!("{} bytes: {}", frame.len(), parts.join(" / "))
}

fn one_line(frame: &[u8], layer: &Layer) -> String {
    let header = layer.header(frame);
    let f = |name: &str| {
        layer
            .proto
            .field(name)
            .map_or_else(String::new, |d| d.format(header))
    };
    let v = |name: &str| layer.get(frame, name).unwrap_or(0);
    match layer.proto {
        Proto::Ethernet => match v("ethertype") {
            0x0800 | 0x0806 | 0x86dd | 0x8100 => format!("{} > {}", f("src"), f("dst")),
            _ => format!("{} > {} type {}", f("src"), f("dst"), f("ethertype")),
        },
        Proto::Vlan => format!("vlan {} prio {}", f("vid"), f("pcp")),
        Proto::Mpls => format!("mpls {} ttl {}", f("label"), f("ttl")),
        Proto::Arp => format!("arp op {} {} asks {}", f("oper"), f("spa"), f("tpa")),
        Proto::Ipv4 => {
            let frag = match (v("mf"), v("frag_offset")) {
                (0, 0) => String::new(),
                (mf, off) => {
                    let more = if mf == 1 { "+" } else { "" };
                    format!(" frag id {} at {}{more}", f("id"), off * 8)
                }
            };
            format!("{} > {} ttl {}{frag}", f("src"), f("dst"), f("ttl"))
        }
        Proto::Ipv6 => format!("{} > {} hlim {}", f("src"), f("dst"), f("hop_limit")),
        Proto::Ipv6Ext => format!("ext {} bytes", header.len()),
        Proto::Ipv6Frag => format!("frag id {} at {}", f("id"), v("frag_offset") * 8),
        Proto::Ipv6Auth => format!("ah spi {} seq {}", f("spi"), f("seq")),
        Proto::Tcp => format!(
            "tcp {} > {} {} seq {} ack {} win {}",
            f("sport"),
            f("dport"),
            tcp::flags_text(v("flags") as u8),
            f("seq"),
            f("ack"),
            f("window")
        ),
        Proto::Udp => format!("udp {} > {} len {}", f("sport"), f("dport"), f("length")),
        Proto::Icmp | Proto::Icmpv6 => {
            format!(
                "{} type {} code {}",
                layer.proto.name(),
                f("kind"),
                f("code")
            )
        }
        Proto::Gre => format!("gre {}", f("protocol")),
        Proto::Vxlan => format!("vxlan {}", f("vni")),
        Proto::Nsh => format!("nsh spi {} si {} md {}", f("spi"), f("si"), f("md_type")),
    }
}

/// Every field of every header on a line of its own, options and payload as hexadecimal.
#[must_use]
pub fn decode(frame: &[u8]) -> String {
    let walked = Layers::parse(frame);
    let mut out = format!("{}\n", describe(frame));
    for layer in &walked.layers {
        let header = layer.header(frame);
        let _ = writeln!(out, "{} at byte {}", layer.proto.name(), layer.start);
        for field in layer.proto.fields() {
            let _ = write!(out, "  {:<14} {}", field.name, field.format(header));
            if field.name == "checksum"
                && let Some((found, right)) = checksum_of(frame, &walked, layer)
            {
                match found == right {
                    true => out.push_str(" (right)"),
                    false => {
                        let _ = write!(out, " (wrong, 0x{right:04x} would be right)");
                    }
                }
            }
            out.push('\n');
        }
        let options = header.get(layer.proto.fixed()..).unwrap_or_default();
        if !options.is_empty() {
            let _ = writeln!(out, "  {:<14} {}", "options", hex(options));
        }
    }
    let payload = frame.get(walked.payload.clone()).unwrap_or_default();
    dump(&mut out, "payload", walked.payload.start, payload);
    // A frame that is too short to walk is all payload; otherwise what is behind the payload is
    // padding (of short Ethernet frames) or what a length field leaves out.
    let trailer = frame.get(walked.payload.end..).unwrap_or_default();
    dump(&mut out, "trailer", walked.payload.end, trailer);
    out
}

fn dump(out: &mut String, name: &str, start: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let _ = writeln!(out, "{name} at byte {start}, {} bytes", bytes.len());
    for (i, line) in bytes.chunks(16).enumerate() {
        let text: String = line
            .iter()
            .map(|b| {
                if b.is_ascii_graphic() {
                    *b as char
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(out, "  {:04x}  {:<47}  {text}", i * 16, hex(line));
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    parts.join(" ")
}

/// The checksum that a header holds and the one that would be right; `None` if the header has none
/// or if bytes that it covers are missing (fragments, cut packets).
fn checksum_of(frame: &[u8], walked: &Layers, layer: &Layer) -> Option<(u16, u16)> {
    let found = layer.get(frame, "checksum")? as u16;
    if layer.proto == Proto::Ipv4 {
        let p = ipv4::Packet::new_checked(layer.whole(frame)).ok()?;
        return Some((found, p.correct_checksum()));
    }
    let at = walked.layers.iter().position(|l| l == layer)?;
    let before = walked.layers.get(..at)?;
    let ip_at = before
        .iter()
        .rposition(|l| matches!(l.proto, Proto::Ipv4 | Proto::Ipv6))?;
    let between = before.get(ip_at + 1..)?;
    let ip = before.get(ip_at)?;
    let fragment = |l: &Layer| l.get(frame, "mf") == Some(1);
    if ip.cut || layer.cut || fragment(ip) || between.iter().any(fragment) {
        return None;
    }
    if layer.proto == Proto::Udp && found == 0 {
        return None;
    }
    let bytes = layer.whole(frame);
    let pseudo = match (layer.proto, ip.proto) {
        (Proto::Icmp, _) => 0,
        (_, Proto::Ipv4) => ipv4::Packet::new_checked(ip.whole(frame)).ok().map(|p| {
            let (src, dst) = (p.src(), p.dst());
            checksum::pseudo_v4(src, dst, p.protocol(), bytes.len() as u16)
        })?,
        // A routing header changes the destination that the sender summed; leave it alone.
        _ if between.iter().any(|l| l.proto == Proto::Ipv6Ext) => return None,
        _ => {
            let next = match layer.proto {
                Proto::Tcp => 6,
                Proto::Udp => 17,
                _ => 58,
            };
            crate::ipv6::Packet::new_checked(ip.whole(frame))
                .ok()?
                .pseudo_sum(next, bytes.len())
        }
    };
    let sum_at = layer.proto.field("checksum")?.bit / 8;
    let (head, tail) = bytes.split_at_checked(sum_at)?;
    // The checksum lies on an even offset, so the two halves can be summed apart.
    let right = !checksum::sum(checksum::sum(pseudo, head), tail.get(2..)?);
    let right = if layer.proto == Proto::Udp && right == 0 {
        0xffff
    } else {
        right
    };
    Some((found, right))
}
