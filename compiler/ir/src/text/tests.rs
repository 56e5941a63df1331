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

/// Damaged text is refused or gives another program; nothing panics, also not verifying or printing it.
#[test]
fn damaged_text_never_panics() {
    use proptest::prelude::*;
    // The words are joined on one line, so comments must go.
    let lines = example().lines().map(|l| l.split(';').next().unwrap_or(""));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let damage = (any::<prop::sample::Index>(), 0..6u8, any::<u32>());
    let strategy = proptest::collection::vec(damage, 1..4);
    let mut read_back = 0;
    for _ in 0..1500 {
        let tree = strategy.new_tree(&mut runner).unwrap();
        let mut words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        for (at, how, number) in proptest::strategy::ValueTree::current(&tree) {
            let i = at.index(words.len());
            let other = number as usize % words.len();
            match how {
                0 => drop(words.remove(i)),
                1 => words.insert(i, words[other].clone()),
                2 => words.swap(i, other),
                _ => {
                    let is_digit = |c: char| c.is_ascii_digit();
                    words[i] = words[i].replace(is_digit, &(number % 70_000).to_string());
                }
            }
        }
        let text = words.join(" ");
        if let Ok(program) = read("damaged", &text) {
            read_back += 1;
            let _ = verify(&program);
            let _ = program.to_string();
        }
    }
    assert!(
        read_back > 20,
        "only {read_back} of the damaged programs could be read"
    );
}

#[test]
fn huge_widths_are_refused_without_being_allocated() {
    let source = "program p meta m: 4294967295 meta n: 8
        entry n node n: exec { $n = 4294967295w0x1[4294967295:0] $n = ($n as 4294967295) } -> e
        node e: emit";
    let program = read("t", source).unwrap();
    let errors = verify(&program).unwrap_err();
    assert!(errors.0.len() >= 3, "{errors}");
}
