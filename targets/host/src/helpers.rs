//! Functions that compiled code calls, and the context that it passes to them.
//!
//! All arguments are 64-bit: numbers, or pointers into the packet, the stack of the compiled
//! function, or the context. Each function states what its pointers must point to; the compiled
//! code keeps it (`build`).

#![allow(unsafe_code)]

use crate::hash::HashFunction;
use crate::hints::Hints;
use crate::packet::Packet;
use std::slice;
use trisect_ir::eval;
use trisect_ir::{BinOp, Entity, ObjectId, TableId};
use trisect_table::{CellRef, Runtime, limbs};

/// What compiled code gets beside the packets. The fields in front are read by compiled code.
#[repr(C)]
pub struct Context {
    /// Zero bytes: what reads of invalid headers see.
    pub zero: *const u8,
    /// Bytes that nobody reads: where writes to invalid headers go.
    pub sink: *mut u8,
    /// Arrays that compiled code accesses itself, in the order of `Info::bases`.
    pub bases: *const *mut u8,
    /// Tables and objects.
    pub runtime: Runtime,
    /// What packets' hints stand for.
    pub hints: Hints,
    /// Hash functions, in the order of `Info::hashes`.
    pub hashes: Vec<HashFunction>,
    /// Where frames are put together.
    pub scratch: Vec<u8>,
}

/// A run of bytes for [`deparse`] and [`search_gathered`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Segment {
    /// Null for a header that is invalid.
    pub start: *const u8,
    /// Number of bytes.
    pub len: u64,
}

macro_rules! helpers {
    ($($variant:ident = $name:ident($params:literal) $result:literal;)*) => {
        /// The functions, in the order of their declaration.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Helper { $(
            #[doc = concat!("[`", stringify!($name), "`].")]
            $variant
        ),* }

        impl Helper {
            /// All of them.
            pub const ALL: &[Helper] = &[$(Helper::$variant),*];
            /// Name of the symbol.
            pub fn name(self) -> &'static str {
                match self { $(Helper::$variant => stringify!($name)),* }
            }
            /// Number of parameters (of 64 bits each), and of results (0 or 1).
            pub fn shape(self) -> (usize, usize) {
                match self { $(Helper::$variant => ($params, $result)),* }
            }
            /// Its address.
            pub fn address(self) -> *const u8 {
                match self { $(Helper::$variant => $name as *const u8),* }
            }
        }
    };
}

helpers! {
    Lookup = lookup(4) 1;
    LookupSmall = lookup_small(4) 1;
    LookupMedium = lookup_medium(5) 1;
    LookupHinted = lookup_hinted(5) 1;
    Select = select(4) 1;
    AddEntry = add_entry(7) 0;
    SetExpire = set_expire(3) 0;
    CountEntry = count_entry(5) 0;
    MeterAt = meter_at(6) 1;
    MeterEntry = meter_entry(7) 1;
    Allocate = allocate(4) 1;
    Touch = touch(4) 0;
    Notify = notify(4) 0;
    Random = random(6) 0;
    Search = search(4) 1;
    SearchGathered = search_gathered(6) 1;
    Hash = hash(4) 1;
    HashGathered = hash_gathered(4) 1;
    EqualBytes = equal_bytes(4) 1;
    Wide = wide(6) 0;
    CopyBytes = copy_bytes(3) 0;
    Deparse = deparse(5) 0;
}

fn find(context: &mut Context, table: u64, key: &[u8], now: u64) -> *const u64 {
    let table = TableId::new(table as usize);
    // The compiled program's tables are the runtime's, so there always is a record.
    context
        .runtime
        .lookup(table, key, now)
        .map_or(std::ptr::null(), |record| record.0.as_ptr())
}

/// Looks up a key of more than 16 bytes; gives the record.
unsafe extern "C" fn lookup(
    context: *mut Context,
    table: u64,
    key: *const u8,
    now: u64,
) -> *const u64 {
    // SAFETY: the caller passes the context of the running batch, which nobody else uses now, and
    // a key of the table's length.
    unsafe {
        let context = &mut *context;
        let len = context.runtime.tables[TableId::new(table as usize)]
            .layout
            .len();
        find(context, table, slice::from_raw_parts(key, len), now)
    }
}

