//! Messages to records.

use std::collections::BTreeMap;

use serde::Deserialize;
use trisect_ir::state::Touched;
use trisect_sample::{Lookup, Point, Record, Used, Work};

use super::*;

/// Why bytes are not an IPFIX message that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It ends before it should.
    #[error("the message is cut: {what} needs {needed} bytes, {left} are left")]
    Cut {
        /// What is cut.
        what: &'static str,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// Another protocol or version.
    #[error("version {0} is not IPFIX, which is 10")]
    Version(u16),
    /// A set with an impossible length.
    #[error("set {set} says that it has {length} bytes")]
    Set {
        /// Its number.
        set: u16,
        /// Its length.
        length: u16,
    },
    /// A template with an impossible number, one without fields that could fill a record, or one too many.
    #[error("template {0} cannot be used")]
    Template(u16),
    /// A field of a data record does not have the form of its element.
    #[error("element {number} of a record of template {template} has {reason}")]
    Field {
        /// The template.
        template: u16,
        /// The element's number.
        number: u16,
        /// What is wrong.
        reason: String,
    },
}

/// Reads messages; remembers their templates, by observation domain.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    templates: BTreeMap<(u32, u16), Template>,
    /// Records of templates that were not known, and so could not be read.
    pub unknown_sets: u64,
    /// Data records of options and of other kinds: without identity of a packet.
    pub other_records: u64,
    /// By domain, the number that the next message should have.
    expected: BTreeMap<u32, u32>,
    /// Data records that the numbers of messages say were lost.
    pub lost_records: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    options: bool,
    fields: Vec<(Element, u16)>,
}

