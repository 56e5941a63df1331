// The standard headers with their parser and deparser, so that a usual network function is one
// control. Use:
//
//     #include <core.p4>
//     #include <pna.p4>
//     #include <trisect.p4>
//     struct metadata_t { ... }          // the function's own metadata, may be empty
//     #include <trisect/std.p4>
//     control Main(inout headers_t hdr, inout metadata_t meta,
//                  in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {...}
//     PNA_NIC(StdParser(), StdPreControl(), Main(), StdDeparser()) main;
//
// What holds for every packet, however malformed:
// - Nothing is skipped: what the parser takes from the packet is in a valid header, the rest is
//   payload, and the deparser writes it all back in order. deparse(parse(p)) == p.
// - A length field that lies (an IHL below 5, a TCP offset below 5, a header longer than the packet
//   or than the room declared here) ends parsing with a parser error; the header it stands in
//   stays invalid and is payload.
// - Transport headers are parsed in first fragments only.
#ifndef TRISECT_STD_P4
#define TRISECT_STD_P4

const bit<16> ETHERTYPE_IPV4   = 0x0800;
const bit<16> ETHERTYPE_ARP    = 0x0806;
const bit<16> ETHERTYPE_TEB    = 0x6558;   // transparent Ethernet bridging, RFC 1701
const bit<16> ETHERTYPE_VLAN   = 0x8100;   // IEEE 802.1Q
const bit<16> ETHERTYPE_QINQ   = 0x88A8;   // IEEE 802.1ad
const bit<16> ETHERTYPE_QINQ_9 = 0x9100;   // in use before 802.1ad
const bit<16> ETHERTYPE_IPV6   = 0x86DD;
const bit<16> ETHERTYPE_MPLS   = 0x8847;
const bit<16> ETHERTYPE_MPLS_M = 0x8848;
const bit<16> ETHERTYPE_NSH    = 0x894F;

const bit<8> PROTOCOL_HOP_BY_HOP  = 0;
const bit<8> PROTOCOL_ICMP        = 1;
const bit<8> PROTOCOL_TCP         = 6;
const bit<8> PROTOCOL_UDP         = 17;
const bit<8> PROTOCOL_ROUTING     = 43;
const bit<8> PROTOCOL_FRAGMENT    = 44;
const bit<8> PROTOCOL_GRE         = 47;
const bit<8> PROTOCOL_AH          = 51;
const bit<8> PROTOCOL_ICMPV6      = 58;
const bit<8> PROTOCOL_DESTINATION = 60;

const bit<16> PORT_VXLAN = 4789;

error {
    BadIpv4Header,      // version or IHL
    BadIpv6Header,      // version
    BadTcpHeader,       // data offset
    BadNshHeader        // length
}

typedef bit<48>  mac_t;
typedef bit<32>  ipv4_addr_t;
typedef bit<128> ipv6_addr_t;

header ethernet_t {
    mac_t   dst;
    mac_t   src;
    bit<16> ether_type;
}

header vlan_t {
    bit<3>  pcp;
    bit<1>  dei;
    bit<12> vid;
    bit<16> ether_type;
}

// RFC 8300. The context headers are kept as they are.
header nsh_t {
    bit<2>  version;
    bit<1>  oam;
    bit<1>  unassigned1;
    bit<6>  ttl;
    bit<6>  length;         // of the whole header, in 4 bytes
    bit<4>  unassigned2;
    bit<4>  md_type;
    bit<8>  next_protocol;
    bit<24> spi;
    bit<8>  si;
    varbit<1952> context;
}

// RFC 3032
header mpls_t {
    bit<20> label;
    bit<3>  tc;
    bit<1>  bottom;
    bit<8>  ttl;
}

// RFC 826, for Ethernet and IPv4; other ARP is payload.
header arp_t {
    bit<16>     hw_type;
    bit<16>     proto_type;
    bit<8>      hw_length;
    bit<8>      proto_length;
    bit<16>     operation;
    mac_t       sender_mac;
    ipv4_addr_t sender_ip;
    mac_t       target_mac;
    ipv4_addr_t target_ip;
}

