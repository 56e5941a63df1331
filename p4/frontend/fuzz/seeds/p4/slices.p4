control c(inout bit<32> x) {
    apply { x[7:0] = x[15:8]; x[31:16] = x[0+:16]; x = x[3:0] ++ x[31:4]; x[4+:4] = 1; }
}
