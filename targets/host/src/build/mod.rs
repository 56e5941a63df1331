//! From a packet program to Cranelift IR.
//!
//! One function runs the program over a batch of packets:
//!
//! ```text
//! entry -> loop: next packet -> parser states -> parsed -> control nodes -> emit | drop -> loop
//!                                   ^______________________ reparse |
//! ```
//!
//! - A header instance is a pointer: 0 if invalid, else into the frame (as extracted) or to a place
//!   on the stack (as made by `SetValid` or `Copy`). Fields are read and written where they are.
//! - As long as no header was added or removed, the frame is at all times what deparsing would give,
//!   so deparsing is nothing; the variable `dirty` says whether that still holds.
//! - Values are 64-bit words; wider ones are several (see [`value`]).
//! - Facts (which header is certainly valid, how many bytes certainly follow the cursor) flow along
//!   the edges while the code is written, so that checks that are implied are left out.
//!
//! Only operations that WebAssembly also uses are emitted (and `bswap`), since Cranelift promises
//! correctness for those.

mod actions;
mod arith;
mod control;
mod expr;
mod field;
mod parser;
mod tables;
mod value;

pub(crate) use tables::INLINE_ENTRIES;

use crate::facts::{Facts, Validity};
use crate::helpers::{Context, Helper};
use crate::info::Info;
use crate::packet::{DROP, EMIT, Packet};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Block, FuncRef, Function, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind,
    Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Module};
use std::collections::BTreeMap;
use std::mem::offset_of;
use trisect_ir::{HeaderId, MetaId, NodeId, PrimaryMap, Program, StateId, StdMeta};

/// Where a header is, and how long.
#[derive(Clone, Copy)]
struct HeaderVars {
    /// 0 if invalid.
    start: Variable,
    /// Length in bytes, for headers with a varbit.
    len: Option<Variable>,
}

/// A place that several ways lead to.
struct Join {
    block: Block,
    facts: Option<Facts>,
}

/// The function under construction.
pub(crate) struct Build<'a, 'f> {
    program: &'a Program,
    info: &'a Info,
    b: FunctionBuilder<'f>,
    module: &'a mut JITModule,
    helper_ids: &'a BTreeMap<Helper, FuncId>,
    helper_refs: BTreeMap<Helper, FuncRef>,
    /// The context pointer.
    context: Value,
    packet: Variable,
    /// The frame as last parsed: first byte, and behind the last.
    data: Variable,
    end: Variable,
    cursor: Variable,
    /// 1 if headers were added or removed since the last parse.
    dirty: Option<Variable>,
    /// Where to go on after parsing.
    continuation: Option<Variable>,
    /// Parser states in a row that consumed nothing.
    idle: Option<Variable>,
    headers: PrimaryMap<HeaderId, HeaderVars>,
    metas: PrimaryMap<MetaId, Vec<Variable>>,
    places: BTreeMap<HeaderId, StackSlot>,
    facts: Facts,
    parser_start: Block,
    states: BTreeMap<StateId, Join>,
    parsed: Join,
    nodes: BTreeMap<NodeId, Join>,
    next_packet: Block,
    emit: Block,
    drop: Block,
    emits: bool,
    drops: bool,
}

/// Names of the metadata that stand for MARK and META (`trisect_target::wire`).
const MARK_AND_META: [(&str, usize); 2] = [
    (trisect_target::wire::MARK, offset_of!(Packet, mark)),
    (trisect_target::wire::META, offset_of!(Packet, meta)),
];

