//! Why something cannot become rules, and how that is said.

use crate::{ItemKind, codes};
use trisect_ir::{Expr, FieldRef, HeaderId, MetaId, NodeId, Program, TableId};
use trisect_target::Refusal;

/// What stands in the way of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The same, at a node.
    At(NodeId, Box<Why>),
    /// Metadata whose value the NIC does not have.
    UnknownMeta(MetaId),
    /// An expression that is more than bits of fields and constants.
    NotMatchable(Expr),
    /// A comparison of two values of the packet.
    TwoValues(Expr),
    /// A header that no item names.
    NoItem(HeaderId),
    /// A field that its item does not have.
    NoField(FieldRef),
    /// An item that this NIC does not have.
    ItemMissing(ItemKind),
    /// An action that this NIC does not have.
    ActionMissing(String),
    /// This NIC cannot match fields of NSH.
    NshFields,
    /// The NIC parses fewer headers of a stack than the program.
    Stack(ItemKind, u8),
    /// An operation that rte_flow does not have.
    Operation(String, &'static str),
    /// A table filled from the data path.
    FlowTable(TableId),
    /// A value that is not known when the rules are made.
    NotConstant(String),
    /// A field that no action sets to such a value.
    NotSettable(FieldRef),
    /// A change that must come with the checksum's update, which the program does not make the way
    /// the NIC does.
    Checksum(FieldRef),
    /// Emit to elsewhere than the host.
    NotToHost,
    /// Frames without NSH are not left alone.
    WithoutNsh,
    /// A header without its standard layout.
    Nonstandard(String),
    /// MARK and META both tell the host something else.
    CarriersTaken,
    /// Too much of a quantity.
    Limit(&'static str, u64, u64),
}

/// Result of a step of the lowering.
pub type Answer<T> = Result<T, Why>;

impl Why {
    /// Names the node, if none is named yet.
    #[must_use]
    pub fn at(self, node: NodeId) -> Self {
        match self {
            Self::At(..) => self,
            why => Self::At(node, Box::new(why)),
        }
    }

    /// The node, if known.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::At(node, _) => Some(*node),
            _ => None,
        }
    }

    /// In words.
    pub fn refusal(&self, program: &Program) -> Refusal {
        let host = "run it on the host or the switch";
        let field = |f: &FieldRef| format!("`{}`", field_name(program, *f));
        let (code, operation, capability, hint) = match self {
            Self::At(_, why) => return why.refusal(program),
            Self::UnknownMeta(meta) => (
                codes::METADATA,
                format!("use of metadata `{}`", program.metas[*meta].name),
                "the NIC matches fields of the packet, and metadata only where rules set it to \
                 constants or fields"
                    .to_owned(),
                "put what computes it on the NIC too, or both on the host",
            ),
            Self::NotMatchable(expr) => (
                codes::NOT_MATCHABLE,
                format!("match on {}", expr_text(program, expr)),
                "rte_flow matches bits of header fields against constants".to_owned(),
                host,
            ),
            Self::TwoValues(expr) => (
                codes::TWO_VALUES,
                format!("comparison in {}", expr_text(program, expr)),
                "rte_flow compares fields with constants only".to_owned(),
                host,
            ),
            Self::NoItem(header) => (
                codes::NO_ITEM,
                format!("match on header `{}`", program.headers[*header].name),
                "no rte_flow item names it".to_owned(),
                host,
            ),
            Self::NoField(f) => (
                codes::NO_ITEM,
                format!("match on {}", field(f)),
                "its rte_flow item does not have that field".to_owned(),
                host,
            ),
            Self::ItemMissing(kind) => (
                codes::NOT_IN_MODEL,
                format!("match on item `{kind}`"),
                "this NIC model does not list it".to_owned(),
                "choose another model, or run it on the host",
            ),
            Self::ActionMissing(name) => (
                codes::NOT_IN_MODEL,
                format!("action `{name}`"),
                "this NIC model does not list it".to_owned(),
                "choose another model, or run it on the host",
            ),
            Self::NshFields => (
                codes::NOT_SO_DEEP,
                "dispatch on the service path of NSH".to_owned(),
                "this NIC model does not match fields of NSH behind Ethernet".to_owned(),
                "choose another model, or run it on the host",
            ),
            Self::Stack(kind, most) => (
                codes::NOT_SO_DEEP,
                format!("match behind stacks of `{kind}`"),
                format!("this NIC model parses at most {most} of them, the program more"),
                "choose another model, or run it on the host",
            ),
            Self::Operation(what, why) => (codes::OPERATION, what.clone(), (*why).to_owned(), host),
            Self::FlowTable(table) => (
                codes::FLOW_TABLE,
                format!("table `{}`", program.tables[*table].name),
                "the data path fills it, and a NIC that kept its hits could let packets overtake \
                 those still at the host, which would not learn when entries were last used"
                    .to_owned(),
                "run it on the host",
            ),
            Self::NotConstant(what) => (
                codes::NOT_CONSTANT,
                what.clone(),
                "its value must be known when the rules are made".to_owned(),
                host,
            ),
            Self::NotSettable(f) => (
                codes::NOT_SETTABLE,
                format!("assignment to {}", field(f)),
                "no rte_flow action sets this field to such a value".to_owned(),
                host,
            ),
            Self::Checksum(f) => (
                codes::CHECKSUM,
                format!("assignment to {}", field(f)),
                "the NIC updates the checksum incrementally (RFC 1624); the program does \
                 otherwise, or this is not yet recognised"
                    .to_owned(),
                "update the checksum with InternetChecksum subtract and add, as the library does",
            ),
            Self::NotToHost => (
                codes::NOT_TO_HOST,
                "emit to an external port".to_owned(),
                "the NIC delivers to its host only".to_owned(),
                "run it on the switch",
            ),
            Self::WithoutNsh => (
                codes::WITHOUT_NSH,
                "frames without NSH".to_owned(),
                "the NIC leaves them to the host".to_owned(),
                "begin the piece with a branch on the service path",
            ),
            Self::Nonstandard(what) => (
                codes::NONSTANDARD,
                what.clone(),
                "the NIC parses the standard headers only".to_owned(),
                host,
            ),
            Self::CarriersTaken => (
                codes::RESOURCES,
                "numbers for flows".to_owned(),
                "MARK and META both tell the host something else".to_owned(),
                "put less on this NIC",
            ),
            Self::Limit(quantity, needed, available) => (
                codes::RESOURCES,
                format!("{needed} {quantity}"),
                format!("this NIC has {available}"),
                "put less on this NIC",
            ),
        };
        Refusal {
            code,
            operation,
            capability,
            hint: hint.to_owned(),
        }
    }
}

