//! Runs `tests/filetests/*.tri`: programs in text form with what they should do.
//!
//! A file is a program; its comments hold directives, each followed by the output that is expected
//! as lines of `; | `. `BLESS=1 cargo test -p trisect-interp --test filetests` writes the output
//! that is found into the files.
//!
//! | directive | output |
//! |-----------|--------|
//! | `; test: parse` | `ok`, or the error with line and column; what is read also prints back |
//! | `; test: verify` | `ok`, or the violations |
//! | `; test: print` | the program as it prints |
//! | `; test: fold`, `prune_parser`, `unreachable`, `dead_metadata` | the transformed program |
//! | `; test: clean`, `live`, `flow_invariance` | a line per node |
//! | `; test: run` | a fresh interpreter |
//! | `; show $a $b` | nothing; packets show this metadata from here on |
//! | `; trace` | nothing; packets show their way from here on |
//! | `; packet port=1 time=100 bytes=0a0b 0c [$x=8w0x1]` | what becomes of it |
//! | `; state time=100` | the state at that time |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use trisect_interp::{EntryRef, Interpreter, Outcome, Packet, Trace, reason_text};
use trisect_ir::state::{Cell, State};
use trisect_ir::{Bits, MetaId, Program, analysis, diag, text, transform, verify};

#[test]
fn filetests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filetests");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "tri"))
        .collect();
    files.sort();
    assert!(
        files.len() >= 25,
        "only {} files in {folder:?}",
        files.len()
    );
    let bless = std::env::var_os("BLESS").is_some();
    let mut failures = String::new();
    for path in &files {
        let source = std::fs::read_to_string(path).unwrap();
        let found = answer(&source);
        if found == source {
            continue;
        }
        if bless {
            std::fs::write(path, found).unwrap();
            continue;
        }
        let line = found.lines().zip(source.lines()).position(|(a, b)| a != b);
        let line = line.unwrap_or_else(|| found.lines().count().min(source.lines().count()));
        writeln!(
            failures,
            "{}:{}:\n  expected {}\n  found    {}",
            path.display(),
            line + 1,
            source.lines().nth(line).unwrap_or("(end)"),
            found.lines().nth(line).unwrap_or("(end)"),
        )
        .unwrap();
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// The file with the output that is found in place of the one that is expected.
fn answer(source: &str) -> String {
    let mut session = Session {
        source,
        program: text::read("file", source),
        interpreter: None,
        show: Vec::new(),
        trace: false,
    };
    let mut out = String::new();
    let mut directives = 0;
    for line in source.lines().filter(|l| !l.starts_with("; |")) {
        out.push_str(line);
        out.push('\n');
        let Some(directive) = line.strip_prefix("; ") else {
            continue;
        };
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let output = match word {
            "test:" => session.test(rest),
            "show" => session.show(rest),
            "trace" if rest.is_empty() => session.trace(),
            "packet" => session.packet(rest),
            "state" => session.state(rest),
            _ => continue,
        };
        directives += 1;
        for line in output.lines() {
            out.push_str(format!("; | {line}").trim_end());
            out.push('\n');
        }
    }
    assert!(directives > 0, "a file without directives:\n{source}");
    out
}

struct Session<'a> {
    source: &'a str,
    program: Result<Program, Box<diag::Diagnostic>>,
    interpreter: Option<Interpreter>,
    show: Vec<MetaId>,
    trace: bool,
}