// RFC 791
header ipv4_t {
    bit<4>      version;
    bit<4>      ihl;                // header length in 4 bytes
    bit<6>      dscp;
    bit<2>      ecn;
    bit<16>     total_length;
    bit<16>     identification;
    bit<1>      reserved;
    bit<1>      dont_fragment;
    bit<1>      more_fragments;
    bit<13>     fragment_offset;    // in 8 bytes
    bit<8>      ttl;
    bit<8>      protocol;
    bit<16>     checksum;
    ipv4_addr_t src;
    ipv4_addr_t dst;
    varbit<320> options;
}

// RFC 8200
header ipv6_t {
    bit<4>      version;
    bit<6>      dscp;
    bit<2>      ecn;
    bit<20>     flow_label;
    bit<16>     payload_length;
    bit<8>      next_header;
    bit<8>      hop_limit;
    ipv6_addr_t src;
    ipv6_addr_t dst;
}

// Hop-by-hop, routing, destination options (length in 8 bytes less the first) and authentication
// (length in 4 bytes less two). Longer ones than 256 bytes are payload.
header ipv6_extension_t {
    bit<8>       next_header;
    bit<8>       length;
    varbit<2032> data;
}

header ipv6_fragment_t {
    bit<8>  next_header;
    bit<8>  reserved1;
    bit<13> fragment_offset;        // in 8 bytes
    bit<2>  reserved2;
    bit<1>  more_fragments;
    bit<32> identification;
}

// RFC 9293. Flags from the highest bit: CWR ECE URG ACK PSH RST SYN FIN.
header tcp_t {
    bit<16>     src_port;
    bit<16>     dst_port;
    bit<32>     seq;
    bit<32>     ack;
    bit<4>      data_offset;        // header length in 4 bytes
    bit<4>      reserved;
    bit<8>      flags;
    bit<16>     window;
    bit<16>     checksum;
    bit<16>     urgent;
    varbit<320> options;
}

// RFC 768
header udp_t {
    bit<16> src_port;
    bit<16> dst_port;
    bit<16> length;
    bit<16> checksum;
}

// RFC 792; identifier and sequence are those of echo messages, other messages have other things
// in these four bytes.
header icmp_t {
    bit<8>  type;
    bit<8>  code;
    bit<16> checksum;
    bit<16> identifier;
    bit<16> sequence;
}

// RFC 4443
header icmpv6_t {
    bit<8>  type;
    bit<8>  code;
    bit<16> checksum;
    bit<16> identifier;
    bit<16> sequence;
}

// RFC 2784 with the key and sequence of RFC 2890
header gre_t {
    bit<1>  has_checksum;
    bit<1>  has_routing;
    bit<1>  has_key;
    bit<1>  has_sequence;
    bit<9>  reserved;
    bit<3>  version;
    bit<16> protocol;
}

header gre_checksum_t {
    bit<16> checksum;
    bit<16> reserved;
}

header gre_key_t {
    bit<32> key;
}

header gre_sequence_t {
    bit<32> sequence;
}

// RFC 7348
header vxlan_t {
    bit<8>  flags;                  // 8: the network identifier is valid
    bit<24> reserved1;
    bit<24> vni;
    bit<8>  reserved2;
}

struct headers_t {
    ethernet_t          ethernet;
    vlan_t[3]           vlan;
    nsh_t               nsh;
    mpls_t[4]           mpls;
    arp_t               arp;
    ipv4_t              ipv4;
    ipv6_t              ipv6;
    ipv6_extension_t[4] ipv6_ext;       // in front of the fragment header
    ipv6_fragment_t     ipv6_fragment;
    ipv6_extension_t[2] ipv6_ext_after; // behind it
    tcp_t               tcp;
    udp_t               udp;
    icmp_t              icmp;
    icmpv6_t            icmpv6;
    gre_t               gre;
    gre_checksum_t      gre_checksum;
    gre_key_t           gre_key;
    gre_sequence_t      gre_sequence;
    vxlan_t             vxlan;
    ethernet_t          inner_ethernet;
    ipv4_t              inner_ipv4;
    ipv6_t              inner_ipv6;
    tcp_t               inner_tcp;
    udp_t               inner_udp;
    icmp_t              inner_icmp;
    icmpv6_t            inner_icmpv6;
}