/// Looks up a key of up to 8 bytes, right-aligned in a word.
unsafe extern "C" fn lookup_small(
    context: *mut Context,
    table: u64,
    key: u64,
    now: u64,
) -> *const u64 {
    // SAFETY: the caller passes the context of the running batch, which nobody else uses now.
    let context = unsafe { &mut *context };
    let len = context.runtime.tables[TableId::new(table as usize)]
        .layout
        .len();
    find(context, table, &key.to_be_bytes()[8 - len.min(8)..], now)
}

/// Looks up a key of 9 to 16 bytes, right-aligned in two words.
unsafe extern "C" fn lookup_medium(
    context: *mut Context,
    table: u64,
    high: u64,
    low: u64,
    now: u64,
) -> *const u64 {
    // SAFETY: the caller passes the context of the running batch, which nobody else uses now.
    let context = unsafe { &mut *context };
    let len = context.runtime.tables[TableId::new(table as usize)]
        .layout
        .len();
    let key = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    find(context, table, &key[16 - len.min(16)..], now)
}

/// Looks up a key in the table at position `at` of those with hints; gives the record.
unsafe extern "C" fn lookup_hinted(
    context: *mut Context,
    at: u64,
    key: *const u8,
    now: u64,
    packet: *const Packet,
) -> *const u64 {
    // SAFETY: the caller passes the context of the running batch, which nobody else uses now, a packet of the batch, and a
    // key of the length that the table's keys have.
    unsafe {
        let context = &mut *context;
        let (at, hint) = (at as usize, (*packet).hint);
        let Some(table) = context.hints.tables.get(at).copied() else {
            return std::ptr::null();
        };
        let key = slice::from_raw_parts(key, context.runtime.tables[table].layout.len());
        let slot = context.hints.slot(hint, at);
        match context.runtime.lookup_at(table, slot, key, now) {
            Some((found, record)) => {
                context.hints.found(hint, at, slot, found);
                record.0.as_ptr()
            }
            None => std::ptr::null(),
        }
    }
}

/// The record of the member that a hash chooses, instead of that of an entry.
unsafe extern "C" fn select(
    context: *mut Context,
    table: u64,
    record: *const u64,
    hash: u64,
) -> *const u64 {
    // SAFETY: as for `lookup_small`; `record` is one of the table's, so it has a handle.
    unsafe {
        let handle = record.add(1).read();
        let table = &(&(*context).runtime.tables)[TableId::new(table as usize)];
        match table.member(handle, hash) {
            Some(member) => member.0.as_ptr(),
            None => record,
        }
    }
}

/// Adds a flow entry with `count` limbs of arguments.
unsafe extern "C" fn add_entry(
    context: *mut Context,
    table: u64,
    action: u64,
    args: *const u64,
    count: u64,
    profile: u64,
    now: u64,
) {
    // SAFETY: as for `lookup`; `args` points to `count` words on the caller's stack.
    unsafe {
        let args = slice::from_raw_parts(args, count as usize);
        let runtime = &mut (*context).runtime;
        runtime.add_entry(TableId::new(table as usize), action, args, profile, now);
    }
}

/// Changes the expire-time profile of the flow entry that was hit.
unsafe extern "C" fn set_expire(context: *mut Context, table: u64, profile: u64) {
    // SAFETY: as for `lookup_small`.
    let runtime = unsafe { &mut (*context).runtime };
    runtime.set_expire(TableId::new(table as usize), profile);
}

/// Counts in a direct counter.
unsafe extern "C" fn count_entry(
    context: *mut Context,
    object: u64,
    table: u64,
    handle: u64,
    bytes: u64,
) {
    // SAFETY: as for `lookup_small`.
    let runtime = unsafe { &mut (*context).runtime };
    let cell = CellRef::Entry(TableId::new(table as usize), handle);
    runtime.count(ObjectId::new(object as usize), cell, bytes);
}

