//! `trisect collect`.

use super::args::Collect;
use super::table::{paths, table};
use super::{Ended, print, print_json};
use serde::Serialize;
use std::time::Duration;
use trisect::records::{self, Counts, Place};
use trisect_sample::PathCount;

/// What the collector tells programs.
#[derive(Serialize)]
struct Answer<'a> {
    records: u64,
    duplicates: u64,
    contradictions: u64,
    trajectories: u64,
    whole: u64,
    #[serde(flatten)]
    counts: Counts,
    paths: &'a [PathCount],
    clocks: Vec<Clock>,
}

/// How far an element's clock is ahead of the first element's.
#[derive(Serialize)]
struct Clock {
    element: String,
    offset_ns: i64,
    error_ns: i64,
}

/// Collects, joins, reports.
pub fn main(args: &Collect) -> anyhow::Result<Ended> {
    let places: Vec<Place> = args.sources.iter().map(|s| Place::parse(s)).collect();
    let collected = records::collect(
        &places,
        Duration::from_secs(args.idle),
        args.parquet.as_deref(),
    )?;
    let joined = &collected.joined;
    let elements = 1..u16::try_from(joined.elements.len()).unwrap_or(u16::MAX);
    let clocks: Vec<Clock> = elements
        .filter_map(|element| {
            let offset = joined.clocks.offset(0, element)?;
            Some(Clock {
                element: joined.elements.name(element).to_owned(),
                offset_ns: offset.offset_ns,
                error_ns: offset.error_ns,
            })
        })
        .collect();
    let answer = Answer {
        records: joined.counts.observations,
        duplicates: joined.counts.duplicates,
        contradictions: joined.counts.contradictions,
        trajectories: joined.counts.trajectories,
        whole: joined.counts.whole,
        counts: collected.counts,
        paths: &joined.paths,
        clocks,
    };
    if args.json {
        print_json(&answer)?;
    } else {
        print(&text(&answer, joined.elements.name(0)))?;
    }
    Ok(Ended::Well)
}

fn text(answer: &Answer<'_>, first: &str) -> String {
    let mut out = format!(
        "Records: {}, {} of them twice ({} with other contents), {} lost\nSampled trajectories: {}, {} of them whole\n",
        answer.records,
        answer.duplicates,
        answer.contradictions,
        answer.counts.lost_records,
        answer.trajectories,
        answer.whole,
    );
    if answer.counts.bad_datagrams + answer.counts.unknown_sets > 0 {
        out.push_str(&format!(
            "Not understood: {} datagrams, {} sets without template\n",
            answer.counts.bad_datagrams, answer.counts.unknown_sets
        ));
    }
    out.push_str(&paths(answer.paths));
    if !answer.clocks.is_empty() {
        out.push_str(&format!("\nClocks ahead of {first}\n"));
        let rows = answer.clocks.iter().map(|c| {
            vec![
                c.element.clone(),
                format!("{} ns", c.offset_ns),
                format!("{} ns", c.error_ns),
            ]
        });
        out.push_str(&table(&["ELEMENT", "AHEAD", "AT MOST WRONG BY"], rows));
    }
    out
}
