// A switch with a tap: it floods what it does not know, and copies what it is to watch.
//
//   1. `stations` knows ports by destination address. What it does not know goes to all other ports: multicast
//      group 1 + N has all ports but N.
//   2. `watched` says which packets the tap sees: by addresses and protocol of IPv4. Clones carry the port
//      that the packet came in on as a tag, 802.1Q with the VLAN 4000 + N.
//   3. A frame with an outer tag (EtherType 0x9100) loses that, and goes through the switch again.
//
// To fill: stations.entries and watched.entries in tap/. Where copies go stands in tap.copies.

#include <core.p4>
#include <v1model.p4>

#define OUTER 0x9100
#define VLAN 0x8100
#define IPV4 0x800

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header vlan_t {
    bit<3> pcp;
    bit<1> dei;
    bit<12> vid;
    bit<16> type;
}

header ipv4_t {
    bit<4> version;
    bit<4> ihl;
    bit<8> tos;
    bit<16> length;
    bit<16> id;
    bit<16> fragment;
    bit<8> ttl;
    bit<8> protocol;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

struct headers_t {
    ethernet_t ethernet;
    vlan_t outer;
    vlan_t tag;
    ipv4_t ipv4;
}

struct meta_t {
    @field_list(1)
    bit<9> tapped_at;
}

parser TapParser(packet_in packet, out headers_t hdr, inout meta_t meta,
                 inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            OUTER: outer;
            VLAN: tag;
            IPV4: ipv4;
            default: accept;
        }
    }
    state outer {
        packet.extract(hdr.outer);
        transition select(hdr.outer.type) {
            VLAN: tag;
            IPV4: ipv4;
            default: accept;
        }
    }
    state tag {
        packet.extract(hdr.tag);
        transition select(hdr.tag.type) {
            IPV4: ipv4;
            default: accept;
        }
    }
    state ipv4 {
        packet.extract(hdr.ipv4);
        transition accept;
    }
}

control TapVerify(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control TapIngress(inout headers_t hdr, inout meta_t meta,
                   inout standard_metadata_t standard) {
    counter(4, CounterType.packets_and_bytes) tapped;

    action send(bit<9> port) {
        standard.egress_spec = port;
    }
    action flood() {
        standard.mcast_grp = (bit<16>) standard.ingress_port + 1;
    }
    table stations {
        key = { hdr.ethernet.dst: exact; }
        actions = { send; flood; }
        default_action = flood();
    }

    action tap(bit<32> session) {
        meta.tapped_at = standard.ingress_port;
        tapped.count((bit<32>) standard.ingress_port);
        clone_preserving_field_list(CloneType.I2E, session, 1);
    }
    table watched {
        key = {
            hdr.ipv4.src: ternary;
            hdr.ipv4.dst: ternary;
            hdr.ipv4.protocol: ternary;
        }
        actions = { tap; NoAction; }
        default_action = NoAction();
    }

    apply {
        stations.apply();
        if (hdr.ipv4.isValid()) {
            watched.apply();
        }
    }
}

control TapEgress(inout headers_t hdr, inout meta_t meta,
                  inout standard_metadata_t standard) {
    apply {
        if (standard.instance_type == 1) {
            hdr.outer.setInvalid();
            hdr.tag.setValid();
            hdr.tag = { 0, 0, 4000 + (bit<12>) meta.tapped_at, hdr.ethernet.type };
            hdr.ethernet.type = VLAN;
        } else if (hdr.outer.isValid()) {
            hdr.ethernet.type = hdr.outer.type;
            hdr.outer.setInvalid();
            recirculate_preserving_field_list(0);
        }
    }
}

control TapCompute(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control TapDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.outer);
        packet.emit(hdr.tag);
        packet.emit(hdr.ipv4);
    }
}

V1Switch(TapParser(), TapVerify(), TapIngress(), TapEgress(), TapCompute(), TapDeparser()) main;