// What the parser looks at before it takes a header: never extracted.
header ip_start_t {
    bit<4> version;
    bit<4> ihl;
}
header arp_start_t {
    bit<16> hw_type;
    bit<16> proto_type;
    bit<16> lengths;
}
header tcp_start_t {
    bit<96> ports_and_numbers;
    bit<4>  data_offset;
    bit<4>  reserved;
}
header nsh_start_t {
    bit<10> version_and_ttl;
    bit<6>  length;
}
header extension_start_t {
    bit<8> next_header;
    bit<8> length;
}

#define STD_TRANSPORT            \
    PROTOCOL_TCP: parse_tcp;     \
    PROTOCOL_UDP: parse_udp;     \
    PROTOCOL_ICMPV6: parse_icmpv6; \
    PROTOCOL_GRE: parse_gre;     \
    default: accept;

#define STD_INNER_TRANSPORT         \
    PROTOCOL_TCP: parse_inner_tcp;  \
    PROTOCOL_UDP: parse_inner_udp;  \
    PROTOCOL_ICMPV6: parse_inner_icmpv6; \
    default: accept;

#define STD_NETWORK              \
    ETHERTYPE_IPV4: parse_ipv4;  \
    ETHERTYPE_IPV6: parse_ipv6;  \
    ETHERTYPE_VLAN: parse_vlan;  \
    ETHERTYPE_QINQ: parse_vlan;  \
    ETHERTYPE_QINQ_9: parse_vlan; \
    ETHERTYPE_ARP: check_arp;    \
    ETHERTYPE_MPLS: parse_mpls;  \
    ETHERTYPE_MPLS_M: parse_mpls; \
    ETHERTYPE_NSH: parse_nsh;    \
    default: accept;

