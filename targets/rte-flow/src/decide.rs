//! Conditions as ordered lists of patterns.
//!
//! A group of rules is a decision list: the first rule that matches decides. A [`List`] is such a
//! list before headers are laid out: each [`Choice`] has a [`Cube`] (masked values of fields, and
//! headers that must be there), a rank (smaller is looked at first; of one rank, no packet matches
//! two with different outcomes), and an outcome. The last choice matches everything.

use crate::refuse::Why;
use crate::shape::Facts;
use crate::symbolic::{Piece, pieces};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{BinOp, Bits, Expr, FieldRef, KeySet, MetaId, Program, UnOp};

/// Masked values of fields, and what is known of headers where the cube is looked at: `yes` must be
/// seen by the pattern, `no` is so because of the choices before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cube {
    /// Headers.
    pub facts: Facts,
    /// Value and mask by field.
    pub fields: BTreeMap<FieldRef, (Bits, Bits)>,
}

impl Cube {
    /// Whether it matches everything that reaches it.
    pub fn is_universal(&self) -> bool {
        self.facts.yes == 0 && self.fields.is_empty()
    }

    /// Adds a condition on some bits of a field; `None` if it contradicts.
    pub fn require(mut self, field: FieldRef, value: &Bits, mask: &Bits) -> Option<Self> {
        if mask.is_zero() {
            return Some(self);
        }
        let want = Bits::new(mask.width(), value.value() & mask.value());
        match self.fields.get_mut(&field) {
            None => {
                self.fields.insert(field, (want, mask.clone()));
            }
            Some((old, old_mask)) => {
                let both = Bits::new(mask.width(), old_mask.value() & mask.value());
                if !want.matches(old, &both) {
                    return None;
                }
                *old = Bits::new(mask.width(), old.value() | want.value());
                *old_mask = Bits::new(mask.width(), old_mask.value() | mask.value());
            }
        }
        Some(self)
    }

    /// Both at once; `None` if no packet can match both.
    pub fn and(&self, other: &Cube) -> Option<Self> {
        let mut out = self.clone();
        out.facts = out.facts.and(other.facts);
        for (field, (value, mask)) in &other.fields {
            out = out.require(*field, value, mask)?;
        }
        Some(out)
    }

    fn overlaps(&self, other: &Cube) -> bool {
        self.fields.iter().all(|(field, (value, mask))| {
            other.fields.get(field).is_none_or(|(value2, mask2)| {
                let both = Bits::new(mask.width(), mask.value() & mask2.value());
                value.matches(value2, &both)
            })
        })
    }
}

/// One line of a list.
#[derive(Clone, Debug)]
pub struct Choice<T> {
    /// When.
    pub cube: Cube,
    /// In which order.
    pub rank: u32,
    /// What.
    pub out: T,
}

/// An ordered list of choices, sorted by rank; the last is universal.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<Choice<T>>);

impl<T: Clone> List<T> {
    /// Always this.
    pub fn always(out: T) -> Self {
        Self(vec![Choice {
            cube: Cube::default(),
            rank: 0,
            out,
        }])
    }

    fn next_rank(&self) -> u32 {
        self.0.last().map_or(0, |c| c.rank + 1)
    }

    /// Replaces every outcome by a list, and looks at it where the outcome was.
    pub fn then<U: Clone>(
        self,
        mut f: impl FnMut(T) -> Result<List<U>, Why>,
    ) -> Result<List<U>, Why> {
        let mut out = Vec::new();
        let mut start = 0;
        let mut width = 0;
        let mut rank = None;
        for choice in self.0 {
            if rank != Some(choice.rank) {
                start += width;
                width = 0;
                rank = Some(choice.rank);
            }
            let inner = f(choice.out)?;
            width = width.max(inner.next_rank());
            for sub in inner.0 {
                if let Some(cube) = choice.cube.and(&sub.cube) {
                    out.push(Choice {
                        cube,
                        rank: start + sub.rank,
                        out: sub.out,
                    });
                }
            }
        }
        out.sort_by_key(|c| c.rank);
        Ok(List(out))
    }

