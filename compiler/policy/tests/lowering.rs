//! Filters as IR conditions: the frame form on every frame, the header form on every frame whose
//! headers are what EtherType and protocol say.

// Helpers of tests fail like tests; clippy exempts only the tests themselves.
#![allow(clippy::expect_used)]

#[path = "support/filters.rs"]
mod filters;
#[path = "support/frames.rs"]
mod frames;

use proptest::collection::vec;
use proptest::prelude::*;
use trisect_ir::eval::{Env, bits_at, eval};
use trisect_ir::{Bits, Field, FieldKind, FieldRef, Header, HeaderId, HeaderType, MetaId, Program};
use trisect_policy::Filter;
use trisect_policy::filter::View;

/// Header instances with their fields, as `trisect/std.p4` names them.
const HEADERS: [(&str, &[(&str, u32)]); 12] = [
    ("ethernet", &[("dst", 48), ("src", 48), ("ether_type", 16)]),
    ("vlan[0]", VLAN),
    ("vlan[1]", VLAN),
    ("vlan[2]", VLAN),
    (
        "arp",
        &[
            ("fixed", 64),
            ("sender_mac", 48),
            ("sender_ip", 32),
            ("target_mac", 48),
            ("target_ip", 32),
        ],
    ),
    (
        "ipv4",
        &[
            ("version", 4),
            ("ihl", 4),
            ("dscp", 6),
            ("ecn", 2),
            ("total_length", 16),
            ("identification", 16),
            ("reserved", 1),
            ("dont_fragment", 1),
            ("more_fragments", 1),
            ("fragment_offset", 13),
            ("ttl", 8),
            ("protocol", 8),
            ("checksum", 16),
            ("src", 32),
            ("dst", 32),
        ],
    ),
    (
        "ipv6",
        &[
            ("version", 4),
            ("dscp", 6),
            ("ecn", 2),
            ("flow_label", 20),
            ("payload_length", 16),
            ("next_header", 8),
            ("hop_limit", 8),
            ("src", 128),
            ("dst", 128),
        ],
    ),
    (
        "ipv6_fragment",
        &[
            ("next_header", 8),
            ("reserved1", 8),
            ("offset", 16),
            ("id", 32),
        ],
    ),
    (
        "tcp",
        &[
            ("src_port", 16),
            ("dst_port", 16),
            ("seq", 32),
            ("ack", 32),
            ("data_offset", 4),
            ("reserved", 4),
            ("flags", 8),
            ("window", 16),
            ("checksum", 16),
            ("urgent", 16),
        ],
    ),
    (
        "udp",
        &[
            ("src_port", 16),
            ("dst_port", 16),
            ("length", 16),
            ("checksum", 16),
        ],
    ),
    (
        "icmp",
        &[("type", 8), ("code", 8), ("checksum", 16), ("rest", 32)],
    ),
    (
        "icmpv6",
        &[("type", 8), ("code", 8), ("checksum", 16), ("rest", 32)],
    ),
];

const VLAN: &[(&str, u32)] = &[("pcp", 3), ("dei", 1), ("vid", 12), ("ether_type", 16)];

fn program() -> Program {
    let mut program = Program::new("headers");
    for (name, fields) in HEADERS {
        let field = |(name, width): &(&str, u32)| Field {
            name: name.to_string(),
            kind: FieldKind::Fixed(*width),
        };
        let fields = fields.iter().map(field).collect();
        let ty = program.header_types.push(HeaderType {
            name: format!("{name}_t"),
            fields,
        });
        program.headers.push(Header {
            name: name.to_string(),
            ty,
        });
    }
    program
}

/// Where each header of a frame begins; `None` if a header is not what was announced.
fn place(program: &Program, frame: &[u8]) -> Option<Vec<(HeaderId, usize)>> {
    let mut placed = Vec::new();
    let mut put = |name: &str, at: usize| {
        let header = program.header_named(name)?;
        let bytes = program.header_type(header).fixed_bits() as usize / 8;
        placed.push((header, at));
        frame.get(at..at + bytes)
    };
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    put("ethernet", 0)?;
    let (mut at, mut tags) = (14, 0);
    while [0x8100, 0x88a8, 0x9100].contains(&word(at - 2)?) {
        put(&format!("vlan[{tags}]"), at)?;
        (at, tags) = (at + 4, tags + 1);
    }
    let transport = match word(at - 2)? {
        0x0806 if frame.get(at..at + 6)? == [0, 1, 8, 0, 6, 4] => {
            put("arp", at)?;
            None
        }
        0x0806 => return None,
        0x0800 => {
            let header = put("ipv4", at)?;
            let length = usize::from(header[0] & 0xf) * 4;
            if header[0] >> 4 != 4 || length < 20 || frame.len() < at + length {
                return None;
            }
            let first = (header[6] & 0x1f, header[7]) == (0, 0);
            first.then_some((header[9], at + length, 1))
        }
        0x86dd => {
            let header = put("ipv6", at)?;
            if header[0] >> 4 != 6 {
                return None;
            }
            Some((header[6], at + 40, 58))
        }
        _ => None,
    };
    match transport {
        Some((6, at, _)) => drop(put("tcp", at)?),
        Some((17, at, _)) => drop(put("udp", at)?),
        Some((44, at, 58)) => drop(put("ipv6_fragment", at)?),
        Some((1, at, 1)) => drop(put("icmp", at)?),
        Some((58, at, 58)) => drop(put("icmpv6", at)?),
        _ => {}
    }
    Some(placed)
}

