// A small IPv4 router for v1model, with a packet test beside it (router.stf):
//
//     trisect p4 run examples/packet-tests/router.p4 --stf examples/packet-tests/router.stf

#include <core.p4>
#include <v1model.p4>

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> ether_type;
}

header ipv4_t {
    bit<4>  version;
    bit<4>  ihl;
    bit<8>  tos;
    bit<16> total_length;
    bit<16> id;
    bit<3>  flags;
    bit<13> fragment;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

struct headers_t {
    ethernet_t ethernet;
    ipv4_t     ipv4;
}

struct metadata_t {
}

parser RouterParser(packet_in packet, out headers_t hdr, inout metadata_t meta,
                    inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ether_type) {
            0x0800: ipv4;
            default: accept;
        }
    }
    state ipv4 {
        packet.extract(hdr.ipv4);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout metadata_t meta) {
    apply {
    }
}

control Ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    // Packets and bytes by the port that they came in on.
    counter(16, CounterType.packets_and_bytes) received;
    // Packets by route.
    direct_counter(CounterType.packets) routed;
    // The length of the last packet by the port that it came in on.
    register<bit<32>>(16) last_length;

    action drop() {
        mark_to_drop(standard);
    }
    action forward(bit<9> port, bit<48> next_hop) {
        routed.count();
        standard.egress_spec = port;
        hdr.ethernet.src = hdr.ethernet.dst;
        hdr.ethernet.dst = next_hop;
        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
    }
    table routes {
        key = {
            hdr.ipv4.dst: lpm;
        }
        actions = {
            forward;
            drop;
        }
        default_action = drop();
        counters = routed;
        size = 1024;
    }
    table access {
        key = {
            hdr.ipv4.src: ternary;
            hdr.ipv4.protocol: ternary;
        }
        actions = {
            drop;
            NoAction;
        }
        default_action = NoAction();
        size = 64;
    }

    apply {
        received.count((bit<32>) standard.ingress_port);
        last_length.write((bit<32>) standard.ingress_port, standard.packet_length);
        if (!hdr.ipv4.isValid() || hdr.ipv4.ttl < 2) {
            drop();
        } else if (!access.apply().hit) {
            routes.apply();
        }
    }
}

control Egress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    apply {
    }
}

control Update(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(hdr.ipv4.isValid(),
                        { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.total_length,
                          hdr.ipv4.id, hdr.ipv4.flags, hdr.ipv4.fragment, hdr.ipv4.ttl,
                          hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst },
                        hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control RouterDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
    }
}

V1Switch(RouterParser(), Verify(), Ingress(), Egress(), Update(), RouterDeparser()) main;
