//! `trisect calibrate`.

use super::args::Calibrate;
use super::profile::write;
use super::{Ended, print, print_json};
use serde_json::json;
use trisect::measure;
use trisect::problems::{NO_SUCH_NAME, Problems, RACK_FAILED};
use trisect_ir::diag::Span;
use trisect_ir::toml_text::{Step, span_at};
use trisect_policy::Rack;

/// Measures, and writes into a rack file or prints.
pub fn main(args: &Calibrate) -> anyhow::Result<Ended> {
    if !measure::optimised() {
        super::complain(
            "warning: this build is not optimised; figures are those of its own code\n",
        );
    }
    // The rack is read first: measuring takes a moment.
    let rack = match (&args.rack, &args.server) {
        (Some(file), Some(server)) => Some((file, read(file)?, server)),
        _ => None,
    };
    let place = match &rack {
        Some((file, text, server)) => Some(places(&file.display().to_string(), text, server)?),
        None => None,
    };
    let failed = |error: trisect_host::CompileError| {
        let help = "compiled code needs a machine that Cranelift generates code for";
        Problems::error(
            RACK_FAILED,
            "this machine cannot be measured",
            error.to_string(),
            help,
        )
    };
    let ghz = (measure::clock_ghz().map_err(failed)? * 100.0).round() / 100.0;
    let nanoseconds = measure::io_nanoseconds().map_err(failed)?;
    let io_cycles = (nanoseconds * ghz).round().max(1.0) as u64;
    let mut written = None;
    if let (Some((file, text, _)), Some([clock, cycles])) = (&rack, place) {
        write(
            file,
            &replaced(text, clock, &decimal(ghz), cycles, &io_cycles.to_string()),
        )?;
        written = Some(file.display().to_string());
    }
    if args.json {
        print_json(&json!({ "ghz": ghz, "io_cycles": io_cycles, "written": written }))?;
    } else {
        print(&format!("ghz = {}\nio_cycles = {io_cycles}", decimal(ghz)))?;
        if let Some(file) = written {
            print(&format!("wrote {file}"))?;
        }
    }
    Ok(Ended::Well)
}

/// TOML wants a point in a number that is not whole by nature.
fn decimal(value: f64) -> String {
    format!("{value:?}")
}

fn read(file: &std::path::Path) -> Result<String, Problems> {
    let help = "name a rack description with --rack";
    std::fs::read_to_string(file).map_err(|error| Problems::unreadable(file, &error, help))
}

/// Where the clock and the I/O cycles of a server stand in the text of a rack.
fn places(file: &str, text: &str, server: &str) -> Result<[Span; 2], Problems> {
    let rack = Rack::from_toml(text, file).map_err(|found| Problems::of(found, file, text))?;
    let Some(index) = rack.servers.iter().position(|s| s.name == server) else {
        let known: Vec<&str> = rack.servers.iter().map(|s| s.name.as_str()).collect();
        let message = format!("the rack has no server `{server}`");
        let help = format!("its servers are {}", known.join(", "));
        return Err(Problems::error(NO_SUCH_NAME, message, "", help));
    };
    let place = |key| {
        span_at(
            text,
            &[Step::Key("server"), Step::Index(index), Step::Key(key)],
        )
    };
    Ok([place("ghz"), place("io_cycles")])
}

/// The text with two values replaced; all else, comments too, stays as it is.
fn replaced(text: &str, clock: Span, ghz: &str, cycles: Span, io_cycles: &str) -> String {
    let mut edits = [(clock, ghz), (cycles, io_cycles)];
    edits.sort_by_key(|(span, _)| *span);
    let mut out = String::new();
    let mut from = 0;
    for (span, value) in edits {
        out.push_str(text.get(from..span.start as usize).unwrap_or_default());
        out.push_str(value);
        from = span.end as usize;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
