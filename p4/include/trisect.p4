// What network functions need and PNA does not declare. Each extern is a plain declaration, so any
// P4-16 front end accepts programs that use it.
#ifndef TRISECT_TRISECT_P4
#define TRISECT_TRISECT_P4

// A set of byte patterns that is searched for in the payload. The patterns come from a file that
// the network function's description names; they are numbered from 1 in file order.
extern PatternSet {
    // Room for `size` patterns.
    PatternSet(bit<32> size);
    // Searches all bytes behind the end of `hdr`, however far the parser went: 0 if no pattern
    // occurs or the header is invalid, else the lowest number of a pattern that does.
    bit<16> search_after<H>(in H hdr);
}

// Hands out the values base .. base + size - 1, each to one user at a time: first those never
// used, then the one that was used least recently, once it has been idle for
// `idle_timeout_seconds`. Time is the packet's arrival time.
extern Allocator<T> {
    Allocator(T base, T size, bit<32> idle_timeout_seconds);
    // `ok` is 1 and `value` is taken, or both are 0 because all values are in use.
    void allocate(out bit<1> ok, out T value);
    // The value is in use now.
    void touch(in T value);
}

// An attribute that this network function derives for a packet and that a policy's filters may
// read behind it, as in `ids.verdict == unsafe`. Starts as 0.
extern Attribute<T> {
    Attribute();
    void set(in T value);
}

#endif
