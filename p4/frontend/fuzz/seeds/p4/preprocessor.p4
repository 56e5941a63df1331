#define W 8
#define TYPE(w) bit<w>
#define NAME(a, b) a ## b
#define TEXT(x) #x
#define ALL(...) { __VA_ARGS__ }
const TYPE(W) NAME(x, 1) = 1;
const string s = TEXT(x + 1) ++ __FILE__;
const tuple<int, int> t = ALL(__LINE__, 2);
