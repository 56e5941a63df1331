//! NIC pieces made of whole network functions, and frames for them.
#![allow(dead_code, clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::state::State;
use trisect_ir::{
    ActionCall, Bits, Entry, Expr, Field, FieldKind, Header, HeaderId, HeaderType, KeySet, LValue,
    Node, NodeKind, Op, Origin, ParseTarget, ParserOp, ParserState, Program, SelectCase, StdMeta,
    Transition,
};
use trisect_p4::Options;
use trisect_rte_flow::{Capabilities, NicModel, RuleSet, Verdict};
use trisect_target::{Device, DeviceSpec, Resources, Target, wire};

/// The continuation of the piece's entry.
pub const SPI: u64 = 7;
/// Bytes in front of the original frame: Ethernet, NSH, context of MD type 1.
pub const OVERHEAD: usize = 14 + 8 + 16;

/// A network function of the library.
pub fn nf(name: &str) -> Program {
    let nf = trisect_p4::library::find(name).expect("in the library");
    nf.compile(&Options::default()).expect("compiles")
}

fn header(p: &mut Program, name: &str, ty: &str, fields: &[(&str, u32)]) -> HeaderId {
    let ty = p.header_types.push(HeaderType {
        name: ty.to_owned(),
        fields: fields
            .iter()
            .map(|(name, width)| Field {
                name: (*name).to_owned(),
                kind: FieldKind::Fixed(*width),
            })
            .collect(),
    });
    let id = p.headers.push(Header {
        name: name.to_owned(),
        ty,
    });
    p.deparser.insert(0, id);
    id
}

fn extract(p: &mut Program, name: &str, header: HeaderId, next: Transition) -> ParseTarget {
    ParseTarget::State(p.parser.states.push(ParserState {
        name: name.to_owned(),
        ops: vec![ParserOp::Extract {
            header,
            varbit: None,
        }],
        next,
    }))
}

fn when(header: HeaderId, field: u32, width: u32, value: u64, target: ParseTarget) -> Transition {
    let any = SelectCase {
        sets: vec![KeySet::Any],
        target: ParseTarget::Accept,
    };
    let case = SelectCase {
        sets: vec![KeySet::Exact(Bits::new(width, value))],
        target,
    };
    Transition::Select(vec![Expr::field(header, field)], vec![case, any])
}

/// The whole program as a NIC's piece: behind the encapsulation, for one continuation; what it emits
/// goes to the host with mark 1, what it drops is dropped.
pub fn piece(mut p: Program) -> Program {
    let start = p
        .parser
        .start
        .map_or(ParseTarget::Accept, ParseTarget::State);
    // In this order, because each goes to the front of the deparser.
    let md1 = header(&mut p, wire::CONTEXT1, "cut_md1_t", &[("context", 128)]);
    let nsh = header(
        &mut p,
        wire::NSH,
        "cut_nsh_t",
        &[
            ("start", 10),
            ("length", 6),
            ("unassigned", 4),
            ("md_type", 4),
            ("next_protocol", 8),
            ("spi", 24),
            ("si", 8),
        ],
    );
    let outer = header(
        &mut p,
        wire::OUTER,
        "outer_t",
        &[("dst", 48), ("src", 48), ("ether_type", 16)],
    );
    let context = extract(&mut p, "cut_md1", md1, Transition::Goto(start));
    let base = extract(&mut p, "cut_nsh", nsh, when(nsh, 3, 4, 1, context));
    let ethertype = u64::from(wire::ETHERTYPE_NSH);
    let first = extract(
        &mut p,
        "cut_outer",
        outer,
        when(outer, 2, 16, ethertype, base),
    );
    if let ParseTarget::State(state) = first {
        p.parser.start = Some(state);
    }

    let mark = p.add_meta(wire::MARK, 32);
    p.add_meta(wire::META, 32);
    let mut node = |name: &str, kind| {
        p.control.nodes.push(Node {
            name: name.to_owned(),
            nf: String::new(),
            kind,
        })
    };
    let emit = node("cut.emit", NodeKind::Emit);
    let ops = vec![
        Op::Set(LValue::meta(mark), Expr::num(32, 1)),
        Op::Set(LValue::meta(StdMeta::EgressPort.id()), Expr::num(16, 0)),
    ];
    let entry = p.control.entry.expect("an entry");
    let spi = Expr::field(nsh, 5).equals(Expr::num(24, SPI));
    let root = p.control.nodes.push(Node {
        name: "cut.dispatch".to_owned(),
        nf: String::new(),
        kind: NodeKind::Branch(spi, entry, emit),
    });
    for (id, n) in (0..).zip(p.control.nodes.values_mut()) {
        if n.kind == NodeKind::Emit && id != emit.0 {
            n.kind = NodeKind::Exec(ops.clone(), emit);
        }
    }
    p.control.entry = Some(root);
    p
}

