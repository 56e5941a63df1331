const bit<8> a = 1 + 2 * 3 - 4 / 2 % 5;
const bit<8> b = (a << 2 >> 1) & 3 | 4 ^ ~a;
const bool c = a < b && b <= a || a > b && a >= b && a != b;
const bit<16> d = a ++ b;
const bit<4> e = d[7:4];
const int f = c ? 1 : 2;
