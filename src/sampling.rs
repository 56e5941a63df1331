//! What a switch computes to sample: a P4 program.

use std::fmt::Write;
use trisect_sample::hash::halfsiphash;
use trisect_sample::{Algorithm, Field, SampleSpec, Toeplitz, selected_by};

/// Why a switch cannot sample so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchSamplingError {
    /// A switch does not see payload.
    #[error("a switch cannot hash `{0}`: its pipeline sees no payload; choose fields of headers")]
    Payload(String),
    /// The hash is for hosts only.
    #[error("a switch does not compute `{0}` here: choose toeplitz or halfsiphash")]
    Hash(Algorithm),
    /// There is nothing to hash.
    #[error("there are no fields to hash: every packet would be the same; choose some")]
    NoFields,
}

/// The program (PNA) that samples as `spec` says. It runs on a copy of each packet at the switch's entry and
/// exit; the copy leaves as a report: the number that the range is compared with (32 bits), a byte that is 1
/// for a sampled packet and 0 for another, then what the parser did not take.
///
/// `toeplitz` is an XOR of what one table per byte of input gives, which all can be looked up at once;
/// `halfsiphash` is additions, rotations and XOR in a row.
///
/// # Errors
/// See [`SwitchSamplingError`].
pub fn switch_program(spec: &SampleSpec) -> Result<String, SwitchSamplingError> {
    if spec.fields.is_empty() {
        return Err(SwitchSamplingError::NoFields);
    }
    for field in &spec.fields {
        if field.is_payload() {
            return Err(SwitchSamplingError::Payload(field.to_string()));
        }
    }
    let input = Input::new(spec);
    let body = match spec.hash {
        Algorithm::Toeplitz => toeplitz(spec, &input),
        Algorithm::HalfSipHash => halfsiphash(spec, &input),
        Algorithm::Bob | Algorithm::Crc32 => return Err(SwitchSamplingError::Hash(spec.hash)),
    };
    let Body {
        metadata,
        declarations,
        statements,
    } = body;
    let (first, last) = (spec.range.first, spec.range.last);
    Ok(format!(
        "// Sampling by {}: see docs/src/sampling.md.\n{HEAD}{metadata}}}\n{PARSER}{declarations}    apply {{\n{statements}\
         \x20       hdr.report.setValid();\n\
         \x20       hdr.report.hash = meta.hash;\n\
         \x20       hdr.report.sampled = 0;\n\
         \x20       if (meta.hash >= {first} && meta.hash <= {last}) {{\n\
         \x20           hdr.report.sampled = 1;\n\
         \x20       }}\n    }}\n}}\n{TAIL}",
        spec.hash
    ))
}

/// What differs from hash to hash.
#[derive(Default)]
struct Body {
    /// Fields of the metadata.
    metadata: String,
    /// Actions and tables of the control.
    declarations: String,
    /// What it does; leaves the result in `meta.hash`.
    statements: String,
}

