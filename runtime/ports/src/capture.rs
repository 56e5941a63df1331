//! Reading capture files.

use std::fmt;
use std::path::{Path, PathBuf};

use pcap_file::DataLink;
use pcap_file::pcap::{PcapParseError, PcapParser, PcapTsResolution};
use pcap_file::pcapng::{Block, PcapNgParseError, PcapNgParser};

/// The longest packet that is believed: libpcap's own limit (MAXIMUM_SNAPLEN). A larger length in a
/// file is damage, not a packet.
const LONGEST: usize = 262_144;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// pcap with timestamps in microseconds.
    PcapMicro,
    /// pcap with timestamps in nanoseconds.
    PcapNano,
    /// pcapng.
    PcapNg,
}

/// One captured packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Its number in the file, from 1 (as Wireshark counts).
    pub number: u64,
    /// Nanoseconds since 1970. A packet without time (pcapng simple packet blocks) has the time of
    /// the one before it, or 0.
    pub time_ns: u64,
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// How long the packet was on the wire; more than `data.len()` if the capture cut it.
    pub wire_len: u32,
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file has no bytes.
    #[error("is empty")]
    Empty,
    /// The first bytes are of no known capture format.
    #[error("is not a capture file (it begins with {0:02x?})")]
    NotACapture(Vec<u8>),
    /// The file ends within a header, packet or block.
    #[error("ends too early: {need} bytes should follow, {have} are there")]
    Truncated {
        /// Bytes that should be there.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A field of the file contradicts the format.
    #[error("is damaged: {0}")]
    Corrupt(String),
    /// The packets are not Ethernet frames.
    #[error("holds {0} packets, not Ethernet")]
    NotEthernet(String),
}

/// A capture that cannot be used, and where it went wrong.
#[derive(Debug, thiserror::Error)]
pub struct CaptureError {
    /// The file, or what stands for it.
    pub file: PathBuf,
    /// Number of the packet that could not be read, from 1; `None` for the file's header.
    pub packet: Option<u64>,
    /// Offset in bytes in the file at which the unreadable thing begins.
    pub offset: u64,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

impl CaptureError {
    /// What the user can do about it.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self.problem {
            Problem::Io(_) => "check the path and its permissions",
            Problem::Empty => "capture again; tcpdump -w writes at least a header",
            Problem::NotACapture(_) => "give a pcap or pcapng file, as tcpdump -w writes",
            Problem::Truncated { .. } => {
                "copy the file again, or keep its whole packets: editcap IN OUT (of Wireshark) \
                 writes those before the damage"
            }
            Problem::Corrupt(_) => {
                "copy the file again, or keep the packets before the damage: editcap -r IN OUT 1-N"
            }
            Problem::NotEthernet(_) => {
                "capture on an Ethernet interface (tcpdump -y EN10MB), not on `any`"
            }
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file.display(), self.problem)?;
        match self.packet {
            Some(n) => write!(f, " (packet {n}, at byte {})", self.offset),
            None if self.offset > 0 => write!(f, " (at byte {})", self.offset),
            None => Ok(()),
        }
    }
}

/// A capture file in memory, its header checked.
#[derive(Debug, Clone)]
pub struct Capture {
    file: PathBuf,
    bytes: Vec<u8>,
    format: Format,
}

impl Capture {
    /// Reads a file and checks its header.
    ///
    /// # Errors
    /// If the file cannot be read, is no capture, or its packets are not Ethernet.
    pub fn open(path: &Path) -> Result<Capture, CaptureError> {
        let bytes = std::fs::read(path).map_err(|e| CaptureError {
            file: path.to_owned(),
            packet: None,
            offset: 0,
            problem: e.into(),
        })?;
        Capture::from_bytes(path, bytes)
    }

