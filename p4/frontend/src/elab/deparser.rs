//! Deparsers: from `emit` at any place to the IR's list of headers.
//!
//! The IR emits a list of headers in order, when they are valid. A header that is emitted once, on every way,
//! and not written afterwards is in that list itself. Otherwise a copy is: it is invalid until the step that
//! emits it copies the header.

use std::collections::BTreeSet;

use trisect_ir::{Header, HeaderId, Op};

use super::Elab;
use super::step::{Step, Then, any_step, writes};

impl Elab<'_> {
    /// Replaces `emit`s by copies, or by nothing, and lists what is emitted.
    pub(super) fn deparse(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut emitted = BTreeSet::new();
        // The actions of a table may write any header.
        let certain = !writes(&steps).all;
        self.deparse_steps(steps, certain, &mut emitted, &BTreeSet::new())
    }

    fn deparse_steps(
        &mut self,
        steps: Vec<Step>,
        certain: bool,
        emitted: &mut BTreeSet<HeaderId>,
        later: &BTreeSet<HeaderId>,
    ) -> Vec<Step> {
        // What is written behind each step.
        let mut behind = vec![later.clone()];
        for step in steps.iter().rev() {
            let mut written = behind.last().cloned().unwrap_or_default();
            written.extend(writes(std::slice::from_ref(step)).touched_headers());
            behind.push(written);
        }
        behind.reverse();
        let mut out = Vec::with_capacity(steps.len());
        for (step, later) in steps.into_iter().zip(behind.iter().skip(1)) {
            out.push(match step {
                Step::Emit(header) => {
                    if emitted.insert(header) && certain && !later.contains(&header) {
                        self.ir.deparser.push(header);
                        continue;
                    }
                    let copy = self.emitted_copy(header);
                    Step::Ops {
                        name: None,
                        ops: vec![Op::Copy {
                            dst: copy,
                            src: header,
                        }],
                    }
                }
                Step::If(cond, a, b) => Step::If(
                    cond,
                    self.deparse_steps(a, false, emitted, later),
                    self.deparse_steps(b, false, emitted, later),
                ),
                Step::Apply { table, name, then } => {
                    let mut inner =
                        |e: &mut Self, steps| e.deparse_steps(steps, false, emitted, later);
                    let then = match then {
                        Then::Nothing => Then::Nothing,
                        Then::HitMiss(a, b) => Then::HitMiss(inner(self, a), inner(self, b)),
                        Then::Action(cases, other) => {
                            let cases = cases
                                .into_iter()
                                .map(|(actions, steps)| (actions, inner(self, steps)))
                                .collect();
                            Then::Action(cases, inner(self, other))
                        }
                    };
                    Step::Apply { table, name, then }
                }
                Step::Scope {
                    label,
                    steps,
                    ending,
                    catches_exit,
                } => {
                    let left = any_step(&steps, &mut |step| {
                        matches!(step, Step::Leave(_) | Step::Exit)
                    });
                    let mut inner_later = later.clone();
                    inner_later.extend(writes(&ending).touched_headers());
                    Step::Scope {
                        label,
                        steps: self.deparse_steps(steps, certain && !left, emitted, &inner_later),
                        ending: self.deparse_steps(ending, certain && !left, emitted, later),
                        catches_exit,
                    }
                }
                other => other,
            });
        }
        out
    }

    /// A header that is emitted in place of another, if that was copied to it.
    fn emitted_copy(&mut self, header: HeaderId) -> HeaderId {
        let Header { name, ty } = self.ir.headers[header].clone();
        let name = self.unique("header", &format!("{name}.emitted"));
        let copy = self.ir.headers.push(Header { name, ty });
        self.ir.deparser.push(copy);
        copy
    }
}
