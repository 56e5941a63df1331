#include <core.p4>
#include "core.p4" // again
#define MODEL <v1model.p4>
#include MODEL
