//! The interface between the language and architectures: what packages, extern functions and extern objects mean.
//!
//! The rest of elaboration knows four things of an architecture: how a package is put together
//! ([`Elab::package`]), and what happens when something extern is constructed ([`Elab::extern_object`]) or
//! called ([`Elab::extern_function`], [`Elab::extern_method`]), and what table properties mean
//! ([`Elab::table_property`]). Arguments arrive evaluated, in the order of the parameters.

mod checksum;
mod core;
mod messages;
mod objects;
mod tables;
mod trisect;

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{Expr, HashAlgorithm, LValue, ObjectId, Op, StdMeta};

use super::ops::resize;
use super::step::Step;
use super::value::{BlockDef, BlockInstance, Frame, SlotId, Value};
use super::{Elab, R, error, unsupported};
use crate::typed::{self, Annotations, ExprKind, Type};
use crate::{Span, codes};

pub(super) use checksum::{hash_in_range, in_range, whole_bytes};

/// The architecture that a program is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arch {
    Pna,
    V1model,
}

impl Arch {
    /// The architecture whose package has this name.
    pub fn of_package(name: &str) -> Option<Self> {
        match name {
            "PNA_NIC" => Some(Self::Pna),
            "V1Switch" => Some(Self::V1model),
            _ => None,
        }
    }

    /// The members of an enum in the order of the IR's numbers, where these are not P4's: meter colours
    /// count up from green.
    pub fn enum_order(self, name: &str) -> Option<&'static [&'static str]> {
        match name {
            "PNA_MeterColor_t" => Some(&["GREEN", "YELLOW", "RED"]),
            _ => None,
        }
    }
}

/// A call of something extern.
pub(super) struct ExternCall<'a> {
    /// Name of the function or method.
    pub name: &'a str,
    /// One per parameter.
    pub args: Vec<ExternArg<'a>>,
    /// The type of the result.
    pub ret: Type,
    /// Type arguments, given or inferred.
    pub type_args: Vec<Type>,
    /// The whole call.
    pub span: Span,
}

/// An argument of an [`ExternCall`].
pub(super) struct ExternArg<'a> {
    /// Its value, or where it is written; `None` for `_` and where it is left out.
    pub value: Option<Value<'a>>,
    /// What was passed, before it was evaluated.
    pub expr: Option<&'a typed::Expr>,
    pub ty: Type,
    pub span: Span,
}

/// An extern object about to be made.
pub(super) struct ExternInstance<'a> {
    /// Name of its type.
    pub type_name: &'a str,
    /// The control plane's name.
    pub name: String,
    /// Type arguments of its type.
    pub types: Vec<Type>,
    /// One per parameter of the constructor, with its type; `None` where it is left out.
    pub args: Vec<Option<(Value<'a>, Type)>>,
    pub annotations: Annotations,
    pub span: Span,
}

/// An extern object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    /// Name of its type.
    pub type_name: &'a str,
    pub kind: ExternKind,
    pub instance: &'a typed::Instance,
    /// What the methods that the instance has itself see.
    pub frame: Rc<Frame<'a>>,
}

/// What an extern object is, whatever the architecture calls it.
#[derive(Debug)]
pub(super) enum ExternKind {
    Counter(ObjectId),
    DirectCounter(ObjectId),
    Meter(ObjectId),
    DirectMeter(ObjectId),
    /// With the type of a cell.
    Register(ObjectId, Type),
    /// With the type of the result.
    Hash(HashAlgorithm, Type),
    /// The running sum.
    InternetChecksum(SlotId),
    /// v1model's, which has no state.
    Checksum16,
    PatternSet(ObjectId),
    /// With the type of a number.
    Allocator(ObjectId, Type),
    /// The attribute's variable.
    Attribute(SlotId),
    /// Actions with arguments that entries share.
    ActionProfile,
    /// Groups of such, of which a hash chooses a member.
    ActionSelector(HashAlgorithm),
    /// Declared, but nothing that this compiler gives a meaning to.
    Unsupported,
}

impl<'a> Elab<'a> {
    /// The program that the package puts together.
    pub(super) fn package(&mut self, main: &'a typed::Instance) -> R<()> {
        match self.arch {
            Arch::Pna => self.pna_package(main),
            Arch::V1model => self.v1model_package(main),
        }
    }

    /// What an object of an extern type is.
    pub(super) fn extern_object(&mut self, instance: &ExternInstance<'a>) -> R<ExternKind> {
        if let Some(kind) = self.trisect_object(instance)? {
            return Ok(kind);
        }
        let kind = match self.arch {
            Arch::Pna => self.pna_object(instance)?,
            Arch::V1model => self.v1model_object(instance)?,
        };
        Ok(kind.unwrap_or(ExternKind::Unsupported))
    }

