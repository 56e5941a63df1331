//! The parser state machine.

use crate::packet::{HeaderValue, PacketState, Scope};
use crate::trace::Trace;
use trisect_ir::eval::eval;
use trisect_ir::parser::{
    HEADER_TOO_SHORT, NO_MATCH, PACKET_TOO_SHORT, PARSER_INVALID_ARGUMENT, PARSER_TIMEOUT,
};
use trisect_ir::{Bits, Expr, HeaderId, ParseTarget, ParserOp, Program, StdMeta, Transition};

/// A `parser_error` code that ends parsing.
type Failure = u8;

/// Parses `packet.frame` from its start: all headers are set anew.
pub(crate) fn parse(program: &Program, packet: &mut PacketState, trace: Option<&mut Trace>) {
    for header in packet.headers.values_mut() {
        *header = None;
    }
    packet.cursor = 0;
    packet.set_standard(StdMeta::ParserError, 0);
    if let Err(code) = run(program, packet, trace) {
        packet.set_standard(StdMeta::ParserError, u64::from(code));
    }
}

fn run(
    program: &Program,
    packet: &mut PacketState,
    mut trace: Option<&mut Trace>,
) -> Result<(), Failure> {
    let mut target = match program.parser.start {
        Some(start) => ParseTarget::State(start),
        None => ParseTarget::Accept,
    };
    let mut idle_states = 0;
    while let ParseTarget::State(id) = target {
        if let Some(trace) = trace.as_deref_mut() {
            trace.states.push(id);
        }
        let cursor = packet.cursor;
        let state = &program.parser.states[id];
        for op in &state.ops {
            perform(program, packet, op)?;
        }
        // Every cycle of a verified parser consumes something, so this ends no parse that could
        // come to an end by itself.
        idle_states = if packet.cursor > cursor {
            0
        } else {
            idle_states + 1
        };
        if idle_states > program.parser.states.len() {
            return Err(PARSER_TIMEOUT);
        }
        target = next(program, packet, &state.next)?;
    }
    Ok(())
}

fn perform(program: &Program, packet: &mut PacketState, op: &ParserOp) -> Result<(), Failure> {
    match op {
        ParserOp::Extract { header, varbit } => extract(program, packet, *header, varbit.as_ref()),
        ParserOp::Advance(bits) => {
            let bits = value(program, packet, bits)?;
            let bytes = whole_bytes(&bits)?;
            if bytes > packet.frame.len() - packet.cursor {
                return Err(PACKET_TOO_SHORT);
            }
            packet.cursor += bytes;
            Ok(())
        }
        ParserOp::Set(to, expr) => {
            let value = value(program, packet, expr)?;
            packet.assign(to, &value);
            Ok(())
        }
        ParserOp::SetValid(header) => {
            packet.set_valid(program, *header);
            Ok(())
        }
        ParserOp::SetInvalid(header) => {
            packet.headers[*header] = None;
            Ok(())
        }
        ParserOp::Copy { dst, src } => {
            packet.headers[*dst] = packet.headers[*src].clone();
            Ok(())
        }
        ParserOp::CopyVarbit { dst, src } => {
            packet.copy_varbit(*dst, *src);
            Ok(())
        }
        ParserOp::Verify(cond, code) => {
            if value(program, packet, cond)?.is_zero() {
                return Err(*code);
            }
            Ok(())
        }
    }
}

fn extract(
    program: &Program,
    packet: &mut PacketState,
    header: HeaderId,
    varbit: Option<&Expr>,
) -> Result<(), Failure> {
    let ty = program.header_type(header);
    let mut length = ty.fixed_bits() as usize / 8;
    if let Some(bits) = varbit {
        let bits = value(program, packet, bits)?;
        let bytes = whole_bytes(&bits)?;
        if bytes > ty.varbit().unwrap_or(0) as usize / 8 {
            return Err(HEADER_TOO_SHORT);
        }
        length += bytes;
    }
    let Some(bytes) = packet.frame[packet.cursor..].get(..length) else {
        return Err(PACKET_TOO_SHORT);
    };
    packet.headers[header] = Some(HeaderValue::read(ty, bytes));
    packet.cursor += length;
    Ok(())
}

fn next(
    program: &Program,
    packet: &PacketState,
    transition: &Transition,
) -> Result<ParseTarget, Failure> {
    match transition {
        Transition::Goto(target) => Ok(*target),
        Transition::Select(keys, cases) => {
            let keys = keys
                .iter()
                .map(|key| value(program, packet, key))
                .collect::<Result<Vec<Bits>, Failure>>()?;
            cases
                .iter()
                .find(|case| {
                    case.sets
                        .iter()
                        .zip(&keys)
                        .all(|(set, key)| set.contains(key))
                })
                .map(|case| case.target)
                .ok_or(NO_MATCH)
        }
    }
}

/// The value of an expression, unless it looks ahead past the end of the packet. All operands
/// count, also those that a `Mux` does not choose.
fn value(program: &Program, packet: &PacketState, expr: &Expr) -> Result<Bits, Failure> {
    // Most keys are fields.
    if !matches!(expr, Expr::Const(_) | Expr::Field(_) | Expr::Meta(_)) {
        let left = (packet.frame.len() - packet.cursor) as u64 * 8;
        let mut fits = true;
        expr.walk(&mut |e| {
            if let Expr::Lookahead { offset, width } = e {
                fits &= u64::from(*offset) + u64::from(*width) <= left;
            }
        });
        if !fits {
            return Err(PACKET_TOO_SHORT);
        }
    }
    let scope = Scope {
        program,
        packet,
        args: &[],
    };
    Ok(eval(expr, &scope))
}

/// A number of bits as whole bytes.
fn whole_bytes(bits: &Bits) -> Result<usize, Failure> {
    match bits.to_u64() {
        Some(bits) if bits % 8 == 0 => usize::try_from(bits / 8).map_err(|_| PACKET_TOO_SHORT),
        _ => Err(PARSER_INVALID_ARGUMENT),
    }
}