/// Writes the function that runs `program`: `(context, packets, count)`.
pub(crate) fn build(
    program: &Program,
    info: &Info,
    module: &mut JITModule,
    helper_ids: &BTreeMap<Helper, FuncId>,
    function: &mut Function,
    builder_context: &mut FunctionBuilderContext,
) {
    let config = module.target_config();
    let mut b = FunctionBuilder::new(function, builder_context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let (context, packets, count) = match *b.block_params(entry) {
        [context, packets, count] => (context, packets, count),
        _ => return,
    };
    let headers = program
        .headers
        .values()
        .map(|h| HeaderVars {
            start: b.declare_var(I64),
            len: program.header_types[h.ty]
                .varbit()
                .map(|_| b.declare_var(I64)),
        })
        .collect();
    let metas = program
        .metas
        .values()
        .map(|m| {
            (0..value::limb_count(m.width))
                .map(|_| b.declare_var(I64))
                .collect()
        })
        .collect();
    let places = info
        .scratch
        .iter()
        .map(|h| {
            let ty = program.header_type(*h);
            let bytes = (ty.fixed_bits() + ty.varbit().unwrap_or(0)) / 8;
            (*h, b.create_sized_stack_slot(slot(bytes)))
        })
        .collect();
    let join = |b: &mut FunctionBuilder<'_>| Join {
        block: b.create_block(),
        facts: None,
    };
    let states = info.states.iter().map(|s| (*s, join(&mut b))).collect();
    let nodes = program
        .control
        .nodes
        .keys()
        .map(|n| (n, join(&mut b)))
        .collect();
    let parsed = join(&mut b);
    let mut build = Build {
        program,
        info,
        module,
        helper_ids,
        helper_refs: BTreeMap::new(),
        context,
        packet: b.declare_var(I64),
        data: b.declare_var(I64),
        end: b.declare_var(I64),
        cursor: b.declare_var(I64),
        dirty: info.may_change_structure().then(|| b.declare_var(I64)),
        continuation: info.reparses.then(|| b.declare_var(I64)),
        idle: (!info.loop_heads.is_empty()).then(|| b.declare_var(I64)),
        headers,
        metas,
        places,
        facts: Facts::none_valid(program.headers.len()),
        parser_start: b.create_block(),
        states,
        parsed,
        nodes,
        next_packet: b.create_block(),
        emit: b.create_block(),
        drop: b.create_block(),
        emits: false,
        drops: false,
        b,
    };
    build.batch(packets, count);
    build.b.finalize(config);
}

fn slot(bytes: u32) -> StackSlotData {
    // Wide accesses may reach up to seven bytes past a value.
    StackSlotData::new(StackSlotKind::ExplicitSlot, bytes + 8, 3)
}

/// Of accesses to packets, tables and stack: they cannot fail.
fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Of accesses to what does not change while the function runs.
fn constant_flags() -> MemFlagsData {
    flags().with_readonly().with_can_move()
}

impl Build<'_, '_> {
    fn batch(&mut self, packets: Value, count: Value) {
        let head = self.b.create_block();
        let body = self.b.create_block();
        let done = self.b.create_block();
        let size = self.number(size_of::<Packet>() as u64);
        let bytes = self.b.ins().imul(count, size);
        let last = self.b.ins().iadd(packets, bytes);
        self.b.def_var(self.packet, packets);
        self.b.ins().jump(head, &[]);

        self.b.switch_to_block(head);
        let packet = self.b.use_var(self.packet);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, packet, last);
        self.b.ins().brif(more, body, &[], done, &[]);

        self.switch(body);
        self.begin_packet();
        self.parser();
        self.control();
        self.end_packet();

        self.switch(self.next_packet);
        let packet = self.b.use_var(self.packet);
        let next = self.b.ins().iadd_imm_s(packet, size_of::<Packet>() as i64);
        self.b.def_var(self.packet, next);
        self.b.ins().jump(head, &[]);
        self.b.seal_block(head);

