struct s_t { bit<8> a; bit<8> b; bool c; }
control c(out s_t s) {
    apply { s = { a = 1, ... }; s = { ... }; s = ...; }
}
