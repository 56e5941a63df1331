// firewall: an ordered access list.
//
// Tables `acl` (IPv4) and `acl6` (IPv6) hold rules over the five-tuple; of the rules that match a
// packet, the one with the highest priority decides. What no rule matches is denied, unless the
// entries give another default. Table `other` decides by Ethernet type about packets that are
// neither (ARP, for one); it lets pass what it does not name.
//
// Ports are those of TCP and UDP; 0 for other protocols and for fragments behind the first, so that
// a rule with ports never matches these.
//
// Drops: Firewall.deny.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

struct metadata_t {
    bit<16> src_port;
    bit<16> dst_port;
}

#include <trisect/std.p4>

control Firewall(inout headers_t hdr, inout metadata_t meta,
                 in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    action allow() { }

    action deny() {
        drop_packet();
    }

    action tcp_ports() {
        meta.src_port = hdr.tcp.src_port;
        meta.dst_port = hdr.tcp.dst_port;
    }

    action udp_ports() {
        meta.src_port = hdr.udp.src_port;
        meta.dst_port = hdr.udp.dst_port;
    }

    table acl {
        key = {
            hdr.ipv4.src: ternary @name("src");
            hdr.ipv4.dst: ternary @name("dst");
            hdr.ipv4.protocol: ternary @name("protocol");
            meta.src_port: range @name("src_port");
            meta.dst_port: range @name("dst_port");
        }
        actions = { allow; deny; }
        default_action = deny();
        size = 4096;
    }

    table acl6 {
        key = {
            hdr.ipv6.src: ternary @name("src");
            hdr.ipv6.dst: ternary @name("dst");
            hdr.ipv6.next_header: ternary @name("next_header");
            meta.src_port: range @name("src_port");
            meta.dst_port: range @name("dst_port");
        }
        actions = { allow; deny; }
        default_action = deny();
        size = 1024;
    }

    table other {
        key = { hdr.ethernet.ether_type: exact @name("ether_type"); }
        actions = { allow; deny; }
        default_action = allow();
        size = 64;
    }

    apply {
        if (hdr.tcp.isValid()) {
            tcp_ports();
        } else if (hdr.udp.isValid()) {
            udp_ports();
        }
        if (hdr.ipv4.isValid()) {
            acl.apply();
        } else if (hdr.ipv6.isValid()) {
            acl6.apply();
        } else {
            other.apply();
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Firewall(), StdDeparser()) main;
