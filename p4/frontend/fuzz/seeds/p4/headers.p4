header h_t { bit<8> a; varbit<32> b; int<8> c; bool d; bit<7> pad; }
header_union u_t { h_t one; h_t two; }
struct all_t { h_t h; h_t[4] stack; u_t u; }
