//! Running packet tests.
//!
//! A script runs once per engine, from the program's initial state. Statements run in order; what leaves is
//! gathered by port and compared at the end, so that an `expect` may stand before or behind the `packet`
//! that it belongs to. Per port, packets are expected in the order of the script, and as many as
//! leave. Ports that the script does not name are not looked at.
//!
//! Time is the script's: it starts at a millisecond, and goes on by a millisecond with each packet and by a
//! second with each `wait`.

mod compare;
mod messages;
mod report;
#[cfg(test)]
mod tests;

use crate::codes::{CANNOT_RUN, LOOP};
use crate::control::{Answer, Control};
use crate::engine::EngineKind;
use crate::stf::{Command, Pattern, Script, Statement};
use crate::switch::{CompiledV1, Switch, SwitchError};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::diag::{Diagnostic, Span};
use trisect_ir::state::State;

use messages::Messages;

pub use report::{Arrival, Check, Expectation, Note, Report, Run};

const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// Runs a script on each of the engines, and compares them with the script and with each other.
///
/// # Errors
///
/// If a command of the script cannot be carried out, or the program cannot be run: then nothing is
/// known about the packets.
pub fn run_script(
    script: &Script,
    compiled: &CompiledV1,
    engines: &[EngineKind],
) -> Result<Report, Vec<Diagnostic>> {
    let mut runs = Vec::new();
    for &engine in engines {
        let player = Player::new(script, compiled, engine)?;
        runs.push(player.play()?);
    }
    let disagreements = compare::disagreements(&runs);
    let runs: Vec<Run> = runs
        .into_iter()
        .map(|played| played.judge(script))
        .collect();
    Ok(Report {
        script: script.file.to_string(),
        passed: disagreements.is_empty() && runs.iter().all(|run| run.passed),
        runs,
        disagreements,
    })
}

/// Plays a script on one engine.
struct Player<'a> {
    script: &'a Script,
    engine: EngineKind,
    switch: Switch,
    control: Control,
    messages: Messages,
    now_ns: u64,
    played: Played,
}

/// What happened.
struct Played {
    engine: EngineKind,
    /// Everything that left, in order.
    sent: Vec<Arrival>,
    checks: Vec<Check>,
    notes: Vec<Note>,
    state: State,
}

impl<'a> Player<'a> {
    fn new(
        script: &'a Script,
        compiled: &CompiledV1,
        engine: EngineKind,
    ) -> Result<Self, Vec<Diagnostic>> {
        let switch = Switch::new(compiled, engine)
            .map_err(|error| vec![stopped(script, engine, Span::default(), &error)])?;
        Ok(Self {
            script,
            engine,
            switch,
            control: Control::new(script),
            messages: Messages::new(&compiled.program),
            now_ns: 0,
            played: Played {
                engine,
                sent: Vec::new(),
                checks: Vec::new(),
                notes: Vec::new(),
                state: State::default(),
            },
        })
    }

