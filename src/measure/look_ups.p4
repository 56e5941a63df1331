// What `trisect calibrate` measures look-ups with: one flow table between other work. Without LOOK_UP, the other work alone.
#include <core.p4>
#include <pna.p4>
struct metadata_t { bit<16> seen; }
#include <trisect/std.p4>

control Flows(inout headers_t hdr, inout metadata_t meta,
              in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    action known(bit<16> number) { meta.seen = number; }
    action learn() { add_entry("known", {hdr.udp.src_port}, (ExpireTimeProfileId_t) 0); }
    table flows {
        key = {
            hdr.ipv4.src: exact; hdr.ipv4.dst: exact; hdr.ipv4.protocol: exact;
            hdr.udp.src_port: exact; hdr.udp.dst_port: exact;
        }
        actions = { @tableonly known; @defaultonly learn; }
        const default_action = learn();
        add_on_miss = true;
        size = 1048576;
    }
    action rewrite() { hdr.ipv4.identification = meta.seen; }
    apply {
        if (hdr.udp.isValid()) {
#ifdef LOOK_UP
            flows.apply();
#endif
            rewrite();
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Flows(), StdDeparser()) main;
