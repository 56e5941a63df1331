//! Inputs that a fuzzer found, at their smallest: each made the front end panic or hang once.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

#[path = "../fuzz/src/p4.rs"]
mod p4;

/// Does what the fuzz targets do with an input.
fn survives(text: &str) {
    p4::lex(text);
    p4::parse(text);
    p4::check(text);
}

#[test]
fn lines_may_be_numbered_from_zero_and_not_without_end() {
    survives("# 0 \"x.p4\"\nconst\n");
    survives("#line 2147483647\n\n\nconst\n");
    survives("#line 18446744073709551615\n\n\nconst\n");
}

#[test]
fn a_file_without_end_is_refused() {
    #[cfg(unix)]
    p4::lex("#include \"/dev/zero\"\n");
}