parser StdParser(packet_in pkt, out headers_t hdr, inout metadata_t meta,
                 in pna_main_parser_input_metadata_t istd) {
    state start {
        pkt.extract(hdr.ethernet);
        transition select(hdr.ethernet.ether_type) {
            STD_NETWORK
        }
    }

    state parse_vlan {
        pkt.extract(hdr.vlan.next);
        transition select(hdr.vlan.last.ether_type) {
            STD_NETWORK
        }
    }

    state check_arp {
        transition select(pkt.lookahead<arp_start_t>().hw_type,
                          pkt.lookahead<arp_start_t>().proto_type,
                          pkt.lookahead<arp_start_t>().lengths) {
            (1, ETHERTYPE_IPV4, 0x0604): parse_arp;
            default: accept;
        }
    }

    state parse_arp {
        pkt.extract(hdr.arp);
        transition accept;
    }

    state parse_mpls {
        pkt.extract(hdr.mpls.next);
        transition select(hdr.mpls.last.bottom) {
            0: parse_mpls;
            1: below_mpls;
        }
    }

    state below_mpls {
        transition select(pkt.lookahead<ip_start_t>().version) {
            4: parse_ipv4;
            6: parse_ipv6;
            default: accept;
        }
    }

    state parse_nsh {
        verify(pkt.lookahead<nsh_start_t>().length >= 2, error.BadNshHeader);
        pkt.extract(hdr.nsh, ((bit<32>) pkt.lookahead<nsh_start_t>().length - 2) * 32);
        transition select(hdr.nsh.next_protocol) {
            1: parse_ipv4;
            2: parse_ipv6;
            3: parse_inner_ethernet;
            5: parse_mpls;
            default: accept;
        }
    }

    state parse_ipv4 {
        verify(pkt.lookahead<ip_start_t>().version == 4
               && pkt.lookahead<ip_start_t>().ihl >= 5, error.BadIpv4Header);
        pkt.extract(hdr.ipv4, ((bit<32>) pkt.lookahead<ip_start_t>().ihl - 5) * 32);
        transition select(hdr.ipv4.fragment_offset, hdr.ipv4.protocol) {
            (0, PROTOCOL_TCP): parse_tcp;
            (0, PROTOCOL_UDP): parse_udp;
            (0, PROTOCOL_ICMP): parse_icmp;
            (0, PROTOCOL_GRE): parse_gre;
            default: accept;
        }
    }

    state parse_ipv6 {
        verify(pkt.lookahead<ip_start_t>().version == 6, error.BadIpv6Header);
        pkt.extract(hdr.ipv6);
        transition select(hdr.ipv6.next_header) {
            PROTOCOL_HOP_BY_HOP: parse_ipv6_ext;
            PROTOCOL_ROUTING: parse_ipv6_ext;
            PROTOCOL_DESTINATION: parse_ipv6_ext;
            PROTOCOL_AH: parse_ipv6_auth;
            PROTOCOL_FRAGMENT: parse_ipv6_fragment;
            STD_TRANSPORT
        }
    }

    state parse_ipv6_ext {
        pkt.extract(hdr.ipv6_ext.next,
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 64 + 48);
        transition behind_ipv6_ext;
    }

    state parse_ipv6_auth {
        pkt.extract(hdr.ipv6_ext.next,
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 32 + 48);
        transition behind_ipv6_ext;
    }

    state behind_ipv6_ext {
        transition select(hdr.ipv6_ext.last.next_header) {
            PROTOCOL_ROUTING: parse_ipv6_ext;
            PROTOCOL_DESTINATION: parse_ipv6_ext;
            PROTOCOL_AH: parse_ipv6_auth;
            PROTOCOL_FRAGMENT: parse_ipv6_fragment;
            STD_TRANSPORT
        }
    }

    state parse_ipv6_fragment {
        pkt.extract(hdr.ipv6_fragment);
        transition select(hdr.ipv6_fragment.fragment_offset) {
            0: behind_ipv6_fragment;
            default: accept;
        }
    }

    state behind_ipv6_fragment {
        transition select(hdr.ipv6_fragment.next_header) {
            PROTOCOL_DESTINATION: parse_ipv6_ext_after;
            PROTOCOL_AH: parse_ipv6_auth_after;
            STD_TRANSPORT
        }
    }

    state parse_ipv6_ext_after {
        pkt.extract(hdr.ipv6_ext_after.next,
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 64 + 48);
        transition behind_ipv6_ext_after;
    }

    state parse_ipv6_auth_after {
        pkt.extract(hdr.ipv6_ext_after.next,
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 32 + 48);
        transition behind_ipv6_ext_after;
    }

    state behind_ipv6_ext_after {
        transition select(hdr.ipv6_ext_after.last.next_header) {
            PROTOCOL_DESTINATION: parse_ipv6_ext_after;
            PROTOCOL_AH: parse_ipv6_auth_after;
            STD_TRANSPORT
        }
    }

    state parse_tcp {
        verify(pkt.lookahead<tcp_start_t>().data_offset >= 5, error.BadTcpHeader);
        pkt.extract(hdr.tcp, ((bit<32>) pkt.lookahead<tcp_start_t>().data_offset - 5) * 32);
        transition accept;
    }

    state parse_udp {
        pkt.extract(hdr.udp);
        transition select(hdr.udp.dst_port) {
            PORT_VXLAN: parse_vxlan;
            default: accept;
        }
    }

    state parse_icmp {
        pkt.extract(hdr.icmp);
        transition accept;
    }

    state parse_icmpv6 {
        pkt.extract(hdr.icmpv6);
        transition accept;
    }

    // Version 0 without source routing; the rest is payload behind the base header.
    state parse_gre {
        pkt.extract(hdr.gre);
        transition select(hdr.gre.version, hdr.gre.has_routing, hdr.gre.has_checksum,
                          hdr.gre.has_key, hdr.gre.has_sequence) {
            (0, 0, 1, _, _): parse_gre_checksum;
            (0, 0, 0, 1, _): parse_gre_key;
            (0, 0, 0, 0, 1): parse_gre_sequence;
            (0, 0, 0, 0, 0): behind_gre;
            default: accept;
        }
    }

    state parse_gre_checksum {
        pkt.extract(hdr.gre_checksum);
        transition select(hdr.gre.has_key, hdr.gre.has_sequence) {
            (1, _): parse_gre_key;
            (0, 1): parse_gre_sequence;
            (0, 0): behind_gre;
        }
    }

    state parse_gre_key {
        pkt.extract(hdr.gre_key);
        transition select(hdr.gre.has_sequence) {
            1: parse_gre_sequence;
            0: behind_gre;
        }
    }

    state parse_gre_sequence {
        pkt.extract(hdr.gre_sequence);
        transition behind_gre;
    }

    state behind_gre {
        transition select(hdr.gre.protocol) {
            ETHERTYPE_IPV4: parse_inner_ipv4;
            ETHERTYPE_IPV6: parse_inner_ipv6;
            ETHERTYPE_TEB: parse_inner_ethernet;
            default: accept;
        }
    }

    state parse_vxlan {
        pkt.extract(hdr.vxlan);
        transition select(hdr.vxlan.flags) {
            8 &&& 8: parse_inner_ethernet;
            default: accept;
        }
    }

    state parse_inner_ethernet {
        pkt.extract(hdr.inner_ethernet);
        transition select(hdr.inner_ethernet.ether_type) {
            ETHERTYPE_IPV4: parse_inner_ipv4;
            ETHERTYPE_IPV6: parse_inner_ipv6;
            default: accept;
        }
    }

    state parse_inner_ipv4 {
        verify(pkt.lookahead<ip_start_t>().version == 4
               && pkt.lookahead<ip_start_t>().ihl >= 5, error.BadIpv4Header);
        pkt.extract(hdr.inner_ipv4, ((bit<32>) pkt.lookahead<ip_start_t>().ihl - 5) * 32);
        transition select(hdr.inner_ipv4.fragment_offset, hdr.inner_ipv4.protocol) {
            (0, PROTOCOL_TCP): parse_inner_tcp;
            (0, PROTOCOL_UDP): parse_inner_udp;
            (0, PROTOCOL_ICMP): parse_inner_icmp;
            default: accept;
        }
    }

    state parse_inner_ipv6 {
        verify(pkt.lookahead<ip_start_t>().version == 6, error.BadIpv6Header);
        pkt.extract(hdr.inner_ipv6);
        transition select(hdr.inner_ipv6.next_header) {
            STD_INNER_TRANSPORT
        }
    }

    state parse_inner_tcp {
        verify(pkt.lookahead<tcp_start_t>().data_offset >= 5, error.BadTcpHeader);
        pkt.extract(hdr.inner_tcp,
                    ((bit<32>) pkt.lookahead<tcp_start_t>().data_offset - 5) * 32);
        transition accept;
    }

    state parse_inner_udp {
        pkt.extract(hdr.inner_udp);
        transition accept;
    }

    state parse_inner_icmp {
        pkt.extract(hdr.inner_icmp);
        transition accept;
    }

    state parse_inner_icmpv6 {
        pkt.extract(hdr.inner_icmpv6);
        transition accept;
    }
}

