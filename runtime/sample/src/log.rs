//! Records as they are noted while packets are processed: bytes one behind the other, made into [`Record`]s later.

use crate::{Point, Record, Sampler, digest};
use std::collections::BTreeMap;

/// What is noted of a sampled packet that has come in, beside its frame: fields of its [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Identity of the packet's trajectory; `None` if it is what [`Sampler::look`] finds of the bytes that the log
    /// keeps ([`Sampler::is_enough`]), which is left to whoever reads the log.
    pub id: Option<u64>,
    /// Whether that is the tag which the packet carries.
    pub tagged: bool,
    /// Number of the visit at the element.
    pub visit: u64,
    /// When, in nanoseconds of the element's clock.
    pub time_ns: u64,
    /// What is also noted of a packet that goes.
    pub beside: Beside,
}

/// What is noted at either end of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// Port that it came in on or left by; 0 for a drop.
    pub port: u16,
    /// What the NIC hands over beside the frame: where to go on.
    pub mark: u32,
    /// What the NIC hands over beside the frame: live metadata.
    pub meta: u32,
}

/// What one element has noted, in its order.
///
/// A frame is copied once, and nothing is allocated for it once the log has grown to what it holds between two times that it
/// is emptied. What is not needed to go on (identities, digests of frames that are kept whole) is found as the log is read.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Entries one behind the other, then room.
    bytes: Vec<u8>,
    used: usize,
    entries: usize,
    snap: usize,
}

/// Words of 8 bytes, little-endian, in front of what an entry keeps of the frame: of all entries, and what an arrival has
/// more. If not all of the frame is kept, its digest follows.
const COMMON: usize = 3;
const ARRIVAL: usize = 3;
const WORD: usize = 8;

/// What an entry says.
struct Entry<'a> {
    point: Point,
    beside: Beside,
    /// Length of the frame.
    len: u32,
    /// What is kept of it.
    kept: &'a [u8],
    /// Of all of it, if it is not found of what is kept.
    digest: Option<u64>,
    /// How many bytes before this entry that of the packet's arrival begins.
    back: usize,
    /// Bytes of the entry.
    size: usize,
    arrival: Option<ArrivalPart>,
}

/// What only an arrival's entry says.
#[derive(Clone, Copy)]
struct ArrivalPart {
    id: Option<u64>,
    tagged: bool,
    visit: u64,
    time_ns: u64,
}

/// Bits of an entry's first word: 16 of port, 8 of point, then these; the upper half says how far back the arrival is.
const TAGGED: u64 = 1 << 24;
const KNOWN: u64 = 1 << 25;

/// An entry's first word; `back` is how many bytes before it the packet's arrival begins.
fn first(point: Point, port: u16, flags: u64, back: usize) -> u64 {
    let point: u64 = match point {
        Point::In => 0,
        Point::Out => 1,
        Point::Drop => 2,
    };
    // Of a distance that has no room, no record is made.
    let back = u64::from(u32::try_from(back).unwrap_or(u32::MAX));
    u64::from(port) | point << 16 | flags | back << 32
}

