//! What a control plane does with a switch: it loads what `entries.json` says, and reads counters and registers.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use trisect_bmv2::json::{Entries, emit};
use trisect_bmv2::lower;
use trisect_ir::state::{Cell, State};
use trisect_ir::{MeterConfig, ObjectKind, Program};

use crate::thrift::{Client, Value, text};

/// Bytes of a number in hexadecimal.
fn bytes(hex: &Json) -> Value {
    let digits = hex.as_str().unwrap_or_default().trim_start_matches("0x");
    let digits = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    });
    Value::Bytes(pairs.collect())
}

fn tables(json: &Json) -> &[Json] {
    json["pipelines"][0]["tables"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// Loads entries, rates and initial values.
pub fn load(client: &mut Client, program: &Program, json: &Json) {
    // The entries as they would stand in the program.
    let mut whole = program.clone();
    crate::without_control_plane(&mut whole);
    let whole = emit(&whole, Entries::All).expect("nothing needs a control plane any more");
    for (table, with_entries) in tables(json).iter().zip(tables(&whole)) {
        if table.get("entries").is_some() {
            continue;
        }
        let entries = with_entries["entries"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for entry in entries {
            add_entry(client, table, entry, json);
        }
    }
    for object in program.objects.values() {
        let name = public(program, &object.name);
        match &object.kind {
            ObjectKind::Meter {
                size: Some(_),
                default,
                cells,
                ..
            } => {
                let set = vec![text(&name), rates(default)];
                client.call("bm_meter_array_set_rates", set);
                for (at, config) in cells {
                    let set = vec![text(&name), Value::I32(*at as i32), rates(config)];
                    client.call("bm_meter_set_rates", set);
                }
            }
            ObjectKind::Register { size, init, .. } if !init.is_zero() => {
                let value = Value::I64(init.low_u64() as i64);
                let cells = [Value::I32(0), Value::I32(*size as i32), value];
                let write = [text(&name)].into_iter().chain(cells).collect();
                client.call("bm_register_write_range", write);
            }
            _ => {}
        }
    }
}

/// The name that the control plane has for an object.
fn public(program: &Program, origin: &str) -> String {
    let runtime = lower(program).map(|(_, runtime)| runtime.objects);
    let objects = runtime.unwrap_or_default();
    let found = objects.into_iter().find(|object| object.origin == origin);
    let name = found.map_or_else(|| origin.replace('.', "_"), |object| object.name);
    format!("Pipeline.{name}")
}

fn rates(config: &MeterConfig) -> Value {
    let rate = |per_second: u64, burst: u64| {
        let per_microsecond = Value::Double(per_second as f64 / 1e6);
        Value::Struct(vec![(1, per_microsecond), (2, Value::I32(burst as i32))])
    };
    Value::List(vec![
        rate(config.cir, config.cbs),
        rate(config.pir, config.pbs),
    ])
}

fn add_entry(client: &mut Client, table: &Json, entry: &Json, json: &Json) {
    let keys = entry["match_key"].as_array().map_or(&[][..], Vec::as_slice);
    let keys = keys.iter().map(|key| {
        let (kind, fields) = match key["match_type"].as_str().unwrap_or_default() {
            "exact" => (0, vec![(1, bytes(&key["key"]))]),
            "lpm" => {
                let length = key["prefix_length"].as_i64().unwrap_or_default();
                (
                    1,
                    vec![(1, bytes(&key["key"])), (2, Value::I32(length as i32))],
                )
            }
            "ternary" => (2, vec![(1, bytes(&key["key"])), (2, bytes(&key["mask"]))]),
            _ => (4, vec![(1, bytes(&key["start"])), (2, bytes(&key["end"]))]),
        };
        let place = if kind == 4 { 6 } else { kind as i16 + 2 };
        Value::Struct(vec![(1, Value::I32(kind)), (place, Value::Struct(fields))])
    });
    let keys = Value::List(keys.collect());
    let call = &entry["action_entry"];
    let actions = json["actions"].as_array().map_or(&[][..], Vec::as_slice);
    let action = actions
        .iter()
        .find(|action| action["id"] == call["action_id"]);
    let action = action
        .and_then(|action| action["name"].as_str())
        .unwrap_or_default();
    let data = call["action_data"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let data = Value::List(data.iter().map(bytes).collect());
    let priority = entry["priority"].as_i64().unwrap_or_default();
    let options = Value::Struct(vec![(1, Value::I32(priority as i32))]);
    let name = text(table["name"].as_str().unwrap_or_default());
    client.call(
        "bm_mt_add_entry",
        vec![name, keys, text(action), data, options],
    );
}

/// What counters and registers hold, by name and cell; packets and bytes of counters.
pub type Left = BTreeMap<(String, u32), (u64, u64)>;

/// The objects whose cells can be compared: with a size, and registers that fit the control plane's numbers.
fn cells(program: &Program) -> Vec<(String, bool, u32)> {
    let objects = program.objects.values();
    objects
        .filter_map(|object| match object.kind {
            ObjectKind::Counter {
                size: Some(size), ..
            } => Some((object.name.clone(), true, size)),
            ObjectKind::Register { size, width, .. } if width < 64 => {
                Some((object.name.clone(), false, size))
            }
            _ => None,
        })
        .collect()
}

/// What the switch holds; zeros are left out.
pub fn left(client: &mut Client, program: &Program) -> Left {
    let mut left = Left::new();
    for (name, is_counter, size) in cells(program) {
        let public = public(program, &name);
        for at in 0..size {
            let index = Value::I32(at as i32);
            let cell = if is_counter {
                let read = client.call("bm_counter_read", vec![text(&public), index]);
                let field = |id| {
                    read.as_ref()
                        .and_then(|r| r.field(id)?.number())
                        .unwrap_or(0)
                };
                (field(2) as u64, field(1) as u64)
            } else {
                let read = client.call("bm_register_read", vec![text(&public), index]);
                (read.and_then(|value| value.number()).unwrap_or(0) as u64, 0)
            };
            left.insert((name.clone(), at), cell);
        }
    }
    left.retain(|_, cell| *cell != (0, 0));
    left
}

/// What the interpreter holds.
pub fn expected(program: &Program, state: &State) -> Left {
    let mut left = Left::new();
    for (name, is_counter, size) in cells(program) {
        for at in 0..size {
            let cell = if is_counter {
                let counts = state.counters.get(&name);
                let count = counts.and_then(|cells| cells.get(&Cell::Index(at)));
                count.map_or((0, 0), |count| (count.packets, count.bytes))
            } else {
                let changed = state.registers.get(&name).and_then(|cells| cells.get(&at));
                let object = program.objects.values().find(|object| object.name == name);
                let value = match (changed, object.map(|object| &object.kind)) {
                    (Some(value), _) => value.low_u64(),
                    (None, Some(ObjectKind::Register { init, .. })) => init.low_u64(),
                    _ => 0,
                };
                (value, 0)
            };
            left.insert((name.clone(), at), cell);
        }
    }
    left.retain(|_, cell| *cell != (0, 0));
    left
}
