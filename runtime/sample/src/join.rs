//! From observations to trajectories.
//!
//! The two observations of a visit belong together by its number. Departure from one element and arrival at
//! another belong together by the digest of the frame, which no link changes; of several frames with the same
//! digest, the one that left first arrived first. So clocks are only needed to tell packets apart that are the
//! same in every bit, and to put the pieces of a trajectory in order of which records were lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Clocks, Delays, Elements, Observation, Point, Record, TooManyElements};

/// How elements are connected, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// From where to where packets go without another element between; if empty, from everywhere to
    /// everywhere.
    pub links: BTreeSet<(u16, u16)>,
    /// Ports of elements that lead to other elements; by all others packets come in and go out.
    pub inside: BTreeSet<(u16, u16)>,
}

impl Topology {
    /// Whether what left there can come here: over a link, by ports that lead to other elements.
    fn links(&self, out: &Observation, arrival: &Observation) -> bool {
        let (from, to) = (out.element, arrival.element);
        let inside =
            |o: &Observation| self.inside.is_empty() || self.inside.contains(&(o.element, o.port));
        let linked = self.links.is_empty() || self.links.contains(&(from, to));
        from != to && linked && inside(out) && inside(arrival)
    }

    fn is_edge(&self, hop: &Hop) -> bool {
        !self.inside.contains(&(hop.element, hop.port))
    }
}

/// One observation along a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The element.
    pub element: u16,
    /// Number of the visit there.
    pub visit: u64,
    /// Where at the element.
    pub point: Point,
    /// Port that it came in on or left by.
    pub port: u16,
    /// When, in nanoseconds of the element's clock.
    pub time_ns: u64,
    /// Length of the frame in bytes.
    pub len: u32,
    /// Whether records are missing between the one before and this.
    pub gap: bool,
}

/// The way of one sampled packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trajectory {
    /// Identity of the packet.
    pub id: u64,
    /// What was seen of it, in order; never empty.
    pub hops: Vec<Hop>,
    /// Whether it goes from an edge to an edge or a drop, and no record is missing.
    pub whole: bool,
}

impl Trajectory {
    /// The elements in order, like `switch > nic1 > host1 > switch`, with a `?` where records are missing.
    /// A packet whose last element says that it dropped it ends in `(dropped)`; one that was not seen to leave
    /// its last element in `(lost)`.
    #[must_use]
    pub fn path(&self, elements: &Elements) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (i, hop) in self.hops.iter().enumerate() {
            if hop.gap && i > 0 {
                names.push("?");
            }
            if self.begins_visit(i) {
                names.push(elements.name(hop.element));
            }
        }
        let end = match self.hops.last().map(|h| h.point) {
            Some(Point::Drop) => " (dropped)",
            Some(Point::In) => " (lost)",
            _ => "",
        };
        names.join(" > ") + end
    }

    fn begins_visit(&self, i: usize) -> bool {
        let place = |i: usize| self.hops.get(i).map(|h| (h.element, h.visit));
        i == 0 || place(i - 1) != place(i)
    }

    /// Nanoseconds from the first to the last observation.
    #[must_use]
    pub fn duration_ns(&self, clocks: &Clocks) -> u64 {
        let time = |h: Option<&Hop>| h.map_or(0, |h| clocks.corrected(h.element, h.time_ns));
        let took = time(self.hops.last()) - time(self.hops.first());
        took.clamp(0, i128::from(u64::MAX)) as u64
    }
}

/// What [`Joiner::join`] met with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinCounts {
    /// Observations.
    pub observations: u64,
    /// Of these, such that were there before: of the same visit and point.
    pub duplicates: u64,
    /// Of the duplicates, such that said something else.
    pub contradictions: u64,
    /// Trajectories.
    pub trajectories: u64,
    /// Of these, whole ones.
    pub whole: u64,
}

/// Joins observations.
#[derive(Debug, Clone, Default)]
pub struct Joiner {
    topology: Topology,
    clocks: Clocks,
    counts: JoinCounts,
    group: Group,
}

/// A visit: positions of its observations among those of the packet, and the visits before and after.
#[derive(Debug, Clone, Copy)]
struct Visit {
    came: Option<usize>,
    went: Option<usize>,
    before: Option<usize>,
    after: Option<usize>,
}

/// Buffers for the observations of one identity.
#[derive(Debug, Clone, Default)]
struct Group {
    visits: Vec<Visit>,
    arrivals: Vec<usize>,
    departures: Vec<usize>,
    chains: Vec<usize>,
    found: Trajectory,
}

