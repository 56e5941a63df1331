#include <core.p4>
struct two_t { bit<4> a; bit<4> b; }
parser p(packet_in pkt, out bit<8> x) {
    state start {
        two_t t = pkt.lookahead<two_t>();
        verify(t.a != 0, error.NoMatch);
        pkt.advance(8 * (bit<32>) pkt.lookahead<bit<8>>());
        x = (bit<8>) t.b;
        transition accept;
    }
}
