//! v1model programs that copy or resend packets: one program for all passes, with a bridge in front of the frame.
//!
//! [`trisect_ir::bridge`] says what the passes are and what travels. The parser first reads the bridge. For the
//! passes over a frame it goes on with the program's own parser; for those over an image it reads the headers
//! that the bridge calls valid. The control branches by pass, and at its end writes the bridge anew.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::bridge::{Bridge, CLONE_VALID, Role, step};
use trisect_ir::{
    BinOp, Bits, Expr, Field, FieldKind, Header, HeaderId, HeaderType, KeySet, LValue, MetaId, Op,
    ParseTarget, ParserOp, ParserState, Place, SelectCase, StateId, StdMeta, Transition,
};

use super::externs::ExternCall;
use super::ops::{fold, resize, truth};
use super::step::{Step, push_op};
use super::tails::Tails;
use super::value::{SlotId, Value};
use super::{Elab, R, error};
use crate::ast::{Annotation, AnnotationBody, AnnotationTokenKind, ExprKind as Ast};
use crate::typed::Type;
use crate::{Span, codes};

/// Field lists of the program's own are below; those of `clone3`, `resubmit` and `recirculate`, which name the
/// fields in place, are numbered from here.
const UNNAMED_LISTS: usize = 128;

/// Variables of the traffic manager's that are no standard metadata.
const REQUESTS: [(Role, &str); 7] = [
    (Role::Step, "bridge.step"),
    (Role::CountedLength, "bridge.counted_length"),
    (Role::CloneSession, "bridge.clone_session"),
    (Role::CloneFieldList, "bridge.clone_field_list"),
    (Role::Resubmit, "bridge.resubmit"),
    (Role::Recirculate, "bridge.recirculate"),
    (Role::Truncate, "bridge.truncate"),
];

/// The role of a field of `standard_metadata_t`.
fn role_of(field: &str) -> Option<Role> {
    Some(match field {
        "ingress_port" => Role::IngressPort,
        "egress_spec" => Role::EgressSpec,
        "egress_port" => Role::EgressPort,
        "instance_type" => Role::InstanceType,
        "packet_length" => Role::PacketLength,
        "enq_timestamp" => Role::EnqTimestamp,
        "enq_qdepth" => Role::EnqQdepth,
        "deq_timedelta" => Role::DeqTimedelta,
        "deq_qdepth" => Role::DeqQdepth,
        "ingress_global_timestamp" => Role::IngressTimestamp,
        "egress_global_timestamp" => Role::EgressTimestamp,
        "mcast_grp" => Role::McastGrp,
        "egress_rid" => Role::EgressRid,
        "checksum_error" => Role::ChecksumError,
        "parser_error" => Role::ParserError,
        "priority" => Role::Priority,
        _ => return None,
    })
}

/// Variables and headers that a value consists of.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    slots: Vec<SlotId>,
    headers: Vec<HeaderId>,
}

impl Parts {
    fn add(&mut self, value: &Value<'_>, tails: &Tails) {
        match value {
            Value::Slot(slot) => self.slots.push(*slot),
            Value::Varbit(header) => self.headers.push(*header),
            Value::Header(header) => {
                self.headers.push(header.id);
                self.headers.extend(tails.headers.get(&header.id));
            }
            Value::Union(of) | Value::Fields(of) => {
                of.iter().for_each(|value| self.add(value, tails));
            }
            Value::Stack(stack) => stack.elems.iter().for_each(|value| self.add(value, tails)),
            _ => {}
        }
    }
}

/// What of a program crosses from pass to pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// User metadata and all headers.
    parts: Parts,
    /// `@field_list(n)` by n.
    lists: BTreeMap<u8, Vec<SlotId>>,
    requests: BTreeMap<Role, SlotId>,
    /// Field lists that are named in place.
    unnamed: Vec<Vec<SlotId>>,
}

/// The fields of the bridge.
#[derive(Default)]
struct Layout {
    fields: Vec<Field>,
    /// Variables and the field that carries each.
    metas: Vec<(MetaId, u32)>,
    /// Headers, the field for their validity, and that for the length of their varbit.
    headers: Vec<(HeaderId, u32, Option<u32>)>,
}

impl Layout {
    fn field(&mut self, name: impl Into<String>, width: u32) -> u32 {
        self.fields.push(Field {
            name: name.into(),
            kind: FieldKind::Fixed(width),
        });
        self.fields.len() as u32 - 1
    }
}

