//! Printing.

use crate::parser::CORE_ERRORS;
use crate::{
    Action, ActionCall, ActionId, BinOp, Bits, CountUnit, Entity, Entry, Expr, FieldKind, FieldRef,
    HashAlgorithm, HeaderId, Index, KeySet, LValue, MatchKind, MessageKind, MetaId, MeterConfig,
    Node, NodeId, NodeKind, Object, ObjectId, ObjectKind, Op, Origin, Param, ParseTarget, ParserOp,
    ParserState, Place, PrimaryMap, Program, Selector, StateId, StdMeta, Successors, Table,
    TableId, Transition, UnOp,
};
use std::fmt::{self, Display, Write};

/// Plain words that stand for something else where a name may stand, or that begin a declaration.
const RESERVED: [&str; 21] = [
    "_",
    "accept",
    "reject",
    "default",
    "entry",
    "const",
    "type",
    "header",
    "meta",
    "error",
    "state",
    "action",
    "table",
    "counter",
    "meter",
    "register",
    "patterns",
    "allocator",
    "message",
    "random",
    "node",
];

/// A name as it stands in the text form: as it is if plain, else quoted.
pub fn quoted(name: &str) -> String {
    let plain = super::lex::word(name).is_ok_and(|(rest, _)| rest.is_empty());
    if plain && !RESERVED.contains(&name) {
        name.to_owned()
    } else {
        quoted_bytes(name.as_bytes(), true)
    }
}

fn quoted_bytes(bytes: &[u8], is_text: bool) -> String {
    let mut out: Vec<u8> = vec![b'"'];
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            0x20..=0x7e => out.push(*byte),
            0x80.. if is_text => out.push(*byte),
            _ => out.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    out.push(b'"');
    String::from_utf8_lossy(&out).into_owned()
}

/// An expression in text form; `params` are the enclosing action's parameters.
pub fn expr_text(program: &Program, params: &[Param], expr: &Expr) -> String {
    Printer { program, params }.expr(expr)
}

/// An operation in text form, on one line; `params` are the enclosing action's parameters.
pub fn op_text(program: &Program, params: &[Param], op: &Op) -> String {
    Printer { program, params }.op(op)
}

#[derive(Clone, Copy)]
struct Printer<'a> {
    program: &'a Program,
    params: &'a [Param],
}

impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = Printer {
            program: self,
            params: &[],
        };
        writeln!(f, "program {}", quoted(&self.name))?;
        p.declarations(f)?;
        p.objects(f)?;
        p.parser(f)?;
        for action in self.actions.values() {
            p.action(f, action)?;
        }
        for table in self.tables.values() {
            p.table(f, table)?;
        }
        p.control(f)
    }
}

fn name_in<K: Entity + Display, V>(
    map: &PrimaryMap<K, V>,
    id: K,
    name: impl Fn(&V) -> &str,
) -> String {
    // A program that refers to what does not exist can be printed, but not read back.
    map.get(id)
        .map_or_else(|| format!("?{id}"), |v| quoted(name(v)))
}

