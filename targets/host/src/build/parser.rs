//! The parser state machine.

use super::Build;
use super::expr::{Place, Scope};
use super::value::Val;
use crate::facts::{Facts, Validity};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::Switch;
use trisect_ir::parser::{
    HEADER_TOO_SHORT, NO_MATCH, PACKET_TOO_SHORT, PARSER_INVALID_ARGUMENT, PARSER_TIMEOUT,
};
use trisect_ir::{
    Expr, HeaderId, KeySet, ParseTarget, ParserOp, SelectCase, StateId, StdMeta, Transition,
};

/// From this many cases on, a select on one number becomes a search instead of a chain.
const SEARCH_CASES: usize = 5;

impl Build<'_, '_> {
    pub(super) fn parser(&mut self) {
        self.b.switch_to_block(self.parser_start);
        if self.continuation.is_none() {
            self.b.seal_block(self.parser_start);
        }
        let zero = self.number(0);
        self.b
            .def_var(self.metas[StdMeta::ParserError.id()][0], zero);
        let data = self.b.use_var(self.data);
        self.b.def_var(self.cursor, data);
        for header in self.program.headers.keys() {
            let vars = self.headers[header];
            self.b.def_var(vars.start, zero);
            if let Some(len) = vars.len {
                self.b.def_var(len, zero);
            }
        }
        if let Some(dirty) = self.dirty {
            let always = self.number(u64::from(!self.info.in_order));
            self.b.def_var(dirty, always);
        }
        if let Some(idle) = self.idle {
            self.b.def_var(idle, zero);
        }
        self.facts = Facts::none_valid(self.program.headers.len());
        match self.program.parser.start {
            Some(start) => self.go(Place::State(start)),
            None => self.go(Place::Parsed),
        }
        for state in self.info.states.clone() {
            self.state(state);
        }
    }
    fn state(&mut self, id: StateId) {
        let place = &self.states[&id];
        let (block, facts) = (place.block, place.facts.clone());
        if self.info.loop_heads.contains(&id) {
            // Not all ways to it are known yet.
            let possible = self.info.possible.iter().copied();
            self.facts = Facts::unknown(self.program.headers.len(), possible);
            self.b.switch_to_block(block);
        } else if let Some(facts) = facts {
            self.facts = facts;
            self.switch(block);
        } else {
            // No way leads to it after all.
            return;
        }
        let state = &self.program.parser.states[id];
        let start = self.b.use_var(self.cursor);
        self.look_further(&state.ops);
        for op in &state.ops {
            match op {
                ParserOp::Extract { header, varbit } => {
                    self.extract_header(*header, varbit.as_ref())
                }
                ParserOp::Advance(bits) => self.advance(bits),
                ParserOp::Set(to, expr) => {
                    self.need_lookahead(expr);
                    let value = self.eval(expr, Scope::NONE);
                    self.assign(to, &value);
                }
                ParserOp::SetValid(header) => self.set_valid(*header),
                ParserOp::SetInvalid(header) => self.set_invalid(*header),
                ParserOp::Copy { dst, src } => self.copy(*dst, *src),
                ParserOp::CopyVarbit { dst, src } => self.copy_varbit(*dst, *src),
                ParserOp::Verify(cond, code) => self.verify(cond, *code),
            }
        }
        self.watch_progress(start, &state.ops);
        match &state.next {
            Transition::Goto(target) => self.go_target(*target),
            Transition::Select(keys, cases) => self.select(keys, cases),
        }
    }
    /// Ends a parser that goes round without consuming anything.
    fn watch_progress(&mut self, start: Value, ops: &[ParserOp]) {
        let Some(idle) = self.idle else { return };
        let zero = self.number(0);
        let consumes = ops.iter().any(
            |op| matches!(op, ParserOp::Extract { header, .. } if self.fixed_bytes(*header) > 0),
        );
        if consumes {
            self.b.def_var(idle, zero);
            return;
        }
        let cursor = self.b.use_var(self.cursor);
        let moved = self.b.ins().icmp(IntCC::NotEqual, cursor, start);
        let old = self.b.use_var(idle);
        let more = self.b.ins().iadd_imm_s(old, 1);
        let count = self.b.ins().select(moved, zero, more);
        self.b.def_var(idle, count);
        let limit = self.number(self.program.parser.states.len() as u64);
        let fine = self
            .b
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, count, limit);
        self.require(fine, PARSER_TIMEOUT);
    }
    /// If nobody asks why parsing ended, one check can stand for several: all that may come before
    /// the first extract without a trace are checks that end parsing at the same place.
    fn look_further(&mut self, ops: &[ParserOp]) {
        if self.info.read.contains(&StdMeta::ParserError.id()) {
            return;
        }
        let first = ops.iter().find(|op| !matches!(op, ParserOp::Verify(..)));
        if let Some(ParserOp::Extract { header, .. }) = first {
            let bytes = self.fixed_bytes(*header);
            self.need(bytes);
        }
    }
    /// Ends parsing with an error unless the flag is set.
    fn require(&mut self, flag: Value, error: u8) {
        let fine = self.b.create_block();
        let facts = self.facts.clone();
        if self.info.read.contains(&StdMeta::ParserError.id()) {
            let bad = self.b.create_block();
            self.b.set_cold_block(bad);
            self.b.ins().brif(flag, fine, &[], bad, &[]);
            self.switch(bad);
            self.fail(error);
        } else {
            let parsed = self.arrive(Place::Parsed, &facts);
            self.b.ins().brif(flag, fine, &[], parsed, &[]);
        }
        self.switch(fine);
    }
    /// Ends the block and parsing.
    fn fail(&mut self, error: u8) {
        let code = self.number(u64::from(error));
        self.b
            .def_var(self.metas[StdMeta::ParserError.id()][0], code);
        self.go(Place::Parsed);
    }
    fn left(&mut self) -> Value {
        let cursor = self.b.use_var(self.cursor);
        let end = self.b.use_var(self.end);
        self.b.ins().isub(end, cursor)
    }
    /// Makes sure that this many bytes follow the cursor.
    fn need(&mut self, bytes: u32) {
        if self.facts.available >= bytes {
            return;
        }
        let left = self.left();
        let needed = self.number(u64::from(bytes));
        let fits = self
            .b
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, left, needed);
        self.require(fits, PACKET_TOO_SHORT);
        self.facts.available = bytes;
    }
    /// Makes sure that everything that an expression looks at is there.
    fn need_lookahead(&mut self, expr: &Expr) {
        let mut bits = 0;
        expr.walk(&mut |e| {
            if let Expr::Lookahead { offset, width } = e {
                bits = bits.max(offset.saturating_add(*width));
            }
        });
        self.need(bits.div_ceil(8));
    }
    fn move_on(&mut self, bytes: Value) {
        let cursor = self.b.use_var(self.cursor);
        let next = self.b.ins().iadd(cursor, bytes);
        self.b.def_var(self.cursor, next);
    }
    /// A number of bits as whole bytes.
    fn whole_bytes_of(&mut self, bits: &Expr) -> Value {
        self.need_lookahead(bits);
        let value = self.eval(bits, Scope::NONE);
        let value = self.index(&value);
        if Self::trailing_zeros(bits) < 3 {
            let rest = self.low(value, 3);
            let zero = self.number(0);
            let whole = self.b.ins().icmp(IntCC::Equal, rest, zero);
            self.require(whole, PARSER_INVALID_ARGUMENT);
        }
        self.shift_right(value, 3)
    }
    fn extract_header(&mut self, header: HeaderId, varbit: Option<&Expr>) {
        let fixed = self.fixed_bytes(header);
        let vars = self.headers[header];
        let bytes = match varbit {
            None => {
                self.need(fixed);
                self.facts.available -= fixed;
                self.number(u64::from(fixed))
            }
            Some(bits) => {
                let variable = self.whole_bytes_of(bits);
                let max = self.program.header_type(header).varbit().unwrap_or(0) / 8;
                let max = self.number(u64::from(max));
                let fits = self
                    .b
                    .ins()
                    .icmp(IntCC::UnsignedLessThanOrEqual, variable, max);
                self.require(fits, HEADER_TOO_SHORT);
                let bytes = self.b.ins().iadd_imm_s(variable, i64::from(fixed));
                let left = self.left();
                let there = self
                    .b
                    .ins()
                    .icmp(IntCC::UnsignedLessThanOrEqual, bytes, left);
                self.require(there, PACKET_TOO_SHORT);
                self.facts.available = 0;
                bytes
            }
        };
        let start = self.b.use_var(self.cursor);
        self.b.def_var(vars.start, start);
        if let Some(len) = vars.len {
            self.b.def_var(len, bytes);
        }
        self.facts.set(header, Validity::Valid);
        self.move_on(bytes);
    }
    fn advance(&mut self, bits: &Expr) {
        let bytes = self.whole_bytes_of(bits);
        let left = self.left();
        let there = self
            .b
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, bytes, left);
        self.require(there, PACKET_TOO_SHORT);
        self.facts.available = 0;
        self.set_dirty();
        self.move_on(bytes);
    }
    fn verify(&mut self, cond: &Expr, error: u8) {
        self.need_lookahead(cond);
        let fine = self.b.create_block();
        let bad = self.b.create_block();
        self.b.set_cold_block(bad);
        let ways = self.branch(cond, fine, bad, Scope::NONE);
        if let Some(facts) = ways.no {
            self.switch(bad);
            self.facts = facts;
            self.fail(error);
        }
        // A condition that never holds leaves this block without a way to it.
        self.switch(fine);
        if let Some(facts) = ways.yes {
            self.facts = facts;
        }
    }
    fn go_target(&mut self, target: ParseTarget) {
        let place = Self::target_place(target);
        self.go(place);
    }
    fn target_place(target: ParseTarget) -> Place {
        match target {
            ParseTarget::Accept | ParseTarget::Reject => Place::Parsed,
            ParseTarget::State(state) => Place::State(state),
        }
    }
    fn select(&mut self, keys: &[Expr], cases: &[SelectCase]) {
        for key in keys {
            self.need_lookahead(key);
        }
        let keys: Vec<Val> = keys.iter().map(|k| self.eval(k, Scope::NONE)).collect();
        if let [key] = &keys[..]
            && self.select_by_search(key, cases)
        {
            return;
        }
        for case in cases {
            match self.contains_all(&case.sets, &keys) {
                None => {
                    self.go_target(case.target);
                    return;
                }
                Some(matches) => {
                    let next = self.b.create_block();
                    let facts = self.facts.clone();
                    let target = self.arrive(Self::target_place(case.target), &facts);
                    self.b.ins().brif(matches, target, &[], next, &[]);
                    self.switch(next);
                }
            }
        }
        self.fail(NO_MATCH);
    }
    /// Many single values of one small key, perhaps with a default at the end.
    fn select_by_search(&mut self, key: &Val, cases: &[SelectCase]) -> bool {
        let [key] = key.limbs[..] else { return false };
        let (values, default) = match cases.split_last() {
            Some((last, values)) if matches!(last.sets[..], [KeySet::Any]) => {
                (values, Some(last.target))
            }
            _ => (cases, None),
        };
        let single = |case: &SelectCase| matches!(case.sets[..], [KeySet::Exact(_)]);
        if values.len() < SEARCH_CASES || !values.iter().all(single) {
            return false;
        }
        let mut switch = Switch::new();
        let facts = self.facts.clone();
        let mut seen = std::collections::BTreeSet::new();
        for case in values {
            let [KeySet::Exact(value)] = &case.sets[..] else {
                continue;
            };
            // Of equal values the first counts.
            if seen.insert(value.low_u64()) {
                let block = self.arrive(Self::target_place(case.target), &facts);
                switch.set_entry(u128::from(value.low_u64()), block);
            }
        }
        let otherwise = self.b.create_block();
        switch.emit(&mut self.b, key, otherwise);
        self.switch(otherwise);
        match default {
            Some(target) => self.go_target(target),
            None => self.fail(NO_MATCH),
        }
        true
    }
    /// Whether values lie in sets; `None` if they certainly do.
    pub(super) fn contains_all(&mut self, sets: &[KeySet], values: &[Val]) -> Option<Value> {
        let mut all: Option<Value> = None;
        for (set, value) in sets.iter().zip(values) {
            if let Some(flag) = self.contains(set, value) {
                all = Some(match all {
                    Some(all) => self.b.ins().band(all, flag),
                    None => flag,
                });
            }
        }
        all
    }
    /// Whether a value lies in a set; `None` if it certainly does.
    fn contains(&mut self, set: &KeySet, value: &Val) -> Option<Value> {
        if value.width == 0 {
            return None;
        }
        if let KeySet::Range(lo, hi) = set {
            let lo = self.constant(&lo.resize(value.width));
            let hi = self.constant(&hi.resize(value.width));
            let above = self.less(&lo, value, true);
            let below = self.less(value, &hi, true);
            return Some(self.b.ins().band(above, below));
        }
        let (want, mask) = trisect_table::key::mask_form(value.width, set)?;
        if mask.is_zero() {
            return None;
        }
        let want = self.constant(&want);
        if mask == trisect_ir::Bits::ones(value.width) {
            return Some(self.equal(value, &want));
        }
        let mask = self.constant(&mask);
        let masked = self.zip(value, &mask, |this, x, y| this.b.ins().band(x, y));
        Some(self.equal(&masked, &want))
    }
}
