//! Merging one program into another.

use super::Remap;
use crate::{
    BinOp, Bits, Entity, Expr, Header, HeaderTypeId, MetaId, NodeId, NodeKind, Op, ParserState,
    Place, PrimaryMap, Program, StateId, StdMeta,
};
use std::collections::BTreeSet;

/// Where an imported program begins and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its entry.
    pub entry: NodeId,
    /// Its `Emit` nodes, in order: to be given another kind (or left, where its packets leave).
    pub exits: Vec<NodeId>,
}

/// Why a program cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Two header types of one name differ.
    #[error("header type `{0}` is declared differently in the two programs")]
    HeaderTypeDiffers(String),
    /// Two header instances of one name differ in their types.
    #[error("header `{0}` has another type in the other program")]
    HeaderDiffers(String),
    /// Metadata that both parsers use differs in width.
    #[error("metadata `{0}`, which the parser uses, has another width in the other program")]
    ParserMetaDiffers(String),
    /// The parsers are not equal.
    #[error("the parsers differ in state `{0}`; all network functions must share one parser")]
    ParserDiffers(String),
    /// The deparsers are not equal.
    #[error("the deparsers differ; all network functions must share one deparser")]
    DeparserDiffers,
    /// There is already something of this name, so the prefix is not unique.
    #[error("there is already a `{0}`")]
    NameTaken(String),
    /// `drop` is assigned in a way that its number cannot be followed.
    #[error("action or node `{0}` assigns `drop` other than as a whole by an expression")]
    DropAssigned(String),
    /// The other program has no control.
    #[error("the program has no control")]
    NoControl,
    /// There are too many drop reasons or parser errors.
    #[error("too many drop reasons or parser errors")]
    TooMany,
}

/// Merges `other` into `program`.
///
/// Headers, their types and the parser are shared: they must be equal (the first program that is
/// imported into one without a parser brings them along). Metadata that the parser mentions is
/// shared by name, too. Everything else becomes `prefix.name`; nodes are tagged with
/// the prefix as their NF. Drop reasons get new numbers, and the imported code uses them.
///
/// # Errors
///
/// See [`ImportError`]; `program` is then left as it was.
pub fn import(
    program: &mut Program,
    other: &Program,
    prefix: &str,
) -> Result<Imported, ImportError> {
    let mut merged = program.clone();
    let imported = Import {
        into: &mut merged,
        other,
        prefix,
        remap: Remap::default(),
    }
    .run()?;
    *program = merged;
    Ok(imported)
}

struct Import<'a> {
    into: &'a mut Program,
    other: &'a Program,
    prefix: &'a str,
    remap: Remap,
}