/// Writes words to the first places and leaves the others.
#[inline]
fn write<const N: usize>(places: &mut &mut [[u8; WORD]], words: [u64; N]) {
    if let Some((to, rest)) = std::mem::take(places).split_first_chunk_mut::<N>() {
        *to = words.map(u64::to_le_bytes);
        *places = rest;
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

    /// Bytes of a frame that are kept, at most.
    #[must_use]
    pub fn snap(&self) -> usize {
        self.snap
    }

    /// Notes a packet that has come in; gives where, for [`Log::departure`] and [`Log::dropped`].
    #[inline]
    pub fn arrival(&mut self, arrival: &Arrival, frame: &[u8]) -> usize {
        let place = self.used;
        let flags = if arrival.tagged { TAGGED } else { 0 };
        let known = if arrival.id.is_some() { KNOWN } else { 0 };
        let more = [
            arrival.visit,
            arrival.time_ns,
            arrival.id.unwrap_or_default(),
        ];
        let flags = flags | known;
        let first = first(Point::In, arrival.beside.port, flags, 0);
        self.note(first, &arrival.beside, more, frame);
        place
    }

    /// Notes that a packet goes out, of which `arrival` says where it was noted as it came in, since the log was last emptied.
    #[inline]
    pub fn departure(&mut self, arrival: usize, beside: &Beside, frame: &[u8]) {
        let back = self.used.saturating_sub(arrival);
        let first = first(Point::Out, beside.port, 0, back);
        self.note(first, beside, [], frame);
    }

    /// Notes that a packet is dropped: the record shows it as it was when it came in.
    pub fn dropped(&mut self, arrival: usize, beside: &Beside) {
        let back = self.used.saturating_sub(arrival);
        let first = first(Point::Drop, beside.port, 0, back);
        self.note(first, beside, [], &[]);
    }

    #[inline]
    fn note<const MORE: usize>(
        &mut self,
        first: u64,
        beside: &Beside,
        more: [u64; MORE],
        frame: &[u8],
    ) {
        let kept = frame.get(..self.snap).unwrap_or(frame);
        let whole = kept.len() == frame.len();
        let words = COMMON + MORE + usize::from(!whole);
        let size = (words * WORD + kept.len()).next_multiple_of(WORD);
        let lengths = frame.len() as u64 | (kept.len() as u64) << 32;
        let beside = u64::from(beside.mark) | u64::from(beside.meta) << 32;
        let (mut places, _) = self.room(size).as_chunks_mut::<WORD>();
        write(&mut places, [first, lengths, beside]);
        write(&mut places, more);
        if !whole {
            write(&mut places, [digest(frame)]);
        }
        if let Some(to) = places.as_flattened_mut().get_mut(..kept.len()) {
            to.copy_from_slice(kept);
        }
        self.entries += 1;
    }

    /// The place of the next entry, of so many bytes.
    #[inline]
    fn room(&mut self, size: usize) -> &mut [u8] {
        let start = self.used;
        self.used += size;
        if self.used > self.bytes.len() {
            self.grow();
        }
        self.bytes.get_mut(start..self.used).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self) {
        self.bytes.resize(self.used.next_power_of_two(), 0);
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
        self.used
    }

    /// Makes it empty; its memory stays, for what comes next.
    pub fn clear(&mut self) {
        self.used = 0;
        self.entries = 0;
    }

    /// The records, in their order; `element` is the name of who noted them, `sampler` what they were chosen by. A packet
    /// whose bytes say that it is not sampled has none, even if somebody else has called it sampled.
    pub fn records<'a>(
        &'a self,
        element: &'a str,
        sampler: &'a Sampler,
    ) -> impl Iterator<Item = Record> + 'a {
        let mut at = 0;
        // Of packets that have come in, by place.
        let mut ids = BTreeMap::new();
        let next = move || {
            let entry = self.entry(at)?;
            let arrived_at = at - entry.back.min(at);
            at += entry.size;
            Some((arrived_at, entry))
        };
        std::iter::from_fn(next).filter_map(move |(arrived_at, entry)| {
            let came = match entry.back {
                0 => None,
                _ => Some(self.entry(arrived_at)?),
            };
            let came = came.as_ref().unwrap_or(&entry);
            let part = came.arrival?;
            let id = match entry.point {
                Point::In => {
                    let id = part.id.or_else(|| sampled(sampler, entry.kept));
                    ids.insert(arrived_at, id);
                    id
                }
                Point::Out | Point::Drop => ids.remove(&arrived_at).flatten(),
            }?;
            let shown = match entry.point {
                Point::Drop => came,
                Point::In | Point::Out => &entry,
            };
            Some(Record {
                id,
                element: element.to_owned(),
                visit: part.visit,
                point: entry.point,
                port: entry.beside.port,
                time_ns: part.time_ns,
                len: shown.len,
                digest: shown.digest.unwrap_or_else(|| digest(shown.kept)),
                mark: entry.beside.mark,
                meta: entry.beside.meta,
                tag: part.tagged.then_some(id),
                packet: shown.kept.to_vec(),
                work: None,
            })
        })
    }

    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let (words, _) = self.bytes.get(at..self.used)?.as_chunks::<WORD>();
        let word = |at: usize| words.get(at).map(|w| u64::from_le_bytes(*w));
        let (first, lengths, beside) = (word(0)?, word(1)?, word(2)?);
        let point = match first >> 16 & 0xff {
            0 => Point::In,
            1 => Point::Out,
            _ => Point::Drop,
        };
        let mut behind = COMMON;
        let arrival = match point {
            Point::In => {
                behind += ARRIVAL;
                Some(ArrivalPart {
                    visit: word(COMMON)?,
                    time_ns: word(COMMON + 1)?,
                    id: (first & KNOWN != 0).then_some(word(COMMON + 2)?),
                    tagged: first & TAGGED != 0,
                })
            }
            Point::Out | Point::Drop => None,
        };
        let (len, kept) = (lengths as u32, (lengths >> 32) as usize);
        let digest = match len as usize == kept {
            true => None,
            false => {
                behind += 1;
                Some(word(behind - 1)?)
            }
        };
        let kept = words.get(behind..)?.as_flattened().get(..kept)?;
        Some(Entry {
            point,
            beside: Beside {
                port: first as u16,
                mark: beside as u32,
                meta: (beside >> 32) as u32,
            },
            len,
            kept,
            digest,
            back: (first >> 32) as usize,
            size: (behind * WORD + kept.len()).next_multiple_of(WORD),
            arrival,
        })
    }
}

