//! P4 programs of any length: the same text for the same length.

use std::fmt::Write as _;

/// A v1model program of about `lines` lines, at least one unit of 38. Every unit adds a header, a parser
/// state, two actions, a table and control code, so that every part grows with the length.
#[must_use]
pub fn v1model_program(lines: usize) -> String {
    let units = (lines / LINES_PER_UNIT).max(1);
    let mut text = String::from("#include <core.p4>\n#include <v1model.p4>\n\n");
    let mut put = |part: &dyn Fn(usize) -> String| {
        for unit in 0..units {
            // Writing to a String cannot fail.
            let _ = text.write_str(&part(unit));
        }
    };
    put(&header);
    put(&|unit| match unit {
        0 => format!("struct headers_t {{\n    {}\n", field(unit)),
        _ => format!("    {}\n", field(unit)),
    });
    put(&|unit| state(unit, units));
    put(&actions);
    put(&table);
    put(&apply);
    text.push_str(BEHIND);
    text
}

/// Lines that a unit adds.
const LINES_PER_UNIT: usize = 38;

fn field(unit: usize) -> String {
    format!("h{unit}_t h{unit};")
}

fn header(unit: usize) -> String {
    format!(
        "const bit<16> KIND_{unit} = {};\n\
         header h{unit}_t {{\n    \
             bit<16> kind;\n    \
             bit<32> left;\n    \
             bit<32> right;\n    \
             bit<8>  ttl;\n    \
             bit<8>  flags;\n\
         }}\n",
        unit % 65_536
    )
}

fn state(unit: usize, units: usize) -> String {
    let open = if unit == 0 {
        "}\n\nstruct meta_t {\n    bit<32> sum;\n}\n\n\
         parser Read(packet_in pkt, out headers_t h, inout meta_t m, inout standard_metadata_t s) {\n    \
         state start {\n        transition state0;\n    }\n"
    } else {
        ""
    };
    let next = match unit + 1 {
        last if last == units => "accept".to_owned(),
        next => format!("state{next}"),
    };
    format!(
        "{open}    state state{unit} {{\n        \
             pkt.extract(h.h{unit});\n        \
             transition select(h.h{unit}.kind) {{\n            \
                 KIND_{unit}: {next};\n            \
                 default: accept;\n        \
             }}\n    \
         }}\n"
    )
}

fn actions(unit: usize) -> String {
    let open = if unit == 0 {
        "}\n\ncontrol Sums(inout headers_t h, inout meta_t m) {\n    apply { }\n}\n\n\
         control Route(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {\n"
    } else {
        ""
    };
    format!(
        "{open}    action set{unit}(bit<32> value, bit<9> port) {{\n        \
             h.h{unit}.left = value + (bit<32>) h.h{unit}.ttl;\n        \
             s.egress_spec = port;\n    \
         }}\n    \
         action add{unit}() {{\n        \
             m.sum = m.sum ^ (h.h{unit}.right << 3 | 32w{unit});\n    \
         }}\n"
    )
}

fn table(unit: usize) -> String {
    format!(
        "    table table{unit} {{\n        \
             key = {{\n            \
                 h.h{unit}.left  : exact;\n            \
                 h.h{unit}.right : ternary;\n        \
             }}\n        \
             actions = {{ set{unit}; add{unit}; NoAction; }}\n        \
             default_action = NoAction();\n        \
             size = 1024;\n    \
         }}\n"
    )
}

fn apply(unit: usize) -> String {
    let open = if unit == 0 { "    apply {\n" } else { "" };
    format!(
        "{open}        if (h.h{unit}.isValid() && h.h{unit}.ttl > 1) {{\n            \
             table{unit}.apply();\n            \
             h.h{unit}.ttl = h.h{unit}.ttl - 1;\n        \
         }} else {{\n            \
             m.sum = m.sum + (bit<32>) KIND_{unit};\n        \
         }}\n"
    )
}

const BEHIND: &str = "    }
}

control Leave(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    apply { }
}

control NewSums(inout headers_t h, inout meta_t m) {
    apply { }
}

control Write(packet_out pkt, in headers_t h) {
    apply {
        pkt.emit(h);
    }
}

V1Switch(Read(), Sums(), Route(), Leave(), NewSums(), Write()) main;
";
