# 1 "a.p4" 1
#line 70 "b.p4"
const int x = ;
#line 3
const y;
