const int A = 8w0xFF + 8w1_000;
const bit<8> B = 0b1010_1010;
const int<4> C = -4s7;
const bit<16> D = 0o17 |+| 16w3 |-| 16w1;
const bool E = true && !false || A == 3;
