extern void f(in bit<8> a);
extern void f(in bit<8> a, in bit<8> b);
control c() { apply { f(1); f(1, 2); f(b = 2, a = 1); } }
