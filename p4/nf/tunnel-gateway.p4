// tunnel-gateway: puts packets into VXLAN (RFC 7348) and GRE (RFC 2784) tunnels and takes them out.
//
// Out: a tunnelled packet whose outer destination and source are an endpoint pair of table
// `endpoints` loses its outer headers, including VLAN tags. Of VXLAN the inner Ethernet frame
// remains; of GRE the inner IP packet behind the outer Ethernet header, or the inner frame.
//
// In: other IP packets are looked up by destination in `tunnels` (IPv4) or `tunnels6` (IPv6), longest
// prefix first. The entry names the kind of tunnel, its endpoints, and the MAC addresses of the
// next hop. The outer header has TTL 64, DSCP and ECN of the inner one (RFC 6040, normal mode) and
// may not be fragmented. The outer UDP source port of VXLAN comes from a hash of the inner
// addresses and ports, for load sharing on the way.
//
// What does not fit the outer headers' places (packets with VLAN tags, MPLS, NSH, IPv4 options, IPv6
// extension headers or a tunnel of their own) is not put into a tunnel but dropped. What neither
// table knows passes.
//
// Drops: Gateway.cannot_encapsulate.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

struct metadata_t {
    bit<1>  vxlan;          // kind of tunnel to go into
    bit<1>  gre;
    bit<1>  endpoint;
    bit<32> local;
    bit<32> remote;
    bit<24> vni;
    bit<48> src_mac;
    bit<48> dst_mac;
    bit<16> inner_length;   // bytes of the inner IP packet
    bit<6>  dscp;
    bit<2>  ecn;
    bit<16> flow;
    bit<16> src_port;
    bit<16> dst_port;
    bit<16> inner_type;
}

#include <trisect/std.p4>

