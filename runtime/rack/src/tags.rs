//! What frames between devices say about sampling: the tag of a packet, and what the switch has found.

use trisect_host::Carried;
use trisect_ir::MetaId;
use trisect_plan::split::Pieces;
use trisect_target::wire;

/// Where the tag lies in the frames between switch and server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// By service path identifier: bits of context in front of the tag; `None` where it is not carried.
    places: Vec<Option<usize>>,
    /// Whether sampling is compiled in, so that the service index says what the switch has found.
    compiled: bool,
}

/// Outer Ethernet header, NSH base and service path header.
const FRONT: usize = 14 + 8;
/// What stands in front of the value of MD type 2's one TLV.
const TLV: usize = 4;

impl Tags {
    /// Where the pieces put the tag, if sampling is compiled in.
    #[must_use]
    pub fn new(pieces: &Pieces, tag: Option<MetaId>) -> Tags {
        let mut tags = Tags {
            places: Vec::new(),
            compiled: tag.is_some(),
        };
        for continuation in &pieces.continuations {
            let mut fields = continuation.layout.fields.iter();
            let Some(carried) = fields.find(|f| Some(f.meta) == tag) else {
                continue;
            };
            // Identifiers are numbers from 1 on without gaps.
            let spi = continuation.spi as usize;
            if tags.places.len() <= spi {
                tags.places.resize(spi + 1, None);
            }
            tags.places[spi] = Some(carried.offset as usize);
        }
        tags
    }

    /// Whether frames say anything.
    #[must_use]
    pub fn say_something(&self) -> bool {
        self.compiled
    }

    /// What a frame from the switch says.
    #[inline]
    #[must_use]
    pub fn says(&self, frame: &[u8]) -> Carried {
        let Some(front) = frame.first_chunk::<FRONT>().filter(|_| self.compiled) else {
            return Carried::Nothing;
        };
        if front[12..14] != wire::ETHERTYPE_NSH.to_be_bytes() {
            return Carried::Nothing;
        }
        if front[FRONT - 1] == wire::SERVICE_INDEX {
            return Carried::NotSampled;
        }
        match self.carried(frame) {
            Some(tag) => Carried::Tag(tag),
            None if front[FRONT - 1] == wire::SERVICE_INDEX_SAMPLED => Carried::Sampled,
            None => Carried::Nothing,
        }
    }

    /// The tag that a frame carries.
    #[must_use]
    pub fn carried(&self, frame: &[u8]) -> Option<u64> {
        if self.places.is_empty() || frame.get(12..14)? != wire::ETHERTYPE_NSH.to_be_bytes() {
            return None;
        }
        let path = u32::from_be_bytes(*frame.get(18..)?.first_chunk()?);
        let place = (*self.places.get((path >> 8) as usize)?)?;
        let context = match frame.get(16)? & 0xf {
            1 => FRONT,
            _ => FRONT + TLV,
        };
        bits(frame.get(context..)?, place)
    }
}

/// 64 bits behind so many others.
fn bits(bytes: &[u8], skip: usize) -> Option<u64> {
    let bytes = bytes.get(skip / 8..)?;
    let whole = u64::from_be_bytes(*bytes.first_chunk()?);
    match skip % 8 {
        0 => Some(whole),
        shift => Some(whole << shift | u64::from(*bytes.get(8)?) >> (8 - shift)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_at_any_place() {
        let bytes = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11];
        assert_eq!(bits(&bytes, 0), Some(0x1234_5678_9abc_def0));
        assert_eq!(bits(&bytes, 4), Some(0x2345_6789_abcd_ef01));
        assert_eq!(bits(&bytes, 8), Some(0x3456_789a_bcde_f011));
        assert_eq!(bits(&bytes, 9), None);
    }
}
