//! Stacks, unions, slices, tuples, and what else has a shape.

use crate::story::{Story, run};

#[test]
fn slices_are_assigned_within_their_variable() {
    assert_eq!(
        run(
            "",
            "",
            "hdr.h.a[3:0] = 4w0xf; hdr.h.b[7:4][1:0] = 2w3;",
            [0x50, 0, 0, 0]
        ),
        [0x5f, 0x30, 0, 0]
    );
}

#[test]
fn arrays_are_read_and_written_by_an_index_of_the_packet() {
    let apply = "bit<8>[4] v = {10, 20, 30, 40}; v[hdr.h.a] = hdr.h.b; hdr.h.c = v[hdr.h.d]; hdr.h.d = v[0];";
    assert_eq!(run("", "", apply, [2, 99, 0, 2]), [2, 99, 99, 10]);
    assert_eq!(run("", "", apply, [7, 99, 0, 3]), [7, 99, 40, 10]);
}

const STACK: Story<'static> = Story {
    top: "header e_t { bit<8> v; }",
    headers: "e_t[3] s;",
    meta: "",
    parser_locals: "",
    states: "state start { pkt.extract(hdr.h); transition select(hdr.h.a) { 0: accept; default: next; } }
        state next { pkt.extract(hdr.s.next);
            transition select((bit<8>) (hdr.s.lastIndex + 1) == hdr.h.a) { true: accept; default: next; } }",
    locals: "",
    apply: "",
    deparse: "",
};

#[test]
fn stacks_fill_up_to_their_size() {
    assert_eq!(STACK.send(&[2, 0, 0, 0, 7, 8, 9]), [2, 0, 0, 0, 7, 8, 9]);
    let story = Story {
        apply: "hdr.h.b = hdr.s[2].isValid() ? 8w1 : 0; hdr.h.c = std.parser_error == error.StackOutOfBounds ? 8w1 : 0;",
        ..STACK
    };
    assert_eq!(story.send(&[3, 0, 0, 0, 7, 8, 9]), [3, 1, 0, 0, 7, 8, 9]);
    assert_eq!(
        story.send(&[4, 0, 0, 0, 7, 8, 9, 10]),
        [4, 1, 1, 0, 7, 8, 9, 10]
    );
}

#[test]
fn stacks_are_shifted() {
    let push = Story {
        apply: "hdr.s.push_front(1); hdr.s[0] = {8w42};",
        ..STACK
    };
    assert_eq!(push.send(&[2, 0, 0, 0, 7, 8]), [2, 0, 0, 0, 42, 7, 8]);
    let pop = Story {
        apply: "hdr.s.pop_front(2);",
        ..STACK
    };
    assert_eq!(pop.send(&[3, 0, 0, 0, 7, 8, 9]), [3, 0, 0, 0, 9]);
    let whole = Story {
        apply: "e_t[3] t = hdr.s; hdr.s[0].v = 1; hdr.h.b = t[0].v; hdr.s = t; hdr.s[hdr.h.a - 1].setInvalid();",
        ..STACK
    };
    assert_eq!(whole.send(&[2, 0, 0, 0, 7, 8]), [2, 7, 0, 0, 7]);
}

const UNION: Story<'static> = Story {
    top: "header p_t { bit<8> v; } header q_t { bit<16> v; } header_union u_t { p_t p; q_t q; }",
    headers: "u_t u;",
    meta: "",
    parser_locals: "",
    states: "state start { pkt.extract(hdr.h); transition select(hdr.h.a) { 1: p; 2: q; default: accept; } }
        state p { pkt.extract(hdr.u.p); transition accept; } state q { pkt.extract(hdr.u.q); transition accept; }",
    locals: "",
    apply: "",
    deparse: "",
};

#[test]
fn one_member_of_a_union_is_valid() {
    assert_eq!(UNION.send(&[1, 0, 0, 0, 7]), [1, 0, 0, 0, 7]);
    let other = Story {
        apply: "if (hdr.u.isValid()) { hdr.h.b = 1; } if (hdr.u.p.isValid()) { hdr.u.q.setValid(); hdr.u.q.v = 0x0102; }
            else { hdr.u.p = {8w9}; }",
        ..UNION
    };
    assert_eq!(other.send(&[1, 0, 0, 0, 7]), [1, 1, 0, 0, 1, 2]);
    assert_eq!(other.send(&[2, 0, 0, 0, 7, 8]), [2, 1, 0, 0, 9]);
    assert_eq!(other.send(&[3, 0, 0, 0]), [3, 0, 0, 0, 9]);
    let copied = Story {
        apply: "u_t t = hdr.u; hdr.u.p = {8w1}; if (t.q.isValid()) { hdr.u = t; }",
        ..UNION
    };
    assert_eq!(copied.send(&[2, 0, 0, 0, 7, 8]), [2, 0, 0, 0, 7, 8]);
    assert_eq!(copied.send(&[3, 0, 0, 0]), [3, 0, 0, 0, 1]);
}

