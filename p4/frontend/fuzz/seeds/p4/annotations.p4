@name("a.b") @hidden @pure @deprecated("old") @custom(1, { [x] } "s" ==) @kv[a = 1, b = "c"] @list[1, "two", true]
const bit<8> a = 1;
@pragma size 10 + x
@atomic
const bit<8> b = 2;
@name("c") control c(@optional in bit<8> x) { @name(".t") bit<8> y; apply @atomic { } }
