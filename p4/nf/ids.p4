// ids: payload pattern matching.
//
// Searches everything behind the transport header (behind the IP header where there is none, as in
// fragments) for the patterns of the set `signatures`. The verdict is the output attribute
// `verdict`: safe or unsafe. Nothing is dropped here; the policy decides by the verdict. Unsafe
// packets are counted by the number of the pattern in `alerts`.
//
// A pattern that is split between two packets is not found.
//
// Attribute: verdict. Drops: none.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

enum bit<8> Verdict {
    safe = 0,
    unsafe = 1
}

struct metadata_t {
    bit<16> match;
}

#include <trisect/std.p4>

control Ids(inout headers_t hdr, inout metadata_t meta,
            in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    PatternSet(1024) signatures;
    Attribute<Verdict>() verdict;
    Counter<bit<64>, bit<16>>(1025, PNA_CounterType_t.PACKETS) alerts;

    action search_tcp() {
        meta.match = signatures.search_after(hdr.tcp);
    }

    action search_udp() {
        meta.match = signatures.search_after(hdr.udp);
    }

    action search_icmp() {
        meta.match = signatures.search_after(hdr.icmp);
    }

    action search_ipv4() {
        meta.match = signatures.search_after(hdr.ipv4);
    }

    action search_ipv6() {
        meta.match = signatures.search_after(hdr.ipv6);
    }

    action alert() {
        verdict.set(Verdict.unsafe);
        alerts.count(meta.match);
    }

    apply {
        if (hdr.tcp.isValid()) {
            search_tcp();
        } else if (hdr.udp.isValid()) {
            search_udp();
        } else if (hdr.icmp.isValid()) {
            search_icmp();
        } else if (hdr.ipv4.isValid()) {
            search_ipv4();
        } else if (hdr.ipv6.isValid()) {
            search_ipv6();
        }
        if (meta.match != 0) {
            alert();
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Ids(), StdDeparser()) main;
