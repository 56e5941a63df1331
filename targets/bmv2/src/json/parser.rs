//! The parser.

use serde_json::{Value, json};
use trisect_ir::parser::{HEADER_TOO_SHORT, NO_MATCH, PARSER_INVALID_ARGUMENT};
use trisect_ir::{
    BinOp, Bits, Expr, HeaderId, KeySet, MetaId, Op, ParseTarget, ParserOp, SelectCase, StdMeta,
    Transition,
};

use super::Emitter;
use super::code::{Code, Within};
use super::value::{
    STANDARD, Term, binary, boolean, field, hex_bytes, leaf, meta, number, parser_expression,
    primitive, validity,
};
use crate::valid::{Valid, after_parser_op};

/// The state in which parsing starts.
const START: &str = "start";
/// The state that a select without a case for its key leads to.
const NO_CASE: &str = "$no_match";

impl Emitter<'_> {
    /// The one parser.
    pub(crate) fn parser(&mut self) -> Value {
        let program = self.program;
        let first = program
            .parser
            .start
            .map_or(ParseTarget::Accept, ParseTarget::State);
        let next = self.target(first);
        let mut states = vec![self.state(START, self.loads(), Vec::new(), vec![otherwise(next)])];
        for (id, state) in program.parser.states.iter() {
            let valid = self.facts.states[id].clone();
            let mut code = self.code(&[], valid, Within::Parser);
            for op in &state.ops {
                code.parser_op(op);
                after_parser_op(op, &mut code.valid);
            }
            let (keys, rows) = match &state.next {
                Transition::Goto(_) => (Vec::new(), Vec::new()),
                Transition::Select(keys, cases) => code.select(keys, cases),
            };
            let mut ops = std::mem::take(&mut code.out);
            let emptied = std::mem::take(&mut code.emptied);
            let transitions = match &state.next {
                Transition::Goto(target) => vec![otherwise(self.target(*target))],
                Transition::Select(_, cases) => self.transitions(rows, cases),
            };
            let name = &self.names.states[id];
            let mut part = name.clone();
            let mut done = 0;
            for (number, (at, header)) in emptied.into_iter().enumerate() {
                let rest = ops.split_off(at - done);
                done = at;
                let next = format!("{name}$from_{number}");
                let empty = format!("{name}$empty_{number}");
                states.push(self.unless_valid(&part, ops, header, &empty, &next));
                states.push(self.emptying(&empty, header, &next));
                (part, ops) = (next, rest);
            }
            states.push(self.state(&part, ops, keys, transitions));
        }
        if self.has_selects() {
            let fail = verify(boolean(false), NO_MATCH);
            states.push(self.state(NO_CASE, vec![fail], Vec::new(), vec![otherwise(None)]));
        }
        for (id, state) in states.iter_mut().enumerate() {
            state["id"] = json!(id);
        }
        json!({ "name": "parser", "id": 0, "init_state": START, "parse_states": states })
    }

    fn has_selects(&self) -> bool {
        let mut states = self.program.parser.states.values();
        states.any(|state| matches!(state.next, Transition::Select(..)))
    }

    fn state(&self, name: &str, ops: Vec<Value>, keys: Vec<Value>, next: Vec<Value>) -> Value {
        json!({ "name": name, "parser_ops": ops, "transition_key": keys, "transitions": next })
    }

    /// A state that goes to one of two others: BMv2's parser has no other conditions.
    fn unless_valid(
        &self,
        name: &str,
        ops: Vec<Value>,
        header: HeaderId,
        invalid: &str,
        valid: &str,
    ) -> Value {
        let keys = vec![validity(self.names, header)];
        let case = json!({ "type": "hexstr", "value": "0x01", "mask": null, "next_state": valid });
        self.state(
            name,
            ops,
            keys,
            vec![case, otherwise(Some(invalid.to_owned()))],
        )
    }

    /// A state that makes a header valid and empty.
    fn emptying(&mut self, name: &str, header: HeaderId, next: &str) -> Value {
        let mut code = self.code(&[], Valid::new(), Within::Parser);
        code.empty(header);
        let ops = std::mem::take(&mut code.out);
        self.state(
            name,
            ops,
            Vec::new(),
            vec![otherwise(Some(next.to_owned()))],
        )
    }

    /// The IR's standard metadata from simple_switch's.
    fn loads(&self) -> Vec<Value> {
        let nanoseconds = || {
            let clock = leaf(field(STANDARD, "ingress_global_timestamp"));
            parser_expression(binary("*", clock, number(16, 1000)))
        };
        let loads: [(StdMeta, Value); 3] = [
            (StdMeta::IngressPort, field(STANDARD, "ingress_port")),
            (StdMeta::PacketLength, field(STANDARD, "packet_length")),
            // The clock counts microseconds since the switch started.
            (StdMeta::Timestamp, nanoseconds()),
        ];
        let used = |id: MetaId| self.metas.contains(&id);
        loads
            .into_iter()
            .filter(|(from, _)| used(from.id()))
            .map(|(to, value)| primitive("set", vec![meta(self.names, to.id()), value]))
            .collect()
    }

    /// The name of a state, or none where parsing ends: the IR goes on to the control after `Reject`, too.
    fn target(&self, target: ParseTarget) -> Option<String> {
        match target {
            ParseTarget::Accept | ParseTarget::Reject => None,
            ParseTarget::State(state) => Some(self.names.states[state].clone()),
        }
    }

    fn transitions(&self, rows: Vec<Row>, cases: &[SelectCase]) -> Vec<Value> {
        let mut out = Vec::new();
        for (row, case) in rows.into_iter().zip(cases) {
            let next = self.target(case.target);
            if row.mask.bytes().all(|digit| digit == b'0') {
                out.push(otherwise(next));
                return out;
            }
            out.push(json!({
                "type": "hexstr",
                "value": format!("0x{}", row.value),
                "mask": format!("0x{}", row.mask),
                "next_state": next,
            }));
        }
        out.push(otherwise(Some(NO_CASE.to_owned())));
        out
    }
}

