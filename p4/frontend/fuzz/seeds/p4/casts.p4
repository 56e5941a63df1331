type bit<8> T;
control c(inout bit<8> x, inout int<8> y, out T t, out bool b) {
    apply { x = (bit<8>) y; y = (int<8>) x; t = (T) x; x = (bit<8>) t; b = (bool) x[0:0]; x = (bit<8>)(int<16>)(int<8>) -1; }
}
