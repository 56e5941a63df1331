bit<8> max(in bit<8> a, in bit<8> b) { if (a > b) { return a; } return b; }
T id<T>(in T x) { return x; }
bit<8> three() { return max(1, id<bit<8>>(3)); }
