//! Where copies go: multicast groups and mirror sessions.

use std::collections::{BTreeMap, BTreeSet};

/// What the packet replication engine and the mirror sessions are set to.
#[derive(Clone, Debug, Default)]
pub struct Replication {
    /// Nodes of each group, in the order they were associated.
    groups: BTreeMap<u16, Vec<usize>>,
    nodes: Vec<Node>,
    sessions: BTreeMap<u16, Session>,
}

#[derive(Clone, Debug)]
struct Node {
    rid: u16,
    ports: BTreeSet<u16>,
    group: Option<u16>,
}

/// Where the clones of a mirror session go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// To a port.
    Port(u16),
    /// To a multicast group.
    Group(u16),
}

/// A copy that a multicast group asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where it goes.
    pub port: u16,
    /// Its `egress_rid`.
    pub rid: u16,
}

/// Why a change was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicationError {
    /// The group exists.
    #[error("multicast group {0} exists already")]
    GroupExists(u16),
    /// There is no such group.
    #[error("there is no multicast group {0}")]
    NoGroup(u16),
    /// There is no such node.
    #[error("there is no node {0}")]
    NoNode(u64),
    /// The node belongs to a group.
    #[error("node {0} belongs to a group already")]
    NodeTaken(u64),
    /// There is no such session.
    #[error("there is no mirror session {0}")]
    NoSession(u16),
}

impl Replication {
    /// Makes an empty group.
    ///
    /// # Errors
    ///
    /// If the group exists.
    pub fn create_group(&mut self, group: u16) -> Result<(), ReplicationError> {
        if self.groups.contains_key(&group) {
            return Err(ReplicationError::GroupExists(group));
        }
        self.groups.insert(group, Vec::new());
        Ok(())
    }

    /// Makes a node that belongs to no group; its number counts up from 0.
    pub fn create_node(&mut self, rid: u16, ports: impl IntoIterator<Item = u16>) -> usize {
        self.nodes.push(Node {
            rid,
            ports: ports.into_iter().collect(),
            group: None,
        });
        self.nodes.len() - 1
    }

    /// Gives a node other ports.
    ///
    /// # Errors
    ///
    /// If there is no such node.
    pub fn update_node(
        &mut self,
        node: u64,
        ports: impl IntoIterator<Item = u16>,
    ) -> Result<(), ReplicationError> {
        self.node(node)?.1.ports = ports.into_iter().collect();
        Ok(())
    }

    /// Adds a node to a group.
    ///
    /// # Errors
    ///
    /// If one of them does not exist, or the node belongs to a group.
    pub fn associate(&mut self, group: u16, node: u64) -> Result<(), ReplicationError> {
        let (at, found) = self.node(node)?;
        if found.group.is_some() {
            return Err(ReplicationError::NodeTaken(node));
        }
        let Some(members) = self.groups.get_mut(&group) else {
            return Err(ReplicationError::NoGroup(group));
        };
        members.push(at);
        if let Some(node) = self.nodes.get_mut(at) {
            node.group = Some(group);
        }
        Ok(())
    }

    fn node(&mut self, node: u64) -> Result<(usize, &mut Node), ReplicationError> {
        let at = usize::try_from(node).unwrap_or(usize::MAX);
        match self.nodes.get_mut(at) {
            Some(found) => Ok((at, found)),
            None => Err(ReplicationError::NoNode(node)),
        }
    }

    /// Sets a mirror session, in place of what it was.
    pub fn set_session(&mut self, id: u16, session: Session) {
        self.sessions.insert(id, session);
    }

    /// Removes a mirror session.
    ///
    /// # Errors
    ///
    /// If there is no such session.
    pub fn delete_session(&mut self, id: u16) -> Result<(), ReplicationError> {
        match self.sessions.remove(&id) {
            Some(_) => Ok(()),
            None => Err(ReplicationError::NoSession(id)),
        }
    }

    /// A mirror session.
    pub fn session(&self, id: u16) -> Option<Session> {
        self.sessions.get(&id).copied()
    }

    /// The copies of a group: nodes in the order they were associated, ports in their own order. None for
    /// a group that does not exist.
    pub fn copies(&self, group: u16) -> Vec<Copy> {
        let members = self.groups.get(&group).into_iter().flatten();
        members
            .filter_map(|node| self.nodes.get(*node))
            .flat_map(|node| {
                let rid = node.rid;
                node.ports.iter().map(move |&port| Copy { port, rid })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_follow_the_order_of_association() {
        let mut r = Replication::default();
        r.create_group(7).unwrap();
        let a = r.create_node(1, [9, 4]) as u64;
        let b = r.create_node(2, [4]) as u64;
        r.associate(7, b).unwrap();
        r.associate(7, a).unwrap();
        let copies = |r: &Replication| -> Vec<_> {
            r.copies(7).into_iter().map(|c| (c.port, c.rid)).collect()
        };
        assert_eq!(copies(&r), [(4, 2), (4, 1), (9, 1)]);
        r.update_node(b, [1]).unwrap();
        assert_eq!(copies(&r), [(1, 2), (4, 1), (9, 1)]);
        assert_eq!(r.copies(8), []);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut r = Replication::default();
        r.create_group(1).unwrap();
        assert_eq!(r.create_group(1), Err(ReplicationError::GroupExists(1)));
        assert_eq!(r.associate(1, 0), Err(ReplicationError::NoNode(0)));
        r.create_node(0, [1]);
        assert_eq!(r.associate(2, 0), Err(ReplicationError::NoGroup(2)));
        r.associate(1, 0).unwrap();
        assert_eq!(r.associate(1, 0), Err(ReplicationError::NodeTaken(0)));
        assert_eq!(r.update_node(5, []), Err(ReplicationError::NoNode(5)));
        assert_eq!(r.delete_session(3), Err(ReplicationError::NoSession(3)));
        r.set_session(3, Session::Port(2));
        r.set_session(3, Session::Group(1));
        assert_eq!(r.session(3), Some(Session::Group(1)));
        r.delete_session(3).unwrap();
        assert_eq!(r.session(3), None);
    }
}
