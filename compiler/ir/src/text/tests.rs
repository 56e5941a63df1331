use super::read;
use crate::verify::verify;

/// The example of the module's documentation, with all that the format knows.
fn example() -> &'static str {
    include_str!("example.tri")
}

#[test]
fn the_example_reads_verifies_and_prints_back() {
    let program = read("example", example()).unwrap_or_else(|e| panic!("{}", e.render(example())));
    verify(&program).unwrap();
    let printed = program.to_string();
    let again = read("printed", &printed).unwrap_or_else(|e| panic!("{}", e.render(&printed)));
    assert_eq!(program, again, "{printed}");
    assert_eq!(printed, again.to_string());
}

#[test]
fn names_are_quoted_only_where_needed() {
    for (name, text) in [
        ("vlan[0]", "vlan[0]"),
        ("fw.acl", "fw.acl"),
        ("a b", "\"a b\""),
        ("", "\"\""),
        ("node", "\"node\""),
        ("a..b", "\"a..b\""),
        ("a\"\\\n", "\"a\\\"\\\\\\x0a\""),
        ("größe", "\"größe\""),
        ("x[7:0]", "\"x[7:0]\""),
    ] {
        assert_eq!(super::quoted(name), text);
        let source = format!("program {text}");
        assert_eq!(read("t", &source).unwrap().name, name);
    }
}

#[test]
fn errors_name_the_place() {
    let at = |source: &str| {
        let error = read("t", source).unwrap_err();
        let (line, column) = crate::diag::line_column(source, error.span.start);
        (error.message.clone(), line, column)
    };
    assert_eq!(
        at("program p\nheader h: nothing"),
        ("there is no header type `nothing`".to_owned(), 2, 11)
    );
    assert_eq!(
        at("program p\nmeta m: 8\nmeta m: 8").0,
        "there are two metadata fields `m`"
    );
    assert_eq!(
        at("program p\nnode n: exec { $drop = (16w0x1 ? 16w0x2) } -> n"),
        ("no token begins here".to_owned(), 2, 32)
    );
    assert_eq!(
        at("program p node n: exec { $drop = 16w0x1 -> n").0,
        "expected a place to assign, found `->`"
    );
    assert_eq!(
        at("program p meta m: 99999999999").0,
        "99999999999 is too large"
    );
    assert_eq!(
        at("program p start").0,
        "expected a name, found the end of the text"
    );
    let deep = format!(
        "program p node n: if {} -> n else -> n",
        "!".repeat(100_000)
    );
    assert_eq!(at(&deep).0, "nested more than 200 deep");
}

#[test]
fn what_does_not_exist_still_prints() {
    let mut program = crate::Program::new("p");
    program.deparser.push(crate::HeaderId(7));
    program.control.entry = Some(crate::NodeId(3));
    let text = program.to_string();
    assert!(text.contains("?hdr7") && text.contains("?node3"), "{text}");
    assert!(read("t", &text).is_err());
}
