//! How the stories are told: a v1model program around a few lines, a packet in, a packet out.

use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::Program;
use trisect_p4::{Options, compile_str};

/// The parts of a program that a story gives; the rest is as small as can be.
#[derive(Clone, Copy, Default)]
pub struct Story<'s> {
    /// Declarations at top level.
    pub top: &'s str,
    /// Members of the struct of headers, besides `h_t h`.
    pub headers: &'s str,
    /// Members of the program's metadata.
    pub meta: &'s str,
    /// What is declared in the parser.
    pub parser_locals: &'s str,
    /// States of the parser; by default `h` is extracted.
    pub states: &'s str,
    /// What is declared in ingress.
    pub locals: &'s str,
    /// The `apply` block of ingress.
    pub apply: &'s str,
    /// The `apply` block of the deparser; by default all headers are emitted.
    pub deparse: &'s str,
}

impl Story<'_> {
    /// The program's text.
    pub fn text(&self) -> String {
        let or = |text: &str, default: &str| match text {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        format!(
            "#include <core.p4>\n#include <v1model.p4>\n\
             header h_t {{ bit<8> a; bit<8> b; bit<8> c; bit<8> d; }}\n{top}\n\
             struct headers_t {{ h_t h; {headers} }}\n\
             struct meta_t {{ bit<8> x; bit<8> y; bit<16> z; {meta} }}\n\
             parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{\n\
             {parser_locals}\n{states} }}\n\
             control V(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}\n\
             control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{\n\
             {locals}\napply {{\n{apply}\n}} }}\n\
             control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{ apply {{ }} }}\n\
             control U(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}\n\
             control D(packet_out pkt, in headers_t hdr) {{ apply {{ {deparse} }} }}\n\
             V1Switch(P(), V(), I(), E(), U(), D()) main;\n",
            top = self.top,
            headers = self.headers,
            meta = self.meta,
            parser_locals = self.parser_locals,
            states = or(
                self.states,
                "state start { pkt.extract(hdr.h); transition accept; }"
            ),
            locals = self.locals,
            apply = self.apply,
            deparse = or(self.deparse, "pkt.emit(hdr);"),
        )
    }

    /// The program.
    pub fn program(&self) -> Program {
        let text = self.text();
        let program = match compile_str("story.p4", &text, &Options::default()) {
            Ok(program) => program,
            Err(found) => panic!("{}", found[0].render(&text)),
        };
        trisect_ir::verify(&program).expect("valid");
        program
    }

    /// What becomes of a packet; empty if it is dropped.
    pub fn send(&self, packet: &[u8]) -> Vec<u8> {
        match Interpreter::new(&self.program()).run(Packet::new(1, 0, packet)) {
            Outcome::Emit { bytes, .. } => bytes,
            Outcome::Drop { .. } => Vec::new(),
        }
    }

    /// The code of the one error that the program is refused with.
    pub fn refused(&self) -> String {
        match compile_str("story.p4", &self.text(), &Options::default()) {
            Ok(program) => panic!("compiled:\n{program}"),
            Err(found) => found[0].code.to_string(),
        }
    }
}

/// Runs statements of ingress over a packet of one header `h` of four bytes a, b, c, d.
pub fn run(top: &str, locals: &str, apply: &str, packet: [u8; 4]) -> [u8; 4] {
    let story = Story {
        top,
        locals,
        apply,
        ..Story::default()
    };
    let sent = story.send(&packet);
    sent.as_slice().try_into().expect("four bytes")
}
