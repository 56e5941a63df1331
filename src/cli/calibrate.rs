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
use trisect_policy::rack::LookUp;

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
    let look_ups = measure::look_ups(ghz)?;
    let mut written = None;
    if let (Some((file, text, server)), Some(places)) = (&rack, place) {
        let values = [decimal(ghz), io_cycles.to_string(), list(&look_ups)];
        let text = places.replaced(text, values);
        let name = file.display().to_string();
        // A server that is written in one line has no place for another.
        Rack::from_toml(&text, &name).map_err(|_| {
            let message = format!("the figures of `{server}` have no place in {name}");
            let help =
                "write the server as a [[server]] table, or copy what `trisect calibrate` prints";
            Problems::error(RACK_FAILED, message, "", help)
        })?;
        write(file, &text)?;
        written = Some(name);
    }
    if args.json {
        print_json(&json!({
            "ghz": ghz, "io_cycles": io_cycles, "look_ups": look_ups, "written": written
        }))?;
    } else {
        print(&format!(
            "ghz = {}\nio_cycles = {io_cycles}\nlook_ups = {}",
            decimal(ghz),
            list(&look_ups)
        ))?;
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

/// Look-ups as TOML.
fn list(look_ups: &[LookUp]) -> String {
    let lines = look_ups.iter().map(|l| {
        let LookUp {
            bytes,
            cycles,
            by_number,
        } = l;
        format!("    {{ bytes = {bytes}, cycles = {cycles}, by_number = {by_number} }},\n")
    });
    format!("[\n{}]", lines.collect::<String>())
}

/// Where the figures of a server stand in the text of a rack.
struct Places {
    ghz: Span,
    io_cycles: Span,
    look_ups: Option<Span>,
}

fn places(file: &str, text: &str, server: &str) -> Result<Places, Problems> {
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
    Ok(Places {
        ghz: place("ghz"),
        io_cycles: place("io_cycles"),
        look_ups: (!rack.servers[index].look_ups.is_empty()).then(|| place("look_ups")),
    })
}

impl Places {
    /// The text with clock, I/O cycles and look-ups replaced; look-ups that are new come on lines behind the I/O cycles. All
    /// else, comments too, stays as it is.
    fn replaced(&self, text: &str, [ghz, io_cycles, look_ups]: [String; 3]) -> String {
        let look_ups = match self.look_ups {
            Some(span) => (span, look_ups),
            None => {
                let from = self.io_cycles.end as usize;
                let rest = text.get(from..).unwrap_or_default();
                let end = (from + rest.find('\n').unwrap_or(rest.len())) as u32;
                (Span { start: end, end }, format!("\nlook_ups = {look_ups}"))
            }
        };
        let mut edits = [(self.ghz, ghz), (self.io_cycles, io_cycles), look_ups];
        edits.sort_by_key(|(span, _)| *span);
        let mut out = String::new();
        let mut from = 0;
        for (span, value) in edits {
            out.push_str(text.get(from..span.start as usize).unwrap_or_default());
            out.push_str(&value);
            from = span.end as usize;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }
}