fn list<T>(items: &[T], text: impl FnMut(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Names.
impl Printer<'_> {
    fn header(&self, id: HeaderId) -> String {
        name_in(&self.program.headers, id, |x| &x.name)
    }
    fn meta(&self, id: MetaId) -> String {
        format!("${}", name_in(&self.program.metas, id, |x| &x.name))
    }
    fn state(&self, id: StateId) -> String {
        name_in(&self.program.parser.states, id, |x| &x.name)
    }
    fn action_name(&self, id: ActionId) -> String {
        name_in(&self.program.actions, id, |x| &x.name)
    }
    fn table_name(&self, id: TableId) -> String {
        name_in(&self.program.tables, id, |x| &x.name)
    }
    fn object_name(&self, id: ObjectId) -> String {
        name_in(&self.program.objects, id, |x| &x.name)
    }
    fn node_name(&self, id: NodeId) -> String {
        name_in(&self.program.control.nodes, id, |x| &x.name)
    }
    fn field(&self, at: FieldRef) -> String {
        let ty = self
            .program
            .headers
            .get(at.header)
            .and_then(|h| self.program.header_types.get(h.ty));
        let field = match ty.and_then(|ty| ty.fields.get(at.field as usize)) {
            Some(field) => field_name(&field.name),
            None => format!("?field{}", at.field),
        };
        format!("{}.{field}", self.header(at.header))
    }
}

/// A field's name, which follows a dot or stands in a type: as it is if it has neither dots nor
/// anything that needs quotes.
fn field_name(name: &str) -> String {
    let plain = super::lex::word(name).is_ok_and(|(rest, _)| rest.is_empty());
    if plain && !name.contains(['.', '[']) {
        name.to_owned()
    } else {
        quoted_bytes(name.as_bytes(), true)
    }
}

/// Expressions and operations.
impl Printer<'_> {
    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Const(bits) => bits.to_string(),
            Expr::Field(field) => self.field(*field),
            Expr::Meta(meta) => self.meta(*meta),
            Expr::Param(i) => match self.params.get(*i as usize) {
                Some(param) => format!("%{}", quoted(&param.name)),
                None => format!("?param{i}"),
            },
            Expr::Valid(header) => format!("valid({})", self.header(*header)),
            Expr::Unary(UnOp::Not, a) => format!("!{}", self.expr(a)),
            Expr::Unary(UnOp::Neg, a) => format!("-{}", self.expr(a)),
            Expr::Binary(op, a, b) => {
                format!("({} {} {})", self.expr(a), symbol(*op), self.expr(b))
            }
            Expr::Resize(a, width) => format!("({} as {width})", self.expr(a)),
            Expr::SignResize(a, width) => format!("({} sext {width})", self.expr(a)),
            Expr::Slice(a, hi, lo) => format!("{}[{hi}:{lo}]", self.postfix_operand(a)),
            Expr::Concat(parts) => format!("concat({})", self.exprs(parts)),
            Expr::Mux(c, a, b) => {
                let (c, a, b) = (self.expr(c), self.expr(a), self.expr(b));
                format!("mux({c}, {a}, {b})")
            }
            Expr::Lookahead { offset, width } => format!("lookahead({offset}, {width})"),
            Expr::Frame { offset, len } => format!("frame({len}, {})", self.expr(offset)),
            Expr::FrameLen => "frame_length()".to_owned(),
            Expr::Hash(
                algorithm @ (HashAlgorithm::Toeplitz(_) | HashAlgorithm::HalfSipHash(_)),
                inputs,
            ) => {
                let (name, key) = (hash_name(algorithm), hash_key(algorithm));
                let key = quoted_bytes(key, false);
                let inputs: String = inputs
                    .iter()
                    .map(|e| format!(", {}", self.expr(e)))
                    .collect();
                format!("{name}({key}{inputs})")
            }
            Expr::Hash(
                HashAlgorithm::Crc {
                    width,
                    polynomial,
                    init,
                    reflect_in,
                    reflect_out,
                    xor_out,
                },
                inputs,
            ) => {
                let parameters = [
                    Bits::new(*width, *polynomial),
                    Bits::new(*width, *init),
                    Bits::bool(*reflect_in),
                    Bits::bool(*reflect_out),
                    Bits::new(*width, *xor_out),
                ];
                let parameters = list(&parameters, Bits::to_string);
                let inputs: String = inputs
                    .iter()
                    .map(|e| format!(", {}", self.expr(e)))
                    .collect();
                format!("crc({parameters}{inputs})")
            }
            Expr::Hash(algorithm, inputs) => {
                format!("{}({})", hash_name(algorithm), self.exprs(inputs))
            }
            Expr::Varbit(header) => format!("varbit({})", self.header(*header)),
            Expr::Payload => "payload()".to_owned(),
            Expr::VarbitLen(header) => format!("varbit_length({})", self.header(*header)),
            Expr::VarbitEq(a, b) => {
                format!("varbit_equal({}, {})", self.header(*a), self.header(*b))
            }
            Expr::OnesSum(init, terms) => {
                let terms: String = terms
                    .iter()
                    .map(|t| {
                        let sign = if t.subtract { '-' } else { '+' };
                        format!(", {sign}{}", self.expr(&t.value))
                    })
                    .collect();
                format!("ones_sum({}{terms})", self.expr(init))
            }
        }
    }

    /// A slice binds tighter than a sign in front of it.
    fn postfix_operand(&self, expr: &Expr) -> String {
        match expr {
            Expr::Unary(..) => format!("({})", self.expr(expr)),
            _ => self.expr(expr),
        }
    }

    fn exprs(&self, exprs: &[Expr]) -> String {
        list(exprs, |e| self.expr(e))
    }

    fn lvalue(&self, to: &LValue) -> String {
        let place = match to.place {
            Place::Field(field) => self.field(field),
            Place::Meta(meta) => self.meta(meta),
        };
        match to.slice {
            Some((hi, lo)) => format!("{place}[{hi}:{lo}]"),
            None => place,
        }
    }

    fn index(&self, index: &Index) -> String {
        match index {
            Index::At(expr) => self.expr(expr),
            Index::Entry => "entry".to_owned(),
        }
    }

    fn op(&self, op: &Op) -> String {
        match op {
            Op::Set(to, expr) => format!("{} = {}", self.lvalue(to), self.expr(expr)),
            Op::SetValid(header) => format!("set_valid({})", self.header(*header)),
            Op::SetInvalid(header) => format!("set_invalid({})", self.header(*header)),
            Op::Copy { dst, src } => {
                format!("copy({}, {})", self.header(*dst), self.header(*src))
            }
            Op::CopyVarbit { dst, src } => {
                format!("copy_varbit({}, {})", self.header(*dst), self.header(*src))
            }
            Op::If(cond, yes, no) => {
                let block = |ops: &[Op]| {
                    let body: String = ops.iter().map(|op| format!("{} ", self.op(op))).collect();
                    format!("{{ {body}}}")
                };
                let otherwise = if no.is_empty() {
                    String::new()
                } else {
                    format!(" else {}", block(no))
                };
                format!("if {} {}{otherwise}", self.expr(cond), block(yes))
            }
            Op::Count(object, index) => {
                format!(
                    "count({}, {})",
                    self.object_name(*object),
                    self.index(index)
                )
            }
            Op::Meter {
                object,
                index,
                color,
                dst,
            } => {
                let color = color
                    .as_ref()
                    .map(|c| format!(", {}", self.expr(c)))
                    .unwrap_or_default();
                let (object, index) = (self.object_name(*object), self.index(index));
                format!("{} = meter({object}, {index}{color})", self.lvalue(dst))
            }
            Op::Read { object, index, dst } => {
                let (object, index) = (self.object_name(*object), self.expr(index));
                format!("{} = read({object}, {index})", self.lvalue(dst))
            }
            Op::Write {
                object,
                index,
                value,
            } => {
                let (index, value) = (self.expr(index), self.expr(value));
                format!("write({}, {index}, {value})", self.object_name(*object))
            }
            Op::Search { object, after, dst } => {
                let (object, after) = (self.object_name(*object), self.header(*after));
                format!("{} = search({object}, {after})", self.lvalue(dst))
            }
            Op::Allocate { object, ok, value } => {
                let (ok, value) = (self.lvalue(ok), self.lvalue(value));
                format!("{ok}, {value} = allocate({})", self.object_name(*object))
            }
            Op::Touch(object, number) => {
                format!(
                    "touch({}, {})",
                    self.object_name(*object),
                    self.expr(number)
                )
            }
            Op::Notify(object, values) => {
                let values: String = values
                    .iter()
                    .map(|e| format!(", {}", self.expr(e)))
                    .collect();
                format!("notify({}{values})", self.object_name(*object))
            }
            Op::Random {
                object,
                lo,
                hi,
                dst,
            } => {
                let (lo, hi) = (self.expr(lo), self.expr(hi));
                let object = self.object_name(*object);
                format!("{} = random({object}, {lo}, {hi})", self.lvalue(dst))
            }
            Op::AddEntry {
                table,
                action,
                args,
                profile,
            } => {
                let (table, action) = (self.table_name(*table), self.action_name(*action));
                let (args, profile) = (self.exprs(args), self.expr(profile));
                format!("add_entry({table}, {action}({args}), {profile})")
            }
            Op::SetExpire { table, profile } => {
                format!(
                    "set_expire({}, {})",
                    self.table_name(*table),
                    self.expr(profile)
                )
            }
        }
    }

    /// Operations on lines of their own.
    fn ops(&self, f: &mut impl Write, ops: &[Op], depth: usize) -> fmt::Result {
        let indent = "    ".repeat(depth);
        for op in ops {
            let Op::If(cond, yes, no) = op else {
                writeln!(f, "{indent}{}", self.op(op))?;
                continue;
            };
            writeln!(f, "{indent}if {} {{", self.expr(cond))?;
            self.ops(f, yes, depth + 1)?;
            if !no.is_empty() {
                writeln!(f, "{indent}}} else {{")?;
                self.ops(f, no, depth + 1)?;
            }
            writeln!(f, "{indent}}}")?;
        }
        Ok(())
    }
}

