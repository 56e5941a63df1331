#include <core.p4>
control c(in bit<8> x, in bit<8> y, out bit<8> z) {
    action set(bit<8> v) { z = v; }
    table t {
        key = { x : ternary; y : ternary; }
        actions = { set; }
        default_action = set(0);
        largest_priority_wins = false;
        priority_delta = 10;
        const entries = {
            priority = 10: (1, 2): set(3);
            const priority = (11 + 1): (4 &&& 6, _): set(5);
            (_, default): set(7) @name("last");
        }
    }
    apply { t.apply(); }
}
