#include <core.p4>
#include <pna.p4>
#include <trisect/std.p4>
