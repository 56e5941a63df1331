
#include <trisect/std.p4>

header report_t {
    bit<32> hash;
    bit<8>  sampled;
}

// Nothing is put together again: what is parsed twice replaces what was there, except where it has a variable length,
// which BMv2 does not take back.
struct sampler_headers_t {
    report_t         report;
    ethernet_t       ethernet;
    vlan_t           vlan;
    mpls_t           mpls;
    nsh_t            encapsulation;
    nsh_t            nsh;
    arp_t            arp;
    ipv4_t           ipv4;
    ipv6_t           ipv6;
    ipv6_extension_t extension1;
    ipv6_extension_t extension2;
    ipv6_extension_t extension3;
    ipv6_extension_t extension4;
    ipv6_extension_t extension_after1;
    ipv6_extension_t extension_after2;
    ipv4_t           inner_ipv4;
    ipv6_fragment_t  fragment;
    tcp_t            tcp;
    udp_t            udp;
    gre_t            gre;
    gre_key_t        gre_word;
    vxlan_t          vxlan;
}

// Ethernet and the beginning of NSH.
header encapsulation_start_t {
    bit<112> ethernet;
    bit<10>  version_and_ttl;
    bit<6>   length;
    bit<4>   unassigned;
    bit<4>   md_type;
    bit<8>   next_protocol;
}

#define NETWORK                 \
    ETHERTYPE_IPV4: ipv4;       \
    ETHERTYPE_IPV6: ipv6;       \
    ETHERTYPE_ARP: check_arp;   \
    ETHERTYPE_MPLS: mpls1;      \
    ETHERTYPE_MPLS_M: mpls1;    \
    ETHERTYPE_NSH: service;     \
    default: accept;

#define INNER_NETWORK           \
    ETHERTYPE_IPV4: inner_ipv4; \
    ETHERTYPE_IPV6: inner_ipv6; \
    default: accept;

#define TAG(NAME, NEXT)                         \
    state NAME {                                \
        pkt.extract(hdr.vlan);                  \
        transition select(hdr.vlan.ether_type) { \
            ETHERTYPE_VLAN: NEXT;               \
            ETHERTYPE_QINQ: NEXT;               \
            ETHERTYPE_QINQ_9: NEXT;             \
            NETWORK                             \
        }                                       \
    }

#define LABEL(NAME, NEXT)                       \
    state NAME {                                \
        pkt.extract(hdr.mpls);                  \
        transition select(hdr.mpls.bottom) {    \
            0: NEXT;                            \
            default: below_mpls;                \
        }                                       \
    }

// Extension headers in front of the fragment header. The header has the name of the state.
#define EXTENSION(NAME, AUTH, NEXT, NEXT_AUTH)                                              \
    state NAME {                                                                            \
        pkt.extract(hdr.NAME,                                                          \
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 64 + 48);         \
        transition select(hdr.NAME.next_header) {                                      \
            PROTOCOL_ROUTING: NEXT;                                                         \
            PROTOCOL_DESTINATION: NEXT;                                                     \
            PROTOCOL_AH: NEXT_AUTH;                                                         \
            PROTOCOL_FRAGMENT: ipv6_fragment;                                               \
            STD_SAMPLED_TRANSPORT                                                           \
        }                                                                                   \
    }                                                                                       \
    state AUTH {                                                                            \
        pkt.extract(hdr.NAME,                                                          \
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 32 + 48);         \
        transition select(hdr.NAME.next_header) {                                      \
            PROTOCOL_ROUTING: NEXT;                                                         \
            PROTOCOL_DESTINATION: NEXT;                                                     \
            PROTOCOL_AH: NEXT_AUTH;                                                         \
            PROTOCOL_FRAGMENT: ipv6_fragment;                                               \
            STD_SAMPLED_TRANSPORT                                                           \
        }                                                                                   \
    }

// Those behind it.
#define EXTENSION_AFTER(NAME, AUTH, NEXT, NEXT_AUTH)                                        \
    state NAME {                                                                            \
        pkt.extract(hdr.NAME,                                                          \
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 64 + 48);         \
        transition select(hdr.NAME.next_header) {                                      \
            PROTOCOL_DESTINATION: NEXT;                                                     \
            PROTOCOL_AH: NEXT_AUTH;                                                         \
            STD_SAMPLED_TRANSPORT                                                           \
        }                                                                                   \
    }                                                                                       \
    state AUTH {                                                                            \
        pkt.extract(hdr.NAME,                                                          \
                    (bit<32>) pkt.lookahead<extension_start_t>().length * 32 + 48);         \
        transition select(hdr.NAME.next_header) {                                      \
            PROTOCOL_DESTINATION: NEXT;                                                     \
            PROTOCOL_AH: NEXT_AUTH;                                                         \
            STD_SAMPLED_TRANSPORT                                                           \
        }                                                                                   \
    }

#define STD_SAMPLED_TRANSPORT \
    PROTOCOL_TCP: tcp;        \
    PROTOCOL_UDP: udp;        \
    PROTOCOL_GRE: gre;        \
    default: accept;