    /// A call of an extern function.
    pub(super) fn extern_function(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        match call.name {
            "verify" => self.verify(call),
            "static_assert" => Ok(Value::Bits(super::ops::truth(true))),
            _ => match self.arch {
                Arch::Pna => self.pna_function(call),
                Arch::V1model => self.v1model_function(call),
            },
        }
    }

    /// A call of a method of an extern object.
    pub(super) fn extern_method(
        &mut self,
        object: &Rc<Object<'a>>,
        call: &ExternCall<'a>,
    ) -> R<Value<'a>> {
        self.only_in_control(call.span, "a method of an extern object")?;
        self.object_method(object, call)
    }

    // ------------------------------------------------------------------------------ arguments

    /// The value of an argument.
    pub(super) fn arg<'c>(&self, call: &'c ExternCall<'a>, at: usize) -> R<&'c Value<'a>> {
        call.args
            .get(at)
            .and_then(|arg| arg.value.as_ref())
            .ok_or_else(|| error(codes::ARGUMENTS, call.span, "an argument is missing"))
    }

    /// A scalar argument with its width.
    pub(super) fn arg_scalar(&mut self, call: &ExternCall<'a>, at: usize) -> R<(u32, Expr)> {
        match self.arg(call, at)?.clone() {
            // A number that nothing gave a width.
            Value::Int(number) => Ok((32, Expr::Const(super::ops::to_bits(&number, 32)))),
            Value::Empty => Ok((1, Expr::num(1, 0))),
            value => {
                let expr = self.scalar(&value, call.span)?;
                Ok((self.width_in(&expr), expr))
            }
        }
    }

    /// A compile-time argument.
    pub(super) fn arg_number(&mut self, call: &ExternCall<'a>, at: usize) -> R<BigInt> {
        let value = self.arg(call, at)?.clone();
        match call.args.get(at) {
            Some(arg) => self.number(&value, &arg.ty, arg.span),
            None => Err(error(codes::ARGUMENTS, call.span, "an argument is missing")),
        }
    }

    /// Runs an operation that writes an argument: right there, or into a variable that is copied.
    pub(super) fn write_arg(
        &mut self,
        call: &ExternCall<'a>,
        at: usize,
        width: u32,
        op: impl FnOnce(LValue) -> Op,
    ) -> R<()> {
        let target = call.args.get(at).and_then(|arg| arg.value.clone());
        let direct = match &target {
            Some(Value::Slot(slot)) => Some(LValue::meta(self.slot_meta(*slot))),
            Some(Value::Place(place)) => Some(*place),
            _ => None,
        };
        match direct {
            Some(place) if self.ir.lvalue_width(&place) == width => {
                self.emit(op(place));
                Ok(())
            }
            _ => {
                let meta = self.temporary("written", width);
                self.emit(op(LValue::meta(meta)));
                let Some(target) = target else { return Ok(()) };
                let to = match call.args.get(at) {
                    Some(arg) => self.width(&arg.ty).unwrap_or(width),
                    None => width,
                };
                let value = Value::Bits(resize(Expr::Meta(meta), width, to, false));
                self.assign(&target, &value, call.span)
            }
        }
    }

    /// A compile-time number of a constructor.
    pub(super) fn ctor_number(&mut self, instance: &ExternInstance<'a>, at: usize) -> R<BigInt> {
        match instance.args.get(at) {
            Some(Some((value, ty))) => self.number(value, ty, instance.span),
            _ => Err(error(
                codes::ARGUMENTS,
                instance.span,
                "an argument is missing",
            )),
        }
    }

    /// The same, of 32 bits.
    pub(super) fn ctor_u32(&mut self, instance: &ExternInstance<'a>, at: usize) -> R<u32> {
        let number = self.ctor_number(instance, at)?;
        u32::try_from(&number).map_err(|_| {
            let message = format!("{number} does not fit in 32 bits");
            error(codes::WIDTH, instance.span, message)
        })
    }

    // --------------------------------------------------------------------------------- blocks

    /// The blocks that a package is made from: parsers and controls.
    pub(super) fn package_blocks(
        &mut self,
        main: &'a typed::Instance,
        prefixed: bool,
    ) -> R<Vec<Rc<BlockInstance<'a>>>> {
        let mut blocks = Vec::with_capacity(main.args.len());
        for arg in &main.args {
            let found = arg.value.as_ref().map(|value| (&value.kind, value.span));
            match found {
                Some((ExprKind::Instance(id), _)) => blocks.push(self.top_block(*id, prefixed)?),
                other => {
                    let span = other.map_or(main.span, |(_, span)| span);
                    return Err(error(
                        codes::ARCHITECTURE,
                        span,
                        "a parser or control is needed here",
                    ));
                }
            }
        }
        Ok(blocks)
    }

    /// The parameters of a block.
    pub(super) fn block_params(&self, block: &BlockInstance<'a>) -> &'a [typed::VarId] {
        match block.of {
            BlockDef::Control(control) => &control.params,
            BlockDef::Parser(parser) => &parser.params,
        }
    }

    /// Storage for a parameter of a top-level block.
    pub(super) fn parameter_storage(
        &mut self,
        block: &BlockInstance<'a>,
        at: usize,
        name: &str,
    ) -> R<Value<'a>> {
        let var = self.block_parameter(block, at)?;
        // Members of a struct go without a name in front; all else needs one.
        let name = match self.tree.base(&var.ty) {
            Type::Struct(..) => name,
            _ if name.is_empty() => &var.name,
            _ => name,
        };
        self.storage(&var.ty, name, var.span)
    }

    /// A parameter of a top-level block.
    pub(super) fn block_parameter(
        &self,
        block: &BlockInstance<'a>,
        at: usize,
    ) -> R<&'a typed::Var> {
        let tree = self.tree;
        match self.block_params(block).get(at) {
            Some(id) => Ok(&tree.vars[*id]),
            None => Err(error(
                codes::ARCHITECTURE,
                block_span(block),
                "this block has too few parameters for its place in the architecture",
            )),
        }
    }

    /// Binds the parameters of a top-level block to what the architecture passes.
    pub(super) fn bind_block(&self, block: &BlockInstance<'a>, values: &[Value<'a>]) -> R<()> {
        let params = self.block_params(block);
        if params.len() != values.len() {
            return Err(error(
                codes::ARCHITECTURE,
                block_span(block),
                format!(
                    "this block has {} parameters, its place in the architecture has {}",
                    params.len(),
                    values.len()
                ),
            ));
        }
        for (param, value) in params.iter().zip(values) {
            block.frame.bind(*param, value.clone());
        }
        Ok(())
    }

    /// A control of the pipeline as one step that catches `exit`.
    pub(super) fn top_control(
        &mut self,
        block: &Rc<BlockInstance<'a>>,
        values: &[Value<'a>],
    ) -> R<Step> {
        self.bind_block(block, values)?;
        let (steps, ()) = self.with_frame(block.frame.clone(), |e| {
            e.collect(|e| e.control_body(block))
        })?;
        let label = match &block.frame.result {
            Some((label, _)) => *label,
            None => self.new_label(),
        };
        Ok(Step::Scope {
            label,
            steps,
            ending: Vec::new(),
            catches_exit: true,
        })
    }

    /// A struct that the architecture fills: a value for each field by its name and type.
    pub(super) fn filled_struct(
        &mut self,
        block: &BlockInstance<'a>,
        at: usize,
        mut field: impl FnMut(&mut Self, &str, &Type) -> R<Value<'a>>,
    ) -> R<Value<'a>> {
        let var = self.block_parameter(block, at)?;
        let tree = self.tree;
        let Type::Struct(id, args) = tree.base(&var.ty) else {
            return Err(error(
                codes::ARCHITECTURE,
                var.span,
                "a struct is needed here",
            ));
        };
        let types = tree.field_types(*id, args);
        let mut fields = Vec::with_capacity(types.len());
        for (def, ty) in tree.structs[*id].fields.iter().zip(&types) {
            fields.push(field(self, &def.name, ty)?);
        }
        Ok(Value::Fields(Rc::new(fields)))
    }

    /// A standard metadata field as a value of another type.
    pub(super) fn standard(&self, meta: StdMeta, ty: &Type) -> Expr {
        let from = StdMeta::ALL
            .iter()
            .find(|(m, _, _)| *m == meta)
            .map_or(0, |(_, _, width)| *width);
        let to = self.width(ty).unwrap_or(from);
        resize(meta.get(), from, to, false)
    }

    /// Records the drop reason of the action or control in work.
    pub(super) fn set_drop_reason(&mut self) {
        let reason = self.frame.names.reason.clone();
        let reason = self.ir.drop_reason(&reason);
        let number = Expr::num(16, u64::from(reason.number()));
        self.emit(Op::Set(LValue::meta(StdMeta::Drop.id()), number));
    }
}

/// Where a block is declared.
pub(super) fn block_span(block: &BlockInstance<'_>) -> Span {
    match block.of {
        BlockDef::Control(control) => control.span,
        BlockDef::Parser(parser) => parser.span,
    }
}

/// The error for an extern function that this compiler gives no meaning to.
pub(super) fn unknown_function(call: &ExternCall<'_>) -> Box<crate::Diagnostic> {
    Box::new(unknown_extern(call).with_help(
        "`trisect p4 run --extern-model FILE` runs the program with a body that you give it",
    ))
}

/// The error for something extern that this compiler gives no meaning to.
pub(super) fn unknown_extern(call: &ExternCall<'_>) -> Box<crate::Diagnostic> {
    unsupported(call.span, format!("`{}`", call.name))
}
