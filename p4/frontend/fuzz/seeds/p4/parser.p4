#include <core.p4>
header eth_t { bit<48> dst; bit<48> src; bit<16> type; }
struct hdr_t { eth_t eth; }
parser p(packet_in pkt, out hdr_t hdr) {
    state start {
        pkt.extract(hdr.eth);
        transition select(hdr.eth.type) { 0x800: ipv4; 0x8000 &&& 0xF000: reject; 1 .. 5: accept; default: accept; }
    }
    state ipv4 { transition accept; }
}
