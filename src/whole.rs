//! Programs that copy packets or send them again on a rack: the switch runs them whole, with its own
//! traffic manager between their passes.

use crate::problems::{CONTRADICTION, Problems};
use std::path::Path;
use trisect_ir::Program;
use trisect_ir::bridge::Bridge;
use trisect_ir::state::State;
use trisect_plan::plan::Plan;
use trisect_rack::{Engine, EngineError, Expected, Fate, Frame};
use trisect_target::{Artifact, Whole};
use trisect_v1model::control::Control;
use trisect_v1model::stf::{self, Command, Script};
use trisect_v1model::switch::SwitchError;
use trisect_v1model::{CompiledV1, EngineKind, Switch};

/// What becomes of a packet of which the switch sends nothing.
const NOTHING_SENT: &str = "dropped by the switch's traffic manager";
/// What becomes of a packet all of whose copies go nowhere; as in programs that are cut.
const NO_SUCH_PORT: &str = "sent to a port that the rack does not have";

/// Reads a file that says where copies go, and gives it as the commands of simple_switch's command line.
///
/// # Errors
/// What is wrong with the file; what it says beside mirror sessions and multicast groups is wrong, too.
pub fn copies(path: &Path) -> Result<String, Problems> {
    let help = "it holds mirror sessions and multicast groups";
    let (file, text) = crate::project::read(path, help)?;
    let of = |found| Problems::of(found, &file, &text);
    let script = stf::parse_named(&file, &text).map_err(of)?;
    let others = script
        .statements
        .iter()
        .filter(|s| !is_of_copies(&s.command));
    let others = others.map(|statement| {
        let message = "this says nothing of where copies go";
        trisect_ir::diag::Diagnostic::error(CONTRADICTION, &*file, statement.span, message)
            .help("write mirroring_add, mirroring_add_mc, mc_mgrp_create, mc_node_create and mc_node_associate only")
    });
    let others: Vec<_> = others.collect();
    if !others.is_empty() {
        return Err(of(others));
    }
    // That the commands go together shows when they are run.
    let mut switch = Switch::new(&empty(), EngineKind::Interpreter)
        .map_err(|error| Problems::error(CONTRADICTION, error.to_string(), "", ""))?;
    set_copies(&script, &mut switch).map_err(of)?;
    Ok(script.to_string())
}

fn is_of_copies(command: &Command) -> bool {
    matches!(
        command,
        Command::MirroringAdd { .. }
            | Command::MirroringAddMc { .. }
            | Command::McGroupCreate(_)
            | Command::McNodeCreate { .. }
            | Command::McNodeAssociate { .. }
    )
}

fn empty() -> CompiledV1 {
    CompiledV1 {
        program: Program::new("empty"),
        bridge: None,
        value_sets: Default::default(),
    }
}

fn set_copies(
    script: &Script,
    switch: &mut Switch,
) -> Result<(), Vec<trisect_ir::diag::Diagnostic>> {
    let mut control = Control::new(script);
    for statement in &script.statements {
        let done = control.run(&statement.command, switch);
        done.map_err(|found| vec![*found])?;
    }
    Ok(())
}

/// The embedded switch, from what was emitted for it.
///
/// # Errors
/// What cannot be loaded, and why.
pub(crate) fn engine(plan: &Plan, files: &[Artifact]) -> Result<Box<dyn Engine>, String> {
    let text = String::from_utf8_lossy(crate::run::file(files, trisect_bmv2::PROGRAM_FILE)?);
    let entries = crate::run::file(files, trisect_bmv2::ENTRIES_FILE)?;
    let entries = serde_json::from_slice(entries).map_err(|e| e.to_string())?;
    let commands = crate::run::file(files, trisect_bmv2::COMMANDS_FILE)?;
    let commands = String::from_utf8_lossy(commands);
    let (program, bridge) =
        trisect_bmv2::read_back_whole(&text, &entries).map_err(|e| e.to_string())?;
    let switch = WholeSwitch::new(program, bridge, &commands, EngineKind::Jit, ports(plan))?;
    Ok(Box::new(switch))
}

/// What the program means, on the reference interpreter.
///
/// # Errors
/// What cannot be loaded or run, and why.
pub fn expect(
    plan: &Plan,
    whole: &Whole,
    arrivals: &[trisect_rack::Arrival],
) -> Result<Expected, String> {
    let mut switch = WholeSwitch::new(
        plan.uncut.clone(),
        whole.bridge.clone(),
        &whole.copies,
        EngineKind::Interpreter,
        ports(plan),
    )?;
    trisect_rack::expect_of(&mut switch, arrivals).map_err(|e| e.to_string())
}

fn ports(plan: &Plan) -> u16 {
    let ports = plan.rack.external_ports().count();
    u16::try_from(ports).unwrap_or(u16::MAX)
}

/// A v1model switch as a device of the rack.
struct WholeSwitch {
    switch: Switch,
    /// External ports; what goes to others goes nowhere.
    ports: u16,
}

impl WholeSwitch {
    fn new(
        program: Program,
        bridge: Bridge,
        commands: &str,
        kind: EngineKind,
        ports: u16,
    ) -> Result<Self, String> {
        let bridge = Some(bridge);
        let compiled = CompiledV1 {
            program,
            bridge,
            // Their members are in the program.
            value_sets: Default::default(),
        };
        let mut switch = Switch::new(&compiled, kind).map_err(|e| e.to_string())?;
        let first = |found: Vec<trisect_ir::diag::Diagnostic>| {
            found
                .first()
                .map_or_else(String::new, |d| d.message.clone())
        };
        let script = stf::parse(commands).map_err(first)?;
        set_copies(&script, &mut switch).map_err(first)?;
        Ok(Self { switch, ports })
    }
}

impl Engine for WholeSwitch {
    fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: Frame,
    ) -> Result<(Fate, u64), EngineError> {
        let dropped = |reason: &str| Fate::Drop {
            reason: reason.to_owned(),
        };
        let sent = match self.switch.process(port, time_ns, &frame.bytes) {
            Ok(sent) => sent,
            // The program's fault, not the switch's; a real one would go on for ever.
            Err(error @ (SwitchError::Loop | SwitchError::TooLong)) => {
                return Ok((dropped(&error.to_string()), 0));
            }
            Err(error) => return Err(EngineError(error.to_string())),
        };
        let nothing = sent.is_empty();
        let left = sent.into_iter().filter(|sent| sent.port < self.ports);
        let mut left: Vec<(u16, Frame)> = left
            .map(|sent| (sent.port, Frame::new(sent.bytes)))
            .collect();
        let fate = match left.len() {
            0 if nothing => dropped(NOTHING_SENT),
            0 => dropped(NO_SUCH_PORT),
            1 => {
                let (port, frame) = left.remove(0);
                Fate::Emit { port, frame }
            }
            _ => Fate::Copies(left),
        };
        Ok((fate, 0))
    }

    fn state(&self, _: u64) -> State {
        self.switch.state()
    }
}
