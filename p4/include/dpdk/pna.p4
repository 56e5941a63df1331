// PNA as DPDK's software switch has it: named hash algorithms, counters and meters that are told the
// packet's length, and the IPsec accelerator.
#define TRISECT_DPDK_EXTERNS
#include <pna.p4>
