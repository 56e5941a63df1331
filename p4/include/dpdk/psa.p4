// PSA as DPDK's software switch has it: counters and meters may be told the packet's length.
#define TRISECT_DPDK_EXTERNS
#include <psa.p4>
