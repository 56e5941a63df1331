//! Records to messages.

use std::collections::BTreeSet;

use serde::Serialize;
use trisect_ir::state::Touched;
use trisect_sample::{Algorithm, Lookup, Point, Record, SampleSpec, Work};

use super::*;

/// The longest message that can be made: what the length field can say.
pub const MAX_MESSAGE: usize = 65_535;

/// A record does not fit into a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record of {element} takes {bytes} bytes, more than a message of {most} can hold")]
pub struct TooLong {
    /// The element.
    pub element: String,
    /// Bytes of the record.
    pub bytes: usize,
    /// The longest message.
    pub most: usize,
}

/// Templates of data records: the lowest bits tell what is in them. Some readers take no field of length 0, so
/// that each field of variable length has its bit.
const DATA: u16 = 256;
const WITH_TAG: u16 = 1;
const WITH_USED: u16 = 2;
const WITH_PACKET: u16 = 4;
const WITH_REASON: u16 = 8;
const WITH_WORK: u16 = 16;
const WITH_NAME: u16 = 32;
const SELECTOR_REPORT: u16 = 320;
const SEQUENCE_REPORT: u16 = 321;

/// The only selection of an exporter, and its only selector.
const THE_SEQUENCE: u64 = 1;
const THE_SELECTOR: u64 = 1;

/// Makes messages of records.
#[derive(Debug, Clone)]
pub struct Encoder {
    domain: u32,
    sequence: u32,
    preamble: Vec<u8>,
    preamble_records: u32,
}

impl Encoder {
    /// For one observation domain, with what it tells of the selection.
    #[must_use]
    pub fn new(domain: u32, spec: &SampleSpec) -> Encoder {
        let (preamble, preamble_records) = preamble(spec, domain);
        Encoder {
            domain,
            sequence: 0,
            preamble,
            preamble_records,
        }
    }

    /// Messages of at most `most` bytes with these records in their order, exported at `time_s` (seconds
    /// since 1970). Each message has its templates with it, so that any other may be lost.
    ///
    /// # Errors
    /// If a record is longer than a message.
    pub fn messages(
        &mut self,
        time_s: u32,
        records: &[Record],
        most: usize,
    ) -> Result<Vec<Vec<u8>>, TooLong> {
        let most = most.min(MAX_MESSAGE);
        let mut messages = Vec::new();
        let mut message = Message::new(self);
        let mut one = Vec::new();
        for record in records {
            let (template, text) = template_of(record);
            one.clear();
            data(record, &text, &mut one);
            let alone = HEADER + self.preamble.len() + template_set(template).len() + 4;
            if alone + one.len() > most {
                return Err(TooLong {
                    element: record.element.clone(),
                    bytes: one.len(),
                    most,
                });
            }
            if message.bytes.len() + message.room_for(template) + one.len() > most {
                messages.push(message.finish(self, time_s));
                message = Message::new(self);
            }
            message.add(template, &one);
        }
        if message.records > 0 {
            messages.push(message.finish(self, time_s));
        }
        Ok(messages)
    }
}

/// A message that is being made.
struct Message {
    bytes: Vec<u8>,
    records: u32,
    /// Template and start of the set that is open.
    set: Option<(u16, usize)>,
    /// Templates that the message has told.
    told: BTreeSet<u16>,
}

impl Message {
    fn new(encoder: &Encoder) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes.extend(&encoder.preamble);
        Message {
            bytes,
            records: 0,
            set: None,
            told: BTreeSet::new(),
        }
    }

    /// Bytes that a record of this template needs beside its own.
    fn room_for(&self, template: u16) -> usize {
        match (self.set, self.told.contains(&template)) {
            (Some((open, _)), _) if open == template => 0,
            (_, true) => 4,
            (_, false) => 4 + template_set(template).len(),
        }
    }

    fn add(&mut self, template: u16, record: &[u8]) {
        if self.set.is_none_or(|(open, _)| open != template) {
            self.close();
            if self.told.insert(template) {
                self.bytes.extend(template_set(template));
            }
            self.set = Some((template, self.bytes.len()));
            self.bytes.extend(template.to_be_bytes());
            self.bytes.extend([0, 0]);
        }
        self.bytes.extend(record);
        self.records += 1;
    }

    fn close(&mut self) {
        if let Some((_, start)) = self.set.take() {
            set_length(&mut self.bytes, start);
        }
    }

    fn finish(mut self, encoder: &mut Encoder, time_s: u32) -> Vec<u8> {
        self.close();
        let length = self.bytes.len() as u16;
        let mut header = Vec::with_capacity(HEADER);
        header.extend(VERSION.to_be_bytes());
        header.extend(length.to_be_bytes());
        header.extend(time_s.to_be_bytes());
        header.extend(encoder.sequence.to_be_bytes());
        header.extend(encoder.domain.to_be_bytes());
        if let Some(place) = self.bytes.get_mut(..HEADER) {
            place.copy_from_slice(&header);
        }
        // The number of data records so far, those of options included (RFC 7011, section 3.1).
        let records = encoder.preamble_records + self.records;
        encoder.sequence = encoder.sequence.wrapping_add(records);
        self.bytes
    }
}