    /// What applies if some headers are valid (`yes` of the facts), then what applies if they are
    /// not.
    pub fn split(header: u64, valid: Self, invalid: Self) -> Self {
        let offset = valid.next_rank();
        let mut out = valid.0;
        for choice in &mut out {
            choice.cube.facts.yes |= header;
        }
        out.extend(invalid.0.into_iter().map(|mut choice| {
            choice.rank += offset;
            choice.cube.facts.no |= header;
            choice
        }));
        List(out)
    }
}

impl<T: Clone + PartialEq> List<T> {
    /// Without what cannot be reached or makes no difference, and with dense ranks.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        if let Some(end) = self.0.iter().position(|c| c.cube.is_universal()) {
            self.0.truncate(end + 1);
        }
        if let Some(last) = self.0.pop() {
            while self.0.last().is_some_and(|c| c.out == last.out) {
                self.0.pop();
            }
            self.0.push(last);
        }
        let mut dense = 0;
        let mut previous = None;
        for choice in &mut self.0 {
            if previous.is_some_and(|p| p != choice.rank) {
                dense += 1;
            }
            previous = Some(choice.rank);
            choice.rank = dense;
        }
        self
    }
}

/// Builds a list from entries in order of precedence: `(patterns, outcome)`, with what applies if
/// none matches.
pub fn ordered<T: Clone>(entries: Vec<(Vec<Cube>, T)>, otherwise: T) -> List<T> {
    let mut levels: Vec<u32> = Vec::with_capacity(entries.len());
    for (i, (cubes, _)) in entries.iter().enumerate() {
        let level = entries[..i]
            .iter()
            .zip(&levels)
            .filter(|((before, _), _)| cubes.iter().any(|c| before.iter().any(|b| b.overlaps(c))))
            .map(|(_, level)| level + 1)
            .max();
        levels.push(level.unwrap_or(0));
    }
    from_levels(entries, &levels, otherwise)
}

/// The same with the ranks given.
pub fn from_levels<T: Clone>(
    entries: Vec<(Vec<Cube>, T)>,
    levels: &[u32],
    otherwise: T,
) -> List<T> {
    let last = levels.iter().max().map_or(0, |l| l + 1);
    let mut out: Vec<Choice<T>> = entries
        .into_iter()
        .zip(levels)
        .flat_map(|((cubes, outcome), rank)| {
            cubes.into_iter().map(move |cube| Choice {
                cube,
                rank: *rank,
                out: outcome.clone(),
            })
        })
        .collect();
    out.sort_by_key(|c| c.rank);
    out.push(Choice {
        cube: Cube::default(),
        rank: last,
        out: otherwise,
    });
    List(out)
}

/// What conditions are made over.
#[derive(Clone, Copy)]
pub struct Matcher<'a> {
    /// The program.
    pub program: &'a Program,
    /// Metadata that counts as known, though its value is not: while a node is judged alone.
    pub free: &'a BTreeSet<MetaId>,
}

/// A condition (simplified, width 1, all headers decided) as a list.
///
/// # Errors
/// What of it rte_flow cannot match.
pub fn condition(m: Matcher<'_>, expr: &Expr) -> Result<List<bool>, Why> {
    let width = |e: &Expr| m.program.width(e, &[]);
    match expr {
        Expr::Const(bits) => Ok(List::always(!bits.is_zero())),
        Expr::Unary(UnOp::Not, a) => condition(m, a)?.then(|v| Ok(List::always(!v))),
        Expr::Binary(BinOp::And, a, b) => condition(m, a)?.then(|v| match v {
            true => condition(m, b),
            false => Ok(List::always(false)),
        }),
        Expr::Binary(BinOp::Or, a, b) => condition(m, a)?.then(|v| match v {
            true => Ok(List::always(true)),
            false => condition(m, b),
        }),
        Expr::Mux(c, a, b) => condition(m, c)?.then(|v| condition(m, if v { a } else { b })),
        Expr::Binary(BinOp::Ne, a, b) => {
            let equal = Expr::Binary(BinOp::Eq, a.clone(), b.clone());
            condition(m, &equal)?.then(|v| Ok(List::always(!v)))
        }
        Expr::Binary(BinOp::Eq, a, b) if width(a) == 1 && !is_const(a) && !is_const(b) => {
            condition(m, a)?.then(|v| match v {
                true => condition(m, b),
                false => condition(m, &b.as_ref().clone().not()),
            })
        }
        Expr::Binary(op, a, b) if op.is_comparison() => match (&**a, &**b) {
            (_, Expr::Const(c)) => compare(m, *op, a, c),
            (Expr::Const(c), _) => compare(m, mirrored(*op), b, c),
            _ => Err(Why::TwoValues(expr.clone())),
        },
        _ if width(expr) == 1 => member(m, expr, &KeySet::Exact(Bits::bool(true))),
        _ => Err(Why::NotMatchable(expr.clone())),
    }
    .map(List::trimmed)
}

