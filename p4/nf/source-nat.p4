// source-nat: hides inside hosts behind one external IPv4 address (NAPT, RFC 3022).
//
// A packet from an inside prefix (table `inside`) gets the external address and, for
// its inside address and port, an external port that the first packet takes from the pool. A packet
// to the external address is sent back to the inside host that the port stands for. Mapping and
// filtering are endpoint-independent (RFC 4787): the mapping depends on the inside address, port
// and protocol only. Mappings end after IDLE_SECONDS without a packet; a port is given out again
// only after its mapping has ended, the least recently used first.
//
// TCP, UDP and ICMP echo are translated (for echo, the identifier is the port). IPv4, TCP, UDP and
// ICMP checksums are updated incrementally (RFC 1624); a UDP checksum of 0 stays 0, as it says that
// there is none (RFC 768). Everything that is neither from inside nor to the external address
// passes.
//
// Parameters: EXTERNAL_ADDRESS, FIRST_PORT and PORTS (the pool), IDLE_SECONDS.
//
// Drops: Nat.untranslatable (a protocol, ICMP message or fragment without port, in either
// direction), Nat.no_port (the pool is in use), Nat.no_mapping (to a port that stands for nobody).
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

#ifndef EXTERNAL_ADDRESS
#define EXTERNAL_ADDRESS 32w0xC0000201
#endif
#ifndef FIRST_PORT
#define FIRST_PORT 16w1024
#endif
#ifndef PORTS
#define PORTS 16w64512
#endif
#ifndef IDLE_SECONDS
#define IDLE_SECONDS 300
#endif

const ExpireTimeProfileId_t MAPPING = (ExpireTimeProfileId_t) 0;

struct metadata_t {
    bit<1>  outbound;
    bit<1>  have_port;
    bit<1>  restored;
    bit<16> inside_port;    // the port that the inside host uses
    bit<16> outside_port;   // the port that stands for it outside
    bit<32> inside_address;
    bit<32> old_address;    // what the translation replaces, for the checksums
    bit<32> new_address;
    bit<16> old_port;
    bit<16> new_port;
    bit<16> sum;
}

#include <trisect/std.p4>

