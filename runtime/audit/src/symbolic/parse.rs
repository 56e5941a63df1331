//! The parser state machine, where the state decides a part of the packet.

use trisect_ir::parser::{
    HEADER_TOO_SHORT, NO_MATCH, PACKET_TOO_SHORT, PARSER_INVALID_ARGUMENT, PARSER_TIMEOUT,
};
use trisect_ir::{Expr, HeaderId, ParseTarget, ParserOp, SelectCase, StdMeta, Transition};
use z3::ast::Bool;

use super::packet::Header;
use super::run::{Run, Stop, contains};
use super::value::{Doubt, Value};

/// Why parsing ends early.
enum Failure {
    /// With this `parser_error` code.
    Error(u8),
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        Failure::Stop(stop)
    }
}

impl From<Doubt> for Failure {
    fn from(doubt: Doubt) -> Failure {
        Failure::Stop(doubt.into())
    }
}

/// Parses the frame from its start: all headers are set anew.
pub(super) fn parse(run: &mut Run<'_>) -> Result<(), Stop> {
    for header in run.packet.headers.values_mut() {
        *header = None;
    }
    run.packet.cursor = 0;
    let error = StdMeta::ParserError.id();
    run.packet.set_meta(error, &Value::zero(8));
    match states(run) {
        Ok(()) => Ok(()),
        Err(Failure::Stop(stop)) => Err(stop),
        Err(Failure::Error(code)) => {
            let code = Value::num(8, u64::from(code));
            run.packet.set_meta(error, &code);
            Ok(())
        }
    }
}

fn states(run: &mut Run<'_>) -> Result<(), Failure> {
    let parser = &run.program.parser;
    let mut target = parser.start.map_or(ParseTarget::Accept, ParseTarget::State);
    let mut idle_states = 0;
    while let ParseTarget::State(id) = target {
        let cursor = run.packet.cursor;
        let state = &parser.states[id];
        for op in &state.ops {
            perform(run, op)?;
        }
        idle_states = match run.packet.cursor > cursor {
            true => 0,
            false => idle_states + 1,
        };
        if idle_states > parser.states.len() {
            return Err(Failure::Error(PARSER_TIMEOUT));
        }
        target = match &state.next {
            Transition::Goto(target) => *target,
            Transition::Select(keys, cases) => select(run, keys, cases)?,
        };
    }
    Ok(())
}

fn perform(run: &mut Run<'_>, op: &ParserOp) -> Result<(), Failure> {
    match op {
        ParserOp::Extract { header, varbit } => extract(run, *header, varbit.as_ref())?,
        ParserOp::Advance(bits) => {
            let bytes = whole_bytes(&value(run, bits)?)?;
            if bytes > run.packet.payload().len() {
                return Err(Failure::Error(PACKET_TOO_SHORT));
            }
            run.packet.cursor += bytes;
        }
        ParserOp::Set(to, expr) => {
            let value = value(run, expr)?;
            run.packet.assign(to, &value);
        }
        ParserOp::SetValid(header) => run.packet.set_valid(run.program, *header),
        ParserOp::SetInvalid(header) => run.packet.set_header(*header, None),
        ParserOp::Copy { dst, src } => run.packet.copy(*dst, *src),
        ParserOp::CopyVarbit { dst, src } => run.packet.copy_varbit(*dst, *src),
        ParserOp::Verify(cond, code) => {
            let cond = value(run, cond)?;
            if !run.decide(&cond)? {
                return Err(Failure::Error(*code));
            }
        }
    }
    Ok(())
}

fn extract(run: &mut Run<'_>, header: HeaderId, varbit: Option<&Expr>) -> Result<(), Failure> {
    let ty = run.program.header_type(header);
    let mut length = ty.fixed_bits() as usize / 8;
    if let Some(bits) = varbit {
        let bytes = whole_bytes(&value(run, bits)?)?;
        if bytes > ty.varbit().unwrap_or(0) as usize / 8 {
            return Err(Failure::Error(HEADER_TOO_SHORT));
        }
        length += bytes;
    }
    let Some(bytes) = run.packet.payload().get(..length) else {
        return Err(Failure::Error(PACKET_TOO_SHORT));
    };
    let read = Header::read(ty, bytes);
    run.packet.set_header(header, Some(read));
    run.packet.cursor += length;
    Ok(())
}

/// The first case whose sets contain all keys.
fn select(run: &mut Run<'_>, keys: &[Expr], cases: &[SelectCase]) -> Result<ParseTarget, Failure> {
    let keys: Result<Vec<Value>, Failure> = keys.iter().map(|key| value(run, key)).collect();
    let keys = keys?;
    let mut options: Vec<Bool> = Vec::new();
    let mut targets = Vec::new();
    let mut none_yet = Bool::from_bool(true);
    for case in cases {
        let sets = case.sets.iter().zip(&keys);
        let within: Vec<Bool> = sets.map(|(set, key)| contains(set, key)).collect();
        let within = z3::ast::Ast::simplify(&Bool::and(&within));
        match within.as_bool() {
            Some(false) => continue,
            Some(true) if options.is_empty() => return Ok(case.target),
            _ => {}
        }
        options.push(Bool::and(&[none_yet.clone(), within.clone()]));
        targets.push(case.target);
        none_yet = Bool::and(&[none_yet, within.not()]);
        if within.as_bool() == Some(true) {
            break;
        }
    }
    if options.is_empty() {
        return Err(Failure::Error(NO_MATCH));
    }
    options.push(none_yet);
    let chosen = run.choose(&options)?;
    targets.get(chosen).copied().ok_or(Failure::Error(NO_MATCH))
}

/// The value of an expression, unless it looks ahead past the end of the packet.
fn value(run: &Run<'_>, expr: &Expr) -> Result<Value, Failure> {
    let left = run.packet.payload().len() as u64 * 8;
    let mut fits = true;
    expr.walk(&mut |e| {
        if let Expr::Lookahead { offset, width } = e {
            fits &= u64::from(*offset) + u64::from(*width) <= left;
        }
    });
    match fits {
        true => Ok(run.eval(expr, &[])?),
        false => Err(Failure::Error(PACKET_TOO_SHORT)),
    }
}

/// A number of bits as whole bytes.
fn whole_bytes(bits: &Value) -> Result<usize, Failure> {
    let bits = bits.known().ok_or(Doubt("how long a header is"))?;
    match bits.to_u64() {
        Some(bits) if bits % 8 == 0 => {
            usize::try_from(bits / 8).map_err(|_| Failure::Error(PACKET_TOO_SHORT))
        }
        _ => Err(Failure::Error(PARSER_INVALID_ARGUMENT)),
    }
}
