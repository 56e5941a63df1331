enum E { A, B }
control c(inout bit<8> x, in E e) {
    apply {
        switch (x) { 1: 2: { x = 3; } 16w4[7:0]: { } default: { return; } }
        switch (e) { E.A: { x = 0; } E.B: { } }
    }
}