/// The frame as the switch sends it.
pub fn encapsulated(frame: &[u8], spi: u64) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0x89, 0x4f];
    out.extend([0x0f, 0xc6, 1, 3]);
    out.extend(&(spi << 8 | 255).to_be_bytes()[4..]);
    out.extend([0; 16]);
    out.extend(frame);
    out
}

/// An entry of a table, with keys in order.
pub fn add(
    p: &mut Program,
    table: &str,
    keys: Vec<KeySet>,
    priority: u32,
    action: &str,
    args: &[Bits],
) {
    let names: Vec<String> = p.actions.values().map(|a| a.name.clone()).collect();
    let action = p
        .actions
        .find(|a| a.name == action || a.name.ends_with(&format!(".{action}")))
        .unwrap_or_else(|| panic!("no action {action} in {names:?}"));
    let names: Vec<String> = p.tables.values().map(|t| t.name.clone()).collect();
    let table = p
        .tables
        .find(|t| t.name == table || t.name.ends_with(&format!(".{table}")))
        .unwrap_or_else(|| panic!("no table {table} in {names:?}"));
    p.tables[table].entries.push(Entry {
        keys,
        priority,
        call: ActionCall {
            action,
            args: args.to_vec(),
        },
        members: Vec::new(),
        origin: Origin::Control,
    });
}

/// A generic NIC.
pub fn nic() -> Box<dyn Device> {
    trisect_rte_flow::RteFlow
        .device(&DeviceSpec {
            name: "s1.nic".into(),
            model: "generic".into(),
            text: None,
            look_ups: Vec::new(),
            limits: Resources::new(),
        })
        .expect("a device")
}

/// The rules of a piece, read back from the artifact.
pub fn rules(piece: &Program) -> RuleSet {
    let artifacts = nic().lower(piece).unwrap_or_else(|e| panic!("{e}"));
    let json = &artifacts[0];
    assert_eq!(json.name, trisect_rte_flow::target::RULES_JSON);
    serde_json::from_slice(&json.bytes).expect("rules are read back")
}

/// A piece on the model and on the interpreter.
pub struct Both {
    pub model: NicModel,
    pub interpreter: Interpreter,
    mark: trisect_ir::MetaId,
    meta: trisect_ir::MetaId,
}

impl Both {
    pub fn new(piece: &Program) -> Self {
        let caps = Capabilities::named("generic").expect("generic");
        let rules = rules(piece);
        Self {
            model: NicModel::new(&caps, &rules).unwrap_or_else(|e| panic!("{e}")),
            interpreter: Interpreter::new(piece),
            mark: piece.meta_named(wire::MARK).expect("mark"),
            meta: piece.meta_named(wire::META).expect("meta"),
        }
    }

    /// Runs one frame through both; returns what both say.
    pub fn run(&mut self, frame: &[u8]) -> Verdict {
        let mut bytes = frame.to_vec();
        let model = self.model.receive(&mut bytes);
        match self.interpreter.run(Packet::new(0, 0, frame)) {
            Outcome::Emit {
                bytes: expected,
                metadata,
                ..
            } => {
                let read = |m| metadata[m].low_u64() as u32;
                let host = Verdict::Host {
                    mark: read(self.mark),
                    meta: read(self.meta),
                    queue: 0,
                    hash: None,
                };
                assert_eq!(model, host, "{}", hex(frame));
                assert_eq!(hex(&bytes), hex(&expected), "of {}", hex(frame));
            }
            Outcome::Drop { reason, .. } => match model {
                Verdict::Dropped { reason: by, .. } => assert_eq!(by, reason, "{}", hex(frame)),
                other => panic!("{other:?} instead of a drop: {}", hex(frame)),
            },
        }
        model
    }