/// The controls of the pipeline, each as steps.
pub(super) struct Passes {
    pub verify: Vec<Step>,
    pub ingress: Vec<Step>,
    pub egress: Vec<Step>,
    pub compute: Vec<Step>,
    pub deparse: Vec<Step>,
}

impl<'a> Elab<'a> {
    /// Whether the single pass is not enough: the program asked for copies, or writes `mcast_grp`.
    pub(super) fn needs_bridge(&self) -> bool {
        if self.bridged {
            return false;
        }
        let group = self.v1.slot("mcast_grp");
        let group = group.and_then(|slot| self.slots.get(slot.0)?.meta);
        self.v1.replicates || group.is_some_and(|group| self.is_written(group))
    }

    fn is_written(&self, meta: MetaId) -> bool {
        let mut found = false;
        let mut look = |op: &Op| {
            op.walk(&mut |op| {
                let hit = |target: &&LValue| target.place == Place::Meta(meta);
                found |= op.targets().iter().any(hit);
            });
        };
        for action in self.ir.actions.values() {
            action.ops.iter().for_each(&mut look);
        }
        for node in self.ir.control.nodes.values() {
            if let trisect_ir::NodeKind::Exec(ops, _) = &node.kind {
                ops.iter().for_each(&mut look);
            }
        }
        let set =
            |op: &ParserOp| matches!(op, ParserOp::Set(to, _) if to.place == Place::Meta(meta));
        found
            || self
                .ir
                .parser
                .states
                .values()
                .any(|s| s.ops.iter().any(set))
    }

