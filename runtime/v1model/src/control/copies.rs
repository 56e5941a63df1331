//! Multicast groups and mirror sessions.

use super::{Answer, Control, Outcome};
use crate::stf::{Command, NumberAt};
use crate::switch::{Replication, ReplicationError, Session};
use trisect_ir::diag::Diagnostic;

impl Control {
    pub(super) fn replicate(&self, command: &Command, to: &mut Replication) -> Outcome<Answer> {
        let session = |number: &NumberAt| {
            let id = self
                .value(number, 15)
                .map_err(|error| Box::new(error.help("sessions are numbered from 0 to 32767")))?;
            Ok::<_, Box<Diagnostic>>(id.low_u64() as u16)
        };
        let ports = |ports: &[NumberAt]| -> Outcome<Vec<u16>> {
            ports.iter().map(|port| self.small(port)).collect()
        };
        let node = |number: &NumberAt| Ok::<_, Box<Diagnostic>>(self.value(number, 64)?.low_u64());
        let refused = |at: &NumberAt, error: ReplicationError| {
            let help = "groups are made by mc_mgrp_create, nodes by mc_node_create (numbered from 0), \
                        sessions by mirroring_add";
            self.refused(at.span, error.to_string(), help)
        };
        match command {
            Command::MirroringAdd { session: id, port } => {
                to.set_session(session(id)?, Session::Port(self.small(port)?));
            }
            Command::MirroringAddMc { session: id, group } => {
                to.set_session(session(id)?, Session::Group(self.small(group)?));
            }
            Command::MirroringDelete(id) => {
                let result = to.delete_session(session(id)?);
                result.map_err(|error| refused(id, error))?;
            }
            Command::MirroringGet(id) => {
                return Ok(Answer::Read(match to.session(session(id)?) {
                    Some(Session::Port(port)) => format!("port {port}"),
                    Some(Session::Group(group)) => format!("multicast group {group}"),
                    None => "not set up".to_owned(),
                }));
            }
            Command::McGroupCreate(group) => {
                let result = to.create_group(self.small(group)?);
                result.map_err(|error| refused(group, error))?;
            }
            Command::McNodeCreate { rid, ports: list } => {
                let number = to.create_node(self.small(rid)?, ports(list)?);
                return Ok(Answer::Read(format!("node {number}")));
            }
            Command::McNodeUpdate {
                node: id,
                ports: list,
            } => {
                let result = to.update_node(node(id)?, ports(list)?);
                result.map_err(|error| refused(id, error))?;
            }
            Command::McNodeAssociate { group, node: id } => {
                let result = to.associate(self.small(group)?, node(id)?);
                result.map_err(|error| {
                    let at = match error {
                        ReplicationError::NoGroup(_) => group,
                        _ => id,
                    };
                    refused(at, error)
                })?;
            }
            _ => {}
        }
        Ok(Answer::Done)
    }
}
