//! Extern objects that architectures share under different names.

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{
    BinOp, Expr, HashAlgorithm, Index, LValue, MeterConfig, Object, ObjectId, ObjectKind, Op,
    SumTerm,
};

use super::ops::{fold, resize};
use super::types::Type;
use super::value::{Env, ExternKind, ExternObject, Value};
use super::{Arch, Elab, R, error, unsupported};
use crate::ast;
use crate::{Diagnostic, Span, codes};

/// Arguments in the order of the parameters.
pub(super) type Args<'a> = [Option<&'a ast::Expr>];

impl<'a> Elab<'a> {
    /// An extern object.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the declaration"
    )]
    pub(super) fn construct_extern(
        &mut self,
        decl: &'a ast::ExternDecl,
        type_args: Vec<Type>,
        args: &'a [ast::Arg],
        name: &str,
        annotations: &'a [ast::Annotation],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let method = overload(decl, true, decl.name.as_str(), args.len());
        let Some(method) = method else {
            return Err(error(
                codes::ARGUMENTS,
                span,
                format!(
                    "`{}` cannot be made from {} arguments",
                    decl.name.name,
                    args.len()
                ),
            ));
        };
        let args = self.bind_arguments(&method.proto.params, args, span)?;
        let name = format!("{}{name}", self.context.prefix);
        let instance = Instance {
            name,
            types: type_args,
            args,
            annotations,
            span,
        };
        let type_name = decl.name.as_str();
        let kind = match self.trisect_object(type_name, &instance, env)? {
            Some(kind) => kind,
            None => match self.pna_object(type_name, &instance, env)? {
                Some(kind) => kind,
                None => self
                    .v1model_object(type_name, &instance, env)?
                    .unwrap_or(ExternKind::Unsupported),
            },
        };
        Ok(Value::Extern(Rc::new(ExternObject {
            type_name: type_name.to_owned(),
            kind,
        })))
    }

    /// A method of an extern object.
    pub(super) fn extern_method(
        &mut self,
        object: &Rc<ExternObject>,
        name: &'a ast::Ident,
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        self.only_in_control(span, "a method of an extern object")?;
        let Some(decl) = self.externs.get(&object.type_name).copied() else {
            return Err(unsupported(span, format!("`{}`", object.type_name)));
        };
        let Some(method) = overload(decl, false, name.as_str(), args.len()) else {
            let known: Vec<&str> = decl.methods.iter().map(|m| m.proto.name.as_str()).collect();
            if known.contains(&name.as_str()) {
                return Err(error(
                    codes::ARGUMENTS,
                    span,
                    format!("`{}` does not take {} arguments", name.name, args.len()),
                ));
            }
            return Err(super::expr::no_member(&object.type_name, name, known));
        };
        let args = self.bind_arguments(&method.proto.params, args, span)?;
        let method = name.as_str();
        match &object.kind {
            ExternKind::Counter(id) => self.count_at(*id, &args, env, span),
            ExternKind::DirectCounter(id) => {
                self.table_bound = true;
                // v1model counts on its own, see `Elab::implicit_objects`.
                if self.arch == Arch::Pna {
                    self.emit(Op::Count(*id, Index::Entry));
                }
                Ok(Value::Unit)
            }
            ExternKind::Meter(id) => self.execute_meter(*id, method, &args, env, span),
            ExternKind::DirectMeter(id) => self.execute_direct_meter(*id, method, &args, env, span),
            ExternKind::Register(id, ty) => self.register_method(*id, ty, method, &args, env, span),
            ExternKind::Hash(algorithm, ty) => self.hash_method(algorithm, ty, &args, env, span),
            ExternKind::InternetChecksum(slot) => {
                let state = self.slot_meta(*slot);
                self.checksum_method(state, method, &args, env, span)
            }
            ExternKind::PatternSet(id) => self.search(*id, &args, env, span),
            ExternKind::Allocator(id, ty) => {
                self.allocator_method(*id, ty, method, &args, env, span)
            }
            ExternKind::Attribute(slot, ty) => {
                let value = self.argument(&args, 0, Some(ty), env, span)?;
                self.assign(Value::Slot(ty.clone(), *slot), value, span)?;
                Ok(Value::Unit)
            }
            ExternKind::Unsupported => Err(unsupported(
                span,
                format!("the extern `{}`", object.type_name),
            )),
        }
    }

    /// A call of an extern function.
    pub(super) fn call_extern_function(
        &mut self,
        name: &str,
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let overloads = self.extern_functions.get(name).cloned().unwrap_or_default();
        let Some(proto) = overloads.iter().find(|p| p.params.len() == args.len()) else {
            return Err(error(
                codes::ARGUMENTS,
                span,
                format!("`{name}` does not take {} arguments", args.len()),
            ));
        };
        let args = self.bind_arguments(&proto.params, args, span)?;
        match name {
            "verify" => self.verify(&args, env, span),
            "static_assert" => self.static_assert(&args, env, span),
            _ => match self.arch {
                Arch::Pna => self.pna_function(name, &args, env, span),
                Arch::V1model => self.v1model_function(name, &args, env, span),
            },
        }
    }

    fn static_assert(&mut self, args: &Args<'a>, env: &Rc<Env<'a>>, span: Span) -> R<Value<'a>> {
        let value = self.argument(args, 0, Some(&Type::Bool), env, span)?;
        if self.constant(&value, span)? == BigInt::ZERO {
            let message = match args.get(1).copied().flatten() {
                Some(text) => match self.expr(text, env, None)? {
                    Value::Str(text) => text,
                    _ => String::new(),
                },
                None => "static_assert failed".to_owned(),
            };
            return Err(error(codes::NOT_CONSTANT, span, message));
        }
        Ok(value)
    }

    /// The value of an argument.
    pub(super) fn argument(
        &mut self,
        args: &Args<'a>,
        at: usize,
        ty: Option<&Type>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let Some(arg) = args.get(at).copied().flatten() else {
            return Err(error(codes::ARGUMENTS, span, "an argument is missing"));
        };
        let value = self.expr(arg, env, ty)?;
        match ty {
            Some(ty) => self.convert(value, ty, arg.span),
            None => Ok(value),
        }
    }

    /// A scalar argument; a constant without width gets `default_width` bits.
    pub(super) fn scalar_argument(
        &mut self,
        args: &Args<'a>,
        at: usize,
        default_width: u32,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<(Type, Expr)> {
        let value = self.argument(args, at, None, env, span)?;
        match value {
            Value::Int(_) => {
                let ty = Type::Bit(default_width);
                let expr = self.scalar_as(value, &ty, span)?;
                Ok((ty, expr))
            }
            other => self.scalar(other, span),
        }
    }

    /// A compile-time argument.
    pub(super) fn constant_argument(
        &mut self,
        args: &Args<'a>,
        at: usize,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<BigInt> {
        let value = self.argument(args, at, None, env, span)?;
        self.constant(
            &value,
            args.get(at).copied().flatten().map_or(span, |a| a.span),
        )
    }

    /// A compile-time argument of 32 bits.
    pub(super) fn size_argument(
        &mut self,
        args: &Args<'a>,
        at: usize,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<u32> {
        let number = self.constant_argument(args, at, env, span)?;
        u32::try_from(&number).map_err(|_| {
            error(
                codes::WIDTH,
                span,
                format!("{number} does not fit in 32 bits"),
            )
        })
    }

    /// Where an out argument goes.
    pub(super) fn place_argument(
        &mut self,
        args: &Args<'a>,
        at: usize,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<(Type, LValue)> {
        match self.argument(args, at, None, env, span)? {
            Value::Slot(ty, slot) => Ok((ty, LValue::meta(self.slot_meta(slot)))),
            Value::Place(ty, place) => Ok((ty, place)),
            other => Err(error(
                codes::NOT_ASSIGNABLE,
                args.get(at).copied().flatten().map_or(span, |a| a.span),
                format!("the result is written here, and this is {}", other.kind()),
            )),
        }
    }

    /// Adds an object to the program.
    pub(super) fn add_object(&mut self, name: &str, kind: ObjectKind) -> ObjectId {
        let name = self.unique("object", name);
        self.ir.objects.push(Object { name, kind })
    }

    /// The rates of a meter: `@rates[committed = .., committed_burst = .., peak = .., peak_burst = ..]`,
    /// per second. Without them every packet is green.
    pub(super) fn meter_rates(
        &mut self,
        annotations: &'a [ast::Annotation],
        env: &Rc<Env<'a>>,
    ) -> R<MeterConfig> {
        let unlimited = u64::MAX >> 1;
        let mut config = MeterConfig {
            cir: unlimited,
            cbs: unlimited,
            pir: unlimited,
            pbs: unlimited,
        };
        let Some(annotation) = ast::find_annotation(annotations, "rates") else {
            return Ok(config);
        };
        let ast::AnnotationBody::KeyValues(rates) = &annotation.body else {
            return Err(error(
                codes::ARGUMENTS,
                annotation.span,
                "write the rates by name: @rates[committed = 1000, ...]",
            ));
        };
        for rate in rates {
            let value = self.expr(&rate.value, env, None)?;
            let value = self.constant(&value, rate.value.span)?;
            let value = u64::try_from(&value)
                .map_err(|_| error(codes::WIDTH, rate.value.span, "a rate has 64 bits"))?;
            match rate.name.as_str() {
                "committed" => config.cir = value,
                "committed_burst" => config.cbs = value,
                "peak" => config.pir = value,
                "peak_burst" => config.pbs = value,
                _ => {
                    let known = ["committed", "committed_burst", "peak", "peak_burst"];
                    return Err(super::expr::no_member("rates", &rate.name, known));
                }
            }
        }
        Ok(config)
    }

    fn count_at(
        &mut self,
        id: ObjectId,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        if args.get(1).copied().flatten().is_some() {
            return Err(unsupported(span, "counting by more than one packet"));
        }
        let (_, index) = self.scalar_argument(args, 0, 32, env, span)?;
        self.emit(Op::Count(id, Index::At(index)));
        Ok(Value::Unit)
    }

    /// PNA: `color = m.execute(index[, color])`. v1model: `m.execute_meter(index, color)`.
    fn execute_meter(
        &mut self,
        object: ObjectId,
        method: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let (_, index) = self.scalar_argument(args, 0, 32, env, span)?;
        let index = Index::At(index);
        if method == "execute_meter" {
            let (_, dst) = self.place_argument(args, 1, env, span)?;
            return self.meter_into(object, index, dst, span);
        }
        let color = match args.get(1).copied().flatten() {
            Some(_) => Some(self.scalar_argument(args, 1, 2, env, span)?.1),
            None => None,
        };
        self.meter_value(object, index, color, span)
    }

    fn execute_direct_meter(
        &mut self,
        object: ObjectId,
        method: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        self.table_bound = true;
        if method == "read" {
            let (_, dst) = self.place_argument(args, 0, env, span)?;
            return self.meter_into(object, Index::Entry, dst, span);
        }
        if args.iter().any(Option::is_some) {
            return Err(unsupported(span, "a colour-aware direct meter"));
        }
        self.meter_value(object, Index::Entry, None, span)
    }

    fn meter_into(
        &mut self,
        object: ObjectId,
        index: Index,
        dst: LValue,
        span: Span,
    ) -> R<Value<'a>> {
        if self.ir.lvalue_width(&dst) < 2 {
            return Err(error(codes::WIDTH, span, "a colour needs two bits"));
        }
        self.emit(Op::Meter {
            object,
            index,
            color: None,
            dst,
        });
        Ok(Value::Unit)
    }

    fn meter_value(
        &mut self,
        object: ObjectId,
        index: Index,
        color: Option<Expr>,
        span: Span,
    ) -> R<Value<'a>> {
        let Some(Value::Type(ty)) = self.global.lookup("PNA_MeterColor_t") else {
            return Err(error(
                codes::TYPE,
                span,
                "the type PNA_MeterColor_t is missing",
            ));
        };
        let meta = self.temporary("color", ty.width().unwrap_or(8));
        self.emit(Op::Meter {
            object,
            index,
            color,
            dst: LValue::meta(meta),
        });
        Ok(Value::Expr(ty, Expr::Meta(meta)))
    }

    /// PNA: `x = r.read(i)`, `r.write(i, x)`. v1model: `r.read(x, i)`, `r.write(i, x)`.
    fn register_method(
        &mut self,
        object: ObjectId,
        ty: &Type,
        method: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        match (method, args.len()) {
            ("read", 1) => {
                let (_, index) = self.scalar_argument(args, 0, 32, env, span)?;
                let meta = self.temporary("cell", ty.width().unwrap_or(1));
                let dst = LValue::meta(meta);
                self.emit(Op::Read { object, index, dst });
                Ok(Value::Expr(ty.clone(), Expr::Meta(meta)))
            }
            ("read", _) => {
                let (found, dst) = self.place_argument(args, 0, env, span)?;
                if !found.accepts(ty) {
                    return Err(error(
                        codes::WIDTH,
                        span,
                        format!("the register holds `{ty}`, this is `{found}`"),
                    ));
                }
                let (_, index) = self.scalar_argument(args, 1, 32, env, span)?;
                self.emit(Op::Read { object, index, dst });
                Ok(Value::Unit)
            }
            _ => {
                let (_, index) = self.scalar_argument(args, 0, 32, env, span)?;
                let value = self.argument(args, 1, Some(ty), env, span)?;
                let value = self.scalar(value, span)?.1;
                self.emit(Op::Write {
                    object,
                    index,
                    value,
                });
                Ok(Value::Unit)
            }
        }
    }

    /// `h.get_hash(data)` and `h.get_hash(base, data, max)`.
    fn hash_method(
        &mut self,
        algorithm: &HashAlgorithm,
        ty: &Type,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let data = self.argument(args, if args.len() == 3 { 1 } else { 0 }, None, env, span)?;
        let inputs = self.flatten(&data, span)?;
        let width = ty.width().unwrap_or(1);
        let range = if args.len() == 3 {
            let base = self.scalar_argument(args, 0, width, env, span)?;
            let max = self.scalar_argument(args, 2, width, env, span)?;
            Some((base, max))
        } else {
            None
        };
        Ok(Value::Expr(
            ty.clone(),
            hash_in_range(algorithm, inputs, range, width),
        ))
    }

    fn checksum_method(
        &mut self,
        state: trisect_ir::MetaId,
        method: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let whole = LValue::meta(state);
        match method {
            "clear" => {
                self.emit(Op::Set(whole, Expr::num(16, 0)));
                Ok(Value::Unit)
            }
            "add" | "subtract" => {
                let data = self.argument(args, 0, None, env, span)?;
                let value = self.checksum_data(&data, span)?;
                let term = SumTerm {
                    subtract: method == "subtract",
                    value,
                };
                let sum = Expr::OnesSum(Box::new(Expr::Meta(state)), vec![term]);
                self.emit(Op::Set(whole, sum));
                Ok(Value::Unit)
            }
            "get" => Ok(Value::Expr(Type::Bit(16), Expr::Meta(state).not())),
            "get_state" => Ok(Value::Expr(Type::Bit(16), Expr::Meta(state))),
            _ => {
                let (_, value) = self.scalar_argument(args, 0, 16, env, span)?;
                self.emit(Op::Set(whole, value));
                Ok(Value::Unit)
            }
        }
    }

    /// Data of a checksum as one value of whole 16-bit words.
    pub(super) fn checksum_data(&mut self, data: &Value<'a>, span: Span) -> R<Expr> {
        let parts = self.flatten(data, span)?;
        let bits: u32 = parts
            .iter()
            .map(|part| self.ir.width(part, &self.context.params))
            .sum();
        if !bits.is_multiple_of(16) || bits == 0 {
            return Err(Box::new(
                Diagnostic::error(codes::WIDTH, span, format!("checksum data of {bits} bits"))
                    .with_note("a checksum is over whole 16-bit words"),
            ));
        }
        Ok(match <[Expr; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => Expr::Concat(parts),
        })
    }

    fn search(
        &mut self,
        object: ObjectId,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let Value::Header(_, after) = self.argument(args, 0, None, env, span)? else {
            return Err(error(codes::TYPE, span, "a header is needed here"));
        };
        let meta = self.temporary("found", 16);
        self.emit(Op::Search {
            object,
            after,
            dst: LValue::meta(meta),
        });
        Ok(Value::Expr(Type::Bit(16), Expr::Meta(meta)))
    }

    fn allocator_method(
        &mut self,
        object: ObjectId,
        ty: &Type,
        method: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        if method == "touch" {
            let value = self.argument(args, 0, Some(ty), env, span)?;
            let value = self.scalar(value, span)?.1;
            self.emit(Op::Touch(object, value));
            return Ok(Value::Unit);
        }
        let (ok_ty, ok) = self.place_argument(args, 0, env, span)?;
        let (value_ty, value) = self.place_argument(args, 1, env, span)?;
        if ok_ty.width() != Some(1) || value_ty.width() != ty.width() {
            return Err(error(
                codes::WIDTH,
                span,
                format!("`allocate` writes a `bit<1>` and a `{ty}`"),
            ));
        }
        self.emit(Op::Allocate { object, ok, value });
        Ok(Value::Unit)
    }

    /// The externs of trisect.p4.
    fn trisect_object(
        &mut self,
        type_name: &str,
        instance: &Instance<'a>,
        env: &Rc<Env<'a>>,
    ) -> R<Option<ExternKind>> {
        let (args, span) = (&instance.args, instance.span);
        Ok(Some(match type_name {
            "PatternSet" => {
                self.size_argument(args, 0, env, span)?;
                let patterns = Vec::new();
                ExternKind::PatternSet(
                    self.add_object(&instance.name, ObjectKind::PatternSet { patterns }),
                )
            }
            "Allocator" => {
                let ty = instance.type_arg(0, 16);
                let width = ty.width().unwrap_or(16);
                let base = self.constant_argument(args, 0, env, span)?;
                let size = self.size_argument(args, 1, env, span)?;
                let seconds = u64::from(self.size_argument(args, 2, env, span)?);
                let base = u64::try_from(&base)
                    .map_err(|_| error(codes::WIDTH, span, "the base has 64 bits"))?;
                let last = u128::from(base) + u128::from(size);
                if size == 0 || (width < 64 && last > 1 << width) {
                    return Err(error(
                        codes::WIDTH,
                        span,
                        format!("{base} and the {size} values from there do not fit `{ty}`"),
                    ));
                }
                let object = ObjectKind::Allocator {
                    width,
                    base,
                    size,
                    idle_ns: seconds.saturating_mul(1_000_000_000),
                };
                ExternKind::Allocator(self.add_object(&instance.name, object), ty)
            }
            "Attribute" => {
                let ty = instance.type_arg(0, 8);
                let width = ty.width().unwrap_or(8);
                let slot = self.new_slot(&instance.name, width);
                let meta = self.slot_meta(slot);
                let values = match ty.base() {
                    Type::Enum(e) => e
                        .members
                        .iter()
                        .map(|(name, value)| (name.clone(), super::ops::to_bits(value, width)))
                        .collect(),
                    _ => Vec::new(),
                };
                self.ir.attributes.push(trisect_ir::Attribute {
                    name: instance.name.clone(),
                    meta,
                    values,
                });
                ExternKind::Attribute(slot, ty)
            }
            _ => return Ok(None),
        }))
    }
}

/// An extern object about to be made.
pub(super) struct Instance<'a> {
    pub name: String,
    pub types: Vec<Type>,
    pub args: Vec<Option<&'a ast::Expr>>,
    pub annotations: &'a [ast::Annotation],
    pub span: Span,
}

