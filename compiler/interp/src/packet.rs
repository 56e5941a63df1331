//! A packet on its way through the program.

use trisect_ir::eval::{Env, bits_at};
use trisect_ir::{
    Bits, Entity, FieldKind, FieldRef, HeaderId, HeaderType, LValue, MetaId, Place, PrimaryMap,
    Program, StdMeta,
};

/// A packet as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The port it comes in on.
    pub port: u16,
    /// Arrival at the rack in nanoseconds.
    pub time_ns: u64,
    /// The frame, from the Ethernet header on, without FCS.
    pub bytes: Vec<u8>,
    /// Initial values of metadata: what a device hands over beside the packet.
    pub metadata: Vec<(MetaId, Bits)>,
}

impl Packet {
    /// A packet without metadata.
    pub fn new(port: u16, time_ns: u64, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            port,
            time_ns,
            bytes: bytes.into(),
            metadata: Vec::new(),
        }
    }

    /// Gives a metadata field an initial value (cut or extended to its width), also a standard one.
    #[must_use]
    pub fn with_metadata(mut self, meta: MetaId, value: Bits) -> Self {
        self.metadata.push((meta, value));
        self
    }
}

/// The contents of a valid header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue {
    /// One value per field; the varbit's place holds a value of width 0.
    pub fields: Vec<Bits>,
    /// The varbit's bytes.
    pub varbit: Vec<u8>,
}

impl HeaderValue {
    /// All zeros, the varbit empty.
    pub fn zero(ty: &HeaderType) -> Self {
        Self {
            fields: ty
                .fields
                .iter()
                .map(|f| Bits::zero(fixed_width(f.kind)))
                .collect(),
            varbit: Vec::new(),
        }
    }

    /// Reads a header from the start of `bytes` (fixed part, then the varbit).
    pub fn read(ty: &HeaderType, bytes: &[u8]) -> Self {
        let mut offset = 0;
        let fields = ty
            .fields
            .iter()
            .map(|f| {
                let width = fixed_width(f.kind);
                let value = bits_at(bytes, offset, width).unwrap_or_else(|| Bits::zero(width));
                offset += width as usize;
                value
            })
            .collect();
        let fixed = ty.fixed_bits() as usize / 8;
        Self {
            fields,
            varbit: bytes.get(fixed..).unwrap_or_default().to_vec(),
        }
    }

    /// Appends the header's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Bits that do not fill a byte yet.
        let mut begun = Bits::zero(0);
        for field in &self.fields {
            if begun.width() > 0 {
                begun = begun.concat(field);
            }
            let bits = if begun.width() > 0 { &begun } else { field };
            let left = bits.width() % 8;
            match left {
                0 => bits.append_be_bytes(out),
                _ if bits.width() > left => {
                    bits.slice(bits.width() - 1, left).append_be_bytes(out);
                }
                _ => {}
            }
            begun = bits.resize(left);
        }
        out.extend(&self.varbit);
    }
}

fn fixed_width(kind: FieldKind) -> u32 {
    match kind {
        FieldKind::Fixed(width) => width,
        FieldKind::Varbit(_) => 0,
    }
}

/// A packet while it is processed.
#[derive(Clone, Debug)]
pub struct PacketState {
    /// Header instances; `None` is invalid.
    pub headers: PrimaryMap<HeaderId, Option<HeaderValue>>,
    /// Metadata.
    pub metas: PrimaryMap<MetaId, Bits>,
    /// The frame as it was last parsed.
    pub frame: Vec<u8>,
    /// Where in the frame parsing has got to: what follows is payload when parsing is done.
    pub cursor: usize,
}

impl PacketState {
    /// A packet before parsing: no header is valid.
    pub fn new(program: &Program, packet: Packet) -> Self {
        let mut metas: PrimaryMap<MetaId, Bits> = program
            .metas
            .values()
            .map(|m| Bits::zero(m.width))
            .collect();
        let standard = [
            (StdMeta::IngressPort, u64::from(packet.port)),
            (StdMeta::PacketLength, packet.bytes.len() as u64),
            (StdMeta::Timestamp, packet.time_ns),
        ];
        let standard = standard.map(|(meta, value)| (meta.id(), Bits::new(64, value)));
        for (meta, value) in standard.into_iter().chain(packet.metadata) {
            metas[meta] = value.resize(metas[meta].width());
        }
        Self {
            headers: program.headers.values().map(|_| None).collect(),
            metas,
            frame: packet.bytes,
            cursor: 0,
        }
    }

