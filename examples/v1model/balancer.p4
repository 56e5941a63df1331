// A layer-4 load balancer for virtual services, with connections that stay with their server.
//
// A packet for a virtual address and port takes a slot by the hash of its five-tuple. The slot's
// registers remember which server had it and when it was last used: a slot that was used within the last
// 30 seconds keeps its server, also when the pool changes; an idle one takes the server that the hash
// gives. So a connection outlives a change of the pool without the control plane knowing it.
// Then the destination becomes the server's, the transport checksum is patched for that
// (RFC 1624), and the IPv4 checksum is computed anew.
// What is for no virtual service goes out by the uplink as it came.
//
// To fill: services.entries and servers.entries in balancer/.

#include <core.p4>
#include <v1model.p4>

#ifndef UPLINK
#define UPLINK 3
#endif
#ifndef SLOTS
#define SLOTS 4096
#endif

const bit<48> IDLE_US = 30000000;

header eth_t {
    bit<48> dstAddr;
    bit<48> srcAddr;
    bit<16> etherType;
}

header ipv4_t {
    bit<4> version;
    bit<4> ihl;
    bit<8> diffserv;
    bit<16> totalLen;
    bit<16> identification;
    bit<3> flags;
    bit<13> fragOffset;
    bit<8> ttl;
    bit<8> protocol;
    bit<16> hdrChecksum;
    bit<32> srcAddr;
    bit<32> dstAddr;
}

header tcp_t {
    bit<16> srcPort;
    bit<16> dstPort;
    bit<32> seqNo;
    bit<32> ackNo;
    bit<4> dataOffset;
    bit<4> res;
    bit<8> flags;
    bit<16> window;
    bit<16> checksum;
    bit<16> urgentPtr;
}

header udp_t {
    bit<16> srcPort;
    bit<16> dstPort;
    bit<16> length_;
    bit<16> checksum;
}

struct headers {
    eth_t ethernet;
    ipv4_t ipv4;
    tcp_t tcp;
    udp_t udp;
}

struct metadata {
    bit<16> dst_port;
    bit<16> src_port;
    bit<8> base;        // first server of the service
    bit<8> count;       // and how many it has
    bit<8> server;
    bit<32> slot;
    bit<32> old_dst;
}

parser LbParser(packet_in pkt, out headers hdr, inout metadata meta,
                inout standard_metadata_t sm) {
    state start {
        pkt.extract(hdr.ethernet);
        transition select(hdr.ethernet.etherType) {
            0x0800: parse_ipv4;
            default: accept;
        }
    }
    state parse_ipv4 {
        pkt.extract(hdr.ipv4);
        transition select(hdr.ipv4.ihl, hdr.ipv4.fragOffset, hdr.ipv4.protocol) {
            (5, 0, 6): parse_tcp;
            (5, 0, 17): parse_udp;
            default: accept;
        }
    }
    state parse_tcp {
        pkt.extract(hdr.tcp);
        meta.src_port = hdr.tcp.srcPort;
        meta.dst_port = hdr.tcp.dstPort;
        transition accept;
    }
    state parse_udp {
        pkt.extract(hdr.udp);
        meta.src_port = hdr.udp.srcPort;
        meta.dst_port = hdr.udp.dstPort;
        transition accept;
    }
}

control LbVerify(inout headers hdr, inout metadata meta) {
    apply { }
}

// Patches a checksum for a change of 32 bits that it covers.
control Patch(inout bit<16> checksum, in bit<32> old, in bit<32> new) {
    apply {
        bit<32> sum = (bit<32>) ~checksum;
        sum = sum + (bit<32>) ~old[31:16] + (bit<32>) ~old[15:0];
        sum = sum + (bit<32>) new[31:16] + (bit<32>) new[15:0];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        checksum = ~sum[15:0];
    }
}

control LbIngress(inout headers hdr, inout metadata meta, inout standard_metadata_t sm) {
    register<bit<8>>(SLOTS) slot_server;
    register<bit<48>>(SLOTS) slot_used;
    counter(256, CounterType.packets_and_bytes) per_server;

    action service(bit<8> base, bit<8> count) {
        meta.base = base;
        meta.count = count;
    }
    action none() {
        sm.egress_spec = UPLINK;
    }
    table services {
        key = {
            hdr.ipv4.dstAddr: exact;
            hdr.ipv4.protocol: exact;
            meta.dst_port: exact;
        }
        actions = { service; none; }
        const default_action = none();
        size = 128;
    }

    action to_server(bit<48> mac, bit<32> address, bit<9> port) {
        meta.old_dst = hdr.ipv4.dstAddr;
        hdr.ethernet.dstAddr = mac;
        hdr.ipv4.dstAddr = address;
        sm.egress_spec = port;
    }
    action no_server() {
        mark_to_drop(sm);
    }
    table servers {
        key = { meta.server: exact; }
        actions = { to_server; no_server; }
        const default_action = no_server();
        size = 256;
    }

    Patch() patch_tcp;
    Patch() patch_udp;

    apply {
        if (!hdr.ipv4.isValid()) {
            sm.egress_spec = UPLINK;
        } else if (services.apply().hit) {
            bit<48> now = sm.ingress_global_timestamp;
            bit<48> used;
            hash(meta.slot, HashAlgorithm.crc32, 32w0,
                 { hdr.ipv4.srcAddr, hdr.ipv4.dstAddr, hdr.ipv4.protocol, meta.src_port, meta.dst_port },
                 32w0x10000000);
            bit<8> wanted;
            hash(wanted, HashAlgorithm.crc16, meta.base,
                 { hdr.ipv4.srcAddr, hdr.ipv4.protocol, meta.src_port }, meta.count);
            meta.slot = meta.slot % SLOTS;
            slot_used.read(used, meta.slot);
            slot_server.read(meta.server, meta.slot);
            if (used == 0 || now - used > IDLE_US) {
                meta.server = wanted;
                slot_server.write(meta.slot, wanted);
            }
            slot_used.write(meta.slot, now);
            per_server.count((bit<32>) meta.server);
            if (servers.apply().hit) {
                if (hdr.tcp.isValid()) {
                    patch_tcp.apply(hdr.tcp.checksum, meta.old_dst, hdr.ipv4.dstAddr);
                } else if (hdr.udp.isValid() && hdr.udp.checksum != 0) {
                    patch_udp.apply(hdr.udp.checksum, meta.old_dst, hdr.ipv4.dstAddr);
                    if (hdr.udp.checksum == 0) {
                        hdr.udp.checksum = 0xffff;
                    }
                }
            }
        }
    }
}

control LbEgress(inout headers hdr, inout metadata meta, inout standard_metadata_t sm) {
    apply { }
}

control LbChecksum(inout headers hdr, inout metadata meta) {
    apply {
        update_checksum(hdr.ipv4.isValid() && hdr.ipv4.ihl == 5,
            { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.diffserv, hdr.ipv4.totalLen,
              hdr.ipv4.identification, hdr.ipv4.flags, hdr.ipv4.fragOffset, hdr.ipv4.ttl,
              hdr.ipv4.protocol, hdr.ipv4.srcAddr, hdr.ipv4.dstAddr },
            hdr.ipv4.hdrChecksum, HashAlgorithm.csum16);
    }
}

control LbDeparser(packet_out pkt, in headers hdr) {
    apply {
        pkt.emit(hdr.ethernet);
        pkt.emit(hdr.ipv4);
        pkt.emit(hdr.tcp);
        pkt.emit(hdr.udp);
    }
}

V1Switch(LbParser(), LbVerify(), LbIngress(), LbEgress(), LbChecksum(), LbDeparser()) main;
