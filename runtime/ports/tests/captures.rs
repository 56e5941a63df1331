//! Capture files: every format, damage of every kind, real traces.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use trisect_ports::{Capture, CaptureError, CaptureWriter, Format, Problem};
use trisect_wire::{decode, describe};

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;

/// A pcap by hand: magic, link type and packets of (seconds, fraction, bytes).
fn pcap(big: bool, magic: u32, link: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let w32 = |v: u32| {
        if big {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    };
    let w16 = |v: u16| {
        if big {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    };
    let mut out = w32(magic).to_vec();
    out.extend([w16(2), w16(4)].concat());
    out.extend([w32(0), w32(0), w32(65535), w32(link)].concat());
    for (s, f, data) in packets {
        let len = data.len() as u32;
        out.extend([w32(*s), w32(*f), w32(len), w32(len)].concat());
        out.extend(*data);
    }
    out
}

/// A pcapng block.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let pad = body.len().div_ceil(4) * 4 - body.len();
    let len = (12 + body.len() + pad) as u32;
    let mut out = [kind.to_le_bytes(), len.to_le_bytes()].concat();
    out.extend(body);
    out.extend(vec![0; pad]);
    out.extend(len.to_le_bytes());
    out
}

/// A little-endian pcapng with one interface (`options` are its options) and its packets as
/// enhanced packet blocks of (time in the interface's unit, bytes), then one simple packet block.
fn pcapng(link: u16, options: &[u8], packets: &[(u64, &[u8])]) -> Vec<u8> {
    let section = [
        &0x1a2b_3c4du32.to_le_bytes()[..],
        &[1, 0, 0, 0],
        &u64::MAX.to_le_bytes(),
    ];
    let mut out = block(0x0a0d_0d0a, &section.concat());
    let interface = [&link.to_le_bytes()[..], &[0; 6], options];
    out.extend(block(1, &interface.concat()));
    for (t, data) in packets {
        let len = (data.len() as u32).to_le_bytes();
        let (high, low) = (((t >> 32) as u32).to_le_bytes(), (*t as u32).to_le_bytes());
        out.extend(block(
            6,
            &[&[0; 4], &high, &low, &len, &len, *data].concat(),
        ));
    }
    out.extend(block(3, &[&4u32.to_le_bytes()[..], b"abcd"].concat()));
    out
}

fn open(bytes: Vec<u8>) -> Result<Capture, CaptureError> {
    Capture::from_bytes(Path::new("x.pcap"), bytes)
}

fn times(bytes: Vec<u8>) -> Vec<(u64, Vec<u8>)> {
    let capture = open(bytes).unwrap();
    capture
        .read_all()
        .unwrap()
        .iter()
        .map(|p| (p.time_ns, p.data.to_vec()))
        .collect()
}

#[test]
fn both_byte_orders_and_units() {
    let packets: [(u32, u32, &[u8]); 2] = [(1, 5, b"hello"), (2, 999_999, b"")];
    for big in [false, true] {
        let micro = [(1_000_005_000, b"hello".to_vec()), (2_999_999_000, vec![])];
        assert_eq!(times(pcap(big, MICRO, 1, &packets)), micro);
        let nano = [(1_000_000_005, b"hello".to_vec()), (2_000_999_999, vec![])];
        assert_eq!(times(pcap(big, NANO, 1, &packets)), nano);
    }
}

#[test]
fn pcapng_with_resolution_and_simple_packets() {
    // if_tsresol (option 9) of 9: nanoseconds. Without it: microseconds.
    let nano = pcapng(1, &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0], &[(7, b"one")]);
    assert_eq!(times(nano), [(7, b"one".to_vec()), (7, b"abcd".to_vec())]);
    let micro = pcapng(1, &[], &[(1 << 33, b"one")]);
    assert_eq!(times(micro)[0], ((1 << 33) * 1000, b"one".to_vec()));
    assert_eq!(open(pcapng(1, &[], &[])).unwrap().format(), Format::PcapNg);
}

fn first_error(bytes: Vec<u8>) -> CaptureError {
    match open(bytes) {
        Err(e) => e,
        Ok(c) => c.packets().find_map(Result::err).unwrap(),
    }
}

