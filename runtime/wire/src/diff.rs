//! Where two packets differ, in terms of their headers.

use std::fmt;

use crate::show::hex;
use crate::{Layer, Layers};

/// One difference between two packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `ipv4.ttl`, `tcp.options`, `payload`, `length`, `layers`.
    pub place: String,
    /// Offset in bytes from the packet's start.
    pub offset: usize,
    /// The first packet's value.
    pub a: String,
    /// The second packet's value.
    pub b: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} against {} (byte {})",
            self.place, self.a, self.b, self.offset
        )
    }
}

/// All differing header fields of two packets, then the first differing payload bytes; empty if and
/// only if the packets are equal. Headers are compared in pairs as long as both packets have the
/// same protocol at the same place.
#[must_use]
pub fn diff(a: &[u8], b: &[u8]) -> Vec<Difference> {
    if a == b {
        return Vec::new();
    }
    let (wa, wb) = (Layers::parse(a), Layers::parse(b));
    let mut out = Vec::new();
    if a.len() != b.len() {
        let offset = a.len().min(b.len());
        out.push(Difference {
            place: "length".into(),
            offset,
            a: a.len().to_string(),
            b: b.len().to_string(),
        });
    }
    let mut compared = 0;
    for (la, lb) in wa.layers.iter().zip(&wb.layers) {
        if la.proto != lb.proto || la.start != lb.start {
            break;
        }
        diff_layer(&mut out, a, b, la, lb);
        compared = la.header_end.min(lb.header_end);
        if la.header_end != lb.header_end {
            break;
        }
    }
    let (sa, sb) = (stack(&wa), stack(&wb));
    if sa != sb {
        out.push(Difference {
            place: "layers".into(),
            offset: compared,
            a: sa,
            b: sb,
        });
    }
    let rest = |x: &[u8]| x.get(compared..).map(<[u8]>::to_vec).unwrap_or_default();
    let (ra, rb) = (rest(a), rest(b));
    if let Some(i) = ra.iter().zip(&rb).position(|(x, y)| x != y) {
        let part = |r: &[u8]| {
            hex(r
                .iter()
                .skip(i)
                .take(16)
                .copied()
                .collect::<Vec<_>>()
                .as_slice())
        };
        let place = "payload".into();
        out.push(Difference {
            place,
            offset: compared + i,
            a: part(&ra),
            b: part(&rb),
        });
    }
    out
}

fn stack(walked: &Layers) -> String {
    let names: Vec<&str> = walked.layers.iter().map(|l| l.proto.name()).collect();
    names.join("/")
}

fn diff_layer(out: &mut Vec<Difference>, a: &[u8], b: &[u8], la: &Layer, lb: &Layer) {
    let (ha, hb) = (la.header(a), lb.header(b));
    let name = la.proto.name();
    for f in la.proto.fields() {
        if f.read(ha) != f.read(hb) {
            out.push(Difference {
                place: format!("{name}.{}", f.name),
                offset: la.start + f.bit / 8,
                a: f.format(ha),
                b: f.format(hb),
            });
        }
    }
    let fixed = la.proto.fixed();
    let (oa, ob) = (
        ha.get(fixed..).unwrap_or_default(),
        hb.get(fixed..).unwrap_or_default(),
    );
    if oa != ob {
        let place = format!("{name}.options");
        out.push(Difference {
            place,
            offset: la.start + fixed,
            a: hex(oa),
            b: hex(ob),
        });
    }
}
