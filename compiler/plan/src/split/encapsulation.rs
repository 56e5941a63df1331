//! The outer headers of frames between switch and server, as headers of a piece.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use trisect_ir::{
    Bits, Expr, Field, FieldKind, Header, HeaderId, HeaderType, KeySet, LValue, MetaId, Op,
    ParseTarget, ParserOp, ParserState, Program, SelectCase, StateId, StdMeta, Transition,
};
use trisect_target::wire;

/// One metadata field in a block of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The metadata.
    pub meta: MetaId,
    /// Its width in bits.
    pub width: u32,
    /// How many bits of the block stand before it; the block begins with its most significant bit.
    pub offset: u32,
}

/// How metadata fields lie in a block of bits (a context header, or META).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The fields, without gaps. Wide ones first, so that usual widths are aligned.
    pub fields: Vec<Carried>,
    /// Bits in all.
    pub bits: u32,
}

impl Layout {
    /// The layout of these metadata fields.
    pub fn new(program: &Program, metas: &BTreeSet<MetaId>) -> Self {
        let mut widths: Vec<(u32, MetaId)> = metas
            .iter()
            .map(|m| (program.metas[*m].width, *m))
            .collect();
        widths.sort_by_key(|(width, meta)| (std::cmp::Reverse(*width), *meta));
        let mut layout = Self::default();
        for (width, meta) in widths {
            layout.fields.push(Carried {
                meta,
                width,
                offset: layout.bits,
            });
            layout.bits += width;
        }
        layout
    }
    /// The metadata, in order of ids.
    pub fn metas(&self) -> impl Iterator<Item = MetaId> + use<> {
        let metas: BTreeSet<MetaId> = self.fields.iter().map(|f| f.meta).collect();
        metas.into_iter()
    }
    /// The block of `width` bits that holds the present values, zeros behind them.
    pub fn pack(&self, width: u32) -> Expr {
        let mut parts: Vec<Expr> = self.fields.iter().map(|f| Expr::Meta(f.meta)).collect();
        if self.bits < width {
            parts.push(Expr::Const(Bits::zero(width - self.bits)));
        }
        if parts.len() == 1 {
            return parts.remove(0);
        }
        Expr::Concat(parts)
    }
    /// Assignments that set the metadata from a block of `width` bits.
    pub fn unpack(&self, block: &Expr, width: u32) -> Vec<Op> {
        self.fields
            .iter()
            .map(|f| {
                let hi = width - f.offset - 1;
                let value = if f.width == width {
                    block.clone()
                } else {
                    Expr::Slice(Box::new(block.clone()), hi, hi + 1 - f.width)
                };
                Op::Set(LValue::meta(f.meta), value)
            })
            .collect()
    }
}

/// The outer headers in a piece.
#[derive(Clone, Copy, Debug)]
pub struct Encapsulation {
    pub outer: HeaderId,
    pub nsh: HeaderId,
    pub context1: HeaderId,
    /// Present if some continuation needs more than [`wire::CONTEXT1_BITS`].
    pub context2: Option<(HeaderId, u32)>,
}

/// Which addresses a frame between switch and server bears.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    /// From the switch to a server.
    ToServer(u16),
    /// From a server to the switch.
    FromServer(u16),
}

fn header(program: &mut Program, name: &str, fields: &[(&str, u32)]) -> HeaderId {
    let ty = program.header_types.push(HeaderType {
        name: format!("{name}_t"),
        fields: fields
            .iter()
            .map(|(name, width)| Field {
                name: (*name).to_owned(),
                kind: FieldKind::Fixed(*width),
            })
            .collect(),
    });
    program.headers.push(Header {
        name: name.to_owned(),
        ty,
    })
}

/// Field numbers of the headers below.
mod field {
    pub const DST: u32 = 0;
    pub const SRC: u32 = 1;
    pub const ETHER_TYPE: u32 = 2;
    pub const TTL: u32 = 3;
    pub const LENGTH: u32 = 4;
    pub const MD_TYPE: u32 = 6;
    pub const NEXT_PROTOCOL: u32 = 7;
    pub const SPI: u32 = 8;
    pub const SI: u32 = 9;
    pub const DATA: u32 = 0;
    pub const TLV_CLASS: u32 = 0;
    pub const TLV_TYPE: u32 = 1;
    pub const TLV_LENGTH: u32 = 3;
    pub const TLV_DATA: u32 = 4;
}

/// Whole NSH headers in 4-byte words: without context, with MD type 1, with a TLV.
const WORDS_BARE: u64 = 2;
const WORDS_MD1: u64 = 6;
fn words_md2(tlv_bytes: u32) -> u64 {
    u64::from(3 + tlv_bytes / 4)
}