fn is_const(expr: &Expr) -> bool {
    matches!(expr, Expr::Const(_))
}

fn mirrored(op: BinOp) -> BinOp {
    match op {
        BinOp::Lt => BinOp::Gt,
        BinOp::Le => BinOp::Ge,
        BinOp::Gt => BinOp::Lt,
        BinOp::Ge => BinOp::Le,
        BinOp::SLt => BinOp::SGt,
        BinOp::SLe => BinOp::SGe,
        BinOp::SGt => BinOp::SLt,
        BinOp::SGe => BinOp::SLe,
        other => other,
    }
}

/// `expr op c` as membership in a range.
fn compare(m: Matcher<'_>, op: BinOp, expr: &Expr, c: &Bits) -> Result<List<bool>, Why> {
    let width = c.width();
    let (zero, top) = (Bits::zero(width), Bits::ones(width));
    let below = || Bits::new(width, c.value() - 1u32);
    let set = match op {
        BinOp::Eq => KeySet::Exact(c.clone()),
        BinOp::Lt if *c == zero => return Ok(List::always(false)),
        BinOp::Lt => KeySet::Range(zero, below()),
        BinOp::Le => KeySet::Range(zero, c.clone()),
        BinOp::Gt if *c == top => return Ok(List::always(false)),
        BinOp::Gt => KeySet::Range(Bits::new(width, c.value() + 1u32), top),
        BinOp::Ge => KeySet::Range(c.clone(), top),
        _ => {
            let c = Expr::Const(c.clone());
            return Err(Why::NotMatchable(Expr::binary(op, expr.clone(), c)));
        }
    };
    member(m, expr, &set)
}

fn member(m: Matcher<'_>, expr: &Expr, set: &KeySet) -> Result<List<bool>, Why> {
    let cubes = cubes(m, &Cube::default(), expr, set)?;
    Ok(ordered(vec![(cubes, true)], false))
}

/// The patterns for "`expr` is in `set`", each together with `base`. They do not overlap.
///
/// # Errors
/// If the expression is more than bits of fields, metadata that is known and constants.
pub fn cubes(m: Matcher<'_>, base: &Cube, expr: &Expr, set: &KeySet) -> Result<Vec<Cube>, Why> {
    let width = m.program.width(expr, &[]);
    let masked: Vec<(Bits, Bits)> = match set {
        KeySet::Any => return Ok(vec![base.clone()]),
        KeySet::Exact(value) => vec![(value.clone(), Bits::ones(width))],
        KeySet::Prefix(value, len) => vec![(value.clone(), Bits::prefix_mask(width, *len))],
        KeySet::Mask(value, mask) => vec![(value.clone(), mask.clone())],
        KeySet::Range(lo, hi) => prefixes(lo, hi),
    };
    if let Expr::Const(value) = expr {
        let inside = masked.iter().any(|(want, mask)| value.matches(want, mask));
        return Ok(if inside { vec![base.clone()] } else { vec![] });
    }
    if let Expr::Binary(BinOp::And, a, b) = expr {
        let (a, care) = match (&**a, &**b) {
            (Expr::Const(care), other) | (other, Expr::Const(care)) => (other, care),
            _ => return Err(Why::NotMatchable(expr.clone())),
        };
        return masked_cubes(m, base, a, care, &masked);
    }
    masked_cubes(m, base, expr, &Bits::ones(width), &masked)
}

