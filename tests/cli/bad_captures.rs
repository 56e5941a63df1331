//! Captures that are no captures, are damaged, empty, or hold malformed packets.

use super::{example, stderr, trisect};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A pcap in microseconds, little-endian, of one link type.
fn pcap(link: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(word.to_le_bytes());
    }
    for (second, packet) in packets.iter().enumerate() {
        let len = packet.len() as u32;
        for word in [second as u32, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(*packet);
    }
    file
}

/// A pcapng of one little-endian section and interface.
fn pcapng(link: u16, packets: &[&[u8]]) -> Vec<u8> {
    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let len = (padded + 12) as u32;
        let mut out = Vec::new();
        out.extend(kind.to_le_bytes());
        out.extend(len.to_le_bytes());
        out.extend(body);
        out.resize(8 + padded, 0);
        out.extend(len.to_le_bytes());
        out
    }
    let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend([0xff; 8]);
    let mut interface = link.to_le_bytes().to_vec();
    interface.extend([0, 0, 0, 0, 4, 0]);
    let mut file = block(0x0a0d_0d0a, &section);
    file.extend(block(1, &interface));
    for packet in packets {
        let len = packet.len() as u32;
        let mut body = Vec::new();
        for word in [0, 0, 0, len, len] {
            body.extend(u32::to_le_bytes(word));
        }
        body.extend(*packet);
        file.extend(block(6, &body));
    }
    file
}

/// Ethernet, IPv4 and UDP, with the lengths that the test wants.
fn datagram(total_length: u16, ihl: u8, udp_length: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x40 | ihl, 0]);
    frame.extend(total_length.to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x10, 0, 0, 53]);
    frame.extend(udp_length.to_be_bytes());
    frame.extend([0, 0, 1, 2, 3, 4]);
    frame
}

fn play(name: &str, file: &Path) -> std::process::Output {
    let project = example(name).display().to_string();
    let file = file.display().to_string();
    trisect(&["run", &project, "--check", "--json", "--pcap", &file])
}

#[test]
fn what_is_no_whole_ethernet_capture_is_refused() {
    let frame = datagram(32, 5, 12);
    let (one, two) = (pcap(1, &[&frame]), pcap(1, &[&frame, &frame]));
    let ng = pcapng(1, &[&frame, &frame]);
    let mut huge = one.clone();
    huge[32..36].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let bad: [(&str, Vec<u8>, &str); 10] = [
        ("empty", Vec::new(), "is empty"),
        (
            "text",
            b"not a capture at all, just text".to_vec(),
            "not a capture",
        ),
        ("half a header", one[..10].to_vec(), ""),
        ("half a packet", two[..two.len() - 5].to_vec(), "packet 2"),
        (
            "half a packet header",
            two[..one.len() + 7].to_vec(),
            "packet 2",
        ),
        ("a lying length", huge, "packet 1"),
        ("wireless", pcap(105, &[&frame]), "not Ethernet"),
        ("cooked, pcapng", pcapng(113, &[&frame]), "not Ethernet"),
        ("half a block", ng[..ng.len() - 9].to_vec(), "packet 2"),
        ("half a section, pcapng", ng[..20].to_vec(), ""),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let project = example("l3-firewall").display().to_string();
    for (what, bytes, expected) in bad {
        let file = folder.path().join("bad.pcap");
        fs::write(&file, bytes).expect("written");
        let file = file.display().to_string();
        let out = folder.path().join("out");
        let out_name = out.display().to_string();
        let output = trisect(&["run", &project, "--pcap", &file, "--out", &out_name]);
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(errors.contains("error[E0501]"), "{what}: {errors}");
        assert!(errors.contains("way out: "), "{what}: {errors}");
        assert!(errors.contains(expected), "{what}: {errors}");
        assert!(output.stdout.is_empty() && !out.exists(), "{what}: output");
    }
}

#[test]
fn malformed_packets_are_played_and_counted() {
    let whole = datagram(32, 5, 12);
    let mut packets = vec![
        whole.clone(),
        datagram(65535, 5, 12),
        datagram(4, 5, 12),
        datagram(0, 5, 0),
        datagram(32, 15, 12),
        datagram(32, 0, 12),
        datagram(32, 5, 65535),
        datagram(32, 5, 3),
        Vec::new(),
        vec![0; 9000],
        vec![0xff; 60],
    ];
    packets.extend((0..whole.len()).map(|cut| whole[..cut].to_vec()));
    let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [
        ("a.pcap", pcap(1, &packets)),
        ("a.pcapng", pcapng(1, &packets)),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("written");
        for example in super::EXAMPLES {
            let output = play(example, &file);
            let text = super::stdout(&output);
            assert!(output.status.success(), "{example} {name}: {text}");
            let report: Value = serde_json::from_str(&text).expect("JSON");
            let summary = &report["summary"];
            assert_eq!(report["check"]["count"], 0, "{example} {name}");
            assert_eq!(summary["packets"], packets.len(), "{example} {name}");
        }
    }
}

#[test]
fn a_capture_without_packets_is_played() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [("a.pcap", pcap(1, &[])), ("a.pcapng", pcapng(1, &[]))] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("written");
        let output = play("nat-lb", &file);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let report: Value = serde_json::from_str(&super::stdout(&output)).expect("JSON");
        assert_eq!(report["summary"]["packets"], 0);
    }
}

#[test]
fn captures_and_ports_that_are_not_there() {
    let project = example("l3-firewall").display().to_string();
    let missing = trisect(&["run", &project, "--pcap", "/nowhere/a.pcap"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("error[E0501]"));
    let capture = example("l3-firewall").join("traffic/p0.pcap");
    let capture = capture.display().to_string();
    let port = trisect(&["run", &project, "--pcap", &capture, "--ingress", "p77"]);
    assert_eq!(port.status.code(), Some(1));
    assert!(stderr(&port).contains("error[E0502]"), "{}", stderr(&port));
}
