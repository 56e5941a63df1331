#include <core.p4>
typedef bit<32> PortIdUint_t;
type PortIdUint_t PortId_t;
enum PSA_HashAlgorithm_t { IDENTITY, CRC16, CRC32 }
struct out_meta_t { bool drop; PortId_t egress_port; }
extern Hash<O> { Hash(PSA_HashAlgorithm_t algo); O get_hash<D>(in D data); O get_hash<T, D>(in T base, in D data, in T max); }
extern Register<T, S> { Register(bit<32> size); Register(bit<32> size, T initial); T read(in S index); void write(in S index, in T value); }
action send_to_port(inout out_meta_t meta, in PortId_t port) { meta.drop = false; meta.egress_port = port; }
control c(inout out_meta_t o) {
    Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) h;
    Register<bit<8>, bit<4>>(16, 0) r;
    apply { send_to_port(o, (PortId_t) 3); r.write(1, (bit<8>) h.get_hash({ 8w1 })); }
}
