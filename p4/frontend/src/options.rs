//! What the front end is told besides the program.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where includes come from and what is defined.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folders searched for includes, in order.
    pub include_dirs: Vec<PathBuf>,
    /// Files given in memory, by the path an `#include` names; searched after the folders.
    pub files: BTreeMap<String, String>,
    /// Whether the files that come with Trisect (`core.p4`, `v1model.p4`, ...) are found, last.
    pub embedded: bool,
    /// Macros defined from the start, name and text, as `-D` of other compilers. A name may carry
    /// parameters: `("F(x)", "x + 1")`.
    pub defines: Vec<(String, String)>,
    /// Macros that are not defined after all, as `-U` of other compilers.
    pub undefines: Vec<String>,
    /// A P4 file, name and text, whose functions are the bodies of the program's extern functions.
    pub extern_model: Option<(String, String)>,
    /// Errors after which the rest is not looked at.
    pub max_errors: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            include_dirs: Vec::new(),
            files: BTreeMap::new(),
            embedded: true,
            defines: Vec::new(),
            undefines: Vec::new(),
            extern_model: None,
            max_errors: 50,
        }
    }
}

impl Options {
    /// The options with one more include folder.
    #[must_use]
    pub fn with_include_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.include_dirs.push(dir.into());
        self
    }

    /// The options with one more file in memory.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// The options with bodies for extern functions.
    #[must_use]
    pub fn with_extern_model(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.extern_model = Some((name.into(), text.into()));
        self
    }

    /// The options with one more macro.
    #[must_use]
    pub fn with_define(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.defines.push((name.into(), text.into()));
        self
    }

    /// The options with one macro taken out of those defined.
    #[must_use]
    pub fn with_undefine(mut self, name: impl Into<String>) -> Self {
        self.undefines.push(name.into());
        self
    }
}