#[test]
fn tuples_enums_and_newtypes() {
    let top = "enum bit<8> Kind { A = 3, B = 5 } enum F { X, Y } type bit<8> N; typedef tuple<bit<8>, bool> T;";
    let apply = "T t = {hdr.h.a, true}; Kind e = (Kind) hdr.h.b; F f = F.Y; N n = (N) t[0];
        if (t[1] && e == Kind.B && f != F.X) { hdr.h.c = (bit<8>) n; } t[0] = 1; hdr.h.d = t[0] + Kind.A;";
    assert_eq!(run(top, "", apply, [9, 5, 0, 0]), [9, 5, 9, 4]);
    assert_eq!(run(top, "", apply, [9, 4, 0, 0]), [9, 4, 0, 4]);
}

#[test]
fn signed_and_saturating_arithmetic() {
    let apply =
        "int<8> x = (int<8>) hdr.h.a; hdr.h.b = (bit<8>) (x >> 1); hdr.h.c = hdr.h.a |+| 8w0x90;
        hdr.h.d = x < 0 ? 8w1 : 0;";
    assert_eq!(run("", "", apply, [0x80, 0, 0, 0]), [0x80, 0xc0, 0xff, 1]);
    let apply = "bit<0> nothing = 0; hdr.h.b = hdr.h.a ++ nothing;";
    assert_eq!(run("", "", apply, [7, 0, 0, 0]), [7, 7, 0, 0]);
}

#[test]
fn default_values() {
    let top = "struct s_t { bit<8> p; bool q; h_t h; }";
    let apply =
        "s_t s = {8w1, true, hdr.h}; s = {p = 5, ...}; hdr.h.b = s.p; hdr.h.c = s.q ? 8w1 : 2;
        hdr.h.d = s.h.isValid() ? 8w1 : 2;";
    assert_eq!(run(top, "", apply, [1, 0, 0, 0]), [1, 5, 2, 2]);
}

#[test]
fn a_parser_looks_ahead_at_a_whole_stack() {
    let story = Story {
        states: "state start { e_t[2] t = pkt.lookahead<e_t[2]>(); pkt.extract(hdr.h); meta.x = t[1].v; transition accept; }",
        apply: "hdr.h.d = meta.x;",
        ..STACK
    };
    assert_eq!(story.send(&[1, 2, 3, 4]), [1, 2, 3, 2]);
}

/// A header with an array of structs in it, between two other fields.
const ARRAY: Story<'static> = Story {
    top: "struct pair_t { bit<4> hi; bit<4> lo; } header a_t { bit<8> n; pair_t[3] p; bit<8> end; }",
    headers: "a_t a;",
    meta: "",
    parser_locals: "",
    states: "state start { pkt.extract(hdr.h); pkt.extract(hdr.a); transition accept; }",
    locals: "",
    apply: "",
    deparse: "",
};

#[test]
fn headers_hold_arrays() {
    let packet = [1, 0, 2, 0, 9, 0x12, 0x34, 0x56, 0xff];
    let story = Story {
        apply: "hdr.h.b = (bit<8>) hdr.a.p[hdr.h.a].lo; hdr.a.p[hdr.h.c].hi = 0xe; hdr.a.p[0] = {7, 8};",
        ..ARRAY
    };
    assert_eq!(story.send(&packet), [1, 4, 2, 0, 9, 0x78, 0x34, 0xe6, 0xff]);
    // As a whole: copied, compared, made and taken apart.
    let story = Story {
        apply: "a_t copy = hdr.a; copy.p[1].lo = 0; hdr.h.b = copy == hdr.a ? 8w1 : 0;
                pair_t[3] all = copy.p; hdr.a = {1, {{1, 2}, {3, 4}, all[2]}, 5};",
        ..ARRAY
    };
    assert_eq!(story.send(&packet), [1, 0, 2, 0, 1, 0x12, 0x34, 0x56, 5]);
    let story = Story {
        states: "state start { a_t seen = pkt.lookahead<a_t>(); meta.x = (bit<8>) seen.p[1].hi;
                 pkt.extract(hdr.h); pkt.extract(hdr.a); transition accept; }",
        apply: "hdr.h.b = meta.x;",
        ..ARRAY
    };
    assert_eq!(
        story.send(&packet),
        [1, 2 >> 4, 2, 0, 9, 0x12, 0x34, 0x56, 0xff]
    );
}

