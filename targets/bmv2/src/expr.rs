//! Expressions.
//!
//! What P4 has no expression for (hash functions, one's complement sums) becomes statements that
//! fill a variable, put in front of the statement that uses it.

use trisect_ir::halfsiphash::{self, HalfSipHash, WordByte};
use trisect_ir::{
    BinOp, Bits, Expr, FieldRef, HashAlgorithm, LValue, Place, Program, SumTerm, UnOp,
};

use crate::names::{Names, Scope};
use crate::valid::{Valid, implied};

/// What expressions of one place see.
pub(crate) struct Expressions<'a> {
    pub program: &'a Program,
    pub names: &'a Names,
    /// Names of the enclosing action's parameters, and their widths.
    pub params: &'a [String],
    pub param_widths: &'a [trisect_ir::Param],
    /// Headers that are certainly valid here.
    pub valid: Valid,
    /// Where names of variables come from.
    pub scope: &'a mut Scope,
    /// Statements to stand in front.
    pub before: Vec<String>,
    /// Declarations of variables that must stand at the control's top, if they may not be declared
    /// on the spot.
    pub hoisted: Option<Vec<String>>,
}

/// How P4 and BMv2 write a comparison, and whether its operands are signed numbers.
pub(crate) fn comparison_sign(op: BinOp) -> (&'static str, bool) {
    match op {
        BinOp::Eq => ("==", false),
        BinOp::Ne => ("!=", false),
        BinOp::Lt => ("<", false),
        BinOp::Le => ("<=", false),
        BinOp::Gt => (">", false),
        BinOp::Ge => (">=", false),
        BinOp::SLt => ("<", true),
        BinOp::SLe => ("<=", true),
        BinOp::SGt => (">", true),
        _ => (">=", true),
    }
}

/// P4 text, and whether it holds together without parentheses.
struct Piece {
    text: String,
    atom: bool,
}

impl Piece {
    fn atom(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            atom: true,
        }
    }
    fn compound(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            atom: false,
        }
    }
    /// The text, in parentheses unless it is an atom.
    fn inner(self) -> String {
        if self.atom {
            self.text
        } else {
            format!("({})", self.text)
        }
    }
}

/// A number of a width.
pub(crate) fn constant(bits: &Bits) -> String {
    let (width, value) = (bits.width(), bits.value());
    if bits.to_u64().is_some_and(|v| v < 1000) {
        format!("{width}w{value}")
    } else {
        format!("{width}w0x{value:x}")
    }
}

