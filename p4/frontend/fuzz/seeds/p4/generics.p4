struct pair<A, B> { A first; B second; }
header holder<T> { T value; }
extern T choose<T>(in bool which, in T left, in T right);
const pair<bit<8>, bool> p = { first = 1, second = true };
