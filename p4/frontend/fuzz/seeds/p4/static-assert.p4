#include <core.p4>
const bool ok = static_assert(8 == 4 + 4, "sum");
const bit<8> w = 8w255 + 1;
