#include <core.p4>
match_kind { range, optional, selector }
struct standard_metadata_t { bit<9> ingress_port; bit<9> egress_spec; bit<9> egress_port; bit<32> instance_type; bit<32> packet_length; bit<16> mcast_grp; bit<1> checksum_error; error parser_error; }
enum CounterType { packets, bytes, packets_and_bytes }
enum HashAlgorithm { crc32, crc16, identity, csum16 }
enum CloneType { I2E, E2E }
extern counter { counter(bit<32> size, CounterType type); void count(in bit<32> index); }
extern register<T> { register(bit<32> size); void read(out T result, in bit<32> index); void write(in bit<32> index, in T value); }
extern action_selector { action_selector(HashAlgorithm algorithm, bit<32> size, bit<32> outputWidth); }
@pure extern void mark_to_drop(inout standard_metadata_t s);
@pure extern void hash<O, T, D, M>(out O result, in HashAlgorithm algo, in T base, in D data, in M max);
extern void update_checksum<T, O>(in bool condition, in T data, inout O checksum, HashAlgorithm algo);
extern void clone_preserving_field_list(in CloneType type, in bit<32> session, bit<8> index);
extern void log_msg<T>(string msg, in T data);
parser Parser<H, M>(packet_in b, out H h, inout M m, inout standard_metadata_t s);
control VerifyChecksum<H, M>(inout H h, inout M m);
control Ingress<H, M>(inout H h, inout M m, inout standard_metadata_t s);
control Egress<H, M>(inout H h, inout M m, inout standard_metadata_t s);
control ComputeChecksum<H, M>(inout H h, inout M m);
control Deparser<H>(packet_out b, in H h);
package V1Switch<H, M>(Parser<H, M> p, VerifyChecksum<H, M> vr, Ingress<H, M> ig, Egress<H, M> eg, ComputeChecksum<H, M> ck, Deparser<H> dep);
