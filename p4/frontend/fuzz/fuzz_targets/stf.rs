#![no_main]

trisect_p4_fuzz::target!(trisect_p4_fuzz::stf, trisect_p4_fuzz::STF);
