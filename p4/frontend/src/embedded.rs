//! The P4 sources that come with Trisect, compiled into the library.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The text of an embedded file, by its path below `p4/include`, e.g. `core.p4`.
#[must_use]
pub fn find(path: &str) -> Option<&'static str> {
    let at = FILES.binary_search_by_key(&path, |(name, _)| name).ok()?;
    FILES.get(at).map(|(_, text)| *text)
}
