//! Declarations, type references and storage.

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{Field, FieldKind, Header, HeaderId, HeaderType, HeaderTypeId};

use super::types::{EnumType, NewType, StructType, Type};
use super::value::{BlockDecl, BlockInstance, Env, Stack, Value};
use super::{Elab, R, error, pna, unsupported};
use crate::ast::{self, DeclKind, TypeKind, TypeRef, TypedefTarget};
use crate::{Diagnostic, Span, codes};

impl<'a> Elab<'a> {
    /// A declaration at top level.
    pub(super) fn global_decl(&mut self, decl: &'a ast::Decl) -> R<()> {
        let env = self.global.clone();
        let value = match &decl.kind {
            DeclKind::Error(members) => {
                for member in members {
                    self.declare_error(member)?;
                }
                return Ok(());
            }
            DeclKind::Extern(found) => {
                self.externs.insert(found.name.name.clone(), found);
                Value::ExternType(found)
            }
            DeclKind::ExternFunction(proto) => {
                let name = proto.name.name.clone();
                self.extern_functions
                    .entry(name.clone())
                    .or_default()
                    .push(proto);
                Value::ExternFunction(name)
            }
            DeclKind::Control(found) => Value::ControlDecl(found),
            DeclKind::Parser(found) => Value::ParserDecl(found),
            DeclKind::Function(found) => Value::Function(found),
            DeclKind::Action(found) => self.action_value(found, &env),
            DeclKind::MatchKind(_)
            | DeclKind::ExternForward(_)
            | DeclKind::ParserType(_)
            | DeclKind::ControlType(_)
            | DeclKind::Package(_) => return Ok(()),
            DeclKind::Instance(instance) => self.instance(instance, &decl.annotations, &env)?,
            _ => return self.local_decl(decl, &env),
        };
        self.declare(decl, &env, value)
    }

    /// A constant, variable or type, at top level or inside a block.
    pub(super) fn local_decl(&mut self, decl: &'a ast::Decl, env: &Rc<Env<'a>>) -> R<()> {
        let value = match &decl.kind {
            DeclKind::Const(found) => {
                let ty = self.resolve(&found.ty, env)?;
                let value = self.expr(&found.value, env, Some(&ty))?;
                self.convert(value, &ty, found.value.span)?
            }
            DeclKind::Var(found) => return self.variable(found, env),
            DeclKind::Header(found) | DeclKind::Struct(found) => {
                if found.type_params.is_empty() {
                    Value::Type(self.struct_type(decl, found, env)?)
                } else {
                    Value::GenericType(decl)
                }
            }
            DeclKind::Enum(found) => Value::Type(self.enum_type(found)),
            DeclKind::SerEnum(found) => Value::Type(self.ser_enum_type(found, env)?),
            DeclKind::Typedef(found) => Value::Type(self.typedef_target(found, env)?),
            DeclKind::NewType(found) => {
                let target = self.typedef_target(found, env)?;
                let name = found.name.name.clone();
                Value::Type(Type::New(Rc::new(NewType { name, target })))
            }
            DeclKind::Instance(instance) => self.instance(instance, &decl.annotations, env)?,
            DeclKind::HeaderUnion(_) => return Err(unsupported(decl.span, "a header union")),
            DeclKind::ValueSet(_) => return Err(unsupported(decl.span, "a value set")),
            _ => {
                return Err(error(
                    codes::MISPLACED,
                    decl.span,
                    "this cannot be declared here",
                ));
            }
        };
        self.declare(decl, env, value)
    }

    fn declare(&mut self, decl: &'a ast::Decl, env: &Env<'a>, value: Value<'a>) -> R<()> {
        let Some(name) = decl.name() else {
            return Ok(());
        };
        let function = matches!(value, Value::ExternFunction(_));
        if env.declare(name.as_str(), value) && !function {
            return Err(error(
                codes::DECLARED_TWICE,
                name.span,
                format!("`{}` is declared twice in this scope", name.name),
            ));
        }
        Ok(())
    }

    fn declare_error(&mut self, member: &ast::Ident) -> R<()> {
        let errors = &mut self.ir.parser.errors;
        if !errors.contains(&member.name) {
            if errors.len() > 255 {
                return Err(unsupported(
                    member.span,
                    "a program with more than 256 errors",
                ));
            }
            errors.push(member.name.clone());
        }
        Ok(())
    }

    fn variable(&mut self, decl: &'a ast::VarDecl, env: &Rc<Env<'a>>) -> R<()> {
        let ty = self.resolve(&decl.ty, env)?;
        let init = match &decl.init {
            Some(init) => Some((self.expr(init, env, Some(&ty))?, init.span)),
            None => None,
        };
        let name = if self.context.block.is_empty() {
            decl.name.name.clone()
        } else {
            format!("{}.{}", self.context.block, decl.name.name)
        };
        let storage = self.storage(&ty, &name, decl.name.span)?;
        env.declare(decl.name.as_str(), storage.clone());
        if let Some((value, span)) = init {
            self.assign(storage, value, span)?;
        }
        Ok(())
    }

