#include <core.p4>
#include <v1model.p4>
header e_t { bit<48> d; bit<48> s; bit<16> t; }
struct H { e_t e; } struct M { bit<8> x; }
parser P(packet_in b, out H h, inout M m, inout standard_metadata_t sm) { state start { b.extract(h.e); transition accept; } }
control V(inout H h, inout M m) { apply { } }
control I(inout H h, inout M m, inout standard_metadata_t sm) {
    register<bit<32>>(16) r; counter(4, CounterType.packets) n;
    apply { bit<32> v; r.read(v, 3); r.write(3, v + 1); n.count(1); hash(v, HashAlgorithm.crc32, 32w0, { h.e.d, v }, 32w7);
            if (v == 0) mark_to_drop(sm); else sm.egress_spec = 2; }
}
control E(inout H h, inout M m, inout standard_metadata_t sm) { apply { } }
control C(inout H h, inout M m) { apply { } }
control D(packet_out b, in H h) { apply { b.emit(h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
