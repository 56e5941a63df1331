//! What the printer writes parses to the same tree: on the P4 sources of this repository, on a
//! foreign suite if one is named, and on generated expressions.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use trisect_p4::{Options, parse_file, parse_str, printer, render_all};

/// The tree as JSON without positions.
fn shape(program: &trisect_p4::ast::Program) -> Value {
    let mut value = serde_json::to_value(program).expect("a tree is plain data");
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("span");
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn check(file: &Path, options: &Options) {
    let (program, sources, diagnostics) = parse_file(file, options);
    let errors: Vec<_> = diagnostics.into_iter().filter(|d| d.is_error()).collect();
    assert!(errors.is_empty(), "{}", render_all(&errors, &sources));
    let program = program.expect("the file was read");
    let text = printer::program(&program);
    let (again, sources, diagnostics) = parse_str("printed.p4", &text, options);
    assert!(
        diagnostics.is_empty(),
        "{}: {}",
        file.display(),
        render_all(&diagnostics, &sources)
    );
    let again = again.expect("text is always read");
    assert!(
        shape(&program) == shape(&again),
        "{}: printing changed the tree:\n{text}",
        file.display()
    );
    assert_eq!(text, printer::program(&again), "{}", file.display());
}

fn p4_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            p4_files(&path, files);
        } else if path.exists() && path.extension().is_some_and(|extension| extension == "p4") {
            files.push(path);
        }
    }
    files.sort();
}

#[test]
fn own_sources_survive_printing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let options = Options::default().with_include_dir(root.join("include"));
    let mut files = Vec::new();
    p4_files(&root.join("nf"), &mut files);
    p4_files(&root.join("include"), &mut files);
    assert!(files.len() > 10, "the NF library is missing");
    for file in files {
        check(&file, &options);
    }
}

#[test]
fn foreign_sources_survive_printing() {
    for file in common::suite_programs().unwrap_or_default() {
        check(&file, &Options::default());
    }
}

/// Expressions as fully parenthesised text, so that the tree is known.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("hdr.f".to_owned()),
        Just(".g".to_owned()),
        Just("true".to_owned()),
        Just("error.NoError".to_owned()),
        Just("\"s\\\"t\\\\\"".to_owned()),
        (0_u32..1000, 1_u32..64).prop_map(|(value, width)| format!("{width}w{value}")),
        (0_u32..1000).prop_map(|value| format!("0x{value:x}")),
        (0_u32..1000).prop_map(|value| format!("8s0b{value:b}")),
    ];
    leaf.prop_recursive(6, 40, 3, |inner| {
        let ops = "* / % + - |+| |-| ++ << >> < <= > >= == != & ^ | && ||";
        let ops: Vec<&'static str> = ops.split(' ').collect();
        prop_oneof![
            (inner.clone(), proptest::sample::select(ops), inner.clone())
                .prop_map(|(a, op, b)| format!("(({a}) {op} ({b}))")),
            (
                proptest::sample::select(vec!["!", "~", "-", "+"]),
                inner.clone()
            )
                .prop_map(|(op, a)| format!("({op}({a}))")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("(({a}) ? ({b}) : ({c}))")),
            (
                proptest::sample::select(vec!["bit<8>", "T", "bool", "tuple<T, bit<(1 + 2)>>"]),
                inner.clone()
            )
                .prop_map(|(ty, a)| format!("(({ty})({a}))")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("f<T, bit<8>>(({a}), x = ({b}))")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{({a}), ({b})}}")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("{{p = ({a}), q = ({b}), ...}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("x[({a}):({b})]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("x[({a}) +: ({b})].m")),
        ]
    })
}

proptest! {
    #[test]
    fn expressions_survive_printing(text in expression()) {
        let source = format!("typedef bit<8> T;\nconst T c = {text};\n");
        let (program, sources, diagnostics) = parse_str("e.p4", &source, &Options::default());
        prop_assert!(diagnostics.is_empty(), "{}", render_all(&diagnostics, &sources));
        let program = program.expect("text is always read");
        let printed = printer::program(&program);
        let (again, sources, diagnostics) = parse_str("p.p4", &printed, &Options::default());
        prop_assert!(diagnostics.is_empty(), "{}", render_all(&diagnostics, &sources));
        prop_assert_eq!(shape(&program), shape(&again.expect("text is always read")), "{}", printed);
    }
}
