control c(inout bit<8> x) {
    bit<8> y = 1;
    action add(bit<8> by) { x = x + by; }
    action nothing() { }
    apply { if (x == y) add(1); else if (x > y) { nothing(); } else { x = y; } }
}