impl Import<'_> {
    fn run(mut self) -> Result<Imported, ImportError> {
        let entry = self.other.control.entry.ok_or(ImportError::NoControl)?;
        let first = self.into.parser.states.is_empty() && self.into.deparser.is_empty();
        self.headers()?;
        self.metas()?;
        self.errors()?;
        self.parser(first)?;
        self.deparser(first)?;
        let reasons = self.reasons()?;
        self.number_the_rest();
        self.objects()?;
        self.actions(reasons)?;
        self.tables(reasons)?;
        self.attributes()?;
        let exits = self.nodes(reasons)?;
        Ok(Imported {
            entry: self.remap.nodes[entry.index()],
            exits,
        })
    }

    fn prefixed(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// The prefixed name, if nothing of the kind has it.
    fn fresh<K: Entity, V>(
        &self,
        map: &PrimaryMap<K, V>,
        name: &str,
        of: impl Fn(&V) -> &String,
    ) -> Result<String, ImportError> {
        let name = self.prefixed(name);
        match map.find(|v| *of(v) == name) {
            Some(_) => Err(ImportError::NameTaken(name)),
            None => Ok(name),
        }
    }

    fn headers(&mut self) -> Result<(), ImportError> {
        for header in self.other.headers.values() {
            let ty = self.header_type(header.ty)?;
            let id = match self.into.headers.find(|h| h.name == header.name) {
                Some(id) if self.into.headers[id].ty == ty => id,
                Some(_) => return Err(ImportError::HeaderDiffers(header.name.clone())),
                None => self.into.headers.push(Header {
                    name: header.name.clone(),
                    ty,
                }),
            };
            self.remap.headers.push(id);
        }
        Ok(())
    }

    fn header_type(&mut self, id: HeaderTypeId) -> Result<HeaderTypeId, ImportError> {
        let ty = &self.other.header_types[id];
        match self.into.header_types.find(|t| t.name == ty.name) {
            Some(id) if self.into.header_types[id] == *ty => Ok(id),
            Some(_) => Err(ImportError::HeaderTypeDiffers(ty.name.clone())),
            None => Ok(self.into.header_types.push(ty.clone())),
        }
    }

    fn metas(&mut self) -> Result<(), ImportError> {
        let shared = parser_metas(self.other);
        for (id, meta) in self.other.metas.iter() {
            if id.index() < StdMeta::ALL.len() {
                self.remap.metas.push(id);
                continue;
            }
            let mut meta = meta.clone();
            if shared.contains(&id) {
                match self.into.metas.find(|m| m.name == meta.name) {
                    Some(known) if self.into.metas[known].width == meta.width => {
                        self.remap.metas.push(known);
                        continue;
                    }
                    Some(_) => return Err(ImportError::ParserMetaDiffers(meta.name)),
                    None => {}
                }
            } else {
                meta.name = self.fresh(&self.into.metas, &meta.name, |m| &m.name)?;
            }
            self.remap.metas.push(self.into.metas.push(meta));
        }
        Ok(())
    }

    fn errors(&mut self) -> Result<(), ImportError> {
        for error in &self.other.parser.errors {
            let errors = &mut self.into.parser.errors;
            let code = errors.iter().position(|e| e == error).unwrap_or_else(|| {
                errors.push(error.clone());
                errors.len() - 1
            });
            let code = u8::try_from(code).map_err(|_| ImportError::TooMany)?;
            self.remap.errors.push(code);
        }
        Ok(())
    }

    fn parser(&mut self, first: bool) -> Result<(), ImportError> {
        let differs = |state: &ParserState| ImportError::ParserDiffers(state.name.clone());
        let (own, others) = (&mut self.into.parser, &self.other.parser);
        if first {
            self.remap.states = others.states.keys().collect();
            own.start = others.start;
        } else {
            for state in others.states.values() {
                let known = own.states.find(|s| s.name == state.name);
                self.remap.states.push(known.ok_or_else(|| differs(state))?);
            }
        }
        for (old, state) in others.states.iter() {
            let mut state = state.clone();
            self.remap.state(&mut state);
            let new: StateId = self.remap.states[old.index()];
            match own.states.get(new) {
                None => drop(own.states.push(state)),
                Some(known) if *known == state => {}
                Some(known) => return Err(differs(known)),
            }
        }
        let start = others.start.map(|s| self.remap.states[s.index()]);
        if own.start != start || own.states.len() != others.states.len() {
            return Err(ImportError::ParserDiffers("start".to_owned()));
        }
        Ok(())
    }

    fn deparser(&mut self, first: bool) -> Result<(), ImportError> {
        let others = self.other.deparser.iter();
        let mapped: Vec<_> = others.map(|h| self.remap.headers[h.index()]).collect();
        if first {
            self.into.deparser = mapped;
        } else if self.into.deparser != mapped {
            return Err(ImportError::DeparserDiffers);
        }
        Ok(())
    }

    /// Adds the drop reasons; what must be added to their numbers.
    fn reasons(&mut self) -> Result<u16, ImportError> {
        let offset = self.into.drop_reasons.len();
        for reason in self.other.drop_reasons.values() {
            let reason = self.fresh(&self.into.drop_reasons, reason, |r| r)?;
            self.into.drop_reasons.push(reason);
        }
        if self.into.drop_reasons.len() >= usize::from(u16::MAX) {
            return Err(ImportError::TooMany);
        }
        u16::try_from(offset).map_err(|_| ImportError::TooMany)
    }

    fn number_the_rest(&mut self) {
        fn behind<K: Entity, V>(own: &PrimaryMap<K, V>, others: &PrimaryMap<K, V>) -> Vec<K> {
            let numbers = others.keys().map(|id| own.len() + id.index());
            numbers.map(K::new).collect()
        }
        self.remap.actions = behind(&self.into.actions, &self.other.actions);
        self.remap.tables = behind(&self.into.tables, &self.other.tables);
        self.remap.objects = behind(&self.into.objects, &self.other.objects);
        self.remap.nodes = behind(&self.into.control.nodes, &self.other.control.nodes);
    }

    fn objects(&mut self) -> Result<(), ImportError> {
        for object in self.other.objects.values() {
            let mut object = object.clone();
            object.name = self.fresh(&self.into.objects, &object.name, |o| &o.name)?;
            self.into.objects.push(object);
        }
        Ok(())
    }

    fn actions(&mut self, reasons: u16) -> Result<(), ImportError> {
        for action in self.other.actions.values() {
            let mut action = action.clone();
            action.name = self.fresh(&self.into.actions, &action.name, |a| &a.name)?;
            for op in &mut action.ops {
                shift_op(op, reasons, &action.name)?;
            }
            self.remap.action(&mut action);
            self.into.actions.push(action);
        }
        Ok(())
    }

    fn tables(&mut self, reasons: u16) -> Result<(), ImportError> {
        for table in self.other.tables.values() {
            let mut table = table.clone();
            for expr in table.exprs_mut() {
                shift_reads(expr, reasons);
            }
            table.name = self.fresh(&self.into.tables, &table.name, |t| &t.name)?;
            self.remap.table(&mut table);
            self.into.tables.push(table);
        }
        Ok(())
    }

    fn attributes(&mut self) -> Result<(), ImportError> {
        for attribute in &self.other.attributes {
            let mut attribute = attribute.clone();
            attribute.name = self.prefixed(&attribute.name);
            if self
                .into
                .attributes
                .iter()
                .any(|a| a.name == attribute.name)
            {
                return Err(ImportError::NameTaken(attribute.name));
            }
            attribute.meta = self.remap.metas[attribute.meta.index()];
            self.into.attributes.push(attribute);
        }
        Ok(())
    }

    fn nodes(&mut self, reasons: u16) -> Result<Vec<NodeId>, ImportError> {
        let mut exits = Vec::new();
        for node in self.other.control.nodes.values() {
            let mut node = node.clone();
            node.name = self.fresh(&self.into.control.nodes, &node.name, |n| &n.name)?;
            node.nf = self.prefix.to_owned();
            match &mut node.kind {
                NodeKind::Exec(ops, _) => {
                    for op in ops {
                        shift_op(op, reasons, &node.name)?;
                    }
                }
                NodeKind::Branch(cond, _, _) => shift_reads(cond, reasons),
                _ => {}
            }
            self.remap.node(&mut node);
            let is_exit = node.kind == NodeKind::Emit;
            let id = self.into.control.nodes.push(node);
            if is_exit {
                exits.push(id);
            }
        }
        Ok(exits)
    }
}

