extern Virtual { Virtual(); abstract bit<16> f(in bit<16> ix); void run(in bit<16> ix); }
control c(inout bit<16> p) {
    Virtual() v = { bit<16> f(in bit<16> ix) { return ix + 1; } };
    apply { v.run(3); p = v.f(p); }
}
