#include <core.p4>
enum bit<8> Expire { NEVER = 0, SHORT = 1 }
extern bool add_entry<T>(string action_name, in T params, in Expire profile);
header h_t { bit<32> a; bit<32> b; } struct H { h_t[2] h; } struct M { bit<32> n; } struct hit_t { bit<32> n; }
parser MainParserT<MH, MM>(packet_in p, out MH h, inout MM m);
control MainControlT<MH, MM>(inout MH h, inout MM m);
control MainDeparserT<MH, MM>(packet_out p, in MH h, in MM m);
package PNA_NIC<MH, MM>(MainParserT<MH, MM> parse, MainControlT<MH, MM> main_control, MainDeparserT<MH, MM> deparse);
parser P(packet_in p, out H h, inout M m) { state start { p.extract(h.h.next); transition select(h.h.last.a) { 0: start; _: accept; } } }
control C(inout H h, inout M m) {
    action hit(bit<32> n) { m.n = n; }
    action miss() { add_entry(action_name = "hit", params = (hit_t) { n = h.h[0].b }, profile = Expire.SHORT); }
    table flows { key = { h.h[0].a: exact; } actions = { @tableonly hit; @defaultonly miss; } default_action = miss; add_on_miss = true; }
    apply { if (h.h[0].isValid()) flows.apply(); }
}
control D(packet_out p, in H h, in M m) { apply { p.emit(h); } }
PNA_NIC(P(), C(), D()) main;