fn otherwise(next: Option<String>) -> Value {
    json!({ "type": "default", "value": null, "mask": null, "next_state": next })
}

fn verify(cond: Term, error: u8) -> Value {
    primitive("verify", vec![cond.json, number(32, u64::from(error)).json])
}

/// What a select compares its key with, in hexadecimal.
#[derive(Default)]
struct Row {
    value: String,
    mask: String,
}

impl Row {
    fn push(&mut self, value: &Bits, mask: &Bits) {
        self.value += &hex_bytes(value);
        self.mask += &hex_bytes(mask);
    }

    fn compare(&mut self, set: &KeySet, width: u32) {
        match set {
            KeySet::Exact(value) => self.push(value, &Bits::ones(width)),
            KeySet::Prefix(value, len) => self.push(value, &Bits::prefix_mask(width, *len)),
            KeySet::Mask(value, mask) => self.push(value, mask),
            KeySet::Range(..) | KeySet::Any => self.push(&Bits::zero(width), &Bits::zero(width)),
        }
    }
}

impl Code<'_> {
    fn parser_op(&mut self, op: &ParserOp) {
        match op {
            ParserOp::Extract { header, varbit } => self.extract(*header, varbit.as_ref()),
            ParserOp::Advance(bits) => {
                let bits = self.data(bits);
                let bits = parser_expression(bits);
                self.out.push(primitive("advance", vec![bits]));
            }
            ParserOp::Set(to, value) => {
                let value = self.data(value);
                self.assign(to, value);
            }
            ParserOp::SetValid(header) => self.one(&Op::SetValid(*header)),
            ParserOp::SetInvalid(header) => self.one(&Op::SetInvalid(*header)),
            ParserOp::Copy { dst, src } => self.one(&Op::Copy {
                dst: *dst,
                src: *src,
            }),
            ParserOp::CopyVarbit { dst, src } => self.one(&Op::CopyVarbit {
                dst: *dst,
                src: *src,
            }),
            ParserOp::Verify(cond, error) => {
                let cond = self.truth(cond);
                self.out.push(verify(cond, *error));
            }
        }
    }

    fn extract(&mut self, header: HeaderId, length: Option<&Expr>) {
        let name = json!({ "type": "regular", "value": self.names.headers[header] });
        match self.program.header_type(header).varbit() {
            None => self.out.push(primitive("extract", vec![name])),
            Some(most) => {
                let bits = match length {
                    Some(length) => self.varbit_length(length, most),
                    None => number(32, 0),
                };
                let bits = parser_expression(bits);
                self.out.push(primitive("extract_VL", vec![name, bits]));
            }
        }
    }

    /// BMv2 looks for the end of the packet before it compares with the field's maximum, and takes large lengths
    /// for negative ones; the IR does it the other way round.
    fn varbit_length(&mut self, length: &Expr, most: u32) -> Term {
        let value = self.data(length);
        let value = self.twice(value, 32);
        let odd = binary("&", value.clone(), number(32, 7));
        let whole = binary("==", odd, number(32, 0));
        self.out.push(verify(whole, PARSER_INVALID_ARGUMENT));
        let fits = binary("<=", value.clone(), number(32, u64::from(most)));
        self.out.push(verify(fits, HEADER_TOO_SHORT));
        value
    }

    /// The fields that make up the key, and what each case compares them with. BMv2 compares under masks only,
    /// so a range becomes one more bit of the key.
    fn select(&mut self, keys: &[Expr], cases: &[SelectCase]) -> (Vec<Value>, Vec<Row>) {
        let mut fields: Vec<Value> = keys.iter().map(|key| self.key_field(key)).collect();
        let mut rows: Vec<Row> = cases
            .iter()
            .map(|case| {
                let mut row = Row::default();
                for (set, key) in case.sets.iter().zip(keys) {
                    row.compare(set, self.program.width(key, &[]));
                }
                row
            })
            .collect();
        for (at, case) in cases.iter().enumerate() {
            for (set, key) in case.sets.iter().zip(keys) {
                let KeySet::Range(low, high) = set else {
                    continue;
                };
                let within =
                    |op, bound: &Bits| Expr::binary(op, key.clone(), Expr::Const(bound.clone()));
                let inside = within(BinOp::Ge, low).and(within(BinOp::Le, high));
                let bit = self.data(&inside);
                fields.push(self.temporary(1, bit));
                for (row_at, row) in rows.iter_mut().enumerate() {
                    row.push(&Bits::bool(true), &Bits::bool(row_at == at));
                }
            }
        }
        (fields, rows)
    }

    /// A field that holds the key's value.
    pub(crate) fn key_field(&mut self, key: &Expr) -> Value {
        let as_it_is = match key {
            Expr::Meta(_) | Expr::Valid(_) => true,
            Expr::Field(at) => self.valid.contains(&at.header),
            _ => false,
        };
        let value = self.data(key);
        if as_it_is {
            return value.json;
        }
        let width = self.program.width(key, &[]);
        self.temporary(width, value)
    }
}
