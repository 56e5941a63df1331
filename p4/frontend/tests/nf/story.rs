//! How the stories are told: an NF with its configuration in text, packets, and what becomes of them.

use trisect_interp::{Interpreter, Outcome, Packet, reason_text};
use trisect_ir::state::{Cell, Count, State};
use trisect_p4::{Options, library};
use trisect_policy::NfDescription;

/// Nanoseconds per second.
pub const SECOND: u64 = 1_000_000_000;

/// A network function under test.
pub struct Story {
    nf: Interpreter,
    now_ns: u64,
}

/// What became of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It left on this port, as this frame.
    Sent(u16, Vec<u8>),
    /// It was dropped for this reason.
    Dropped(String),
}

impl Fate {
    /// The frame that left.
    pub fn frame(self) -> Vec<u8> {
        match self {
            Fate::Sent(_, bytes) => bytes,
            Fate::Dropped(reason) => panic!("dropped: {reason}"),
        }
    }
}

/// A drop with this reason.
pub fn dropped(reason: &str) -> Fate {
    Fate::Dropped(reason.to_owned())
}

impl Story {
    /// The NF of the library with configuration items as a policy would give them: the text of a
    /// file, or the value of a parameter.
    pub fn new(name: &str, config: &[(&str, &str)]) -> Story {
        let nf = library()
            .iter()
            .find(|nf| nf.name == name)
            .expect("in the library");
        let description =
            NfDescription::from_toml(nf.description, name).expect("valid description");
        let mut options = Options::default();
        for (item, text) in config {
            let item = description.config_item(item).expect("a configuration item");
            if let trisect_policy::nf::ConfigKind::Parameter { define, .. } = &item.kind {
                let literal = item.kind.parameter_literal(text).expect("a literal");
                options = options.with_define(define, literal);
            }
        }
        let mut program = match nf.compile(&options) {
            Ok(program) => program,
            Err(found) => panic!("{found:#?}"),
        };
        for (name, text) in config {
            let item = description.config_item(name).expect("a configuration item");
            if let Err(found) = trisect_policy::configure(&mut program, &item.kind, text, name) {
                panic!("{}", found[0].render(text));
            }
        }
        trisect_ir::verify(&program).expect("valid program");
        Story {
            nf: Interpreter::new(&program),
            now_ns: 0,
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        self.now_ns += seconds * SECOND;
    }

    /// Sends a frame in on port 1.
    pub fn send(&mut self, frame: &[u8]) -> Fate {
        match self.nf.run(Packet::new(1, self.now_ns, frame)) {
            Outcome::Emit { port, bytes, .. } => Fate::Sent(port, bytes),
            Outcome::Drop { reason, .. } => {
                Fate::Dropped(reason_text(self.nf.program(), reason).to_owned())
            }
        }
    }

    /// Sends a frame and returns the value of an output attribute.
    pub fn attribute(&mut self, name: &str, frame: &[u8]) -> u64 {
        let attributes = &self.nf.program().attributes;
        let meta = attributes
            .iter()
            .find(|a| a.name == name)
            .expect("an attribute")
            .meta;
        let outcome = self.nf.run(Packet::new(1, self.now_ns, frame));
        outcome.metadata()[meta].low_u64()
    }

    /// The frame must pass as it is.
    pub fn passes(&mut self, frame: &[u8]) {
        assert_eq!(self.send(frame).frame(), frame);
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.nf.state(self.now_ns)
    }

    /// The number of live entries of a flow table.
    pub fn flows(&self, table: &str) -> usize {
        self.state().flows.get(table).map_or(0, |flows| flows.len())
    }

    /// Packets and bytes of all cells of a counter.
    pub fn counted(&self, counter: &str) -> Vec<(Cell, Count)> {
        let state = self.state();
        let cells = state.counters.get(counter).cloned().unwrap_or_default();
        cells.into_iter().collect()
    }
}
