//! A packet on its way through the program, parts of which the state decides.

use trisect_ir::{
    FieldKind, HeaderId, HeaderType, LValue, MetaId, Place, PrimaryMap, Program, StdMeta,
};

use super::value::{Byte, Value, bits_at};

/// The contents of a valid header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// One value per field; the varbit's place holds a value of width 0.
    pub fields: Vec<Value>,
    pub varbit: Vec<Byte>,
}

/// What [`trisect_interp::PacketState`] is for known values.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub headers: PrimaryMap<HeaderId, Option<Header>>,
    pub metas: PrimaryMap<MetaId, Value>,
    /// The frame as it was last parsed.
    pub frame: Vec<Byte>,
    /// Where in the frame parsing has got to.
    pub cursor: usize,
}

impl Packet {
    /// A packet before parsing.
    pub fn new(program: &Program, packet: &trisect_interp::Packet) -> Packet {
        let metas = program.metas.values().map(|m| Value::zero(m.width));
        let mut new = Packet {
            headers: program.headers.values().map(|_| None).collect(),
            metas: metas.collect(),
            frame: packet.bytes.iter().copied().map(Byte::Known).collect(),
            cursor: 0,
        };
        let len = packet.bytes.len() as u64;
        let standard = [
            (StdMeta::IngressPort, u64::from(packet.port)),
            (StdMeta::PacketLength, len),
            (StdMeta::Timestamp, packet.time_ns),
        ];
        for (meta, value) in standard {
            new.set_meta(meta.id(), &Value::num(64, value));
        }
        for (meta, value) in &packet.metadata {
            new.set_meta(*meta, &Value::Known(value.clone()));
        }
        new
    }

    pub fn set_meta(&mut self, meta: MetaId, value: &Value) {
        if let Some(place) = self.metas.get_mut(meta) {
            *place = value.resize(place.width());
        }
    }

    pub fn header(&self, header: HeaderId) -> Option<&Header> {
        self.headers.get(header).and_then(Option::as_ref)
    }

    /// Makes a header valid, all zeroes if it was not.
    pub fn set_valid(&mut self, program: &Program, header: HeaderId) {
        if let Some(place @ None) = self.headers.get_mut(header) {
            *place = Some(Header::zero(program.header_type(header)));
        }
    }

    pub fn set_header(&mut self, header: HeaderId, value: Option<Header>) {
        if let Some(place) = self.headers.get_mut(header) {
            *place = value;
        }
    }

    pub fn copy(&mut self, dst: HeaderId, src: HeaderId) {
        let from = self.header(src).cloned();
        self.set_header(dst, from);
    }

    pub fn copy_varbit(&mut self, dst: HeaderId, src: HeaderId) {
        let varbit = self.header(src).map(|h| h.varbit.clone());
        if let Some(Some(header)) = self.headers.get_mut(dst) {
            header.varbit = varbit.unwrap_or_default();
        }
    }

    /// Assigns a place; nothing happens if it is in an invalid header.
    pub fn assign(&mut self, to: &LValue, value: &Value) {
        let place = match to.place {
            Place::Meta(meta) => self.metas.get_mut(meta),
            Place::Field(at) => match self.headers.get_mut(at.header) {
                Some(Some(header)) => header.fields.get_mut(at.field as usize),
                _ => None,
            },
        };
        let Some(place) = place else { return };
        *place = match to.slice {
            Some((hi, lo)) => place.with_slice(hi, lo, value),
            None => value.resize(place.width()),
        };
    }

    /// The frame that would leave now.
    pub fn deparse(&self, program: &Program) -> Vec<Byte> {
        self.deparse_from(&program.deparser)
    }

    /// The bytes behind the end of a header, as it would be deparsed now.
    pub fn bytes_after(&self, program: &Program, header: HeaderId) -> Option<Vec<Byte>> {
        self.header(header)?;
        let at = program.deparser.iter().position(|h| *h == header)?;
        Some(self.deparse_from(program.deparser.get(at + 1..)?))
    }

    fn deparse_from(&self, headers: &[HeaderId]) -> Vec<Byte> {
        let mut out = Vec::with_capacity(self.frame.len());
        for header in headers.iter().filter_map(|h| self.header(*h)) {
            header.write(&mut out);
        }
        out.extend_from_slice(self.payload());
        out
    }

    /// What the last parse left.
    pub fn payload(&self) -> &[Byte] {
        self.frame.get(self.cursor..).unwrap_or_default()
    }
}

impl Header {
    pub fn zero(ty: &HeaderType) -> Header {
        let fields = ty.fields.iter().map(|f| Value::zero(fixed_width(f.kind)));
        Header {
            fields: fields.collect(),
            varbit: Vec::new(),
        }
    }

    /// Reads a header from the start of `bytes` (fixed part, then the varbit).
    pub fn read(ty: &HeaderType, bytes: &[Byte]) -> Header {
        let mut offset = 0;
        let mut field = |kind: FieldKind| {
            let width = fixed_width(kind);
            let value = bits_at(bytes, offset, width);
            offset += width as usize;
            value.unwrap_or_else(|| Value::zero(width))
        };
        Header {
            fields: ty.fields.iter().map(|f| field(f.kind)).collect(),
            varbit: bytes
                .get(ty.fixed_bits() as usize / 8..)
                .unwrap_or_default()
                .to_vec(),
        }
    }

    fn write(&self, out: &mut Vec<Byte>) {
        // Bits that do not fill a byte yet.
        let mut begun = Value::zero(0);
        for field in &self.fields {
            begun = begun.concat(field);
            let left = begun.width() % 8;
            if begun.width() > left {
                out.extend(begun.slice(begun.width() - 1, left).bytes());
                begun = begun.resize(left);
            }
        }
        out.extend_from_slice(&self.varbit);
    }
}

fn fixed_width(kind: FieldKind) -> u32 {
    match kind {
        FieldKind::Fixed(width) => width,
        FieldKind::Varbit(_) => 0,
    }
}
