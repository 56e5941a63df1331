typedef bit<8> T;
control c(in bit<8> T, out bool r) { apply { r = (T) < 1; { bit<4> T = 2; r = T == 1; } } }
control d(out bit<8> r) { apply { r = (T) 1; r = (.T) 2; } }
