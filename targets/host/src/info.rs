//! What has to be known of a program before its code is built.

use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{
    Entity, Expr, HashAlgorithm, HeaderId, Index, MetaId, NodeKind, ObjectId, Op, ParseTarget,
    ParserOp, Program, StateId, StdMeta, TableId, Transition,
};

/// An array of the runtime that compiled code accesses itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// The cells of an indexed counter or a register.
    Object(ObjectId),
    /// The records of a table's entries.
    Records(TableId),
    /// The record of a table's default.
    Default(TableId),
}

/// Facts about a program.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// Metadata that something reads.
    pub read: BTreeSet<MetaId>,
    /// Headers that can be valid at some time.
    pub possible: BTreeSet<HeaderId>,
    /// Headers that need a place of their own, since an operation makes them valid.
    pub scratch: BTreeSet<HeaderId>,
    /// Headers come in the order of the deparser, each once, on every way through the parser, so
    /// that deparsing what was parsed changes nothing.
    pub in_order: bool,
    /// Something can make headers valid or invalid, or the parser skips bytes.
    pub structural: bool,
    /// There is a `Reparse` node.
    pub reparses: bool,
    /// Parser states that can be reached, in reverse postorder.
    pub states: Vec<StateId>,
    /// States that a state behind them (or they themselves) can lead back to.
    pub loop_heads: BTreeSet<StateId>,
    /// Hash functions with the length of their input in bytes (0 if that varies), in order of first use.
    pub hashes: Vec<(HashAlgorithm, usize)>,
    /// Arrays, in order.
    pub bases: Vec<Base>,
    /// Flow tables for which packets may bring hints, by position in a line of these.
    pub hinted: Vec<TableId>,
    /// Words of the largest value that code keeps in memory, and bytes of the largest header.
    pub zero_bytes: usize,
}

impl Info {
    /// Looks at a program.
    pub fn new(program: &Program) -> Self {
        let mut info = Self::default();
        info.parser_order(program);
        info.visit_parser(program);
        for node in program.control.nodes.values() {
            match &node.kind {
                NodeKind::Branch(cond, ..) => info.expr(program, &[], cond),
                NodeKind::Exec(ops, _) => info.ops(program, &[], ops),
                NodeKind::Apply(id, _) => {
                    for expr in program.tables[*id].exprs() {
                        info.expr(program, &[], expr);
                    }
                    if let Some(selector) = &program.tables[*id].selector {
                        info.hash(program, &[], &selector.algorithm, &selector.inputs);
                    }
                    info.read.insert(StdMeta::Timestamp.id());
                    for action in &program.tables[*id].actions {
                        let action = &program.actions[*action];
                        info.ops(program, &action.params, &action.ops);
                    }
                }
                NodeKind::Reparse(_) => info.reparses = true,
                NodeKind::Emit => {
                    info.read.insert(StdMeta::EgressPort.id());
                }
                NodeKind::Drop => {
                    info.read.insert(StdMeta::Drop.id());
                }
            }
        }
        info.in_order = deparses_unchanged(program, &info);
        for id in program.tables.keys() {
            info.bases.extend([Base::Records(id), Base::Default(id)]);
        }
        info.zero_bytes = program
            .header_types
            .values()
            .map(|t| t.fixed_bits() as usize / 8)
            .chain(program.objects.values().map(|o| match o.kind {
                trisect_ir::ObjectKind::Register { width, .. } => width as usize / 8 + 8,
                _ => 0,
            }))
            .max()
            .unwrap_or(0)
            + 16;
        info
    }
    /// Position of an array, if code accesses it.
    pub fn base(&self, base: Base) -> usize {
        self.bases.iter().position(|b| *b == base).unwrap_or(0)
    }
    /// Whether the deparser may have something to do.
    pub fn may_change_structure(&self) -> bool {
        self.structural || !self.in_order
    }

