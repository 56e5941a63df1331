//! The bridge: what travels in front of a frame between the passes of a v1model program.
//!
//! A v1model switch runs a program in parts, and its traffic manager copies, resends and drops packets
//! between them. A program that needs that is elaborated to **one** ordinary [`Program`] that is run
//! several times per packet, always from bytes to bytes. What one part leaves for the next stands in
//! a header, the bridge, as real switches carry bridged metadata. So the interpreter, compiled code and
//! every target run such programs without a second mechanism.
//!
//! # Passes
//!
//! The input of every pass is the bridge, then bytes; the output is the bridge again, then bytes. The
//! field with [`Role::Step`] says which pass it is:
//!
//! | step | in | does | out |
//! |---|---|---|---|
//! | [`INGRESS`](step::INGRESS) | frame | parser, checksum verification, ingress | image |
//! | [`EGRESS`](step::EGRESS) | image | egress | image |
//! | [`DEPARSE`](step::DEPARSE) | image | checksum update, deparser | frame |
//! | [`PARSE`](step::PARSE) | frame | parser | image |
//!
//! An *image* is all valid headers in an order that the elaboration chooses, then the payload. Which
//! headers are valid, and whatever else is needed to read the image again (lengths of variable parts),
//! stands in fields of the bridge that have no role and are not metadata; nobody but the program
//! touches them. Every pass ends in `Emit`: whether the packet is dropped is for the traffic manager
//! to say, from [`Role::EgressSpec`].
//!
//! # Who writes what
//!
//! All fields are 0 in the bridge of a new packet, except for those that the traffic manager writes then.
//! A field without a role that is listed in [`Bridge::metadata`] is user metadata. Programs that have no
//! use for a role leave it out.
//!
//! `runtime/v1model` has the traffic manager.

use crate::{FieldKind, FieldRef, HeaderId, Program};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The port that means "drop" (`DROP_PORT` of simple_switch).
pub const DROP_PORT: u64 = 511;

/// The bit that [`Role::CloneSession`] has set where a clone was asked for.
pub const CLONE_VALID: u64 = 1 << 15;

/// Values of [`Role::Step`].
pub mod step {
    /// Parser, checksum verification and ingress, over a frame.
    pub const INGRESS: u64 = 0;
    /// Egress, over an image.
    pub const EGRESS: u64 = 1;
    /// Checksum update and deparser, over an image.
    pub const DEPARSE: u64 = 2;
    /// The parser alone, over a frame: for clones of the packet as it was received.
    pub const PARSE: u64 = 3;
}

/// Values of [`Role::InstanceType`].
pub mod instance {
    /// As it was received, or a unicast packet in egress.
    pub const NORMAL: u64 = 0;
    /// A clone that ingress asked for.
    pub const INGRESS_CLONE: u64 = 1;
    /// A clone that egress asked for.
    pub const EGRESS_CLONE: u64 = 2;
    /// A recirculated packet.
    pub const RECIRCULATED: u64 = 4;
    /// A copy for a member of a multicast group.
    pub const REPLICATION: u64 = 5;
    /// A resubmitted packet.
    pub const RESUBMITTED: u64 = 6;
}

