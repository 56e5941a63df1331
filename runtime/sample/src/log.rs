//! Records as they are noted while packets are processed: bytes one behind the other, made into [`Record`]s later.

use crate::{Point, Record, digest};

/// What is noted of a sampled packet beside its frame: fields of its [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Identity of the packet's trajectory.
    pub id: u64,
    /// Whether that is the tag which the packet carries.
    pub tagged: bool,
    /// Number of the visit at the element.
    pub visit: u64,
    /// When, in nanoseconds of the element's clock.
    pub time_ns: u64,
    /// Port that it came in on or left by; 0 for a drop.
    pub port: u16,
    /// What the NIC hands over beside the frame: where to go on.
    pub mark: u32,
    /// What the NIC hands over beside the frame: live metadata.
    pub meta: u32,
}

/// What one element has noted, in its order.
///
/// A frame is copied once, and nothing is allocated for it. Its digest is computed as it is noted if the log does not keep
/// all of it, else as it is read.
#[derive(Debug, Clone, Default)]
pub struct Log {
    bytes: Vec<u8>,
    entries: usize,
    snap: usize,
}

/// Bytes of an entry in front of what it keeps of the frame: words of 8 bytes, little-endian.
const HEAD: usize = 8 * WORDS;
const WORDS: usize = 7;

/// The head of an entry.
struct Head {
    sighting: Sighting,
    point: Point,
    /// 0 if it is computed from what is kept.
    digest: u64,
    /// Length of the frame.
    len: u32,
    /// Bytes of it that follow.
    kept: u32,
    /// How many bytes before this entry the one begins that shows the frame; 0 if it is this one.
    back: u32,
}

impl Head {
    #[inline]
    fn words(&self) -> [u64; WORDS] {
        let s = &self.sighting;
        let point: u64 = match self.point {
            Point::In => 0,
            Point::Out => 1,
            Point::Drop => 2,
        };
        let two = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let small = u64::from(s.port) | point << 16 | u64::from(s.tagged) << 24;
        [
            s.id,
            s.visit,
            s.time_ns,
            self.digest,
            two(self.len, self.kept),
            two(s.mark, s.meta),
            small | u64::from(self.back) << 32,
        ]
    }

    fn of(bytes: &[u8; HEAD]) -> Option<Head> {
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|w| u64::from_le_bytes(*w));
        let mut word = || words.next();
        let (id, visit, time_ns, digest) = (word()?, word()?, word()?, word()?);
        let (lengths, beside, small) = (word()?, word()?, word()?);
        Some(Head {
            sighting: Sighting {
                id,
                tagged: small >> 24 & 1 == 1,
                visit,
                time_ns,
                port: small as u16,
                mark: beside as u32,
                meta: (beside >> 32) as u32,
            },
            point: match small >> 16 & 0xff {
                0 => Point::In,
                1 => Point::Out,
                _ => Point::Drop,
            },
            digest,
            len: lengths as u32,
            kept: (lengths >> 32) as u32,
            back: (small >> 32) as u32,
        })
    }
}

impl Log {
    /// A log that keeps so many bytes of a frame, at most.
    #[must_use]
    pub fn new(snap: usize) -> Log {
        Log {
            snap,
            ..Log::default()
        }
    }

    /// Notes a packet that has come in or goes out; gives where, for [`Log::note_drop`].
    #[inline]
    pub fn note(&mut self, point: Point, sighting: Sighting, frame: &[u8]) -> usize {
        let place = self.bytes.len();
        let kept = frame.get(..self.snap).unwrap_or(frame);
        let head = Head {
            sighting,
            point,
            digest: match kept.len() == frame.len() {
                true => 0,
                false => digest(frame),
            },
            len: frame.len() as u32,
            kept: kept.len() as u32,
            back: 0,
        };
        self.bytes.reserve(HEAD + kept.len());
        self.append(&head);
        self.bytes.extend_from_slice(kept);
        place
    }

    /// Notes that a packet is dropped, of which `arrival` says where it was noted as it came in, since the log was last
    /// emptied: the record shows it as it was then.
    pub fn note_drop(&mut self, sighting: Sighting, arrival: usize) {
        let back = self.bytes.len().saturating_sub(arrival);
        let head = Head {
            sighting,
            point: Point::Drop,
            digest: 0,
            len: 0,
            kept: 0,
            back: u32::try_from(back).unwrap_or(0),
        };
        self.append(&head);
    }

    #[inline]
    fn append(&mut self, head: &Head) {
        // Word by word: a processor waits long for an array that was written in words and is read in one.
        for word in head.words() {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.entries += 1;
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// How many bytes the entries take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Makes it empty; its memory stays, for what comes next.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries = 0;
    }

    /// The records, in their order; `element` is the name of who noted them.
    pub fn records<'a>(&'a self, element: &'a str) -> impl Iterator<Item = Record> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (head, kept) = self.entry(at)?;
            let own = at;
            at += HEAD + kept.len();
            let shown = match head.back {
                0 => None,
                back => self.entry(own.checked_sub(back as usize)?),
            };
            let (of, packet) = shown.as_ref().map_or((&head, kept), |(h, k)| (h, *k));
            let s = head.sighting;
            Some(Record {
                id: s.id,
                element: element.to_owned(),
                visit: s.visit,
                point: head.point,
                port: s.port,
                time_ns: s.time_ns,
                len: of.len,
                digest: match of.kept == of.len {
                    true => digest(packet),
                    false => of.digest,
                },
                mark: s.mark,
                meta: s.meta,
                tag: s.tagged.then_some(s.id),
                packet: packet.to_vec(),
                work: None,
            })
        })
    }

    fn entry(&self, at: usize) -> Option<(Head, &[u8])> {
        let rest = self.bytes.get(at..)?;
        let (head, rest) = rest.split_first_chunk()?;
        let head = Head::of(head)?;
        let kept = rest.get(..head.kept as usize)?;
        Some((head, kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(visit: u64) -> Sighting {
        Sighting {
            id: 7 + visit,
            tagged: visit == 1,
            visit,
            time_ns: u64::MAX,
            port: 0xffff,
            mark: 0xffff_fffe,
            meta: 3,
        }
    }

    #[test]
    fn what_is_noted_is_read() {
        for snap in [usize::MAX, 4, 0] {
            let mut log = Log::new(snap);
            let first = log.note(Point::In, sighting(0), b"abcdefg");
            log.note(Point::In, sighting(1), b"xyz");
            log.note_drop(sighting(0), first);
            log.note(Point::Out, sighting(1), b"");
            let records: Vec<Record> = log.records("s1").collect();
            let record = |visit: u64, point, frame: &[u8]| Record {
                id: 7 + visit,
                element: "s1".into(),
                visit,
                point,
                port: 0xffff,
                time_ns: u64::MAX,
                len: frame.len() as u32,
                digest: digest(frame),
                mark: 0xffff_fffe,
                meta: 3,
                tag: (visit == 1).then_some(8),
                packet: frame[..frame.len().min(snap)].to_vec(),
                work: None,
            };
            let expected = [
                record(0, Point::In, b"abcdefg"),
                record(1, Point::In, b"xyz"),
                record(0, Point::Drop, b"abcdefg"),
                record(1, Point::Out, b""),
            ];
            assert_eq!(records, expected);
            assert_eq!(log.len(), 4);
            log.clear();
            assert!(log.is_empty() && log.records("s1").next().is_none());
        }
    }
}
