extern Counter<I> {
    Counter(bit<32> size);
    void count(in I index);
    abstract bit<8> step(in bit<8> x);
    @pure bit<32> read<T>(in T at);
}
extern void log(string message);
