#ifndef CORE
#define CORE
error { NoError, PacketTooShort, NoMatch, StackOutOfBounds, HeaderTooShort, ParserTimeout, ParserInvalidArgument }
extern packet_in { void extract<T>(out T h); void extract<T>(out T h, in bit<32> n); T lookahead<T>(); void advance(in bit<32> n); bit<32> length(); }
extern packet_out { void emit<T>(in T h); }
extern void verify(in bool check, in error toSignal);
action NoAction() {}
match_kind { exact, ternary, lpm }
extern bool static_assert(bool check, string message);
extern bool static_assert(bool check);
#endif