    /// Compares the counters.
    pub fn compare_state(&self) -> State {
        let model = self.model.state();
        assert_eq!(model, self.interpreter.state(0));
        model
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Every packet of the real captures.
pub fn captured() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no captures in {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<_> = files.flatten().map(|f| f.path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "pcap"))
    {
        let Ok(capture) = trisect_ports::Capture::open(path) else {
            continue;
        };
        out.extend(
            capture
                .packets()
                .map_while(Result::ok)
                .map(|p| p.data.to_vec()),
        );
    }
    out
}

/// A small generator of pseudo-random numbers (xorshift), so that tests repeat.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    /// A frame that mostly makes sense: a stack of headers with lengths that now and then lie, cut
    /// short at times.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut out = self.bytes(12);
        for _ in 0..[0, 0, 0, 1, 2, 3, 4][self.below(7) as usize] {
            out.extend([[0x81, 0], [0x88, 0xa8], [0x91, 0]][self.below(3) as usize]);
            out.extend(self.bytes(2));
        }
        let v6 = self.below(3) == 0;
        let ip = if v6 { [0x86, 0xdd] } else { [8, 0] };
        match self.below(8) {
            0 => {
                out.extend([0x88, 0x47]);
                let depth = 1 + self.below(5);
                for i in 0..depth {
                    let label = self.bytes(3);
                    out.extend([
                        label[0],
                        label[1],
                        label[2] & 0xfe | u8::from(i + 1 == depth),
                        9,
                    ]);
                }
            }
            1 => {
                out.extend([0x89, 0x4f, 0, 2, 2, if v6 { 2 } else { 1 }]);
                out.extend(self.bytes(4));
            }
            2 => {
                out.extend([8, 6, 0, 1, 8, 0, 6, 4]);
                out.extend(self.bytes(22));
                return out;
            }
            _ => out.extend(ip),
        }
        if v6 {
            self.ipv6(&mut out)
        } else {
            self.ipv4(&mut out)
        }
        if self.below(10) == 0 {
            out.truncate(self.below(out.len() as u64 + 1) as usize);
        }
        out
    }

    fn protocol(&mut self) -> u8 {
        [6, 6, 6, 17, 17, 1, 58, 47, 99][self.below(9) as usize]
    }

    fn ipv4(&mut self, out: &mut Vec<u8>) {
        let words = [5, 5, 5, 5, 6, 15, 4][self.below(7) as usize];
        let protocol = self.protocol();
        out.extend([0x40 | words, self.next() as u8, 0, 40]);
        out.extend(self.bytes(2));
        let fragment = [[0, 0], [0x40, 0], [0x20, 0], [0, 1], [0x80, 0]][self.below(5) as usize];
        out.extend(fragment);
        out.extend([self.below(4) as u8, protocol]);
        out.extend(self.bytes(2));
        for _ in 0..2 {
            out.extend([10, self.below(3) as u8, 0, self.below(4) as u8]);
        }
        out.extend(self.bytes(usize::from(words.max(5) - 5) * 4));
        self.transport(protocol, out);
    }

    fn ipv6(&mut self, out: &mut Vec<u8>) {
        let mut protocol = self.protocol();
        let mut extensions = Vec::new();
        for _ in 0..self.below(3) {
            let data = self.bytes(6);
            extensions.splice(0..0, [protocol, 0].into_iter().chain(data));
            protocol = [60, 43, 44][self.below(3) as usize];
            if protocol == 44 {
                extensions[2..4].copy_from_slice(&[0, self.below(2) as u8 * 8]);
            }
        }
        out.extend([0x60]);
        out.extend(self.bytes(3));
        out.extend([0, 40, protocol, self.below(4) as u8]);
        out.extend([0x20, 1, 0xd, 0xb8]);
        out.extend([0; 11]);
        out.push(self.below(3) as u8);
        out.extend([0x20, 1, 0xd, 0xb8]);
        out.extend([0; 11]);
        out.push(self.below(3) as u8);
        out.extend(&extensions);
        let last = if extensions.is_empty() { protocol } else { 6 };
        self.transport(last, out);
    }

    fn transport(&mut self, protocol: u8, out: &mut Vec<u8>) {
        let ports = [22u16, 53, 80, 443, 1024, 4789];
        for _ in 0..2 {
            out.extend(ports[self.below(6) as usize].to_be_bytes());
        }
        if protocol == 6 {
            out.extend(self.bytes(8));
            out.extend([
                [0x50, 0x50, 0x60, 0x40][self.below(4) as usize],
                self.next() as u8,
            ]);
            out.extend(self.bytes(10));
        } else {
            out.extend([8, 0, 0, 0]);
            out.extend(self.bytes(12));
        }
    }
}