struct Parsed<'a> {
    program: &'a Program,
    frame: &'a [u8],
    placed: Vec<(HeaderId, usize)>,
}

impl Env for Parsed<'_> {
    fn field(&self, field: FieldRef) -> Bits {
        let width = self.program.field_width(field);
        let header = self
            .placed
            .iter()
            .find(|(header, _)| *header == field.header);
        let Some((_, at)) = header else {
            return Bits::zero(width);
        };
        let offset = self.program.header_type(field.header).offset(field.field) as usize;
        bits_at(self.frame, at * 8 + offset, width).expect("inside the frame")
    }

    fn meta(&self, _: MetaId) -> Bits {
        Bits::zero(1)
    }

    fn param(&self, _: u32) -> Bits {
        Bits::zero(1)
    }

    fn valid(&self, header: HeaderId) -> bool {
        self.placed.iter().any(|(placed, _)| *placed == header)
    }

    fn lookahead(&self, _: u32, width: u32) -> Bits {
        Bits::zero(width)
    }

    fn frame(&self) -> &[u8] {
        self.frame
    }
    fn varbit(&self, _: HeaderId) -> &[u8] {
        &[]
    }
    fn payload(&self) -> &[u8] {
        &[]
    }
}

/// Which frames were compared in the header form.
fn compare(filter: &Filter, program: &Program, frames: &[Vec<u8>]) -> usize {
    let lowered = filter.lower(program);
    let exact = filter.lower_to_frame();
    let mut compared = 0;
    for frame in frames {
        let expected = filter.eval(frame);
        let parsed = Parsed {
            program,
            frame,
            placed: vec![],
        };
        assert_eq!(
            !eval(&exact, &parsed).is_zero(),
            expected,
            "`{filter}` on {frame:02x?}"
        );
        if lowered.view == View::Headers
            && let Some(placed) = place(program, frame)
        {
            let found = !eval(&lowered.expr, &Parsed { placed, ..parsed }).is_zero();
            assert_eq!(found, expected, "`{filter}` in header form on {frame:02x?}");
            compared += 1;
        }
    }
    compared
}

/// Filters that switches and NICs must be able to run.
const HARDWARE: [&str; 19] = [
    "ip",
    "ip6",
    "arp",
    "ip and (tcp port 80 or udp port 53)",
    "ip src net 10.0.0.0/8 and not ip dst host 10.0.0.2",
    "ip6 dst net 2001:db8::/33",
    "tcp dst port 443",
    "udp portrange 50-90",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[8] < 5 or ip[0] & 0xf != 5",
    "ip[6:2] & 0x1fff != 0",
    "ether src 02:00:00:00:00:01",
    "ether multicast",
    "vlan 5 and ip and tcp",
    "vlan and vlan 100 and ip host 10.0.0.1",
    "icmp[icmptype] = icmp-echo",
    "icmp6[icmp6type] = 128",
    "greater 60 and arp host 10.0.0.1",
    "udp dst port 4789 or ip proto 47",
];

/// Filters that look at bytes of no parsed header.
const RAW: [&str; 6] = [
    "port 80",
    "host 10.0.0.1",
    "rarp host 10.0.0.1",
    "mpls and ip",
    "ip[20] = 1",
    "tcp[tcp[12] >> 2] = 0x47",
];

#[test]
fn hardware_filters_read_headers() {
    let program = program();
    for text in HARDWARE {
        let filter = Filter::parse(text).expect("valid");
        assert_eq!(filter.lower(&program).view, View::Headers, "{text}");
    }
    for text in RAW {
        let filter = Filter::parse(text).expect("valid");
        assert_eq!(filter.lower(&program).view, View::Frame, "{text}");
    }
}

#[test]
fn parts_of_one_field_become_one_match() {
    let program = program();
    let lowered = |text: &str| Filter::parse(text).expect("valid").lower(&program).expr;
    let field = |header, field| {
        trisect_ir::Expr::Field(program.field_named(header, field).expect("a field"))
    };
    let number = |width, value| trisect_ir::Expr::num(width, value);
    assert_eq!(
        lowered("ether dst 02:00:00:00:00:01"),
        field("ethernet", "dst").equals(number(48, 0x0200_0000_0001))
    );
    let masked = trisect_ir::Expr::binary(
        trisect_ir::BinOp::And,
        field("ipv4", "src"),
        number(32, 0xff00_0000),
    );
    assert_eq!(
        lowered("ip src net 10.0.0.0/8"),
        field("ethernet", "ether_type")
            .equals(number(16, 0x0800))
            .and(masked.equals(number(32, 0x0a00_0000)))
    );
}

#[test]
fn captured_frames_agree() {
    let Some(frames) = frames::captured() else {
        return;
    };
    let program = program();
    let frames: Vec<Vec<u8>> = frames.into_iter().step_by(5).collect();
    for text in HARDWARE {
        let filter = Filter::parse(text).expect("valid");
        assert!(
            compare(&filter, &program, &frames) > frames.len() * 9 / 10,
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_mean_the_same(text in filters::filter(), frames in vec(frames::frame(), 20)) {
        if let Ok(filter) = Filter::parse(&text) {
            compare(&filter, &program(), &frames);
        }
    }

    #[test]
    fn hardware_filters_mean_the_same(
        filter in proptest::sample::select(HARDWARE.to_vec()),
        frames in vec(frames::frame(), 60),
    ) {
        compare(&Filter::parse(filter).expect("valid"), &program(), &frames);
    }
}