/// `ipv4.ttl`
pub fn field_name(program: &Program, field: FieldRef) -> String {
    let ty = program.header_type(field.header);
    let name = ty
        .fields
        .get(field.field as usize)
        .map_or("?", |f| f.name.as_str());
    format!("{}.{name}", program.headers[field.header].name)
}

/// A few words for an expression: what it is made of.
fn expr_text(program: &Program, expr: &Expr) -> String {
    let mut parts: Vec<String> = Vec::new();
    expr.walk(&mut |e| {
        let part = match e {
            Expr::Field(field) => field_name(program, *field),
            Expr::Meta(meta) => program.metas[*meta].name.clone(),
            Expr::Valid(header) => format!("{}.isValid()", program.headers[*header].name),
            Expr::Hash(..) => "a hash".to_owned(),
            Expr::OnesSum(..) => "a checksum".to_owned(),
            Expr::Frame { .. } => "bytes of the frame".to_owned(),
            Expr::FrameLen => "the frame's length".to_owned(),
            Expr::Payload => "the payload".to_owned(),
            Expr::Varbit(header) | Expr::VarbitLen(header) | Expr::VarbitEq(header, _) => {
                let name = &program.headers[*header].name;
                format!("the variable part of {name}")
            }
            _ => return,
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    });
    match parts.as_slice() {
        [] => "a computed value".to_owned(),
        [one] => format!("a value computed from `{one}`"),
        many => format!("a value computed from `{}`", many.join("`, `")),
    }
}
