//! Writing capture files so that nothing half-written looks whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use pcap_file::pcap::{PcapHeader, PcapTsResolution, PcapWriter, RawPcapPacket};
use pcap_file::{DataLink, Endianness};

/// Why a capture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file cannot be created, written or renamed.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file's final name.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A packet's time does not fit into the format (seconds have 32 bits).
    #[error("{}: the time {time_ns} ns of a packet is after the year 2106", file.display())]
    Time {
        /// The file's final name.
        file: PathBuf,
        /// The time in nanoseconds since 1970.
        time_ns: u64,
    },
}

/// Writes a pcap (Ethernet, nanoseconds, little-endian) under `NAME.partial`; [`finish`] renames it
/// to `NAME`. A writer that is dropped before removes the file.
///
/// [`finish`]: CaptureWriter::finish
pub struct CaptureWriter {
    file: PathBuf,
    partial: PathBuf,
    /// `None` once finished.
    writer: Option<PcapWriter<BufWriter<File>>>,
}

fn io_error(file: &Path, e: pcap_file::pcap::PcapWriteError) -> WriteError {
    use pcap_file::pcap::PcapWriteError as E;
    let source = match e {
        E::Io(e) | E::FieldWriteFailed(_, e) => e,
        E::Validation(e) => std::io::Error::other(e.to_string()),
    };
    WriteError::Io {
        file: file.to_owned(),
        source,
    }
}

impl CaptureWriter {
    /// Starts a capture file; an existing one under that name stays until [`CaptureWriter::finish`].
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(file: &Path) -> Result<CaptureWriter, WriteError> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = file.with_file_name(name);
        let out = File::create(&partial).map_err(|source| WriteError::Io {
            file: file.to_owned(),
            source,
        })?;
        let header = PcapHeader {
            snaplen: 262_144,
            datalink: DataLink::ETHERNET,
            ts_resolution: PcapTsResolution::NanoSecond,
            endianness: Endianness::Little,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(BufWriter::new(out), header);
        let writer = Some(writer.map_err(|e| io_error(file, e))?);
        Ok(CaptureWriter {
            file: file.to_owned(),
            partial,
            writer,
        })
    }

    /// Appends a packet that left at `time_ns` (nanoseconds since 1970).
    ///
    /// # Errors
    /// If the time does not fit or the file cannot be written.
    pub fn write(&mut self, time_ns: u64, data: &[u8]) -> Result<(), WriteError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let file = &self.file;
        let ts_sec = u32::try_from(time_ns / 1_000_000_000).map_err(|_| WriteError::Time {
            file: file.clone(),
            time_ns,
        })?;
        let packet = RawPcapPacket {
            ts_sec,
            ts_frac: (time_ns % 1_000_000_000) as u32,
            incl_len: data.len() as u32,
            orig_len: data.len() as u32,
            data: data.into(),
        };
        writer
            .write_raw_packet(&packet)
            .map_err(|e| io_error(file, e))?;
        Ok(())
    }

    /// Gives the file its final name.
    ///
    /// # Errors
    /// If the last bytes cannot be written or the file cannot be renamed; no file is left then.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let done = writer
            .into_inner()
            .flush()
            .and_then(|()| std::fs::rename(&self.partial, &self.file));
        done.map_err(|source| {
            let _ = std::fs::remove_file(&self.partial);
            WriteError::Io {
                file: self.file.clone(),
                source,
            }
        })
    }
}

impl Drop for CaptureWriter {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // Nothing can be done about a failure here; the name says that the file is partial.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}
