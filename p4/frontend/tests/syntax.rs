//! Preprocessor, lexer and parser as users meet them: text in, tree and diagnostics out.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use proptest::prelude::*;
use trisect_p4::ast::{BinOp, Decl, DeclKind, ExprKind, Program, StmtKind, TypeKind};
use trisect_p4::{Diagnostic, Options, SourceMap, parse_str, printer, render_all};

fn read(text: &str, options: &Options) -> (Program, SourceMap, Vec<Diagnostic>) {
    let (program, sources, diagnostics) = parse_str("main.p4", text, options);
    (program.expect("text is always read"), sources, diagnostics)
}

fn good(text: &str) -> Program {
    let (program, sources, diagnostics) = read(text, &Options::default());
    assert!(
        diagnostics.is_empty(),
        "{}",
        render_all(&diagnostics, &sources)
    );
    program
}

/// Each diagnostic as `line:column code`.
fn findings(text: &str, options: &Options) -> Vec<String> {
    let (_, sources, diagnostics) = read(text, options);
    let place = |d: &Diagnostic| {
        let at = sources.location(d.span);
        format!("{}:{}:{} {}", at.file, at.line, at.column, d.code)
    };
    diagnostics.iter().map(place).collect()
}

fn constant(program: &Program, name: &str) -> String {
    let found = program.decls.iter().find_map(|decl| match &decl.kind {
        DeclKind::Const(decl) if decl.name.name == name => Some(printer::expression(&decl.value)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no constant {name}"))
}

fn names(program: &Program) -> Vec<&str> {
    program
        .decls
        .iter()
        .filter_map(|decl| Some(decl.name()?.as_str()))
        .collect()
}

// ------------------------------------------------------------------------------ preprocessor

#[test]
fn macros_expand_as_in_c() {
    let program = good(
        "#define W 8\n#define ADD(a, b) ((a) + (b))\n#define ONE ADD(W, 1)\n#define CAT(a, b) a ## b\n\
         #define STR(x) #x\n#define SELF SELF\n\
         const int a = W;\nconst int b = ADD(ADD(1, 2), ONE);\nconst int c = CAT(0x, ff);\n\
         const string d = STR(x + 1);\nconst int SELF = 1;\nconst int e = ADD (\n 1,\n 2);\n",
    );
    assert_eq!(constant(&program, "a"), "8");
    assert_eq!(constant(&program, "b"), "1 + 2 + (8 + 1)");
    assert_eq!(constant(&program, "c"), "0xff");
    assert_eq!(constant(&program, "d"), "\"x + 1\"");
    assert_eq!(constant(&program, "SELF"), "1");
    assert_eq!(constant(&program, "e"), "1 + 2");
}

#[test]
fn macros_that_name_each_other_end() {
    let program = good(
        "#define a b\n#define b a\n#define g(x) x(x)\nconst int c = a;\nconst int d = g(g);\n",
    );
    assert_eq!(constant(&program, "c"), "a");
    assert_eq!(constant(&program, "d"), "g(g)");
}

#[test]
fn a_macro_bomb_is_refused() {
    let mut text = "#define x0 1 + 1\n".to_owned();
    for level in 1..64 {
        text += &format!("#define x{level} x{} + x{}\n", level - 1, level - 1);
    }
    text += "const int c = x63;\n";
    assert!(
        findings(&text, &Options::default())
            .iter()
            .any(|f| f.ends_with("E0106"))
    );
}

#[test]
fn conditions_choose_what_is_compiled() {
    let text = "#if defined(A) && A > 1 || 0\nconst int a = 1;\n#elif (B * 2 == 6) ? 1 : 0\nconst int b = 1;\n\
                #if 1\nconst int b2 = 1;\n#else\n#error no\n#endif\n#endif\n#if 0\nit's nothing /* */ \" \n#endif\n\
                #ifndef B\nconst int c = 1;\n#else\nconst int d = 1;\n#endif\n";
    let with = |defines: &[(&str, &str)]| {
        let options = defines.iter().fold(Options::default(), |o, (name, value)| {
            o.with_define(*name, *value)
        });
        let (program, sources, diagnostics) = read(text, &options);
        assert!(
            diagnostics.is_empty(),
            "{}",
            render_all(&diagnostics, &sources)
        );
        names(&program).join(" ")
    };
    assert_eq!(with(&[("A", "2")]), "a c");
    assert_eq!(with(&[("A", "1"), ("B", "3")]), "b b2 d");
    assert_eq!(with(&[]), "c");
}

#[test]
fn includes_are_found_in_memory_and_keep_their_places() {
    let options = Options::default()
        .with_file("lib/a.p4", "#include \"b.p4\"\nconst int a = 1;\n")
        .with_file("lib/b.p4", "const int b = 1;\nconst b2 = 1;\n");
    let text = "#include <lib/a.p4>\n#include \"lib/b.p4\"\nconst int c = 1;\n";
    let (program, ..) = read(text, &options);
    assert_eq!(names(&program).join(" "), "b a b c");
    assert_eq!(
        findings(text, &options),
        ["lib/b.p4:2:10 E0120", "lib/b.p4:2:10 E0120"]
    );
}

#[test]
fn preprocessor_mistakes_have_codes_and_places() {
    let cases = [
        ("#include \"none.p4\"\n", "main.p4:1:9 E0101"),
        ("#include none\n", "main.p4:1:9 E0102"),
        ("#frob\n", "main.p4:1:1 E0102"),
        ("#endif\n", "main.p4:1:1 E0102"),
        ("\n#if 1\n", "main.p4:2:1 E0102"),
        ("#error stop here\n", "main.p4:1:1 E0103"),
        (
            "#define F(a) a\nconst int x = F(1, 2);\n",
            "main.p4:2:15 E0104",
        ),
        ("#define F(a, a) a\n", "main.p4:1:9 E0104"),
        ("#if 1 +\n#endif\n", "main.p4:1:1 E0105"),
        ("#if 1 / 0\n#endif\n", "main.p4:1:7 E0105"),
        ("/* open\n", "main.p4:1:1 E0111"),
        ("const string s = \"open;\n", "main.p4:1:18 E0111"),
        ("const int x = 'a';\n", "main.p4:1:15 E0110"),
        ("const int x = 0x;\n", "main.p4:1:15 E0112"),
        ("#line 7 \"other.p4\"\nconst x;\n", "other.p4:7:8 E0120"),
    ];
    for (text, finding) in cases {
        let found = findings(text, &Options::default());
        assert_eq!(found.first().map(String::as_str), Some(finding), "{text}");
    }
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    let options = Options::default().with_file("a.p4", "#include \"a.p4\"\n#include \"a.p4\"\n");
    assert_eq!(
        findings("#include \"a.p4\"\n", &options),
        ["a.p4:1:9 E0106"]
    );
}

#[test]
fn old_pragmas_are_annotations() {
    let program =
        good("@pragma size 10 ( 2 )\nconst int x = 1;\n# 5 \"x.p4\"\n#pragma whatever ' \n");
    assert_eq!(
        printer::program(&program),
        "@size(10 ( 2 ))\nconst int x = 1;\n"
    );
}

#[test]
fn embedded_files_are_found() {
    let program = good("#include <core.p4>\n#include <v1model.p4>\n#include <trisect/std.p4>\n");
    for (path, _) in trisect_p4::embedded::FILES {
        good(&format!("#include <{path}>\n"));
    }
    for architecture in ["<bmv2/psa.p4>", "<dpdk/psa.p4>", "\"psa.p4\""] {
        assert!(names(&good(&format!("#include {architecture}\n"))).contains(&"PSA_Switch"));
    }
    assert!(names(&program).contains(&"packet_in") && names(&program).contains(&"V1Switch"));
    let none = Options {
        embedded: false,
        ..Options::default()
    };
    assert_eq!(
        findings("#include <core.p4>\n", &none),
        ["main.p4:1:9 E0101"]
    );
}

// ------------------------------------------------------------------------------------ parser

fn init(decl: &Decl) -> &ExprKind {
    match &decl.kind {
        DeclKind::Const(decl) => &decl.value.kind,
        other => panic!("not a constant: {other:?}"),
    }
}

#[test]
fn angle_brackets_are_types_or_comparisons() {
    let program = good(
        "typedef bit<8> T;\nextern X f<X>(in X x);\nconst bool a = b < c > (d);\nconst T e = f<T>(1);\n\
         const bool g = h(a < b, c > (d));\nconst tuple<bit<8>, list<tuple<T>>> i = {1, {}};\n\
         const bit<(3 > 2 ? 8 : 4)> j = 1 >> 2;\n",
    );
    assert!(matches!(
        init(&program.decls[2]),
        ExprKind::Binary { op: BinOp::Gt, .. }
    ));
    assert!(
        matches!(init(&program.decls[3]), ExprKind::Call { type_args, .. } if type_args.len() == 1)
    );
    assert!(matches!(init(&program.decls[4]), ExprKind::Call { args, .. } if args.len() == 2));
    assert!(matches!(
        init(&program.decls[6]),
        ExprKind::Binary { op: BinOp::Shr, .. }
    ));
}

#[test]
fn a_name_in_an_inner_scope_hides_a_type() {
    let program = good(
        "typedef bit<8> T;\ncontrol c(in bit<8> T, out bool r) {\n apply { r = (T) < 1; }\n}\n\
         control d(out bit<8> r) { apply { r = (T) 1; } }\n",
    );
    let body = |at: usize| match &program.decls[at].kind {
        DeclKind::Control(control) => match &control.apply.stmts[0].kind {
            StmtKind::Assign { value, .. } => &value.kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert!(matches!(body(1), ExprKind::Binary { op: BinOp::Lt, .. }));
    assert!(matches!(body(2), ExprKind::Cast { ty, .. } if matches!(ty.kind, TypeKind::Named(_))));
}

#[test]
fn literals_have_width_sign_and_base() {
    let program = good(
        "const int a = 8w0xF_F;\nconst int b = 4s0b0111;\nconst int c = 0o17;\nconst int d = 32w1_000;\n",
    );
    let shown = ["a", "b", "c", "d"].map(|name| constant(&program, name));
    assert_eq!(shown, ["8w0xff", "4s0b111", "0o17", "32w1000"]);
}

#[test]
fn operators_bind_as_specified() {
    let program = good(
        "const int x = a + b * c << 2 & d == e || !f && g ? (bit<8>) -h[7:0] ++ i : j |+| k;\n",
    );
    let expected = "a + b * c << 2 & d == e || !f && g ? (bit<8>)-h[7:0] ++ i : j |+| k";
    assert_eq!(constant(&program, "x"), expected);
    // Unlike in C, `&` and `|` bind tighter than comparisons.
    let program = good("const int x = (a & b) == (c | d);\nconst int y = a & (b == c);\n");
    assert_eq!(constant(&program, "x"), "a & b == c | d");
    assert_eq!(constant(&program, "y"), "a & (b == c)");
}

#[test]
fn errors_do_not_hide_later_ones() {
    let text = "header h { bit<8> a bit<8> b; bit<8 c; bit<8> d; }\n\
                control c() {\n  action a( { }\n  table t { key = { x exact; } actions = { a; } }\n\
                  apply { x = ; t.apply(); y + 1; if (z { } w = 1; }\n}\nstruct s { bit<8> }\nconst int ok = 1;\n";
    let (program, _, diagnostics) = read(text, &Options::default());
    assert!(names(&program).ends_with(&["ok"]), "{:?}", names(&program));
    let lines: Vec<u32> = diagnostics
        .iter()
        .map(|d| text[..d.span.lo as usize].matches('\n').count() as u32)
        .collect();
    for line in [0, 2, 3, 4, 6] {
        assert!(
            lines.contains(&line),
            "nothing said about line {line}: {lines:?}"
        );
    }
}

#[test]
fn a_missing_semicolon_is_marked_where_it_is_missing() {
    let (_, sources, diagnostics) =
        read("const int a = 1\nconst int b = 2;\n", &Options::default());
    assert_eq!(
        diagnostics[0].one_line(&sources),
        "main.p4:1:15: error[E0120]: expected `;`, found the keyword `const`"
    );
    let text = diagnostics[0].render(&sources);
    assert!(
        text.contains("const int a = 1") && text.contains("help: add `;` here"),
        "{text}"
    );
    let json = serde_json::to_value(&diagnostics[0]).expect("diagnostics are plain data");
    assert_eq!(
        (json["code"].as_str(), json["severity"].as_str()),
        (Some("E0120"), Some("error"))
    );
}

#[test]
fn deep_nesting_is_refused_not_crashed_on() {
    let deep = [
        format!(
            "const int x = {}1{};",
            "(".repeat(100_000),
            ")".repeat(100_000)
        ),
        format!("const int x = {}1;", "-".repeat(100_000)),
        format!("const int x = 1{};", " + 1".repeat(100_000)),
        format!("const int x = a{};", ".b".repeat(100_000)),
        format!(
            "const int x = {}1{};",
            "{".repeat(100_000),
            "}".repeat(100_000)
        ),
        format!(
            "const {}bit x{} = 1;",
            "tuple<".repeat(100_000),
            ">".repeat(100_000)
        ),
        format!("const T{} x = 1;", "[1]".repeat(100_000)),
        format!("const int x = {}1;", "a < ".repeat(100_000)),
        format!("const int x = {}1;", "(bit<(".repeat(100_000)),
        format!("control c() {{ apply {} }}", "{".repeat(100_000)),
        format!(
            "control c() {{ apply {{ {} ; }} }}",
            "if (a) ".repeat(100_000)
        ),
        format!(
            "control c() {{ apply {{ {} ; }} }}",
            "if (a) ; else ".repeat(100_000)
        ),
        format!("{}struct S {{}} x;", "typedef ".repeat(100_000)),
        format!("#if {}1\n#endif\n", "(".repeat(100_000)),
    ];
    for text in deep {
        let (_, _, diagnostics) = read(&text, &Options::default());
        assert!(!diagnostics.is_empty());
    }
}

#[test]
fn errors_are_limited() {
    let text = "const;\n".repeat(1000);
    let found = findings(
        &text,
        &Options {
            max_errors: 5,
            ..Options::default()
        },
    );
    assert_eq!(found.len(), 6);
    assert!(found[5].ends_with("E0199"));
}

/// Tokens that make the parser work hard when strung together at random.
const SOUP: &[&str] = &[
    "control",
    "parser",
    "c",
    "(",
    ")",
    "{",
    "}",
    "apply",
    "<",
    ">",
    ">>",
    "bit",
    "8",
    "T",
    ";",
    ",",
    ".",
    "=",
    "table",
    "key",
    "actions",
    "entries",
    "default_action",
    "action",
    "if",
    "else",
    "switch",
    "for",
    "in",
    "state",
    "start",
    "transition",
    "select",
    "default",
    "_",
    "&&&",
    "..",
    "...",
    ":",
    "?",
    "+",
    "-",
    "[",
    "]",
    "@",
    "@name",
    "\"s\"",
    "typedef",
    "type",
    "header",
    "struct",
    "enum",
    "error",
    "extern",
    "package",
    "const",
    "8w1",
    "0x",
    "tuple",
    "list",
    "return",
    "{#}",
    "\n",
    "\n#define T c",
    "\n#if T\n",
    "\n#else\n",
    "\n#endif\n",
    "\n#include \"x\"\n",
    "++",
    "/*",
    "//",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let (_, sources, diagnostics) = read(&text, &Options::default());
        let _ = render_all(&diagnostics, &sources);
    }

    #[test]
    fn token_soup_never_panics(words in proptest::collection::vec(proptest::sample::select(SOUP), 0..200)) {
        let text = format!("typedef bit<8> T;\n{}", words.join(" "));
        let (program, sources, diagnostics) = read(&text, &Options::default());
        let _ = render_all(&diagnostics, &sources);
        let _ = printer::program(&program);
    }

    /// A program with a few tokens lost, doubled or swapped.
    #[test]
    fn damaged_programs_never_panic(cuts in proptest::collection::vec((any::<u16>(), 0_u8..3), 1..6)) {
        let whole = trisect_p4::embedded::find("v1model.p4").expect("v1model.p4 is embedded");
        let mut words: Vec<&str> = whole.split_inclusive([' ', '(', ')', '{', '}', ';']).collect();
        for (at, how) in cuts {
            let at = usize::from(at) % words.len();
            match how {
                0 => { words.remove(at); }
                1 => words.insert(at, words[at]),
                _ => words.swap(at, 0),
            }
        }
        let (_, sources, diagnostics) = read(&words.concat(), &Options::default());
        let _ = render_all(&diagnostics, &sources);
    }
}