/// What a field of the bridge is. "TM" is the traffic manager; it writes before a pass and reads after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Which pass this is ([`step`]). TM writes before every pass. The only role that must be there.
    Step,
    /// `standard_metadata.ingress_port`. TM writes for packets from outside and for `PARSE`.
    IngressPort,
    /// `standard_metadata.egress_spec`. The program writes; TM reads after `INGRESS` and `EGRESS`
    /// ([`DROP_PORT`] drops) and sets it to 0 before `EGRESS`. Without this role the port is 0.
    EgressSpec,
    /// `standard_metadata.egress_port`. TM writes before `EGRESS`.
    EgressPort,
    /// `standard_metadata.instance_type` ([`instance`]). TM writes.
    InstanceType,
    /// `standard_metadata.packet_length`, in bytes. TM writes before `INGRESS` and `EGRESS`.
    PacketLength,
    /// Bytes of the packet as counters and meters see it: its length when it was received or last
    /// recirculated, the same in ingress and egress. TM writes; the program copies it to
    /// [`StdMeta::PacketLength`](crate::StdMeta::PacketLength) before it counts anything.
    CountedLength,
    /// `standard_metadata.enq_timestamp`, in microseconds. TM writes before `EGRESS`.
    EnqTimestamp,
    /// `standard_metadata.enq_qdepth`. TM writes 0 before `EGRESS`: no packet ever waits.
    EnqQdepth,
    /// `standard_metadata.deq_timedelta`. TM writes 0 before `EGRESS`.
    DeqTimedelta,
    /// `standard_metadata.deq_qdepth`. TM writes 0 before `EGRESS`.
    DeqQdepth,
    /// `standard_metadata.ingress_global_timestamp`, in microseconds. TM writes for packets from
    /// outside.
    IngressTimestamp,
    /// `standard_metadata.egress_global_timestamp`, in microseconds. TM writes before `EGRESS`.
    EgressTimestamp,
    /// `standard_metadata.mcast_grp`. The program writes; TM reads after `INGRESS` (0 is none).
    McastGrp,
    /// `standard_metadata.egress_rid`. TM writes before `EGRESS` for copies of a group.
    EgressRid,
    /// `standard_metadata.checksum_error`. The program writes; it travels.
    ChecksumError,
    /// `standard_metadata.parser_error`. The program writes; it travels.
    ParserError,
    /// `standard_metadata.priority`. The program writes; it travels.
    Priority,
    /// The clone that the program asks for, in ingress or egress: 0 for none, else [`CLONE_VALID`] with
    /// the low 15 bits of the session. The last call counts. TM reads after `INGRESS` and `EGRESS` and sets
    /// it to 0.
    CloneSession,
    /// The field list of that clone: 0 for none, else its number plus one.
    CloneFieldList,
    /// Resubmission: 0 for no, else the number of the field list plus one. TM reads after `INGRESS` and
    /// sets it to 0.
    Resubmit,
    /// Recirculation: 0 for no, else the number of the field list plus one. TM reads after `EGRESS` and
    /// sets it to 0, also for copies. A unicast packet keeps it from ingress to egress.
    Recirculate,
    /// 0, or one more than the number of bytes that the packet is cut to when it is sent. The program keeps
    /// the least of several calls. TM reads after `INGRESS` and `EGRESS` and sets it to 0.
    Truncate,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 23] = [
        Role::Step,
        Role::IngressPort,
        Role::EgressSpec,
        Role::EgressPort,
        Role::InstanceType,
        Role::PacketLength,
        Role::CountedLength,
        Role::EnqTimestamp,
        Role::EnqQdepth,
        Role::DeqTimedelta,
        Role::DeqQdepth,
        Role::IngressTimestamp,
        Role::EgressTimestamp,
        Role::McastGrp,
        Role::EgressRid,
        Role::ChecksumError,
        Role::ParserError,
        Role::Priority,
        Role::CloneSession,
        Role::CloneFieldList,
        Role::Resubmit,
        Role::Recirculate,
        Role::Truncate,
    ];

    /// The least width of its field, in bits.
    pub fn width(self) -> u32 {
        match self {
            Role::ChecksumError => 1,
            Role::Step => 2,
            Role::Priority => 3,
            Role::ParserError => 8,
            Role::IngressPort
            | Role::EgressSpec
            | Role::EgressPort
            | Role::CloneFieldList
            | Role::Resubmit
            | Role::Recirculate => 9,
            Role::McastGrp | Role::EgressRid | Role::CloneSession => 16,
            Role::EnqQdepth | Role::DeqQdepth => 19,
            Role::InstanceType
            | Role::PacketLength
            | Role::CountedLength
            | Role::EnqTimestamp
            | Role::DeqTimedelta
            | Role::Truncate => 32,
            Role::IngressTimestamp | Role::EgressTimestamp => 48,
        }
    }

    /// Whether the field is metadata of the program's: what a clone, a resubmitted or a recirculated packet
    /// starts without, unless a field list names it.
    pub fn is_metadata(self) -> bool {
        !matches!(
            self,
            Role::Step
                | Role::CountedLength
                | Role::CloneSession
                | Role::CloneFieldList
                | Role::Resubmit
                | Role::Recirculate
                | Role::Truncate
        )
    }
}

/// Which header is the bridge, and what its fields are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The header: extracted first and emitted first in every pass. It has no varbit.
    pub header: HeaderId,
    /// Fields by role, as indices into the header's fields.
    pub roles: BTreeMap<Role, u32>,
    /// Fields that are user metadata.
    pub metadata: Vec<u32>,
    /// Fields that `@field_list(n)` keeps, by n: user or standard metadata.
    pub field_lists: BTreeMap<u8, Vec<u32>>,
}

/// What is wrong with a bridge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// There is no such header.
    #[error("the bridge is header {0}, which does not exist")]
    NoHeader(u32),
    /// It has a varbit.
    #[error("the bridge has a field of variable width")]
    Varbit,
    /// The deparser does not emit it first.
    #[error("the bridge is not the first header that is emitted")]
    NotFirst,
    /// No field says which pass it is.
    #[error("the bridge has no field for the step")]
    NoStep,
    /// There is no such field.
    #[error("the bridge has no field {0}")]
    NoField(u32),
    /// A field is too narrow.
    #[error("the bridge's field for {role:?} has {width} bits, it needs {least}")]
    Narrow {
        /// The role.
        role: Role,
        /// Its width.
        width: u32,
        /// The least width.
        least: u32,
    },
    /// A field has two meanings.
    #[error("field {0} of the bridge has two meanings")]
    Shared(u32),
    /// A field list names what is not metadata.
    #[error("field list {list} keeps field {field} of the bridge, which is not metadata")]
    NotMetadata {
        /// The list.
        list: u8,
        /// The field.
        field: u32,
    },
}

impl Bridge {
    /// A field of the bridge.
    pub fn field(&self, field: u32) -> FieldRef {
        FieldRef {
            header: self.header,
            field,
        }
    }

