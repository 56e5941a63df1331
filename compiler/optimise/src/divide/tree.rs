//! Branch and price: where fractions of patterns do, a decision that they do not keep is taken both ways.
//!
//! Before that, a dive: a server is given a pattern of which there is much, and what is left is divided among the others (a diving
//! heuristic with few ways back, as of Sadykov and others 2019). It finds good assignments long before the search does.

use super::look::{Done, Look, Node};
use super::server::Decision;
use super::{Accept, Division, Known, Verdict};
use crate::both::both;

/// How many patterns are tried for the first server, for further ones, and for the last but one.
const TRIED: [usize; 3] = [6, 3, 2];
/// How much is asked of dives: by what part of the way from what is proven to what is known more may be used than is proven.
const AMBITIONS: [f64; 3] = [0.5, 0.75, 1.0];
/// How many nodes a dive looks at.
const DIVE: usize = 30;

/// What was found, the part that it or what was known uses, and whether less is impossible, but for the gap.
type Searched = (Option<Vec<usize>>, f64, bool);

/// What comes of a node.
enum Outcome {
    /// Nothing.
    Closed,
    /// This is to be decided.
    Open(Decision),
    /// An assignment, if whole patterns make one.
    Whole(Option<Vec<usize>>),
    /// The search for patterns, or a solver, came to no end.
    Unknown,
}

/// A node that was looked at.
struct Looked {
    outcome: Outcome,
    /// What it left behind; of patterns those that do, the ones of which there is most first.
    done: Done,
}

impl Division<'_> {
    /// Looks for assignments that use less than what is known, until there are none.
    pub(super) fn search<E>(
        &mut self,
        known: Known,
        accept: &mut Accept<'_, E>,
    ) -> Result<Searched, E> {
        let less = |value: f64| value * (1.0 - known.gap);
        let (mut value, mut best) = self.dives(known, accept)?;
        let mut open = vec![Node::default()];
        while let Some(node) = open.pop() {
            let part = less(value);
            if part <= known.bound {
                return Ok((best, value, true));
            }
            if self.is_over(0) {
                return Ok((best, value, false));
            }
            // The decisions of the first one go on top.
            for looked in self.look_at(node, open.pop(), part).into_iter().rev() {
                let node = self.keep(looked.done);
                match looked.outcome {
                    Outcome::Closed => {}
                    Outcome::Unknown => return Ok((best, value, false)),
                    Outcome::Open(decision) => {
                        for decision in [decision.not(), decision] {
                            let mut node = node.clone();
                            node.decided.push(decision);
                            open.push(node);
                        }
                    }
                    Outcome::Whole(choice) => match used(&choice, part, accept)? {
                        // The same decisions may have room for less.
                        Some(used) => {
                            if used < value {
                                (value, best) = (used, choice);
                            }
                            open.push(node);
                        }
                        // It breaks what patterns do not see.
                        None => return Ok((best, value, false)),
                    },
                }
            }
        }
        Ok((best, value, true))
    }
    /// The best that dives find, with the part that it or what was known uses. The less may be used, the fewer patterns do, and the
    /// nearer fractions of them are to whole ones: so most is asked for first.
    fn dives<E>(
        &mut self,
        known: Known,
        accept: &mut Accept<'_, E>,
    ) -> Result<(f64, Option<Vec<usize>>), E> {
        let (mut value, mut best) = (known.value, None);
        let mut failed = known.bound;
        let mut ambitions = AMBITIONS.iter().peekable();
        while let Some(ambition) = ambitions.peek() {
            let most = value * (1.0 - known.gap);
            let part = known.bound + **ambition * (most - known.bound);
            if part <= failed {
                ambitions.next();
                continue;
            }
            let mut nodes = DIVE;
            let looked = self.look(Node::default(), part);
            match self.dive(looked, part, &mut nodes, accept)? {
                Some((choice, used)) => (value, best) = (used, Some(choice)),
                None => failed = part,
            }
        }
        Ok((value, best))
    }
    /// An assignment that uses at most this part, if one is found on the way: server after server gets a pattern.
    fn dive<E>(
        &mut self,
        looked: Looked,
        part: f64,
        nodes: &mut usize,
        accept: &mut Accept<'_, E>,
    ) -> Result<Option<(Vec<usize>, f64)>, E> {
        let node = self.keep(looked.done);
        match looked.outcome {
            Outcome::Open(_) => {}
            Outcome::Whole(choice) => {
                let used = used(&choice, part, accept)?;
                return Ok(choice.zip(used));
            }
            Outcome::Closed | Outcome::Unknown => return Ok(None),
        }
        let servers: usize = self.groups.iter().map(|group| group.servers.len()).sum();
        let tried = match node.servers.len() {
            0 => TRIED[0],
            decided if decided + 2 < servers => TRIED[1],
            _ => TRIED[2],
        };
        let next: Vec<Node> = node
            .taken
            .iter()
            .take(tried)
            .map(|(group, p)| {
                let mut node = node.clone();
                let units = &self.groups[*group].patterns[*p].at;
                let done = units.iter().map(|(unit, _)| Decision::Done(*unit));
                node.decided.extend(done);
                node.servers.push((*group, *p));
                node
            })
            .collect();
        for pair in next.chunks(2) {
            if *nodes < pair.len() || self.is_over(0) {
                break;
            }
            *nodes -= pair.len();
            for looked in self
                .look_at(pair[0].clone(), pair.get(1).cloned(), part)
                .into_iter()
            {
                if let Some(found) = self.dive(looked, part, nodes, accept)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
    /// Looks at a node, and at another one at the same time.
    fn look_at(&self, node: Node, other: Option<Node>, part: f64) -> Vec<Looked> {
        match other {
            None => vec![self.look(node, part)],
            Some(other) => {
                let first = || self.look(node, part);
                let (first, second) = both(first, || self.look(other.clone(), part));
                vec![first, second]
            }
        }
    }
    fn look(&self, node: Node, part: f64) -> Looked {
        let mut look = Look::new(self, node, part);
        let verdict = look.test();
        let fractions = match verdict {
            Verdict::Nothing => None,
            Verdict::Fractions | Verdict::Unknown => look.fractions(),
        };
        let outcome = match (&fractions, verdict) {
            (_, Verdict::Nothing) => Outcome::Closed,
            (None, _) => Outcome::Unknown,
            (Some(fractions), _) => match (look.undecided(fractions), verdict) {
                // Where it is not known whether fractions do, more decisions may tell.
                (Some(decision), _) => Outcome::Open(decision),
                (None, Verdict::Fractions) => Outcome::Whole(look.whole(fractions)),
                (None, _) => Outcome::Unknown,
            },
        };
        if let Some(fractions) = fractions {
            let mut patterns = fractions.patterns;
            patterns.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
            look.node.taken = patterns.into_iter().map(|(taken, ..)| taken).collect();
        }
        Looked {
            outcome,
            done: look.done(),
        }
    }
}

/// The part that an assignment uses, if there is one that holds and uses no more than this.
fn used<E>(
    choice: &Option<Vec<usize>>,
    part: f64,
    accept: &mut Accept<'_, E>,
) -> Result<Option<f64>, E> {
    let used = match choice {
        Some(choice) => accept(choice)?,
        None => None,
    };
    Ok(used.filter(|used| *used <= part * (1.0 + 1e-9)))
}
