#include <core.p4>
header a_t { bit<8> x; } header b_t { bit<16> y; }
header_union u_t { a_t a; b_t b; }
struct h_t { u_t u; u_t[2] s; }
parser p(packet_in pkt, out h_t h) { state start { pkt.extract(h.u.a); pkt.extract(h.s.next.b); transition accept; } }
control c(inout h_t h, packet_out o) { apply { if (h.u.isValid() && h.u.a.isValid()) { h.u.b = { 3 }; h.u.a.setInvalid(); } o.emit(h.u); } }
