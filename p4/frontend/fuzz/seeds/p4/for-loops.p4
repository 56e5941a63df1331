control c(inout bit<8> x) {
    apply {
        for (bit<8> i = 0, bit<8> j = 9; i < j; i = i + 1, j -= 1) { if (i == 3) continue; x += i; }
        for (bit<8> k in 1 .. 5) { if (k == 2) break; x = x ^ k; }
        @unroll for (bit<8> l in { 1, 2, 3 }) x |= l;
        for (; true; ) { exit; }
    }
}
