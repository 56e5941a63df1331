// monitor: counts packets and bytes per flow.
//
// The first packet of a flow adds it to table `flows` and is counted in `first_packets`; each
// packet behind it is counted in the flow's own counter, `flow_traffic`. A flow's counter lives as
// long as its entry: until the flow was idle for IDLE_SECONDS. Packets that are not IP are counted
// together in `other_traffic`. Ports are those of TCP and UDP, 0 for other packets; IPv4 addresses
// are the low 32 bits of the keys.
//
// Parameter: IDLE_SECONDS. Drops: none.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

#ifndef IDLE_SECONDS
#define IDLE_SECONDS 60
#endif

const ExpireTimeProfileId_t FLOW = (ExpireTimeProfileId_t) 0;

struct metadata_t {
    bit<128> src;
    bit<128> dst;
    bit<8>   protocol;
    bit<16>  src_port;
    bit<16>  dst_port;
}

#include <trisect/std.p4>

control Monitor(inout headers_t hdr, inout metadata_t meta,
                in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    DirectCounter<bit<64>>(PNA_CounterType_t.PACKETS_AND_BYTES) flow_traffic;
    Counter<bit<64>, bit<1>>(1, PNA_CounterType_t.PACKETS_AND_BYTES) first_packets;
    Counter<bit<64>, bit<1>>(1, PNA_CounterType_t.PACKETS_AND_BYTES) other_traffic;

    action seen() {
        flow_traffic.count();
    }

    action learn() {
        add_entry("seen", {}, FLOW);
        first_packets.count(0);
    }

    @idle_timeout_seconds[IDLE_SECONDS]
    table flows {
        key = {
            meta.src: exact @name("src");
            meta.dst: exact @name("dst");
            meta.protocol: exact @name("protocol");
            meta.src_port: exact @name("src_port");
            meta.dst_port: exact @name("dst_port");
        }
        actions = { @tableonly seen; @defaultonly learn; }
        const default_action = learn();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        pna_direct_counter = flow_traffic;
        size = 65536;
    }

    action ipv4_keys() {
        meta.src = (bit<128>) hdr.ipv4.src;
        meta.dst = (bit<128>) hdr.ipv4.dst;
        meta.protocol = hdr.ipv4.protocol;
    }

    action ipv6_keys() {
        meta.src = hdr.ipv6.src;
        meta.dst = hdr.ipv6.dst;
        meta.protocol = hdr.ipv6.next_header;
    }

    action tcp_keys() {
        meta.src_port = hdr.tcp.src_port;
        meta.dst_port = hdr.tcp.dst_port;
    }

    action udp_keys() {
        meta.src_port = hdr.udp.src_port;
        meta.dst_port = hdr.udp.dst_port;
    }

    action not_ip() {
        other_traffic.count(0);
    }

    apply {
        if (hdr.ipv4.isValid()) {
            ipv4_keys();
        } else if (hdr.ipv6.isValid()) {
            ipv6_keys();
        } else {
            not_ip();
            return;
        }
        if (hdr.tcp.isValid()) {
            tcp_keys();
        } else if (hdr.udp.isValid()) {
            udp_keys();
        }
        flows.apply();
    }
}

PNA_NIC(StdParser(), StdPreControl(), Monitor(), StdDeparser()) main;