    fn parser_order(&mut self, program: &Program) {
        let mut done = BTreeSet::new();
        let mut open = BTreeSet::new();
        let mut post = Vec::new();
        // (state, whether its successors have been visited)
        let mut stack: Vec<(StateId, bool)> = program
            .parser
            .start
            .map(|s| (s, false))
            .into_iter()
            .collect();
        while let Some((state, expanded)) = stack.pop() {
            if expanded {
                open.remove(&state);
                post.push(state);
                continue;
            }
            if !done.insert(state) {
                continue;
            }
            open.insert(state);
            stack.push((state, true));
            for next in successors(program, state) {
                if open.contains(&next) {
                    self.loop_heads.insert(next);
                } else if !done.contains(&next) {
                    stack.push((next, false));
                }
            }
        }
        post.reverse();
        self.states = post;
    }
    fn visit_parser(&mut self, program: &Program) {
        for state in self.states.clone() {
            let state = &program.parser.states[state];
            for op in &state.ops {
                match op {
                    ParserOp::Extract { header, varbit } => {
                        self.possible.insert(*header);
                        if let Some(e) = varbit {
                            self.expr(program, &[], e);
                        }
                    }
                    ParserOp::Advance(e) => {
                        self.structural = true;
                        self.expr(program, &[], e);
                    }
                    ParserOp::Set(to, e) => {
                        self.lvalue(to);
                        self.expr(program, &[], e);
                    }
                    ParserOp::SetValid(header) | ParserOp::Copy { dst: header, .. } => {
                        self.made_valid(*header);
                    }
                    ParserOp::SetInvalid(_) => self.structural = true,
                    ParserOp::CopyVarbit { dst, .. } => self.moved_varbit(*dst),
                    ParserOp::Verify(e, _) => self.expr(program, &[], e),
                }
            }
            if let Transition::Select(keys, _) = &state.next {
                for key in keys {
                    self.expr(program, &[], key);
                }
            }
        }
    }
    /// An operation makes the header valid.
    fn made_valid(&mut self, header: HeaderId) {
        self.structural = true;
        self.possible.insert(header);
        self.scratch.insert(header);
    }
    /// An operation replaces the header's varbit: the header moves to a place where there is room.
    fn moved_varbit(&mut self, header: HeaderId) {
        self.structural = true;
        self.scratch.insert(header);
    }
    fn lvalue(&mut self, to: &trisect_ir::LValue) {
        // Assigning a part reads the rest.
        if let (trisect_ir::Place::Meta(meta), Some(_)) = (to.place, to.slice) {
            self.read.insert(meta);
        }
    }
    fn expr(&mut self, program: &Program, params: &[trisect_ir::Param], expr: &Expr) {
        expr.walk(&mut |e| match e {
            Expr::Meta(meta) => {
                self.read.insert(*meta);
            }
            Expr::Hash(algorithm, inputs) => self.hash(program, params, algorithm, inputs),
            _ => {}
        });
    }
    fn hash(
        &mut self,
        program: &Program,
        params: &[trisect_ir::Param],
        algorithm: &HashAlgorithm,
        inputs: &[Expr],
    ) {
        let len = hash_len(inputs, |i| program.width(i, params));
        let hash = (algorithm.clone(), len);
        if !self.hashes.contains(&hash) {
            self.hashes.push(hash);
        }
    }
    fn index(
        &mut self,
        program: &Program,
        params: &[trisect_ir::Param],
        object: ObjectId,
        index: &Index,
    ) {
        if let Index::At(e) = index {
            self.object(object);
            self.expr(program, params, e);
        }
    }
    fn object(&mut self, object: ObjectId) {
        if !self.bases.contains(&Base::Object(object)) {
            self.bases.push(Base::Object(object));
        }
    }
    fn now(&mut self) {
        self.read.insert(StdMeta::Timestamp.id());
    }
    fn length(&mut self) {
        self.read.insert(StdMeta::PacketLength.id());
    }
    fn ops(&mut self, program: &Program, params: &[trisect_ir::Param], ops: &[Op]) {
        for op in ops {
            match op {
                Op::Set(to, e) => {
                    self.lvalue(to);
                    self.expr(program, params, e);
                }
                Op::SetValid(header) | Op::Copy { dst: header, .. } => self.made_valid(*header),
                Op::SetInvalid(_) => self.structural = true,
                Op::CopyVarbit { dst, .. } => self.moved_varbit(*dst),
                Op::If(cond, yes, no) => {
                    self.expr(program, params, cond);
                    self.ops(program, params, yes);
                    self.ops(program, params, no);
                }
                Op::Count(object, index) => {
                    self.length();
                    self.index(program, params, *object, index);
                }
                Op::Meter {
                    object,
                    index,
                    color,
                    dst,
                } => {
                    self.now();
                    self.length();
                    self.index(program, params, *object, index);
                    if let Some(color) = color {
                        self.expr(program, params, color);
                    }
                    self.lvalue(dst);
                }
                Op::Read { object, index, dst } => {
                    self.object(*object);
                    self.expr(program, params, index);
                    self.lvalue(dst);
                }
                Op::Write {
                    object,
                    index,
                    value,
                } => {
                    self.object(*object);
                    self.expr(program, params, index);
                    self.expr(program, params, value);
                }
                Op::Search { dst, .. } => self.lvalue(dst),
                Op::Allocate { ok, value, .. } => {
                    self.now();
                    self.lvalue(ok);
                    self.lvalue(value);
                }
                Op::Touch(_, e) => {
                    self.now();
                    self.expr(program, params, e);
                }
                Op::Notify(_, values) => {
                    for value in values {
                        self.expr(program, params, value);
                    }
                }
                Op::Random { lo, hi, dst, .. } => {
                    self.expr(program, params, lo);
                    self.expr(program, params, hi);
                    self.lvalue(dst);
                }
                Op::AddEntry { args, profile, .. } => {
                    self.now();
                    for arg in args {
                        self.expr(program, params, arg);
                    }
                    self.expr(program, params, profile);
                }
                Op::SetExpire { profile, .. } => self.expr(program, params, profile),
            }
        }
    }
}

