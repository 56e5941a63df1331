// ttl: the smallest useful network function.
//
// Decrements the TTL of IPv4 packets with the checksum updated incrementally (RFC 1624) and drops
// what has expired. Everything else passes. The benchmarks use it.
//
// Drops: Ttl.expired.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

struct metadata_t { }

#include <trisect/std.p4>

control Ttl(inout headers_t hdr, inout metadata_t meta,
            in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;

    action expired() {
        drop_packet();
    }

    action decrement() {
        checksum.clear();
        checksum.subtract(hdr.ipv4.checksum);
        checksum.subtract({hdr.ipv4.ttl, hdr.ipv4.protocol});
        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
        checksum.add({hdr.ipv4.ttl, hdr.ipv4.protocol});
        hdr.ipv4.checksum = checksum.get();
    }

    apply {
        if (hdr.ipv4.isValid()) {
            if (hdr.ipv4.ttl <= 1) {
                expired();
            } else {
                decrement();
            }
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Ttl(), StdDeparser()) main;
