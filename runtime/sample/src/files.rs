//! Records in files: one per element, one record a line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
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
pub fn write<'a>(
    dir: &Path,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<Vec<PathBuf>, FileError> {
    let mut writer = Writer::new(dir)?;
    writer.append(records)?;
    writer.finish()
}

/// Writes what [`write()`] does, from records that are never all in memory.
pub struct Writer {
    dir: PathBuf,
    by_element: BTreeMap<String, BufWriter<File>>,
}

impl Writer {
    /// Begins; `dir` is made if need be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(dir: &Path) -> Result<Writer, FileError> {
        fs::create_dir_all(dir).map_err(|e| io_error(dir, e))?;
        Ok(Writer {
            dir: dir.to_owned(),
            by_element: BTreeMap::new(),
        })
    }

    /// Appends records.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn append<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), FileError> {
        for record in records {
            let element = record.element.as_str();
            if !self.by_element.contains_key(element) {
                let partial = self.partial(element);
                let file = File::create(&partial).map_err(|e| io_error(&partial, e))?;
                let element = element.to_owned();
                self.by_element.insert(element, BufWriter::new(file));
            }
            if let Some(out) = self.by_element.get_mut(element) {
                let written = serde_json::to_writer(&mut *out, record).map_err(io::Error::from);
                let written = written.and_then(|()| out.write_all(b"\n"));
                written.map_err(|e| io_error(&self.partial(element), e))?;
            }
        }
        Ok(())
    }

    /// Gives the files their names; in the order of these.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(mut self) -> Result<Vec<PathBuf>, FileError> {
        let mut files = Vec::new();
        for (element, mut out) in std::mem::take(&mut self.by_element) {
            let file = self.dir.join(format!("{element}.{EXTENSION}"));
            out.flush()
                .and_then(|()| fs::rename(self.partial(&element), &file))
                .map_err(|e| io_error(&file, e))?;
            files.push(file);
        }
        Ok(files)
    }

    fn partial(&self, element: &str) -> PathBuf {
        self.dir.join(format!("{element}.records.partial"))
    }
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

/// Bytes that are read at a time.
const CHUNK: usize = 8 << 20;

/// Reads the records of a file in their order, some at a time; lines are understood on all cores.
///
/// # Errors
/// If the file cannot be read, or a line is not a record: the records before it were given then.
pub fn each(file: &Path, take: impl FnMut(Vec<Record>)) -> Result<(), FileError> {
    map(file, &|record, _| record, take)
}

/// Like [`each`], where `look` is asked on all cores what is to be taken of each record and its line, which has no
/// end of line.
///
/// # Errors
/// As of [`each`].
pub fn map<T: Send>(
    file: &Path,
    look: &(impl Fn(Record, &[u8]) -> T + Sync),
    mut take: impl FnMut(Vec<T>),
) -> Result<(), FileError> {
    let from = File::open(file).map_err(|e| io_error(file, e))?;
    // What was read of a line whose end was not.
    let mut text: Vec<u8> = Vec::new();
    let mut before = 0;
    loop {
        let begun = text.len();
        let read = (&from).take(CHUNK as u64).read_to_end(&mut text);
        let read = read.map_err(|e| io_error(file, e))?;
        let whole = match read {
            0 => begun,
            _ => text
                .iter()
                .rposition(|c| *c == b'\n')
                .map_or(0, |at| at + 1),
        };
        let (lines, _) = text.split_at(whole);
        let (looked, wrong) = parse(lines, look);
        let good = looked.len();
        if good > 0 {
            take(looked);
        }
        if let Some(source) = wrong {
            return Err(FileError::NoRecord {
                file: file.to_owned(),
                line: before + good + 1,
                source,
            });
        }
        if read == 0 {
            return Ok(());
        }
        before += good;
        text.drain(..whole);
    }
}

/// What is looked at of these lines up to the first that is no record.
fn parse<T: Send>(
    lines: &[u8],
    look: &(impl Fn(Record, &[u8]) -> T + Sync),
) -> (Vec<T>, Option<serde_json::Error>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all = lines.strip_suffix(b"\n").unwrap_or(lines);
    let lines: Vec<&[u8]> = match all {
        [] => Vec::new(),
        all => all.split(|c| *c == b'\n').collect(),
    };
    let one = |line: &&[u8]| Ok(look(serde_json::from_slice(line)?, line));
    let parts: Vec<Vec<Result<T, serde_json::Error>>> = std::thread::scope(|scope| {
        let parts = lines.chunks(lines.len().div_ceil(threads).max(1));
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(one).collect()))
            .collect();
        let joined = threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.collect()
    });
    let mut all = Vec::with_capacity(lines.len());
    for looked in parts.into_iter().flatten() {
        match looked {
            Ok(looked) => all.push(looked),
            Err(wrong) => return (all, Some(wrong)),
        }
    }
    (all, None)
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