/// Declarations.
impl Printer<'_> {
    fn declarations(&self, f: &mut impl Write) -> fmt::Result {
        let p = self.program;
        for ty in p.header_types.values() {
            writeln!(f, "\ntype {} {{", quoted(&ty.name))?;
            for field in &ty.fields {
                match field.kind {
                    FieldKind::Fixed(w) => writeln!(f, "    {}: {w}", field_name(&field.name))?,
                    FieldKind::Varbit(w) => {
                        writeln!(f, "    {}: varbit {w}", field_name(&field.name))?;
                    }
                }
            }
            writeln!(f, "}}")?;
        }
        writeln!(f)?;
        for header in p.headers.values() {
            let ty = name_in(&p.header_types, header.ty, |t| &t.name);
            writeln!(f, "header {}: {ty}", quoted(&header.name))?;
        }
        for meta in p.metas.values().skip(StdMeta::ALL.len()) {
            writeln!(f, "meta {}: {}", quoted(&meta.name), meta.width)?;
        }
        for error in p.parser.errors.iter().skip(CORE_ERRORS.len()) {
            writeln!(f, "error {}", quoted(error))?;
        }
        for reason in p.drop_reasons.values() {
            writeln!(f, "reason {}", quoted_bytes(reason.as_bytes(), true))?;
        }
        for attribute in &p.attributes {
            let meta = self.meta(attribute.meta);
            write!(f, "attribute {} = {meta}", quoted(&attribute.name))?;
            let values = list(&attribute.values, |(name, value)| {
                format!("{} = {value}", quoted(name))
            });
            writeln!(f, " {{ {values} }}")?;
        }
        Ok(())
    }

    fn objects(&self, f: &mut impl Write) -> fmt::Result {
        writeln!(f)?;
        for object in self.program.objects.values() {
            object_text(f, object)?;
        }
        Ok(())
    }

    fn parser(&self, f: &mut impl Write) -> fmt::Result {
        let parser = &self.program.parser;
        if let Some(start) = parser.start {
            writeln!(f, "\nstart {}", self.state(start))?;
        }
        for state in parser.states.values() {
            self.parser_state(f, state)?;
        }
        Ok(())
    }

    fn parser_state(&self, f: &mut impl Write, state: &ParserState) -> fmt::Result {
        writeln!(f, "state {} {{", quoted(&state.name))?;
        for op in &state.ops {
            let line = match op {
                ParserOp::Extract { header, varbit } => match varbit {
                    Some(bits) => format!("extract({}, {})", self.header(*header), self.expr(bits)),
                    None => format!("extract({})", self.header(*header)),
                },
                ParserOp::Advance(bits) => format!("advance({})", self.expr(bits)),
                ParserOp::Set(to, expr) => format!("{} = {}", self.lvalue(to), self.expr(expr)),
                ParserOp::SetValid(header) => self.op(&Op::SetValid(*header)),
                ParserOp::SetInvalid(header) => self.op(&Op::SetInvalid(*header)),
                ParserOp::Copy { dst, src } => self.op(&Op::Copy {
                    dst: *dst,
                    src: *src,
                }),
                ParserOp::CopyVarbit { dst, src } => self.op(&Op::CopyVarbit {
                    dst: *dst,
                    src: *src,
                }),
                ParserOp::Verify(cond, code) => {
                    let error = match self.program.parser.errors.get(usize::from(*code)) {
                        Some(error) => quoted(error),
                        None => format!("?error{code}"),
                    };
                    format!("verify({}, {error})", self.expr(cond))
                }
            };
            writeln!(f, "    {line}")?;
        }
        match &state.next {
            Transition::Goto(target) => writeln!(f, "    goto {}", self.target(*target))?,
            Transition::Select(keys, cases) => {
                writeln!(f, "    select({}) {{", self.exprs(keys))?;
                for case in cases {
                    let sets = list(&case.sets, set_text);
                    writeln!(f, "        ({sets}) => {}", self.target(case.target))?;
                }
                writeln!(f, "    }}")?;
            }
        }
        writeln!(f, "}}")
    }

    fn target(&self, target: ParseTarget) -> String {
        match target {
            ParseTarget::Accept => "accept".to_owned(),
            ParseTarget::Reject => "reject".to_owned(),
            ParseTarget::State(state) => self.state(state),
        }
    }

    fn action(&self, f: &mut impl Write, action: &Action) -> fmt::Result {
        let params = list(&action.params, |p| {
            format!("{}: {}", quoted(&p.name), p.width)
        });
        writeln!(f, "\naction {}({params}) {{", quoted(&action.name))?;
        let inner = Printer {
            program: self.program,
            params: &action.params,
        };
        inner.ops(f, &action.ops, 1)?;
        writeln!(f, "}}")
    }

    fn call(&self, call: &ActionCall) -> String {
        let args = list(&call.args, ToString::to_string);
        format!("{}({args})", self.action_name(call.action))
    }

    fn table(&self, f: &mut impl Write, table: &Table) -> fmt::Result {
        writeln!(f, "\ntable {} {{", quoted(&table.name))?;
        for key in &table.keys {
            let sign = if key.signed { "signed " } else { "" };
            let kind = kind_name(key.kind);
            writeln!(
                f,
                "    key {}: {} {sign}{kind}",
                quoted(&key.name),
                self.expr(&key.expr)
            )?;
        }
        let actions = list(&table.actions, |a| self.action_name(*a));
        writeln!(f, "    actions {{ {actions} }}")?;
        let constant = if table.const_default { "const " } else { "" };
        writeln!(f, "    default {constant}{}", self.call(&table.default))?;
        writeln!(f, "    size {}", table.size)?;
        if let Some(flow) = &table.flow {
            let timeouts = list(&flow.timeouts_ns, ToString::to_string);
            writeln!(f, "    flow {{ {timeouts} }}")?;
        }
        if let Some(Selector { algorithm, inputs }) = &table.selector {
            let hash = Expr::Hash(algorithm.clone(), inputs.clone());
            writeln!(f, "    selector {}", self.expr(&hash))?;
        }
        for entry in &table.entries {
            writeln!(f, "    {}", self.entry(entry))?;
        }
        writeln!(f, "}}")
    }

    fn entry(&self, entry: &Entry) -> String {
        let origin = origin_name(entry.origin);
        let sets = list(&entry.keys, set_text);
        let calls: Vec<String> = entry.calls().map(|call| self.call(call)).collect();
        format!(
            "entry {origin} ({sets}) priority {} -> {}",
            entry.priority,
            calls.join(" | ")
        )
    }

    fn control(&self, f: &mut impl Write) -> fmt::Result {
        let p = self.program;
        writeln!(f)?;
        if let Some(entry) = p.control.entry {
            writeln!(f, "entry {}", self.node_name(entry))?;
        }
        for node in p.control.nodes.values() {
            self.node(f, node)?;
        }
        if !p.deparser.is_empty() {
            writeln!(f, "deparser {}", list(&p.deparser, |h| self.header(*h)))?;
        }
        Ok(())
    }

    fn node(&self, f: &mut impl Write, node: &Node) -> fmt::Result {
        write!(f, "node {}", quoted(&node.name))?;
        if !node.nf.is_empty() {
            write!(f, " of {}", quoted(&node.nf))?;
        }
        write!(f, ": ")?;
        match &node.kind {
            NodeKind::Apply(table, successors) => {
                let next = self.successors(successors);
                writeln!(f, "apply {} {next}", self.table_name(*table))
            }
            NodeKind::Branch(cond, yes, no) => {
                let (yes, no) = (self.node_name(*yes), self.node_name(*no));
                writeln!(f, "if {} -> {yes} else -> {no}", self.expr(cond))
            }
            NodeKind::Exec(ops, next) => {
                writeln!(f, "exec {{")?;
                self.ops(f, ops, 1)?;
                writeln!(f, "}} -> {}", self.node_name(*next))
            }
            NodeKind::Reparse(next) => writeln!(f, "reparse -> {}", self.node_name(*next)),
            NodeKind::Emit => writeln!(f, "emit"),
            NodeKind::Drop => writeln!(f, "drop"),
        }
    }

    fn successors(&self, successors: &Successors) -> String {
        match successors {
            Successors::Always(next) => format!("-> {}", self.node_name(*next)),
            Successors::HitMiss { hit, miss } => {
                let (hit, miss) = (self.node_name(*hit), self.node_name(*miss));
                format!("hit -> {hit} miss -> {miss}")
            }
            Successors::ByAction { cases, default } => {
                let cases: String = cases
                    .iter()
                    .map(|(a, n)| format!("{} -> {} ", self.action_name(*a), self.node_name(*n)))
                    .collect();
                format!("{{ {cases}default -> {} }}", self.node_name(*default))
            }
        }
    }
}

