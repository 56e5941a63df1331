#![no_main]

trisect_p4_fuzz::target!(trisect_p4_fuzz::check, trisect_p4_fuzz::P4);