    fn struct_type(
        &mut self,
        decl: &ast::Decl,
        found: &'a ast::StructDecl,
        env: &Rc<Env<'a>>,
    ) -> R<Type> {
        let mut fields: Vec<(String, Type)> = Vec::with_capacity(found.fields.len());
        for field in &found.fields {
            if fields.iter().any(|(name, _)| *name == field.name.name) {
                return Err(error(
                    codes::DECLARED_TWICE,
                    field.name.span,
                    format!("`{}` has two fields `{}`", found.name.name, field.name.name),
                ));
            }
            fields.push((field.name.name.clone(), self.resolve(&field.ty, env)?));
        }
        let ty = Rc::new(StructType {
            name: found.name.name.clone(),
            fields,
        });
        Ok(match decl.kind {
            DeclKind::Header(_) => Type::Header(ty),
            _ => Type::Struct(ty),
        })
    }

    fn enum_type(&self, found: &ast::EnumDecl) -> Type {
        let declared: Vec<&str> = found.members.iter().map(ast::Ident::as_str).collect();
        let order = pna::enum_order(found.name.as_str()).unwrap_or(&declared);
        let number = |name: &str| order.iter().position(|n| *n == name).unwrap_or(0);
        let members = declared
            .iter()
            .map(|name| ((*name).to_owned(), BigInt::from(number(name))))
            .collect();
        Type::Enum(Rc::new(EnumType {
            name: found.name.name.clone(),
            members,
            width: if declared.len() <= 256 { 8 } else { 32 },
            repr: None,
        }))
    }

    fn ser_enum_type(&mut self, found: &'a ast::SerEnumDecl, env: &Rc<Env<'a>>) -> R<Type> {
        let repr = self.resolve(&found.ty, env)?;
        let Some(width) = repr.width() else {
            return Err(error(
                codes::TYPE,
                found.ty.span,
                format!("`{repr}` cannot represent an enum"),
            ));
        };
        let mut members = Vec::new();
        for member in &found.members {
            let value = self.expr(&member.value, env, Some(&repr))?;
            let value = self.constant(&value, member.value.span)?;
            members.push((member.name.name.clone(), value));
        }
        Ok(Type::Enum(Rc::new(EnumType {
            name: found.name.name.clone(),
            members,
            width,
            repr: Some(repr),
        })))
    }

    fn typedef_target(&mut self, found: &'a ast::TypedefDecl, env: &Rc<Env<'a>>) -> R<Type> {
        match &found.target {
            TypedefTarget::Type(ty) => self.resolve(ty, env),
            TypedefTarget::Decl(decl) => {
                self.local_decl(decl, env)?;
                let name = decl.name().map(ast::Ident::as_str).unwrap_or_default();
                match env.lookup(name) {
                    Some(Value::Type(ty)) => Ok(ty),
                    _ => Err(error(codes::TYPE, decl.span, "this declares no type")),
                }
            }
        }
    }

    /// The type that a type reference names.
    pub(super) fn resolve(&mut self, ty: &'a TypeRef, env: &Rc<Env<'a>>) -> R<Type> {
        Ok(match &ty.kind {
            TypeKind::Void => Type::Void,
            TypeKind::Bool => Type::Bool,
            TypeKind::Error => Type::Error,
            TypeKind::MatchKind => Type::MatchKind,
            TypeKind::String => Type::String,
            TypeKind::Integer => Type::Integer,
            TypeKind::Bit(None) => Type::Bit(1),
            TypeKind::Bit(Some(width)) => Type::Bit(self.width_of(width, env)?),
            TypeKind::Int(width) => Type::Int(self.width_of(width, env)?),
            TypeKind::Varbit(width) => Type::Varbit(self.width_of(width, env)?),
            TypeKind::DontCare => Type::Any,
            TypeKind::Tuple(parts) => {
                let parts: R<Vec<Type>> = parts.iter().map(|p| self.resolve(p, env)).collect();
                Type::Tuple(parts?)
            }
            TypeKind::List(_) => return Err(unsupported(ty.span, "a list type")),
            TypeKind::Stack { elem, size } => {
                let elem_ty = self.resolve(elem, env)?;
                let size = self.width_of(size, env)?;
                match elem_ty {
                    Type::Header(header) => Type::Stack(header, size),
                    other => {
                        return Err(error(
                            codes::TYPE,
                            elem.span,
                            format!("a stack holds headers, and `{other}` is none"),
                        ));
                    }
                }
            }
            TypeKind::Named(path) => match self.lookup(env, path)? {
                Value::Type(ty) => ty,
                Value::ExternType(decl) => Type::Extern(decl.name.name.clone(), Vec::new()),
                other => return Err(not_a_type(path, &other)),
            },
            TypeKind::Specialized { base, args } => {
                let args: R<Vec<Type>> = args.iter().map(|a| self.resolve(a, env)).collect();
                match self.lookup(env, base)? {
                    Value::ExternType(decl) => Type::Extern(decl.name.name.clone(), args?),
                    Value::GenericType(decl) => self.specialize(decl, &args?, ty.span)?,
                    other => return Err(not_a_type(base, &other)),
                }
            }
        })
    }