control StdPreControl(in headers_t hdr, inout metadata_t meta,
                      in pna_pre_input_metadata_t istd, inout pna_pre_output_metadata_t ostd) {
    apply { }
}

control StdDeparser(packet_out pkt, in headers_t hdr, in metadata_t meta,
                    in pna_main_output_metadata_t ostd) {
    apply {
        pkt.emit(hdr.ethernet);
        pkt.emit(hdr.vlan);
        pkt.emit(hdr.nsh);
        pkt.emit(hdr.mpls);
        pkt.emit(hdr.arp);
        pkt.emit(hdr.ipv4);
        pkt.emit(hdr.ipv6);
        pkt.emit(hdr.ipv6_ext);
        pkt.emit(hdr.ipv6_fragment);
        pkt.emit(hdr.ipv6_ext_after);
        pkt.emit(hdr.tcp);
        pkt.emit(hdr.udp);
        pkt.emit(hdr.icmp);
        pkt.emit(hdr.icmpv6);
        pkt.emit(hdr.gre);
        pkt.emit(hdr.gre_checksum);
        pkt.emit(hdr.gre_key);
        pkt.emit(hdr.gre_sequence);
        pkt.emit(hdr.vxlan);
        pkt.emit(hdr.inner_ethernet);
        pkt.emit(hdr.inner_ipv4);
        pkt.emit(hdr.inner_ipv6);
        pkt.emit(hdr.inner_tcp);
        pkt.emit(hdr.inner_udp);
        pkt.emit(hdr.inner_icmp);
        pkt.emit(hdr.inner_icmpv6);
    }
}

#endif