    /// A standard metadata field; all of them fit in 64 bits.
    pub fn standard(&self, meta: StdMeta) -> u64 {
        self.metas[meta.id()].low_u64()
    }

    /// Assigns a standard metadata field.
    pub fn set_standard(&mut self, meta: StdMeta, value: u64) {
        let width = self.metas[meta.id()].width();
        self.metas[meta.id()] = Bits::new(width, value);
    }

    /// Makes a header valid, all zeros if it was not.
    pub fn set_valid(&mut self, program: &Program, header: HeaderId) {
        if self.headers[header].is_none() {
            self.headers[header] = Some(HeaderValue::zero(program.header_type(header)));
        }
    }

    /// Copies a varbit; nothing happens if `dst` is invalid, and an invalid `src` has an empty one.
    pub fn copy_varbit(&mut self, dst: HeaderId, src: HeaderId) {
        let from = self.headers[src].as_ref();
        let varbit = from.map(|h| h.varbit.clone()).unwrap_or_default();
        if let Some(header) = &mut self.headers[dst] {
            header.varbit = varbit;
        }
    }

    /// Assigns a place; nothing happens if it is in an invalid header.
    pub fn assign(&mut self, to: &LValue, value: &Bits) {
        let place = match to.place {
            Place::Meta(meta) => &mut self.metas[meta],
            Place::Field(at) => match &mut self.headers[at.header] {
                Some(header) => &mut header.fields[at.field as usize],
                None => return,
            },
        };
        *place = match to.slice {
            Some((hi, lo)) => place.with_slice(hi, lo, value),
            None => value.resize(place.width()),
        };
    }

    /// The frame that would leave now: the valid headers of the deparser's list, then the payload.
    pub fn deparse(&self, program: &Program) -> Vec<u8> {
        self.deparse_from(&program.deparser)
    }

    /// The bytes behind the end of a header, as it would be deparsed now; `None` if the header is
    /// invalid or never emitted.
    pub fn bytes_after(&self, program: &Program, header: HeaderId) -> Option<Vec<u8>> {
        self.headers[header].as_ref()?;
        let at = program.deparser.iter().position(|h| *h == header)?;
        Some(self.deparse_from(&program.deparser[at + 1..]))
    }

    fn deparse_from(&self, headers: &[HeaderId]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.frame.len());
        for header in headers {
            if let Some(value) = &self.headers[*header] {
                value.write(&mut out);
            }
        }
        out.extend(&self.frame[self.cursor..]);
        out
    }
}

/// What expressions see: the packet and the arguments of the action that runs.
pub(crate) struct Scope<'a> {
    pub program: &'a Program,
    pub packet: &'a PacketState,
    pub args: &'a [Bits],
}

impl Env for Scope<'_> {
    fn field(&self, field: FieldRef) -> Bits {
        match &self.packet.headers[field.header] {
            Some(header) => header.fields[field.field as usize].clone(),
            None => Bits::zero(self.program.field_width(field)),
        }
    }
    fn meta(&self, meta: MetaId) -> Bits {
        self.packet.metas[meta].clone()
    }
    fn param(&self, index: u32) -> Bits {
        self.args[index as usize].clone()
    }
    fn valid(&self, header: HeaderId) -> bool {
        self.packet.headers[header].is_some()
    }
    fn lookahead(&self, offset: u32, width: u32) -> Bits {
        let at = self.packet.cursor * 8 + offset as usize;
        bits_at(&self.packet.frame, at, width).unwrap_or_else(|| Bits::zero(width))
    }
    fn frame(&self) -> &[u8] {
        &self.packet.frame
    }
    fn varbit(&self, header: HeaderId) -> &[u8] {
        let header = self.packet.headers[header].as_ref();
        header.map_or(&[], |h| &h.varbit)
    }
    fn payload(&self) -> &[u8] {
        &self.packet.frame[self.packet.cursor..]
    }
}

/// All header instances of a program by whether they are valid, for display.
impl PacketState {
    /// The valid headers, in order.
    pub fn valid_headers(&self) -> Vec<HeaderId> {
        (0..self.headers.len())
            .map(HeaderId::new)
            .filter(|h| self.headers[*h].is_some())
            .collect()
    }
}
