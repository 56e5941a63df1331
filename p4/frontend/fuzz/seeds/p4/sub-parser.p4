#include <core.p4>
parser inner(packet_in pkt, out bit<8> x)(bit<8> start_value) { state start { x = start_value; transition accept; } }
parser outer(packet_in pkt, out bit<8> x) {
    inner(3) i;
    state start { i.apply(pkt, x); transition accept; }
}
