//! Records in files: one per element, one record a line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use crate::Record;

/// How the name of a file with records ends.
const EXTENSION: &str = "records.jsonl";

/// Why records could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file or folder cannot be read or written.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A line is not a record.
    #[error("{}, line {line}: {source}", file.display())]
    NoRecord {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// Writes the records of each element, in their order, to `ELEMENT.records.jsonl` in `dir`, which is made if
/// need be; gives the files. A file gets its name when it is whole.
///
/// # Errors
/// If a file cannot be written.
pub fn write(dir: &Path, records: &[Record]) -> Result<Vec<PathBuf>, FileError> {
    fs::create_dir_all(dir).map_err(|e| io_error(dir, e))?;
    let mut by_element: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        by_element.entry(&record.element).or_default().push(record);
    }
    let mut files = Vec::new();
    for (element, records) in by_element {
        let file = dir.join(format!("{element}.{EXTENSION}"));
        let partial = file.with_extension("partial");
        write_lines(&partial, &records)
            .and_then(|()| fs::rename(&partial, &file))
            .map_err(|e| io_error(&file, e))?;
        files.push(file);
    }
    Ok(files)
}

fn write_lines(file: &Path, records: &[&Record]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for record in records {
        serde_json::to_writer(&mut out, record)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// The files with records in a folder, in the order of their names.
///
/// # Errors
/// If the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(dir).map_err(|e| io_error(dir, e))?;
    let mut all = Vec::new();
    for entry in entries {
        let file = entry.map_err(|e| io_error(dir, e))?.path();
        if file.to_string_lossy().ends_with(EXTENSION) {
            all.push(file);
        }
    }
    all.sort();
    Ok(all)
}

/// Reads what [`write()`] wrote: the records of every element, in their order, by the element's file.
///
/// # Errors
/// If the folder or a file cannot be read, or a line is not a record.
pub fn read(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<Record>>, FileError> {
    let mut all = BTreeMap::new();
    for file in list(dir)? {
        let mut records = Vec::new();
        each(&file, |some| records.extend(some))?;
        all.insert(file, records);
    }
    Ok(all)
}

/// Lines that are understood at a time.
const BATCH: usize = 16_384;

/// Reads the records of a file in their order, some at a time; lines are understood on all cores.
///
/// # Errors
/// If the file cannot be read, or a line is not a record: the records before it were given then.
pub fn each(file: &Path, mut take: impl FnMut(Vec<Record>)) -> Result<(), FileError> {
    let mut lines = BufReader::new(File::open(file).map_err(|e| io_error(file, e))?).lines();
    let mut before = 0;
    loop {
        let batch: io::Result<Vec<String>> = lines.by_ref().take(BATCH).collect();
        let batch = batch.map_err(|e| io_error(file, e))?;
        if batch.is_empty() {
            return Ok(());
        }
        let (records, wrong) = parse(&batch);
        let good = records.len();
        take(records);
        if let Some(source) = wrong {
            return Err(FileError::NoRecord {
                file: file.to_owned(),
                line: before + good + 1,
                source,
            });
        }
        before += batch.len();
    }
}

/// The records of these lines up to the first that is none.
fn parse(lines: &[String]) -> (Vec<Record>, Option<serde_json::Error>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<Vec<Result<Record, serde_json::Error>>> = std::thread::scope(|scope| {
        let parts = lines.chunks(lines.len().div_ceil(threads).max(1));
        let parse = |part: &[String]| part.iter().map(|l| serde_json::from_str(l)).collect();
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || parse(part))).collect();
        let joined = threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.collect()
    });
    let mut records = Vec::with_capacity(lines.len());
    for record in parts.into_iter().flatten() {
        match record {
            Ok(record) => records.push(record),
            Err(wrong) => return (records, Some(wrong)),
        }
    }
    (records, None)
}

fn io_error(file: &Path, source: io::Error) -> FileError {
    let file = file.to_owned();
    FileError::Io { file, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Found, Lookup, Point, Used, Work};
    use trisect_ir::state::{State, Touched};

    fn record(element: &str, point: Point) -> Record {
        let after = State {
            draws: [("r".to_owned(), 3)].into(),
            ..State::default()
        };
        let work = Work {
            reason: "ttl expired".into(),
            lookups: vec![Lookup {
                table: "acl".into(),
                key: "8w1".into(),
                found: Found::Entry(3),
                action: "permit".into(),
            }],
            state: Touched {
                after,
                ..Touched::default()
            },
            used: Used {
                cycles: 1,
                bytes: 2,
                memory: 3,
            },
        };
        Record {
            id: u64::MAX,
            element: element.into(),
            visit: 5,
            point,
            port: 3,
            time_ns: 9,
            len: 60,
            digest: 1,
            mark: 2,
            meta: 0,
            tag: Some(8),
            packet: vec![0xab, 0x01],
            work: (point != Point::In).then(|| Box::new(work)),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let records = [
            record("tor", Point::In),
            record("s1.nic", Point::In),
            record("tor", Point::Drop),
        ];
        let files = write(dir.path(), &records).unwrap();
        let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap()).collect();
        assert_eq!(names, ["s1.nic.records.jsonl", "tor.records.jsonl"]);
        let text = fs::read_to_string(&files[1]).unwrap();
        assert!(text.contains("\"packet\":\"ab01\""), "{text}");
        let read = read(dir.path()).unwrap();
        assert_eq!(read[&files[0]], records[1..2]);
        assert_eq!(read[&files[1]], [records[0].clone(), records[2].clone()]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), &[record("tor", Point::In)]).unwrap();
        let text = fs::read_to_string(&files[0]).unwrap();
        fs::write(&files[0], format!("{text}{}", text.replace("ab01", "ab0"))).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("line 2: `ab0` is no string"), "{error}");
        let error = read(&dir.path().join("absent")).unwrap_err();
        assert!(matches!(error, FileError::Io { .. }));
    }
}
