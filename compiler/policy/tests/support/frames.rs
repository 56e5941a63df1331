//! Frames for filter tests: generated ones, whose fields are drawn from the values that the filters
//! ask for, and captured ones.

use std::path::Path;

use pcap_file::pcap::PcapReader;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// All frames under ../shared/traces; `None`, loudly, where the folder is missing.
pub fn captured() -> Option<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no captures at {}", folder.display());
        return None;
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "pcap")
    });
    paths.sort();
    let mut frames = Vec::new();
    for path in paths {
        let file = std::fs::File::open(&path).expect("a readable capture");
        let mut reader = PcapReader::new(file).expect("a pcap header");
        while let Some(packet) = reader.next_packet() {
            frames.push(packet.expect("a packet").data().to_vec());
        }
    }
    Some(frames)
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![3 => select(vec![80u16, 443, 53, 0, 65535]), 1 => any::<u16>()]
}

fn address4() -> impl Strategy<Value = [u8; 4]> {
    let known = vec![
        [10, 0, 0, 1],
        [10, 0, 0, 2],
        [192, 168, 1, 1],
        [224, 0, 0, 1],
        [0; 4],
    ];
    prop_oneof![4 => select(known), 1 => any::<[u8; 4]>()]
}

fn address6() -> impl Strategy<Value = [u8; 16]> {
    let known = ["fe80::1", "2001:db8::1", "ff02::1", "::"].map(|text| {
        text.parse::<std::net::Ipv6Addr>()
            .expect("an address")
            .octets()
    });
    prop_oneof![4 => select(known.to_vec()), 1 => any::<[u8; 16]>()]
}

fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![8 => select(vec![1, 6, 17]), 2 => select(vec![2, 9, 44, 50, 51, 58, 103, 112, 132]), 1 => any::<u8>()]
}

fn mac() -> impl Strategy<Value = [u8; 6]> {
    select(vec![
        [2, 0, 0, 0, 0, 1],
        [2, 0, 0, 0, 0, 2],
        [255; 6],
        [1, 0, 0x5e, 0, 0, 1],
    ])
}

fn transport() -> impl Strategy<Value = Vec<u8>> {
    (port(), port(), vec(any::<u8>(), 0..40))
        .prop_map(|(src, dst, rest)| [&src.to_be_bytes()[..], &dst.to_be_bytes(), &rest].concat())
}

fn ipv4() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![9 => Just(4u8), 1 => 0u8..16];
    let words = prop_oneof![6 => Just(5u8), 2 => 6u8..9, 1 => 0u8..16];
    let fragment = prop_oneof![6 => Just(0u16), 2 => any::<u16>(), 1 => Just(0x4000)];
    let ends = (address4(), address4());
    let fixed = (any::<u8>(), any::<u16>(), any::<u8>());
    (
        version,
        words,
        fragment,
        protocol(),
        ends,
        transport(),
        fixed,
    )
        .prop_map(
            |(version, words, fragment, protocol, (src, dst), rest, (tos, length, ttl))| {
                let options = vec![1u8; usize::from(words.max(5) - 5) * 4];
                let [length_high, length_low] = length.to_be_bytes();
                let [fragment_high, fragment_low] = fragment.to_be_bytes();
                let start = [version << 4 | words, tos, length_high, length_low, 0, 7];
                let middle = [fragment_high, fragment_low, ttl, protocol, 0, 0];
                [&start[..], &middle, &src, &dst, &options, &rest].concat()
            },
        )
}

fn ipv6() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![9 => Just(0x60u8), 1 => any::<u8>()];
    (
        version,
        protocol(),
        address6(),
        address6(),
        transport(),
        protocol(),
    )
        .prop_map(|(version, next, src, dst, rest, behind)| {
            let extension = if next == 44 {
                vec![behind, 0, 0, 0, 0, 0, 0, 1]
            } else {
                vec![]
            };
            let start = [version, 0, 0, 0, 0, 20, next, 64];
            [&start[..], &src, &dst, &extension, &rest].concat()
        })
}

fn arp() -> impl Strategy<Value = Vec<u8>> {
    (mac(), address4(), mac(), address4()).prop_map(|(from, sender, to, target)| {
        [&[0, 1, 8, 0, 6, 4, 0, 1][..], &from, &sender, &to, &target].concat()
    })
}

fn network() -> impl Strategy<Value = (u16, Vec<u8>)> {
    prop_oneof![
        6 => ipv4().prop_map(|rest| (0x0800, rest)),
        3 => ipv6().prop_map(|rest| (0x86dd, rest)),
        1 => arp().prop_map(|rest| (0x0806, rest)),
        1 => arp().prop_map(|rest| (0x8035, rest)),
        1 => (select(vec![0x88ccu16, 0x8847, 0x8100, 46]), vec(any::<u8>(), 0..40)),
    ]
}

/// A frame, sometimes with tags and labels, sometimes cut short or damaged.
pub fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tag = || {
        (
            select(vec![0x8100u16, 0x88a8, 0x9100]),
            select(vec![5u16, 100, 0x2005]),
        )
    };
    let tags = prop_oneof![4 => Just(vec![]), 2 => vec(tag(), 1..3)];
    let labels = prop_oneof![6 => Just(vec![]), 1 => vec(select(vec![7u32, 9]), 1..3)];
    let damage = prop_oneof![
        5 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(Some),
    ];
    let cut = prop_oneof![6 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (mac(), mac(), tags, labels, network(), damage, cut).prop_map(
        |(dst, src, tags, labels, (ether_type, rest), damage, cut)| {
            let mut frame = [&dst[..], &src].concat();
            for (kind, id) in tags {
                frame.extend(kind.to_be_bytes());
                frame.extend(id.to_be_bytes());
            }
            let ether_type = if labels.is_empty() {
                ether_type
            } else {
                0x8847
            };
            frame.extend(ether_type.to_be_bytes());
            for (index, label) in labels.iter().enumerate() {
                let bottom = u32::from(index + 1 == labels.len());
                frame.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
            }
            frame.extend(rest);
            if let Some((at, byte)) = damage {
                *at.get_mut(&mut frame[..]) = byte;
            }
            if let Some(at) = cut {
                frame.truncate(at.index(frame.len()));
            }
            frame
        },
    )
}
