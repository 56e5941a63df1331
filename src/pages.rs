//! The pages of the diagnostic codes (`docs/errors/E0123.md`).

const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// The page of a code such as `E0206`, in Markdown; upper or lower case.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(code))
        .map(|(_, text)| *text)
}

/// All codes that have a page, in order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}