    /// Takes the bytes of a file; `file` is for messages only.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn from_bytes(file: &Path, bytes: Vec<u8>) -> Result<Capture, CaptureError> {
        let fail = |problem| CaptureError {
            file: file.to_owned(),
            packet: None,
            offset: 0,
            problem,
        };
        let format = match bytes.get(..4) {
            None if bytes.is_empty() => return Err(fail(Problem::Empty)),
            Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1]) => Format::PcapMicro,
            Some([0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1]) => Format::PcapNano,
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => Format::PcapNg,
            _ => {
                let first = bytes.iter().take(4).copied().collect();
                return Err(fail(Problem::NotACapture(first)));
            }
        };
        let capture = Capture {
            file: file.to_owned(),
            bytes,
            format,
        };
        capture.parser().map_err(fail)?;
        Ok(capture)
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The packets in the order of the file; ends after the first error.
    #[must_use]
    pub fn packets(&self) -> Packets<'_> {
        // The header was parsed once already, so this cannot fail; if it did, there is no packet.
        let parsed = self.parser().ok();
        let rest = parsed.as_ref().map_or(&[][..], |p| p.1);
        Packets {
            capture: self,
            parser: parsed.map(|p| p.0),
            rest,
            number: 0,
            time_ns: 0,
        }
    }

    /// All packets.
    ///
    /// # Errors
    /// The first unreadable packet.
    pub fn read_all(&self) -> Result<Vec<Captured<'_>>, CaptureError> {
        self.packets().collect()
    }

    fn parser(&self) -> Result<(Parser, &[u8]), Problem> {
        if self.format == Format::PcapNg {
            let (rest, parser) = PcapNgParser::new(&self.bytes).map_err(ng_problem)?;
            return Ok((Parser::Ng(parser), rest));
        }
        let (rest, parser) = PcapParser::new(&self.bytes).map_err(|e| match e {
            PcapParseError::IncompleteBuffer(need, have) => Problem::Truncated { need, have },
            PcapParseError::Validation(e) => Problem::Corrupt(e.to_string()),
        })?;
        let header = parser.header();
        if header.version_major != 2 {
            let text = format!("pcap version {}, only 2 is known", header.version_major);
            return Err(Problem::Corrupt(text));
        }
        ethernet(header.datalink)?;
        Ok((Parser::Pcap(parser), rest))
    }
}

enum Parser {
    Pcap(PcapParser),
    Ng(PcapNgParser),
}

fn ethernet(link: DataLink) -> Result<(), Problem> {
    match link {
        DataLink::ETHERNET => Ok(()),
        other => Err(Problem::NotEthernet(format!("{other:?}"))),
    }
}

fn ng_problem(e: PcapNgParseError) -> Problem {
    match e {
        PcapNgParseError::IncompleteBuffer(need, have) => Problem::Truncated { need, have },
        other => {
            // The library's errors nest; the innermost says what is wrong.
            let mut text = other.to_string();
            let mut source = std::error::Error::source(&other);
            while let Some(inner) = source {
                text = inner.to_string();
                source = inner.source();
            }
            Problem::Corrupt(text)
        }
    }
}

/// Iterator over a capture's packets.
pub struct Packets<'a> {
    capture: &'a Capture,
    /// `None` after the end or an error.
    parser: Option<Parser>,
    rest: &'a [u8],
    number: u64,
    time_ns: u64,
}

/// A packet as the formats hold it: time (if there is one), bytes, length on the wire.
type Raw<'a> = (Option<u64>, &'a [u8], u32);

impl<'a> Packets<'a> {
    fn next_raw(&mut self) -> Result<Option<Raw<'a>>, Problem> {
        match &mut self.parser {
            None => Ok(None),
            Some(_) if self.rest.is_empty() => Ok(None),
            Some(Parser::Pcap(parser)) => {
                let (rest, raw) = next_pcap(parser, self.rest)?;
                self.rest = rest;
                Ok(Some(raw))
            }
            Some(Parser::Ng(parser)) => next_ng(parser, &mut self.rest),
        }
    }
}

