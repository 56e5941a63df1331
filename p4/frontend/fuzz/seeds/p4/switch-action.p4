#include <core.p4>
control c(inout bit<8> x) {
    action a() { } action b() { }
    table t { key = { x : exact; } actions = { a; b; } default_action = a; }
    apply {
        switch (t.apply().action_run) { a: { x = 1; } b: default: { x = 2; } }
        if (t.apply().hit) { x = 3; } else if (!t.apply().miss) { exit; }
    }
}