/// The identity of a frame, if it is sampled.
fn sampled(sampler: &Sampler, frame: &[u8]) -> Option<u64> {
    let verdict = sampler.look(frame);
    verdict.sampled.then_some(verdict.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, HashRange, SampleSpec};
    use trisect_wire::build::Build;

    fn beside(port: u16) -> Beside {
        Beside {
            port,
            mark: 0xffff_fffe,
            meta: 3,
        }
    }

    fn arrival(visit: u64, id: Option<u64>) -> Arrival {
        Arrival {
            id,
            tagged: visit == 1,
            visit,
            time_ns: u64::MAX,
            beside: beside(0xffff),
        }
    }

    #[test]
    fn what_is_noted_is_read() {
        let sampler = Sampler::new(SampleSpec::new(1, HashRange::ALL, vec![Field::IpSrc]));
        for snap in [usize::MAX, 4, 0] {
            let mut log = Log::new(snap);
            let first = log.arrival(&arrival(0, Some(7)), b"abcdefg");
            let second = log.arrival(&arrival(1, Some(8)), b"xyz");
            log.dropped(first, &beside(0));
            log.departure(second, &beside(9), b"");
            let records: Vec<Record> = log.records("s1", &sampler).collect();
            let record = |visit: u64, point, port, frame: &[u8]| Record {
                id: 7 + visit,
                element: "s1".into(),
                visit,
                point,
                port,
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
                record(0, Point::In, 0xffff, b"abcdefg"),
                record(1, Point::In, 0xffff, b"xyz"),
                record(0, Point::Drop, 0, b"abcdefg"),
                record(1, Point::Out, 9, b""),
            ];
            assert_eq!(records, expected);
            assert_eq!(log.len(), 4);
            log.clear();
            assert!(log.is_empty() && log.records("s1", &sampler).next().is_none());
        }
    }

    #[test]
    fn a_frame_that_goes_is_read_as_it_went() {
        let sampler = Sampler::new(SampleSpec::new(1, HashRange::ALL, vec![Field::IpSrc]));
        let came: Vec<u8> = (0..200).collect();
        let mut changed = came.clone();
        changed[100] = 0;
        let went = [
            came.clone(),
            changed,
            came[70..].to_vec(),
            came[..150].to_vec(),
            [&[1; 60][..], &came[30..]].concat(),
            came[199..].to_vec(),
            Vec::new(),
        ];
        for snap in [usize::MAX, 200, 199, 20, 0] {
            let mut log = Log::new(snap);
            for went in &went {
                let place = log.arrival(&arrival(0, Some(7)), &came);
                log.departure(place, &beside(1), went);
            }
            let read = log.records("s1", &sampler).collect::<Vec<_>>();
            let expected = went.iter().flat_map(|went| [&came, went]);
            assert_eq!(read.len(), 2 * went.len());
            for (record, frame) in read.iter().zip(expected) {
                assert_eq!(record.packet, frame[..frame.len().min(snap)]);
                assert_eq!(record.digest, digest(frame));
                assert_eq!(record.len as usize, frame.len());
            }
        }
    }

    #[test]
    fn who_a_packet_is_may_be_found_later() {
        let fields = vec![Field::IpSrc, Field::IpDst];
        let sampler = Sampler::new(SampleSpec::new(1, HashRange::one_in(2), fields));
        let mut log = Log::new(usize::MAX);
        let mut ids = Vec::new();
        for host in 0..64 {
            let address = format!("10.{host}.{host}.1");
            let frame = Build::sample().ipv4(&address, "10.0.1.1").udp(1, 2).frame();
            let place = log.arrival(&arrival(0, None), &frame);
            log.departure(place, &beside(1), b"changed");
            let verdict = sampler.look(&frame);
            ids.extend(verdict.sampled.then_some([verdict.id; 2]));
        }
        assert!((1..64).contains(&ids.len()), "{}", ids.len());
        let read: Vec<u64> = log.records("s1", &sampler).map(|r| r.id).collect();
        assert_eq!(read, ids.as_flattened());
    }
}
