//! Records of sampled packets on their way: sent as IPFIX, and collected again.

use crate::problems::{CANNOT_READ, CANNOT_WRITE, Problems};
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;
use trisect_collect::ipfix::{Decoder, Encoder, MAX_MESSAGE, TooLong};
use trisect_collect::parquet::ParquetWriter;
use trisect_collect::transport::{self, ReceiveError};
use trisect_collect::{CollectError, Collector, Joined};
use trisect_ir::diag::Code;
use trisect_sample::{Record, SampleSpec, Topology, files};

/// What should be records cannot be understood.
pub const NOT_RECORDS: Code = Code(520);
/// Records cannot be sent or received.
pub const NO_CONNECTION: Code = Code(521);

/// The longest datagram of UDP over IPv4.
const MAX_DATAGRAM: usize = 65_507;
/// Files among which observations are spread.
const PARTS: usize = 64;

/// Where records go to or come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `tcp:HOST:PORT`
    Tcp(String),
    /// `udp:HOST:PORT`
    Udp(String),
    /// A file of IPFIX messages, or a folder that `trisect run --records` wrote.
    Path(PathBuf),
}

impl Place {
    /// As the command line writes it.
    pub fn parse(text: &str) -> Place {
        match text.split_once(':') {
            Some(("tcp", address)) => Place::Tcp(address.to_owned()),
            Some(("udp", address)) => Place::Udp(address.to_owned()),
            _ => Place::Path(PathBuf::from(text)),
        }
    }
}

/// Sends records as IPFIX, in their order; a file is written anew.
///
/// # Errors
/// The place cannot be reached or written, or a record is longer than a message.
pub fn export(place: &Place, spec: &SampleSpec, records: &[Record]) -> Result<(), Problems> {
    let most = match place {
        Place::Udp(_) => MAX_DATAGRAM,
        Place::Tcp(_) | Place::Path(_) => MAX_MESSAGE,
    };
    // The time of the last record, so that the same run gives the same bytes.
    let time_ns = records.last().map_or(0, |r| r.time_ns);
    let messages = Encoder::new(1, spec)
        .messages((time_ns / 1_000_000_000) as u32, records, most)
        .map_err(|e| too_long(&e))?;
    match place {
        Place::Tcp(address) => TcpStream::connect(address)
            .and_then(|stream| transport::send_stream(&mut BufWriter::new(stream), &messages))
            .map_err(|e| unreachable(address, &e)),
        Place::Udp(address) => UdpSocket::bind("0.0.0.0:0")
            .and_then(|socket| transport::send_datagrams(&socket, address.as_str(), &messages))
            .map_err(|e| unreachable(address, &e)),
        Place::Path(path) => File::create(path)
            .and_then(|file| transport::send_stream(&mut BufWriter::new(file), &messages))
            .map_err(|e| Problems::unwritable(path, &e)),
    }
}

/// Collects records from all places and joins them. From a TCP port one connection is taken, to its end; from
/// a UDP port, datagrams until none has come for `idle`. Elements are taken to be connected to all others, and
/// their clocks for right where nothing else is known.
///
/// With `parquet` the records are also kept in a file of that format, which gets its name when it is whole.
///
/// # Errors
/// A place cannot be read, what comes from there are no records, or the file cannot be written.
pub fn collect(
    places: &[Place],
    idle: Duration,
    parquet: Option<&Path>,
) -> Result<Collected, Problems> {
    let dir = tempfile::tempdir().map_err(|e| Problems::unwritable(&std::env::temp_dir(), &e))?;
    let mut collector = Collector::new(dir.path(), PARTS).map_err(|e| failed(&e))?;
    let mut counts = Counts::default();
    let mut kept = parquet.map(Kept::new).transpose()?;
    for place in places {
        take(place, idle, &mut counts, |record| {
            collector.record(&record).map_err(|e| failed(&e))?;
            kept.as_mut().map_or(Ok(()), |kept| kept.push(record))
        })?;
    }
    kept.map_or(Ok(()), Kept::finish)?;
    let joined = collector.join(|_| Topology::default(), |_, _| ());
    Ok(Collected {
        joined: joined.map_err(|e| failed(&e))?,
        counts,
    })
}

/// A Parquet file under way.
struct Kept<'a> {
    writer: ParquetWriter<File>,
    partial: PathBuf,
    path: &'a Path,
}

impl<'a> Kept<'a> {
    fn new(path: &'a Path) -> Result<Kept<'a>, Problems> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let file = File::create(&partial).map_err(|e| Problems::unwritable(path, &e))?;
        let writer = ParquetWriter::new(file).map_err(|e| unkept(path, &e))?;
        Ok(Kept {
            writer,
            partial,
            path,
        })
    }