    /// Notes what crosses from pass to pass: `values` are the headers and the user metadata, of these types.
    pub(super) fn traffic(&mut self, values: [(&Type, &Value<'a>); 2]) {
        let mut traffic = Traffic::default();
        for (ty, value) in values {
            traffic.parts.add(value, &self.tails);
            self.field_lists(ty, value, &mut traffic.lists, 0);
        }
        for (role, name) in REQUESTS {
            traffic
                .requests
                .insert(role, self.new_slot(name, role.width()));
        }
        self.v1.traffic = traffic;
    }

    /// The variables that `@field_list` annotations name.
    fn field_lists(
        &self,
        ty: &Type,
        value: &Value<'a>,
        lists: &mut BTreeMap<u8, Vec<SlotId>>,
        depth: usize,
    ) {
        let tree = self.tree;
        let (Type::Struct(id, args), Value::Fields(values)) = (tree.base(ty), value) else {
            return;
        };
        if depth > super::MAX_DEPTH {
            return;
        }
        let types = tree.field_types(*id, args);
        for ((field, ty), value) in tree.structs[*id]
            .fields
            .iter()
            .zip(&types)
            .zip(values.iter())
        {
            for annotation in field.annotations.iter() {
                for list in list_numbers(annotation) {
                    let mut parts = Parts::default();
                    parts.add(value, &self.tails);
                    lists.entry(list).or_default().extend(parts.slots);
                }
            }
            self.field_lists(ty, value, lists, depth + 1);
        }
    }

    /// A call of a function that asks the traffic manager for something.
    pub(super) fn replicate(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.only_in_control(call.span, &format!("`{}`", call.name))?;
        self.v1.replicates = true;
        if !self.bridged {
            // Elaborated again, with the bridge.
            return Ok(Value::Unit);
        }
        match call.name {
            "clone" => self.clone_request(call, Expr::num(9, 0))?,
            "clone_preserving_field_list" => {
                let list = self.list_argument(call, 2)?;
                self.clone_request(call, list)?;
            }
            "clone3" => {
                let list = self.unnamed_list(call, 2)?;
                self.clone_request(call, list)?;
            }
            "resubmit_preserving_field_list" => {
                let list = self.list_argument(call, 0)?;
                self.request(Role::Resubmit, list);
            }
            "resubmit" => {
                let list = self.unnamed_list(call, 0)?;
                self.request(Role::Resubmit, list);
            }
            "recirculate_preserving_field_list" => {
                let list = self.list_argument(call, 0)?;
                self.request(Role::Recirculate, list);
            }
            "recirculate" => {
                let list = self.unnamed_list(call, 0)?;
                self.request(Role::Recirculate, list);
            }
            _ => self.truncate_request(call)?,
        }
        Ok(Value::Unit)
    }

    fn clone_request(&mut self, call: &ExternCall<'a>, list: Expr) -> R<()> {
        let (width, session) = self.arg_scalar(call, 1)?;
        let session = resize(session, width, 16, false);
        let session = fold(BinOp::And, session, Expr::num(16, CLONE_VALID - 1));
        let session = fold(BinOp::Or, session, Expr::num(16, CLONE_VALID));
        self.request(Role::CloneSession, session);
        self.request(Role::CloneFieldList, list);
        Ok(())
    }

    /// One more than the length, if that is less than what was asked for before.
    fn truncate_request(&mut self, call: &ExternCall<'a>) -> R<()> {
        let (width, length) = self.arg_scalar(call, 0)?;
        let length = resize(length, width, 32, false);
        // The largest length is as good as none.
        let wanted = fold(BinOp::AddSat, length, Expr::num(32, 1));
        let Some(meta) = self.request_meta(Role::Truncate) else {
            return Ok(());
        };
        let before = Expr::Meta(meta);
        let less = fold(
            BinOp::Or,
            before.clone().equals(Expr::num(32, 0)),
            fold(BinOp::Lt, wanted.clone(), before),
        );
        let set = Op::Set(LValue::meta(meta), wanted);
        self.emit(Op::If(less, vec![set], Vec::new()));
        Ok(())
    }

    fn request_meta(&mut self, role: Role) -> Option<MetaId> {
        let slot = self.v1.traffic.requests.get(&role).copied()?;
        Some(self.slot_meta(slot))
    }

    fn request(&mut self, role: Role, value: Expr) {
        if let Some(meta) = self.request_meta(role) {
            self.emit(Op::Set(LValue::meta(meta), value));
        }
    }

    /// One more than the number of a field list.
    fn list_argument(&mut self, call: &ExternCall<'a>, at: usize) -> R<Expr> {
        let (width, number) = self.arg_scalar(call, at)?;
        let number = resize(number, width, 9, false);
        Ok(fold(BinOp::Add, number, Expr::num(9, 1)))
    }

    /// The same for fields that are named in place.
    fn unnamed_list(&mut self, call: &ExternCall<'a>, at: usize) -> R<Expr> {
        let value = self.arg(call, at)?.clone();
        let mut parts = Parts::default();
        parts.add(&value, &self.tails);
        let traffic = &self.v1.traffic;
        let known: BTreeSet<SlotId> = traffic.parts.slots.iter().copied().collect();
        let standard: BTreeSet<SlotId> = self.v1.slots.values().copied().collect();
        let carried = |slot: &SlotId| known.contains(slot) || standard.contains(slot);
        if !parts.headers.is_empty() || !parts.slots.iter().all(carried) {
            return Err(error(
                codes::ARGUMENTS,
                call.span,
                format!("`{}` keeps metadata only", call.name),
            ));
        }
        let unnamed = &mut self.v1.traffic.unnamed;
        let number = match unnamed.iter().position(|list| *list == parts.slots) {
            Some(at) => at,
            None => {
                unnamed.push(parts.slots);
                unnamed.len() - 1
            }
        };
        if UNNAMED_LISTS + number > 255 {
            return Err(error(
                codes::ARGUMENTS,
                call.span,
                "more than 128 different lists of fields to keep",
            ));
        }
        Ok(Expr::num(9, (UNNAMED_LISTS + number) as u64 + 1))
    }

    /// Puts the passes together: the control graph, the parser's beginning, and the bridge.
    pub(super) fn bridge(&mut self, parts: Passes, label: &str, span: Span) -> R<()> {
        let deparse = self.deparse(parts.deparse);
        let emitted: BTreeSet<HeaderId> = self.ir.deparser.iter().copied().collect();
        let crossing: BTreeSet<HeaderId> = self.v1.traffic.parts.headers.iter().copied().collect();
        // The order of the image is that of the deparser, so that one list serves both.
        let rest = crossing.iter().copied().filter(|h| !emitted.contains(h));
        let rest: Vec<HeaderId> = rest.collect();
        self.ir.deparser.extend(&rest);
        let image: Vec<HeaderId> = self.ir.deparser.clone();
        let image: Vec<HeaderId> = image.into_iter().filter(|h| crossing.contains(h)).collect();

        // What a pass needs to know or to say is there even if the program never names it.
        for role in [Role::Step, Role::CountedLength] {
            self.request_meta(role);
        }
        for name in ["egress_spec", "parser_error"] {
            if let Some(slot) = self.v1.slot(name) {
                self.slot_meta(slot);
            }
        }
        let (layout, mut bridge) = self.layout(&image);
        let header = self.bridge_header(&layout);
        bridge.header = header;
        self.ir.deparser.insert(0, header);
        if let Err(problem) = bridge.check(&self.ir) {
            return Err(error(codes::ARCHITECTURE, span, problem.to_string()));
        }
        self.begin_parser(&layout, &bridge);

        let mut steps = self.prologue();
        let mut first = parts.verify;
        first.extend(parts.ingress);
        let mut last = parts.compute;
        last.extend(deparse);
        for header in rest {
            push_op(&mut last, Op::SetInvalid(header));
        }
        let step_field = bridge.role(Role::Step).map_or(truth(false), Expr::Field);
        let width = self.width_in(&step_field);
        let is = |number| step_field.clone().equals(Expr::num(width, number));
        steps.push(Step::If(
            is(step::INGRESS),
            first,
            vec![Step::If(
                is(step::EGRESS),
                parts.egress,
                vec![Step::If(is(step::DEPARSE), last, Vec::new())],
            )],
        ));
        steps.extend(self.epilogue(&layout, header));
        self.build_graph(&steps, label)?;
        self.v1.bridge = Some(bridge);
        Ok(())
    }

    /// A field for each variable that is used, and for each header.
    fn layout(&mut self, image: &[HeaderId]) -> (Layout, Bridge) {
        let mut layout = Layout::default();
        let mut bridge = Bridge {
            header: HeaderId(0),
            roles: BTreeMap::new(),
            metadata: Vec::new(),
            field_lists: BTreeMap::new(),
        };
        let mut fields: BTreeMap<SlotId, u32> = BTreeMap::new();
        let requests = self.v1.traffic.requests.clone();
        let standard = self.v1.slots.clone();
        let standard = standard
            .iter()
            .filter_map(|(name, slot)| Some((role_of(name)?, *slot)));
        for (role, slot) in requests.into_iter().chain(standard) {
            if let Some(meta) = self.slots[slot.0].meta {
                let (name, width) = (self.ir.metas[meta].name.clone(), self.slots[slot.0].width);
                let field = layout.field(name, width);
                layout.metas.push((meta, field));
                bridge.roles.insert(role, field);
                fields.insert(slot, field);
            }
        }
        for slot in self.v1.traffic.parts.slots.clone() {
            if let Some(meta) = self.slots[slot.0].meta
                && !fields.contains_key(&slot)
            {
                let (name, width) = (self.ir.metas[meta].name.clone(), self.slots[slot.0].width);
                let field = layout.field(name, width);
                layout.metas.push((meta, field));
                bridge.metadata.push(field);
                fields.insert(slot, field);
            }
        }
        let unnamed = self.v1.traffic.unnamed.iter().enumerate();
        let unnamed = unnamed.map(|(i, list)| ((UNNAMED_LISTS + i) as u8, list));
        let named = self.v1.traffic.lists.iter().map(|(n, list)| (*n, list));
        for (number, slots) in named.chain(unnamed) {
            // A field that nothing uses has nothing to keep.
            let kept: BTreeSet<u32> = slots
                .iter()
                .filter_map(|s| fields.get(s).copied())
                .collect();
            let list = bridge.field_lists.entry(number).or_default();
            list.extend(kept);
        }
        for header in image {
            let name = self.ir.headers[*header].name.clone();
            let valid = layout.field(format!("{name}.$valid"), 1);
            let length = self
                .has_varbit(*header)
                .then(|| layout.field(format!("{name}.$length"), 32));
            layout.headers.push((*header, valid, length));
        }
        let bits: u32 = layout.fields.iter().map(width_of).sum();
        let pad = (8 - bits % 8) % 8;
        if pad > 0 {
            layout.field("$pad", pad);
        }
        (layout, bridge)
    }

    fn bridge_header(&mut self, layout: &Layout) -> HeaderId {
        let name = self.unique("header type", "bridge_t");
        let ty = self.ir.header_types.push(HeaderType {
            name,
            fields: layout.fields.clone(),
        });
        let name = self.unique("header", "bridge");
        self.ir.headers.push(Header { name, ty })
    }

    /// In front of the program's parser: the bridge is read, and for passes over an image the headers.
    fn begin_parser(&mut self, layout: &Layout, bridge: &Bridge) {
        let own = self.ir.parser.start;
        let own = own.map_or(ParseTarget::Accept, ParseTarget::State);
        // From the last header to the first.
        let mut image = ParseTarget::Accept;
        for (header, valid, length) in layout.headers.iter().rev() {
            let name = self.ir.headers[*header].name.clone();
            let varbit = length.map(|field| Expr::Field(bridge.field(field)));
            let extract = ParserOp::Extract {
                header: *header,
                varbit,
            };
            let there = self.bridge_state(
                &format!("image.{name}"),
                vec![extract],
                Transition::Goto(image),
            );
            let cases = vec![
                SelectCase {
                    sets: vec![KeySet::Exact(Bits::new(1, 1u64))],
                    target: ParseTarget::State(there),
                },
                SelectCase {
                    sets: vec![KeySet::Any],
                    target: image,
                },
            ];
            let keys = vec![Expr::Field(bridge.field(*valid))];
            let test = self.bridge_state(
                &format!("image.{name}?"),
                Vec::new(),
                Transition::Select(keys, cases),
            );
            image = ParseTarget::State(test);
        }
        let mut ops = vec![ParserOp::Extract {
            header: bridge.header,
            varbit: None,
        }];
        for (meta, field) in &layout.metas {
            let value = Expr::Field(bridge.field(*field));
            ops.push(ParserOp::Set(LValue::meta(*meta), value));
        }
        let Some(key) = bridge.role(Role::Step) else {
            return;
        };
        let width = self.ir.field_width(key);
        let case = |number, target| SelectCase {
            sets: vec![KeySet::Exact(Bits::new(width, number))],
            target,
        };
        let cases = vec![
            case(step::EGRESS, image),
            case(step::DEPARSE, image),
            SelectCase {
                sets: vec![KeySet::Any],
                target: own,
            },
        ];
        let next = Transition::Select(vec![Expr::Field(key)], cases);
        let start = self.bridge_state("bridge", ops, next);
        self.ir.parser.start = Some(start);
    }

    fn bridge_state(&mut self, name: &str, ops: Vec<ParserOp>, next: Transition) -> StateId {
        let name = self.unique("state", name);
        self.ir.parser.states.push(ParserState { name, ops, next })
    }

    /// At the beginning of every pass: what counts as the packet's length, and the parser's error if the
    /// program's parser ran.
    fn prologue(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(length) = self.request_meta(Role::CountedLength) {
            let target = LValue::meta(StdMeta::PacketLength.id());
            push_op(&mut steps, Op::Set(target, Expr::Meta(length)));
        }
        let (Some(step), Some(error)) =
            (self.request_meta(Role::Step), self.v1.slot("parser_error"))
        else {
            return steps;
        };
        let error = self.slot_meta(error);
        let width = self.ir.metas[step].width;
        let over_frame = fold(
            BinOp::Or,
            Expr::Meta(step).equals(Expr::num(width, step::INGRESS)),
            Expr::Meta(step).equals(Expr::num(width, step::PARSE)),
        );
        let set = Op::Set(LValue::meta(error), StdMeta::ParserError.get());
        push_op(&mut steps, Op::If(over_frame, vec![set], Vec::new()));
        steps
    }

    /// At the end of every pass: the bridge is written, and the packet always leaves.
    fn epilogue(&mut self, layout: &Layout, bridge: HeaderId) -> Vec<Step> {
        let mut ops = vec![
            Op::SetValid(bridge),
            Op::Set(LValue::meta(StdMeta::Drop.id()), Expr::num(16, 0)),
        ];
        for (meta, field) in &layout.metas {
            ops.push(Op::Set(LValue::field(bridge, *field), Expr::Meta(*meta)));
        }
        for (header, valid, length) in &layout.headers {
            ops.push(Op::Set(LValue::field(bridge, *valid), Expr::Valid(*header)));
            if let Some(field) = length {
                let length = Expr::VarbitLen(*header);
                ops.push(Op::Set(LValue::field(bridge, *field), length));
            }
        }
        vec![Step::Ops { name: None, ops }]
    }
}

fn width_of(field: &Field) -> u32 {
    match field.kind {
        FieldKind::Fixed(width) => width,
        FieldKind::Varbit(_) => 0,
    }
}

/// The numbers in `@field_list(1, 2)`.
fn list_numbers(annotation: &Annotation) -> Vec<u8> {
    if annotation.name.as_str() != "field_list" {
        return Vec::new();
    }
    match &annotation.body {
        AnnotationBody::Unstructured(tokens) => tokens
            .iter()
            .filter_map(|token| match &token.kind {
                AnnotationTokenKind::Int(number) => u8::try_from(&number.value).ok(),
                _ => None,
            })
            .collect(),
        AnnotationBody::Exprs(exprs) => exprs
            .iter()
            .filter_map(|expr| match &expr.kind {
                Ast::Int(number) => u8::try_from(&number.value).ok(),
                _ => None,
            })
            .collect(),
        AnnotationBody::Empty | AnnotationBody::KeyValues(_) => Vec::new(),
    }
}