    fn specialize(&mut self, decl: &'a ast::Decl, args: &[Type], span: Span) -> R<Type> {
        let (DeclKind::Header(found) | DeclKind::Struct(found)) = &decl.kind else {
            return Err(error(codes::TYPE, span, "this type takes no arguments"));
        };
        if found.type_params.len() != args.len() {
            return Err(error(
                codes::ARGUMENTS,
                span,
                format!(
                    "`{}` takes {} type arguments, not {}",
                    found.name.name,
                    found.type_params.len(),
                    args.len()
                ),
            ));
        }
        let env = Env::child(&self.global);
        for (param, arg) in found.type_params.iter().zip(args) {
            env.declare(param.as_str(), Value::Type(arg.clone()));
        }
        let ty = self.struct_type(decl, found, &env)?;
        // Two specialisations are two types.
        let text: Vec<String> = args.iter().map(ToString::to_string).collect();
        let rename = |s: Rc<StructType>| {
            Rc::new(StructType {
                name: format!("{}<{}>", s.name, text.join(", ")),
                fields: s.fields.clone(),
            })
        };
        Ok(match ty {
            Type::Header(s) => Type::Header(rename(s)),
            Type::Struct(s) => Type::Struct(rename(s)),
            other => other,
        })
    }

    /// A width or stack size: a constant from 1 to 2^24.
    fn width_of(&mut self, expr: &'a ast::Expr, env: &Rc<Env<'a>>) -> R<u32> {
        let value = self.expr(expr, env, None)?;
        let value = self.constant(&value, expr.span)?;
        match u32::try_from(&value).ok() {
            Some(width @ 1..=0x0100_0000) => Ok(width),
            // bit<0> is legal but holds nothing; no program of ours needs it.
            _ => Err(Box::new(
                Diagnostic::error(codes::WIDTH, expr.span, format!("{value} is no width"))
                    .with_help("widths and sizes are at least 1"),
            )),
        }
    }