/// Puts observations into the order that [`Joiner::join`] needs, whatever order they came in.
pub fn sort(observations: &mut [Observation]) {
    observations.sort_unstable_by_key(|o| (o.id, o.element, o.visit, o.point, o.time_ns, o.digest));
}

/// Observations of one identity up to which [`measure`] looks at them.
const MOST_MEASURED: usize = 64;

/// Notes how long packets seemed to take between elements, of those observations (sorted by [`sort`]) that
/// cannot be mistaken: where one frame left and one arrived with an identity and a digest.
pub fn measure(observations: &[Observation], topology: &Topology, delays: &mut Delays) {
    // Many packets of one identity say no more than a few, and there are others.
    let groups = observations.chunk_by(|a, b| a.id == b.id);
    for group in groups.filter(|group| group.len() <= MOST_MEASURED) {
        for out in group.iter().filter(|o| o.point == Point::Out) {
            let with = |point: Point| {
                let same = move |o: &&Observation| o.point == point && o.digest == out.digest;
                group.iter().filter(same)
            };
            let mut arrivals = with(Point::In).filter(|o| topology.links(out, o));
            let Some(arrival) = arrivals.next() else {
                continue;
            };
            // Duplicates of either do not count.
            let another =
                |a: &Observation, b: &Observation| (a.element, a.visit) != (b.element, b.visit);
            let mut departures = with(Point::Out).filter(|o| topology.links(o, arrival));
            if !arrivals.any(|o| another(o, arrival)) && !departures.any(|o| another(o, out)) {
                delays.note(out.element, arrival.element, out.time_ns, arrival.time_ns);
            }
        }
    }
}

impl Joiner {
    /// For elements that are connected like this, with these clocks.
    #[must_use]
    pub fn new(topology: Topology, clocks: Clocks) -> Joiner {
        Joiner {
            topology,
            clocks,
            ..Joiner::default()
        }
    }

    /// What it has met with so far.
    #[must_use]
    pub fn counts(&self) -> JoinCounts {
        self.counts
    }

    /// Joins observations, sorted by [`sort`], and gives every trajectory to `each`, by identity. No
    /// observation is left out but duplicates.
    pub fn join(&mut self, observations: &[Observation], mut each: impl FnMut(&Trajectory)) {
        let mut group = std::mem::take(&mut self.group);
        for packet in observations.chunk_by(|a, b| a.id == b.id) {
            self.visits(packet, &mut group);
            self.link(packet, &mut group);
            self.chains(packet, &mut group, &mut each);
        }
        self.group = group;
    }

    /// Puts the observations of each visit together.
    fn visits(&mut self, packet: &[Observation], group: &mut Group) {
        group.visits.clear();
        self.counts.observations += packet.len() as u64;
        let mut last = None;
        for (i, o) in packet.iter().enumerate() {
            if last != Some((o.element, o.visit)) {
                last = Some((o.element, o.visit));
                group.visits.push(Visit {
                    came: None,
                    went: None,
                    before: None,
                    after: None,
                });
            }
            let Some(visit) = group.visits.last_mut() else {
                continue;
            };
            let place = match o.point {
                Point::In => &mut visit.came,
                Point::Out | Point::Drop => &mut visit.went,
            };
            match place.and_then(|at| packet.get(at)) {
                None => *place = Some(i),
                Some(known) => {
                    self.counts.duplicates += 1;
                    self.counts.contradictions += u64::from(known != o);
                }
            }
        }
    }

    /// Links departures with arrivals.
    fn link(&self, packet: &[Observation], group: &mut Group) {
        let time = |at: Option<usize>| {
            let o = at.and_then(|at| packet.get(at));
            o.map_or(0, |o| self.clocks.corrected(o.element, o.time_ns))
        };
        let Group {
            visits,
            arrivals,
            departures,
            ..
        } = group;
        arrivals.clear();
        departures.clear();
        for (i, visit) in visits.iter().enumerate() {
            let departs = visit.went.and_then(|at| packet.get(at));
            if departs.is_some_and(|o| o.point == Point::Out) {
                departures.push(i);
            }
            if visit.came.is_some() {
                arrivals.push(i);
            }
        }
        let digest = |at: Option<usize>| at.and_then(|at| packet.get(at)).map(|o| o.digest);
        departures.sort_by_cached_key(|i| (digest(visits[*i].went), time(visits[*i].went), *i));
        arrivals.sort_by_cached_key(|i| (time(visits[*i].came), *i));
        // Of each digest, by the place of its first departure: how many of the first ones are taken.
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        for to in arrivals.iter() {
            let Some(arrival) = visits[*to].came.and_then(|at| packet.get(at)) else {
                continue;
            };
            let key = Some(arrival.digest);
            let first = departures.partition_point(|i| digest(visits[*i].went) < key);
            let taken = taken.entry(first).or_default();
            let same = departures.iter().skip(first + *taken);
            let same = same.take_while(|i| digest(visits[**i].went) == key);
            let from = same.copied().enumerate().find(|(_, from)| {
                let out = visits[*from].went.and_then(|at| packet.get(at));
                visits[*from].after.is_none() && out.is_some_and(|out| self.goes(out, arrival))
            });
            if let Some((place, from)) = from {
                visits[from].after = Some(*to);
                visits[*to].before = Some(from);
                *taken += usize::from(place == 0);
            }
        }
    }

