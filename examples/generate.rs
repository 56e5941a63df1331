//! Writes the generated parts of the bundled examples: ACLs, routes, patterns and traffic.
//!
//!     cargo run --example generate [-- DIR]      # DIR: where the examples lie, default examples/
//!
//! Everything comes from fixed seeds, so that the same files come out on every machine.

#[path = "generate/rng.rs"]
mod rng;
#[path = "generate/tables.rs"]
mod tables;
#[path = "generate/traffic.rs"]
mod traffic;

use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let root = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("examples"), PathBuf::from);
    for (name, bytes) in files()? {
        let path = root.join(&name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&path, bytes)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// All generated files by their path below the examples' folder.
pub fn files() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![
        (
            "central-office/acl.entries".to_owned(),
            tables::acl(500).into_bytes(),
        ),
        (
            "central-office/routes.entries".to_owned(),
            tables::routes(10_000).into_bytes(),
        ),
        (
            "central-office/ids.patterns".to_owned(),
            tables::patterns(200).into_bytes(),
        ),
    ];
    for (port, packets) in traffic::central_office()
        .into_iter()
        .chain(traffic::l3_firewall())
        .chain(traffic::nat_lb())
        .chain(traffic::v1model())
    {
        files.push((port, traffic::capture(&packets)?));
    }
    Ok(files)
}