#[test]
fn registers_hold_structs() {
    let top =
        "struct inner_t { bool f; bit<3> g; bit<4>[2] n; } struct cell_t { bit<8> x; inner_t i; }";
    let locals = "register<cell_t>(4) r;";
    let apply = "cell_t c = {hdr.h.a, {true, 5, {1, 2}}}; r.write(1, c);
         cell_t d; r.read(d, 1); hdr.h.b = d.x; hdr.h.c = d.i.f ? (bit<8>) d.i.g : 0;
         hdr.h.d = d.i.n[0] ++ d.i.n[1]; r.read(d, 0); hdr.h.a = d.x;";
    assert_eq!(run(top, locals, apply, [7, 0, 0, 0]), [0, 7, 5, 0x12]);
    let headers = Story {
        locals: "register<h_t>(4) r;",
        apply: "r.write(0, hdr.h);",
        ..Story::default()
    };
    assert_eq!(headers.refused(), "E0144");
}

#[test]
fn checksum16_sums_its_data() {
    // RFC 1071: the complement of 0x0102 + 0x0304.
    let apply = "bit<16> sum = c.get({hdr.h.a, hdr.h.b, hdr.h.c, hdr.h.d}); hdr.h.a = sum[15:8]; hdr.h.b = sum[7:0];";
    assert_eq!(
        run("", "Checksum16() c;", apply, [1, 2, 3, 4]),
        [0xfb, 0xf9, 3, 4]
    );
}

#[test]
fn what_no_target_has_is_refused() {
    let random = Story {
        locals:
            "action a() { } table t { key = { hdr.h.a: exact; hdr.h.b: selector; } actions = { a; }
                 implementation = action_selector(HashAlgorithm.random, 4, 8); }",
        apply: "t.apply();",
        ..Story::default()
    };
    assert_eq!(random.refused(), "E0144");
    for top in [
        "header v_t { bit<8> n; varbit<32> v; varbit<8> w; }",
        "header v_t { bit<4> n; varbit<32> v; bit<4> end; }",
        "header v_t { bit<8> n; varbit<4096> v; bit<8> end; }",
    ] {
        let behind = Story {
            top,
            headers: "v_t v;",
            states: "state start { pkt.extract(hdr.v, 8); transition accept; }",
            ..Story::default()
        };
        let code = behind.refused();
        assert!(
            ["E0144", "E0133", "E0163"].contains(&code.as_str()),
            "{top}: {code}"
        );
    }
}

/// Any number, but in the range that is asked for, and another one each time.
#[test]
fn a_random_hash_is_in_its_range() {
    let apply = "hash(hdr.h.a, HashAlgorithm.random, 8w4, {hdr.h.b}, 8w1);
                 hash(hdr.h.b, HashAlgorithm.random, 8w7, {hdr.h.b}, 8w0);
                 hash(hdr.h.c, HashAlgorithm.random, 8w0, {hdr.h.b}, 8w200);
                 hash(hdr.h.d, HashAlgorithm.random, 8w0, {hdr.h.b}, 8w200);";
    let [a, b, c, d] = run("", "", apply, [1, 2, 3, 4]);
    assert_eq!((a, b), (4, 7));
    assert!(c < 200 && d < 200 && c != d, "{c}, {d}");
}