    /// Whether what left there can be what came here.
    fn goes(&self, out: &Observation, arrival: &Observation) -> bool {
        if !self.topology.links(out, arrival) {
            return false;
        }
        let early = i128::from(arrival.time_ns) - i128::from(out.time_ns);
        match self.clocks.offset(out.element, arrival.element) {
            Some(clock) => early >= i128::from(clock.offset_ns) - i128::from(clock.error_ns),
            // Without links everything could come from everywhere: then clocks are taken for right.
            None => !self.topology.links.is_empty() || early >= 0,
        }
    }

    /// Gives the chains of visits, after those of which records are missing were put together.
    fn chains(
        &mut self,
        packet: &[Observation],
        group: &mut Group,
        each: &mut impl FnMut(&Trajectory),
    ) {
        let Group {
            visits,
            chains,
            found,
            ..
        } = group;
        let start = |i: usize| {
            let visit = &visits[i];
            let first = visit.came.or(visit.went).and_then(|at| packet.get(at));
            first.map_or(0, |o| self.clocks.corrected(o.element, o.time_ns))
        };
        chains.clear();
        chains.extend((0..visits.len()).filter(|i| visits[*i].before.is_none()));
        chains.sort_by_cached_key(|i| (start(*i), *i));
        let several = repeats(packet);
        let mut pending = Trajectory::default();
        for first in chains.iter() {
            walk(packet, visits, *first, found);
            found.whole = self.is_whole(found);
            if found.whole || several {
                self.tell(found, each);
            } else if pending.hops.is_empty() {
                std::mem::swap(&mut pending, found);
            } else {
                if let Some(hop) = found.hops.first_mut() {
                    hop.gap = true;
                }
                pending.hops.append(&mut found.hops);
            }
        }
        if !pending.hops.is_empty() {
            self.tell(&pending, each);
        }
    }

    fn tell(&mut self, found: &Trajectory, each: &mut impl FnMut(&Trajectory)) {
        self.counts.trajectories += 1;
        self.counts.whole += u64::from(found.whole);
        each(found);
    }

    fn is_whole(&self, found: &Trajectory) -> bool {
        let pairs = found.hops.as_chunks::<2>();
        let visits = |pair: &[Hop; 2]| pair[0].point == Point::In && pair[1].point != Point::In;
        let begins = found.hops.first().is_some_and(|h| self.topology.is_edge(h));
        let leaves = |h: &Hop| h.point == Point::Drop || self.topology.is_edge(h);
        let ends = found.hops.last().is_some_and(leaves);
        pairs.1.is_empty() && pairs.0.iter().all(visits) && begins && ends
    }
}

/// Whether these are observations of several packets: a frame was seen twice at one point of an element.
fn repeats(packet: &[Observation]) -> bool {
    let place = |o: &Observation| (o.element, o.point, o.digest, o.visit);
    let mut places: Vec<_> = packet.iter().map(place).collect();
    places.sort_unstable();
    places.dedup();
    let frame = |p: &(u16, Point, u64, u64)| (p.0, p.1, p.2);
    places
        .windows(2)
        .any(|two| matches!(two, [a, b] if frame(a) == frame(b)))
}