/// Patterns for "`expr & care` matches one of the masked values".
fn masked_cubes(
    m: Matcher<'_>,
    base: &Cube,
    expr: &Expr,
    care: &Bits,
    masked: &[(Bits, Bits)],
) -> Result<Vec<Cube>, Why> {
    let row = pieces(m.program, expr);
    for piece in &row {
        match piece {
            Piece::Other(Expr::Meta(meta), ..) if m.free.contains(meta) => {}
            Piece::Other(Expr::Meta(meta), ..) => return Err(Why::UnknownMeta(*meta)),
            Piece::Other(other, ..) => return Err(Why::NotMatchable(other.clone())),
            Piece::Const(_) | Piece::Field(..) => {}
        }
    }
    let mut out = Vec::new();
    for (value, mask) in masked {
        // Bits that the expression masks off are 0.
        let outside = Bits::new(
            mask.width(),
            mask.value() & (Bits::ones(care.width()).value() ^ care.value()),
        );
        if !Bits::zero(mask.width()).matches(value, &outside) {
            continue;
        }
        let mask = Bits::new(mask.width(), mask.value() & care.value());
        out.extend(require_row(m.program, base, &row, value, &mask));
    }
    Ok(out)
}

fn require_row(
    program: &Program,
    base: &Cube,
    row: &[Piece],
    value: &Bits,
    mask: &Bits,
) -> Option<Cube> {
    let mut cube = base.clone();
    let mut top = mask.width();
    for piece in row {
        let low = top - piece.width();
        let (value, mask) = (value.slice(top - 1, low), mask.slice(top - 1, low));
        top = low;
        match piece {
            Piece::Const(bits) if !bits.matches(&value, &mask) => return None,
            Piece::Const(_) | Piece::Other(..) => {}
            Piece::Field(field, hi, lo) => {
                let width = program.field_width(*field);
                let zero = Bits::zero(width);
                let value = zero.with_slice(*hi, *lo, &value);
                let mask = zero.with_slice(*hi, *lo, &mask);
                cube = cube.require(*field, &value, &mask)?;
            }
        }
    }
    Some(cube)
}

/// The fewest prefixes (value, mask) that cover `lo..=hi` and nothing else; none if `lo > hi`.
pub fn prefixes(lo: &Bits, hi: &Bits) -> Vec<(Bits, Bits)> {
    let width = lo.width();
    let mut out = Vec::new();
    let mut at = lo.clone();
    while at.value() <= hi.value() {
        let room = (hi.value() - at.value()) + 1u32;
        let aligned = at.value().trailing_zeros().unwrap_or(u64::from(width));
        let free = aligned.min(room.bits() - 1).min(u64::from(width)) as u32;
        out.push((at.clone(), Bits::prefix_mask(width, width - free)));
        let step = Bits::new(width + 1, 1u32).value() << free;
        let next = at.value() + step;
        if next.bits() > u64::from(width) {
            break;
        }
        at = Bits::new(width, next);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_exactly_the_range() {
        for lo in 0..16u32 {
            for hi in 0..16u32 {
                let cover = prefixes(&Bits::new(4, lo), &Bits::new(4, hi));
                assert!(cover.len() <= 6, "at most 2 * width - 2");
                for v in 0..16u32 {
                    let hits = cover
                        .iter()
                        .filter(|(want, mask)| Bits::new(4, v).matches(want, mask))
                        .count();
                    assert_eq!(hits, usize::from(lo <= v && v <= hi), "{v} in {lo}..={hi}");
                }
            }
        }
        let all = prefixes(&Bits::zero(128), &Bits::ones(128));
        assert_eq!(all, [(Bits::zero(128), Bits::zero(128))]);
    }
}
