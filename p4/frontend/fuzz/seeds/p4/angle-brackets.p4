typedef bit<8> T;
extern X f<X>(in X x);
const bool a = b < c > (d);
const T e = f<T>(1) >> 1;
const bit<(3 > 2 ? 8 : 4)> g = 1 >> 2;
