const string s = "éß";
const int é = 1;
const int n = 1 ;
`$'
