parser P<H>(out H h);
control C<H, M>(inout H h, inout M m);
package Top<H, M>(P<H> p, @optional C<H, M> c);
struct h_t { } struct m_t { }
parser p(out h_t h) { state start { transition accept; } }
control c(inout h_t h, inout m_t m) { apply { } }
Top(p(), c()) main;
