#include <psa.p4>
control c(inout psa_ingress_output_metadata_t o) {
    Hash<bit<16>>(PSA_HashAlgorithm_t.CRC16) h;
    Register<bit<8>, bit<4>>(16, 0) r;
    apply { send_to_port(o, (PortId_t) 3); r.write(1, (bit<8>) h.get_hash({ 8w1 })); }
}
