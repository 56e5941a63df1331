//! From observations to trajectories.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Point, Record};

/// One observation along a trajectory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Name of the device.
    pub element: String,
    /// Where at the device.
    pub point: Point,
    /// When, in nanoseconds.
    pub time_ns: u64,
    /// Length of the frame in bytes.
    pub len: u32,
}

/// The way of one sampled packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trajectory {
    /// Identity of the packet.
    pub id: u64,
    /// What was seen of it, in order; never empty.
    pub hops: Vec<Hop>,
}

impl Trajectory {
    /// The devices in order, like `switch > nic1 > host1 > switch`; a packet that was not seen
    /// leaving its last device ends in `(dropped)` if that device said so, else in `(lost)`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut elements: Vec<&str> = Vec::new();
        for (i, hop) in self.hops.iter().enumerate() {
            // Arrival and departure at a device are one visit.
            let same_visit = hop.point != Point::In && i > 0;
            if !same_visit {
                elements.push(&hop.element);
            }
        }
        let end = match self.hops.last().map(|h| h.point) {
            Some(Point::Drop) => " (dropped)",
            Some(Point::In) => " (lost)",
            _ => "",
        };
        elements.join(" > ") + end
    }

    /// Nanoseconds from the first to the last observation.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        let time = |h: Option<&Hop>| h.map_or(0, |h| h.time_ns);
        time(self.hops.last()).saturating_sub(time(self.hops.first()))
    }
}

/// A trajectory under construction, with the digest of its last record.
struct Open {
    trajectory: Trajectory,
    digest: u64,
}

impl Open {
    /// Whether `record` can be the next observation: a departure or drop at the device that it is
    /// in, or the arrival at another device of just the frame that left the last one.
    fn continues(&self, record: &Record) -> bool {
        let Some(last) = self.trajectory.hops.last() else {
            return false;
        };
        match (last.point, record.point) {
            (Point::In, Point::Out | Point::Drop) => last.element == record.element,
            (Point::Out, Point::In) => {
                last.element != record.element && self.digest == record.digest
            }
            _ => false,
        }
    }
}

/// Joins observations into trajectories, ordered by the time of their first observation.
///
/// Records of one packet are chained: departure after arrival at a device, arrival after departure
/// from another. If several packets share an identity (retransmissions with all invariant fields
/// equal), the one that waits longest is continued, which is right on FIFO paths. Records of equal
/// time keep the order in which they are given.
#[must_use]
pub fn join(records: &[Record]) -> Vec<Trajectory> {
    let mut by_id: BTreeMap<u64, Vec<(usize, &Record)>> = BTreeMap::new();
    for (i, r) in records.iter().enumerate() {
        by_id.entry(r.id).or_default().push((i, r));
    }
    let mut out: Vec<(u64, usize, Trajectory)> = Vec::new();
    for (id, mut seen) in by_id {
        seen.sort_by_key(|(i, r)| (r.time_ns, *i));
        let mut open: Vec<(usize, Open)> = Vec::new();
        for (i, r) in seen {
            let at = open.iter().position(|(_, o)| o.continues(r));
            let at = at.unwrap_or_else(|| {
                let trajectory = Trajectory {
                    id,
                    hops: Vec::new(),
                };
                open.push((
                    i,
                    Open {
                        trajectory,
                        digest: 0,
                    },
                ));
                open.len() - 1
            });
            if let Some((_, o)) = open.get_mut(at) {
                o.digest = r.digest;
                o.trajectory.hops.push(Hop {
                    element: r.element.clone(),
                    point: r.point,
                    time_ns: r.time_ns,
                    len: r.len,
                });
            }
        }
        out.extend(open.into_iter().map(|(first, o)| {
            let start = o.trajectory.hops.first().map_or(0, |h| h.time_ns);
            (start, first, o.trajectory)
        }));
    }
    out.sort_by_key(|(start, first, _)| (*start, *first));
    out.into_iter().map(|(_, _, t)| t).collect()
}

/// How many sampled packets went one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathCount {
    /// The way ([`Trajectory::path`]).
    pub path: String,
    /// Sampled packets that took it.
    pub packets: u64,
    /// Mean nanoseconds from first to last observation, rounded down.
    pub mean_ns: u64,
    /// Largest such time.
    pub max_ns: u64,
}

/// Counts the trajectories by path: most packets first, then by path.
#[must_use]
pub fn summary(trajectories: &[Trajectory]) -> Vec<PathCount> {
    let mut by_path: BTreeMap<String, (u64, u128, u64)> = BTreeMap::new();
    for t in trajectories {
        let (packets, sum, max) = by_path.entry(t.path()).or_default();
        *packets += 1;
        *sum += u128::from(t.duration_ns());
        *max = (*max).max(t.duration_ns());
    }
    let mut out: Vec<PathCount> = by_path
        .into_iter()
        .map(|(path, (packets, sum, max_ns))| {
            let mean_ns = (sum / u128::from(packets)) as u64;
            PathCount {
                path,
                packets,
                mean_ns,
                max_ns,
            }
        })
        .collect();
    out.sort_by(|a, b| b.packets.cmp(&a.packets).then_with(|| a.path.cmp(&b.path)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(element: &str, point: Point, time_ns: u64, digest: u64) -> Record {
        Record {
            id: 7,
            element: element.into(),
            visit: 0,
            point,
            port: 0,
            time_ns,
            len: 60,
            digest,
            mark: 0,
            meta: 0,
            tag: None,
            packet: Vec::new(),
            work: None,
        }
    }

    /// A packet that visits a server between two visits of the switch; `d` tells copies apart.
    fn visit(t: u64, d: u64) -> Vec<Record> {
        vec![
            record("switch", Point::In, t, d),
            record("switch", Point::Out, t + 1, d + 1),
            record("nic1", Point::In, t + 5, d + 1),
            record("nic1", Point::Out, t + 6, d + 1),
            record("host1", Point::In, t + 7, d + 1),
            record("host1", Point::Out, t + 20, d + 2),
            record("switch", Point::In, t + 30, d + 2),
            record("switch", Point::Out, t + 31, d + 3),
        ]
    }

    #[test]
    fn one_packet_one_path() {
        let found = join(&visit(0, 100));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path(), "switch > nic1 > host1 > switch");
        assert_eq!(found[0].duration_ns(), 31);
    }

    #[test]
    fn identical_packets_at_once_stay_apart() {
        // The second copy enters while the first is in the server: six records interleave.
        let mut all = visit(0, 100);
        all.extend(visit(6, 100));
        all.reverse();
        let found = join(&all);
        assert_eq!(found.len(), 2);
        let counted = summary(&found);
        assert_eq!(counted.len(), 1);
        assert_eq!(
            (counted[0].packets, counted[0].mean_ns, counted[0].max_ns),
            (2, 31, 31)
        );
    }

    #[test]
    fn drops_and_losses_are_told() {
        let dropped = vec![
            record("switch", Point::In, 0, 1),
            record("switch", Point::Drop, 1, 1),
        ];
        assert_eq!(join(&dropped)[0].path(), "switch (dropped)");
        let lost = &visit(0, 100)[..5];
        assert_eq!(join(lost)[0].path(), "switch > nic1 > host1 (lost)");
    }
}
