/* block * / // */ const int a /* in */ = /**/ 1; // to the end \
const int b = 2;
const int c = 3; /* "not a string */
