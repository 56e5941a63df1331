//! Members of value sets.

use super::{Control, Outcome, names, values};
use crate::stf::{KeyValue, Name, Spanned};
use crate::switch::Switch;
use trisect_ir::diag::Span;

impl Control {
    fn value_set(&self, name: &Name, switch: &Switch) -> Outcome<usize> {
        let sets = switch.value_sets().all().iter().enumerate();
        let names: Vec<_> = sets.map(|(at, set)| (at, set.name.as_str())).collect();
        names::pick(&name.value, &names).map_err(|miss| self.missed("value set", name, miss))
    }

    pub(super) fn value_set_add(
        &self,
        name: &Name,
        member: &[Spanned<KeyValue>],
        switch: &mut Switch,
    ) -> Outcome<()> {
        let at = self.value_set(name, switch)?;
        let set = &switch.value_sets().all()[at];
        if member.len() != set.keys.len() {
            let parts: Vec<&str> = set.keys.iter().map(|key| key.name.as_str()).collect();
            let message = format!("a member of `{}` has {} values", set.name, parts.len());
            let help = format!("give a value for each of: {}", parts.join(", "));
            return Err(self.refused(name.span, message, &help));
        }
        let mut sets = Vec::with_capacity(member.len());
        for (value, key) in member.iter().zip(&set.keys) {
            let given = values::key_set(&value.value, key.kind, key.width, false);
            sets.push(given.map_err(|misfit| self.misfit(value.span, misfit))?);
        }
        let span = member.iter().fold(name.span, |all: Span, v| all.to(v.span));
        if set.members.contains(&sets) {
            let message = format!("`{}` has this member already", set.name);
            return Err(self.refused(span, message, "leave one of the two out"));
        }
        if set.members.len() >= set.size as usize {
            let message = format!("`{}` is full: it has {} members", set.name, set.size);
            let help = "give the value set a larger size in the program";
            return Err(self.refused(name.span, message, help));
        }
        let mut members = set.members.clone();
        members.push(sets);
        switch.fill_value_set(at, members);
        Ok(())
    }

    pub(super) fn value_set_clear(&self, name: &Name, switch: &mut Switch) -> Outcome<()> {
        let at = self.value_set(name, switch)?;
        switch.fill_value_set(at, Vec::new());
        Ok(())
    }
}
