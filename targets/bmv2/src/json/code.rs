//! Expressions, and the statements that must stand in front of them.
//!
//! BMv2 computes with integers of any size and cuts them to a field's width only where they are stored, so
//! every expression here keeps the invariant that its value is the IR's: an unsigned number below 2^width.
//! What has no expression (hashes, looking ahead) becomes primitives that fill a field of the scratch
//! header; so does what would nest too deeply.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trisect_ir::halfsiphash::{self, HalfSipHash, WordByte};
use trisect_ir::{
    BinOp, Bits, Expr, FieldRef, HashAlgorithm, HeaderId, LValue, Param, Place, Program, SumTerm,
    UnOp, eval,
};

use super::value::{
    SCRATCH, Term, argument, binary, boolean, choose, constant, field, header_field, leaf, local,
    meta, number, primitive, unary, validity,
};
use crate::expr::comparison_sign;
use crate::names::Names;
use crate::valid::{Valid, implied};

/// Expressions that nest deeper go through the scratch header: each level takes two of JSON, and usual readers
/// stop at 128.
const MAX_HEIGHT: u32 = 40;
/// Shifts by more than this are guarded, since BMv2 would build a number of as many bits.
const MAX_SHIFT: u64 = 255;

/// Fields for intermediate values. Each place of the program starts anew, so places share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    used: BTreeMap<u32, u32>,
    most: BTreeMap<u32, u32>,
    colors: Vec<String>,
}

impl Scratch {
    /// A new place: what others computed is not needed any more.
    pub(crate) fn restart(&mut self) {
        self.used.clear();
    }

    /// A field of this width that nothing else in this place uses.
    pub(crate) fn take(&mut self, width: u32) -> Value {
        let next = self.used.entry(width).or_default();
        let name = format!("t{width}_{next}");
        *next += 1;
        let most = self.most.entry(width).or_default();
        *most = (*most).max(*next);
        field(SCRATCH, &name)
    }

    /// The field that takes the colour of a direct meter.
    pub(crate) fn color(&mut self, object: &str) -> String {
        let name = format!("color_{object}");
        if !self.colors.contains(&name) {
            self.colors.push(name.clone());
        }
        name
    }

    /// All fields with their widths.
    pub(crate) fn fields(&self) -> Vec<(String, u32)> {
        let temporaries = self.most.iter().flat_map(|(width, count)| {
            (0..*count).map(move |at| (format!("t{width}_{at}"), *width))
        });
        let colors = self.colors.iter().map(|name| (name.clone(), COLOR_BITS));
        temporaries.chain(colors).collect()
    }
}

/// Width of a meter's colour.
pub(crate) const COLOR_BITS: u32 = 8;

/// A hash over fields of the scratch header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calculation {
    pub algorithm: &'static str,
    pub input: Vec<Value>,
}

/// What all places add to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    pub scratch: Scratch,
    pub calculations: Vec<Calculation>,
}

impl Shared {
    /// The number of the calculation.
    fn calculation(&mut self, wanted: Calculation) -> usize {
        let found = self.calculations.iter().position(|c| *c == wanted);
        found.unwrap_or_else(|| {
            self.calculations.push(wanted);
            self.calculations.len() - 1
        })
    }
}

/// The name of a calculation.
pub(crate) fn calculation_name(at: usize) -> String {
    format!("calc_{at}")
}

/// Where statements go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    Action,
    Parser,
}

/// The code of one place: an action, a node's preparation or a parser state.
pub(crate) struct Code<'a> {
    pub program: &'a Program,
    pub names: &'a Names,
    pub shared: &'a mut Shared,
    /// Parameters of the enclosing action.
    pub params: &'a [Param],
    /// Headers that are certainly valid here.
    pub valid: Valid,
    pub within: Within,
    /// Primitives, or parser operations.
    pub out: Vec<Value>,
    /// In the parser: before which of them a header is to be made valid and empty, unless it is valid.
    pub emptied: Vec<(usize, HeaderId)>,
}