    /// The field with this role.
    pub fn role(&self, role: Role) -> Option<FieldRef> {
        self.roles.get(&role).map(|field| self.field(*field))
    }

    /// Length of the bridge in bytes, in a program that it fits.
    pub fn bytes(&self, program: &Program) -> usize {
        program.header_type(self.header).fixed_bits() as usize / 8
    }

    /// All fields that are metadata, user's and standard, without order.
    pub fn all_metadata(&self) -> BTreeSet<u32> {
        let standard = self.roles.iter().filter(|(role, _)| role.is_metadata());
        standard
            .map(|(_, field)| *field)
            .chain(self.metadata.iter().copied())
            .collect()
    }

    /// Whether the bridge fits the program.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&self, program: &Program) -> Result<(), BridgeError> {
        let Some(header) = program.headers.get(self.header) else {
            return Err(BridgeError::NoHeader(self.header.0));
        };
        let ty = program
            .header_types
            .get(header.ty)
            .ok_or(BridgeError::NoHeader(self.header.0))?;
        if ty.varbit().is_some() {
            return Err(BridgeError::Varbit);
        }
        if program.deparser.first() != Some(&self.header) {
            return Err(BridgeError::NotFirst);
        }
        if !self.roles.contains_key(&Role::Step) {
            return Err(BridgeError::NoStep);
        }
        let width = |field: u32| match ty.fields.get(field as usize).map(|f| f.kind) {
            Some(FieldKind::Fixed(width)) => Ok(width),
            _ => Err(BridgeError::NoField(field)),
        };
        let mut seen = BTreeSet::new();
        for (&role, &field) in &self.roles {
            let (width, least) = (width(field)?, role.width());
            if width < least {
                return Err(BridgeError::Narrow { role, width, least });
            }
            if !seen.insert(field) {
                return Err(BridgeError::Shared(field));
            }
        }
        for &field in &self.metadata {
            width(field)?;
            if !seen.insert(field) {
                return Err(BridgeError::Shared(field));
            }
        }
        let metadata = self.all_metadata();
        for (&list, fields) in &self.field_lists {
            for &field in fields {
                if !metadata.contains(&field) {
                    return Err(BridgeError::NotMetadata { list, field });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Header, HeaderType};

    fn program() -> (Program, Bridge) {
        let mut program = Program::new("p");
        let fixed = |name: &str, width| Field {
            name: name.to_owned(),
            kind: FieldKind::Fixed(width),
        };
        let ty = program.header_types.push(HeaderType {
            name: "bridge_t".to_owned(),
            fields: vec![fixed("step", 2), fixed("port", 9), fixed("m", 5)],
        });
        let header = program.headers.push(Header {
            name: "bridge".to_owned(),
            ty,
        });
        program.deparser.push(header);
        let bridge = Bridge {
            header,
            roles: BTreeMap::from([(Role::Step, 0), (Role::EgressSpec, 1)]),
            metadata: vec![2],
            field_lists: BTreeMap::from([(1, vec![2])]),
        };
        (program, bridge)
    }

    #[test]
    fn a_bridge_that_fits_is_accepted() {
        let (program, bridge) = program();
        assert_eq!(bridge.check(&program), Ok(()));
        assert_eq!(bridge.bytes(&program), 2);
        assert_eq!(bridge.all_metadata(), BTreeSet::from([1, 2]));
        let json = serde_json::to_string(&bridge).expect("JSON");
        assert!(json.contains("\"egress_spec\":1"), "{json}");
        assert_eq!(serde_json::from_str::<Bridge>(&json).expect("read"), bridge);
    }

    #[test]
    fn each_mistake_is_found() {
        let (mut program, bridge) = program();
        let with = |change: fn(&mut Bridge)| {
            let mut bridge = bridge.clone();
            change(&mut bridge);
            bridge
        };
        let cases: [(Bridge, BridgeError); 6] = [
            (with(|b| b.header = HeaderId(7)), BridgeError::NoHeader(7)),
            (
                with(|b| {
                    b.roles.remove(&Role::Step);
                }),
                BridgeError::NoStep,
            ),
            (
                with(|b| {
                    b.roles.insert(Role::McastGrp, 9);
                }),
                BridgeError::NoField(9),
            ),
            (
                with(|b| {
                    b.roles.insert(Role::McastGrp, 2);
                }),
                BridgeError::Narrow {
                    role: Role::McastGrp,
                    width: 5,
                    least: 16,
                },
            ),
            (with(|b| b.metadata.push(1)), BridgeError::Shared(1)),
            (
                with(|b| {
                    b.field_lists.insert(2, vec![0]);
                }),
                BridgeError::NotMetadata { list: 2, field: 0 },
            ),
        ];
        for (bridge, error) in cases {
            assert_eq!(bridge.check(&program), Err(error));
        }
        program.deparser.clear();
        assert_eq!(bridge.check(&program), Err(BridgeError::NotFirst));
    }

    #[test]
    fn every_role_is_listed_once() {
        let all: BTreeSet<Role> = Role::ALL.into_iter().collect();
        assert_eq!(all.len(), Role::ALL.len());
        assert!(Role::ALL.is_sorted());
    }
}
