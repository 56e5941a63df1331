#include <core.p4>
header mpls_t { bit<20> label; bit<3> tc; bit<1> bos; bit<8> ttl; }
struct hdr_t { mpls_t[3] mpls; }
parser p(packet_in pkt, out hdr_t hdr) {
    state start {
        pkt.extract(hdr.mpls.next);
        transition select(hdr.mpls.last.bos) { 0: start; 1: accept; }
    }
}
control c(inout hdr_t hdr) {
    apply { hdr.mpls.push_front(1); hdr.mpls[0].setValid(); hdr.mpls.pop_front(2); hdr.mpls[1] = {#}; }
}
