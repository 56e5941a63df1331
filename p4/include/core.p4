// The declarations that every P4-16 program starts from (P4-16 specification 1.2.5,
// appendix D). Written from the specification; the names and signatures are the language's.
#ifndef TRISECT_CORE_P4
#define TRISECT_CORE_P4
// Programs ask for this name to know whether core.p4 was included.
#define _CORE_P4_

error {
    NoError,                // nothing went wrong
    PacketTooShort,         // extract or lookahead wanted more bits than are left
    NoMatch,                // no case of a select matched
    StackOutOfBounds,       // next or last outside the header stack
    HeaderTooShort,         // a varbit field was asked to hold more than its maximum
    ParserTimeout,          // the parser ran longer than the target allows
    ParserInvalidArgument   // an argument the target does not support
}

extern packet_in {
    // Reads a header of fixed size and moves the cursor behind it.
    void extract<T>(out T hdr);
    // Reads a header with one varbit field of the given size in bits.
    void extract<T>(out T variableSizeHeader, in bit<32> variableFieldSizeInBits);
    // Reads bits and leaves the cursor where it is.
    T lookahead<T>();
    // Moves the cursor without keeping the bits.
    void advance(in bit<32> sizeInBits);
    // Packet length in bytes.
    bit<32> length();
}

extern packet_out {
    // Appends the header if it is valid; a stack or struct member by member.
    void emit<T>(in T hdr);
}

// Does nothing if `check` holds, else records `toSignal` and ends parsing.
extern void verify(in bool check, in error toSignal);

@noWarn("unused")
action NoAction() {}

match_kind {
    exact,
    ternary,
    lpm
}

// Fails the compilation if `check` is false.
extern bool static_assert(bool check, string message);
extern bool static_assert(bool check);

#endif
