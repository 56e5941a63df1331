//! Lists the files of `p4/include`, so that the library carries them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = manifest.join("../include");
    println!("cargo::rerun-if-changed=../include");
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, "", &mut files)?;
    }
    files.sort();
    let mut out = String::from(
        "/// Path below `p4/include` and text of each embedded file, sorted by path.\n\
         pub const FILES: &[(&str, &str)] = &[\n",
    );
    for (name, path) in files {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "    ({name:?}, include_str!({path:?})),");
    }
    out.push_str("];\n");
    fs::write(
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("embedded.rs"),
        out,
    )
}

/// All `.p4` files below `dir`, as (path below the root with `/`, absolute path).
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            println!("cargo::rerun-if-changed={}", entry.path().display());
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else if name.ends_with(".p4") {
            println!("cargo::rerun-if-changed={}", entry.path().display());
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