#define NOTE_IPV4(H)                                                    \
        meta.six = false;                                               \
        meta.src = (bit<128>) hdr.H.src;                             \
        meta.dst = (bit<128>) hdr.H.dst;                             \
        meta.protocol = hdr.H.protocol;                              \
        meta.identification = hdr.H.identification;                  \
        meta.length = hdr.H.total_length;                            \
        meta.fragment = (bit<16>) hdr.H.fragment_offset;             \
        NOTE_NO_TRANSPORT

#define NOTE_IPV6                                                       \
        meta.six = true;                                                \
        meta.src = hdr.ipv6.src;                                        \
        meta.dst = hdr.ipv6.dst;                                        \
        meta.protocol = hdr.ipv6.next_header;                           \
        meta.identification = 0;                                        \
        meta.length = hdr.ipv6.payload_length;                          \
        meta.fragment = 0;                                              \
        NOTE_NO_TRANSPORT

#define NOTE_NO_TRANSPORT     \
        meta.src_port = 0;    \
        meta.dst_port = 0;    \
        meta.seq = 0;         \
        meta.ack = 0;

#define NOTE_TCP                            \
        meta.src_port = hdr.tcp.src_port;   \
        meta.dst_port = hdr.tcp.dst_port;   \
        meta.seq = hdr.tcp.seq;             \
        meta.ack = hdr.tcp.ack;

#define NOTE_UDP                            \
        meta.src_port = hdr.udp.src_port;   \
        meta.dst_port = hdr.udp.dst_port;

