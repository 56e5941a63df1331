//! Sets of byte strings to search for.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

/// A pattern set (Aho and Corasick, 1975): every byte of the input is looked at once, however many
/// patterns there are.
#[derive(Clone, Debug)]
pub struct PatternSet {
    automaton: Option<AhoCorasick>,
}

/// The pattern set is too large for its automaton.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the pattern set is too large: {0}")]
pub struct PatternSetError(#[from] aho_corasick::BuildError);

/// Above this many bytes of patterns the automaton keeps its transitions sparse.
const DENSE_LIMIT: usize = 64 * 1024;

impl PatternSet {
    /// Builds the automaton.
    pub fn new(patterns: &[Vec<u8>]) -> Result<Self, PatternSetError> {
        if patterns.is_empty() {
            return Ok(Self { automaton: None });
        }
        let total: usize = patterns.iter().map(Vec::len).sum();
        let kind = if total <= DENSE_LIMIT {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(patterns)?;
        Ok(Self {
            automaton: Some(automaton),
        })
    }
    /// 0 for none, or the lowest index of a pattern that occurs, plus one (modulo 2^16).
    pub fn search(&self, data: &[u8]) -> u16 {
        let Some(automaton) = &self.automaton else {
            return 0;
        };
        let mut best: Option<usize> = None;
        let mut state = aho_corasick::automaton::OverlappingState::start();
        loop {
            automaton.find_overlapping(Input::new(data), &mut state);
            let Some(found) = state.get_match() else {
                break;
            };
            let index = found.pattern().as_usize();
            if index == 0 {
                return 1;
            }
            best = Some(best.map_or(index, |b| b.min(index)));
        }
        best.map_or(0, |b| (b + 1) as u16)
    }
}

/// The reference: every pattern at every offset.
pub fn search_naive(patterns: &[Vec<u8>], data: &[u8]) -> u16 {
    patterns
        .iter()
        .position(|p| data.windows(p.len()).any(|w| w == p))
        .map_or(0, |i| (i + 1) as u16)
}
