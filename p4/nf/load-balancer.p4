// load-balancer: spreads the flows of a virtual service over backends.
//
// A packet to a service (table `services`: address, protocol, port) goes to the backend that the
// Maglev table `lookup` holds in the slot of the flow's hash (Eisenbud et al., NSDI 2016), so that
// every instance picks the same one and a change of backends moves few flows. Table `flows` keeps a
// flow at its backend for as long as it lives, whatever becomes of `lookup`. The destination
// address is rewritten; in packets that come back, the source address is rewritten to the
// service's, as table `reverse` remembers. Everything else passes.
//
// Parameters: SLOTS (size of `lookup`), IDLE_SECONDS.
//
// Drops: Balancer.no_backend (the slot is empty).
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

#ifndef SLOTS
#define SLOTS 16w4093
#endif
#ifndef IDLE_SECONDS
#define IDLE_SECONDS 300
#endif

const ExpireTimeProfileId_t FLOW = (ExpireTimeProfileId_t) 0;

struct metadata_t {
    bit<1>  to_service;
    bit<1>  rewritten;
    bit<16> src_port;
    bit<16> dst_port;
    bit<16> slot;
    bit<32> backend;
    bit<32> client;         // of the connection behind the balancer: client and backend side
    bit<16> client_port;
    bit<32> server;
    bit<16> server_port;
    bit<32> old_address;
    bit<32> new_address;
    bit<16> sum;
}

#include <trisect/std.p4>

control Balancer(inout headers_t hdr, inout metadata_t meta,
                 in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;
    Hash<bit<16>>(PNA_HashAlgorithm_t.TARGET_DEFAULT) hash;

    action no_backend() {
        drop_packet();
    }

    action serve() {
        meta.to_service = 1;
    }

    table services {
        key = {
            hdr.ipv4.dst: exact @name("address");
            hdr.ipv4.protocol: exact @name("protocol");
            meta.dst_port: exact @name("port");
        }
        actions = { serve; NoAction; }
        default_action = NoAction();
        size = 256;
    }

    action pick_slot() {
        meta.slot = hash.get_hash(16w0, {hdr.ipv4.src, hdr.ipv4.dst, meta.src_port, meta.dst_port,
                                         hdr.ipv4.protocol}, SLOTS);
    }

    action to_backend(bit<32> address) {
        meta.backend = address;
    }

    table lookup {
        key = { meta.slot: exact @name("slot"); }
        actions = { to_backend; @defaultonly no_backend; }
        default_action = no_backend();
        size = 65537;
    }

    action keep(bit<32> address) {
        meta.backend = address;
    }

    action learn() {
        add_entry("keep", {meta.backend}, FLOW);
    }

    @idle_timeout_seconds[IDLE_SECONDS]
    table flows {
        key = {
            hdr.ipv4.src: exact @name("src");
            hdr.ipv4.dst: exact @name("dst");
            hdr.ipv4.protocol: exact @name("protocol");
            meta.src_port: exact @name("src_port");
            meta.dst_port: exact @name("dst_port");
        }
        actions = { @tableonly keep; @defaultonly learn; }
        const default_action = learn();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        size = 65536;
    }

    action forward_keys() {
        meta.client = hdr.ipv4.src;
        meta.client_port = meta.src_port;
        meta.server = meta.backend;
        meta.server_port = meta.dst_port;
    }

    action backward_keys() {
        meta.client = hdr.ipv4.dst;
        meta.client_port = meta.dst_port;
        meta.server = hdr.ipv4.src;
        meta.server_port = meta.src_port;
    }

    // To a service: keeps the way back alive. From a backend: the service's address is the new source.
    action known(bit<32> service) {
        meta.rewritten = 1;
        meta.new_address = service;
    }

    action remember() {
        if (meta.to_service == 1) {
            add_entry("known", {hdr.ipv4.dst}, FLOW);
        }
    }

    @idle_timeout_seconds[IDLE_SECONDS]
    table reverse {
        key = {
            meta.client: exact @name("client");
            meta.server: exact @name("server");
            hdr.ipv4.protocol: exact @name("protocol");
            meta.client_port: exact @name("client_port");
            meta.server_port: exact @name("server_port");
        }
        actions = { @tableonly known; @defaultonly remember; }
        const default_action = remember();
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        size = 65536;
    }

    action rewrite_destination() {
        meta.rewritten = 1;
        meta.old_address = hdr.ipv4.dst;
        meta.new_address = meta.backend;
        hdr.ipv4.dst = meta.backend;
    }

    action rewrite_source() {
        meta.old_address = hdr.ipv4.src;
        hdr.ipv4.src = meta.new_address;
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
        checksum.subtract(meta.old_address);
        checksum.add(meta.new_address);
        hdr.tcp.checksum = checksum.get();
    }

    // A UDP checksum of 0 says that there is none, a computed 0 is sent as all ones (RFC 768).
    action update_udp() {
        checksum.clear();
        checksum.subtract(hdr.udp.checksum);
        checksum.subtract(meta.old_address);
        checksum.add(meta.new_address);
        meta.sum = checksum.get();
        hdr.udp.checksum = meta.sum == 0 ? 16w0xFFFF : meta.sum;
    }

    apply {
        if (hdr.ipv4.isValid() && hdr.tcp.isValid()) {
            meta.src_port = hdr.tcp.src_port;
            meta.dst_port = hdr.tcp.dst_port;
        } else if (hdr.ipv4.isValid() && hdr.udp.isValid()) {
            meta.src_port = hdr.udp.src_port;
            meta.dst_port = hdr.udp.dst_port;
        } else {
            return;
        }
        if (services.apply().hit) {
            pick_slot();
            if (lookup.apply().miss) {
                return;
            }
            flows.apply();
            forward_keys();
        } else {
            backward_keys();
        }
        reverse.apply();
        if (meta.to_service == 1) {
            rewrite_destination();
        } else if (meta.rewritten == 1) {
            rewrite_source();
        }
        if (meta.rewritten == 1) {
            update_ipv4();
            if (hdr.tcp.isValid()) {
                update_tcp();
            } else if (hdr.udp.checksum != 0) {
                update_udp();
            }
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Balancer(), StdDeparser()) main;
