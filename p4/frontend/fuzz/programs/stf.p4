// What the scripts of the target `stf` run against: a table per kind of key, every kind of cell, every way to copy a
// packet. A packet says by its bytes what it wants; copies want nothing, so that no packet loops.
#include <core.p4>
#include <v1model.p4>

header h_t {
    bit<8>  op;
    bit<8>  k;
    bit<16> x;
    bit<32> y;
}

struct headers_t {
    h_t    first;
    h_t[2] more;
}

struct meta_t {
    @field_list(1)
    bit<16> kept;
}

parser Read(packet_in p, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    value_set<bit<8>>(2) longer;
    state start {
        p.extract(h.first);
        transition select(h.first.k) {
            longer: more;
            0xff: more;
            default: accept;
        }
    }
    state more {
        p.extract(h.more.next);
        transition select(h.more.last.k) {
            0xff: more;
            default: accept;
        }
    }
}

control Sums(inout headers_t h, inout meta_t m) {
    apply { }
}

control Ingress(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    counter(8, CounterType.packets_and_bytes) seen;
    direct_counter(CounterType.packets_and_bytes) hits;
    meter(4, MeterType.bytes) rate;
    direct_meter<bit<2>>(MeterType.packets) entry_rate;
    register<bit<16>>(4) cells;

    action drop() {
        mark_to_drop(s);
    }
    action send(bit<9> port, bit<16> value) {
        s.egress_spec = port;
        h.first.x = value;
        hits.count();
    }
    action spread(bit<16> group) {
        s.mcast_grp = group;
    }
    table exact_and_lpm {
        key = {
            h.first.op: exact;
            h.first.y : lpm;
        }
        actions = { send; spread; drop; }
        default_action = drop();
        counters = hits;
        size = 16;
    }
    action mark(bit<8> k) {
        h.first.k = k;
        entry_rate.read(h.first.x[1:0]);
    }
    table ternary_and_range {
        key = {
            h.first.x             : ternary;
            h.first.k             : range @name("k");
            h.more[0].isValid()   : exact;
            h.more[0].x           : optional;
        }
        actions = { mark; NoAction; }
        meters = entry_rate;
        size = 8;
    }
    table fixed {
        key = { h.first.op: exact; }
        actions = { drop; NoAction; }
        const default_action = NoAction();
        const entries = {
            0xee: drop();
        }
    }

    apply {
        seen.count((bit<32>) h.first.op);
        cells.read(m.kept, (bit<32>) h.first.k & 3);
        cells.write((bit<32>) h.first.op & 3, m.kept + 1);
        rate.execute_meter((bit<32>) h.first.k & 3, h.first.y[1:0]);
        exact_and_lpm.apply();
        ternary_and_range.apply();
        fixed.apply();
        log_msg("op {}", { h.first.op });
        assert(h.first.op != 0xdd);
        if (s.instance_type == 0) {
            if (h.first.op == 1) clone_preserving_field_list(CloneType.I2E, 5, 1);
            if (h.first.op == 2) resubmit_preserving_field_list(1);
            if (h.first.op == 3) truncate(5);
        }
    }
}

control Egress(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    apply {
        if (s.instance_type == 0) {
            if (h.first.op == 4) clone_preserving_field_list(CloneType.E2E, 5, 1);
            if (h.first.op == 5) recirculate_preserving_field_list(1);
        }
    }
}

control Write(packet_out p, in headers_t h) {
    apply {
        p.emit(h);
    }
}

V1Switch(Read(), Sums(), Ingress(), Egress(), Sums(), Write()) main;
