error { TooOld, TooNew }
match_kind { exactly, roughly }
const error e = error.TooOld;