    /// Commands that cannot be carried out are all reported; the first packet after one ends the run.
    fn play(mut self) -> Result<Played, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        for statement in &self.script.statements {
            let packet = matches!(statement.command, Command::Packet { .. });
            if packet && !errors.is_empty() {
                break;
            }
            if let Err(error) = self.statement(statement) {
                errors.push(*error);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        self.played.state = self.switch.state();
        Ok(self.played)
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Box<Diagnostic>> {
        match &statement.command {
            Command::Packet { port, data } => self.packet(statement, *port, data),
            Command::Wait => {
                self.now_ns += SECOND_NS;
                Ok(())
            }
            Command::NoPacket => {
                self.no_packet(statement);
                Ok(())
            }
            // Compared when everything has left.
            Command::Expect { .. } => Ok(()),
            command => {
                let line = statement.line;
                match self.control.run(command, &mut self.switch)? {
                    Answer::Done => {}
                    Answer::Read(found) => self.played.notes.push(Note {
                        line,
                        text: format!("{command}: {found}"),
                    }),
                    Answer::Compared(ok, found) => self.played.checks.push(Check {
                        line,
                        statement: command.to_string(),
                        ok,
                        found,
                    }),
                }
                Ok(())
            }
        }
    }

    fn packet(
        &mut self,
        statement: &Statement,
        port: u16,
        data: &[u8],
    ) -> Result<(), Box<Diagnostic>> {
        self.now_ns += MILLISECOND_NS;
        let sent = self
            .switch
            .process(port, self.now_ns, data)
            .map_err(|error| Box::new(stopped(self.script, self.engine, statement.span, &error)))?;
        for packet in sent {
            self.played.sent.push(Arrival {
                packet_line: statement.line,
                port: packet.port,
                bytes: packet.bytes,
            });
        }
        self.hear(statement);
        Ok(())
    }

    /// Takes down what the program said about a packet. An assertion that does not hold fails the test.
    fn hear(&mut self, statement: &Statement) {
        let switch = &self.switch;
        let line = statement.line;
        for message in self.messages.new_ones(switch.program(), || switch.state()) {
            if message.wrong {
                self.played.checks.push(Check {
                    line,
                    statement: message.text,
                    ok: false,
                    found: "the packet for which it does not".to_owned(),
                });
            } else {
                let text = message.text;
                self.played.notes.push(Note { line, text });
            }
        }
    }

    /// Nothing may have left because of the packet before.
    fn no_packet(&mut self, statement: &Statement) {
        let before = self
            .script
            .statements
            .iter()
            .rev()
            .find(|s| s.line < statement.line && matches!(s.command, Command::Packet { .. }));
        let Some(packet) = before else {
            return;
        };
        let left = self
            .played
            .sent
            .iter()
            .filter(|a| a.packet_line == packet.line);
        let ports: Vec<String> = left.map(|a| a.port.to_string()).collect();
        let found = match ports.as_slice() {
            [] => "nothing left".to_owned(),
            _ => format!(
                "the packet of line {} left on port {}",
                packet.line,
                ports.join(", ")
            ),
        };
        self.played.checks.push(Check {
            line: statement.line,
            statement: statement.command.to_string(),
            ok: ports.is_empty(),
            found,
        });
    }
}

/// What ended a run.
fn stopped(script: &Script, engine: EngineKind, span: Span, error: &SwitchError) -> Diagnostic {
    let (code, help) = match error {
        SwitchError::Loop | SwitchError::TooLong => (
            LOOP,
            "look for a resubmit, recirculate or clone that is called for its own copies, too: \
             instance_type tells them apart",
        ),
        _ => (
            CANNOT_RUN,
            "the message says what of the program it is; run with the other engine to see whether it \
             is that one alone",
        ),
    };
    Diagnostic::error(
        code,
        script.file.clone(),
        span,
        format!("{engine}: {error}"),
    )
    .help(help)
}

impl Played {
    /// Compares with the script.
    fn judge(self, script: &Script) -> Run {
        let mut wanted: BTreeMap<u16, Vec<(u32, Option<&Pattern>)>> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for statement in &script.statements {
            match &statement.command {
                Command::Expect { port, pattern } => {
                    let line = statement.line;
                    wanted
                        .entry(*port)
                        .or_default()
                        .push((line, pattern.as_ref()));
                    named.insert(*port);
                }
                Command::Packet { port, .. } => {
                    named.insert(*port);
                }
                _ => {}
            }
        }
        let mut expectations = Vec::new();
        let mut unexpected = Vec::new();
        let mut arrived: BTreeMap<u16, Vec<&Arrival>> = BTreeMap::new();
        for arrival in &self.sent {
            arrived.entry(arrival.port).or_default().push(arrival);
        }
        for port in &named {
            let arrived = arrived.remove(port).unwrap_or_default();
            let wanted = wanted.remove(port).unwrap_or_default();
            for (at, (line, pattern)) in wanted.iter().enumerate() {
                let found = arrived.get(at).copied();
                expectations.push(compare::expectation(*line, *port, *pattern, found));
            }
            unexpected.extend(arrived.into_iter().skip(wanted.len()).cloned());
        }
        expectations.sort_by_key(|e| e.line);
        unexpected.sort_by_key(|a| a.packet_line);
        let mut notes = self.notes;
        for (port, arrived) in &arrived {
            for arrival in arrived {
                notes.push(Note {
                    line: arrival.packet_line,
                    text: format!(
                        "a packet of {} bytes left on port {port}, which the test does not name",
                        arrival.bytes.len()
                    ),
                });
            }
        }
        notes.sort_by_key(|note| note.line);
        let passed = unexpected.is_empty()
            && expectations.iter().all(|e| e.ok)
            && self.checks.iter().all(|c| c.ok);
        Run {
            engine: self.engine,
            passed,
            expectations,
            unexpected,
            checks: self.checks,
            notes,
            state: self.state,
        }
    }
}
