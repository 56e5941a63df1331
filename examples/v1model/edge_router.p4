// An edge router: an access list, longest-prefix routing, and counters for both.
//
// What it does with an IPv4 packet, in this order:
//   1. Wrong header checksum, or a TTL that ends here: dropped, and counted by reason.
//   2. `acl`: the first rule over addresses, protocol and ports decides; hits are counted per rule.
//   3. `routes`: longest prefix of the destination gives the next hop, or there is no route.
//   4. `next_hops`: Ethernet addresses and port of the next hop; the TTL goes down by one.
// Frames that are not IPv4 are dropped; this router speaks nothing else.
//
// To fill: acl.entries, routes.entries and next_hops.entries in edge_router/.

#include <core.p4>
#include <v1model.p4>

typedef bit<48> mac_t;
typedef bit<32> ipv4_addr_t;
typedef bit<12> hop_t;

const bit<16> TYPE_IPV4 = 0x0800;
const bit<8> PROTO_TCP = 6;
const bit<8> PROTO_UDP = 17;

header ethernet_h {
    mac_t dst_addr;
    mac_t src_addr;
    bit<16> type;
}

header ipv4_h {
    bit<4> version;
    bit<4> ihl;
    bit<8> tos;
    bit<16> total_len;
    bit<16> id;
    bit<3> flags;
    bit<13> frag;
    bit<8> ttl;
    bit<8> proto;
    bit<16> checksum;
    ipv4_addr_t src_addr;
    ipv4_addr_t dst_addr;
}

// TCP and UDP begin alike, and an access list needs no more of them.
header ports_h {
    bit<16> src;
    bit<16> dst;
}

struct headers_t {
    ethernet_h eth;
    ipv4_h ip;
    ports_h l4;
}

struct meta_t {
    hop_t hop;
}

// Why packets are not forwarded, by index of `refused`.
const bit<32> BAD_CHECKSUM = 0;
const bit<32> TTL_EXPIRED = 1;
const bit<32> BY_ACL = 2;
const bit<32> NO_ROUTE = 3;
const bit<32> NOT_IPV4 = 4;

parser RouterParser(packet_in packet, out headers_t hdr, inout meta_t meta,
                    inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.eth);
        transition select(hdr.eth.type) {
            TYPE_IPV4: ipv4;
            default: accept;
        }
    }
    state ipv4 {
        packet.extract(hdr.ip);
        // With options, or behind the first fragment, there are no ports where we would look.
        transition select(hdr.ip.ihl, hdr.ip.frag, hdr.ip.proto) {
            (5, 0, PROTO_TCP): ports;
            (5, 0, PROTO_UDP): ports;
            default: accept;
        }
    }
    state ports {
        packet.extract(hdr.l4);
        transition accept;
    }
}

control RouterVerify(inout headers_t hdr, inout meta_t meta) {
    apply {
        verify_checksum(hdr.ip.isValid() && hdr.ip.ihl == 5,
            { hdr.ip.version, hdr.ip.ihl, hdr.ip.tos, hdr.ip.total_len, hdr.ip.id, hdr.ip.flags,
              hdr.ip.frag, hdr.ip.ttl, hdr.ip.proto, hdr.ip.src_addr, hdr.ip.dst_addr },
            hdr.ip.checksum, HashAlgorithm.csum16);
    }
}

control RouterIngress(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    direct_counter(CounterType.packets_and_bytes) acl_hits;
    direct_counter(CounterType.packets_and_bytes) route_hits;
    counter(5, CounterType.packets) refused;

    action permit() {
        acl_hits.count();
    }
    action deny() {
        acl_hits.count();
        refused.count(BY_ACL);
        mark_to_drop(std);
    }
    table acl {
        key = {
            hdr.ip.src_addr: ternary;
            hdr.ip.dst_addr: ternary;
            hdr.ip.proto: ternary;
            hdr.l4.dst: range;
        }
        actions = { permit; deny; }
        default_action = permit();
        counters = acl_hits;
        size = 256;
    }

    action via(hop_t hop) {
        route_hits.count();
        meta.hop = hop;
    }
    action no_route() {
        route_hits.count();
        refused.count(NO_ROUTE);
        mark_to_drop(std);
    }
    table routes {
        key = { hdr.ip.dst_addr: lpm; }
        actions = { via; no_route; }
        const default_action = no_route();
        counters = route_hits;
        size = 1024;
    }

    action send(mac_t own, mac_t neighbour, bit<9> port) {
        hdr.eth.src_addr = own;
        hdr.eth.dst_addr = neighbour;
        hdr.ip.ttl = hdr.ip.ttl - 1;
        std.egress_spec = port;
    }
    action unreachable() {
        refused.count(NO_ROUTE);
        mark_to_drop(std);
    }
    table next_hops {
        key = { meta.hop: exact; }
        actions = { send; unreachable; }
        const default_action = unreachable();
        size = 64;
    }

    apply {
        if (!hdr.ip.isValid()) {
            refused.count(NOT_IPV4);
            mark_to_drop(std);
            return;
        }
        if (std.checksum_error == 1) {
            refused.count(BAD_CHECKSUM);
            mark_to_drop(std);
            return;
        }
        if (hdr.ip.ttl <= 1) {
            refused.count(TTL_EXPIRED);
            mark_to_drop(std);
            return;
        }
        switch (acl.apply().action_run) {
            deny: { return; }
        }
        if (routes.apply().hit) {
            next_hops.apply();
        }
    }
}

control RouterEgress(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    counter(512, CounterType.packets_and_bytes) sent;
    apply {
        sent.count((bit<32>) std.egress_port);
    }
}

control RouterChecksum(inout headers_t hdr, inout meta_t meta) {
    apply {
        update_checksum(hdr.ip.isValid() && hdr.ip.ihl == 5,
            { hdr.ip.version, hdr.ip.ihl, hdr.ip.tos, hdr.ip.total_len, hdr.ip.id, hdr.ip.flags,
              hdr.ip.frag, hdr.ip.ttl, hdr.ip.proto, hdr.ip.src_addr, hdr.ip.dst_addr },
            hdr.ip.checksum, HashAlgorithm.csum16);
    }
}

control RouterDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.eth);
        packet.emit(hdr.ip);
        packet.emit(hdr.l4);
    }
}

V1Switch(RouterParser(), RouterVerify(), RouterIngress(), RouterEgress(), RouterChecksum(),
         RouterDeparser()) main;
