//! Records without their contents: what is joined.

use std::collections::BTreeMap;

use crate::{Point, Record};

/// What [`crate::join`] needs of a record: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Identity of the packet.
    pub id: u64,
    /// Number of the visit at the element.
    pub visit: u64,
    /// When, in nanoseconds of the element's clock.
    pub time_ns: u64,
    /// Digest of the frame.
    pub digest: u64,
    /// Length of the frame in bytes.
    pub len: u32,
    /// The element's number in [`Elements`].
    pub element: u16,
    /// Port that it came in on or left by; 0 for a drop.
    pub port: u16,
    /// Where at the element.
    pub point: Point,
}

impl Observation {
    /// Bytes of an observation: numbers little-endian, in the order `id`, `visit`, `time_ns`, `digest` (8
    /// each), `len` with the point in its two highest bits (4; 0 in, 1 out, 2 drop), `element`, `port` (2 each).
    pub const BYTES: usize = 40;

    /// As bytes. Lengths of 2^30 and more are given as one less than that.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let point: u32 = match self.point {
            Point::In => 0,
            Point::Out => 1,
            Point::Drop => 2,
        };
        let len = self.len.min(MOST_LEN) | point << 30;
        let places = u64::from(self.element) << 32 | u64::from(self.port) << 48;
        let words = [
            self.id,
            self.visit,
            self.time_ns,
            self.digest,
            u64::from(len) | places,
        ];
        let (eights, _) = out.as_chunks_mut::<8>();
        for (to, word) in eights.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        out
    }

    /// From bytes; `None` if they are none of [`Observation::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Observation> {
        let ([id, visit, time_ns, digest, last], _) = bytes.as_chunks::<8>() else {
            return None;
        };
        let [a, b, c, d, e, f, g, h] = *last;
        let len = u32::from_le_bytes([a, b, c, d]);
        Some(Observation {
            id: u64::from_le_bytes(*id),
            visit: u64::from_le_bytes(*visit),
            time_ns: u64::from_le_bytes(*time_ns),
            digest: u64::from_le_bytes(*digest),
            len: len & MOST_LEN,
            element: u16::from_le_bytes([e, f]),
            port: u16::from_le_bytes([g, h]),
            point: match len >> 30 {
                0 => Point::In,
                1 => Point::Out,
                2 => Point::Drop,
                _ => return None,
            },
        })
    }
}

/// The greatest length that [`Observation::to_bytes`] can say.
const MOST_LEN: u32 = (1 << 30) - 1;

/// The elements' names by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elements {
    names: Vec<String>,
    numbers: BTreeMap<String, u16>,
}

/// More elements than have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("records of more than {} elements", u16::MAX)]
pub struct TooManyElements;

impl Elements {
    /// The number of an element, which gets the next one if it has none.
    ///
    /// # Errors
    /// If there are no more numbers.
    pub fn number(&mut self, name: &str) -> Result<u16, TooManyElements> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u16::try_from(self.names.len()).map_err(|_| TooManyElements)?;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    /// The number of an element that has one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// An element's name; empty if no element has the number.
    #[must_use]
    pub fn name(&self, number: u16) -> &str {
        self.names
            .get(usize::from(number))
            .map_or("", String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A record's observation.
    ///
    /// # Errors
    /// If the element is new and there are no more numbers.
    pub fn observe(&mut self, record: &Record) -> Result<Observation, TooManyElements> {
        Ok(Observation {
            id: record.id,
            visit: record.visit,
            time_ns: record.time_ns,
            digest: record.digest,
            len: record.len,
            element: self.number(&record.element)?,
            port: record.port,
            point: record.point,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_read_back(numbers in prop::array::uniform4(any::<u64>()), len in 0..MOST_LEN,
                           element in any::<u16>(), port in any::<u16>(), point in 0..3usize) {
            let [id, visit, time_ns, digest] = numbers;
            let point = [Point::In, Point::Out, Point::Drop][point];
            let seen = Observation { id, visit, time_ns, digest, len, element, port, point };
            prop_assert_eq!(Observation::from_bytes(&seen.to_bytes()), Some(seen));
        }
    }
}
