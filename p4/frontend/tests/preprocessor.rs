//! The preprocessor as C programmers know it, and its bounds: no input makes it run or grow without end.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use trisect_p4::ast::{DeclKind, Program};
use trisect_p4::{Diagnostic, Options, SourceMap, parse_file, parse_str, printer, render_all};

fn read(text: &str, options: &Options) -> (Program, SourceMap, Vec<Diagnostic>) {
    let (program, sources, diagnostics) = parse_str("main.p4", text, options);
    (program.expect("text is always read"), sources, diagnostics)
}

/// `name = value` of each constant.
fn constants(text: &str, options: &Options) -> Vec<String> {
    let (program, sources, diagnostics) = read(text, options);
    let rendered = render_all(&diagnostics, &sources);
    assert!(diagnostics.is_empty(), "{rendered}");
    let constant = |decl: &trisect_p4::ast::Decl| match &decl.kind {
        DeclKind::Const(decl) => {
            let value = printer::expression(&decl.value);
            Some(format!("{} = {value}", decl.name.name))
        }
        _ => None,
    };
    program.decls.iter().filter_map(constant).collect()
}

fn plain(text: &str) -> Vec<String> {
    constants(text, &Options::default())
}

/// `file:line:column code` of each finding.
fn findings(text: &str, options: &Options) -> Vec<String> {
    let (_, sources, diagnostics) = read(text, options);
    let place = |d: &Diagnostic| format!("{} {}", sources.location(d.span), d.code);
    diagnostics.iter().map(place).collect()
}

// -------------------------------------------------------------------------------- behaviour

#[test]
fn the_place_is_known_to_macros() {
    let text = "const string f = __FILE__;\n#define HERE __LINE__\nconst int l = HERE;\n#line 70 \"a \\\"b\\\".p4\"\n\
                const int m = __LINE__; const string g = __FILE__;\n#ifdef __LINE__\nconst int n = 1;\n#endif\n";
    assert_eq!(
        plain(text),
        [
            "f = \"main.p4\"",
            "l = 3",
            "m = 70",
            "g = \"a \\\"b\\\".p4\"",
            "n = 1"
        ]
    );
}

#[test]
fn line_markers_move_what_follows() {
    let text = "# 10 \"first.p4\"\nconst a = 1;\n# 20 \"second.p4\" 2\n\nconst b = 1;\n#line 5\nconst c = 1;\n";
    let options = Options::default();
    assert_eq!(
        findings(text, &options),
        [
            "first.p4:10:9 E0120",
            "second.p4:21:9 E0120",
            "second.p4:5:9 E0120"
        ]
    );
    // The text that is shown is the text that was read; its name and line are the original's.
    let (_, sources, diagnostics) = read(text, &options);
    let rendered = diagnostics[1].render(&sources);
    assert!(rendered.contains("second.p4:21:9"), "{rendered}");
    assert!(rendered.contains("21 │ const b = 1;"), "{rendered}");
    // In lines that are not compiled they do nothing.
    assert_eq!(
        findings("#if 0\n# 7 \"x.p4\"\n#endif\nconst a = 1;\n", &options),
        ["main.p4:4:9 E0120"]
    );
}

#[test]
fn a_file_read_twice_has_its_line_markers_once() {
    let options = Options::default().with_file("a.p4", "\n# 30 \"b.p4\"\nconst x = 1;\n");
    assert_eq!(
        findings("#include \"a.p4\"\n#include \"a.p4\"\n", &options),
        ["b.p4:30:9 E0120", "b.p4:30:9 E0120"]
    );
}

#[test]
fn arguments_become_strings_with_their_blanks() {
    let text = "#define S(x) #x\nconst string a = S(x+1);\nconst string b = S( x  +\n1 );\nconst string c = S(\"q\\n\");\n\
                #define T(x) S(x)\n#define ONE 1\nconst string d = T(ONE+a) ++ S(ONE);\n";
    assert_eq!(
        plain(text),
        [
            "a = \"x+1\"",
            "b = \"x + 1\"",
            "c = \"\\\"q\\\\n\\\"\"",
            "d = \"1+a\" ++ \"ONE\""
        ]
    );
}

#[test]
fn macros_take_the_rest_of_the_arguments() {
    let text = "#define L(first, ...) {first, __VA_ARGS__}\n#define M(all...) {all}\n#define N(...) 1\n\
                const int a = L(1, 2, (3, 4));\nconst int b = M(5, 6);\nconst int c = N() + N(1, 2);\n";
    assert_eq!(
        plain(text.replace("(3, 4)", "3").as_str()),
        ["a = {1, 2, 3}", "b = {5, 6}", "c = 1 + 1"]
    );
    let options = Options::default();
    assert_eq!(
        findings("#define F(..., x) x\n", &options),
        ["main.p4:1:9 E0104"]
    );
    assert_eq!(
        findings("#define F(__VA_ARGS__) x\n", &options),
        ["main.p4:1:9 E0104"]
    );
}

#[test]
fn options_define_and_undefine() {
    let options = Options::default()
        .with_define("W", "8")
        .with_define("TWICE(x)", "((x) + (x))")
        .with_define("GONE", "1")
        .with_undefine("GONE");
    let text = "const int a = TWICE(W);\n#ifdef GONE\nconst int b = 1;\n#endif\n";
    assert_eq!(constants(text, &options), ["a = 8 + 8"]);
}

