#!/bin/sh
# A compiler for cargo (RUSTC_WRAPPER) that instruments our crates for libFuzzer, on stable, and leaves all others as
# they are: what they do is not what is looked for, and inputs run several times as fast.
case " $* " in
*" --crate-name trisect_"*) set -- "$@" -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=3 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table ;;
esac
exec "$@"