/// Runs a cell of an indexed meter.
unsafe extern "C" fn meter_at(
    context: *mut Context,
    object: u64,
    index: u64,
    now: u64,
    units: u64,
    color: u64,
) -> u64 {
    // SAFETY: as for `lookup_small`.
    let runtime = unsafe { &mut (*context).runtime };
    let cell = CellRef::Index(index);
    let object = ObjectId::new(object as usize);
    u64::from(runtime.meter(object, cell, now, units, color as u8))
}

/// Runs a cell of a direct meter.
unsafe extern "C" fn meter_entry(
    context: *mut Context,
    object: u64,
    table: u64,
    handle: u64,
    now: u64,
    units: u64,
    color: u64,
) -> u64 {
    // SAFETY: as for `lookup_small`.
    let runtime = unsafe { &mut (*context).runtime };
    let cell = CellRef::Entry(TableId::new(table as usize), handle);
    let object = ObjectId::new(object as usize);
    u64::from(runtime.meter(object, cell, now, units, color as u8))
}

/// Takes a number: writes it (or 0) to `number` and gives 1 if there was one.
unsafe extern "C" fn allocate(
    context: *mut Context,
    object: u64,
    now: u64,
    number: *mut u64,
) -> u64 {
    // SAFETY: as for `lookup_small`; `number` points to a word on the caller's stack.
    unsafe {
        let taken = (*context)
            .runtime
            .allocate(ObjectId::new(object as usize), now);
        number.write(taken.unwrap_or(0));
        u64::from(taken.is_some())
    }
}

/// Renews a number.
unsafe extern "C" fn touch(context: *mut Context, object: u64, number: u64, now: u64) {
    // SAFETY: as for `lookup_small`.
    let runtime = unsafe { &mut (*context).runtime };
    runtime.touch(ObjectId::new(object as usize), number, now);
}

/// Sends a message of `count` limbs.
unsafe extern "C" fn notify(context: *mut Context, object: u64, words: *const u64, count: u64) {
    // SAFETY: as for `lookup`; `words` points to `count` words on the caller's stack.
    unsafe {
        let words = slice::from_raw_parts(words, count as usize);
        let runtime = &mut (*context).runtime;
        runtime.notify(ObjectId::new(object as usize), words);
    }
}

/// Draws a number of `width` bits from `lo` to `hi`.
unsafe extern "C" fn random(
    context: *mut Context,
    object: u64,
    width: u64,
    lo: *const u64,
    hi: *const u64,
    result: *mut u64,
) {
    let width = width as u32;
    let count = limbs::count(width);
    // SAFETY: as for `lookup_small`; the pointers are to as many limbs as the width takes, on the
    // caller's stack, and the result overlaps neither operand.
    unsafe {
        let lo = limbs::to_bits(width, slice::from_raw_parts(lo, count));
        let hi = limbs::to_bits(width, slice::from_raw_parts(hi, count));
        let runtime = &mut (*context).runtime;
        let number = runtime.random(ObjectId::new(object as usize), &lo, &hi);
        slice::from_raw_parts_mut(result, count).copy_from_slice(&limbs::from_bits(&number));
    }
}

/// Searches the bytes from `start` to `end`.
unsafe extern "C" fn search(
    context: *mut Context,
    object: u64,
    start: *const u8,
    end: *const u8,
) -> u64 {
    // SAFETY: as for `lookup_small`; both pointers are into the frame, `start` not behind `end`.
    unsafe {
        let data = slice::from_raw_parts(start, end.offset_from(start) as usize);
        u64::from(
            (*context)
                .runtime
                .search(ObjectId::new(object as usize), data),
        )
    }
}

/// Puts the segments that are there together in the scratch buffer.
///
/// # Safety
///
/// `segments` points to `count` segments that are null or readable.
unsafe fn gather(context: &mut Context, segments: *const Segment, count: u64) {
    context.scratch.clear();
    // SAFETY: the function's contract.
    let segments = unsafe { slice::from_raw_parts(segments, count as usize) };
    for segment in segments.iter().filter(|s| !s.start.is_null()) {
        // SAFETY: the function's contract.
        let bytes = unsafe { slice::from_raw_parts(segment.start, segment.len as usize) };
        context.scratch.extend_from_slice(bytes);
    }
}