#[test]
fn a_range_of_signed_numbers_has_the_order_of_these() {
    let locals = "action set(bit<8> n) { hdr.h.b = n; }
        table t {
            key = { (int<8>) hdr.h.a: range @name(\"a\"); }
            actions = { set; }
            default_action = set(9);
            const entries = { -128 .. -100: set(1); -8s5 .. 8s5: set(2); 100: set(3); _: set(4); }
        }";
    let class = |a: u8| run("", locals, "t.apply();", [a, 0, 0, 0])[1];
    assert_eq!([0x80, 0x9c, 0x9d].map(class), [1, 1, 4]);
    assert_eq!([0xfa, 0xfb, 0, 5, 6].map(class), [4, 2, 2, 2, 4]);
    assert_eq!([100, 101, 0xff].map(class), [3, 4, 2]);
    let empty = Story {
        locals: "table t { key = { (int<8>) hdr.h.a: range @name(\"a\"); } actions = { NoAction; }
                 const entries = { 8s5 .. -8s5: NoAction(); } }",
        apply: "t.apply();",
        ..Story::default()
    };
    assert!(
        ["E0133", "E0171"].contains(&empty.refused().as_str()),
        "{}",
        empty.refused()
    );
}

#[test]
fn a_varbit_is_copied_in_a_parser() {
    let copied = Story {
        top: "header v_t { bit<8> n; varbit<32> v; } header w_t { bit<16> n; varbit<32> v; }",
        headers: "v_t v; w_t w;",
        states: "state start { pkt.extract(hdr.v, 16); hdr.w.setValid(); hdr.w.n = 0x0102; hdr.w.v = hdr.v.v;
                 hdr.v.setInvalid(); transition accept; }",
        ..Story::default()
    };
    assert_eq!(copied.send(&[7, 8, 9, 0xff]), [1, 2, 8, 9, 0xff]);
    // An invalid header takes none, and has an empty one.
    let copied = Story {
        states: "state start { pkt.extract(hdr.v, 16); hdr.w.v = hdr.v.v; hdr.v.v = hdr.w.v; transition accept; }",
        ..copied
    };
    assert_eq!(copied.send(&[7, 8, 9, 0xff]), [7, 0xff]);
}

/// As on BMv2, and as programs that share actions between tables take for granted.
#[test]
fn a_direct_meter_tells_its_own_table_only() {
    let locals = "direct_meter<bit<8>>(MeterType.packets) first; direct_meter<bit<8>>(MeterType.packets) second;
        action color() { first.read(hdr.h.b); }
        table t { key = { hdr.h.a: exact; } actions = { color; } meters = first; const entries = { 1: color(); } }
        table u { key = { hdr.h.a: exact; } actions = { color; } meters = second; const entries = { 2: color(); } }
        table v { key = { hdr.h.a: exact; } actions = { color; } const entries = { 3: color(); } }";
    let run = |a| run("", locals, "t.apply(); u.apply(); v.apply();", [a, 7, 0, 0]);
    // Without rates, all is green.
    assert_eq!(run(1), [1, 0, 0, 0]);
    assert_eq!([run(2), run(3)], [[2, 7, 0, 0], [3, 7, 0, 0]]);
}

/// A header whose varbit is not its last field.
const TAIL: Story<'static> = Story {
    top: "header v_t { bit<8> n; varbit<32> v; bit<8> x; bit<16> y; }",
    headers: "v_t v; v_t w;",
    meta: "",
    parser_locals: "",
    states: "state start { transition select(pkt.lookahead<bit<8>>()) { 9: reject; default: go; } }
             state go { pkt.extract(hdr.v, (bit<32>) pkt.lookahead<bit<8>>() * 8); transition accept; }",
    locals: "",
    apply: "",
    deparse: "",
};

#[test]
fn fields_may_stand_behind_a_varbit() {
    let packet = [2, 7, 8, 1, 0x12, 0x34, 0xff];
    let story = |apply| Story { apply, ..TAIL };
    assert_eq!(TAIL.send(&packet), packet);
    assert_eq!(
        story("hdr.v.x = 5; hdr.v.y = hdr.v.y + 1;").send(&packet),
        [2, 7, 8, 5, 0x12, 0x35, 0xff]
    );
    assert_eq!(story("hdr.v.setInvalid();").send(&packet), [0xff]);
    assert_eq!(
        story("hdr.w = hdr.v; hdr.w.y = 1; hdr.v.x = hdr.w == hdr.v ? 8w1 : 2;").send(&packet),
        [2, 7, 8, 2, 0x12, 0x34, 2, 7, 8, 1, 0, 1, 0xff]
    );
    assert_eq!(
        story("hdr.w.setValid(); hdr.w.y = 0x0a0b; hdr.v = hdr.w; hdr.w.setInvalid();")
            .send(&packet),
        [0, 0, 0x0a, 0x0b, 0xff]
    );
    assert_eq!(
        story("v_t copy = hdr.v; copy.x = 3; hdr.v.setInvalid(); hdr.v = copy;").send(&packet),
        [2, 7, 8, 3, 0x12, 0x34, 0xff]
    );
    // No byte is taken of a packet that is too short for all of it, nor of one with too long a varbit.
    for short in [
        &[2, 7, 8, 1, 0x12][..],
        &[2, 7, 8],
        &[5, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ] {
        let apply =
            "if (hdr.v.isValid() || std.parser_error == error.NoError) { mark_to_drop(std); }";
        assert_eq!(story(apply).send(short), short);
    }
    assert_eq!(TAIL.send(&[0, 1, 2, 3]), [0, 1, 2, 3]);
}