#[test]
fn includes_may_be_named_by_macros() {
    let options = Options::default().with_file("lib/a.p4", "const int a = 1;\n");
    let text = "#define FILE \"lib/a.p4\"\n#include FILE\n#define PATH <lib/a.p4>\n#include PATH\n";
    assert_eq!(constants(text, &options), ["a = 1", "a = 1"]);
}

#[test]
fn a_missing_file_is_the_only_complaint() {
    let text = "#include <gone.p4>\ncontrol c(inout gone_t g) { apply { g = (gone_t) 1; f<gone_t>(g); } }\n";
    assert_eq!(findings(text, &Options::default()), ["main.p4:1:9 E0101"]);
}

#[test]
fn warnings_are_said_and_harmless() {
    let text = "#warning mind the gap\nconst int a = 1;\n";
    let (_, sources, diagnostics) = read(text, &Options::default());
    assert!(diagnostics.iter().all(|d| !d.is_error()));
    assert!(render_all(&diagnostics, &sources).contains("mind the gap"));
}

#[test]
fn old_pragmas_expand_macros_to_the_end_of_their_line() {
    let text = "#define N 3\n@pragma size N\n@pragma alone\nconst int a = 1;\n";
    let (program, ..) = read(text, &Options::default());
    assert_eq!(
        printer::program(&program),
        "@size(3)\n@alone()\nconst int a = 1;\n"
    );
}

#[test]
fn line_ends_and_encodings_of_other_systems_are_read() {
    let text = "\u{feff}#define X \\\r\n 1\r\nconst int a = X;\r\n// a comment\r\n#if X\r\nconst int b = 2;\r\n#endif\r\n";
    assert_eq!(plain(text), ["a = 1", "b = 2"]);
    let options = Options::default();
    assert_eq!(
        findings("const int\u{a0}a = 1;\n", &options),
        ["main.p4:1:10 E0110"]
    );
    assert_eq!(
        findings("const int a = 1\0;\n", &options),
        ["main.p4:1:16 E0110"]
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_matter() {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let file = dir.path().join("bytes.p4");
    let codes = |bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("a file can be written");
        let (_, _, diagnostics) = parse_file(&file, &Options::default());
        diagnostics.iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert!(codes(b"// caf\xe9\nconst int a = 1;\n").is_empty());
    assert_eq!(codes(b"const int caf\xe9 = 1;\n"), ["E0110"]);
    assert_eq!(codes(b"\xff\xfe\x00\x01")[0], "E0110");
}

// ----------------------------------------------------------------------------------- bounds

/// Reads `text`, which must end with diagnostics, and no more of them than the limits allow.
#[track_caller]
fn bounded(text: &str) {
    let options = Options::default().with_file("self.p4", "#include \"self.p4\"\n".repeat(100));
    let (_, _, diagnostics) = read(text, &options);
    assert!(!diagnostics.is_empty());
    assert!(diagnostics.len() < 300, "{} findings", diagnostics.len());
}

#[test]
fn long_chains_of_macros_are_refused() {
    let chain = |n: usize| -> String {
        let link = |i| format!("#define m{i} m{}\n", i + 1);
        (0..n).map(link).collect::<String>() + "const int x = m0;\n"
    };
    bounded(&chain(20_000));
    assert_eq!(plain(&chain(200)), ["x = m200"]);
}

#[test]
fn macros_that_grow_are_refused() {
    let mut bomb = "#define b0 1 + 1\n".to_owned();
    for i in 1..40 {
        bomb += &format!("#define b{i} b{} + b{}\n", i - 1, i - 1);
    }
    bounded(&(bomb + "#if b39\n#endif\n"));
    let wide = format!("#define w {}\n", "1 + ".repeat(10_000));
    bounded(&(wide + &"#if w\n#endif\n".repeat(10_000)));
    let (open, close) = ("f(".repeat(60), ")".repeat(60));
    bounded(&format!(
        "#define f(x) x x\nconst int x = {open}1{close};\n"
    ));
    let many = "x ".repeat(10_000);
    bounded(&format!("#define f(x) {many}\nconst int x = f(f(f(1)));\n"));
}

#[test]
fn many_mistakes_are_not_all_reported() {
    bounded(&"#frob\n".repeat(20_000));
    bounded(&"#define a 1\n#define a 2\n".repeat(20_000));
    bounded(&"#include <none.p4>\n".repeat(20_000));
    bounded("#include \"self.p4\"\n");
    bounded(&"#if 1\n".repeat(20_000));
    bounded(&"\0".repeat(1_000_000));
}

#[test]
fn many_of_anything_takes_time_in_proportion() {
    bounded(&format!(
        "{}{}x",
        "#if 1\n".repeat(20_000),
        "\n".repeat(20_000)
    ));
    let names: Vec<String> = (0..20_000).map(|i| format!("p{i}")).collect();
    let names = names.join(", ");
    bounded(&format!(
        "#define f({names}) {}\n}}",
        names.replace(", ", " ")
    ));
    let properties: String = (0..20_000).map(|i| format!("p{i} = 1; ")).collect();
    bounded(&format!(
        "control c() {{ table t {{ {properties} }} apply {{ }} }} }}"
    ));
    bounded(&format!("const int x = {};", "9".repeat(1_000_000)));
}
