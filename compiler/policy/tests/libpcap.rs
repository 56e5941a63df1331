//! Packet filters against libpcap: the same text compiled by both gives the same verdict on every
//! frame, generated or captured, whole or cut short. Run with `--features libpcap`.
// Helpers of tests fail like tests; clippy exempts only the tests themselves.
#![allow(clippy::expect_used)]

#[path = "support/filters.rs"]
mod filters;
#[path = "support/frames.rs"]
mod frames;

use pcap::{BpfProgram, Capture, Linktype};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use trisect_policy::Filter;

/// libpcap's program, unoptimised: the optimiser removes reads past the end of a frame.
fn reference(text: &str) -> Option<BpfProgram> {
    reference_or_error(text).ok()
}

fn reference_or_error(text: &str) -> Result<BpfProgram, String> {
    let capture = Capture::dead(Linktype::ETHERNET).expect("a dead handle needs no device");
    capture
        .compile(text, false)
        .map_err(|error| error.to_string())
}

/// libpcap's look for a constant zero divisor or a constant shift above 31 is too keen: it takes the
/// index of `ip[0]` or the first operand of `0 + 5` for the whole right operand, and reports it.
/// We take these filters, so that nothing can be compared.
fn is_false_alarm(error: &str) -> bool {
    [
        "division by zero",
        "modulus by zero",
        "shift by more than 31 bits",
    ]
    .iter()
    .any(|known| error.contains(known))
}

fn compare(text: &str, ours: &Filter, theirs: &BpfProgram, frames: &[Vec<u8>]) {
    for frame in frames {
        let (ours, theirs) = (ours.eval(frame), theirs.filter(frame));
        assert_eq!(
            ours, theirs,
            "`{text}`: ours {ours}, libpcap {theirs} on {frame:02x?}"
        );
    }
}

/// At least 4000 filters; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(4000),
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn generated_filters_agree_on_generated_frames(
        text in filters::filter(),
        frames in vec(frames::frame(), 60),
    ) {
        let ours = Filter::parse(&text);
        match (ours, reference_or_error(&text)) {
            (Ok(ours), Ok(theirs)) => {
                compare(&text, &ours, &theirs, &frames);
                // What we print must mean the same to both.
                let printed = ours.to_string();
                let again = Filter::parse(&printed).expect("printed filters parse");
                prop_assert_eq!(&again, &ours, "{}", printed);
                match reference_or_error(&printed) {
                    Ok(theirs) => compare(&printed, &ours, &theirs, &frames),
                    Err(error) => {
                        prop_assert!(is_false_alarm(&error), "libpcap: `{}`: {}", printed, error);
                    }
                }
                prop_assert!(!ours.never_matches() || frames.iter().all(|f| !ours.eval(f)));
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => {
                prop_assert!(is_false_alarm(&error), "libpcap refuses `{}`: {}", text, error);
            }
            (Err(error), Ok(_)) => prop_assert!(false, "only we refuse `{}`: {}", text, error),
        }
    }
}

#[test]
fn captured_frames_agree() {
    let Some(frames) = frames::captured() else {
        return;
    };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = filters::filter();
    let mut compared = 0usize;
    for _ in 0..300 {
        let text = strategy.new_tree(&mut runner).expect("a filter").current();
        let (Ok(ours), Some(theirs)) = (Filter::parse(&text), reference(&text)) else {
            continue;
        };
        compare(&text, &ours, &theirs, &frames);
        compared += frames.len();
    }
    println!("{compared} verdicts on {} captured frames", frames.len());
    assert!(compared > 100_000, "only {compared} verdicts were compared");
}

#[test]
fn what_libpcap_refuses_is_refused() {
    let refused = [
        "80",
        "10.0.0.1",
        "not 10.0.0.1",
        "vlan 4096",
        "ip6 host 1.2.3.4",
        "host 1:2:3:4:5:6",
        "ip[0]/0=1",
        "len",
        "net 10.0.0.1/8",
        "icmp port 5",
        "ip port 5",
        "port 70000",
        "mpls and vlan",
        "mpls and arp",
        "tcp and 5",
        "(port 80) or tcp[0]=1 or 5",
        "net 10.0.0.0/33",
        "ip6[0:3]=1",
        "TCP",
        "ip AND tcp",
        "dst 1.2.3.4 and src",
        "port 80,81",
        "ip=5",
        "ether",
        "src",
        "tcp src",
        "port",
        "tcp port",
        "(tcp",
        "tcp)",
        "tcp or",
        "or tcp",
        "ip[0",
        "ip[0]",
        "tcp udp",
        "portrange 1-",
        "mpls 1048576",
    ];
    for text in refused {
        assert!(reference(text).is_none(), "libpcap takes `{text}`");
        assert!(Filter::parse(text).is_err(), "we take `{text}`");
    }
}
