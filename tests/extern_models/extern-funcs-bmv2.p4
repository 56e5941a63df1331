// What the packets of that test show: `d` becomes `s`.
void extern_func(out bit<32> d, bit<32> s) {
    d = s;
}