        self.switch(done);
        self.b.ins().return_(&[]);
        self.b.seal_all_blocks();
    }
    /// Goes on writing in a block to which all ways are known.
    fn switch(&mut self, block: Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }
    fn number(&mut self, value: u64) -> Value {
        self.b.ins().iconst(I64, value as i64)
    }
    fn packet_field(&mut self, offset: usize, bytes: u32) -> Value {
        let packet = self.b.use_var(self.packet);
        self.load_native(packet, offset as i32, bytes)
    }
    /// Loads `bytes` (1, 2, 4 or 8) in the machine's byte order.
    fn load_native(&mut self, at: Value, offset: i32, bytes: u32) -> Value {
        match bytes {
            1 => self.b.ins().uload8(I64, flags(), at, offset),
            2 => self.b.ins().uload16(I64, flags(), at, offset),
            4 => self.b.ins().uload32(flags(), at, offset),
            _ => self.b.ins().load(I64, flags(), at, offset),
        }
    }
    fn begin_packet(&mut self) {
        let data = self.packet_field(offset_of!(Packet, data), 8);
        let len = self.packet_field(offset_of!(Packet, len), 4);
        let end = self.b.ins().iadd(data, len);
        self.b.def_var(self.data, data);
        self.b.def_var(self.end, end);
        let zero = self.number(0);
        let inputs = [
            (StdMeta::IngressPort, offset_of!(Packet, port), 2),
            (StdMeta::Timestamp, offset_of!(Packet, time_ns), 8),
        ];
        for meta in self.program.metas.keys() {
            for limb in self.metas[meta].clone() {
                self.b.def_var(limb, zero);
            }
        }
        for (meta, offset, bytes) in inputs {
            if self.info.read.contains(&meta.id()) {
                let value = self.packet_field(offset, bytes);
                self.b.def_var(self.metas[meta.id()][0], value);
            }
        }
        self.b
            .def_var(self.metas[StdMeta::PacketLength.id()][0], len);
        for (name, offset) in MARK_AND_META {
            if let Some(meta) = self.program.meta_named(name)
                && let [variable] = self.metas[meta][..]
            {
                let value = self.packet_field(offset, 4);
                self.b.def_var(variable, value);
            }
        }
        if let Some(continuation) = self.continuation {
            self.b.def_var(continuation, zero);
        }
        self.b.ins().jump(self.parser_start, &[]);
    }
    /// The ends of all ways: what became of the packet.
    fn end_packet(&mut self) {
        if self.emits {
            self.switch(self.emit);
            self.deparse();
            let port = self.b.use_var(self.metas[StdMeta::EgressPort.id()][0]);
            self.finish(EMIT, port, offset_of!(Packet, egress_port));
        }
        if self.drops {
            self.switch(self.drop);
            let reason = self.b.use_var(self.metas[StdMeta::Drop.id()][0]);
            self.finish(DROP, reason, offset_of!(Packet, drop_reason));
        }
    }
    fn finish(&mut self, outcome: u8, number: Value, offset: usize) {
        let packet = self.b.use_var(self.packet);
        self.b
            .ins()
            .istore16(flags(), number, packet, offset as i32);
        let outcome = self.number(u64::from(outcome));
        let at = offset_of!(Packet, outcome) as i32;
        self.b.ins().istore8(flags(), outcome, packet, at);
        for (name, offset) in MARK_AND_META {
            if let Some(meta) = self.program.meta_named(name)
                && let [variable] = self.metas[meta][..]
            {
                let value = self.b.use_var(variable);
                self.b.ins().istore32(flags(), value, packet, offset as i32);
            }
        }
        self.b.ins().jump(self.next_packet, &[]);
    }
    /// Makes the frame what deparsing gives, unless it is so already.
    fn deparse(&mut self) {
        let Some(dirty) = self.dirty else { return };
        let work = self.b.create_block();
        let done = self.b.create_block();
        let dirty = self.b.use_var(dirty);
        self.b.ins().brif(dirty, work, &[], done, &[]);
        self.switch(work);
        let headers = self.program.deparser.clone();
        let (segments, count) = self.segments(&headers);
        let packet = self.b.use_var(self.packet);
        let payload = self.b.use_var(self.cursor);
        let context = self.context;
        self.call(
            Helper::Deparse,
            &[context, packet, segments, count, payload],
        );
        let data = self.packet_field(offset_of!(Packet, data), 8);
        let len = self.packet_field(offset_of!(Packet, len), 4);
        let end = self.b.ins().iadd(data, len);
        self.b.def_var(self.data, data);
        self.b.def_var(self.end, end);
        self.b.ins().jump(done, &[]);
        self.switch(done);
    }
    /// Writes down where these headers are, for the helpers that put them together.
    fn segments(&mut self, headers: &[HeaderId]) -> (Value, Value) {
        let parts: Vec<(Value, Value)> = headers
            .iter()
            .filter(|h| self.info.possible.contains(h))
            .map(|header| {
                let start = self.b.use_var(self.headers[*header].start);
                (start, self.header_len(*header))
            })
            .collect();
        self.write_segments(&parts)
    }
    /// Writes down starts (0 for what is not there) and lengths; the address and how many.
    fn write_segments(&mut self, parts: &[(Value, Value)]) -> (Value, Value) {
        let slot = self
            .b
            .create_sized_stack_slot(slot(16 * parts.len() as u32));
        let base = self.b.ins().stack_addr(I64, slot, 0);
        for (i, (start, len)) in parts.iter().enumerate() {
            let at = 16 * i as i32;
            self.b.ins().store(flags(), *start, base, at);
            self.b.ins().store(flags(), *len, base, at + 8);
        }
        let count = self.number(parts.len() as u64);
        (base, count)
    }
    /// Length of a valid header in bytes.
    fn header_len(&mut self, header: HeaderId) -> Value {
        match self.headers[header].len {
            Some(len) => self.b.use_var(len),
            None => {
                let bytes = self.fixed_bytes(header);
                self.number(u64::from(bytes))
            }
        }
    }
    /// Length of a header's fixed part in bytes.
    fn fixed_bytes(&self, header: HeaderId) -> u32 {
        self.program.header_type(header).fixed_bits() / 8
    }
    fn validity(&self, header: HeaderId) -> Validity {
        self.facts.validity(header)
    }
    fn set_dirty(&mut self) {
        if let Some(dirty) = self.dirty {
            let one = self.number(1);
            self.b.def_var(dirty, one);
        }
    }
    /// Calls a helper.
    fn call(&mut self, helper: Helper, args: &[Value]) -> Option<Value> {
        let function = match self.helper_refs.get(&helper) {
            Some(function) => *function,
            None => {
                let id = self.helper_ids[&helper];
                let function = self.module.declare_func_in_func(id, self.b.func);
                self.helper_refs.insert(helper, function);
                function
            }
        };
        let call = self.b.ins().call(function, args);
        self.b.inst_results(call).first().copied()
    }
    /// A pointer from the context.
    fn context_pointer(&mut self, offset: usize) -> Value {
        let context = self.context;
        self.b
            .ins()
            .load(I64, constant_flags(), context, offset as i32)
    }
    fn zero_page(&mut self) -> Value {
        self.context_pointer(offset_of!(Context, zero))
    }
    fn sink(&mut self) -> Value {
        self.context_pointer(offset_of!(Context, sink))
    }
    /// An array of the runtime.
    fn base(&mut self, base: crate::info::Base) -> Value {
        let bases = self.context_pointer(offset_of!(Context, bases));
        let at = 8 * self.info.base(base) as i32;
        self.b.ins().load(I64, constant_flags(), bases, at)
    }
    /// The time of the packet.
    fn now(&mut self) -> Value {
        self.b.use_var(self.metas[StdMeta::Timestamp.id()][0])
    }
    /// The length of the packet on arrival.
    fn packet_length(&mut self) -> Value {
        self.b.use_var(self.metas[StdMeta::PacketLength.id()][0])
    }
    /// A temporary place on the stack for words.
    fn temporary(&mut self, words: usize) -> Value {
        let slot = self.b.create_sized_stack_slot(slot(8 * words as u32));
        self.b.ins().stack_addr(I64, slot, 0)
    }
    fn ireduce(&mut self, ty: cranelift_codegen::ir::Type, value: Value) -> Value {
        if ty == I64 {
            value
        } else {
            debug_assert!(ty.bits() <= I32.bits());
            self.b.ins().ireduce(ty, value)
        }
    }
}
