struct s_t { bit<8> a; bit<8> b; }
control c(inout s_t s) { apply { s = { 1, 2 }; s = { a = 3, b = 4 }; s = (s_t) { 5, 6 }; } }