impl Code<'_> {
    fn width(&self, expr: &Expr) -> u32 {
        self.program.width(expr, self.params)
    }

    /// Adds a primitive.
    pub(crate) fn primitive(&mut self, op: &str, parameters: Vec<Value>) {
        let call = primitive(op, parameters);
        self.out.push(match self.within {
            Within::Action => call,
            Within::Parser => primitive("primitive", vec![call]),
        });
    }

    /// Adds the assignment of a value to a field.
    pub(crate) fn store(&mut self, to: &Value, value: Term) {
        self.primitive("assign", vec![to.clone(), argument(value)]);
    }

    /// A new field with this value.
    pub(crate) fn temporary(&mut self, width: u32, value: Term) -> Value {
        let to = self.shared.scratch.take(width);
        self.store(&to, value);
        to
    }

    /// The field that a place names.
    pub(crate) fn place(&self, place: Place) -> Value {
        match place {
            Place::Field(at) => header_field(self.program, self.names, at),
            Place::Meta(id) => meta(self.names, id),
        }
    }

    /// Assigns to a place. Whether a header is valid does not matter: when it becomes valid, all its fields
    /// are set.
    pub(crate) fn assign(&mut self, to: &LValue, value: Term) {
        let whole = self.place(to.place);
        let value = match to.slice {
            None => value,
            Some((hi, lo)) => {
                let width = self.program.lvalue_width(&LValue { slice: None, ..*to });
                let keep = Bits::ones(width).with_slice(hi, lo, &Bits::zero(hi - lo + 1));
                let rest = binary("&", leaf(whole.clone()), constant(&keep));
                binary("|", rest, shifted("<<", value, lo))
            }
        };
        self.store(&whole, value);
    }

    /// An expression that is shallow enough to be built upon.
    fn shallow(&mut self, term: Term, width: u32) -> Term {
        if term.height < MAX_HEIGHT {
            return term;
        }
        leaf(self.temporary(width, term))
    }

    /// An expression that is small enough to be written twice.
    pub(crate) fn twice(&mut self, term: Term, width: u32) -> Term {
        if term.height <= 2 {
            return term;
        }
        leaf(self.temporary(width, term))
    }

    /// The value of an expression.
    pub(crate) fn data(&mut self, expr: &Expr) -> Term {
        let term = self.deep_data(expr);
        let width = self.width(expr);
        self.shallow(term, width)
    }

    /// The truth of an expression of width 1.
    pub(crate) fn truth(&mut self, expr: &Expr) -> Term {
        let term = self.deep_truth(expr);
        if term.height < MAX_HEIGHT {
            return term;
        }
        let bit = self.temporary(1, unary("b2d", term));
        unary("d2b", leaf(bit))
    }

    fn deep_data(&mut self, expr: &Expr) -> Term {
        match expr {
            Expr::Const(bits) => constant(bits),
            Expr::Field(at) => self.field(*at),
            Expr::Meta(id) => leaf(meta(self.names, *id)),
            Expr::Param(at) => local(*at),
            Expr::Valid(header) => leaf(validity(self.names, *header)),
            Expr::Unary(UnOp::Not, a) => {
                let ones = constant(&Bits::ones(self.width(a)));
                binary("^", self.data(a), ones)
            }
            Expr::Unary(UnOp::Neg, a) => {
                let width = self.width(a);
                cut(binary("-", number(width, 0), self.data(a)), width)
            }
            Expr::Binary(op, ..) if op.is_comparison() => unary("b2d", self.truth(expr)),
            Expr::Binary(op, a, b) => self.binary(*op, a, b),
            Expr::Resize(a, width) => {
                let value = self.data(a);
                if *width < self.width(a) {
                    cut(value, *width)
                } else {
                    value
                }
            }
            Expr::SignResize(a, width) => {
                let from = self.width(a);
                let value = self.data(a);
                if *width <= from {
                    cut(value, *width)
                } else {
                    cut(signed(value, from), *width)
                }
            }
            Expr::Slice(a, hi, lo) => {
                let value = shifted(">>", self.data(a), *lo);
                cut(value, hi - lo + 1)
            }
            Expr::Concat(parts) => self.concat(parts),
            Expr::Mux(cond, a, b) => {
                let test = self.truth(cond);
                let a = self.under(cond, true, |this| this.data(a));
                let b = self.under(cond, false, |this| this.data(b));
                choose(test, a, b)
            }
            Expr::Lookahead { offset, width } => self.lookahead(*offset, *width),
            Expr::Hash(algorithm, inputs) => self.hash(algorithm, inputs),
            Expr::OnesSum(init, terms) => self.ones_sum(init, terms),
            // Refused before emission.
            Expr::Frame { .. }
            | Expr::FrameLen
            | Expr::Varbit(_)
            | Expr::Payload
            | Expr::VarbitLen(_)
            | Expr::VarbitEq(..) => number(32, 0),
        }
    }

    /// A field of an invalid header reads as 0.
    fn field(&self, at: FieldRef) -> Term {
        let value = leaf(header_field(self.program, self.names, at));
        if self.valid.contains(&at.header) {
            return value;
        }
        let valid = unary("d2b", leaf(validity(self.names, at.header)));
        choose(valid, value, number(1, 0))
    }

    /// Runs `emit` where `cond` has the value `holds`.
    fn under<T>(&mut self, cond: &Expr, holds: bool, emit: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.valid.clone();
        self.valid.extend(implied(cond, holds));
        let result = emit(self);
        self.valid = outside;
        result
    }

    fn deep_truth(&mut self, expr: &Expr) -> Term {
        match expr {
            Expr::Const(bits) => boolean(!bits.is_zero()),
            Expr::Unary(UnOp::Not, a) => unary("not", self.truth(a)),
            // Both sides are evaluated; where the left one decides, whatever the right one reads is lost.
            Expr::Binary(BinOp::And, a, b) => {
                let left = self.truth(a);
                let right = self.under(a, true, |this| this.truth(b));
                binary("and", left, right)
            }
            Expr::Binary(BinOp::Or, a, b) => {
                let left = self.truth(a);
                let right = self.under(a, false, |this| this.truth(b));
                binary("or", left, right)
            }
            Expr::Binary(op, a, b) if op.is_comparison() => self.comparison(*op, a, b),
            _ => unary("d2b", self.data(expr)),
        }
    }

    fn comparison(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Term {
        let width = self.width(a);
        let (a, b) = (self.data(a), self.data(b));
        let (sign, is_signed) = comparison_sign(op);
        if is_signed {
            binary(sign, signed(a, width), signed(b, width))
        } else {
            binary(sign, a, b)
        }
    }

    fn binary(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Term {
        let width = self.width(a);
        match op {
            BinOp::Shl | BinOp::Shr | BinOp::Sar => return self.shift(op, a, b),
            BinOp::Div | BinOp::Rem => return self.divide(op, a, b),
            _ => {}
        }
        let (a, b) = (self.data(a), self.data(b));
        let size = number(32, u64::from(width));
        match op {
            BinOp::Add => cut(binary("+", a, b), width),
            BinOp::Sub => cut(binary("-", a, b), width),
            BinOp::Mul => cut(binary("*", a, b), width),
            BinOp::AddSat => binary("usat_cast", binary("+", a, b), size),
            BinOp::SubSat => binary("usat_cast", binary("-", a, b), size),
            BinOp::SAddSat | BinOp::SSubSat => {
                let sign = if op == BinOp::SAddSat { "+" } else { "-" };
                let exact = binary(sign, signed(a, width), signed(b, width));
                cut(binary("sat_cast", exact, size), width)
            }
            BinOp::And => binary("&", a, b),
            BinOp::Or => binary("|", a, b),
            _ => binary("^", a, b),
        }
    }

    /// A shift by `width` or more gives 0, or the sign.
    fn shift(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Term {
        let width = self.width(a);
        let value = self.data(a);
        let value = match op {
            BinOp::Sar => self.twice(value, width),
            _ => value,
        };
        let limit = MAX_SHIFT.max(u64::from(width));
        let (amount, far) = match b {
            Expr::Const(bits) => {
                let amount = bits.to_u64().unwrap_or(u64::MAX).min(limit);
                (number(64, amount), None)
            }
            _ => {
                let amount_width = self.width(b);
                let amount = self.data(b);
                let amount = self.twice(amount, amount_width);
                let largest = Bits::ones(amount_width).to_u64().unwrap_or(u64::MAX);
                let far = (largest > limit).then(|| binary(">", amount.clone(), number(64, limit)));
                (amount, far)
            }
        };
        let near = match op {
            BinOp::Shl => cut(binary("<<", value.clone(), amount), width),
            BinOp::Shr => binary(">>", value.clone(), amount),
            _ => cut(binary(">>", signed(value.clone(), width), amount), width),
        };
        let Some(far) = far else {
            return near;
        };
        let beyond = match op {
            BinOp::Sar => {
                let shift = number(64, u64::from(width));
                cut(binary(">>", signed(value, width), shift), width)
            }
            _ => number(1, 0),
        };
        choose(far, beyond, near)
    }

    /// BMv2 stops at a division by zero; the IR gives 0.
    fn divide(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Term {
        let (value, divisor) = (self.data(a), self.data(b));
        let divisor = self.twice(divisor, self.width(b));
        let sign = if op == BinOp::Div { "/" } else { "%" };
        let quotient = binary(sign, value, divisor.clone());
        match b {
            Expr::Const(bits) if bits.is_zero() => number(1, 0),
            Expr::Const(_) => quotient,
            _ => choose(binary("==", divisor, number(1, 0)), number(1, 0), quotient),
        }
    }

    fn concat(&mut self, parts: &[Expr]) -> Term {
        let mut whole: Option<(Term, u32)> = None;
        for part in parts {
            let part_width = self.width(part);
            let part = self.data(part);
            whole = Some(match whole {
                None => (part, part_width),
                Some((left, width)) => {
                    let width = width + part_width;
                    let joined = binary("|", shifted("<<", left, part_width), part);
                    (self.shallow(joined, width), width)
                }
            });
        }
        whole.map_or_else(|| number(1, 0), |(term, _)| term)
    }

    /// The bits from the cursor on, in one piece: BMv2 checks the packet's end only for the bits that it reads,
    /// not for those that it skips.
    fn lookahead(&mut self, offset: u32, width: u32) -> Term {
        let all = offset + width;
        let to = self.shared.scratch.take(all);
        let bits = json!({ "type": "lookahead", "value": [0, all] });
        self.out.push(primitive("set", vec![to.clone(), bits]));
        if offset == 0 {
            leaf(to)
        } else {
            cut(leaf(to), width)
        }
    }

    // ---------------------------------------------------------------------------------- hashes

    fn hash(&mut self, algorithm: &HashAlgorithm, inputs: &[Expr]) -> Term {
        let padded: Vec<Expr> = inputs
            .iter()
            .filter(|input| self.width(input) > 0)
            .map(|input| {
                Expr::Resize(
                    Box::new(input.clone()),
                    self.width(input).next_multiple_of(8),
                )
            })
            .collect();
        if padded.is_empty() {
            return constant(&eval::hash_of(algorithm, &[]));
        }
        match algorithm {
            HashAlgorithm::Crc32 => self.calculate("crc32", 32, &padded),
            HashAlgorithm::Crc16 => self.calculate("crc16", 16, &padded),
            HashAlgorithm::Csum16 => self.checksum(padded),
            HashAlgorithm::Xor16 if self.within == Within::Parser => self
                .words(padded)
                .into_iter()
                .reduce(|sum, word| binary("^", sum, word))
                .unwrap_or_else(|| number(16, 0)),
            HashAlgorithm::Xor16 => self.calculate("xor16", 16, &padded),
            HashAlgorithm::Identity => self.data(&Expr::Resize(Box::new(Expr::Concat(padded)), 32)),
            // Refused before emission.
            HashAlgorithm::Crc { .. } => number(32, 0),
            HashAlgorithm::Toeplitz(key) => self.toeplitz(key, &Expr::Concat(padded)),
            HashAlgorithm::HalfSipHash(key) => self.halfsiphash(*key, &Expr::Concat(padded)),
        }
    }

    /// Runs a hash of BMv2's over the inputs, each a whole number of bytes.
    fn calculate(&mut self, algorithm: &'static str, width: u32, inputs: &[Expr]) -> Term {
        let input = inputs.iter().map(|input| {
            let value = self.data(input);
            let width = self.width(input);
            self.temporary(width, value)
        });
        let input = input.collect();
        let number_of = self.shared.calculation(Calculation { algorithm, input });
        let to = self.shared.scratch.take(width);
        let calculation = json!({ "type": "calculation", "value": calculation_name(number_of) });
        let range = number(width + 1, 1 << width);
        let zero = number(1, 0);
        self.primitive(
            "modify_field_with_hash_based_offset",
            vec![to.clone(), argument(zero), calculation, argument(range)],
        );
        leaf(to)
    }

    /// Each input bit that is set adds (by exclusive or) the 32 key bits that begin at its place.
    /// simple_switch has this hash, too, but its key can only be set at run time.
    fn toeplitz(&mut self, key: &[u8], input: &Expr) -> Term {
        let total = self.width(input);
        let value = self.data(input);
        let data = self.temporary(total, value);
        // Behind its end the key counts as zeros.
        let mut key = key.to_vec();
        key.resize(total as usize / 8 + 4, 0);
        let mut sum = number(32, 0);
        for bit in 0..total {
            let window = eval::bits_at(&key, bit as usize, 32);
            let Some(window) = window.filter(|window| !window.is_zero()) else {
                continue;
            };
            let set = cut(shifted(">>", leaf(data.clone()), total - 1 - bit), 1);
            let joined = binary("^", sum, binary("*", set, constant(&window)));
            sum = self.shallow(joined, 32);
        }
        sum
    }

    /// Additions, rotations and exclusive or, one behind the other.
    fn halfsiphash(&mut self, key: [u8; 8], input: &Expr) -> Term {
        let total = self.width(input);
        let value = self.data(input);
        let data = self.temporary(total, value);
        let start = HalfSipHash::new(&key).start();
        let mut state = start.map(|word| number(32, u64::from(word)));
        for bytes in halfsiphash::words(total as usize / 8) {
            let mut word = number(32, 0);
            for byte in bytes {
                let byte = match byte {
                    WordByte::Input(at) => {
                        let behind = total - 8 - 8 * at as u32;
                        cut(shifted(">>", leaf(data.clone()), behind), 8)
                    }
                    WordByte::Constant(value) => number(8, u64::from(value)),
                };
                word = binary("|", shifted("<<", word, 8), byte);
            }
            let word = self.stored(word, 32);
            state[3] = self.stored(binary("^", state[3].clone(), word.clone()), 32);
            for _ in 0..halfsiphash::COMPRESSION_ROUNDS {
                self.sip_round(&mut state);
            }
            state[0] = self.stored(binary("^", state[0].clone(), word), 32);
        }
        state[2] = self.stored(binary("^", state[2].clone(), number(32, 0xff)), 32);
        for _ in 0..halfsiphash::FINAL_ROUNDS {
            self.sip_round(&mut state);
        }
        let [_, b, _, d] = state;
        binary("^", b, d)
    }

    fn sip_round(&mut self, state: &mut [Term; 4]) {
        let turned = |term: &Term, by: u32| {
            let (high, low) = (
                shifted("<<", term.clone(), by),
                shifted(">>", term.clone(), 32 - by),
            );
            cut(binary("|", high, low), 32)
        };
        for step in halfsiphash::ROUND {
            let sum = binary("+", state[step.to].clone(), state[step.other].clone());
            let sum = self.stored(cut(sum, 32), 32);
            let other = turned(&state[step.other], step.rotate);
            state[step.other] = self.stored(binary("^", other, sum.clone()), 32);
            state[step.to] = match step.swap {
                true => self.stored(turned(&sum, 16), 32),
                false => sum,
            };
        }
    }

    /// A term's value in a variable of its own.
    fn stored(&mut self, term: Term, width: u32) -> Term {
        leaf(self.temporary(width, term))
    }

    /// The complement of the checksum over all words, the subtracted ones complemented.
    fn ones_sum(&mut self, init: &Expr, terms: &[SumTerm]) -> Term {
        let mut words = vec![init.clone()];
        for term in terms {
            let width = self.width(&term.value);
            let missing = width.next_multiple_of(16) - width;
            if width == 0 {
                continue;
            }
            let word = match missing {
                0 => term.value.clone(),
                _ => Expr::Concat(vec![term.value.clone(), Expr::Const(Bits::zero(missing))]),
            };
            words.push(if term.subtract { word.not() } else { word });
        }
        let checksum = self.checksum(words);
        binary("^", checksum, number(16, 0xffff))
    }

    /// The checksum of RFC 1071. BMv2 has its hashes in the control only, so the parser adds.
    fn checksum(&mut self, inputs: Vec<Expr>) -> Term {
        if self.within == Within::Action {
            return self.calculate("csum16", 16, &inputs);
        }
        let mut sum = number(64, 0);
        for word in self.words(inputs) {
            sum = binary("+", sum, word);
            sum = self.shallow(sum, 64);
        }
        // The sum of at most 2^16 words and its first folding carry into the upper half.
        for _ in 0..2 {
            let whole = leaf(self.temporary(64, sum));
            sum = binary("+", cut(whole.clone(), 16), shifted(">>", whole, 16));
        }
        binary("^", sum, number(16, 0xffff))
    }

    /// The inputs one behind the other, in 16-bit words; the last one padded on its right.
    fn words(&mut self, inputs: Vec<Expr>) -> Vec<Term> {
        let whole = Expr::Concat(inputs);
        let total = self.width(&whole);
        let value = self.data(&whole);
        let whole = self.temporary(total, value);
        let words = (0..total.div_ceil(16)).map(|at| {
            let end = 16 * (at + 1);
            let word = match end.checked_sub(total) {
                Some(missing) => shifted("<<", leaf(whole.clone()), missing),
                None => shifted(">>", leaf(whole.clone()), total - end),
            };
            cut(word, 16)
        });
        words.collect()
    }
}

/// The low bits of a number.
fn cut(value: Term, width: u32) -> Term {
    binary("&", value, constant(&Bits::ones(width)))
}

/// The number that the bits stand for in two's complement.
fn signed(value: Term, width: u32) -> Term {
    binary("two_comp_mod", value, number(32, u64::from(width)))
}

/// A number shifted by a constant.
fn shifted(op: &str, value: Term, by: u32) -> Term {
    if by == 0 {
        return value;
    }
    binary(op, value, number(32, u64::from(by)))
}
