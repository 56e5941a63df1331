#include <core.p4>
struct key_t { @match(ternary) bit<16> port; bit<8> proto; }
parser p(packet_in pkt, in bit<16> a, in bit<8> b) {
    value_set<bit<16>>(4) ports;
    value_set<key_t>(8) both;
    state start { transition select(a) { ports: one; default: accept; } }
    state one { transition select(a, b) { both: accept; default: reject; } }
}