/// Length of a hash's input in bytes, or 0 if it is not known before the packet comes.
pub fn hash_len(inputs: &[Expr], width: impl Fn(&Expr) -> u32) -> usize {
    if inputs.iter().any(Expr::is_bytes) {
        return 0;
    }
    inputs.iter().map(|i| width(i).div_ceil(8) as usize).sum()
}

/// States that may follow a state.
pub fn successors(program: &Program, state: StateId) -> Vec<StateId> {
    let targets = match &program.parser.states[state].next {
        Transition::Goto(target) => vec![*target],
        Transition::Select(_, cases) => cases.iter().map(|c| c.target).collect(),
    };
    targets
        .into_iter()
        .filter_map(|t| match t {
            ParseTarget::State(s) => Some(s),
            ParseTarget::Accept | ParseTarget::Reject => None,
        })
        .collect()
}

/// Whether, on every way through the parser, headers are extracted in the order in which the
/// deparser emits them, each at most once. Then deparsing right after parsing gives the same bytes.
fn deparses_unchanged(program: &Program, info: &Info) -> bool {
    let mut position = BTreeMap::new();
    for (i, header) in program.deparser.iter().enumerate() {
        if position.insert(*header, i + 1).is_some() {
            return false;
        }
    }
    if info.states.iter().any(|s| {
        program.parser.states[*s]
            .ops
            .iter()
            .any(|op| matches!(op, ParserOp::Advance(_)))
    }) {
        return false;
    }
    // The highest position extracted before each state, over all ways; it only grows, so this ends.
    let mut before: BTreeMap<StateId, usize> = BTreeMap::new();
    let mut work: Vec<StateId> = program.parser.start.into_iter().collect();
    for start in &work {
        before.insert(*start, 0);
    }
    while let Some(state) = work.pop() {
        let mut highest = before[&state];
        for op in &program.parser.states[state].ops {
            if let ParserOp::Extract { header, .. } = op {
                match position.get(header) {
                    Some(at) if *at > highest => highest = *at,
                    _ => return false,
                }
            }
        }
        for next in successors(program, state) {
            if before.get(&next).is_none_or(|b| *b < highest) {
                before.insert(next, highest);
                work.push(next);
            }
        }
    }
    true
}

/// Control nodes in an order in which every node comes after those that lead to it.
pub fn topological(program: &Program) -> Vec<trisect_ir::NodeId> {
    let mut seen = vec![false; program.control.nodes.len()];
    let mut post = Vec::new();
    let mut stack: Vec<(trisect_ir::NodeId, bool)> = program
        .control
        .entry
        .map(|e| (e, false))
        .into_iter()
        .collect();
    while let Some((node, expanded)) = stack.pop() {
        if expanded {
            post.push(node);
            continue;
        }
        if std::mem::replace(&mut seen[node.index()], true) {
            continue;
        }
        stack.push((node, true));
        for next in program.control.nodes[node].kind.successors() {
            stack.push((next, false));
        }
    }
    post.reverse();
    post
}
