// The edge of a carrier's Ethernet service: customers are told apart by VLAN, policed and marked.
//
//   1. Frames from an access port get the VLAN of their port; trunks carry tags already.
//   2. `classes` looks at VLAN, 802.1p priority and DSCP and names one of four classes.
//   3. Each customer and class has a meter (two rates, three colours, RFC 2698). What it calls yellow
//      leaves with a higher drop precedence, what it calls red is dropped.
//   4. `marks` writes the priority of the tag and, in IPv4, the DSCP for class and colour.
//   5. `stations` knows ports by destination address; unknown stations are behind the uplink.
//   6. On the way out, ports to customers lose the tag, trunks keep it.
//
// BMv2's control plane sets the rates of meters. Where nobody does, they stand in the annotation
// `@rates`, which other compilers pass over: bytes per second, and bytes.
//
// To fill: access.entries, classes.entries, marks.entries, stations.entries and untagged.entries in
// marker/.

#include <core.p4>
#include <v1model.p4>

#define UPLINK 3

typedef bit<12> vid_t;
typedef bit<2> class_t;

enum bit<2> Color {
    GREEN = 0,
    YELLOW = 1,
    RED = 2
}

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header vlan_t {
    bit<3> pcp;
    bit<1> dei;
    vid_t vid;
    bit<16> type;
}

header ipv4_t {
    bit<4> version;
    bit<4> ihl;
    bit<6> dscp;
    bit<2> ecn;
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
    vlan_t vlan;
    ipv4_t ipv4;
}

struct meta_t {
    class_t class;
    bit<2> color;
    bool marked;
}

parser MarkerParser(packet_in p, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    state start {
        p.extract(h.ethernet);
        transition select(h.ethernet.type) {
            0x8100: tagged;
            0x0800: ipv4;
            default: accept;
        }
    }
    state tagged {
        p.extract(h.vlan);
        transition select(h.vlan.type) {
            0x0800: ipv4;
            default: accept;
        }
    }
    state ipv4 {
        p.extract(h.ipv4);
        transition accept;
    }
}

control MarkerVerify(inout headers_t h, inout meta_t m) {
    apply { }
}

control MarkerIngress(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    @rates[committed = 250000, committed_burst = 16000, peak = 500000, peak_burst = 32000]
    meter(16384, MeterType.bytes) policer;      // by VLAN and class
    counter(4, CounterType.packets_and_bytes) dropped;

    action tag(vid_t vid) {
        h.vlan.setValid();
        h.vlan.pcp = 0;
        h.vlan.dei = 0;
        h.vlan.vid = vid;
        h.vlan.type = h.ethernet.type;
        h.ethernet.type = 0x8100;
    }
    action refuse() {
        mark_to_drop(s);
    }
    table access {
        key = { s.ingress_port: exact; }
        actions = { tag; refuse; }
        default_action = refuse();
        size = 64;
    }

    action classify(class_t class) {
        m.class = class;
    }
    table classes {
        key = {
            h.vlan.vid: ternary;
            h.vlan.pcp: ternary;
            h.ipv4.isValid(): exact;
            h.ipv4.dscp: ternary;
        }
        actions = { classify; }
        default_action = classify(0);
        size = 512;
    }

    action mark(bit<3> pcp, bit<1> dei, bit<6> dscp) {
        h.vlan.pcp = pcp;
        h.vlan.dei = dei;
        m.marked = h.ipv4.isValid();
        h.ipv4.dscp = dscp;
    }
    action police() {
        dropped.count((bit<32>) m.class);
        mark_to_drop(s);
    }
    table marks {
        key = {
            m.class: exact;
            m.color: exact;
        }
        actions = { mark; police; NoAction; }
        default_action = NoAction();
        size = 16;
    }

    action at(bit<9> port) {
        s.egress_spec = port;
    }
    table stations {
        key = {
            h.vlan.vid: exact;
            h.ethernet.dst: exact;
        }
        actions = { at; }
        default_action = at(UPLINK);
        size = 4096;
    }

    apply {
        if (!h.vlan.isValid()) {
            if (!access.apply().hit) {
                exit;
            }
        }
        classes.apply();
        policer.execute_meter((bit<32>) (h.vlan.vid ++ m.class), m.color);
        stations.apply();
        marks.apply();
    }
}

control MarkerEgress(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    action untag() {
        h.ethernet.type = h.vlan.type;
        h.vlan.setInvalid();
    }
    table untagged {
        key = { s.egress_port: exact; }
        actions = { untag; NoAction; }
        default_action = NoAction();
        size = 64;
    }
    apply {
        if (h.vlan.isValid()) {
            untagged.apply();
        }
    }
}

control MarkerChecksum(inout headers_t h, inout meta_t m) {
    apply {
        update_checksum(m.marked && h.ipv4.ihl == 5,
            { h.ipv4.version, h.ipv4.ihl, h.ipv4.dscp, h.ipv4.ecn, h.ipv4.length, h.ipv4.id,
              h.ipv4.fragment, h.ipv4.ttl, h.ipv4.protocol, h.ipv4.src, h.ipv4.dst },
            h.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control MarkerDeparser(packet_out p, in headers_t h) {
    apply {
        p.emit(h.ethernet);
        p.emit(h.vlan);
        p.emit(h.ipv4);
    }
}

V1Switch(MarkerParser(), MarkerVerify(), MarkerIngress(), MarkerEgress(), MarkerChecksum(),
         MarkerDeparser()) main;