impl Encapsulation {
    /// Adds the headers to a piece, in front of the others in the deparser. The parser is not
    /// changed.
    pub fn declare(program: &mut Program, tlv_bytes: u32) -> Self {
        let outer = header(
            program,
            wire::OUTER,
            &[("dst", 48), ("src", 48), ("ether_type", 16)],
        );
        let nsh = header(
            program,
            wire::NSH,
            &[
                ("version", 2),
                ("oam", 1),
                ("unassigned1", 1),
                ("ttl", 6),
                ("length", 6),
                ("unassigned2", 4),
                ("md_type", 4),
                ("next_protocol", 8),
                ("spi", 24),
                ("si", 8),
            ],
        );
        let context1 = header(program, wire::CONTEXT1, &[("data", wire::CONTEXT1_BITS)]);
        let context2 = (tlv_bytes > 0).then(|| {
            let id = header(
                program,
                wire::CONTEXT2,
                &[
                    ("class", 16),
                    ("type", 8),
                    ("unassigned", 1),
                    ("length", 7),
                    ("data", tlv_bytes * 8),
                ],
            );
            (id, tlv_bytes)
        });
        let mut front = vec![outer, nsh, context1];
        front.extend(context2.map(|(id, _)| id));
        program.deparser.splice(0..0, front);
        Self {
            outer,
            nsh,
            context1,
            context2,
        }
    }
    /// Puts the parser states for the outer headers in front of the parser. If `ports` are given,
    /// only packets from these ports have outer headers.
    pub fn parse(&self, program: &mut Program, ports: Option<&[u16]>) {
        let inner = program
            .parser
            .start
            .map_or(ParseTarget::Accept, ParseTarget::State);
        let mut state = |name: &str, extract: Option<HeaderId>, next: Transition| -> StateId {
            program.parser.states.push(ParserState {
                name: format!("cut_{name}"),
                ops: extract
                    .map(|header| ParserOp::Extract {
                        header,
                        varbit: None,
                    })
                    .into_iter()
                    .collect(),
                next,
            })
        };
        let md1 = state("md1", Some(self.context1), Transition::Goto(inner));
        let mut cases = vec![
            select(&[(4, 2), (6, WORDS_BARE)], inner),
            select(&[(4, 1), (6, WORDS_MD1)], ParseTarget::State(md1)),
        ];
        if let Some((header, bytes)) = self.context2 {
            let md2 = state("md2", Some(header), Transition::Goto(inner));
            let key = [(4, 2), (6, words_md2(bytes))];
            cases.push(select(&key, ParseTarget::State(md2)));
        }
        cases.push(otherwise(2));
        let keys = vec![
            Expr::field(self.nsh, field::MD_TYPE),
            Expr::field(self.nsh, field::LENGTH),
        ];
        let nsh = state("nsh", Some(self.nsh), Transition::Select(keys, cases));
        let outer = state(
            "outer",
            Some(self.outer),
            Transition::Select(
                vec![Expr::field(self.outer, field::ETHER_TYPE)],
                vec![
                    select(
                        &[(16, u64::from(wire::ETHERTYPE_NSH))],
                        ParseTarget::State(nsh),
                    ),
                    otherwise(1),
                ],
            ),
        );
        let start = match ports {
            None => outer,
            Some(ports) => {
                let mut cases: Vec<SelectCase> = ports
                    .iter()
                    .map(|p| select(&[(16, u64::from(*p))], ParseTarget::State(outer)))
                    .collect();
                cases.push(SelectCase {
                    sets: vec![KeySet::Any],
                    target: inner,
                });
                let keys = vec![StdMeta::IngressPort.get()];
                state("start", None, Transition::Select(keys, cases))
            }
        };
        program.parser.start = Some(start);
    }
    /// Whether the packet came with the SPI.
    pub fn is(&self, spi: u32) -> Expr {
        Expr::field(self.nsh, field::SPI).equals(Expr::num(24, u64::from(spi)))
    }
    /// Whether the packet came from the other side of a server link.
    pub fn present(&self) -> Expr {
        Expr::Valid(self.nsh)
    }
    fn context(&self, bits: u32) -> Option<(HeaderId, u32, u32)> {
        match self.context2 {
            _ if bits == 0 => None,
            Some((id, bytes)) if bits > wire::CONTEXT1_BITS => {
                Some((id, field::TLV_DATA, bytes * 8))
            }
            _ => Some((self.context1, field::DATA, wire::CONTEXT1_BITS)),
        }
    }
    /// Bytes in front of the original frame.
    pub fn bytes(&self, layout: &Layout) -> u32 {
        14 + 4 * self.words(layout) as u32
    }
    fn words(&self, layout: &Layout) -> u64 {
        match self.context(layout.bits) {
            None => WORDS_BARE,
            Some((id, ..)) if id == self.context1 => WORDS_MD1,
            Some((_, _, bits)) => words_md2(bits / 8),
        }
    }
    /// Sets the live metadata from the context header.
    pub fn load(&self, layout: &Layout) -> Vec<Op> {
        match self.context(layout.bits) {
            None => Vec::new(),
            Some((header, field, width)) => layout.unpack(&Expr::field(header, field), width),
        }
    }
    /// Takes the outer headers off.
    pub fn strip(&self) -> Vec<Op> {
        let mut ops = vec![
            Op::SetInvalid(self.outer),
            Op::SetInvalid(self.nsh),
            Op::SetInvalid(self.context1),
        ];
        ops.extend(self.context2.map(|(id, _)| Op::SetInvalid(id)));
        ops
    }
    /// Only the addresses: the frame is passed on.
    pub fn address(&self, direction: Direction) -> Vec<Op> {
        let (dst, src) = match direction {
            Direction::ToServer(server) => (wire::server_mac(server), wire::SWITCH_MAC),
            Direction::FromServer(server) => (wire::SWITCH_MAC, wire::server_mac(server)),
        };
        vec![
            set(self.outer, field::DST, 48, dst),
            set(self.outer, field::SRC, 48, src),
        ]
    }
    /// Writes the outer headers for a continuation.
    pub fn store(&self, spi: u32, layout: &Layout, direction: Direction) -> Vec<Op> {
        let context = self.context(layout.bits);
        let mut ops = vec![Op::SetValid(self.outer), Op::SetValid(self.nsh)];
        for header in std::iter::once(self.context1).chain(self.context2.map(|(id, _)| id)) {
            ops.push(if context.is_some_and(|(id, ..)| id == header) {
                Op::SetValid(header)
            } else {
                Op::SetInvalid(header)
            });
        }
        if let Some((header, data, width)) = context {
            ops.push(Op::Set(LValue::field(header, data), layout.pack(width)));
            if header != self.context1 {
                ops.extend([
                    set(header, field::TLV_CLASS, 16, u64::from(wire::TLV_CLASS)),
                    set(header, field::TLV_TYPE, 8, u64::from(wire::TLV_TYPE)),
                    set(header, field::TLV_LENGTH, 7, u64::from(width / 8)),
                ]);
            }
        }
        ops.extend(self.address(direction));
        let md_type = match context {
            Some((id, ..)) if id == self.context1 => 1,
            _ => 2,
        };
        ops.extend([
            set(
                self.outer,
                field::ETHER_TYPE,
                16,
                u64::from(wire::ETHERTYPE_NSH),
            ),
            set(self.nsh, field::TTL, 6, 63),
            set(self.nsh, field::LENGTH, 6, self.words(layout)),
            set(self.nsh, field::MD_TYPE, 4, md_type),
            set(
                self.nsh,
                field::NEXT_PROTOCOL,
                8,
                u64::from(wire::NEXT_ETHERNET),
            ),
            set(self.nsh, field::SPI, 24, u64::from(spi)),
        ]);
        // What a server sends back keeps the one that it came with.
        if let Direction::ToServer(_) = direction {
            let index = u64::from(wire::SERVICE_INDEX);
            ops.push(set(self.nsh, field::SI, 8, index));
        }
        ops
    }
    /// Says in the outer headers whether the packet is sampled.
    pub fn say_sampled(&self, sampled: MetaId) -> Op {
        let index = |value: u8| Box::new(Expr::num(8, u64::from(value)));
        let said = Expr::Mux(
            Box::new(Expr::Meta(sampled)),
            index(wire::SERVICE_INDEX_SAMPLED),
            index(wire::SERVICE_INDEX),
        );
        Op::Set(LValue::field(self.nsh, field::SI), said)
    }
}

fn set(header: HeaderId, field: u32, width: u32, value: u64) -> Op {
    Op::Set(LValue::field(header, field), Expr::num(width, value))
}

fn select(keys: &[(u32, u64)], target: ParseTarget) -> SelectCase {
    SelectCase {
        sets: keys
            .iter()
            .map(|(width, value)| KeySet::Exact(Bits::new(*width, *value)))
            .collect(),
        target,
    }
}

fn otherwise(keys: usize) -> SelectCase {
    SelectCase {
        sets: vec![KeySet::Any; keys],
        target: ParseTarget::Accept,
    }
}