#[test]
fn every_kind_of_damage_says_where_and_what_to_do() {
    let good = pcap(false, MICRO, 1, &[(1, 5, b"hello"), (2, 6, b"world")]);
    let mut cut = good.clone();
    cut.truncate(good.len() - 2);
    let e = first_error(cut);
    assert!(
        matches!(e.problem, Problem::Truncated { need: 5, have: 3 }),
        "{e:?}"
    );
    assert_eq!((e.packet, e.offset), (Some(2), 24 + 16 + 5));
    assert_eq!(
        e.to_string(),
        "x.pcap ends too early: 5 bytes should follow, 3 are there (packet 2, at byte 45)"
    );
    assert!(e.way_out().contains("editcap"));

    let mut huge = good.clone();
    huge[24 + 16 + 5 + 11] = 0x7f;
    let e = first_error(huge);
    assert!(matches!(&e.problem, Problem::Corrupt(t) if t == "a packet of 2130706437 bytes"));

    let mut time = good.clone();
    time[24 + 7] = 0x7f;
    assert!(matches!(first_error(time).problem, Problem::Corrupt(_)));

    let e = first_error(pcap(true, MICRO, 113, &[]));
    assert!(
        matches!(&e.problem, Problem::NotEthernet(l) if l == "LINUX_SLL"),
        "{e}"
    );
    assert!(matches!(first_error(vec![]).problem, Problem::Empty));
    assert!(matches!(
        first_error(good[..20].to_vec()).problem,
        Problem::Truncated { .. }
    ));
    assert!(matches!(
        first_error(b"GIF89a".to_vec()).problem,
        Problem::NotACapture(_)
    ));

    let e = first_error(pcapng(113, &[], &[(1, b"one")]));
    assert!(
        matches!(&e.problem, Problem::NotEthernet(l) if l == "LINUX_SLL"),
        "{e}"
    );
    let ng = pcapng(1, &[], &[(1, b"one"), (2, b"two")]);
    let mut lying = ng.clone();
    let second = ng.len() - 20 - 36;
    lying[second + 20] = 200; // the captured length of the second packet
    let e = first_error(lying);
    assert!(matches!(e.problem, Problem::Corrupt(_)), "{e}");
    assert_eq!((e.packet, e.offset), (Some(2), second as u64));
    let e = first_error(ng[..ng.len() - 1].to_vec());
    assert!(matches!(e.problem, Problem::Truncated { .. }), "{e}");
    assert_eq!(e.packet, Some(3));
}

#[test]
fn a_written_file_appears_only_when_finished_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.pcap");
    let mut w = CaptureWriter::create(&file).unwrap();
    w.write(1_000_000_007, b"one").unwrap();
    assert!(!file.exists());
    drop(w);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
    let mut w = CaptureWriter::create(&file).unwrap();
    w.write(1_000_000_007, b"one").unwrap();
    w.write(4_000_000_000, b"").unwrap();
    assert!(w.write(u64::MAX, b"late").is_err());
    w.finish().unwrap();
    let back = times(std::fs::read(&file).unwrap());
    assert_eq!(
        back,
        [(1_000_000_007, b"one".to_vec()), (4_000_000_000, vec![])]
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged_files_never_panic_and_always_end(
        ng: bool,
        edits in prop::collection::vec((any::<usize>(), any::<u8>()), 0..5),
        cut: usize,
    ) {
        let mut bytes = match ng {
            true => pcapng(1, &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0], &[(1, b"one"), (2, b"second")]),
            false => pcap(false, NANO, 1, &[(1, 1, b"one"), (2, 2, b"second")]),
        };
        for (at, v) in edits {
            let at = at % bytes.len();
            bytes[at] = v;
        }
        bytes.truncate(bytes.len() - cut % 8);
        if let Ok(capture) = open(bytes) {
            prop_assert!(capture.packets().count() < 100);
            prop_assert!(capture.packets().filter(Result::is_err).count() <= 1);
        }
    }
}

fn traces() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("SKIPPED: no real captures in {}", dir.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "pcap"));
    files.sort();
    files
}

#[test]
fn real_captures_are_read_whole_and_described() {
    for file in traces() {
        let capture = Capture::open(&file).unwrap();
        let packets = capture.read_all().unwrap();
        assert!(!packets.is_empty(), "{}", file.display());
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let mut wrong = 0;
        for p in &packets {
            let line = describe(p.data);
            wrong += usize::from(line.contains("bad checksum"));
            assert!(decode(p.data).starts_with(&line));
        }
        if name.contains("bad-chksum") {
            assert!(wrong > 0, "{name}");
        }
        if name.contains("good-chksum") {
            assert_eq!(wrong, 0, "{name}");
        }
    }
}
