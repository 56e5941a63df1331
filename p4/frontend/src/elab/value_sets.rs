//! Value sets: cases of a `select` that a control plane fills.
//!
//! While the parser is elaborated, such a case is a placeholder, so that its target is one of the state's. At the
//! end the placeholders are taken out, and where they stood is what [`ValueSets`] knows.

use trisect_ir::value_set::CasePlace;
use trisect_ir::{Bits, KeySet, MatchKind, StateId, Transition, ValueSet, ValueSetKey, ValueSets};

use super::instance::control_name;
use super::{Elab, MAX_DEPTH, R, error, unsupported};
use crate::ast::{self, AnnotationBody, AnnotationTokenKind};
use crate::typed::{self, Annotations, Type, ValueSetId};
use crate::{Span, codes};

/// No key has a prefix of this length: what a placeholder is known by.
const NO_LENGTH: u32 = u32::MAX;

/// What a placeholder stands for.
pub(super) struct Placeholder {
    /// The number of the value set.
    set: usize,
    /// As of [`CasePlace::skipped`].
    skipped: usize,
}

/// The value sets of a program, in elaboration.
#[derive(Default)]
pub(super) struct Pending {
    sets: Vec<ValueSet>,
    placeholders: Vec<Placeholder>,
}

impl Pending {
    /// The placeholder that the sets of a case are.
    fn placeholder(&self, sets: &[KeySet]) -> Option<&Placeholder> {
        match sets {
            [KeySet::Prefix(number, NO_LENGTH)] => self.placeholders.get(number.low_u64() as usize),
            _ => None,
        }
    }
}

impl Elab<'_> {
    /// The sets of a case that is a value set, whose members have `parts` scalars, behind `skipped` other keys.
    pub(super) fn value_set_case(
        &mut self,
        id: ValueSetId,
        parts: usize,
        skipped: usize,
    ) -> R<Vec<KeySet>> {
        let set = self.value_set(id, parts)?;
        let placeholders = &mut self.value_sets.placeholders;
        placeholders.push(Placeholder { set, skipped });
        let number = Bits::new(32, placeholders.len() - 1);
        Ok(vec![KeySet::Prefix(number, NO_LENGTH)])
    }

    /// The number of a value set of the block in work.
    fn value_set(&mut self, id: ValueSetId, parts: usize) -> R<usize> {
        let source = &self.tree.value_sets[id];
        let prefix = &self.frame.names.prefix;
        let name = control_name(prefix, &source.name, &source.annotations);
        // The same set may stand in several cases, and in several copies of its parser.
        if let Some(known) = self.value_sets.sets.iter().position(|set| set.name == name) {
            return Ok(known);
        }
        let size = u32::try_from(&source.size).map_err(|_| {
            let message = format!("a value set cannot hold {} members", source.size);
            error(codes::WIDTH, source.span, message)
        })?;
        let ty = self.ty(&source.ty);
        let kind = match_kind(&source.annotations, source.span)?;
        let mut keys = Vec::new();
        self.value_set_keys(&ty, kind, &mut keys, source.span, 0)?;
        for key in &mut keys {
            if key.name.is_empty() {
                key.name.clone_from(&source.name);
            }
        }
        if keys.len() != parts {
            return Err(unsupported(source.span, "a value set of such members"));
        }
        self.value_sets.sets.push(ValueSet {
            name,
            size,
            keys,
            members: Vec::new(),
            cases: Vec::new(),
        });
        Ok(self.value_sets.sets.len() - 1)
    }

    /// What a member of a type consists of.
    fn value_set_keys(
        &self,
        ty: &Type,
        kind: MatchKind,
        out: &mut Vec<ValueSetKey>,
        span: Span,
        depth: usize,
    ) -> R<()> {
        if depth > MAX_DEPTH {
            return Err(unsupported(span, "a value set of such members"));
        }
        let tree = self.tree;
        let part = |name: &str, ty: &Type, kind, out: &mut Vec<ValueSetKey>| -> R<()> {
            let first = out.len();
            self.value_set_keys(ty, kind, out, span, depth + 1)?;
            for key in out.iter_mut().skip(first) {
                key.name = match key.name.is_empty() {
                    true => name.to_owned(),
                    false => format!("{name}.{}", key.name),
                };
            }
            Ok(())
        };
        match tree.base(ty) {
            Type::Struct(id, args) => {
                let fields = &tree.structs[*id].fields;
                for (field, ty) in fields.iter().zip(tree.field_types(*id, args)) {
                    let kind = match_kind(&field.annotations, span)?;
                    part(&field.name, &ty, kind, out)?;
                }
            }
            Type::Tuple(parts) => {
                for (at, ty) in parts.iter().enumerate() {
                    part(&at.to_string(), ty, kind, out)?;
                }
            }
            scalar => match self.width_of(scalar, span)? {
                // It has no scalar.
                0 => {}
                width => out.push(ValueSetKey {
                    name: String::new(),
                    width,
                    kind,
                }),
            },
        }
        Ok(())
    }

    /// Takes the placeholders out.
    pub(super) fn place_value_sets(&mut self) -> ValueSets {
        let pending = std::mem::take(&mut self.value_sets);
        let mut places: Vec<Vec<CasePlace>> = vec![Vec::new(); pending.sets.len()];
        for (at, state) in self.ir.parser.states.values_mut().enumerate() {
            let Transition::Select(_, cases) = &mut state.next else {
                continue;
            };
            let (mut behind, mut order) = (0, 0);
            cases.retain(|case| {
                let Some(found) = pending.placeholder(&case.sets) else {
                    behind += 1;
                    return true;
                };
                places[found.set].push(CasePlace {
                    state: StateId(at as u32),
                    behind,
                    order,
                    skipped: found.skipped,
                    target: case.target,
                });
                order += 1;
                false
            });
        }
        let mut sets = pending.sets;
        for (set, cases) in sets.iter_mut().zip(places) {
            set.cases = cases;
        }
        ValueSets::new(sets)
    }
}

/// What `@match(kind)` says; exact where it is not there.
fn match_kind(annotations: &Annotations, span: Span) -> R<MatchKind> {
    let Some(annotation) = ast::find_annotation(annotations, "match") else {
        return Ok(MatchKind::Exact);
    };
    let word = match &annotation.body {
        AnnotationBody::Unstructured(tokens) => match tokens.as_slice() {
            [token] => match &token.kind {
                AnnotationTokenKind::Text(word) | AnnotationTokenKind::Str(word) => word.as_str(),
                AnnotationTokenKind::Int(_) => "",
            },
            _ => "",
        },
        _ => "",
    };
    Ok(match word {
        "exact" => MatchKind::Exact,
        "lpm" => MatchKind::Lpm,
        "ternary" => MatchKind::Ternary,
        "range" => MatchKind::Range,
        "optional" => MatchKind::Optional,
        _ => {
            return Err(unsupported(
                annotation.span.to(span),
                "this match kind of a value set",
            ));
        }
    })
}

/// Whether a case is a value set.
pub(super) fn is_value_set(case: &typed::SelectCase) -> bool {
    matches!(case.sets.as_slice(), [typed::KeySet::ValueSet(_)])
}
