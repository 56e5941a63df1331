#if defined(X) && X > 1 || !defined Y
const int a = 1;
#elif (1 << 4) == 16 ? 1 : 0
const int b = 2;
#else
#error none
#endif
#ifndef X
#undef X
#endif
