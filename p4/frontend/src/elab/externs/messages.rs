//! What a program tells the control plane (digest, log_msg, assert), and random numbers.

use trisect_ir::object::MessageKind;
use trisect_ir::{Bits, Expr, LValue, ObjectId, ObjectKind, Op};

use super::super::ops::{complement, is_truth, resize};
use super::super::value::Value;
use super::super::{Elab, R};
use super::ExternCall;
use crate::typed::Type;

/// Where the sequence of random numbers starts.
const SEED: u64 = 1;

impl<'a> Elab<'a> {
    /// `digest(receiver, data)`: a message with the data's fields, named for the data's type.
    pub(in super::super) fn digest(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.only_in_control(call.span, "`digest`")?;
        let data = self.arg(call, 1)?.clone();
        let ty = call.args.get(1).map_or(Type::Void, |arg| arg.ty.clone());
        let name = match self.tree.base(&ty) {
            Type::Struct(..) | Type::Header(..) => self.tree.show(&ty),
            _ => "digest".to_owned(),
        };
        self.message(call, MessageKind::Digest, &name, name.clone(), &ty, &data)
    }

    /// `log_msg(text)` and `log_msg(text, data)`.
    pub(in super::super) fn log(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.only_in_control(call.span, "`log_msg`")?;
        let text = match self.arg(call, 0)? {
            Value::Str(text) => text.to_string(),
            _ => String::new(),
        };
        let (ty, data) = match call.args.get(1) {
            Some(arg) => (arg.ty.clone(), self.arg(call, 1)?.clone()),
            None => (Type::Void, Value::Unit),
        };
        self.message(call, MessageKind::Log, "log_msg", text, &ty, &data)
    }

    /// `assert(check)` and `assume(check)`: a message if it does not hold.
    pub(in super::super) fn assertion(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.only_in_control(call.span, &format!("`{}`", call.name))?;
        let (_, check) = self.arg_scalar(call, 0)?;
        if is_truth(&check, true) {
            return Ok(Value::Unit);
        }
        let text = format!("{} at {}", call.name, self.line(call.span));
        let object = ObjectKind::Message {
            kind: MessageKind::Assert,
            text,
            fields: Vec::new(),
        };
        let object = self.add_object(call.name, object);
        let notify = vec![Op::Notify(object, Vec::new())];
        self.emit(Op::If(complement(check), notify, Vec::new()));
        Ok(Value::Unit)
    }

    fn message(
        &mut self,
        call: &ExternCall<'a>,
        kind: MessageKind,
        name: &str,
        text: String,
        ty: &Type,
        data: &Value<'a>,
    ) -> R<Value<'a>> {
        let values = match data {
            Value::Unit => Vec::new(),
            data => self.flatten(data, call.span)?,
        };
        let mut names = Vec::new();
        self.leaf_names(ty, "", &mut names);
        let fields = values.iter().enumerate().map(|(i, value)| {
            let name = names.get(i).cloned().unwrap_or_else(|| format!("f{i}"));
            (name, self.width_in(value))
        });
        let object = ObjectKind::Message {
            kind,
            text,
            fields: fields.collect(),
        };
        // The same message from several places is one object.
        let same = self.ir.objects.find(|known| {
            known.kind == object
                && known
                    .name
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        });
        let object = match same {
            Some(known) => known,
            None => self.add_object(name, object),
        };
        self.emit(Op::Notify(object, values));
        Ok(Value::Unit)
    }

    /// Names of the scalars in a type, in order.
    fn leaf_names(&self, ty: &Type, prefix: &str, out: &mut Vec<String>) {
        let joined = |name: &str| match prefix {
            "" => name.to_owned(),
            prefix => format!("{prefix}.{name}"),
        };
        let tree = self.tree;
        match (self.width(ty), tree.base(ty)) {
            (Some(0), _) => {}
            (None, Type::Struct(id, args) | Type::Header(id, args)) => {
                let types = tree.field_types(*id, args);
                for (field, ty) in tree.structs[*id].fields.iter().zip(&types) {
                    self.leaf_names(ty, &joined(&field.name), out);
                }
            }
            (None, Type::Tuple(parts)) => {
                for (i, ty) in parts.iter().enumerate() {
                    self.leaf_names(ty, &joined(&format!("f{i}")), out);
                }
            }
            _ => out.push(match prefix {
                "" => "value".to_owned(),
                prefix => prefix.to_owned(),
            }),
        }
    }

    /// `random(result, lo, hi)`
    pub(in super::super) fn random(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.only_in_control(call.span, "`random`")?;
        let Some(target) = call.args.first() else {
            return Ok(Value::Unit);
        };
        let width = self.width_of(&target.ty, target.span)?;
        let object = self.random_source();
        let bound = |e: &mut Self, at| -> R<Expr> {
            let (from, value) = e.arg_scalar(call, at)?;
            Ok(resize(value, from, width, false))
        };
        let (lo, hi) = (bound(self, 1)?, bound(self, 2)?);
        self.write_arg(call, 0, width, |dst| Op::Random {
            object,
            lo,
            hi,
            dst,
        })?;
        Ok(Value::Unit)
    }

    /// A number drawn at random, of this width.
    pub(in super::super) fn draw(&mut self, width: u32) -> Expr {
        let object = self.random_source();
        let drawn = self.temporary("drawn", width);
        self.emit(Op::Random {
            object,
            lo: Expr::num(width, 0),
            hi: Expr::Const(Bits::ones(width)),
            dst: LValue::meta(drawn),
        });
        Expr::Meta(drawn)
    }

    fn random_source(&mut self) -> ObjectId {
        let source = ObjectKind::Random { seed: SEED };
        match self.ir.objects.find(|object| object.kind == source) {
            Some(known) => known,
            None => self.add_object("random", source),
        }
    }
}