impl Expressions<'_> {
    fn width(&self, expr: &Expr) -> u32 {
        self.program.width(expr, self.param_widths)
    }

    /// An expression of type `bit<width>`.
    pub(crate) fn bits(&mut self, expr: &Expr) -> String {
        self.bits_piece(expr).text
    }

    /// An expression of type `bit<width>` to stand beside an operator.
    pub(crate) fn operand(&mut self, expr: &Expr) -> String {
        self.bits_piece(expr).inner()
    }

    /// An expression of type `bool`; the expression has width 1.
    pub(crate) fn condition(&mut self, expr: &Expr) -> String {
        self.bool_piece(expr).text
    }

    /// What is assigned.
    pub(crate) fn place(&self, to: &LValue) -> String {
        let whole = match to.place {
            Place::Field(field) => self.field(field),
            Place::Meta(meta) => format!("meta.{}", self.names.metas[meta]),
        };
        match to.slice {
            Some((hi, lo)) => format!("{whole}[{hi}:{lo}]"),
            None => whole,
        }
    }

    fn field(&self, field: FieldRef) -> String {
        let ty = self.program.headers[field.header].ty;
        let name = self.names.fields[ty].get(field.field as usize);
        format!(
            "hdr.{}.{}",
            self.names.headers[field.header],
            name.map_or("", String::as_str)
        )
    }

    /// Assigns to a new variable of this width, and gives its name.
    pub(crate) fn variable(&mut self, width: u32, value: &str) -> String {
        let name = self.scope.unique("t");
        match &mut self.hoisted {
            Some(hoisted) => {
                hoisted.push(format!("bit<{width}> {name};"));
                self.before.push(format!("{name} = {value};"));
            }
            None => self.before.push(format!("bit<{width}> {name} = {value};")),
        }
        name
    }

    fn bits_piece(&mut self, expr: &Expr) -> Piece {
        match expr {
            Expr::Const(bits) => Piece::atom(constant(bits)),
            Expr::Field(field) => {
                let text = self.field(*field);
                if self.valid.contains(&field.header) {
                    return Piece::atom(text);
                }
                let header = &self.names.headers[field.header];
                let zero = constant(&Bits::zero(self.program.field_width(*field)));
                Piece::atom(format!("(hdr.{header}.isValid() ? {text} : {zero})"))
            }
            Expr::Meta(meta) => Piece::atom(format!("meta.{}", self.names.metas[*meta])),
            Expr::Param(at) => {
                Piece::atom(self.params.get(*at as usize).cloned().unwrap_or_default())
            }
            Expr::Unary(UnOp::Not, a) if !is_bool(expr) => {
                Piece::compound(format!("~{}", self.operand(a)))
            }
            Expr::Unary(UnOp::Neg, a) => Piece::compound(format!("-{}", self.operand(a))),
            Expr::Binary(op, a, b) if !is_bool(expr) => self.binary(*op, a, b),
            Expr::Resize(a, width) => self.resize(a, *width),
            Expr::SignResize(a, width) => {
                let from = self.width(a);
                Piece::compound(format!(
                    "(bit<{width}>)(int<{width}>)(int<{from}>){}",
                    self.operand(a)
                ))
            }
            Expr::Slice(a, hi, lo) => Piece::atom(format!("{}[{hi}:{lo}]", self.operand(a))),
            Expr::Concat(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.operand(part)).collect();
                Piece::compound(parts.join(" ++ "))
            }
            Expr::Mux(cond, a, b) => {
                let test = self.bool_piece(cond).inner();
                let a = self.under(cond, true, |this| this.operand(a));
                let b = self.under(cond, false, |this| this.operand(b));
                Piece::compound(format!("{test} ? {a} : {b}"))
            }
            Expr::Lookahead { offset: 0, width } => {
                Piece::atom(format!("packet.lookahead<bit<{width}>>()"))
            }
            Expr::Lookahead { offset, width } => {
                let all = offset + width;
                Piece::atom(format!("packet.lookahead<bit<{all}>>()[{}:0]", width - 1))
            }
            Expr::Hash(algorithm, inputs) => self.hash(algorithm, inputs),
            Expr::OnesSum(init, terms) => self.ones_sum(init, terms),
            // Refused before emission.
            Expr::Frame { .. }
            | Expr::FrameLen
            | Expr::Varbit(_)
            | Expr::Payload
            | Expr::VarbitLen(_)
            | Expr::VarbitEq(..) => Piece::atom("0"),
            Expr::Valid(_) | Expr::Unary(..) | Expr::Binary(..) => {
                let cond = self.bool_piece(expr).inner();
                Piece::compound(format!("(bit<1>){cond}"))
            }
        }
    }

    /// Runs `emit` where `cond` has the value `holds`.
    fn under<T>(&mut self, cond: &Expr, holds: bool, emit: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.valid.clone();
        self.valid.extend(implied(cond, holds));
        let result = emit(self);
        self.valid = outside;
        result
    }

    fn bool_piece(&mut self, expr: &Expr) -> Piece {
        match expr {
            Expr::Const(bits) => Piece::atom(if bits.is_zero() { "false" } else { "true" }),
            Expr::Valid(header) => {
                Piece::atom(format!("hdr.{}.isValid()", self.names.headers[*header]))
            }
            Expr::Unary(UnOp::Not, a) => {
                Piece::compound(format!("!{}", self.bool_piece(a).inner()))
            }
            Expr::Binary(BinOp::And, a, b) => {
                let left = self.bool_piece(a).inner();
                let right = self.under(a, true, |this| this.bool_piece(b).inner());
                Piece::compound(format!("{left} && {right}"))
            }
            Expr::Binary(BinOp::Or, a, b) => {
                let left = self.bool_piece(a).inner();
                let right = self.under(a, false, |this| this.bool_piece(b).inner());
                Piece::compound(format!("{left} || {right}"))
            }
            Expr::Binary(op, a, b) if op.is_comparison() => self.comparison(*op, a, b),
            _ => Piece::compound(format!("{} == 1w1", self.operand(expr))),
        }
    }

    fn comparison(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Piece {
        let (sign, signed) = comparison_sign(op);
        let cast = if signed {
            format!("(int<{}>)", self.width(a))
        } else {
            String::new()
        };
        Piece::compound(format!(
            "{cast}{} {sign} {cast}{}",
            self.operand(a),
            self.operand(b)
        ))
    }

    fn binary(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Piece {
        let width = self.width(a);
        let sign = match op {
            BinOp::Shl | BinOp::Shr | BinOp::Sar => return self.shift(op, a, b),
            BinOp::Div | BinOp::Rem => return self.by_power_of_two(op, a, b),
            BinOp::SAddSat | BinOp::SSubSat => {
                let sign = if op == BinOp::SAddSat { "|+|" } else { "|-|" };
                let (a, b) = (self.operand(a), self.operand(b));
                return Piece::compound(format!(
                    "(bit<{width}>)((int<{width}>){a} {sign} (int<{width}>){b})"
                ));
            }
            BinOp::Add => "+",
            BinOp::Sub => "-",
            BinOp::Mul => "*",
            BinOp::AddSat => "|+|",
            BinOp::SubSat => "|-|",
            BinOp::And => "&",
            BinOp::Or => "|",
            _ => "^",
        };
        Piece::compound(format!("{} {sign} {}", self.operand(a), self.operand(b)))
    }

    /// BMv2 shifts by at most 255.
    fn shift(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Piece {
        let width = self.width(a);
        let value = self.operand(a);
        let amount = match b {
            Expr::Const(bits) => bits
                .to_u64()
                .unwrap_or(u64::MAX)
                .min(u64::from(width))
                .to_string(),
            _ if self.width(b) <= 8 => self.operand(b),
            _ => {
                let by = self.operand(b);
                let (all, limit) = (self.width(b), 255);
                format!("(bit<8>)({by} > {all}w{limit} ? {all}w{limit} : {by})")
            }
        };
        match op {
            BinOp::Shl => Piece::compound(format!("{value} << {amount}")),
            BinOp::Shr => Piece::compound(format!("{value} >> {amount}")),
            _ => Piece::compound(format!("(bit<{width}>)((int<{width}>){value} >> {amount})")),
        }
    }

    fn by_power_of_two(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Piece {
        let width = self.width(a);
        let value = self.operand(a);
        let divisor = match b {
            Expr::Const(bits) => bits.clone(),
            _ => Bits::zero(width),
        };
        if divisor.is_zero() {
            return Piece::atom(constant(&Bits::zero(width)));
        }
        let log = divisor.value().bits() - 1;
        match op {
            BinOp::Div => Piece::compound(format!("{value} >> {log}")),
            _ => {
                let rest = trisect_ir::eval::binary(BinOp::Sub, &divisor, &Bits::new(width, 1u32));
                Piece::compound(format!("{value} & {}", constant(&rest)))
            }
        }
    }

    fn resize(&mut self, a: &Expr, width: u32) -> Piece {
        let from = self.width(a);
        match from.cmp(&width) {
            std::cmp::Ordering::Equal => self.bits_piece(a),
            std::cmp::Ordering::Less => {
                Piece::compound(format!("(bit<{width}>){}", self.operand(a)))
            }
            std::cmp::Ordering::Greater => {
                Piece::atom(format!("{}[{}:0]", self.operand(a), width - 1))
            }
        }
    }

    // ---------------------------------------------------------------------------- hashes

    /// The inputs, each widened to whole bytes.
    fn padded(&mut self, inputs: &[Expr]) -> Vec<String> {
        let inputs = inputs.iter();
        inputs
            .map(|input| {
                let whole = self.width(input).next_multiple_of(8);
                self.resize(input, whole).inner()
            })
            .collect()
    }

    fn padded_width(&self, inputs: &[Expr]) -> u32 {
        inputs
            .iter()
            .map(|input| self.width(input).next_multiple_of(8))
            .sum()
    }

    fn hash(&mut self, algorithm: &HashAlgorithm, inputs: &[Expr]) -> Piece {
        let total = self.padded_width(inputs);
        if total == 0 {
            let value = trisect_ir::eval::hash_of(algorithm, &[]);
            return Piece::atom(constant(&value));
        }
        match algorithm {
            HashAlgorithm::Crc32 => self.crc("crc32", 32, inputs),
            HashAlgorithm::Crc16 => self.crc("crc16", 16, inputs),
            HashAlgorithm::Csum16 => {
                let data = self.whole(inputs, total);
                let terms = words(total)
                    .map(|(hi, lo)| word(&data, hi, lo, false))
                    .collect();
                let sum = self.fold(terms);
                Piece::compound(format!("~{sum}"))
            }
            HashAlgorithm::Xor16 => {
                let data = self.whole(inputs, total);
                let terms: Vec<String> = words(total)
                    .map(|(hi, lo)| word(&data, hi, lo, false))
                    .collect();
                Piece::compound(terms.join(" ^ "))
            }
            HashAlgorithm::Identity => {
                let data = self.whole(inputs, total);
                if total <= 32 {
                    return Piece::compound(format!("(bit<32>){data}"));
                }
                Piece::atom(format!("{data}[31:0]"))
            }
            HashAlgorithm::Toeplitz(key) => self.toeplitz(key, inputs, total),
            HashAlgorithm::HalfSipHash(key) => self.halfsiphash(*key, inputs, total),
            // Refused before emission.
            HashAlgorithm::Crc { width, .. } => Piece::atom(constant(&Bits::zero(*width))),
        }
    }

    /// All inputs in one variable of `total` bits.
    fn whole(&mut self, inputs: &[Expr], total: u32) -> String {
        let value = self.padded(inputs).join(" ++ ");
        self.variable(total, &value)
    }

    fn crc(&mut self, algorithm: &str, width: u32, inputs: &[Expr]) -> Piece {
        let data = self.padded(inputs).join(", ");
        let zero = constant(&Bits::zero(width));
        let result = self.variable(width, &zero);
        let range = constant(&Bits::new(width + 1, 1u64 << width));
        self.before.push(format!(
            "hash({result}, HashAlgorithm.{algorithm}, {zero}, {{ {data} }}, {range});"
        ));
        Piece::atom(result)
    }

    /// Each input bit that is set adds (by exclusive or) the 32 key bits that begin at its place.
    fn toeplitz(&mut self, key: &[u8], inputs: &[Expr], total: u32) -> Piece {
        let data = self.whole(inputs, total);
        // Behind its end the key counts as zeros.
        let mut key = key.to_vec();
        key.resize(total as usize / 8 + 4, 0);
        let mut terms = Vec::new();
        for bit in 0..total {
            let window = trisect_ir::eval::bits_at(&key, bit as usize, 32);
            if let Some(window) = window.filter(|window| !window.is_zero()) {
                let at = total - 1 - bit;
                terms.push(format!(
                    "({data}[{at}:{at}] == 1w1 ? {} : 32w0)",
                    constant(&window)
                ));
            }
        }
        let mut result = self.variable(32, "32w0");
        for chunk in terms.chunks(8) {
            result = self.variable(32, &format!("{result} ^ {}", chunk.join(" ^ ")));
        }
        Piece::atom(result)
    }

    /// Additions, rotations and exclusive or, one behind the other.
    fn halfsiphash(&mut self, key: [u8; 8], inputs: &[Expr], total: u32) -> Piece {
        let data = self.whole(inputs, total);
        let number = |value: u32| constant(&Bits::new(32, value));
        let mut state = HalfSipHash::new(&key).start().map(number);
        for bytes in halfsiphash::words(total as usize / 8) {
            let part = |byte: WordByte| match byte {
                WordByte::Input(at) => {
                    let high = total - 1 - 8 * at as u32;
                    format!("{data}[{high}:{}]", high - 7)
                }
                WordByte::Constant(value) => format!("8w{value}"),
            };
            let word = self.variable(32, &bytes.map(part).join(" ++ "));
            state[3] = self.variable(32, &format!("{} ^ {word}", state[3]));
            for _ in 0..halfsiphash::COMPRESSION_ROUNDS {
                self.sip_round(&mut state);
            }
            state[0] = self.variable(32, &format!("{} ^ {word}", state[0]));
        }
        state[2] = self.variable(32, &format!("{} ^ 32w0xff", state[2]));
        for _ in 0..halfsiphash::FINAL_ROUNDS {
            self.sip_round(&mut state);
        }
        let [_, b, _, d] = state;
        Piece::compound(format!("{b} ^ {d}"))
    }

    fn sip_round(&mut self, state: &mut [String; 4]) {
        for step in halfsiphash::ROUND {
            let (to, other) = (&state[step.to], &state[step.other]);
            let sum = self.variable(32, &format!("{to} + {other}"));
            let low = 31 - step.rotate;
            let turned = format!("({other}[{low}:0] ++ {other}[31:{}]) ^ {sum}", low + 1);
            state[step.other] = self.variable(32, &turned);
            state[step.to] = match step.swap {
                true => self.variable(32, &format!("{sum}[15:0] ++ {sum}[31:16]")),
                false => sum,
            };
        }
    }

    // ------------------------------------------------------------------- one's complement

    fn ones_sum(&mut self, init: &Expr, terms: &[SumTerm]) -> Piece {
        let mut summands = vec![self.operand(init)];
        for term in terms {
            let width = self.width(&term.value);
            if width == 0 {
                continue;
            }
            if width <= 16 {
                let value = self.operand(&term.value);
                let value = match width {
                    16 => value,
                    _ => format!("({value} ++ {}w0)", 16 - width),
                };
                summands.push(if term.subtract {
                    format!("~{value}")
                } else {
                    value
                });
            } else {
                let value = self.bits(&term.value);
                let value = self.variable(width, &value);
                summands.extend(words(width).map(|(hi, lo)| word(&value, hi, lo, term.subtract)));
            }
        }
        Piece::atom(self.fold(summands))
    }

    /// The one's complement sum of 16-bit values: added in 32 bits, then the carries twice.
    fn fold(&mut self, summands: Vec<String>) -> String {
        let wide: Vec<String> = summands.iter().map(|s| format!("(bit<32>){s}")).collect();
        let sum = self.variable(32, &wide.join(" + "));
        let once = self.variable(32, &format!("(bit<32>){sum}[31:16] + (bit<32>){sum}[15:0]"));
        self.variable(16, &format!("{once}[31:16] + {once}[15:0]"))
    }
}

/// The 16-bit words of a value as bit ranges, from the top; the last may be shorter.
fn words(width: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..width.div_ceil(16)).map(move |at| {
        let hi = width - 1 - 16 * at;
        (hi, hi.saturating_sub(15))
    })
}

/// One word of a variable, padded on the right.
fn word(name: &str, hi: u32, lo: u32, complement: bool) -> String {
    let missing = 15 - (hi - lo);
    let value = format!("{name}[{hi}:{lo}]");
    let value = if missing == 0 {
        value
    } else {
        format!("({value} ++ {missing}w0)")
    };
    if complement {
        format!("~{value}")
    } else {
        value
    }
}

/// The P4 expression is a `bool` by nature: at width 1, logic rather than arithmetic.
fn is_bool(expr: &Expr) -> bool {
    match expr {
        Expr::Valid(_) => true,
        Expr::Binary(op, ..) if op.is_comparison() => true,
        Expr::Binary(BinOp::And | BinOp::Or, a, b) => is_bool(a) && is_bool(b),
        Expr::Unary(UnOp::Not, a) => is_bool(a),
        _ => false,
    }
}
