control inner(inout bit<8> x)(bit<8> k) { apply { x = x + k; } }
control outer(inout bit<8> x) {
    inner(1) one;
    @name("two") inner(k = 2) second;
    apply { one.apply(x); second.apply(x = x); inner.apply(x); }
}
