const int x = ((((((((((1))))))))));
control c() { apply { { { { { if (a) if (b) ; else ; } } } } } }
const tuple<tuple<tuple<bit<(1 + (2))>>>> t = {{{1}}};
