typedef bit<32> IPv4;
type bit<9> Port;
typedef tuple<bit<8>, bool> Pair;
const Pair p = { 8w1, true };
const list<bit<8>> l = { 1, 2, 3 };