impl Session<'_> {
    fn program(&self) -> &Program {
        match &self.program {
            Ok(program) => program,
            Err(error) => panic!("{}", error.render(self.source)),
        }
    }

    fn test(&mut self, what: &str) -> String {
        match what {
            "parse" => self.parse(),
            "verify" => match verify(self.program()) {
                Ok(()) => "ok".to_owned(),
                Err(errors) => errors.to_string(),
            },
            "print" => self.program().to_string(),
            "fold" => self.transformed(transform::fold_constants),
            "prune_parser" => self.transformed(transform::prune_parser),
            "unreachable" => self.transformed(transform::remove_unreachable),
            "dead_metadata" => self.transformed(|p| {
                transform::remove_dead_metadata(p, &BTreeSet::new());
                transform::remove_unused_metas(p, &BTreeSet::new());
            }),
            "clean" => self.clean(),
            "live" => self.live(),
            "flow_invariance" => self.flow_invariance(),
            "run" => {
                verify(self.program()).unwrap();
                self.interpreter = Some(Interpreter::new(self.program()));
                String::new()
            }
            _ => panic!("there is no test `{what}`"),
        }
    }

    fn parse(&self) -> String {
        match &self.program {
            Ok(program) => {
                let printed = program.to_string();
                assert_eq!(text::read("printed", &printed).unwrap(), *program);
                "ok".to_owned()
            }
            Err(error) => {
                let (line, column) = diag::line_column(self.source, error.span.start);
                format!("{line}:{column}: {error}")
            }
        }
    }

    fn transformed(&self, transform: impl Fn(&mut Program)) -> String {
        let mut program = self.program().clone();
        verify(&program).unwrap();
        transform(&mut program);
        verify(&program).unwrap();
        program.to_string()
    }

    fn by_node(&self, line: impl Fn(trisect_ir::NodeId) -> String) -> String {
        let nodes = self.program().control.nodes.iter();
        nodes
            .map(|(id, node)| format!("{}: {}\n", node.name, line(id)))
            .collect()
    }

    fn clean(&self) -> String {
        let clean = analysis::clean(self.program());
        self.by_node(|id| match &clean.before[id] {
            analysis::Headers {
                dirty: Some(why), ..
            } => format!("dirty, {why}"),
            analysis::Headers { written: true, .. } => "clean, written".to_owned(),
            analysis::Headers { .. } => "clean".to_owned(),
        })
    }

    fn live(&self) -> String {
        let live = analysis::liveness(self.program());
        self.by_node(|id| {
            let metas = live.before[id].metas.iter();
            let names = metas.map(|m| format!("${}", self.program().metas[*m].name));
            names.collect::<Vec<_>>().join(" ")
        })
    }

    fn flow_invariance(&self) -> String {
        let fields = analysis::standard_flow_fields(self.program());
        let result = analysis::FlowInvariance::new(self.program(), &fields);
        self.by_node(|id| {
            let say = |varies: bool| if varies { "varies" } else { "same" };
            let (outcome, reach) = (result.outcome_varies[id], result.reach_varies[id]);
            format!("outcome {}, reached {}", say(outcome), say(reach))
        })
    }

    fn show(&mut self, names: &str) -> String {
        self.show = names.split_whitespace().map(|n| self.meta(n)).collect();
        String::new()
    }

    fn trace(&mut self) -> String {
        self.trace = true;
        String::new()
    }

    fn meta(&self, name: &str) -> MetaId {
        let plain = name.strip_prefix('$').unwrap();
        let found = self.program().meta_named(plain);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn packet(&mut self, text: &str) -> String {
        let mut packet = Packet::new(0, 0, Vec::new());
        let mut hex = String::new();
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("port", port)) => packet.port = port.parse().unwrap(),
                Some(("time", time)) => packet.time_ns = time.parse().unwrap(),
                Some(("bytes", bytes)) => hex.push_str(bytes),
                Some((name, value)) => {
                    let value: Bits = value.parse().unwrap();
                    packet = packet.with_metadata(self.meta(name), value);
                }
                None => hex.push_str(word),
            }
        }
        packet.bytes = (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect();
        let interpreter = self
            .interpreter
            .as_mut()
            .expect("`; test: run` comes first");
        let (outcome, trace) = interpreter.run_traced(packet);
        self.outcome(&outcome, &trace)
    }

    fn outcome(&self, outcome: &Outcome, trace: &Trace) -> String {
        let program = self.program();
        let mut out = String::new();
        if self.trace {
            writeln!(out, "{}", way(program, trace)).unwrap();
        }
        match outcome {
            Outcome::Emit { port, bytes, .. } => {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                write!(out, "emit port={port} bytes={hex}").unwrap();
            }
            Outcome::Drop { reason, .. } => {
                write!(out, "drop {reason} ({})", reason_text(program, *reason)).unwrap();
            }
        }
        for meta in &self.show {
            let value = &outcome.metadata()[*meta];
            write!(out, " ${}={value}", program.metas[*meta].name).unwrap();
        }
        out
    }

    fn state(&mut self, text: &str) -> String {
        let time = text.strip_prefix("time=").unwrap().parse().unwrap();
        let interpreter = self
            .interpreter
            .as_ref()
            .expect("`; test: run` comes first");
        state_text(&interpreter.state(time))
    }
}

/// Parser states, then nodes with their hits.
fn way(program: &Program, trace: &Trace) -> String {
    let states = trace
        .states
        .iter()
        .map(|s| program.parser.states[*s].name.clone());
    let steps = trace.steps.iter().map(|step| {
        let name = &program.control.nodes[step.node].name;
        let Some(hit) = &step.hit else {
            return name.clone();
        };
        let entry = match hit.entry {
            Some(EntryRef::Static(i)) => format!("entry {i}"),
            Some(EntryRef::Flow) => "flow".to_owned(),
            None => "miss".to_owned(),
        };
        format!("{name}({entry}: {})", program.actions[hit.action].name)
    });
    let states: Vec<_> = states.collect();
    let steps: Vec<_> = steps.collect();
    format!("{} | {}", states.join(" "), steps.join(" "))
}

fn state_text(state: &State) -> String {
    let cell = |c: &Cell| String::from(c.clone());
    let mut out = String::new();
    for (name, flows) in &state.flows {
        for (key, flow) in flows {
            let args: Vec<_> = flow.args.iter().map(Bits::to_string).collect();
            let call = format!("{}({})", flow.action, args.join(", "));
            let (last, timeout) = (flow.last_hit_ns, flow.timeout_ns);
            writeln!(out, "{name} {key} -> {call} last={last} timeout={timeout}").unwrap();
        }
    }
    for (name, cells) in &state.counters {
        for (c, count) in cells {
            let (packets, bytes) = (count.packets, count.bytes);
            writeln!(out, "{name} {} packets={packets} bytes={bytes}", cell(c)).unwrap();
        }
    }
    for (name, cells) in &state.registers {
        for (i, value) in cells {
            writeln!(out, "{name} [{i}] {value}").unwrap();
        }
    }
    for (name, cells) in &state.meters {
        for (c, m) in cells {
            let (committed, peak) = (m.committed, m.peak);
            let last = m.last_ns;
            let cell = cell(c);
            writeln!(
                out,
                "{name} {cell} committed={committed} peak={peak} last={last}"
            )
            .unwrap();
        }
    }
    for (name, numbers) in &state.allocators {
        for (number, last) in numbers {
            writeln!(out, "{name} {number} last={last}").unwrap();
        }
    }
    for (name, messages) in &state.messages {
        for message in messages {
            let values: Vec<_> = message.iter().map(Bits::to_string).collect();
            writeln!(out, "{name} ({})", values.join(", ")).unwrap();
        }
    }
    for (name, draws) in &state.draws {
        writeln!(out, "{name} draws={draws}").unwrap();
    }
    if out.is_empty() {
        out.push_str("nothing");
    }
    out
}
