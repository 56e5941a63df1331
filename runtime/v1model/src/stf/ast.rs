//! What a packet test consists of.

use crate::stf::Number;
use std::sync::Arc;
use trisect_ir::diag::Span;

/// A packet test: statements, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The name of the text, for diagnostics.
    pub file: Arc<str>,
    /// The statements.
    pub statements: Vec<Statement>,
}

/// A statement and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The whole statement.
    pub span: Span,
    /// Its line, from 1.
    pub line: u32,
    /// What it says.
    pub command: Command,
}

/// A piece of text with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The place.
    pub span: Span,
    /// What stands there.
    pub value: T,
}

/// A name as it is written: `ingress.ipv4_lpm`, `hdr.vlan[0].vid`, without the quotes if it was quoted.
pub type Name = Spanned<String>;

/// A number with its place.
pub type NumberAt = Spanned<Number>;

/// What a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `add TABLE [PRIORITY] KEY:VALUE... ACTION(ARG:VALUE,...) [= $HANDLE]`
    Add(Box<Add>),
    /// `setdefault TABLE ACTION(...)`
    SetDefault {
        /// The table.
        table: Name,
        /// What runs on a miss from now on.
        action: ActionUse,
    },
    /// `remove all`: the entries that the test has added.
    RemoveAll,
    /// `packet PORT HEX`: a packet arrives.
    Packet {
        /// The port.
        port: u16,
        /// The frame.
        data: Vec<u8>,
    },
    /// `expect PORT [HEX]`: a packet leaves.
    Expect {
        /// The port.
        port: u16,
        /// Its contents; `None` is any.
        pattern: Option<Pattern>,
    },
    /// `pvs_add NAME VALUE...`: a value set gets a member.
    ValueSetAdd {
        /// The value set.
        set: Name,
        /// The member: a value for each of its parts.
        member: Vec<Spanned<KeyValue>>,
    },
    /// `pvs_clear NAME`: a value set loses its members.
    ValueSetClear(Name),
    /// `no_packet`: nothing leaves because of the packet before.
    NoPacket,
    /// `wait`: a second passes.
    Wait,
    /// `check_counter NAME(INDEX) [packets|bytes COND NUMBER]`
    CheckCounter {
        /// The counter.
        counter: Name,
        /// Its cell.
        cell: CellRef,
        /// What it must hold; `None` only asks for the cell to be there.
        check: Option<(CounterUnit, Condition, NumberAt)>,
    },
    /// `check_register NAME(INDEX) COND NUMBER`
    CheckRegister {
        /// The register.
        register: Name,
        /// Its cell.
        index: NumberAt,
        /// How the cell compares.
        condition: Condition,
        /// To what.
        value: NumberAt,
    },
    /// `mirroring_add SESSION PORT`
    MirroringAdd {
        /// The session.
        session: NumberAt,
        /// Where clones go.
        port: NumberAt,
    },
    /// `mirroring_add_mc SESSION GROUP`
    MirroringAddMc {
        /// The session.
        session: NumberAt,
        /// The group that clones go to.
        group: NumberAt,
    },
    /// `mirroring_delete SESSION`
    MirroringDelete(NumberAt),
    /// `mirroring_get SESSION`
    MirroringGet(NumberAt),
    /// `mc_mgrp_create GROUP`
    McGroupCreate(NumberAt),
    /// `mc_node_create RID PORT...`: nodes are numbered from 0 in the order they are made.
    McNodeCreate {
        /// The replication id.
        rid: NumberAt,
        /// The ports.
        ports: Vec<NumberAt>,
    },
    /// `mc_node_update NODE PORT...`
    McNodeUpdate {
        /// The node.
        node: NumberAt,
        /// Its new ports.
        ports: Vec<NumberAt>,
    },
    /// `mc_node_associate GROUP NODE`
    McNodeAssociate {
        /// The group.
        group: NumberAt,
        /// The node.
        node: NumberAt,
    },
    /// `counter_read NAME INDEX`
    CounterRead {
        /// The counter.
        counter: Name,
        /// The cell.
        index: NumberAt,
    },
    /// `counter_write NAME INDEX PACKETS BYTES`
    CounterWrite {
        /// The counter.
        counter: Name,
        /// The cell.
        index: NumberAt,
        /// Packets.
        packets: NumberAt,
        /// Bytes.
        bytes: NumberAt,
    },
    /// `register_read NAME INDEX`
    RegisterRead {
        /// The register.
        register: Name,
        /// The cell.
        index: NumberAt,
    },
    /// `register_write NAME INDEX VALUE`
    RegisterWrite {
        /// The register.
        register: Name,
        /// The cell.
        index: NumberAt,
        /// The value.
        value: NumberAt,
    },
    /// `register_reset NAME`: every cell gets its initial value.
    RegisterReset(Name),
    /// `meter_get_rates NAME INDEX`
    MeterGetRates {
        /// The meter.
        meter: Name,
        /// The cell.
        index: NumberAt,
    },
    /// `meter_set_rates NAME INDEX RATE:BURST RATE:BURST`
    MeterSetRates {
        /// The meter.
        meter: Name,
        /// The cell.
        index: NumberAt,
        /// Rates, the lower first.
        rates: Vec<Rate>,
    },
    /// `meter_array_set_rates NAME RATE:BURST RATE:BURST`
    MeterArraySetRates {
        /// The meter.
        meter: Name,
        /// Rates, the lower first.
        rates: Vec<Rate>,
    },
}

/// An entry to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// The table.
    pub table: Name,
    /// The priority: the largest wins.
    pub priority: Option<Spanned<u32>>,
    /// The keys, in any order.
    pub keys: Vec<Match>,
    /// What a hit runs.
    pub action: ActionUse,
    /// The name that `check_counter` refers to the entry by, without `$`.
    pub handle: Option<Name>,
}

/// A key and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The key.
    pub key: Name,
    /// Its values.
    pub value: Spanned<KeyValue>,
}

/// Values of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValue {
    /// `10`, `0x0a**`
    Number(Number),
    /// `0x0a000000/8`
    Prefix(Number, Number),
    /// `0x0a00&&&0xff00`
    Mask(Number, Number),
    /// `10..20`
    Range(Number, Number),
}

/// An action with its arguments by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionUse {
    /// The action.
    pub name: Name,
    /// The arguments, in any order.
    pub args: Vec<Arg>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// The parameter.
    pub name: Name,
    /// The value.
    pub value: NumberAt,
}

/// What a packet must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// One per hexadecimal digit: its value, or `None` for `*`.
    pub digits: Vec<Option<u8>>,
    /// Whether nothing may follow (`$`). Otherwise a longer packet is accepted.
    pub exact: bool,
}

/// The cell of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellRef {
    /// By number.
    Index(NumberAt),
    /// Of the entry that `add ... = HANDLE` named.
    Entry(Name),
}

/// What of a counter is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterUnit {
    /// Packets.
    Packets,
    /// Bytes.
    Bytes,
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Condition {
    /// Whether it holds.
    pub fn holds<T: Ord>(self, found: &T, wanted: &T) -> bool {
        match self {
            Self::Eq => found == wanted,
            Self::Ne => found != wanted,
            Self::Lt => found < wanted,
            Self::Le => found <= wanted,
            Self::Gt => found > wanted,
            Self::Ge => found >= wanted,
        }
    }
}

/// The rate and burst of one bucket of a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units (packets or bytes) per microsecond, as written: `0.000005`.
    pub rate: Spanned<String>,
    /// Burst in units.
    pub burst: NumberAt,
}