/// User metadata that the parser reads or assigns.
fn parser_metas(program: &Program) -> BTreeSet<MetaId> {
    let mut metas = BTreeSet::new();
    for state in program.parser.states.values() {
        let ops = state.ops.iter().flat_map(|op| op.exprs());
        for expr in ops.chain(state.next.exprs()) {
            expr.walk(&mut |e| {
                if let Expr::Meta(meta) = e {
                    metas.insert(*meta);
                }
            });
        }
        for op in &state.ops {
            if let crate::ParserOp::Set(to, _) = op
                && let Place::Meta(meta) = to.place
            {
                metas.insert(meta);
            }
        }
    }
    metas
}

/// Makes an operation use the new numbers of the drop reasons.
fn shift_op(op: &mut Op, by: u16, place: &str) -> Result<(), ImportError> {
    if by == 0 {
        return Ok(());
    }
    let drop = Place::Meta(StdMeta::Drop.id());
    let mut bad = false;
    op.walk_mut(&mut |op| {
        for expr in op.exprs_mut() {
            shift_reads(expr, by);
        }
        match op {
            Op::Set(to, value) if to.place == drop && to.slice.is_none() => {
                shift_written(value, by);
            }
            _ => bad |= op.targets().iter().any(|to| to.place == drop),
        }
    });
    if bad {
        return Err(ImportError::DropAssigned(place.to_owned()));
    }
    Ok(())
}

fn reason(number: u64) -> Expr {
    Expr::num(16, number)
}