fn object_text(f: &mut impl Write, object: &Object) -> fmt::Result {
    let name = quoted(&object.name);
    let cells = |size: &Option<u32>| match size {
        Some(size) => format!("size {size}"),
        None => "direct".to_owned(),
    };
    match &object.kind {
        ObjectKind::Counter { size, unit } => {
            writeln!(f, "counter {name} {} {}", cells(size), unit_name(*unit))
        }
        ObjectKind::Meter {
            size,
            unit,
            default,
            cells: rates,
        } => {
            writeln!(f, "meter {name} {} {} {{", cells(size), unit_name(*unit))?;
            writeln!(f, "    default {}", rates_text(default))?;
            for (cell, rate) in rates {
                writeln!(f, "    cell {cell} {}", rates_text(rate))?;
            }
            writeln!(f, "}}")
        }
        ObjectKind::Register { width, size, init } => {
            writeln!(f, "register {name} size {size} width {width} init {init}")
        }
        ObjectKind::PatternSet { patterns } => {
            writeln!(f, "patterns {name} {{")?;
            for pattern in patterns {
                writeln!(f, "    {}", quoted_bytes(pattern, false))?;
            }
            writeln!(f, "}}")
        }
        ObjectKind::Allocator {
            width,
            base,
            size,
            idle_ns,
        } => writeln!(
            f,
            "allocator {name} width {width} base {base} size {size} idle {idle_ns}"
        ),
        ObjectKind::Message { kind, text, fields } => {
            let text = quoted_bytes(text.as_bytes(), true);
            writeln!(f, "message {name} {} {text} {{", message_name(*kind))?;
            for (field, width) in fields {
                writeln!(f, "    {}: {width}", quoted(field))?;
            }
            writeln!(f, "}}")
        }
        ObjectKind::Random { seed } => writeln!(f, "random {name} seed {seed}"),
    }
}

