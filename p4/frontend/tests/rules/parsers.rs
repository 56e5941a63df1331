use super::{parser, right, warned, wrong};

#[test]
fn parsers_come_to_an_end() {
    let endless = "state start { transition more; } state more { transition start; }";
    wrong("E0139", "P", &parser(endless));
    right(&parser("state start { transition accept; }"));
    // A state without transition rejects.
    right(&parser("state start { }"));
}

#[test]
fn states_that_nothing_leads_to() {
    let lost = "state start { transition accept; } state lost { transition accept; }";
    warned("E0160", "lost", &parser(lost));
}

#[test]
fn packets_hold_headers() {
    let statement = |text: &str| parser(&format!("state start {{ {text} transition accept; }}"));
    wrong(
        "E0165",
        "b.extract(hdr.many)",
        &statement("b.extract(hdr.many);"),
    );
    wrong("E0165", "b.extract(a)", &statement("b.extract(a);"));
    wrong(
        "E0165",
        "b.extract(hdr.one, 8)",
        &statement("b.extract(hdr.one, 8);"),
    );
    wrong(
        "E0165",
        "b.extract(hdr.long)",
        &statement("b.extract(hdr.long);"),
    );
    wrong(
        "E0165",
        "b.lookahead<long_t>()",
        &statement("hdr.long = b.lookahead<long_t>();"),
    );
    right(&statement(
        "b.extract(hdr.one); b.extract(hdr.long, 8); b.extract(hdr.many.next);",
    ));
    right(&statement("a = b.lookahead<bit<8>>();"));
}
