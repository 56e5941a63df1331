// rate-limiter: a two-rate three-colour meter (RFC 2698) per traffic class.
//
// Table `classes` gives a packet its class by source, destination and DSCP; class 0 is what no
// entry matches. The class's meter colours the packet: green passes, yellow gets the DSCP
// YELLOW_DSCP, red is dropped. All classes have the same rates, given in bytes per second and
// bytes.
//
// Parameters: COMMITTED_RATE, COMMITTED_BURST, PEAK_RATE, PEAK_BURST, YELLOW_DSCP.
//
// Drops: Limiter.exceeded.
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

#ifndef COMMITTED_RATE
#define COMMITTED_RATE 125000000
#endif
#ifndef COMMITTED_BURST
#define COMMITTED_BURST 150000
#endif
#ifndef PEAK_RATE
#define PEAK_RATE 250000000
#endif
#ifndef PEAK_BURST
#define PEAK_BURST 300000
#endif
#ifndef YELLOW_DSCP
#define YELLOW_DSCP 6w8
#endif

struct metadata_t {
    bit<8> class;
    PNA_MeterColor_t color;
}

#include <trisect/std.p4>

control Limiter(inout headers_t hdr, inout metadata_t meta,
                in pna_main_input_metadata_t istd, inout pna_main_output_metadata_t ostd) {
    InternetChecksum() checksum;

    @rates[committed = COMMITTED_RATE, committed_burst = COMMITTED_BURST,
           peak = PEAK_RATE, peak_burst = PEAK_BURST]
    Meter<bit<8>>(256, PNA_MeterType_t.BYTES) meter;

    action exceeded() {
        drop_packet();
    }

    action set_class(bit<8> class) {
        meta.class = class;
    }

    table classes {
        key = {
            hdr.ipv4.src: ternary @name("src");
            hdr.ipv4.dst: ternary @name("dst");
            hdr.ipv4.dscp: ternary @name("dscp");
        }
        actions = { set_class; NoAction; }
        default_action = NoAction();
        size = 256;
    }

    action measure() {
        meta.color = meter.execute(meta.class);
    }

    // The DSCP shares a 16-bit word of the checksum with version, IHL and ECN.
    action remark() {
        checksum.clear();
        checksum.subtract(hdr.ipv4.checksum);
        checksum.subtract({hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.dscp, hdr.ipv4.ecn});
        hdr.ipv4.dscp = YELLOW_DSCP;
        checksum.add({hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.dscp, hdr.ipv4.ecn});
        hdr.ipv4.checksum = checksum.get();
    }

    action remark6() {
        hdr.ipv6.dscp = YELLOW_DSCP;
    }

    apply {
        if (hdr.ipv4.isValid()) {
            classes.apply();
        }
        measure();
        if (meta.color == PNA_MeterColor_t.RED) {
            exceeded();
        } else if (meta.color == PNA_MeterColor_t.YELLOW) {
            if (hdr.ipv4.isValid()) {
                remark();
            } else if (hdr.ipv6.isValid()) {
                remark6();
            }
        }
    }
}

PNA_NIC(StdParser(), StdPreControl(), Limiter(), StdDeparser()) main;
