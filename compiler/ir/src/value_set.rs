//! Value sets of parsers: cases of a `select` whose values a control plane gives (P4-16, section 13.11).
//!
//! A program has the members of its value sets as cases of its own, so that nothing that runs or prints a program
//! knows value sets. What is kept beside it is where these cases stand: [`ValueSets::fill`] puts members in, in place of
//! those before.

use std::collections::BTreeMap;

use crate::{KeySet, MatchKind, ParseTarget, Program, SelectCase, StateId, Transition};

/// The value sets of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueSets {
    sets: Vec<ValueSet>,
}

/// One value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSet {
    /// Its name, as the control plane knows it.
    pub name: String,
    /// How many members it holds.
    pub size: u32,
    /// What a member consists of.
    pub keys: Vec<ValueSetKey>,
    /// Its members: one set per key.
    pub members: Vec<Vec<KeySet>>,
    /// Where it stands.
    pub cases: Vec<CasePlace>,
}

/// A part of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSetKey {
    /// Its name: that of the field, or of the value set if its members are numbers.
    pub name: String,
    /// Its width in bits.
    pub width: u32,
    /// How it is matched.
    pub kind: MatchKind,
}

/// Where members of a value set stand as cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CasePlace {
    /// In the select of this state.
    pub state: StateId,
    /// Behind so many cases that are not members of value sets.
    pub behind: usize,
    /// Behind so many other value sets.
    pub order: usize,
    /// Behind so many keys of the select.
    pub skipped: usize,
    /// Where such a case leads.
    pub target: ParseTarget,
}

impl ValueSets {
    /// Value sets without members.
    #[must_use]
    pub fn new(sets: Vec<ValueSet>) -> Self {
        Self { sets }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[ValueSet] {
        &self.sets
    }

    /// The members of each, by name; without those that have none.
    #[must_use]
    pub fn members(&self) -> BTreeMap<String, Vec<Vec<KeySet>>> {
        let filled = self.sets.iter().filter(|set| !set.members.is_empty());
        let members = filled.map(|set| (set.name.clone(), set.members.clone()));
        members.collect()
    }

    /// The number of the value set of that name, or of the only one whose name ends in it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let ends = |full: &str| full.rsplit_once('.').is_some_and(|(_, last)| last == name);
        let exactly = self.sets.iter().position(|set| set.name == name);
        exactly.or_else(|| {
            let mut near = (0..self.sets.len()).filter(|at| ends(&self.sets[*at].name));
            near.next().filter(|_| near.next().is_none())
        })
    }

    /// Gives a value set of the program these members, in place of those that it has. Each has one set per key.
    pub fn fill(&mut self, program: &mut Program, which: usize, members: Vec<Vec<KeySet>>) {
        let Some(set) = self.sets.get(which) else {
            return;
        };
        // From the last one on, so that what stands in front is still as it was.
        let mut places = set.cases.clone();
        places.sort_by_key(|place| std::cmp::Reverse(place.order));
        for place in &places {
            let at = place.behind + self.in_front(place);
            let Some(state) = program.parser.states.get_mut(place.state) else {
                continue;
            };
            let Transition::Select(keys, cases) = &mut state.next else {
                continue;
            };
            let end = (at + set.members.len()).min(cases.len());
            let case = |member: &Vec<KeySet>| {
                let mut sets = vec![KeySet::Any; place.skipped];
                sets.extend(member.iter().cloned());
                sets.resize(keys.len(), KeySet::Any);
                SelectCase {
                    sets,
                    target: place.target,
                }
            };
            cases.splice(at.min(end)..end, members.iter().map(case));
        }
        if let Some(set) = self.sets.get_mut(which) {
            set.members = members;
        }
    }

    /// How many members stand in front of a place.
    fn in_front(&self, place: &CasePlace) -> usize {
        let members = |set: &ValueSet| {
            let before =
                |other: &&CasePlace| other.state == place.state && other.order < place.order;
            set.members.len() * set.cases.iter().filter(before).count()
        };
        self.sets.iter().map(members).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bits, Expr, ParserState};

    fn case(value: u64) -> SelectCase {
        SelectCase {
            sets: vec![KeySet::Any, KeySet::Exact(Bits::new(8, value))],
            target: ParseTarget::Reject,
        }
    }

    fn member(value: u64) -> Vec<KeySet> {
        vec![KeySet::Exact(Bits::new(8, value))]
    }

    /// The values of the cases, in order.
    fn values(program: &Program) -> Vec<u64> {
        let Transition::Select(_, cases) = &program.parser.states[StateId(0)].next else {
            panic!("a select");
        };
        let value = |case: &SelectCase| match &case.sets[..] {
            [KeySet::Any, KeySet::Exact(value)] => value.low_u64(),
            other => panic!("{other:?}"),
        };
        cases.iter().map(value).collect()
    }

    #[test]
    fn members_take_the_place_of_those_before() {
        let mut program = Program::new("p");
        program.parser.states.push(ParserState {
            name: "s".to_owned(),
            ops: Vec::new(),
            next: Transition::Select(
                vec![Expr::num(1, 0), Expr::num(8, 0)],
                vec![case(1), case(2)],
            ),
        });
        let set = |name: &str, places: &[(usize, usize)]| ValueSet {
            name: name.to_owned(),
            size: 4,
            keys: Vec::new(),
            members: Vec::new(),
            cases: places
                .iter()
                .map(|(behind, order)| CasePlace {
                    state: StateId(0),
                    behind: *behind,
                    order: *order,
                    skipped: 1,
                    target: ParseTarget::Accept,
                })
                .collect(),
        };
        // case 1, a, b, case 2, a
        let mut sets = ValueSets::new(vec![set("P.a", &[(1, 0), (2, 2)]), set("P.b", &[(1, 1)])]);
        sets.fill(&mut program, 1, vec![member(20)]);
        assert_eq!(values(&program), [1, 20, 2]);
        sets.fill(&mut program, 0, vec![member(10), member(11)]);
        assert_eq!(values(&program), [1, 10, 11, 20, 2, 10, 11]);
        sets.fill(&mut program, 1, vec![member(21), member(22)]);
        assert_eq!(values(&program), [1, 10, 11, 21, 22, 2, 10, 11]);
        sets.fill(&mut program, 0, Vec::new());
        assert_eq!(values(&program), [1, 21, 22, 2]);
        sets.fill(&mut program, 9, vec![member(1)]);
        assert_eq!(values(&program), [1, 21, 22, 2]);
    }

    #[test]
    fn names_may_be_cut_where_that_is_clear() {
        let set = |name: &str| ValueSet {
            name: name.to_owned(),
            size: 1,
            keys: Vec::new(),
            members: Vec::new(),
            cases: Vec::new(),
        };
        let sets = ValueSets::new(vec![set("P.a"), set("P.b"), set("Q.b"), set("b")]);
        assert_eq!(sets.find("a"), Some(0));
        assert_eq!(sets.find("Q.b"), Some(2));
        assert_eq!(sets.find("b"), Some(3));
        let sets = ValueSets::new(vec![set("P.b"), set("Q.b")]);
        assert_eq!(sets.find("b"), None);
    }
}
