const bit<64> a = 64w0xDEAD_BEEF;
const int b = 0d99;
const string s = "tab\t quote\" back\\ line\n";
