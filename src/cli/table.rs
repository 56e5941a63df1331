//! Tables of text.

use comfy_table::{ContentArrangement, Table, presets};
use trisect_sample::PathCount;

/// A table with a head and rows, as wide as its contents.
pub fn table<R, C>(head: &[&str], rows: R) -> String
where
    R: IntoIterator<Item = Vec<C>>,
    C: Into<String>,
{
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.to_vec());
    for row in rows {
        table.add_row(row.into_iter().map(Into::into).collect::<Vec<String>>());
    }
    let text = table.to_string();
    text.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// The ways that sampled packets took.
pub fn paths(paths: &[PathCount]) -> String {
    let micros = |ns: u64| format!("{:.2} us", ns as f64 / 1e3);
    let rows = paths.iter().map(|p| {
        vec![
            p.packets.to_string(),
            micros(p.mean_ns),
            micros(p.max_ns),
            p.path.clone(),
        ]
    });
    table(&["PACKETS", "MEAN", "MAX", "PATH"], rows)
}