/// Puts the length of the set that begins at `start` into its header.
fn set_length(bytes: &mut [u8], start: usize) {
    let length = (bytes.len() - start) as u16;
    if let Some(place) = bytes.get_mut(start + 2..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// A set of one template or of records of one.
fn set(out: &mut Vec<u8>, id: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(id.to_be_bytes());
    out.extend([0, 0]);
    body(out);
    set_length(out, start);
}

fn specifiers(out: &mut Vec<u8>, fields: &[(Element, u16)]) {
    for (element, width) in fields {
        let bit = u16::from(element.enterprise.is_some()) << 15;
        out.extend((element.number | bit).to_be_bytes());
        out.extend(width.to_be_bytes());
        out.extend(element.enterprise.iter().flat_map(|e| e.to_be_bytes()));
    }
}

fn fields(template: u16) -> Vec<(Element, u16)> {
    let mut all = vec![
        (SEQUENCE, 8),
        (ID, 8),
        (VISIT, 8),
        (DIRECTION, 1),
        (STATUS, 1),
        (INGRESS, 4),
        (EGRESS, 4),
        (TIME, 8),
        (LENGTH, 8),
        (DIGEST, 8),
        (MARK, 4),
        (META, 4),
    ];
    let optional: [(u16, &[(Element, u16)]); 6] = [
        (WITH_NAME, &[(NAME, VARIABLE)]),
        (WITH_PACKET, &[(FRAME, VARIABLE)]),
        (WITH_TAG, &[(TAG, 8)]),
        (WITH_USED, &[(CYCLES, 8), (BYTES, 8), (MEMORY, 8)]),
        (WITH_REASON, &[(REASON, VARIABLE)]),
        (WITH_WORK, &[(WORK, VARIABLE)]),
    ];
    for (bit, fields) in optional {
        if template & bit != 0 {
            all.extend(fields);
        }
    }
    all
}

/// The set that tells one template of data records.
fn template_set(template: u16) -> Vec<u8> {
    let mut out = Vec::new();
    set(&mut out, TEMPLATE_SET, |out| {
        let fields = fields(template);
        out.extend(template.to_be_bytes());
        out.extend((fields.len() as u16).to_be_bytes());
        specifiers(out, &fields);
    });
    out
}

/// The options that tell of the selection, with their templates; and how many data records these are.
fn preamble(spec: &SampleSpec, domain: u32) -> (Vec<u8>, u32) {
    let mut out = Vec::new();
    // PSAMP numbers two of the hashes (RFC 5477, section 8.2.1.3: 6 BOB, 8 CRC); 0 is none of them.
    let algorithm: u16 = match spec.hash {
        Algorithm::Bob => 6,
        Algorithm::Crc32 => 8,
        Algorithm::Toeplitz | Algorithm::HalfSipHash => 0,
    };
    let selector = [
        (SELECTOR, 8),
        (SELECTOR_ALGORITHM, 2),
        (OUTPUT_MIN, 8),
        (OUTPUT_MAX, 8),
        (SELECTED_MIN, 8),
        (SELECTED_MAX, 8),
    ];
    let sequence = [(SEQUENCE, 8), (OBSERVATION_POINT, 8), (SELECTOR, 8)];
    let options: [(u16, &[(Element, u16)]); 2] =
        [(SELECTOR_REPORT, &selector), (SEQUENCE_REPORT, &sequence)];
    set(&mut out, OPTIONS_SET, |out| {
        for (template, fields) in options {
            out.extend(template.to_be_bytes());
            out.extend((fields.len() as u16).to_be_bytes());
            // The first field is the scope of each.
            out.extend(1u16.to_be_bytes());
            specifiers(out, fields);
        }
    });
    set(&mut out, SELECTOR_REPORT, |out| {
        out.extend(THE_SELECTOR.to_be_bytes());
        out.extend(algorithm.to_be_bytes());
        let (first, last) = (u64::from(spec.range.first), u64::from(spec.range.last));
        for number in [0, u64::from(u32::MAX), first, last] {
            out.extend(number.to_be_bytes());
        }
    });
    set(&mut out, SEQUENCE_REPORT, |out| {
        for number in [THE_SEQUENCE, u64::from(domain), THE_SELECTOR] {
            out.extend(number.to_be_bytes());
        }
    });
    (out, 2)
}

/// The template of a record, and its text of look-ups and state.
fn template_of(record: &Record) -> (u16, String) {
    let work = record.work.as_deref();
    let text = work.map(work_text).unwrap_or_default();
    let parts = [
        (WITH_NAME, !record.element.is_empty()),
        (WITH_PACKET, !record.packet.is_empty()),
        (WITH_TAG, record.tag.is_some()),
        (WITH_USED, work.is_some()),
        (WITH_REASON, work.is_some_and(|w| !w.reason.is_empty())),
        (WITH_WORK, !text.is_empty()),
    ];
    let there = parts.iter().filter(|(_, there)| *there);
    (there.fold(DATA, |id, (bit, _)| id | bit), text)
}

/// What of [`Work`] has no element of its own.
#[derive(Serialize)]
struct WorkText<'a> {
    #[serde(skip_serializing_if = "<[Lookup]>::is_empty")]
    lookups: &'a [Lookup],
    #[serde(skip_serializing_if = "Touched::is_empty")]
    state: &'a Touched,
}

fn data(record: &Record, text: &str, out: &mut Vec<u8>) {
    let (direction, status) = match record.point {
        Point::In => (0, 0),
        Point::Out => (1, FORWARDED),
        Point::Drop => (1, DROPPED),
    };
    let port = u32::from(record.port);
    let (ingress, egress) = match record.point {
        Point::In => (port, 0),
        Point::Out | Point::Drop => (0, port),
    };
    out.extend(THE_SEQUENCE.to_be_bytes());
    out.extend(record.id.to_be_bytes());
    out.extend(record.visit.to_be_bytes());
    out.extend([direction, status]);
    out.extend(ingress.to_be_bytes());
    out.extend(egress.to_be_bytes());
    out.extend(to_ntp(record.time_ns).to_be_bytes());
    out.extend(u64::from(record.len).to_be_bytes());
    out.extend(record.digest.to_be_bytes());
    out.extend(record.mark.to_be_bytes());
    out.extend(record.meta.to_be_bytes());
    variable(out, record.element.as_bytes());
    variable(out, &record.packet);
    out.extend(record.tag.iter().flat_map(|tag| tag.to_be_bytes()));
    if let Some(work) = &record.work {
        for number in [work.used.cycles, work.used.bytes, work.used.memory] {
            out.extend(number.to_be_bytes());
        }
        variable(out, work.reason.as_bytes());
    }
    variable(out, text.as_bytes());
}

fn work_text(work: &Work) -> String {
    if work.lookups.is_empty() && work.state.is_empty() {
        return String::new();
    }
    let text = WorkText {
        lookups: &work.lookups,
        state: &work.state,
    };
    // Names, numbers and texts always have a JSON.
    serde_json::to_string(&text).unwrap_or_default()
}

/// A value with its length in front (RFC 7011, section 7), or nothing for one of length 0, which the template
/// does not have. What is longer than a message is refused with it.
fn variable(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    match u8::try_from(bytes.len()) {
        Ok(length) if length < 255 => out.push(length),
        _ => {
            out.push(255);
            out.extend((bytes.len().min(MAX_MESSAGE) as u16).to_be_bytes());
        }
    }
    out.extend(bytes);
}

/// Nanoseconds since 1970 as seconds since 1900 (32 bits, modulo 2^32) and their fraction (32 bits, rounded
/// up, so that the way back gives the same nanosecond).
fn to_ntp(time_ns: u64) -> u64 {
    let (seconds, ns) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    let fraction = (ns << 32).div_ceil(1_000_000_000);
    ((seconds + NTP_TO_UNIX) << 32) | fraction
}
