// normaliser: takes ambiguity out of traffic, as far as one packet shows it (Handley, Paxson and
// Kreibich, "Network Intrusion Detection: Evasion, Traffic Normalization, and End-to-End Protocol
// Semantics", USENIX Security 2001).
//
// Rewritten, with checksums updated incrementally:
// - a TTL or hop limit below MIN_TTL is raised to it (no packet ends between monitor and host);
// - the reserved bit of IPv4 and the reserved bits of TCP become 0.
//
// Dropped, each with its reason:
// - Normaliser.malformed: what the parser refused (bad version or header lengths, truncated
//   headers), and an IPv4 total length shorter than the header;
// - Normaliser.ip_options: IPv4 options, unless DROP_OPTIONS is false;
// - Normaliser.same_address: source equal to destination ("land");
// - Normaliser.bad_fragment: a fragment that ends beyond the largest packet, that may not be
//   fragmented, that overlaps the transport header (offset 1, RFC 1858 and RFC 3128), or that is
//   the first one and too short to hold that header;
// - Normaliser.bad_flags: TCP flags that no TCP sends (none at all, SYN with FIN or RST, FIN with
//   RST, FIN, PSH or URG without ACK).
//
// Parameters: MIN_TTL, DROP_OPTIONS.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

#ifndef MIN_TTL
#define MIN_TTL 8w8
#endif
#ifndef DROP_OPTIONS
#define DROP_OPTIONS true
#endif

struct metadata_t {
    bit<20> fragment_end;   // in bytes, of the reassembled payload
}

#include <trisect/std.p4>

control Normaliser(inout headers_t hdr, inout metadata_t meta,
                   in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;

    action malformed() {
        drop_packet();
    }

    action ip_options() {
        drop_packet();
    }

    action same_address() {
        drop_packet();
    }

    action bad_fragment() {
        drop_packet();
    }

    action bad_flags() {
        drop_packet();
    }

    // Offset and length are at most 65,528 and 65,535, so that 20 bits hold the sum.
    action measure_fragment() {
        meta.fragment_end = ((bit<20>) hdr.ipv4.fragment_offset << 3)
            + (bit<20>) hdr.ipv4.total_length - ((bit<20>) hdr.ipv4.ihl << 2);
    }

    action raise_ttl() {
        checksum.clear();
        checksum.subtract(hdr.ipv4.checksum);
        checksum.subtract({hdr.ipv4.ttl, hdr.ipv4.protocol});
        hdr.ipv4.ttl = MIN_TTL;
        checksum.add({hdr.ipv4.ttl, hdr.ipv4.protocol});
        hdr.ipv4.checksum = checksum.get();
    }

    action clear_ip_reserved() {
        checksum.clear();
        checksum.subtract(hdr.ipv4.checksum);
        checksum.subtract({hdr.ipv4.reserved, 15w0});
        hdr.ipv4.reserved = 0;
        hdr.ipv4.checksum = checksum.get();
    }

    action raise_hop_limit() {
        hdr.ipv6.hop_limit = MIN_TTL;
    }

    action clear_tcp_reserved() {
        checksum.clear();
        checksum.subtract(hdr.tcp.checksum);
        checksum.subtract({4w0, hdr.tcp.reserved, 8w0});
        hdr.tcp.reserved = 0;
        hdr.tcp.checksum = checksum.get();
    }

    // CWR ECE URG ACK PSH RST SYN FIN; the first entry that matches decides.
    table tcp_flags {
        key = { hdr.tcp.flags: ternary @name("flags"); }
        actions = { bad_flags; NoAction; }
        const default_action = NoAction();
        const entries = {
            0x03 &&& 0x03: bad_flags();     // SYN FIN
            0x06 &&& 0x06: bad_flags();     // SYN RST
            0x05 &&& 0x05: bad_flags();     // FIN RST
            0x00 &&& 0x3F: bad_flags();     // none
            0x01 &&& 0x11: bad_flags();     // FIN without ACK
            0x08 &&& 0x1C: bad_flags();     // PSH without ACK or RST
            0x20 &&& 0x34: bad_flags();     // URG without ACK or RST
        }
    }

    apply {
        if (istd.parser_error != error.NoError) {
            malformed();
            return;
        }
        if (hdr.ipv4.isValid()) {
            if ((bit<16>) hdr.ipv4.ihl << 2 > hdr.ipv4.total_length) {
                malformed();
                return;
            }
            if (DROP_OPTIONS && hdr.ipv4.ihl != 5) {
                ip_options();
                return;
            }
            if (hdr.ipv4.src == hdr.ipv4.dst) {
                same_address();
                return;
            }
            if (hdr.ipv4.more_fragments == 1 || hdr.ipv4.fragment_offset != 0) {
                measure_fragment();
                if (meta.fragment_end > 65535 || hdr.ipv4.dont_fragment == 1
                    || hdr.ipv4.protocol == PROTOCOL_TCP && hdr.ipv4.fragment_offset == 1
                    || hdr.ipv4.protocol == PROTOCOL_TCP && hdr.ipv4.fragment_offset == 0
                       && meta.fragment_end < 20) {
                    bad_fragment();
                    return;
                }
            }
            if (hdr.ipv4.ttl < MIN_TTL) {
                raise_ttl();
            }
            if (hdr.ipv4.reserved == 1) {
                clear_ip_reserved();
            }
        } else if (hdr.ipv6.isValid()) {
            if (hdr.ipv6.src == hdr.ipv6.dst) {
                same_address();
                return;
            }
            if (hdr.ipv6.hop_limit < MIN_TTL) {
                raise_hop_limit();
            }
        }
        if (hdr.tcp.isValid()) {
            tcp_flags.apply();
            if (hdr.tcp.reserved != 0) {
                clear_tcp_reserved();
            }
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Normaliser(), StdDeparser()) main;