/// What is hashed, as expressions in order: of IPv4 (and what is no IP) and of IPv6.
struct Input {
    four: Vec<(&'static str, u32)>,
    six: Vec<(&'static str, u32)>,
}

impl Input {
    fn new(spec: &SampleSpec) -> Input {
        let all = |six: bool| {
            spec.fields
                .iter()
                .filter_map(|f| expression(*f, six))
                .collect()
        };
        Input {
            four: all(false),
            six: all(true),
        }
    }

    fn bits(parts: &[(&str, u32)]) -> u32 {
        parts.iter().map(|(_, bits)| bits).sum()
    }

    /// The input as one expression.
    fn joined(parts: &[(&str, u32)]) -> String {
        let texts: Vec<&str> = parts.iter().map(|(text, _)| *text).collect();
        texts.join(" ++ ")
    }
}

fn expression(field: Field, six: bool) -> Option<(&'static str, u32)> {
    Some(match field {
        Field::IpSrc if six => ("meta.src", 128),
        Field::IpDst if six => ("meta.dst", 128),
        Field::IpSrc => ("meta.src[31:0]", 32),
        Field::IpDst => ("meta.dst[31:0]", 32),
        Field::IpProto => ("meta.protocol", 8),
        Field::IpId => ("meta.identification", 16),
        Field::IpLength => ("meta.length", 16),
        Field::IpFragOffset => ("meta.fragment", 16),
        Field::SrcPort => ("meta.src_port", 16),
        Field::DstPort => ("meta.dst_port", 16),
        Field::TcpSeq => ("meta.seq", 32),
        Field::TcpAck => ("meta.ack", 32),
        Field::PayloadPrefix | Field::PayloadDigest => return None,
    })
}

/// One table of 256 entries per byte of the longer input; the shorter one is followed by zeroes, which change
/// nothing.
fn toeplitz(spec: &SampleSpec, input: &Input) -> Body {
    let (four, six) = (Input::bits(&input.four), Input::bits(&input.six));
    let bytes = (six / 8) as usize;
    let mut body = Body::default();
    let _ = writeln!(body.metadata, "    bit<{six}> input;");
    let padded = match six - four {
        0 => Input::joined(&input.four),
        more => format!("{} ++ {more}w0", Input::joined(&input.four)),
    };
    let _ = write!(
        body.statements,
        "        if (meta.six) {{\n            meta.input = {};\n        }} else {{\n            meta.input = {padded};\n        }}\n",
        Input::joined(&input.six)
    );
    let hash = Toeplitz::new(&spec.key);
    for at in 0..bytes {
        let (high, low) = (six as usize - 8 * at - 1, six as usize - 8 * at - 8);
        let _ = writeln!(body.metadata, "    bit<32> part{at};");
        let _ = write!(
            body.declarations,
            "    action set{at}(bit<32> value) {{\n        meta.part{at} = value;\n    }}\n    \
             table byte{at} {{\n        key = {{ meta.input[{high}:{low}]: exact @name(\"byte\"); }}\n        \
             actions = {{ set{at}; }}\n        const default_action = set{at}(0);\n        const entries = {{\n"
        );
        let mut alone = vec![0; at + 1];
        for value in 0..=255u8 {
            if let Some(last) = alone.last_mut() {
                *last = value;
            }
            let part = selected_by(spec.hash, hash.hash(&alone));
            let _ = writeln!(
                body.declarations,
                "            {value}: set{at}({part:#010x});"
            );
        }
        body.declarations
            .push_str("        }\n        size = 256;\n    }\n");
        let _ = writeln!(body.statements, "        byte{at}.apply();");
    }
    let parts: Vec<String> = (0..bytes).map(|at| format!("meta.part{at}")).collect();
    let _ = writeln!(
        body.statements,
        "        meta.hash = {};",
        parts.join(" ^ ")
    );
    body
}

/// The rounds in a row, for each of the two lengths of input.
fn halfsiphash(spec: &SampleSpec, input: &Input) -> Body {
    let word = |at: usize| {
        let byte = |i: usize| spec.key.get(at + i).copied().unwrap_or(0);
        u32::from_le_bytes(std::array::from_fn(byte))
    };
    let (k0, k1) = (word(0), word(4));
    let mut body = Body::default();
    let (four, six) = (Input::bits(&input.four), Input::bits(&input.six));
    let _ = write!(
        body.metadata,
        "    bit<{six}> input;\n    bit<32> v0;\n    bit<32> v1;\n    bit<32> v2;\n    bit<32> v3;\n"
    );
    let init = halfsiphash::INIT;
    let starts = [k0, k1, init[0] ^ k0, init[1] ^ k1];
    for (i, start) in starts.into_iter().enumerate() {
        let _ = writeln!(body.statements, "        meta.v{i} = {start:#010x};");
    }
    for (bits, parts, open) in [
        (six, &input.six, "if (meta.six) {"),
        (four, &input.four, "} else {"),
    ] {
        let _ = writeln!(body.statements, "        {open}");
        let pad = match six - bits {
            0 => String::new(),
            more => format!(" ++ {more}w0"),
        };
        let _ = writeln!(
            body.statements,
            "        meta.input = {}{pad};",
            Input::joined(parts)
        );
        for word in words(six as usize, (bits / 8) as usize) {
            let _ = writeln!(body.statements, "        meta.v3 = meta.v3 ^ ({word});");
            for _ in 0..halfsiphash::COMPRESSION_ROUNDS {
                body.statements.push_str(ROUND);
            }
            let _ = writeln!(body.statements, "        meta.v0 = meta.v0 ^ ({word});");
        }
    }
    body.statements
        .push_str("        }\n        meta.v2 = meta.v2 ^ 0xff;\n");
    for _ in 0..halfsiphash::FINAL_ROUNDS {
        body.statements.push_str(ROUND);
    }
    body.statements
        .push_str("        meta.hash = meta.v1 ^ meta.v3;\n");
    body
}

/// The little-endian words of the first `bytes` bytes of `meta.input`, which has `bits` bits; the last one has
/// the length in its highest byte.
fn words(bits: usize, bytes: usize) -> Vec<String> {
    let byte = |at: usize| {
        let high = bits - 8 * at;
        format!("meta.input[{}:{}]", high - 1, high - 8)
    };
    let word = |at: usize| {
        let part = |i: usize| match at + i < bytes {
            true => byte(at + i),
            false if i == 3 => format!("8w{}", bytes & 0xff),
            false => "8w0".to_owned(),
        };
        format!("{} ++ {} ++ {} ++ {}", part(3), part(2), part(1), part(0))
    };
    (0..=bytes / 4).map(|i| word(4 * i)).collect()
}

/// One round of SipHash on words of 32 bits.
const ROUND: &str = "\
        meta.v0 = meta.v0 + meta.v1;
        meta.v1 = (meta.v1[26:0] ++ meta.v1[31:27]) ^ meta.v0;
        meta.v0 = meta.v0[15:0] ++ meta.v0[31:16];
        meta.v2 = meta.v2 + meta.v3;
        meta.v3 = (meta.v3[23:0] ++ meta.v3[31:24]) ^ meta.v2;
        meta.v0 = meta.v0 + meta.v3;
        meta.v3 = (meta.v3[24:0] ++ meta.v3[31:25]) ^ meta.v0;
        meta.v2 = meta.v2 + meta.v1;
        meta.v1 = (meta.v1[18:0] ++ meta.v1[31:19]) ^ meta.v2;
        meta.v2 = meta.v2[15:0] ++ meta.v2[31:16];
";

const HEAD: &str = include_str!("sampling/head.p4");
const PARSER: &str = include_str!("sampling/parser.p4");
const TAIL: &str = include_str!("sampling/tail.p4");
