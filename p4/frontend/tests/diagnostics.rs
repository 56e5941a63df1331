//! How findings are shown: to people, with the source lines and related places, and to editors, as JSON.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use serde_json::json;
use trisect_p4::{Diagnostic, Options, Severity, parse_str, render_all, to_json};

fn find(text: &str) -> (trisect_p4::SourceMap, Vec<Diagnostic>) {
    let (_, sources, diagnostics) = parse_str("dir/m.p4", text, &Options::default());
    (sources, diagnostics)
}

#[test]
fn people_see_the_line_the_other_party_and_a_way_out() {
    let text = "control c() {\n    table t {\n        key = { }\n        key = { }\n    }\n    apply { }\n}\n";
    let (sources, diagnostics) = find(text);
    let expected = "error[E0122]: the table has two properties `key`
  ┌─ dir/m.p4:4:9
  │
3 │         key = { }
  │         --------- given before, here
4 │         key = { }
  │         ^^^^^^^^^
  │
  = help: keep one of them
";
    assert_eq!(render_all(&diagnostics, &sources), expected);
}

#[test]
fn editors_get_places_in_lines_columns_and_bytes() {
    let text = "// é\n#line 10 \"orig.p4\"\ncontrol c() { table t {\n key = { }\n\tkey = { } } apply { } }\n";
    let (sources, diagnostics) = find(text);
    let at = |text_before: &str| text.rfind(text_before).expect("the text is there");
    let (first, second) = (text.find("key").expect("it is there"), at("key"));
    let expected = json!([{
        "code": "E0122",
        "severity": "error",
        "message": "the table has two properties `key`",
        "file": "orig.p4",
        "start": { "line": 12, "column": 2, "offset": second },
        "end": { "line": 12, "column": 11, "offset": second + 9 },
        "label": null,
        "notes": [{
            "message": "given before, here",
            "file": "orig.p4",
            "start": { "line": 11, "column": 2, "offset": first },
            "end": { "line": 11, "column": 11, "offset": first + 9 },
        }],
        "help": "keep one of them",
    }]);
    assert_eq!(to_json(&diagnostics, &sources), expected);
}

#[test]
fn columns_count_characters_and_notes_may_have_no_place() {
    let (sources, diagnostics) = find("/* éé */ const = 1;\n#include \"none.p4\"\n");
    let json = to_json(&diagnostics, &sources);
    // Only the missing file is reported: see the preprocessor's tests.
    assert_eq!(json[0]["code"], "E0101");
    assert_eq!(json[0]["notes"][0]["start"], json!(null));
    let (sources, diagnostics) = find("/* éé */ const = 1;\n");
    let json = to_json(&diagnostics, &sources);
    assert_eq!(
        json[0]["start"],
        json!({ "line": 1, "column": 16, "offset": 17 })
    );
    assert_eq!(json[0]["end"]["column"], 17);
}

#[test]
fn warnings_are_told_apart_and_an_empty_list_is_empty() {
    let (sources, diagnostics) = find("#define A 1\n#define A 2\n");
    assert_eq!(diagnostics[0].severity, Severity::Warning);
    let json = to_json(&diagnostics, &sources);
    assert_eq!(json[0]["severity"], "warning");
    assert_eq!(to_json(&[], &sources), json!([]));
}

#[test]
fn places_at_the_very_end_are_shown() {
    for text in [
        "",
        "const",
        "const int x = 1",
        "control c() {",
        "/* é",
        "\"é",
    ] {
        let (sources, diagnostics) = find(text);
        let rendered = render_all(&diagnostics, &sources);
        assert_eq!(diagnostics.is_empty(), text.is_empty());
        assert_eq!(rendered.is_empty(), text.is_empty());
        let json = to_json(&diagnostics, &sources);
        for found in json.as_array().expect("an array") {
            let end = found["end"]["offset"].as_u64().expect("a place");
            assert!(end <= text.len() as u64, "{found}");
        }
    }
}
