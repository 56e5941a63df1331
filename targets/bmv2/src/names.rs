//! P4 identifiers for the entities of a program.
//!
//! IR names are free text (`fw.acl`, `vlan[0]`); P4 wants identifiers, unique in their scope and
//! different from keywords and from what `core.p4` and `v1model.p4` declare.

use std::collections::BTreeSet;

use trisect_ir::{
    Action, ActionId, HeaderId, HeaderTypeId, MetaId, ObjectId, PrimaryMap, Program, StateId,
    TableId,
};

/// Words that are taken: keywords, and names of the included files and of our own text.
const TAKEN: &[&str] = &[
    "abstract",
    "accept",
    "action",
    "actions",
    "apply",
    "assert",
    "assume",
    "bit",
    "bool",
    "break",
    "clone",
    "clone3",
    "const",
    "continue",
    "control",
    "counter",
    "default",
    "digest",
    "direct_counter",
    "direct_meter",
    "drop_packet",
    "drops",
    "else",
    "entries",
    "enum",
    "error",
    "exact",
    "exit",
    "extern",
    "false",
    "for",
    "hash",
    "hdr",
    "header",
    "header_union",
    "headers_t",
    "if",
    "in",
    "inout",
    "int",
    "key",
    "list",
    "log_msg",
    "lpm",
    "main",
    "mark_to_drop",
    "match_kind",
    "meta",
    "metadata_t",
    "meter",
    "NoAction",
    "optional",
    "out",
    "package",
    "packet",
    "packet_in",
    "packet_out",
    "parser",
    "priority",
    "random",
    "range",
    "recirculate",
    "register",
    "reject",
    "resubmit",
    "return",
    "select",
    "selector",
    "size",
    "standard_metadata",
    "standard_metadata_t",
    "start",
    "state",
    "static_assert",
    "string",
    "struct",
    "switch",
    "table",
    "ternary",
    "this",
    "transition",
    "true",
    "truncate",
    "tuple",
    "type",
    "typedef",
    "update_checksum",
    "update_checksum_with_payload",
    "V1Switch",
    "value_set",
    "varbit",
    "verify",
    "verify_checksum",
    "verify_checksum_with_payload",
    "void",
    "action_profile",
    "action_selector",
    "Checksum16",
    "CloneType",
    "CounterType",
    "MeterType",
    "HashAlgorithm",
    "Parser",
    "VerifyChecksum",
    "Ingress",
    "Egress",
    "ComputeChecksum",
    "Deparser",
    "PacketParser",
    "NoChecks",
    "Pipeline",
    "Reports",
    "NoUpdate",
    "PacketDeparser",
    "_",
];

/// Gives out identifiers, each once.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    used: BTreeSet<String>,
}

impl Scope {
    pub(crate) fn new() -> Self {
        Self {
            used: TAKEN.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// Takes an identifier that was given out by a copy of this scope.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.used.insert(name.to_owned());
    }

    /// An identifier like `name` that was not given out before.
    pub(crate) fn unique(&mut self, name: &str) -> String {
        let base = identifier(name);
        let mut candidate = base.clone();
        let mut number = 1;
        while !self.used.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{base}_{number}");
        }
        candidate
    }
}

/// `name` with everything that is no letter or digit replaced by underscores.
fn identifier(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        format!("n{out}")
    } else {
        out.to_owned()
    }
}

/// The identifiers of a program's entities.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub types: PrimaryMap<HeaderTypeId, String>,
    /// Fields by header type.
    pub fields: PrimaryMap<HeaderTypeId, Vec<String>>,
    pub headers: PrimaryMap<HeaderId, String>,
    pub metas: PrimaryMap<MetaId, String>,
    pub actions: PrimaryMap<ActionId, String>,
    /// Parameters by action.
    pub params: PrimaryMap<ActionId, Vec<String>>,
    pub tables: PrimaryMap<TableId, String>,
    pub objects: PrimaryMap<ObjectId, String>,
    pub states: PrimaryMap<StateId, String>,
    /// Names of the parser errors by code.
    pub errors: Vec<String>,
    /// The scope of the ingress control, for further names.
    pub control: Scope,
}

impl Names {
    pub(crate) fn new(program: &Program) -> Self {
        let mut control = Scope::new();
        let mut headers = Scope::new();
        let mut metas = Scope::new();
        let mut states = Scope::new();
        let types = program.header_types.values();
        let types = types
            .map(|ty| control.unique(&with_suffix(&ty.name, "_t")))
            .collect();
        let fields = program.header_types.values().map(|ty| {
            let mut scope = Scope::new();
            ty.fields.iter().map(|f| scope.unique(&f.name)).collect()
        });
        Self {
            types,
            fields: fields.collect(),
            headers: program
                .headers
                .values()
                .map(|h| headers.unique(&h.name))
                .collect(),
            metas: program
                .metas
                .values()
                .map(|m| metas.unique(&m.name))
                .collect(),
            actions: program
                .actions
                .values()
                .map(|a| control.unique(&a.name))
                .collect(),
            params: program.actions.values().map(params).collect(),
            tables: program
                .tables
                .values()
                .map(|t| control.unique(&t.name))
                .collect(),
            objects: program
                .objects
                .values()
                .map(|o| control.unique(&o.name))
                .collect(),
            states: program
                .parser
                .states
                .values()
                .map(|s| states.unique(&s.name))
                .collect(),
            errors: program
                .parser
                .errors
                .iter()
                .map(|e| identifier(e))
                .collect(),
            control,
        }
    }
}

fn with_suffix(name: &str, suffix: &str) -> String {
    if name.ends_with(suffix) {
        name.to_owned()
    } else {
        format!("{name}{suffix}")
    }
}

fn params(action: &Action) -> Vec<String> {
    let mut scope = Scope::new();
    action
        .params
        .iter()
        .map(|p| scope.unique(&p.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers() {
        let mut scope = Scope::new();
        let made = ["fw.acl", "fw_acl", "vlan[0]", "table", "9p", "", "état"];
        let made = made.map(|name| scope.unique(name));
        assert_eq!(
            made,
            [
                "fw_acl", "fw_acl_2", "vlan_0", "table_2", "n9p", "n", "_tat"
            ]
        );
    }
}