fn rates_text(rates: &MeterConfig) -> String {
    let MeterConfig { cir, cbs, pir, pbs } = rates;
    format!("cir {cir} cbs {cbs} pir {pir} pbs {pbs}")
}

fn set_text(set: &KeySet) -> String {
    match set {
        KeySet::Any => "_".to_owned(),
        KeySet::Exact(value) => value.to_string(),
        KeySet::Prefix(value, len) => format!("{value}/{len}"),
        KeySet::Mask(value, mask) => format!("{value} &&& {mask}"),
        KeySet::Range(lo, hi) => format!("{lo}..{hi}"),
    }
}

pub(super) fn kind_name(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Exact => "exact",
        MatchKind::Lpm => "lpm",
        MatchKind::Ternary => "ternary",
        MatchKind::Range => "range",
        MatchKind::Optional => "optional",
    }
}

pub(super) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Const => "const",
        Origin::Static => "static",
        Origin::Control => "control",
    }
}

pub(super) fn unit_name(unit: CountUnit) -> &'static str {
    match unit {
        CountUnit::Packets => "packets",
        CountUnit::Bytes => "bytes",
        CountUnit::PacketsAndBytes => "both",
    }
}

pub(super) fn message_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Digest => "digest",
        MessageKind::Log => "log",
        MessageKind::Assert => "assert",
    }
}

