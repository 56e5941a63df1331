#include <core.p4>
#include <pna.p4>
#include <trisect.p4>

struct metadata_t {
    // Of the innermost IP header and the transport header behind it; 0 for what there is not. Without IP and ARP,
    // the length is the EtherType.
    bool     six;
    bit<128> src;
    bit<128> dst;
    bit<8>   protocol;
    bit<16>  identification;
    bit<16>  length;
    bit<16>  fragment;
    bit<16>  src_port;
    bit<16>  dst_port;
    bit<32>  seq;
    bit<32>  ack;
    bit<32>  hash;
