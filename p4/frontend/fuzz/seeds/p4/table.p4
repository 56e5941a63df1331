#include <core.p4>
control c(inout bit<8> x, inout bit<32> y) {
    action set(bit<8> v) { x = v; }
    table t {
        key = { x : exact @name("the_x"); y : lpm; x & 3 : ternary; }
        actions = { set; @defaultonly NoAction; @tableonly set(); }
        size = 1024;
        default_action = NoAction();
    }
    apply { t.apply(); }
}
