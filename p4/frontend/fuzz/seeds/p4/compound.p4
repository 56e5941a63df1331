control c(inout bit<8> x, inout int<8> y) {
    apply {
        x += 1; x -= 2; x *= 3; x &= 4; x |= 5; x ^= 6; x <<= 1; x >>= 2; x |+|= 7; x |-|= 8;
        x[3:0] = 4w2; y /= 1; y %= 1;
    }
}
