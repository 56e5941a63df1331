//! Source files and positions in them.
//!
//! Every token keeps the place it was written at: a byte range of one file. Text that comes out of
//! a macro has the range of the macro's use, so that a message always points at what somebody typed.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Name shown in front of embedded files.
pub(crate) const EMBEDDED_PREFIX: &str = "<trisect>/";

/// One file (or string) known to a [`SourceMap`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FileId(pub u32);

/// A byte range of one source file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub lo: u32,
    /// One past the last byte.
    pub hi: u32,
}

impl Span {
    /// The range `lo..hi` of `file`.
    #[must_use]
    pub fn new(file: FileId, lo: u32, hi: u32) -> Self {
        Self { file, lo, hi }
    }

    /// The smallest range that covers both; `self` alone if they lie in different files.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self {
            file: self.file,
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
        }
    }

    /// The empty range just behind this one: where something is missing.
    #[must_use]
    pub fn end(self) -> Self {
        Self {
            lo: self.hi,
            ..self
        }
    }

    /// As a range of byte offsets.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.lo as usize..self.hi as usize
    }
}

/// A `#line` directive: from `offset` on, lines count from `line` in the file `name`.
#[derive(Clone, Debug)]
struct LineMark {
    offset: usize,
    line: usize,
    /// The name in force, also if it was given by an earlier directive.
    name: Option<String>,
}

#[derive(Clone, Debug)]
struct SourceFile {
    name: String,
    text: String,
    line_starts: Vec<usize>,
    /// In the order of their offsets.
    marks: Vec<LineMark>,
}

impl SourceFile {
    fn line_index(&self, offset: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1)
    }

    fn mark_before(&self, offset: usize) -> Option<&LineMark> {
        let behind = self.marks.partition_point(|mark| mark.offset <= offset);
        self.marks.get(behind.checked_sub(1)?)
    }

    /// The name to tell the user for what stands at `offset`, `#line` respected.
    fn shown_name(&self, offset: usize) -> &str {
        let marked = self.mark_before(offset).and_then(|mark| mark.name.as_ref());
        marked.unwrap_or(&self.name)
    }

    /// The line number (from 1) to tell the user, `#line` respected.
    fn shown_line(&self, line_index: usize) -> usize {
        let start = self
            .line_starts
            .get(line_index)
            .copied()
            .unwrap_or(self.text.len());
        match self.mark_before(start) {
            // Some preprocessors begin with a line 0; nothing that is shown stands there.
            Some(mark) => {
                let behind = line_index.saturating_sub(self.line_index(mark.offset));
                mark.line.saturating_add(behind).max(1)
            }
            None => line_index + 1,
        }
    }
}

/// A position to show to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// File name as given or as found on the include path (or named by `#line`).
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// All files read in one run of the front end.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file and gives its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        self.files.push(SourceFile {
            name: name.into(),
            text,
            line_starts,
            marks: Vec::new(),
        });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// The last file of this name that was added.
    pub(crate) fn find(&self, name: &str) -> Option<FileId> {
        let at = self.files.iter().rposition(|file| file.name == name)?;
        u32::try_from(at).ok().map(FileId)
    }

    /// Records that the line beginning at `offset` of `file` is line `line` of `name` (`#line`), or of the
    /// file named before if no name is given. Marks are recorded in the order of their offsets; those of a
    /// file that is read again are known already.
    pub fn mark_line(&mut self, file: FileId, offset: usize, line: usize, name: Option<String>) {
        let Some(file) = self.files.get_mut(file.0 as usize) else {
            return;
        };
        let last = file.marks.last();
        if last.is_none_or(|last| last.offset < offset) {
            let name = name.or_else(|| last?.name.clone());
            file.marks.push(LineMark { offset, line, name });
        }
    }

    /// The name of a file, empty if the id is unknown.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files
            .get(file.0 as usize)
            .map_or("", |file| file.name.as_str())
    }

    /// The path below `p4/include` of a file that comes with Trisect.
    #[must_use]
    pub fn embedded(&self, file: FileId) -> Option<&str> {
        self.name(file).strip_prefix(EMBEDDED_PREFIX)
    }

    /// The text of a file, empty if the id is unknown.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        self.files
            .get(file.0 as usize)
            .map_or("", |file| file.text.as_str())
    }

    /// The text a span covers, empty if it lies outside.
    #[must_use]
    pub fn snippet(&self, span: Span) -> &str {
        self.text(span.file).get(span.range()).unwrap_or("")
    }

    /// The name to tell the user for the file of a span, `#line` respected.
    #[must_use]
    pub fn shown_name(&self, span: Span) -> &str {
        self.files
            .get(span.file.0 as usize)
            .map_or("", |file| file.shown_name(span.lo as usize))
    }

    /// File, line and column of the start of a span, `#line` respected.
    #[must_use]
    pub fn location(&self, span: Span) -> Location {
        let Some(file) = self.files.get(span.file.0 as usize) else {
            return Location {
                file: String::new(),
                line: 0,
                column: 0,
            };
        };
        let offset = (span.lo as usize).min(file.text.len());
        let index = file.line_index(offset);
        let start = file.line_starts.get(index).copied().unwrap_or(0);
        let before = file.text.get(start..offset);
        Location {
            file: file.shown_name(offset).to_owned(),
            line: file.shown_line(index),
            column: before.map_or(0, |before| before.chars().count()) + 1,
        }
    }
}

/// Sources as the renderer of diagnostics sees them: `#line` lets one file appear under several names, and
/// the renderer shows one name per file, so a file is known here by its id and a place in it.
pub(crate) struct Shown<'a>(pub(crate) &'a SourceMap);

impl Shown<'_> {
    fn file(&self, id: FileId) -> Result<&SourceFile, codespan_reporting::files::Error> {
        self.0
            .files
            .get(id.0 as usize)
            .ok_or(codespan_reporting::files::Error::FileMissing)
    }
}

impl<'a> codespan_reporting::files::Files<'a> for Shown<'a> {
    type FileId = (FileId, &'a str);
    type Name = &'a str;
    type Source = &'a str;

    fn name(
        &'a self,
        (_, name): (FileId, &'a str),
    ) -> Result<&'a str, codespan_reporting::files::Error> {
        Ok(name)
    }

    fn source(
        &'a self,
        (id, _): (FileId, &'a str),
    ) -> Result<&'a str, codespan_reporting::files::Error> {
        Ok(&self.file(id)?.text)
    }

    fn line_index(
        &'a self,
        (id, _): (FileId, &'a str),
        offset: usize,
    ) -> Result<usize, codespan_reporting::files::Error> {
        Ok(self.file(id)?.line_index(offset))
    }

    fn line_number(
        &'a self,
        (id, _): (FileId, &'a str),
        index: usize,
    ) -> Result<usize, codespan_reporting::files::Error> {
        Ok(self.file(id)?.shown_line(index))
    }

    fn line_range(
        &'a self,
        (id, _): (FileId, &'a str),
        index: usize,
    ) -> Result<Range<usize>, codespan_reporting::files::Error> {
        let file = self.file(id)?;
        let line_too_large = codespan_reporting::files::Error::LineTooLarge {
            given: index,
            max: file.line_starts.len().saturating_sub(1),
        };
        let start = *file.line_starts.get(index).ok_or(line_too_large)?;
        let next = file.line_starts.get(index + 1).copied();
        Ok(start..next.unwrap_or(file.text.len()))
    }
}