impl Instance<'_> {
    /// A type argument, `bit<default_width>` where none was given.
    pub fn type_arg(&self, at: usize, default_width: u32) -> Type {
        match self.types.get(at) {
            Some(Type::Any) | None => Type::Bit(default_width),
            Some(ty) => ty.clone(),
        }
    }
}

/// A hash as a value of `width` bits: whole, or `base + hash mod max`.
pub(super) fn hash_in_range(
    algorithm: &HashAlgorithm,
    inputs: Vec<Expr>,
    range: Option<((Type, Expr), (Type, Expr))>,
    width: u32,
) -> Expr {
    let hash = Expr::Hash(algorithm.clone(), inputs);
    let Some(((base_ty, base), (max_ty, max))) = range else {
        return resize(hash, algorithm.width(), width, false);
    };
    // Wide enough for the hash, the bound and the result.
    let max_width = max_ty.width().unwrap_or(32);
    let wide = algorithm.width().max(max_width).max(width);
    let hash = resize(hash, algorithm.width(), wide, false);
    let max = resize(max, max_width, wide, false);
    let base = resize(base, base_ty.width().unwrap_or(32), width, false);
    let rest = fold(BinOp::Rem, hash, max);
    let rest = resize(rest, wide, width, false);
    match base {
        Expr::Const(zero) if zero.is_zero() => rest,
        base => fold(BinOp::Add, rest, base),
    }
}

/// The constructor or method that takes this many arguments.
fn overload<'a>(
    decl: &'a ast::ExternDecl,
    constructor: bool,
    name: &str,
    count: usize,
) -> Option<&'a ast::Method> {
    decl.methods.iter().find(|m| {
        let optional = m
            .proto
            .params
            .iter()
            .filter(|p| {
                p.default.is_some() || ast::find_annotation(&p.annotations, "optional").is_some()
            })
            .count();
        let most = m.proto.params.len();
        m.is_constructor == constructor
            && m.proto.name.as_str() == name
            && (most - optional..=most).contains(&count)
    })
}