control Nat(inout headers_t hdr, inout metadata_t meta,
            in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;
    Allocator<bit<16>>(FIRST_PORT, PORTS, IDLE_SECONDS) ports;

    action untranslatable() {
        drop_packet();
    }

    action no_port() {
        drop_packet();
    }

    action no_mapping() {
        drop_packet();
    }

    action from_inside() {
        meta.outbound = 1;
    }

    table inside {
        key = { hdr.ipv4.src: lpm @name("src"); }
        actions = { from_inside; NoAction; }
        default_action = NoAction();
        size = 1024;
    }

    action translate(bit<16> port) {
        meta.outside_port = port;
        meta.have_port = 1;
        ports.touch(port);
    }

    action map() {
        ports.allocate(meta.have_port, meta.outside_port);
        if (meta.have_port == 1) {
            add_entry("translate", {meta.outside_port}, MAPPING);
        }
    }

    @idle_timeout_seconds[IDLE_SECONDS]
    table mappings {
        key = {
            hdr.ipv4.src: exact @name("inside_address");
            hdr.ipv4.protocol: exact @name("protocol");
            meta.inside_port: exact @name("inside_port");
        }
        actions = { @tableonly translate; @defaultonly map; }
        const default_action = map();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        size = 65536;
    }

    action restore(bit<32> address, bit<16> port) {
        meta.restored = 1;
        meta.inside_address = address;
        meta.inside_port = port;
    }

    // The first packet of a mapping adds the way back; a packet from outside never does.
    action remember() {
        if (meta.outbound == 1) {
            add_entry("restore", {hdr.ipv4.src, meta.inside_port}, MAPPING);
        }
    }

    // Applied for packets of both directions, so that each keeps the way back alive.
    @idle_timeout_seconds[IDLE_SECONDS]
    table reverse {
        key = {
            hdr.ipv4.protocol: exact @name("protocol");
            meta.outside_port: exact @name("outside_port");
        }
        actions = { @tableonly restore; @defaultonly remember; }
        const default_action = remember();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        size = 65536;
    }

    action leave() {
        meta.old_address = hdr.ipv4.src;
        meta.new_address = EXTERNAL_ADDRESS;
        meta.old_port = meta.inside_port;
        meta.new_port = meta.outside_port;
        hdr.ipv4.src = EXTERNAL_ADDRESS;
    }

    action enter() {
        ports.touch(meta.outside_port);
        meta.old_address = hdr.ipv4.dst;
        meta.new_address = meta.inside_address;
        meta.old_port = meta.outside_port;
        meta.new_port = meta.inside_port;
        hdr.ipv4.dst = meta.inside_address;
    }

    action update_ipv4() {
        checksum.clear();
        checksum.subtract(hdr.ipv4.checksum);
        checksum.subtract(meta.old_address);
        checksum.add(meta.new_address);
        hdr.ipv4.checksum = checksum.get();
    }

    action update_tcp() {
        checksum.clear();
        checksum.subtract(hdr.tcp.checksum);
        checksum.subtract({meta.old_address, meta.old_port});
        checksum.add({meta.new_address, meta.new_port});
        hdr.tcp.checksum = checksum.get();
    }

    action update_udp() {
        checksum.clear();
        checksum.subtract(hdr.udp.checksum);
        checksum.subtract({meta.old_address, meta.old_port});
        checksum.add({meta.new_address, meta.new_port});
        meta.sum = checksum.get();
        hdr.udp.checksum = meta.sum == 0 ? 16w0xFFFF : meta.sum;
    }

    action update_icmp() {
        checksum.clear();
        checksum.subtract(hdr.icmp.checksum);
        checksum.subtract(meta.old_port);
        checksum.add(meta.new_port);
        hdr.icmp.checksum = checksum.get();
        hdr.icmp.identifier = meta.new_port;
    }

    action tcp_source() {
        hdr.tcp.src_port = meta.new_port;
    }

    action tcp_destination() {
        hdr.tcp.dst_port = meta.new_port;
    }

    action udp_source() {
        hdr.udp.src_port = meta.new_port;
    }

    action udp_destination() {
        hdr.udp.dst_port = meta.new_port;
    }

    apply {
        if (!hdr.ipv4.isValid()) {
            return;
        }
        inside.apply();
        if (meta.outbound == 0 && hdr.ipv4.dst != EXTERNAL_ADDRESS) {
            return;
        }

        // Which port: an ICMP query has its identifier, and only echo (8 and 0) is translated.
        if (hdr.tcp.isValid()) {
            meta.inside_port = hdr.tcp.src_port;
            meta.outside_port = hdr.tcp.dst_port;
        } else if (hdr.udp.isValid()) {
            meta.inside_port = hdr.udp.src_port;
            meta.outside_port = hdr.udp.dst_port;
        } else if (hdr.icmp.isValid()
                   && (hdr.icmp.type == 8 && meta.outbound == 1
                       || hdr.icmp.type == 0 && meta.outbound == 0)) {
            meta.inside_port = hdr.icmp.identifier;
            meta.outside_port = hdr.icmp.identifier;
        } else {
            untranslatable();
            return;
        }

        if (meta.outbound == 1) {
            mappings.apply();
            if (meta.have_port == 0) {
                no_port();
                return;
            }
        }
        reverse.apply();
        if (meta.outbound == 1) {
            leave();
        } else if (meta.restored == 1) {
            enter();
        } else {
            no_mapping();
            return;
        }

        update_ipv4();
        if (hdr.tcp.isValid()) {
            update_tcp();
            if (meta.outbound == 1) {
                tcp_source();
            } else {
                tcp_destination();
            }
        } else if (hdr.udp.isValid()) {
            if (hdr.udp.checksum != 0) {
                update_udp();
            }
            if (meta.outbound == 1) {
                udp_source();
            } else {
                udp_destination();
            }
        } else {
            update_icmp();
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Nat(), StdDeparser()) main;