/// `expr` plus `by`, unless it is 0.
fn shift_written(expr: &mut Expr, by: u16) {
    if let Expr::Const(number) = expr {
        if !number.is_zero() {
            *number = Bits::new(16, number.low_u64() + u64::from(by));
        }
        return;
    }
    let old = std::mem::replace(expr, Expr::FrameLen);
    let shifted = Expr::binary(BinOp::Add, old.clone(), reason(by.into()));
    let is_zero = old.equals(reason(0));
    *expr = Expr::Mux(Box::new(is_zero), Box::new(reason(0)), Box::new(shifted));
}

/// Reads of `drop` see the old numbers; comparisons with 0 need no change.
fn shift_reads(expr: &mut Expr, by: u16) {
    if by == 0 {
        return;
    }
    match expr {
        Expr::Binary(BinOp::Eq | BinOp::Ne, a, b) if is_drop(a) && is_zero(b) => {}
        Expr::Meta(meta) if *meta == StdMeta::Drop.id() => {
            let drop = StdMeta::Drop.get();
            let old = Expr::binary(BinOp::Sub, drop.clone(), reason(by.into()));
            let zero = drop.equals(reason(0));
            *expr = Expr::Mux(Box::new(zero), Box::new(reason(0)), Box::new(old));
        }
        _ => {
            for child in expr.children_mut() {
                shift_reads(child, by);
            }
        }
    }
}

fn is_drop(expr: &Expr) -> bool {
    *expr == StdMeta::Drop.get()
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Const(bits) if bits.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;

    fn example() -> Program {
        include_str!("../text/example.tri").parse().unwrap()
    }

    /// Two copies, one behind the other.
    fn twice() -> Program {
        let mut program = Program::new("twice");
        let first = import(&mut program, &example(), "a").unwrap();
        let second = import(&mut program, &example(), "b").unwrap();
        program.control.entry = Some(first.entry);
        for exit in first.exits {
            program.control.nodes[exit].kind = NodeKind::Exec(vec![], second.entry);
        }
        program
    }

    #[test]
    fn two_copies_share_headers_and_nothing_else() {
        let (one, two) = (example(), twice());
        verify(&two).unwrap();
        assert_eq!(two.headers, one.headers);
        assert_eq!(two.parser, one.parser);
        assert_eq!(two.deparser, one.deparser);
        assert_eq!(two.tables.len(), 2 * one.tables.len());
        assert_eq!(two.objects.len(), 2 * one.objects.len());
        assert_eq!(two.attributes.len(), 2 * one.attributes.len());
        // `$x` is assigned by the parser, so it is the parser's.
        assert!(two.meta_named("x").is_some() && two.meta_named("b.x").is_none());
        assert!(two.meta_named("a.wide").is_some() && two.meta_named("b.wide").is_some());
        let node = two.control.nodes.find(|n| n.name == "b.look").unwrap();
        assert_eq!(two.control.nodes[node].nf, "b");
    }

    #[test]
    fn drop_reasons_are_renumbered() {
        let two = twice();
        let reasons: Vec<_> = two.drop_reasons.values().cloned().collect();
        assert_eq!(reasons, ["a.unwanted \"quoted\"", "b.unwanted \"quoted\""]);
        let text = two.to_string();
        assert_eq!(text.matches("$drop = 16w0x1\n").count(), 1, "{text}");
        assert_eq!(text.matches("$drop = 16w0x2\n").count(), 1, "{text}");
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_changed() {
        let check = |want: ImportError, change: fn(&mut Program)| {
            let mut program = Program::new("p");
            import(&mut program, &example(), "a").unwrap();
            let before = program.clone();
            let mut other = example();
            change(&mut other);
            assert_eq!(import(&mut program, &other, "b"), Err(want));
            assert_eq!(program, before);
        };
        check(ImportError::HeaderTypeDiffers("h_t".into()), |p| {
            p.header_types[HeaderTypeId(0)].fields[0].name = "other".into();
        });
        check(ImportError::ParserDiffers("second".into()), |p| {
            drop(p.parser.states[StateId(1)].ops.pop());
        });
        check(ImportError::DeparserDiffers, |p| p.deparser.swap(1, 2));
        check(ImportError::NoControl, |p| p.control.entry = None);
        let mut program = Program::new("p");
        import(&mut program, &example(), "a").unwrap();
        let again = import(&mut program, &example(), "a");
        assert_eq!(again, Err(ImportError::NameTaken("a.fw.verdict".into())));
    }
}
