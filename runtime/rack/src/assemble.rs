//! From the pieces of a cut to a rack that runs them.

use trisect_ir::Program;
use trisect_ir::state::State;
use trisect_plan::split::Pieces;

use crate::{
    Engine, EngineError, Fate, Frame, PassThrough, Rack, Role, Server, ServerSpec, SwitchSpec, Tags,
};

/// A device to which the plan sends nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idle;

impl Engine for Idle {
    fn process(&mut self, _: u16, _: u64, _: Frame) -> Result<(Fate, u64), EngineError> {
        Err(EngineError(
            "nothing of the plan runs here, but a packet came".into(),
        ))
    }

    fn state(&self, _: u64) -> State {
        State::default()
    }
}

/// A device that an engine is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What it is.
    pub role: Role,
    /// The number of its server; `None` for the switch.
    pub server: Option<usize>,
    /// Its name in the rack.
    pub name: &'a str,
    /// The piece that it is to run.
    pub piece: &'a Program,
}

/// Puts the pieces of a cut on the devices of a rack; `engine` makes each device's engine. A NIC
/// without piece passes everything on, a host without piece takes no packets.
///
/// # Errors
/// The first that `engine` reports.
pub fn assemble<E>(
    switch: SwitchSpec,
    servers: Vec<ServerSpec>,
    pieces: &Pieces,
    mut engine: impl FnMut(Asked<'_>) -> Result<Box<dyn Engine>, E>,
) -> Result<Rack, E> {
    let (name, piece) = (&switch.name, &pieces.switch);
    let pipeline = engine(Asked {
        role: Role::Switch,
        server: None,
        name,
        piece,
    })?;
    let mut ready = Vec::with_capacity(servers.len());
    for (i, spec) in servers.into_iter().enumerate() {
        let server = Some(i);
        let nic: Box<dyn Engine> = match pieces.nics.get(i).and_then(Option::as_ref) {
            Some(piece) => engine(Asked {
                role: Role::Nic,
                server,
                name: &spec.nic,
                piece,
            })?,
            None => Box::new(PassThrough),
        };
        let host: Box<dyn Engine> = match pieces.hosts.get(i).and_then(Option::as_ref) {
            Some(piece) => engine(Asked {
                role: Role::Host,
                server,
                name: &spec.host.name,
                piece,
            })?,
            None => Box::new(Idle),
        };
        ready.push(Server { spec, nic, host });
    }
    Ok(Rack {
        switch,
        pipeline,
        servers: ready,
        sampler: None,
        tags: Tags::default(),
        recorder: None,
        shim: None,
        periods: None,
        provider: None,
    })
}