control Gateway(inout headers_t hdr, inout metadata_t meta,
                in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;
    Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) hash;

    action cannot_encapsulate() {
        drop_packet();
    }

    // ------------------------------------------------------------------ out of a tunnel
    action terminate() {
        meta.endpoint = 1;
    }

    table endpoints {
        key = {
            hdr.ipv4.dst: exact @name("local");
            hdr.ipv4.src: exact @name("remote");
        }
        actions = { terminate; NoAction; }
        default_action = NoAction();
        size = 1024;
    }

    // GRE with an IP packet keeps the outer Ethernet header; GRE with a frame and VXLAN do not.
    action take_inner_frame() {
        hdr.ethernet = hdr.inner_ethernet;
    }

    action take_inner_packet() {
        hdr.ethernet.ether_type = hdr.gre.protocol;
    }

    action take_inner_headers() {
        hdr.vlan[0].setInvalid();
        hdr.vlan[1].setInvalid();
        hdr.vlan[2].setInvalid();
        hdr.mpls[0].setInvalid();
        hdr.mpls[1].setInvalid();
        hdr.mpls[2].setInvalid();
        hdr.mpls[3].setInvalid();
        hdr.nsh.setInvalid();
        hdr.ipv4 = hdr.inner_ipv4;
        hdr.ipv6 = hdr.inner_ipv6;
        hdr.tcp = hdr.inner_tcp;
        hdr.udp = hdr.inner_udp;
        hdr.icmp = hdr.inner_icmp;
        hdr.icmpv6 = hdr.inner_icmpv6;
        hdr.gre.setInvalid();
        hdr.gre_checksum.setInvalid();
        hdr.gre_key.setInvalid();
        hdr.gre_sequence.setInvalid();
        hdr.vxlan.setInvalid();
        hdr.inner_ethernet.setInvalid();
        hdr.inner_ipv4.setInvalid();
        hdr.inner_ipv6.setInvalid();
        hdr.inner_tcp.setInvalid();
        hdr.inner_udp.setInvalid();
        hdr.inner_icmp.setInvalid();
        hdr.inner_icmpv6.setInvalid();
    }

    // --------------------------------------------------------------------- into a tunnel
    action into_vxlan(bit<32> local, bit<32> remote, bit<24> vni, mac_t src_mac, mac_t dst_mac) {
        meta.vxlan = 1;
        meta.local = local;
        meta.remote = remote;
        meta.vni = vni;
        meta.src_mac = src_mac;
        meta.dst_mac = dst_mac;
    }

    action into_gre(bit<32> local, bit<32> remote, mac_t src_mac, mac_t dst_mac) {
        meta.gre = 1;
        meta.local = local;
        meta.remote = remote;
        meta.src_mac = src_mac;
        meta.dst_mac = dst_mac;
    }

    table tunnels {
        key = { hdr.ipv4.dst: lpm @name("dst"); }
        actions = { into_vxlan; into_gre; NoAction; }
        default_action = NoAction();
        size = 1024;
    }

    table tunnels6 {
        key = { hdr.ipv6.dst: lpm @name("dst"); }
        actions = { into_vxlan; into_gre; NoAction; }
        default_action = NoAction();
        size = 1024;
    }

    action tcp_ports() {
        meta.src_port = hdr.tcp.src_port;
        meta.dst_port = hdr.tcp.dst_port;
    }

    action udp_ports() {
        meta.src_port = hdr.udp.src_port;
        meta.dst_port = hdr.udp.dst_port;
    }

    action describe_ipv4() {
        meta.inner_type = ETHERTYPE_IPV4;
        meta.inner_length = hdr.ipv4.total_length;
        meta.dscp = hdr.ipv4.dscp;
        meta.ecn = hdr.ipv4.ecn;
        meta.flow = hash.get_hash({hdr.ipv4.src, hdr.ipv4.dst, hdr.ipv4.protocol, meta.src_port,
                                   meta.dst_port});
    }

    action describe_ipv6() {
        meta.inner_type = ETHERTYPE_IPV6;
        meta.inner_length = hdr.ipv6.payload_length + 40;
        meta.dscp = hdr.ipv6.dscp;
        meta.ecn = hdr.ipv6.ecn;
        meta.flow = hash.get_hash({hdr.ipv6.src, hdr.ipv6.dst, hdr.ipv6.next_header, meta.src_port,
                                   meta.dst_port});
    }

    action move_inside() {
        hdr.inner_ipv4 = hdr.ipv4;
        hdr.inner_ipv6 = hdr.ipv6;
        hdr.inner_tcp = hdr.tcp;
        hdr.inner_udp = hdr.udp;
        hdr.inner_icmp = hdr.icmp;
        hdr.inner_icmpv6 = hdr.icmpv6;
        hdr.ipv4.setInvalid();
        hdr.ipv6.setInvalid();
        hdr.tcp.setInvalid();
        hdr.udp.setInvalid();
        hdr.icmp.setInvalid();
        hdr.icmpv6.setInvalid();
    }

    action outer_ipv4() {
        hdr.ethernet.src = meta.src_mac;
        hdr.ethernet.dst = meta.dst_mac;
        hdr.ethernet.ether_type = ETHERTYPE_IPV4;
        hdr.ipv4.setValid();
        hdr.ipv4.version = 4;
        hdr.ipv4.ihl = 5;
        hdr.ipv4.dscp = meta.dscp;
        hdr.ipv4.ecn = meta.ecn;
        hdr.ipv4.identification = 0;
        hdr.ipv4.reserved = 0;
        hdr.ipv4.dont_fragment = 1;
        hdr.ipv4.more_fragments = 0;
        hdr.ipv4.fragment_offset = 0;
        hdr.ipv4.ttl = 64;
        hdr.ipv4.src = meta.local;
        hdr.ipv4.dst = meta.remote;
    }

    // IPv4 20, UDP 8, VXLAN 8 and Ethernet 14 bytes.
    action outer_vxlan() {
        hdr.inner_ethernet.setValid();
        hdr.inner_ethernet.dst = hdr.ethernet.dst;
        hdr.inner_ethernet.src = hdr.ethernet.src;
        hdr.inner_ethernet.ether_type = meta.inner_type;
        hdr.vxlan.setValid();
        hdr.vxlan.flags = 8;
        hdr.vxlan.reserved1 = 0;
        hdr.vxlan.vni = meta.vni;
        hdr.vxlan.reserved2 = 0;
        hdr.udp.setValid();
        hdr.udp.src_port = meta.flow | 0xC000;
        hdr.udp.dst_port = PORT_VXLAN;
        hdr.udp.length = meta.inner_length + 30;
        hdr.udp.checksum = 0;
    }

    action outer_gre() {
        hdr.gre.setValid();
        hdr.gre.has_checksum = 0;
        hdr.gre.has_routing = 0;
        hdr.gre.has_key = 0;
        hdr.gre.has_sequence = 0;
        hdr.gre.reserved = 0;
        hdr.gre.version = 0;
        hdr.gre.protocol = meta.inner_type;
    }

    action carries_vxlan() {
        hdr.ipv4.protocol = PROTOCOL_UDP;
        hdr.ipv4.total_length = meta.inner_length + 50;
    }

    action carries_gre() {
        hdr.ipv4.protocol = PROTOCOL_GRE;
        hdr.ipv4.total_length = meta.inner_length + 24;
    }

    action outer_checksum() {
        checksum.clear();
        checksum.add({hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.dscp, hdr.ipv4.ecn,
                      hdr.ipv4.total_length, hdr.ipv4.identification, hdr.ipv4.reserved,
                      hdr.ipv4.dont_fragment, hdr.ipv4.more_fragments, hdr.ipv4.fragment_offset,
                      hdr.ipv4.ttl, hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst});
        hdr.ipv4.checksum = checksum.get();
    }

    apply {
        bool tunnelled = hdr.ipv4.isValid()
            && (hdr.inner_ethernet.isValid() || hdr.inner_ipv4.isValid()
                || hdr.inner_ipv6.isValid());
        if (tunnelled) {
            endpoints.apply();
        }
        if (meta.endpoint == 1) {
            if (hdr.inner_ethernet.isValid()) {
                take_inner_frame();
            } else {
                take_inner_packet();
            }
            take_inner_headers();
            return;
        }

        if (hdr.ipv4.isValid()) {
            tunnels.apply();
        } else if (hdr.ipv6.isValid()) {
            tunnels6.apply();
        }
        if (meta.vxlan == 0 && meta.gre == 0) {
            return;
        }
        if (tunnelled || hdr.vlan[0].isValid() || hdr.mpls[0].isValid() || hdr.nsh.isValid()
            || hdr.gre.isValid() || hdr.vxlan.isValid() || hdr.ipv6_ext[0].isValid()
            || hdr.ipv6_fragment.isValid() || hdr.ipv4.isValid() && hdr.ipv4.ihl != 5) {
            cannot_encapsulate();
            return;
        }
        if (hdr.tcp.isValid()) {
            tcp_ports();
        } else if (hdr.udp.isValid()) {
            udp_ports();
        }
        if (hdr.ipv4.isValid()) {
            describe_ipv4();
        } else {
            describe_ipv6();
        }
        move_inside();
        if (meta.vxlan == 1) {
            outer_vxlan();
        } else {
            outer_gre();
        }
        outer_ipv4();
        if (meta.vxlan == 1) {
            carries_vxlan();
        } else {
            carries_gre();
        }
        outer_checksum();
    }
}

PNA_NIC(StdParser(), StdPreControl(), Gateway(), StdDeparser()) main;
