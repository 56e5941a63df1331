//! What left the rack, as capture files.

use std::path::{Path, PathBuf};

use trisect_ports::{CaptureWriter, WriteError};

use crate::Report;

/// Writes one pcap per external port that anything left on, called by the port's `name` (`p3.pcap`),
/// into `dir`, which is made if need be; gives their paths. All are written before the first gets its
/// final name, so that a failure leaves none that looks whole.
///
/// # Errors
/// If a file cannot be written.
pub fn write_egress(
    dir: &Path,
    report: &Report,
    name: impl Fn(u16) -> String,
) -> Result<Vec<PathBuf>, WriteError> {
    std::fs::create_dir_all(dir).map_err(|source| WriteError::Io {
        file: dir.to_owned(),
        source,
    })?;
    let mut writers = Vec::new();
    for (port, frames) in report.egress() {
        let file = dir.join(format!("{}.pcap", name(port)));
        let mut writer = CaptureWriter::create(&file)?;
        for (time_ns, bytes) in frames {
            writer.write(time_ns, bytes)?;
        }
        writers.push((file, writer));
    }
    let mut files = Vec::new();
    for (file, writer) in writers {
        if let Err(error) = writer.finish() {
            for whole in &files {
                // One that cannot be removed is whole at least.
                let _ = std::fs::remove_file(whole);
            }
            return Err(error);
        }
        files.push(file);
    }
    Ok(files)
}
