//! Expressions and conditions.

use super::Build;
use super::value::Val;
use crate::facts::{Facts, Validity, join};
use crate::helpers::Helper;
use crate::info::hash_len;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use trisect_ir::{BinOp, Expr, HashAlgorithm, HeaderId, Param, SumTerm, UnOp};

/// Where the arguments of the enclosing action come from.
#[derive(Clone, Copy)]
pub(super) enum Args<'a> {
    /// There are none.
    None,
    /// Constants of a call.
    Constant(&'a [trisect_ir::Bits]),
    /// A record of the table.
    Record(Value),
}

/// The enclosing action's parameters and arguments.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub params: &'a [Param],
    pub args: Args<'a>,
}

impl Scope<'_> {
    pub const NONE: Scope<'static> = Scope {
        params: &[],
        args: Args::None,
    };
}

/// What is known on the two ways out of a branch; `None` for a way that is never taken.
pub(super) struct Ways {
    pub yes: Option<Facts>,
    pub no: Option<Facts>,
}

impl Build<'_, '_> {
    pub(super) fn width(&self, expr: &Expr, scope: Scope<'_>) -> u32 {
        self.program.width(expr, scope.params)
    }
    pub(super) fn eval(&mut self, expr: &Expr, scope: Scope<'_>) -> Val {
        match expr {
            Expr::Const(bits) => self.constant(bits),
            Expr::Field(field) => {
                let width = self.program.field_width(*field);
                self.read_field(*field, 0, width)
            }
            Expr::Meta(meta) => {
                let variables = self.metas[*meta].clone();
                let limbs = variables.iter().map(|v| self.b.use_var(*v)).collect();
                Self::val(self.program.metas[*meta].width, limbs)
            }
            Expr::Param(index) => self.argument(*index, scope),
            Expr::Valid(header) => {
                let flag = self.is_valid(*header);
                self.truth(flag)
            }
            Expr::Unary(UnOp::Not, a) => {
                let a = self.eval(a, scope);
                self.complement(&a)
            }
            Expr::Unary(UnOp::Neg, a) => {
                let a = self.eval(a, scope);
                let zero = self.zero(a.width);
                self.subtract(&zero, &a)
            }
            Expr::Binary(op, a, b) => self.eval_binary(*op, a, b, scope),
            Expr::Resize(a, width) => {
                let a = self.eval(a, scope);
                self.resize(&a, *width)
            }
            Expr::SignResize(a, width) => {
                let a = self.eval(a, scope);
                self.sign_resize(&a, *width)
            }
            Expr::Slice(a, hi, lo) => match &**a {
                Expr::Field(field) => self.read_field(*field, *lo, hi - lo + 1),
                a => {
                    let a = self.eval(a, scope);
                    self.extract(&a, *lo, hi - lo + 1)
                }
            },
            Expr::Concat(parts) => {
                let parts: Vec<Val> = parts.iter().map(|p| self.eval(p, scope)).collect();
                self.concat(&parts)
            }
            Expr::Mux(cond, a, b) => {
                let cond = self.condition(cond, scope);
                let a = self.eval(a, scope);
                let b = self.eval(b, scope);
                self.choose(cond, &a, &b)
            }
            Expr::Lookahead { offset, width } => {
                let at = self.b.use_var(self.cursor);
                let range = super::field::BitRange {
                    offset: *offset,
                    width: *width,
                    region: (offset + width).div_ceil(8).max(self.facts.available),
                };
                self.load_bits(at, range)
            }
            Expr::Frame { offset, len } => {
                let offset = self.eval(offset, scope);
                self.frame(&offset, u32::from(*len))
            }
            Expr::FrameLen => {
                let len = self.frame_len();
                Self::small(32, len)
            }
            Expr::Hash(algorithm, inputs) => self.hash(algorithm, inputs, scope),
            Expr::VarbitLen(header) => {
                let (_, len) = self.varbit(*header);
                let bits = self.shift_left(len, 3);
                Self::small(32, bits)
            }
            Expr::VarbitEq(a, b) => {
                let ((a, a_len), (b, b_len)) = (self.varbit(*a), self.varbit(*b));
                match self.call(Helper::EqualBytes, &[a, a_len, b, b_len]) {
                    Some(equal) => Self::small(1, equal),
                    None => self.zero(1),
                }
            }
            // Inputs of hashes only.
            Expr::Varbit(_) | Expr::Payload => self.zero(0),
            Expr::OnesSum(init, terms) => self.ones_sum(init, terms, scope),
        }
    }
    fn eval_binary(&mut self, op: BinOp, a: &Expr, b: &Expr, scope: Scope<'_>) -> Val {
        let a = self.eval(a, scope);
        if let (true, Expr::Const(by)) = (op.is_shift(), b) {
            let by = by.to_u64().and_then(|by| u32::try_from(by).ok());
            return self.shift_constant(op, &a, by.unwrap_or(u32::MAX));
        }
        let b = self.eval(b, scope);
        self.binary(op, &a, &b)
    }
    /// A condition's value, as something to branch on or to select by.
    pub(super) fn condition(&mut self, cond: &Expr, scope: Scope<'_>) -> Value {
        match cond {
            Expr::Binary(op, a, b) if op.is_comparison() => {
                let a = self.eval(a, scope);
                let b = self.eval(b, scope);
                self.compare(*op, &a, &b)
            }
            Expr::Valid(header) => self.is_valid(*header),
            _ => {
                let value = self.eval(cond, scope);
                self.is_nonzero(&value)
            }
        }
    }
    /// Ends the block: goes to `yes` if the condition holds, else to `no`. The blocks are left
    /// unsealed, since the way may be taken from several places.
    pub(super) fn branch(&mut self, cond: &Expr, yes: Block, no: Block, scope: Scope<'_>) -> Ways {
        match cond {
            Expr::Const(bits) => {
                let holds = !bits.is_zero();
                self.b.ins().jump(if holds { yes } else { no }, &[]);
                let facts = Some(self.facts.clone());
                if holds {
                    Ways {
                        yes: facts,
                        no: None,
                    }
                } else {
                    Ways {
                        yes: None,
                        no: facts,
                    }
                }
            }
            Expr::Unary(UnOp::Not, a) if self.width(a, scope) == 1 => {
                let ways = self.branch(a, no, yes, scope);
                Ways {
                    yes: ways.no,
                    no: ways.yes,
                }
            }
            Expr::Valid(header) => {
                let (mut yes_facts, mut no_facts) = (self.facts.clone(), self.facts.clone());
                match self.validity(*header) {
                    Validity::Valid => {
                        self.b.ins().jump(yes, &[]);
                        return Ways {
                            yes: Some(yes_facts),
                            no: None,
                        };
                    }
                    Validity::Invalid => {
                        self.b.ins().jump(no, &[]);
                        return Ways {
                            yes: None,
                            no: Some(no_facts),
                        };
                    }
                    Validity::Unknown => {}
                }
                yes_facts.set(*header, Validity::Valid);
                no_facts.set(*header, Validity::Invalid);
                let start = self.b.use_var(self.headers[*header].start);
                self.b.ins().brif(start, yes, &[], no, &[]);
                Ways {
                    yes: Some(yes_facts),
                    no: Some(no_facts),
                }
            }
            Expr::Binary(op @ (BinOp::And | BinOp::Or), a, b) if self.width(a, scope) == 1 => {
                self.branch_twice(*op, a, b, yes, no, scope)
            }
            _ => {
                let flag = self.condition(cond, scope);
                self.b.ins().brif(flag, yes, &[], no, &[]);
                Ways {
                    yes: Some(self.facts.clone()),
                    no: Some(self.facts.clone()),
                }
            }
        }
    }
    /// Expressions have no effects, so the second operand need only be looked at if the first does
    /// not decide.
    fn branch_twice(
        &mut self,
        op: BinOp,
        a: &Expr,
        b: &Expr,
        yes: Block,
        no: Block,
        scope: Scope<'_>,
    ) -> Ways {
        let more = self.b.create_block();
        let (decided, undecided) = if op == BinOp::And {
            let ways = self.branch(a, more, no, scope);
            (ways.no, ways.yes)
        } else {
            let ways = self.branch(a, yes, more, scope);
            (ways.yes, ways.no)
        };
        let mut ways = match undecided {
            Some(facts) => {
                self.facts = facts;
                self.switch(more);
                self.branch(b, yes, no, scope)
            }
            None => Ways {
                yes: None,
                no: None,
            },
        };
        if let Some(facts) = decided {
            let way = if op == BinOp::And {
                &mut ways.no
            } else {
                &mut ways.yes
            };
            join(way, &facts);
        }
        ways
    }
    /// An argument of the enclosing action.
    fn argument(&mut self, index: u32, scope: Scope<'_>) -> Val {
        let index = index as usize;
        let width = scope.params[index].width;
        match scope.args {
            Args::None => self.zero(width),
            Args::Constant(args) => {
                let value = args[index].resize(width);
                self.constant(&value)
            }
            Args::Record(record) => {
                let words: usize = scope.params[..index]
                    .iter()
                    .map(|p| super::value::limb_count(p.width))
                    .sum();
                let at = 8 * (trisect_table::Record::HEAD + words) as i32;
                self.unspill(width, record, at)
            }
        }
    }
    fn frame_len(&mut self) -> Value {
        let data = self.b.use_var(self.data);
        let end = self.b.use_var(self.end);
        self.b.ins().isub(end, data)
    }
    /// `bytes` bytes of the frame, or 0 past its end.
    fn frame(&mut self, offset: &Val, bytes: u32) -> Val {
        let offset = self.index(offset);
        let len = self.frame_len();
        let needed = self.number(u64::from(bytes));
        let last = self.b.ins().isub(len, needed);
        let fits = self
            .b
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, len, needed);
        let inside = self
            .b
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, offset, last);
        let both = self.b.ins().band(fits, inside);
        let data = self.b.use_var(self.data);
        let at = self.b.ins().iadd(data, offset);
        let zeros = self.zero_page();
        let at = self.b.ins().select(both, at, zeros);
        let value = self.load_big(at, 0, bytes);
        Self::small(bytes * 8, value)
    }
    pub(super) fn hash(
        &mut self,
        algorithm: &HashAlgorithm,
        inputs: &[Expr],
        scope: Scope<'_>,
    ) -> Val {
        let len = hash_len(inputs, |i| self.width(i, scope));
        let function = self
            .info
            .hashes
            .iter()
            .position(|(a, l)| a == algorithm && *l == len)
            .unwrap_or(0);
        let function = self.number(function as u64);
        let context = self.context;
        let result = if inputs.iter().any(Expr::is_bytes) {
            let parts = self.hash_parts(inputs, scope);
            let (segments, count) = self.write_segments(&parts);
            let args = [context, function, segments, count];
            self.call(Helper::HashGathered, &args)
        } else {
            let data = self.hash_input(inputs, scope);
            let len = self.number(len as u64);
            self.call(Helper::Hash, &[context, function, data, len])
        };
        let width = algorithm.width();
        match result {
            Some(value) => {
                let value = self.low(value, width);
                Self::small(width, value)
            }
            None => self.zero(width),
        }
    }
    /// Values of fixed width in memory, as a hash takes them.
    fn hash_input(&mut self, inputs: &[Expr], scope: Scope<'_>) -> Value {
        let parts: Vec<Val> = inputs
            .iter()
            .map(|e| {
                let value = self.eval(e, scope);
                self.whole_bytes(&value)
            })
            .collect();
        let input = self.concat(&parts);
        self.big_endian(&input)
    }
    /// The inputs of a hash with byte strings among them: starts and lengths.
    fn hash_parts(&mut self, inputs: &[Expr], scope: Scope<'_>) -> Vec<(Value, Value)> {
        let mut parts = Vec::new();
        for run in inputs.chunk_by(|a, b| !a.is_bytes() && !b.is_bytes()) {
            parts.push(match run {
                [Expr::Varbit(header)] => self.varbit(*header),
                [Expr::Payload] => {
                    let start = self.b.use_var(self.cursor);
                    let end = self.b.use_var(self.end);
                    (start, self.b.ins().isub(end, start))
                }
                fixed => {
                    let len = hash_len(fixed, |i| self.width(i, scope));
                    let data = self.hash_input(fixed, scope);
                    (data, self.number(len as u64))
                }
            });
        }
        parts
    }
    /// Start and length in bytes of a header's varbit: both 0 if the header is invalid.
    pub(super) fn varbit(&mut self, header: HeaderId) -> (Value, Value) {
        let zero = self.number(0);
        let vars = self.headers[header];
        let Some(len) = vars
            .len
            .filter(|_| self.validity(header) != Validity::Invalid)
        else {
            return (zero, zero);
        };
        let fixed = i64::from(self.fixed_bytes(header));
        let start = self.b.use_var(vars.start);
        let len = self.b.use_var(len);
        let varbit = self.b.ins().iadd_imm_s(start, fixed);
        let rest = self.b.ins().iadd_imm_s(len, -fixed);
        if self.validity(header) == Validity::Valid {
            return (varbit, rest);
        }
        (
            self.b.ins().select(start, varbit, zero),
            self.b.ins().select(start, rest, zero),
        )
    }
    /// The one's complement sum: added up in 64 bits and folded at the end, which gives the same
    /// (2^16 is 1 modulo 2^16 - 1, and the sum is 0 only if every word is).
    fn ones_sum(&mut self, init: &Expr, terms: &[SumTerm], scope: Scope<'_>) -> Val {
        let init = self.eval(init, scope);
        let mut sum = self.index(&init);
        let mut bound: u64 = 0xffff;
        for term in terms {
            let value = self.eval(&term.value, scope);
            let padded = value.width.next_multiple_of(16);
            let padding = self.zero(padded - value.width);
            let mut value = self.concat(&[value, padding]);
            if term.subtract {
                value = self.complement(&value);
            }
            for i in 0..value.limbs.len() {
                let limb = value.limbs[i];
                if value.limb_bits(i) > 32 {
                    let high = self.shift_right(limb, 32);
                    let low = self.low(limb, 32);
                    sum = self.b.ins().iadd(sum, high);
                    sum = self.b.ins().iadd(sum, low);
                    bound = bound.saturating_add(2 << 32);
                } else {
                    sum = self.b.ins().iadd(sum, limb);
                    bound = bound.saturating_add(super::value::ones(value.limb_bits(i)));
                }
            }
        }
        let mut fold = |this: &mut Self, bits: u32| {
            let high = this.shift_right(sum, bits);
            let low = this.low(sum, bits);
            sum = this.b.ins().iadd(high, low);
        };
        while bound > 0xffff {
            let bits = if bound >> 34 > 0 { 32 } else { 16 };
            fold(self, bits);
            // Up to 0x1fffe, the second word is 0xffff only if the first is 0.
            bound = if bound <= 0x1_fffe {
                0xffff
            } else {
                (bound >> bits) + super::value::ones(bits)
            };
        }
        Self::small(16, sum)
    }
    /// How many low bits of an expression are certainly 0.
    pub(super) fn trailing_zeros(expr: &Expr) -> u32 {
        match expr {
            Expr::Const(bits) => bits.value().trailing_zeros().unwrap_or(64) as u32,
            Expr::Binary(BinOp::Mul, a, b) => Self::trailing_zeros(a) + Self::trailing_zeros(b),
            Expr::Binary(BinOp::Add | BinOp::Sub | BinOp::Or, a, b) => {
                Self::trailing_zeros(a).min(Self::trailing_zeros(b))
            }
            Expr::Binary(BinOp::Shl, a, by) => match &**by {
                Expr::Const(by) => {
                    Self::trailing_zeros(a) + by.to_u64().map_or(0, |by| by.min(64) as u32)
                }
                _ => Self::trailing_zeros(a),
            },
            Expr::Resize(a, _) => Self::trailing_zeros(a),
            Expr::Concat(parts) => match parts.last() {
                Some(Expr::Const(bits)) if bits.is_zero() => bits.width(),
                Some(last) => Self::trailing_zeros(last),
                None => 0,
            },
            _ => 0,
        }
    }
    /// Jumps to a place that several ways lead to.
    pub(super) fn go(&mut self, to: Place) {
        let block = self.arrive(to, &self.facts.clone());
        self.b.ins().jump(block, &[]);
    }
    /// Notes that a way with these facts leads to a place, and gives its block.
    pub(super) fn arrive(&mut self, to: Place, facts: &Facts) -> Block {
        let place = match to {
            Place::Node(node) => self.nodes.get_mut(&node),
            Place::State(state) => self.states.get_mut(&state),
            Place::Parsed => Some(&mut self.parsed),
        };
        match place {
            Some(place) => {
                join(&mut place.facts, facts);
                place.block
            }
            None => {
                debug_assert!(false, "a jump to a place that was not found before");
                self.next_packet
            }
        }
    }
}

/// A place that several ways lead to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A control node.
    Node(trisect_ir::NodeId),
    /// A parser state.
    State(trisect_ir::StateId),
    /// The end of the parser.
    Parsed,
}
