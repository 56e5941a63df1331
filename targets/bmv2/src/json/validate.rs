//! That everything which a JSON program names is there, and named once.
//!
//! simple_switch finds some of these mistakes when it loads a program, stops without a word at others, and takes
//! some for something else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What is wrong with a program; empty if nothing is.
pub(crate) fn problems(json: &Value) -> Vec<String> {
    let mut checker = Checker::default();
    checker.declarations(json);
    checker.references(json, "");
    checker.parsers(json);
    checker.pipelines(json);
    checker.problems
}

#[derive(Default)]
struct Checker {
    problems: Vec<String>,
    /// Widths of fields by header and name; none for a varbit.
    fields: BTreeMap<(String, String), Option<u64>>,
    /// Names by what they are names of.
    names: BTreeMap<&'static str, BTreeSet<String>>,
    /// Actions: name and number of parameters.
    actions: BTreeMap<u64, (String, usize)>,
}

/// The kinds of arrays with names and ids of their own, and how values refer to them.
const KINDS: [(&str, &str); 6] = [
    ("headers", "header"),
    ("calculations", "calculation"),
    ("counter_arrays", "counter_array"),
    ("meter_arrays", "meter_array"),
    ("register_arrays", "register_array"),
    ("header_types", "header_type"),
];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Checker {
    fn report(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Names and ids of one kind are unique.
    fn unique(&mut self, what: &str, items: &[Value]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for item in items {
            let name = text(&item["name"]);
            if !ids.insert(item["id"].as_u64()) {
                self.report(format!("{what} `{name}`: the id {} is taken", item["id"]));
            }
            if !names.insert(name.clone()) {
                self.report(format!("{what} `{name}`: there are two"));
            }
        }
        names
    }

    fn declarations(&mut self, json: &Value) {
        for (key, kind) in KINDS {
            let names = self.unique(kind, array(&json[key]));
            self.names.insert(kind, names);
        }
        let types: BTreeMap<String, &Value> = array(&json["header_types"])
            .iter()
            .map(|ty| (text(&ty["name"]), ty))
            .collect();
        for header in array(&json["headers"]) {
            let name = text(&header["name"]);
            let Some(ty) = types.get(&text(&header["header_type"])) else {
                self.report(format!(
                    "header `{name}`: no type {}",
                    header["header_type"]
                ));
                continue;
            };
            let mut bits = 0;
            for field in array(&ty["fields"]) {
                let width = field[1].as_u64();
                bits += width.unwrap_or(0);
                let key = (name.clone(), text(&field[0]));
                if self.fields.insert(key, width).is_some() {
                    self.report(format!("header `{name}`: two fields {}", field[0]));
                }
            }
            self.fields
                .insert((name.clone(), "$valid$".to_owned()), Some(1));
            if bits % 8 != 0 {
                self.report(format!("header `{name}`: {bits} bits are no whole bytes"));
            }
        }
        self.unique("action", array(&json["actions"]));
        for action in array(&json["actions"]) {
            let params = array(&action["runtime_data"]).len();
            let id = action["id"].as_u64().unwrap_or(u64::MAX);
            self.actions.insert(id, (text(&action["name"]), params));
            self.action(action, params);
        }
    }

    /// Jumps lead to a primitive or to the end; parameters are there.
    fn action(&mut self, action: &Value, params: usize) {
        let primitives = array(&action["primitives"]);
        for primitive in primitives {
            if text(&primitive["op"]).starts_with("_jump") {
                let target = array(&primitive["parameters"])
                    .last()
                    .map(|p| text(&p["value"]));
                let target = target.unwrap_or_default();
                let target = u64::from_str_radix(target.trim_start_matches("0x"), 16);
                if !target.is_ok_and(|target| target <= primitives.len() as u64) {
                    self.report(format!("action {}: a jump leads nowhere", action["name"]));
                }
            }
            self.parameters(primitive, params, &text(&action["name"]));
        }
    }

    fn parameters(&mut self, value: &Value, params: usize, action: &str) {
        if let Some("local" | "runtime_data") = value["type"].as_str() {
            let there = value["value"].as_u64().is_some_and(|at| at < params as u64);
            if !there {
                self.report(format!(
                    "action `{action}`: no parameter {}",
                    value["value"]
                ));
            }
        }
        match value {
            Value::Array(items) => {
                items
                    .iter()
                    .for_each(|item| self.parameters(item, params, action));
            }
            Value::Object(map) => {
                map.values()
                    .for_each(|item| self.parameters(item, params, action));
            }
            _ => {}
        }
    }

    fn field(&mut self, value: &Value, place: &str) {
        let key = (text(&value[0]), text(&value[1]));
        if !self.fields.contains_key(&key) {
            self.report(format!("{place}: no field {value}"));
        }
    }

    /// Every typed value names something that is there.
    fn references(&mut self, value: &Value, place: &str) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.references(item, place)),
            Value::Object(map) => {
                let place = map.get("name").and_then(Value::as_str).unwrap_or(place);
                let kind = map.get("type").and_then(Value::as_str);
                match kind {
                    Some("field") => self.field(&value["value"], place),
                    Some("regular") => self.reference("header", &value["value"], place),
                    Some(kind) => {
                        if let Some((_, kind)) = KINDS.iter().find(|(_, k)| *k == kind) {
                            self.reference(kind, &value["value"], place);
                        }
                    }
                    None => {}
                }
                for key in ["target", "result_target"] {
                    if let Some(target) = map.get(key) {
                        self.field(target, place);
                    }
                }
                map.values().for_each(|item| self.references(item, place));
            }
            _ => {}
        }
    }

    fn reference(&mut self, kind: &str, name: &Value, place: &str) {
        let known = self.names.get(kind);
        if !known.is_some_and(|names| names.contains(&text(name))) {
            self.report(format!("{place}: no {kind} {name}"));
        }
    }

    fn parsers(&mut self, json: &Value) {
        for parser in array(&json["parsers"]) {
            let states = array(&parser["parse_states"]);
            let names = self.unique("parser state", states);
            let mut targets = vec![&parser["init_state"]];
            for state in states {
                let mut bytes = 0;
                for key in array(&state["transition_key"]) {
                    let field = (text(&key["value"][0]), text(&key["value"][1]));
                    let width = self.fields.get(&field).copied().flatten();
                    bytes += width.unwrap_or(0).div_ceil(8);
                }
                for case in array(&state["transitions"]) {
                    targets.push(&case["next_state"]);
                    for part in [&case["value"], &case["mask"]] {
                        let digits = part.as_str().map_or(bytes * 2, |t| t.len() as u64 - 2);
                        if digits != bytes * 2 {
                            self.report(format!("parser state {}: {part}", state["name"]));
                        }
                    }
                }
            }
            for target in targets {
                if !target.is_null() && !names.contains(&text(target)) {
                    self.report(format!("parser: no state {target}"));
                }
            }
        }
        for deparser in array(&json["deparsers"]) {
            for header in array(&deparser["order"]) {
                self.reference("header", header, "deparser");
            }
        }
    }

    fn pipelines(&mut self, json: &Value) {
        for pipeline in array(&json["pipelines"]) {
            let kinds = ["tables", "conditionals", "action_calls"];
            let mut names = BTreeSet::new();
            for kind in kinds {
                for name in self.unique(kind, array(&pipeline[kind])) {
                    if !names.insert(name.clone()) {
                        self.report(format!("two nodes `{name}`"));
                    }
                }
            }
            let mut targets = vec![&pipeline["init_table"]];
            for table in array(&pipeline["tables"]) {
                targets.extend(
                    table["next_tables"]
                        .as_object()
                        .into_iter()
                        .flat_map(|m| m.values()),
                );
                self.table(table);
            }
            for test in array(&pipeline["conditionals"]) {
                targets.extend([&test["true_next"], &test["false_next"]]);
            }
            for call in array(&pipeline["action_calls"]) {
                targets.push(&call["next_node"]);
                self.call(&call["action_id"], 0, &text(&call["name"]));
            }
            for target in targets {
                if !target.is_null() && !names.contains(&text(target)) {
                    self.report(format!("no node {target}"));
                }
            }
        }
    }

    fn call(&mut self, action: &Value, args: usize, place: &str) {
        let known = action.as_u64().and_then(|id| self.actions.get(&id));
        if known.is_none_or(|(_, params)| *params != args) {
            self.report(format!(
                "{place}: a call of action {action} with {args} arguments"
            ));
        }
    }

    fn table(&mut self, table: &Value) {
        let name = text(&table["name"]);
        let mut own = BTreeSet::new();
        for (id, action) in array(&table["action_ids"])
            .iter()
            .zip(array(&table["actions"]))
        {
            let known = id.as_u64().and_then(|id| self.actions.get(&id));
            if known.is_none_or(|(known, _)| *known != text(action)) {
                self.report(format!("table `{name}`: action {id} is not {action}"));
            }
            own.insert(text(action));
        }
        let next: BTreeSet<String> = table["next_tables"]
            .as_object()
            .into_iter()
            .flat_map(|m| m.keys().cloned())
            .collect();
        let by_hit = BTreeSet::from(["__HIT__".to_owned(), "__MISS__".to_owned()]);
        if next != own && next != by_hit {
            self.report(format!(
                "table `{name}`: the next nodes do not follow the actions"
            ));
        }
        let default = &table["default_entry"];
        let arguments = array(&default["action_data"]).len();
        self.call(&default["action_id"], arguments, &name);
        for entry in array(&table["entries"]) {
            let call = &entry["action_entry"];
            self.call(&call["action_id"], array(&call["action_data"]).len(), &name);
            let keys = array(&table["key"]);
            let sets = array(&entry["match_key"]);
            let agree = keys.len() == sets.len()
                && keys
                    .iter()
                    .zip(sets)
                    .all(|(k, s)| k["match_type"] == s["match_type"]);
            if !agree {
                self.report(format!("table `{name}`: an entry with other keys"));
            }
            for (key, set) in keys.iter().zip(sets) {
                let field = (text(&key["target"][0]), text(&key["target"][1]));
                let width = self.fields.get(&field).copied().flatten().unwrap_or(0);
                for part in ["key", "mask", "start", "end"] {
                    let Some(digits) = set[part].as_str() else {
                        continue;
                    };
                    if digits.len() as u64 != 2 + 2 * width.div_ceil(8) {
                        self.report(format!("table `{name}`: {digits} for {width} bits"));
                    }
                }
            }
        }
        if let Some(meter) = table["direct_meters"].as_str() {
            self.reference("meter_array", &Value::from(meter), &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is good about a program, and what is found when one value of it is changed.
    #[test]
    fn each_mistake_is_found() {
        let text = include_str!("../../tests/golden/small.json");
        let good: Value = serde_json::from_str(text).unwrap_or_default();
        assert_eq!(problems(&good), Vec::<String>::new());
        let changes = [
            ("/headers/0/header_type", json!("other_t"), "no type"),
            ("/headers/1/name", json!("ethernet"), "there are two"),
            ("/headers/1/id", json!(0), "is taken"),
            ("/header_types/0/fields/0/1", json!(47), "no whole bytes"),
            ("/parsers/0/init_state", json!("begin"), "no state"),
            (
                "/parsers/0/parse_states/1/transitions/0/value",
                json!("0x08"),
                "parser state",
            ),
            (
                "/parsers/0/parse_states/1/transition_key/0/value/1",
                json!("x"),
                "no field",
            ),
            ("/deparsers/0/order/0", json!("ipv4"), "no header"),
            ("/pipelines/0/init_table", json!("nowhere"), "no node"),
            ("/pipelines/0/tables/0/action_ids/0", json!(7), "is not"),
            (
                "/pipelines/0/tables/0/default_entry/action_data",
                json!(["0x1"]),
                "with 1 arguments",
            ),
            (
                "/pipelines/0/tables/0/entries/0/match_key/0/key",
                json!("0x01"),
                "for 48 bits",
            ),
            (
                "/pipelines/0/tables/0/entries/0/match_key",
                json!([]),
                "other keys",
            ),
            (
                "/pipelines/0/tables/0/key/0/target/0",
                json!("ipv4"),
                "no field",
            ),
            (
                "/pipelines/0/action_calls/0/action_id",
                json!(99),
                "a call of action 99",
            ),
            ("/actions/0/runtime_data", json!([]), "no parameter"),
        ];
        for (pointer, value, wanted) in changes {
            let mut bad = good.clone();
            let place = bad.pointer_mut(pointer);
            assert!(place.is_some(), "{pointer}");
            if let Some(place) = place {
                *place = value;
            }
            let found = problems(&bad);
            assert!(
                found.iter().any(|problem| problem.contains(wanted)),
                "{pointer}: {found:?}"
            );
        }
    }
}
