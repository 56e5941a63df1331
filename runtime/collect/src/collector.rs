//! The central log: joins more records than memory holds.
//!
//! Observations are spread over files by the packet's identity, so that those of one packet are together; at the
//! end one file after the other is read, sorted and joined. Memory holds the largest file: with 64 files and
//! identities that are hashes, a sixty-fourth of all, at 40 bytes each. Order of arrival and duplicates do not
//! matter; what loss does to a trajectory is told ([`Trajectory::whole`]).

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use trisect_sample::{
    Clocks, Delays, Elements, JoinCounts, Joiner, Observation, PathCount, Paths, Record,
    TooManyElements, Topology, Trajectory, measure, sort,
};

/// Why records could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A file of observations cannot be written or read.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file of observations was changed by somebody else.
    #[error("{}: changed while it was in use", .0.display())]
    Changed(PathBuf),
    /// There are too many elements.
    #[error(transparent)]
    Elements(#[from] TooManyElements),
}

/// How many observations are enough to find out how far clocks are apart.
const ENOUGH_FOR_CLOCKS: usize = 1_000_000;

/// Takes records in any order.
pub struct Collector {
    elements: Elements,
    parts: Vec<Part>,
}

struct Part {
    file: PathBuf,
    out: BufWriter<File>,
}

/// What was found when all records were there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The elements.
    pub elements: Elements,
    /// How far their clocks are apart.
    pub clocks: Clocks,
    /// How many observations and trajectories there were.
    pub counts: JoinCounts,
    /// The ways that packets took.
    pub paths: Vec<PathCount>,
}

impl Collector {
    /// With `parts` files in `dir`, which is there and empty. The files are removed at the end.
    ///
    /// # Errors
    /// If a file cannot be made.
    pub fn new(dir: &Path, parts: usize) -> Result<Collector, CollectError> {
        let part = |i: usize| {
            let file = dir.join(format!("{i}.observations"));
            let out = File::create_new(&file).map_err(|e| io_error(&file, e))?;
            let out = BufWriter::with_capacity(1 << 16, out);
            Ok(Part { file, out })
        };
        Ok(Collector {
            elements: Elements::default(),
            parts: (0..parts.max(1))
                .map(part)
                .collect::<Result<_, CollectError>>()?,
        })
    }

    /// The number of an element, for [`Collector::push`].
    ///
    /// # Errors
    /// If there are too many elements.
    pub fn element(&mut self, name: &str) -> Result<u16, CollectError> {
        Ok(self.elements.number(name)?)
    }

    /// Takes a record.
    ///
    /// # Errors
    /// See [`CollectError`].
    pub fn record(&mut self, record: &Record) -> Result<(), CollectError> {
        let observation = self.elements.observe(record)?;
        self.push(&observation)
    }

    /// Takes an observation.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, observation: &Observation) -> Result<(), CollectError> {
        // The high bits of a sampled identity are all in the sampled range.
        let spread = observation.id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let at = spread as usize % self.parts.len();
        let Some(part) = self.parts.get_mut(at) else {
            return Ok(());
        };
        let written = part.out.write_all(&observation.to_bytes());
        written.map_err(|e| io_error(&part.file, e))
    }

    /// Joins all; every trajectory is given to `each`, with the clocks.
    ///
    /// # Errors
    /// If what was written cannot be read again.
    pub fn join(
        mut self,
        topology: impl FnOnce(&Elements) -> Topology,
        mut each: impl FnMut(&Trajectory, &Clocks),
    ) -> Result<Joined, CollectError> {
        for part in &mut self.parts {
            part.out.flush().map_err(|e| io_error(&part.file, e))?;
        }
        let topology = topology(&self.elements);
        let mut buffer = Vec::new();
        let clocks = self.clocks(&topology, &mut buffer)?;
        let mut joiner = Joiner::new(topology, clocks.clone());
        let mut paths = Paths::default();
        for part in &self.parts {
            part.read(&mut buffer)?;
            joiner.join(&buffer, |trajectory| {
                paths.count(trajectory, &clocks);
                each(trajectory, &clocks);
            });
        }
        Ok(Joined {
            paths: paths.summary(&self.elements),
            counts: joiner.counts(),
            elements: std::mem::take(&mut self.elements),
            clocks,
        })
    }

    /// How far clocks are apart, from as many parts as are enough.
    fn clocks(
        &self,
        topology: &Topology,
        buffer: &mut Vec<Observation>,
    ) -> Result<Clocks, CollectError> {
        let (mut delays, mut seen) = (Delays::default(), 0);
        for part in &self.parts {
            if seen >= ENOUGH_FOR_CLOCKS {
                break;
            }
            part.read(buffer)?;
            measure(buffer, topology, &mut delays);
            seen += buffer.len();
        }
        Ok(delays.clocks(self.elements.len()))
    }
}

impl Part {
    /// Reads and sorts what was written.
    fn read(&self, into: &mut Vec<Observation>) -> Result<(), CollectError> {
        let mut bytes = Vec::new();
        File::open(&self.file)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|e| io_error(&self.file, e))?;
        into.clear();
        let (chunks, rest) = bytes.as_chunks::<{ Observation::BYTES }>();
        let changed = || CollectError::Changed(self.file.clone());
        for chunk in chunks {
            into.push(Observation::from_bytes(chunk).ok_or_else(changed)?);
        }
        if !rest.is_empty() {
            return Err(changed());
        }
        sort(into);
        Ok(())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        for part in &self.parts {
            // What cannot be removed is no more than a file too many.
            let _ = fs::remove_file(&part.file);
        }
    }
}

fn io_error(file: &Path, source: io::Error) -> CollectError {
    let file = file.to_owned();
    CollectError::Io { file, source }
}