/// Templates and domains that are remembered: anybody can send more.
const MOST_TEMPLATES: usize = 4096;

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(ReadError::Cut {
            what,
            needed: n,
            left: self.0.len(),
        })?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, ReadError> {
        Ok(number(self.take(1, what)?) as u8)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, ReadError> {
        Ok(number(self.take(2, what)?) as u16)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, ReadError> {
        Ok(number(self.take(4, what)?) as u32)
    }
}

/// A number of up to 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

impl Decoder {
    /// How long the message is that begins with these bytes; `None` if these are too few to tell.
    ///
    /// # Errors
    /// If it is none of this version.
    pub fn message_length(start: &[u8]) -> Result<Option<usize>, ReadError> {
        let Some(head) = start.first_chunk::<4>() else {
            return Ok(None);
        };
        let version = number(&head[..2]) as u16;
        if version != VERSION {
            return Err(ReadError::Version(version));
        }
        Ok(Some((number(&head[2..]) as usize).max(HEADER)))
    }

    /// The records of one message.
    ///
    /// # Errors
    /// The first thing that cannot be read; templates up to there are remembered.
    pub fn message(&mut self, message: &[u8]) -> Result<Vec<Record>, ReadError> {
        let mut all = Bytes(message);
        let mut header = Bytes(all.take(HEADER, "the header")?);
        let version = header.u16("the header")?;
        if version != VERSION {
            return Err(ReadError::Version(version));
        }
        let length = usize::from(header.u16("the header")?);
        header.u32("the header")?;
        let (sequence, domain) = (header.u32("the header")?, header.u32("the header")?);
        let mut sets = Bytes(all.take(length.saturating_sub(HEADER), "the message")?);
        let mut records = Vec::new();
        let before = self.other_records;
        while !sets.0.is_empty() {
            let (set, length) = (sets.u16("a set")?, sets.u16("a set")?);
            let body = length
                .checked_sub(4)
                .ok_or(ReadError::Set { set, length })?;
            let body = sets.take(usize::from(body), "a set")?;
            match set {
                TEMPLATE_SET => self.templates(domain, body, false)?,
                OPTIONS_SET => self.templates(domain, body, true)?,
                256.. => self.data(domain, set, body, &mut records)?,
                _ => return Err(ReadError::Set { set, length }),
            }
        }
        let seen = records.len() as u64 + self.other_records - before;
        self.note_sequence(domain, sequence, seen as u32);
        Ok(records)
    }

    /// Counts the records that are missing between the last message and this one.
    fn note_sequence(&mut self, domain: u32, sequence: u32, records: u32) {
        let next = sequence.wrapping_add(records);
        let room = self.expected.len() < MOST_TEMPLATES;
        let Some(expected) = self.expected.get_mut(&domain) else {
            if room {
                self.expected.insert(domain, next);
            }
            return;
        };
        let ahead = sequence.wrapping_sub(*expected);
        // A message from the past is a late or a doubled one.
        if ahead < 1 << 31 {
            self.lost_records += u64::from(ahead);
            *expected = next;
        } else {
            self.lost_records = self.lost_records.saturating_sub(u64::from(records));
        }
    }

    fn templates(&mut self, domain: u32, body: &[u8], options: bool) -> Result<(), ReadError> {
        let mut body = Bytes(body);
        // What is left after the last template is padding.
        while body.0.len() >= 4 {
            let id = body.u16("a template")?;
            let count = body.u16("a template")?;
            if id == 0 && count == 0 {
                break;
            }
            if id < 256 {
                return Err(ReadError::Template(id));
            }
            if count == 0 {
                self.templates.remove(&(domain, id));
                continue;
            }
            if options {
                body.u16("a template")?;
            }
            let mut fields = Vec::new();
            for _ in 0..count {
                let (number, width) = (body.u16("a template")?, body.u16("a template")?);
                let enterprise = match number >> 15 {
                    0 => None,
                    _ => Some(body.u32("a template")?),
                };
                let number = number & 0x7fff;
                fields.push((Element { number, enterprise }, width));
            }
            let known = self.templates.contains_key(&(domain, id));
            let room = known || self.templates.len() < MOST_TEMPLATES;
            if !room || fields.iter().all(|(_, width)| *width == 0) {
                return Err(ReadError::Template(id));
            }
            let template = Template { options, fields };
            self.templates.insert((domain, id), template);
        }
        Ok(())
    }

    fn data(
        &mut self,
        domain: u32,
        id: u16,
        body: &[u8],
        records: &mut Vec<Record>,
    ) -> Result<(), ReadError> {
        let Some(template) = self.templates.get(&(domain, id)) else {
            self.unknown_sets += 1;
            return Ok(());
        };
        let least: usize = template.fields.iter().map(|(_, w)| shortest(*w)).sum();
        let mut body = Bytes(body);
        // What is shorter than any record is padding.
        while body.0.len() >= least {
            let mut builder = Builder::default();
            for (element, width) in &template.fields {
                let width = match *width {
                    VARIABLE => match body.u8("a record")? {
                        255 => usize::from(body.u16("a record")?),
                        short => usize::from(short),
                    },
                    fixed => usize::from(fixed),
                };
                let value = body.take(width, "a record")?;
                builder
                    .field(*element, value)
                    .map_err(|reason| ReadError::Field {
                        template: id,
                        number: element.number,
                        reason,
                    })?;
            }
            match builder.finish() {
                Some(record) if !template.options => records.push(record),
                _ => self.other_records += 1,
            }
        }
        Ok(())
    }
}

fn shortest(width: u16) -> usize {
    match width {
        VARIABLE => 1,
        fixed => usize::from(fixed),
    }
}

/// What of [`Work`] has no element of its own.
#[derive(Deserialize)]
struct WorkText {
    #[serde(default)]
    lookups: Vec<Lookup>,
    #[serde(default)]
    state: Touched,
}

/// A record that is being read.
#[derive(Default)]
struct Builder {
    id: Option<u64>,
    element: String,
    visit: u64,
    direction: u64,
    status: u64,
    ports: [u64; 2],
    time_ns: u64,
    len: u64,
    digest: u64,
    mark: u64,
    meta: u64,
    tag: Option<u64>,
    packet: Vec<u8>,
    work: Option<Work>,
}

impl Builder {
    /// Takes a field in; elements that mean nothing to a record are skipped.
    fn field(&mut self, element: Element, value: &[u8]) -> Result<(), String> {
        let number = || match value.len() {
            0..=8 => Ok(number(value)),
            more => Err(format!("{more} bytes where a number has at most 8")),
        };
        let text = || {
            let text = std::str::from_utf8(value).map_err(|e| e.to_string())?;
            Ok::<_, String>(text.to_owned())
        };
        match element {
            NAME => self.element = text()?,
            ID => self.id = Some(number()?),
            VISIT => self.visit = number()?,
            DIRECTION => self.direction = number()?,
            STATUS => self.status = number()?,
            INGRESS => self.ports[0] = number()?,
            EGRESS => self.ports[1] = number()?,
            TIME => self.time_ns = from_ntp(value)?,
            LENGTH => self.len = number()?,
            DIGEST => self.digest = number()?,
            MARK => self.mark = number()?,
            META => self.meta = number()?,
            TAG => self.tag = Some(number()?),
            FRAME => self.packet = value.to_vec(),
            CYCLES => self.used().cycles = number()?,
            BYTES => self.used().bytes = number()?,
            MEMORY => self.used().memory = number()?,
            REASON => self.work.get_or_insert_default().reason = text()?,
            WORK => {
                let read: WorkText = serde_json::from_slice(value).map_err(|e| e.to_string())?;
                let work = self.work.get_or_insert_default();
                (work.lookups, work.state) = (read.lookups, read.state);
            }
            _ => {}
        }
        Ok(())
    }

    fn used(&mut self) -> &mut Used {
        &mut self.work.get_or_insert_default().used
    }

    /// The record, if it has an identity. The frame's length is that of the section, if nothing else says it.
    fn finish(self) -> Option<Record> {
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (point, port) = match (self.direction, self.status as u8 & 0xc0) {
            (_, DROPPED) => (Point::Drop, self.ports[1]),
            (1, _) | (_, FORWARDED) => (Point::Out, self.ports[1]),
            _ => (Point::In, self.ports[0]),
        };
        Some(Record {
            id: self.id?,
            element: self.element,
            visit: self.visit,
            point,
            port: u16::try_from(port).unwrap_or(u16::MAX),
            time_ns: self.time_ns,
            len: match self.len {
                0 => narrow(self.packet.len() as u64),
                len => narrow(len),
            },
            digest: self.digest,
            mark: narrow(self.mark),
            meta: narrow(self.meta),
            tag: self.tag,
            packet: self.packet,
            work: self.work.map(Box::new),
        })
    }
}

/// A time in NTP format as nanoseconds since 1970, in the 136 years from then.
fn from_ntp(value: &[u8]) -> Result<u64, String> {
    let bytes: [u8; 8] = value
        .try_into()
        .map_err(|_| format!("{} bytes where a time has 8", value.len()))?;
    let ntp = u64::from_be_bytes(bytes);
    let (seconds, fraction) = (ntp >> 32, ntp & u64::from(u32::MAX));
    let seconds = (seconds + (1 << 32) - NTP_TO_UNIX) % (1 << 32);
    Ok(seconds * 1_000_000_000 + ((fraction * 1_000_000_000) >> 32))
}
