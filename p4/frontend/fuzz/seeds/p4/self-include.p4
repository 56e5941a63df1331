#ifndef ONCE
#define ONCE
#include "self.p4"
const int a = 1;
#endif
