//! The parser.

use trisect_ir::{Bits, KeySet, ParseTarget, ParserOp, Transition};

use crate::emit::Emitter;
use crate::expr::constant;
use crate::ops::Statements;
use crate::text::Text;
use crate::valid::Facts;

pub(crate) fn write(emitter: &mut Emitter<'_>, facts: &Facts, text: &mut Text) {
    let program = emitter.program;
    text.open(
        "parser PacketParser(packet_in packet, out headers_t hdr, inout metadata_t meta,\n                    \
         inout standard_metadata_t standard_metadata)",
    );
    let target = |emitter: &Emitter<'_>, target: ParseTarget| match target {
        // The IR goes on to the control either way; BMv2 does so after `accept` only.
        ParseTarget::Accept | ParseTarget::Reject => "accept".to_owned(),
        ParseTarget::State(state) => emitter.names.states[state].clone(),
    };
    let first = program
        .parser
        .start
        .map_or(ParseTarget::Accept, ParseTarget::State);
    text.block("state start", "", |text| {
        if emitter.parser_reads_standard {
            emitter.load_standard(text);
        }
        text.line(format!("transition {};", target(emitter, first)));
    });
    for (id, state) in program.parser.states.iter() {
        text.line("");
        text.open(format!("state {}", emitter.names.states[id]));
        let mut out = Statements {
            program,
            names: emitter.names,
            scope: &mut emitter.scope,
            text,
            params: &[],
            param_widths: &[],
            valid: facts.states[id].clone(),
        };
        for op in &state.ops {
            operation(&mut out, op);
        }
        match &state.next {
            Transition::Goto(next) => {
                let line = format!("transition {};", target(emitter, *next));
                text.line(line);
            }
            Transition::Select(keys, cases) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|key| out.with(|exprs| exprs.bits(key)))
                    .collect();
                text.open(format!("transition select({})", keys.join(", ")));
                for case in cases {
                    let next = target(emitter, case.target);
                    text.line(format!("{}: {next};", key_sets(&case.sets)));
                }
                text.close("");
            }
        }
        text.close("");
    }
    text.close("");
}

fn operation(out: &mut Statements<'_>, op: &ParserOp) {
    match op {
        ParserOp::Extract { header, varbit } => {
            let length = varbit
                .as_ref()
                .map(|length| out.with(|exprs| exprs.bits(length)));
            let name = &out.names.headers[*header];
            match (length, out.program.header_type(*header).varbit()) {
                (Some(length), _) => out
                    .text
                    .line(format!("packet.extract(hdr.{name}, {length});")),
                (None, Some(_)) => out.text.line(format!("packet.extract(hdr.{name}, 32w0);")),
                (None, None) => out.text.line(format!("packet.extract(hdr.{name});")),
            }
            out.valid.insert(*header);
        }
        ParserOp::Advance(bits) => {
            let bits = out.with(|exprs| exprs.bits(bits));
            out.text.line(format!("packet.advance({bits});"));
        }
        ParserOp::Set(to, value) => {
            let line = out.with(|exprs| format!("{} = {};", exprs.place(to), exprs.bits(value)));
            out.text.line(line);
        }
        // Refused before emission.
        ParserOp::SetValid(_)
        | ParserOp::SetInvalid(_)
        | ParserOp::Copy { .. }
        | ParserOp::CopyVarbit { .. } => {}
        ParserOp::Verify(cond, code) => {
            let cond = out.with(|exprs| exprs.condition(cond));
            let error = out
                .names
                .errors
                .get(usize::from(*code))
                .map_or("NoError", String::as_str);
            out.text.line(format!("verify({cond}, error.{error});"));
        }
    }
}

/// The sets of one case.
fn key_sets(sets: &[KeySet]) -> String {
    if sets.iter().all(|set| matches!(set, KeySet::Any)) {
        return "default".to_owned();
    }
    let sets: Vec<String> = sets.iter().map(key_set).collect();
    match sets.as_slice() {
        [set] => set.clone(),
        _ => format!("({})", sets.join(", ")),
    }
}

/// A value and a mask, without the bits of the value that do not count.
fn masked(value: &Bits, mask: &Bits) -> String {
    let value = Bits::new(value.width(), value.value() & mask.value());
    format!("{} &&& {}", constant(&value), constant(mask))
}

/// One set, in a select or in a table entry. Equal sets have equal texts.
pub(crate) fn key_set(set: &KeySet) -> String {
    match set {
        KeySet::Any => "_".to_owned(),
        KeySet::Exact(value) => constant(value),
        KeySet::Prefix(_, 0) => "_".to_owned(),
        KeySet::Prefix(value, len) => masked(value, &Bits::prefix_mask(value.width(), *len)),
        KeySet::Mask(value, mask) => masked(value, mask),
        KeySet::Range(lo, hi) => format!("{} .. {}", constant(lo), constant(hi)),
    }
}
