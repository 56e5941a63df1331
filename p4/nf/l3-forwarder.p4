// l3-forwarder: an IP router.
//
// Looks up the destination in `routes` (IPv4) or `routes6` (IPv6), longest prefix first, which
// gives the number of a next hop; `next_hops` gives the output port and the MAC addresses for it.
// The TTL or hop limit is decremented, the IPv4 checksum updated incrementally (RFC 1624).
// Packets that are not IP pass unchanged.
//
// Drops: Forwarder.expired (TTL or hop limit at most 1), Forwarder.no_route,
// Forwarder.no_next_hop.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

struct metadata_t {
    bit<16> next_hop;
}

#include <trisect/std.p4>

control Forwarder(inout headers_t hdr, inout metadata_t meta,
                  in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;

    action expired() {
        drop_packet();
    }

    action no_route() {
        drop_packet();
    }

    action no_next_hop() {
        drop_packet();
    }

    action via(bit<16> next_hop) {
        meta.next_hop = next_hop;
    }

    action decrement_ttl() {
        checksum.clear();
        checksum.subtract(hdr.ipv4.checksum);
        checksum.subtract({hdr.ipv4.ttl, hdr.ipv4.protocol});
        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
        checksum.add({hdr.ipv4.ttl, hdr.ipv4.protocol});
        hdr.ipv4.checksum = checksum.get();
    }

    action decrement_hop_limit() {
        hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
    }

    action forward(bit<16> port, mac_t src_mac, mac_t dst_mac) {
        hdr.ethernet.src = src_mac;
        hdr.ethernet.dst = dst_mac;
        send_to_port((PortId_t) (PortIdUint_t) port);
    }

    table routes {
        key = { hdr.ipv4.dst: lpm @name("dst"); }
        actions = { via; @defaultonly no_route; }
        default_action = no_route();
        size = 16384;
    }

    table routes6 {
        key = { hdr.ipv6.dst: lpm @name("dst"); }
        actions = { via; @defaultonly no_route; }
        default_action = no_route();
        size = 4096;
    }

    table next_hops {
        key = { meta.next_hop: exact @name("next_hop"); }
        actions = { forward; @defaultonly no_next_hop; }
        default_action = no_next_hop();
        size = 256;
    }

    apply {
        bool routed = false;
        if (hdr.ipv4.isValid()) {
            if (hdr.ipv4.ttl <= 1) {
                expired();
            } else if (routes.apply().hit) {
                decrement_ttl();
                routed = true;
            }
        } else if (hdr.ipv6.isValid()) {
            if (hdr.ipv6.hop_limit <= 1) {
                expired();
            } else if (routes6.apply().hit) {
                decrement_hop_limit();
                routed = true;
            }
        }
        if (routed) {
            next_hops.apply();
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Forwarder(), StdDeparser()) main;