fn walk(packet: &[Observation], visits: &[Visit], first: usize, found: &mut Trajectory) {
    found.hops.clear();
    found.id = packet.first().map_or(0, |o| o.id);
    let mut next = Some(first);
    // Clocks that lie could close a ring; each visit is told once.
    for _ in 0..visits.len() {
        let Some(visit) = next.and_then(|i| visits.get(i)) else {
            break;
        };
        let both = [visit.came, visit.went].into_iter().flatten();
        found
            .hops
            .extend(both.filter_map(|at| packet.get(at)).map(|o| Hop {
                element: o.element,
                visit: o.visit,
                point: o.point,
                port: o.port,
                time_ns: o.time_ns,
                len: o.len,
                gap: false,
            }));
        next = visit.after.filter(|after| *after != first);
    }
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

/// Counts trajectories by path.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    /// By what tells paths apart: element, point and gap of each hop, and where visits begin.
    counts: BTreeMap<Vec<u32>, Counted>,
    key: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Counted {
    example: Trajectory,
    packets: u64,
    sum_ns: u128,
    max_ns: u64,
}

impl Paths {
    /// Counts one.
    pub fn count(&mut self, trajectory: &Trajectory, clocks: &Clocks) {
        self.key.clear();
        for (i, hop) in trajectory.hops.iter().enumerate() {
            let begins = u32::from(trajectory.begins_visit(i));
            let gap = u32::from(hop.gap);
            self.key
                .push(u32::from(hop.element) << 4 | (hop.point as u32) << 2 | gap << 1 | begins);
        }
        let duration_ns = trajectory.duration_ns(clocks);
        if let Some(counted) = self.counts.get_mut(&self.key) {
            counted.packets += 1;
            counted.sum_ns += u128::from(duration_ns);
            counted.max_ns = counted.max_ns.max(duration_ns);
            return;
        }
        let counted = Counted {
            example: trajectory.clone(),
            packets: 1,
            sum_ns: u128::from(duration_ns),
            max_ns: duration_ns,
        };
        self.counts.insert(self.key.clone(), counted);
    }

    /// The counts: most packets first, then by path.
    #[must_use]
    pub fn summary(&self, elements: &Elements) -> Vec<PathCount> {
        let mut by_path: BTreeMap<String, (u64, u128, u64)> = BTreeMap::new();
        for c in self.counts.values() {
            let path = c.example.path(elements);
            let (packets, sum, max) = by_path.entry(path).or_default();
            *packets += c.packets;
            *sum += c.sum_ns;
            *max = (*max).max(c.max_ns);
        }
        let mut out: Vec<PathCount> = by_path
            .into_iter()
            .map(|(path, (packets, sum, max_ns))| PathCount {
                path,
                packets,
                mean_ns: (sum / u128::from(packets.max(1))) as u64,
                max_ns,
            })
            .collect();
        out.sort_by(|a, b| b.packets.cmp(&a.packets).then_with(|| a.path.cmp(&b.path)));
        out
    }
}

/// Joins the records of a run, whose clocks are one; trajectories are ordered by the time of their first
/// observation. `topology` is asked when the elements are known.
///
/// # Errors
/// If there are records of too many elements.
pub fn join(
    records: &[Record],
    topology: impl FnOnce(&Elements) -> Topology,
) -> Result<(Elements, Vec<Trajectory>), TooManyElements> {
    let mut elements = Elements::default();
    let observations: Result<Vec<_>, _> = records.iter().map(|r| elements.observe(r)).collect();
    let mut observations = observations?;
    sort(&mut observations);
    let mut all: Vec<Trajectory> = Vec::new();
    Joiner::new(topology(&elements), Clocks::default())
        .join(&observations, |t| all.push(t.clone()));
    all.sort_by_key(|t| t.hops.first().map(|h| h.time_ns));
    Ok((elements, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCH: u16 = 0;
    const NIC: u16 = 1;
    const HOST: u16 = 2;

    fn elements() -> Elements {
        let mut elements = Elements::default();
        for name in ["switch", "nic1", "host1"] {
            elements.number(name).unwrap();
        }
        elements
    }

    fn rack() -> Topology {
        Topology {
            links: [(SWITCH, NIC), (NIC, HOST), (HOST, SWITCH)].into(),
            inside: [(SWITCH, 9), (NIC, 0), (HOST, 0)].into(),
        }
    }

    /// Port 9 of the switch leads to the server, port 1 out of the rack.
    fn seen(element: u16, visit: u64, point: Point, time_ns: u64, digest: u64) -> Observation {
        let port = match (element, point, visit % 2) {
            (SWITCH, Point::Out, 0) | (SWITCH, Point::In, 1) => 9,
            (SWITCH, ..) => 1,
            _ => 0,
        };
        Observation {
            id: 7,
            visit,
            time_ns,
            digest,
            len: 60,
            element,
            port,
            point,
        }
    }

    /// A packet that visits a server between two visits of the switch; `d` tells copies apart.
    fn visit(t: u64, d: u64, v: u64) -> Vec<Observation> {
        vec![
            seen(SWITCH, 2 * v, Point::In, t, d),
            seen(SWITCH, 2 * v, Point::Out, t + 1, d + 1),
            seen(NIC, v, Point::In, t + 5, d + 1),
            seen(NIC, v, Point::Out, t + 6, d + 1),
            seen(HOST, v, Point::In, t + 7, d + 1),
            seen(HOST, v, Point::Out, t + 20, d + 2),
            seen(SWITCH, 2 * v + 1, Point::In, t + 30, d + 2),
            seen(SWITCH, 2 * v + 1, Point::Out, t + 31, d + 3),
        ]
    }

    fn joined(mut all: Vec<Observation>, topology: Topology) -> (Vec<Trajectory>, JoinCounts) {
        sort(&mut all);
        let mut joiner = Joiner::new(topology, Clocks::default());
        let mut found = Vec::new();
        joiner.join(&all, |t| found.push(t.clone()));
        (found, joiner.counts())
    }

    fn paths(all: Vec<Observation>, topology: Topology) -> Vec<String> {
        let (found, _) = joined(all, topology);
        found.iter().map(|t| t.path(&elements())).collect()
    }

    const WAY: &str = "switch > nic1 > host1 > switch";

    #[test]
    fn one_packet_one_path() {
        for topology in [rack(), Topology::default()] {
            let (found, counts) = joined(visit(0, 100, 0), topology);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].path(&elements()), WAY);
            assert_eq!(found[0].duration_ns(&Clocks::default()), 31);
            assert_eq!((counts.observations, counts.whole), (8, 1));
        }
    }

    #[test]
    fn identical_packets_at_once_stay_apart() {
        // The second copy enters while the first is in the server: six records interleave.
        for topology in [rack(), Topology::default()] {
            let mut all = visit(0, 100, 0);
            all.extend(visit(6, 100, 1));
            all.reverse();
            let (found, counts) = joined(all, topology);
            assert_eq!((found.len(), counts.whole), (2, 2));
            let mut paths = Paths::default();
            found
                .iter()
                .for_each(|t| paths.count(t, &Clocks::default()));
            let counted = paths.summary(&elements());
            assert_eq!(counted.len(), 1);
            let counted = &counted[0];
            assert_eq!(
                (counted.packets, counted.mean_ns, counted.max_ns),
                (2, 31, 31)
            );
        }
    }

    #[test]
    fn drops_and_losses_are_told() {
        let dropped = vec![
            seen(SWITCH, 0, Point::In, 0, 1),
            seen(SWITCH, 0, Point::Drop, 1, 1),
        ];
        assert_eq!(paths(dropped, rack()), ["switch (dropped)"]);
        let lost = visit(0, 100, 0)[..5].to_vec();
        assert_eq!(paths(lost, rack()), ["switch > nic1 > host1 (lost)"]);
    }

    #[test]
    fn duplicates_change_nothing() {
        let mut all = visit(0, 100, 0);
        all.extend(visit(0, 100, 0));
        let mut other = all[3];
        other.digest += 1;
        all.push(other);
        let (found, counts) = joined(all, rack());
        assert_eq!(found.len(), 1);
        assert!(found[0].whole);
        assert_eq!((counts.duplicates, counts.contradictions), (9, 1));
    }

    #[test]
    fn what_is_lost_leaves_a_gap() {
        let without = |lost: &[usize]| {
            let kept = visit(0, 100, 0).into_iter().enumerate();
            kept.filter(|(i, _)| !lost.contains(i))
                .map(|(_, o)| o)
                .collect::<Vec<_>>()
        };
        let (found, _) = joined(without(&[2]), rack());
        assert_eq!(
            found[0].path(&elements()),
            "switch > ? > nic1 > host1 > switch"
        );
        assert!(!found[0].whole && found.len() == 1);
        assert_eq!(
            paths(without(&[2, 3]), rack()),
            ["switch > ? > host1 > switch"]
        );
        assert_eq!(paths(without(&[0, 1]), rack()), ["nic1 > host1 > switch"]);
        assert_eq!(paths(without(&[7]), rack()), [WAY.to_owned() + " (lost)"]);
    }

    #[test]
    fn wrong_clocks_do_not_mislead() {
        let mut all = visit(1000, 100, 0);
        for o in &mut all {
            match o.element {
                NIC => o.time_ns += 5_000_000,
                HOST => o.time_ns -= 900,
                _ => {}
            }
        }
        let mut delays = Delays::default();
        sort(&mut all);
        measure(&all, &rack(), &mut delays);
        let clocks = delays.clocks(3);
        let mut joiner = Joiner::new(rack(), clocks);
        let mut found = Vec::new();
        joiner.join(&all, |t| found.push(t.path(&elements())));
        assert_eq!(found, [WAY]);
    }
}
