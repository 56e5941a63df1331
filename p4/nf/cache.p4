// cache: a stand-in for a web cache, a legacy network function that knows packets only.
//
// It counts requests (TCP to port 80 or 443) and the rest, and lets everything pass: every request
// is a miss.
//
// Drops: none.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

struct metadata_t { }

#include <trisect/std.p4>

control Cache(inout headers_t hdr, inout metadata_t meta,
              in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    Counter<bit<64>, bit<1>>(1, PNA_CounterType_t.PACKETS_AND_BYTES) requests;
    Counter<bit<64>, bit<1>>(1, PNA_CounterType_t.PACKETS_AND_BYTES) others;

    action request() {
        requests.count(0);
    }

    action pass() {
        others.count(0);
    }

    apply {
        if (hdr.tcp.isValid() && (hdr.tcp.dst_port == 80 || hdr.tcp.dst_port == 443)) {
            request();
        } else {
            pass();
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Cache(), StdDeparser()) main;