fn next_pcap<'a>(parser: &PcapParser, rest: &'a [u8]) -> Result<(&'a [u8], Raw<'a>), Problem> {
    let header = parser.header();
    // A damaged length would only look like a file that ends too early; look at it first.
    if let Some(field) = rest.get(8..12).and_then(|b| <[u8; 4]>::try_from(b).ok()) {
        let len = match header.endianness {
            pcap_file::Endianness::Big => u32::from_be_bytes(field),
            pcap_file::Endianness::Little => u32::from_le_bytes(field),
        };
        if len as usize > LONGEST {
            return Err(Problem::Corrupt(format!("a packet of {len} bytes")));
        }
    }
    let (after, raw) = parser.next_raw_packet(rest).map_err(|e| match e {
        PcapParseError::IncompleteBuffer(need, have) => Problem::Truncated { need, have },
        PcapParseError::Validation(e) => Problem::Corrupt(e.to_string()),
    })?;
    let (unit, per_second) = match header.ts_resolution {
        PcapTsResolution::MicroSecond => (1000, 1_000_000),
        PcapTsResolution::NanoSecond => (1, 1_000_000_000),
    };
    if raw.ts_frac >= per_second {
        let text = format!(
            "a time of {} fractions of a second, {per_second} are one",
            raw.ts_frac
        );
        return Err(Problem::Corrupt(text));
    }
    let time = u64::from(raw.ts_sec) * 1_000_000_000 + u64::from(raw.ts_frac) * unit;
    let from = rest.len() - after.len() - raw.data.len();
    let data = rest.get(from..rest.len() - after.len()).unwrap_or_default();
    Ok((after, (Some(time), data, raw.orig_len.max(raw.incl_len))))
}

fn next_ng<'a>(parser: &mut PcapNgParser, rest: &mut &'a [u8]) -> Result<Option<Raw<'a>>, Problem> {
    while !rest.is_empty() {
        let (after, block) = parser.next_block(rest).map_err(ng_problem)?;
        let (interface, time, data, wire_len) = match block {
            Block::EnhancedPacket(p) => (p.interface_id, Some(p.timestamp), p.data, p.original_len),
            Block::Packet(p) => (
                u32::from(p.interface_id),
                Some(p.timestamp),
                p.data,
                p.original_len,
            ),
            Block::SimplePacket(p) => (0, None, p.data, p.original_len),
            // Names, statistics, sections and interfaces are no packets.
            _ => {
                *rest = after;
                continue;
            }
        };
        let link = parser
            .interfaces()
            .get(interface as usize)
            .map(|i| i.linktype);
        ethernet(link.ok_or_else(|| Problem::Corrupt(format!("no interface {interface}")))?)?;
        let time = time
            .map(|t| {
                u64::try_from(t.as_nanos())
                    .map_err(|_| Problem::Corrupt(format!("a time {} s after 1970", t.as_secs())))
            })
            .transpose()?;
        let std::borrow::Cow::Borrowed(data) = data else {
            return Err(Problem::Corrupt("a packet outside of the file".into()));
        };
        if data.len() > LONGEST {
            return Err(Problem::Corrupt(format!(
                "a packet of {} bytes",
                data.len()
            )));
        }
        *rest = after;
        return Ok(Some((time, data, wire_len.max(data.len() as u32))));
    }
    Ok(None)
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Captured<'a>, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.number + 1;
        match self.next_raw() {
            Ok(None) => {
                self.parser = None;
                None
            }
            Ok(Some((time, data, wire_len))) => {
                self.number = number;
                self.time_ns = time.unwrap_or(self.time_ns);
                Some(Ok(Captured {
                    number,
                    time_ns: self.time_ns,
                    data,
                    wire_len,
                }))
            }
            Err(problem) => {
                self.parser = None;
                Some(Err(CaptureError {
                    file: self.capture.file.clone(),
                    packet: Some(number),
                    offset: (self.capture.bytes.len() - self.rest.len()) as u64,
                    problem,
                }))
            }
        }
    }
}
