parser p(in bit<8> a, in bit<8> b) {
    state start { transition select(a, b) { (1, 2): x; (3, _): y; (4 &&& 5, 6 .. 7): z; _: accept; } }
    state x { transition y; }
    state y { transition z; }
    state z { }
}
