//! Classes, edge conditions and the attributes that they compare, as expressions.

use super::Sources;
use crate::error::PlanError;
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{BinOp, Expr, LValue, MetaId, Op, Program, StdMeta};
use trisect_policy::filter::ast::Relation;
use trisect_policy::nf::AttributeMethod;
use trisect_policy::policy::{AttributeTest, AttributeValue, Condition};

/// Whether a packet came in on one of these ports; `None` if there are none.
pub(super) fn came_in_on(ports: &BTreeSet<u16>) -> Option<Expr> {
    ports
        .iter()
        .map(|port| {
            StdMeta::IngressPort
                .get()
                .equals(Expr::num(16, u64::from(*port)))
        })
        .reduce(Expr::or)
}

/// Where the attributes that the policy compares are found.
pub(super) struct Attributes {
    /// By NF name and attribute.
    places: BTreeMap<(String, String), MetaId>,
    /// Names of values.
    values: BTreeMap<(String, String, String), u64>,
    /// By instance: what puts its attributes there.
    exports: BTreeMap<usize, Vec<Op>>,
    /// Instances whose output port is an attribute.
    by_port: BTreeSet<usize>,
}

impl Attributes {
    /// Finds a place for every attribute that some condition compares.
    pub fn declare(program: &mut Program, sources: &Sources<'_>) -> Result<Self, PlanError> {
        let mut found = Self {
            places: BTreeMap::new(),
            values: BTreeMap::new(),
            exports: BTreeMap::new(),
            by_port: BTreeSet::new(),
        };
        let tests = sources
            .graph
            .pipelines
            .iter()
            .flat_map(|p| &p.edges)
            .filter_map(|e| e.condition.as_ref())
            .flat_map(Condition::attributes);
        for test in tests {
            found.place(program, sources, test)?;
        }
        Ok(found)
    }
    fn place(
        &mut self,
        program: &mut Program,
        sources: &Sources<'_>,
        test: &AttributeTest,
    ) -> Result<(), PlanError> {
        let (nf, attribute) = (&test.nf.value, &test.attribute.value);
        let key = (nf.clone(), attribute.clone());
        if self.places.contains_key(&key) {
            return Ok(());
        }
        let missing = || PlanError::NoAttribute {
            nf: nf.clone(),
            attribute: attribute.clone(),
        };
        let at = sources
            .graph
            .nfs
            .iter()
            .position(|n| n.name == *nf)
            .ok_or_else(missing)?;
        let description = sources
            .library
            .get(&sources.graph.nfs[at].function)
            .and_then(|d| d.attribute(attribute))
            .ok_or_else(missing)?;
        for (name, value) in &description.values {
            self.values
                .insert((nf.clone(), attribute.clone(), name.clone()), *value);
        }
        let instances = &sources.instances.of_nf[at];
        let place = match description.method {
            AttributeMethod::Port => {
                let place = program.add_meta(format!("{nf}.{attribute}"), 16);
                for instance in instances {
                    self.export(*instance, place, StdMeta::EgressPort.id());
                    self.by_port.insert(*instance);
                }
                place
            }
            AttributeMethod::Metadata => {
                let metas: Vec<MetaId> = instances
                    .iter()
                    .map(|i| {
                        let name = format!("{}.{attribute}", sources.instances.instances[*i].name);
                        let declared = program.attributes.iter().find(|a| a.name == name);
                        declared.map(|a| a.meta).ok_or_else(missing)
                    })
                    .collect::<Result<_, _>>()?;
                match metas[..] {
                    [only] => only,
                    // Which instance a packet met is known at its end only.
                    _ => {
                        let width = metas.first().map_or(1, |m| program.metas[*m].width);
                        let place = program.add_meta(format!("{nf}.{attribute}"), width);
                        for (instance, meta) in instances.iter().zip(metas) {
                            self.export(*instance, place, meta);
                        }
                        place
                    }
                }
            }
        };
        self.places.insert(key, place);
        Ok(())
    }
    fn export(&mut self, instance: usize, to: MetaId, from: MetaId) {
        self.exports
            .entry(instance)
            .or_default()
            .push(Op::Set(LValue::meta(to), Expr::Meta(from)));
    }
    /// What an instance's end has to do so that its attributes can be compared later.
    pub fn exports(&self, instance: usize) -> Vec<Op> {
        self.exports.get(&instance).cloned().unwrap_or_default()
    }
    /// What an instance's beginning has to do: if its output port counts, an earlier NF's must not
    /// shine through.
    pub fn reset(&self, instance: usize) -> Option<Op> {
        self.by_port
            .contains(&instance)
            .then(|| Op::Set(LValue::meta(StdMeta::EgressPort.id()), Expr::num(16, 0)))
    }
    /// A condition as an expression.
    pub fn condition(&self, program: &Program, condition: &Condition) -> Result<Expr, PlanError> {
        Ok(match condition {
            Condition::Packet(filter) => filter.lower(program).expr,
            Condition::Attribute(test) => self.test(program, test)?,
            Condition::And(a, b) => self.condition(program, a)?.and(self.condition(program, b)?),
            Condition::Or(a, b) => self.condition(program, a)?.or(self.condition(program, b)?),
            Condition::Not(inner) => self.condition(program, inner)?.not(),
        })
    }
    fn test(&self, program: &Program, test: &AttributeTest) -> Result<Expr, PlanError> {
        let (nf, attribute) = (test.nf.value.clone(), test.attribute.value.clone());
        let missing = PlanError::NoAttribute {
            nf: nf.clone(),
            attribute: attribute.clone(),
        };
        let Some(place) = self.places.get(&(nf.clone(), attribute.clone())) else {
            return Err(missing);
        };
        let value = match &test.value.value {
            AttributeValue::Number(number) => Some(*number),
            AttributeValue::Name(name) => self.values.get(&(nf, attribute, name.clone())).copied(),
        };
        let op = match test.relation {
            Relation::Equal => BinOp::Eq,
            Relation::NotEqual => BinOp::Ne,
            Relation::Less => BinOp::Lt,
            Relation::LessEqual => BinOp::Le,
            Relation::Greater => BinOp::Gt,
            Relation::GreaterEqual => BinOp::Ge,
        };
        let width = program.metas[*place].width;
        let value = value.ok_or(missing)?;
        Ok(compare(op, *place, width, value))
    }
}

/// A comparison with a number that may be wider than the attribute.
fn compare(op: BinOp, place: MetaId, width: u32, value: u64) -> Expr {
    let needed = (u64::BITS - value.leading_zeros()).max(1);
    if needed <= width {
        return Expr::binary(op, Expr::Meta(place), Expr::num(width, value));
    }
    let wide = Expr::Resize(Box::new(Expr::Meta(place)), needed);
    Expr::binary(op, wide, Expr::num(needed, value))
}