/// Searches the segments followed by the bytes from `payload` to `end`.
unsafe extern "C" fn search_gathered(
    context: *mut Context,
    object: u64,
    segments: *const Segment,
    count: u64,
    payload: *const u8,
    end: *const u8,
) -> u64 {
    // SAFETY: as for `search`; the segments are headers in the frame or on the caller's stack.
    unsafe {
        let context = &mut *context;
        gather(context, segments, count);
        let rest = slice::from_raw_parts(payload, end.offset_from(payload) as usize);
        context.scratch.extend_from_slice(rest);
        let object = ObjectId::new(object as usize);
        u64::from(context.runtime.search(object, &context.scratch))
    }
}

/// Hashes bytes.
unsafe extern "C" fn hash(context: *mut Context, function: u64, data: *const u8, len: u64) -> u64 {
    // SAFETY: as for `lookup_small`; `data` points to `len` bytes on the caller's stack.
    unsafe {
        let data = slice::from_raw_parts(data, len as usize);
        u64::from((&(*context).hashes)[function as usize].compute(data))
    }
}

/// Hashes the segments.
unsafe extern "C" fn hash_gathered(
    context: *mut Context,
    function: u64,
    segments: *const Segment,
    count: u64,
) -> u64 {
    // SAFETY: as for `search_gathered`.
    unsafe {
        let context = &mut *context;
        gather(context, segments, count);
        u64::from(context.hashes[function as usize].compute(&context.scratch))
    }
}

/// Whether two runs of bytes are equal; of an empty one the start does not count.
unsafe extern "C" fn equal_bytes(a: *const u8, a_len: u64, b: *const u8, b_len: u64) -> u64 {
    if a_len != b_len || a_len == 0 {
        return u64::from(a_len == b_len);
    }
    // SAFETY: the caller passes varbits of valid headers, each with its length.
    unsafe {
        let a = slice::from_raw_parts(a, a_len as usize);
        u64::from(a == slice::from_raw_parts(b, b_len as usize))
    }
}

/// Operators that [`wide`] knows, by number.
pub const WIDE_OPS: [BinOp; 8] = [
    BinOp::Mul,
    BinOp::Div,
    BinOp::Rem,
    BinOp::SAddSat,
    BinOp::SSubSat,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Sar,
];

/// An operation on wide values, as the interpreter does it: `a` and the result have `width` bits, `b`
/// has `b_width`.
unsafe extern "C" fn wide(
    op: u64,
    width: u64,
    b_width: u64,
    a: *const u64,
    b: *const u64,
    result: *mut u64,
) {
    let (width, b_width) = (width as u32, b_width as u32);
    // SAFETY: the pointers are to as many limbs as the widths take, on the caller's stack; the result
    // overlaps neither operand.
    unsafe {
        let a = slice::from_raw_parts(a, limbs::count(width));
        let b = slice::from_raw_parts(b, limbs::count(b_width));
        let value = eval::binary(
            WIDE_OPS[op as usize],
            &limbs::to_bits(width, a),
            &limbs::to_bits(b_width, b),
        );
        let out = slice::from_raw_parts_mut(result, limbs::count(width));
        out.copy_from_slice(&limbs::from_bits(&value));
    }
}

/// Copies `len` bytes that may overlap.
unsafe extern "C" fn copy_bytes(to: *mut u8, from: *const u8, len: u64) {
    if len == 0 {
        return;
    }
    // SAFETY: the caller copies a header or varbit of `len` bytes to a place for one of its type.
    unsafe { std::ptr::copy(from, to, len as usize) }
}

/// Puts the frame together anew: the segments, then what was not parsed. `payload` points into the
/// frame, or to its end.
unsafe extern "C" fn deparse(
    context: *mut Context,
    packet: *mut Packet,
    segments: *const Segment,
    count: u64,
    payload: *const u8,
) {
    // SAFETY: as for `search_gathered`; the packet is one of the running batch, and the segments are
    // copied before its buffer changes.
    unsafe {
        let context = &mut *context;
        let packet = &mut *packet;
        gather(context, segments, count);
        let payload = payload.offset_from(packet.data) as usize;
        packet.replace_head(&context.scratch, payload);
    }
}