fn hash_key(algorithm: &HashAlgorithm) -> &[u8] {
    match algorithm {
        HashAlgorithm::Toeplitz(key) => key,
        HashAlgorithm::HalfSipHash(key) => key,
        _ => &[],
    }
}

fn hash_name(algorithm: &HashAlgorithm) -> &'static str {
    match algorithm {
        HashAlgorithm::Crc32 => "crc32",
        HashAlgorithm::Crc16 => "crc16",
        HashAlgorithm::Csum16 => "csum16",
        HashAlgorithm::Xor16 => "xor16",
        HashAlgorithm::Identity => "identity",
        HashAlgorithm::Toeplitz(_) => "toeplitz",
        HashAlgorithm::HalfSipHash(_) => "halfsiphash",
        HashAlgorithm::Crc { .. } => "crc",
    }
}

pub(super) fn symbol(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "+",
        BinOp::Sub => "-",
        BinOp::Mul => "*",
        BinOp::Div => "/",
        BinOp::Rem => "%",
        BinOp::AddSat => "|+|",
        BinOp::SubSat => "|-|",
        BinOp::SAddSat => "s|+|",
        BinOp::SSubSat => "s|-|",
        BinOp::And => "&",
        BinOp::Or => "|",
        BinOp::Xor => "^",
        BinOp::Shl => "<<",
        BinOp::Shr => ">>",
        BinOp::Sar => "s>>",
        BinOp::Eq => "==",
        BinOp::Ne => "!=",
        BinOp::Lt => "<",
        BinOp::Le => "<=",
        BinOp::Gt => ">",
        BinOp::Ge => ">=",
        BinOp::SLt => "s<",
        BinOp::SLe => "s<=",
        BinOp::SGt => "s>",
        BinOp::SGe => "s>=",
    }
}
