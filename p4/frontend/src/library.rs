//! The network functions that come with Trisect, compiled into the library.

/// A network function of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibraryNf {
    /// Its name, as policies call it.
    pub name: &'static str,
    /// Its P4 program.
    pub source: &'static str,
    /// Its description (`NAME.nf.toml`).
    pub description: &'static str,
}

macro_rules! network_functions {
    ($($name:literal),* $(,)?) => {
        &[$(LibraryNf {
            name: $name,
            source: include_str!(concat!("../../nf/", $name, ".p4")),
            description: include_str!(concat!("../../nf/", $name, ".nf.toml")),
        }),*]
    };
}

/// Sorted by name. A new network function is one line here beside its two files in `p4/nf`.
const LIBRARY: &[LibraryNf] = network_functions![
    "cache",
    "firewall",
    "ids",
    "l3-forwarder",
    "load-balancer",
    "monitor",
    "normaliser",
    "rate-limiter",
    "source-nat",
    "ttl",
    "tunnel-gateway",
];

/// All network functions of the library, sorted by name.
#[must_use]
pub fn library() -> &'static [LibraryNf] {
    LIBRARY
}

/// The network function of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static LibraryNf> {
    LIBRARY.iter().find(|nf| nf.name == name)
}

impl LibraryNf {
    /// Compiles it, with `options` for the defines of its parameters.
    ///
    /// # Errors
    /// As [`crate::compile_str`].
    pub fn compile(
        &self,
        options: &crate::Options,
    ) -> Result<trisect_ir::Program, Vec<trisect_ir::diag::Diagnostic>> {
        crate::compile_str(&format!("{}.p4", self.name), self.source, options)
    }
}