    fn push(&mut self, record: Record) -> Result<(), Problems> {
        self.writer.push(record).map_err(|e| unkept(self.path, &e))
    }

    fn finish(self) -> Result<(), Problems> {
        self.writer.finish().map_err(|e| unkept(self.path, &e))?;
        std::fs::rename(&self.partial, self.path).map_err(|e| Problems::unwritable(self.path, &e))
    }
}

fn unkept(path: &Path, error: &dyn std::fmt::Display) -> Problems {
    let message = format!("cannot write {}", path.display());
    let help = "choose a folder that you may write to, on a disk with room";
    Problems::error(CANNOT_WRITE, message, error.to_string(), help)
}

/// What was collected.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The joined records.
    pub joined: Joined,
    /// What did not come well.
    pub counts: Counts,
}

/// What did not come well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Records that the numbers of messages say were lost.
    pub lost_records: u64,
    /// Datagrams that were no messages.
    pub bad_datagrams: u64,
    /// Sets of records whose template did not come.
    pub unknown_sets: u64,
}

fn take(
    place: &Place,
    idle: Duration,
    counts: &mut Counts,
    mut keep: impl FnMut(Record) -> Result<(), Problems>,
) -> Result<(), Problems> {
    let mut decoder = Decoder::default();
    // The first failure is told after the last record; there is no way to stop a sender.
    let mut failure = Ok(());
    let mut each = |records: Vec<Record>| {
        for record in records {
            if failure.is_ok() {
                failure = keep(record);
            }
        }
    };
    match place {
        Place::Path(path) if path.is_dir() => {
            let all = files::read(path).map_err(|e| unreadable(path, &e))?;
            all.into_values().for_each(&mut each);
        }
        Place::Path(path) => {
            let file = File::open(path).map_err(|e| {
                Problems::unreadable(
                    path,
                    &e,
                    "give a folder of records or a file of IPFIX messages",
                )
            })?;
            transport::receive_stream(&mut BufReader::new(file), &mut decoder, &mut each)
                .map_err(|e| not_records(&path.display().to_string(), &e))?;
        }
        Place::Tcp(address) => {
            let accepted = TcpListener::bind(address).and_then(|listener| listener.accept());
            let (stream, _) = accepted.map_err(|e| unreachable(address, &e))?;
            transport::receive_stream(&mut BufReader::new(stream), &mut decoder, &mut each)
                .map_err(|e| not_records(address, &e))?;
        }
        Place::Udp(address) => {
            let socket = UdpSocket::bind(address).and_then(|socket| {
                socket.set_read_timeout(Some(idle))?;
                Ok(socket)
            });
            let socket = socket.map_err(|e| unreachable(address, &e))?;
            let bad = |_| counts.bad_datagrams += 1;
            transport::receive_datagrams(&socket, &mut decoder, &mut each, bad)
                .map_err(|e| unreachable(address, &e))?;
        }
    }
    counts.lost_records += decoder.lost_records;
    counts.unknown_sets += decoder.unknown_sets;
    failure
}

fn too_long(error: &TooLong) -> Problems {
    let help = "write them to files with --records, or send them over TCP";
    Problems::error(NO_CONNECTION, error.to_string(), "", help)
}

fn unreachable(address: &str, error: &io::Error) -> Problems {
    let message = format!("cannot send to or receive from {address}");
    let help = "give an address as HOST:PORT on which somebody listens (to send) or nobody does (to receive)";
    Problems::error(NO_CONNECTION, message, error.to_string(), help)
}

fn not_records(place: &str, error: &ReceiveError) -> Problems {
    let message = format!("{place} does not give records");
    let help = "records come as IPFIX messages (RFC 7011)";
    Problems::error(NOT_RECORDS, message, error.to_string(), help)
}

/// What reading records failed with.
pub(crate) fn unreadable(path: &Path, error: &files::FileError) -> Problems {
    let help = "give a folder that `trisect run --records` wrote";
    let message = format!("cannot read the records in {}", path.display());
    let code = match error {
        files::FileError::Io { .. } => CANNOT_READ,
        files::FileError::NoRecord { .. } => NOT_RECORDS,
    };
    Problems::error(code, message, error.to_string(), help)
}

fn failed(error: &CollectError) -> Problems {
    let help = "make room for temporary files (40 bytes per record)";
    Problems::error(CANNOT_WRITE, error.to_string(), "", help)
}