    /// Storage for a type: metadata for scalars, header instances for headers. `name` names it; an
    /// empty name leaves only the members' names.
    pub(super) fn storage(&mut self, ty: &Type, name: &str, span: Span) -> R<Value<'a>> {
        if let Some(width) = ty.width() {
            let slot = self.new_slot(name, width);
            return Ok(Value::Slot(ty.clone(), slot));
        }
        match ty {
            Type::Header(header) => {
                let id = self.new_header(header, name, span)?;
                Ok(Value::Header(header.clone(), id))
            }
            Type::Stack(header, size) => {
                let ids: R<Vec<HeaderId>> = (0..*size)
                    .map(|i| self.new_header(header, &format!("{name}[{i}]"), span))
                    .collect();
                self.stacks += 1;
                Ok(Value::Stack(Rc::new(Stack {
                    id: self.stacks,
                    ty: header.clone(),
                    headers: ids?,
                })))
            }
            Type::Struct(found) => {
                let fields: R<Vec<Value<'a>>> = found
                    .fields
                    .iter()
                    .map(|(field, ty)| {
                        let path = if name.is_empty() {
                            field.clone()
                        } else {
                            format!("{name}.{field}")
                        };
                        self.storage(ty, &path, span)
                    })
                    .collect();
                Ok(Value::Struct(found.clone(), Rc::new(fields?)))
            }
            Type::Tuple(parts) => {
                let fields: R<Vec<_>> = parts
                    .iter()
                    .enumerate()
                    .map(|(i, ty)| Ok((None, self.storage(ty, &format!("{name}.{i}"), span)?)))
                    .collect();
                Ok(Value::List(Rc::new(fields?)))
            }
            other => Err(error(
                codes::TYPE,
                span,
                format!("a variable cannot have the type `{other}`"),
            )),
        }
    }

    fn new_header(&mut self, ty: &Rc<StructType>, name: &str, span: Span) -> R<HeaderId> {
        let id = self.header_type(ty, span)?;
        let name = self.unique("header", name);
        Ok(self.ir.headers.push(Header { name, ty: id }))
    }

    fn header_type(&mut self, ty: &Rc<StructType>, span: Span) -> R<HeaderTypeId> {
        if let Some(id) = self.header_types.get(&ty.name) {
            return Ok(*id);
        }
        let mut fields = Vec::new();
        flatten_fields(ty, "", &mut fields, span)?;
        let header = HeaderType {
            name: ty.name.clone(),
            fields,
        };
        if !header.fixed_bits().is_multiple_of(8) {
            return Err(Box::new(
                Diagnostic::error(
                    codes::WIDTH,
                    span,
                    format!(
                        "header `{}` has {} bits, which is no whole number of bytes",
                        ty.name,
                        header.fixed_bits()
                    ),
                )
                .with_help("add a padding field"),
            ));
        }
        let id = self.ir.header_types.push(header);
        self.header_types.insert(ty.name.clone(), id);
        Ok(id)
    }

    /// An instance of an extern, a control or a parser.
    pub(super) fn instance(
        &mut self,
        instance: &'a ast::Instance,
        annotations: &'a [ast::Annotation],
        env: &Rc<Env<'a>>,
    ) -> R<Value<'a>> {
        let name = instance.name.as_str();
        if instance.init.is_some() {
            return Err(unsupported(
                instance.name.span,
                "an extern with abstract methods",
            ));
        }
        self.construct(&instance.ty, &instance.args, name, annotations, env)
    }

    /// An instance with this name.
    pub(super) fn construct(
        &mut self,
        ty: &'a TypeRef,
        args: &'a [ast::Arg],
        name: &str,
        annotations: &'a [ast::Annotation],
        env: &Rc<Env<'a>>,
    ) -> R<Value<'a>> {
        let (path, type_args) = match &ty.kind {
            TypeKind::Named(path) => (path, &[][..]),
            TypeKind::Specialized { base, args } => (base, &args[..]),
            _ => return Err(error(codes::TYPE, ty.span, "this cannot be instantiated")),
        };
        let (decl, params) = match self.lookup(env, path)? {
            Value::ExternType(decl) => {
                let types: R<Vec<Type>> = type_args.iter().map(|t| self.resolve(t, env)).collect();
                return self.construct_extern(decl, types?, args, name, annotations, env, ty.span);
            }
            Value::ControlDecl(decl) => (BlockDecl::Control(decl), &decl.ctor_params),
            Value::ParserDecl(decl) => (BlockDecl::Parser(decl), &decl.ctor_params),
            other => {
                return Err(error(
                    codes::TYPE,
                    ty.span,
                    format!(
                        "`{}` is {}, which cannot be instantiated",
                        path.as_str(),
                        other.kind()
                    ),
                ));
            }
        };
        let bound = self.bind_arguments(params, args, ty.span)?;
        let mut values = Vec::new();
        for (param, arg) in params.iter().zip(bound) {
            let Some(arg) = arg.or(param.default.as_ref()) else {
                continue;
            };
            let ty = self.resolve(&param.ty, env)?;
            let value = self.expr(arg, env, Some(&ty))?;
            let value = match ty {
                Type::Extern(..) => value,
                ty => self.convert(value, &ty, arg.span)?,
            };
            values.push((param.name.name.clone(), value));
        }
        Ok(Value::Block(Rc::new(BlockInstance {
            decl,
            name: name.to_owned(),
            args: values,
            applied: false.into(),
        })))
    }
}

fn not_a_type(path: &ast::Path, found: &Value<'_>) -> Box<Diagnostic> {
    error(
        codes::TYPE,
        path.span(),
        format!("`{}` is {}, not a type", path.as_str(), found.kind()),
    )
}

/// The fields of a header, structs in it as `outer.inner`.
fn flatten_fields(ty: &StructType, prefix: &str, out: &mut Vec<Field>, span: Span) -> R<()> {
    for (name, ty_of) in &ty.fields {
        let name = format!("{prefix}{name}");
        let kind = match ty_of {
            Type::Varbit(max) => FieldKind::Varbit(*max),
            Type::Struct(inner) => {
                flatten_fields(inner, &format!("{name}."), out, span)?;
                continue;
            }
            other => match other.width() {
                Some(width) => FieldKind::Fixed(width),
                None => {
                    return Err(error(
                        codes::TYPE,
                        span,
                        format!("header `{}` cannot have a field of type `{other}`", ty.name),
                    ));
                }
            },
        };
        if matches!(
            out.last(),
            Some(Field {
                kind: FieldKind::Varbit(_),
                ..
            })
        ) {
            return Err(unsupported(
                span,
                format!("header `{}`: a field behind a varbit", ty.name),
            ));
        }
        out.push(Field { name, kind });
    }
    Ok(())
}