parser SamplerParser(packet_in pkt, out sampler_headers_t hdr, inout metadata_t meta,
                     in pna_main_parser_input_metadata_t istd) {
    // What travels between switch and server is stepped over.
    state start {
        transition select(pkt.lookahead<ethernet_t>().ether_type) {
            ETHERTYPE_NSH: encapsulated;
            default: ethernet;
        }
    }

    state encapsulated {
        transition select(pkt.lookahead<encapsulation_start_t>().md_type,
                          pkt.lookahead<encapsulation_start_t>().length,
                          pkt.lookahead<encapsulation_start_t>().next_protocol) {
            (1, 6, 3): encapsulation;
            (2, 0, _): ethernet;
            (2, 1, _): ethernet;
            (2, _, 3): encapsulation;
            default: ethernet;
        }
    }

    state encapsulation {
        pkt.extract(hdr.ethernet);
        pkt.extract(hdr.encapsulation,
                    ((bit<32>) pkt.lookahead<nsh_start_t>().length - 2) * 32);
        transition ethernet;
    }

    state ethernet {
        pkt.extract(hdr.ethernet);
        meta.length = hdr.ethernet.ether_type;
        transition select(hdr.ethernet.ether_type) {
            ETHERTYPE_VLAN: vlan1;
            ETHERTYPE_QINQ: vlan1;
            ETHERTYPE_QINQ_9: vlan1;
            NETWORK
        }
    }

    TAG(vlan1, vlan2)
    TAG(vlan2, vlan3)
    TAG(vlan3, accept)
    LABEL(mpls1, mpls2)
    LABEL(mpls2, mpls3)
    LABEL(mpls3, mpls4)
    LABEL(mpls4, accept)

    state check_arp {
        transition select(pkt.lookahead<arp_start_t>().hw_type,
                          pkt.lookahead<arp_start_t>().proto_type,
                          pkt.lookahead<arp_start_t>().lengths) {
            (1, ETHERTYPE_IPV4, 0x0604): arp;
            default: accept;
        }
    }

    state arp {
        pkt.extract(hdr.arp);
        meta.src = (bit<128>) hdr.arp.sender_ip;
        meta.dst = (bit<128>) hdr.arp.target_ip;
        meta.protocol = (bit<8>) hdr.arp.operation;
        meta.length = 0;
        transition accept;
    }

    state below_mpls {
        transition select(pkt.lookahead<ip_start_t>().version) {
            4: ipv4;
            6: ipv6;
            default: accept;
        }
    }

    state service {
        verify(pkt.lookahead<nsh_start_t>().length >= 2, error.BadNshHeader);
        pkt.extract(hdr.nsh, ((bit<32>) pkt.lookahead<nsh_start_t>().length - 2) * 32);
        transition select(hdr.nsh.next_protocol) {
            1: ipv4;
            2: ipv6;
            3: inner_ethernet;
            5: mpls1;
            default: accept;
        }
    }

    state ipv4 {
        verify(pkt.lookahead<ip_start_t>().version == 4
               && pkt.lookahead<ip_start_t>().ihl >= 5, error.BadIpv4Header);
        pkt.extract(hdr.ipv4, ((bit<32>) pkt.lookahead<ip_start_t>().ihl - 5) * 32);
        NOTE_IPV4(ipv4)
        transition select(hdr.ipv4.fragment_offset, hdr.ipv4.protocol) {
            (0, PROTOCOL_TCP): tcp;
            (0, PROTOCOL_UDP): udp;
            (0, PROTOCOL_GRE): gre;
            default: accept;
        }
    }

    state ipv6 {
        verify(pkt.lookahead<ip_start_t>().version == 6, error.BadIpv6Header);
        pkt.extract(hdr.ipv6);
        NOTE_IPV6
        transition select(hdr.ipv6.next_header) {
            PROTOCOL_HOP_BY_HOP: extension1;
            PROTOCOL_ROUTING: extension1;
            PROTOCOL_DESTINATION: extension1;
            PROTOCOL_AH: auth1;
            PROTOCOL_FRAGMENT: ipv6_fragment;
            STD_SAMPLED_TRANSPORT
        }
    }

    EXTENSION(extension1, auth1, extension2, auth2)
    EXTENSION(extension2, auth2, extension3, auth3)
    EXTENSION(extension3, auth3, extension4, auth4)
    EXTENSION(extension4, auth4, accept, accept)

    state ipv6_fragment {
        pkt.extract(hdr.fragment);
        transition select(hdr.fragment.fragment_offset, hdr.fragment.next_header) {
            (0, PROTOCOL_DESTINATION): extension_after1;
            (0, PROTOCOL_AH): auth_after1;
            (0, PROTOCOL_TCP): tcp;
            (0, PROTOCOL_UDP): udp;
            (0, PROTOCOL_GRE): gre;
            default: accept;
        }
    }

    EXTENSION_AFTER(extension_after1, auth_after1, extension_after2, auth_after2)
    EXTENSION_AFTER(extension_after2, auth_after2, accept, accept)

    state tcp {
        verify(pkt.lookahead<tcp_start_t>().data_offset >= 5, error.BadTcpHeader);
        pkt.extract(hdr.tcp, ((bit<32>) pkt.lookahead<tcp_start_t>().data_offset - 5) * 32);
        NOTE_TCP
        transition accept;
    }

    state udp {
        pkt.extract(hdr.udp);
        NOTE_UDP
        transition select(hdr.udp.dst_port) {
            PORT_VXLAN: vxlan;
            default: accept;
        }
    }

    state gre {
        pkt.extract(hdr.gre);
        transition select(hdr.gre.version, hdr.gre.has_routing) {
            (0, 0): gre_checksum;
            default: accept;
        }
    }

    state gre_checksum {
        transition select(hdr.gre.has_checksum) {
            1: gre_checksum_word;
            default: gre_key;
        }
    }

    state gre_checksum_word {
        pkt.extract(hdr.gre_word);
        transition gre_key;
    }

    state gre_key {
        transition select(hdr.gre.has_key) {
            1: gre_key_word;
            default: gre_sequence;
        }
    }

    state gre_key_word {
        pkt.extract(hdr.gre_word);
        transition gre_sequence;
    }

    state gre_sequence {
        transition select(hdr.gre.has_sequence) {
            1: gre_sequence_word;
            default: behind_gre;
        }
    }

    state gre_sequence_word {
        pkt.extract(hdr.gre_word);
        transition behind_gre;
    }

    state behind_gre {
        transition select(hdr.gre.protocol) {
            ETHERTYPE_TEB: inner_ethernet;
            INNER_NETWORK
        }
    }

    state vxlan {
        pkt.extract(hdr.vxlan);
        transition select(hdr.vxlan.flags) {
            8 &&& 8: inner_ethernet;
            default: accept;
        }
    }

    state inner_ethernet {
        pkt.extract(hdr.ethernet);
        transition select(hdr.ethernet.ether_type) {
            INNER_NETWORK
        }
    }

    state inner_ipv4 {
        verify(pkt.lookahead<ip_start_t>().version == 4
               && pkt.lookahead<ip_start_t>().ihl >= 5, error.BadIpv4Header);
        pkt.extract(hdr.inner_ipv4, ((bit<32>) pkt.lookahead<ip_start_t>().ihl - 5) * 32);
        NOTE_IPV4(inner_ipv4)
        transition select(hdr.inner_ipv4.fragment_offset, hdr.inner_ipv4.protocol) {
            (0, PROTOCOL_TCP): tcp;
            (0, PROTOCOL_UDP): inner_udp;
            default: accept;
        }
    }

    state inner_ipv6 {
        verify(pkt.lookahead<ip_start_t>().version == 6, error.BadIpv6Header);
        pkt.extract(hdr.ipv6);
        NOTE_IPV6
        transition select(hdr.ipv6.next_header) {
            PROTOCOL_TCP: tcp;
            PROTOCOL_UDP: inner_udp;
            default: accept;
        }
    }

    state inner_udp {
        pkt.extract(hdr.udp);
        NOTE_UDP
        transition accept;
    }
}

control SamplerPre(in sampler_headers_t hdr, inout metadata_t meta,
                   in pna_pre_input_metadata_t istd, inout pna_pre_output_metadata_t ostd) {
    apply { }
}

control Sampler(inout sampler_headers_t hdr, inout metadata_t meta,
                in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
