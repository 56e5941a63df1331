control c(inout bit<8> x) {
    action a(out bit<8> y) { y = 1; if (x == 1) return; exit; }
    apply { a(x); return; }
}
