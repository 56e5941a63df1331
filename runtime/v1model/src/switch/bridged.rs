//! A packet with its bridge.

use num_bigint::BigUint;
use trisect_ir::bridge::{Bridge, Role};
use trisect_ir::eval::bits_at;
use trisect_ir::{Bits, FieldKind, Program};

/// Where the fields of a bridge lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    bridge: Bridge,
    /// Offset and width of each field, in bits.
    fields: Vec<(usize, u32)>,
    /// Fields that are metadata.
    metadata: Vec<u32>,
    bytes: usize,
}

impl Layout {
    /// Of a bridge that fits the program.
    pub fn new(bridge: &Bridge, program: &Program) -> Self {
        let ty = program.header_type(bridge.header);
        let mut at = 0;
        let fields = ty.fields.iter().map(|field| {
            let width = match field.kind {
                FieldKind::Fixed(width) => width,
                FieldKind::Varbit(_) => 0,
            };
            let place = (at, width);
            at += width as usize;
            place
        });
        Self {
            fields: fields.collect(),
            metadata: bridge.all_metadata().into_iter().collect(),
            bytes: bridge.bytes(program),
            bridge: bridge.clone(),
        }
    }

    fn place(&self, field: u32) -> Option<(usize, u32)> {
        self.fields.get(field as usize).copied()
    }
}

/// A packet between two passes: the bridge, then a frame or an image.
#[derive(Clone, Debug)]
pub(super) struct Bridged {
    bytes: Vec<u8>,
    /// Length of the bridge.
    head: usize,
}

impl Bridged {
    /// A frame with a bridge that is all 0.
    pub fn new(layout: &Layout, frame: &[u8]) -> Self {
        let mut bytes = vec![0; layout.bytes];
        bytes.extend_from_slice(frame);
        Self {
            bytes,
            head: layout.bytes,
        }
    }

    /// What a pass put out; `None` if that is shorter than a bridge.
    pub fn read(layout: &Layout, bytes: Vec<u8>) -> Option<Self> {
        let head = layout.bytes;
        (bytes.len() >= head).then_some(Self { bytes, head })
    }

    /// Bridge and body.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The frame or image.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.head..).unwrap_or_default()
    }

    /// The field with this role, 0 where there is none.
    pub fn get(&self, layout: &Layout, role: Role) -> u64 {
        let field = layout.bridge.roles.get(&role);
        let place = field.and_then(|field| layout.place(*field));
        place
            .and_then(|(at, width)| bits_at(&self.bytes, at, width))
            .map_or(0, |bits| bits.low_u64())
    }

    /// Assigns the field with this role, cut to its width; does nothing where there is none.
    pub fn set(&mut self, layout: &Layout, role: Role, value: u64) {
        let field = layout.bridge.roles.get(&role);
        if let Some((at, width)) = field.and_then(|field| layout.place(*field)) {
            write_bits(&mut self.bytes, at, &Bits::new(64, value).resize(width));
        }
    }

    /// The field with this role, which is 0 from now on.
    pub fn take(&mut self, layout: &Layout, role: Role) -> u64 {
        let value = self.get(layout, role);
        if value != 0 {
            self.set(layout, role, 0);
        }
        value
    }

    /// Makes all metadata 0, user's and standard.
    pub fn clear_metadata(&mut self, layout: &Layout) {
        for (at, width) in layout.metadata.iter().filter_map(|f| layout.place(*f)) {
            write_bits(&mut self.bytes, at, &Bits::zero(width));
        }
    }

    /// Copies the fields of a field list; `list` is its number plus one, 0 is the empty list.
    pub fn keep(&mut self, layout: &Layout, list: u64, from: &Bridged) {
        let number = list.checked_sub(1).and_then(|n| u8::try_from(n).ok());
        let fields = number.and_then(|n| layout.bridge.field_lists.get(&n));
        for (at, width) in fields
            .into_iter()
            .flatten()
            .filter_map(|f| layout.place(*f))
        {
            if let Some(value) = bits_at(&from.bytes, at, width) {
                write_bits(&mut self.bytes, at, &value);
            }
        }
    }
}

/// Writes bits at a bit offset; nothing happens beyond the end.
fn write_bits(bytes: &mut [u8], offset: usize, value: &Bits) {
    let width = value.width() as usize;
    let end = offset + width;
    let Some(covering) = bytes.get_mut(offset / 8..end.div_ceil(8)) else {
        return;
    };
    let below = covering.len() * 8 - offset % 8 - width;
    let mask = ((BigUint::from(1u32) << width) - 1u32) << below;
    let old = BigUint::from_bytes_be(covering);
    let kept = &old ^ (&old & mask);
    let new = (kept | (value.value() << below)).to_bytes_be();
    covering.fill(0);
    let skipped = covering.len().saturating_sub(new.len());
    for (to, from) in covering.iter_mut().skip(skipped).zip(new) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_the_rest_stays(
            bytes in proptest::collection::vec(any::<u8>(), 12),
            offset in 0usize..64,
            width in 0u32..32,
            value: u64,
        ) {
            let mut changed = bytes.clone();
            let value = Bits::new(64, value).resize(width);
            write_bits(&mut changed, offset, &value);
            prop_assert_eq!(bits_at(&changed, offset, width), Some(value));
            let end = offset + width as usize;
            for bit in (0..96).filter(|b| !(offset..end).contains(b)) {
                prop_assert_eq!(bits_at(&changed, bit, 1), bits_at(&bytes, bit, 1));
            }
        }
    }
}
