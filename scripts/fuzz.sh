#!/usr/bin/env bash
# fuzz.sh SECONDS TARGET...: runs each fuzz target for so long, from the seeds in target/fuzz/seeds
# and from what earlier runs found in fuzz/corpus. Prints runs, inputs kept and crashes of each.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift

# The C code of the codecs is watched and guides the fuzzer too, if there is clang.
clang=$(command -v clang-19 || command -v clang || true)
[ -z "$clang" ] || export CC=$clang CFLAGS="-fsanitize=address,fuzzer-no-link"
export RUSTFLAGS="" PATH="$PWD/target/tools/bin:$PATH"
options=(--release --target-dir target/fuzz)
cargo +nightly fuzz build "${options[@]}"

failed=0
for target in "$@"; do
    mkdir -p "target/fuzz/seeds/$target" "fuzz/corpus/$target"
    log="target/fuzz/$target.log"
    # A manifest of a few kilobytes needs no large memory; data of xz may ask for 66 MiB.
    cargo +nightly fuzz run "${options[@]}" "$target" "fuzz/corpus/$target" "target/fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=8192 -malloc_limit_mb=256 -timeout=20 -print_final_stats=1 \
        >"$log" 2>&1 || failed=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    crashes=$(find "fuzz/artifacts/$target" -type f 2>/dev/null | wc -l)
    echo "fuzz: $target: ${runs:-0} runs, $(find "fuzz/corpus/$target" -type f | wc -l) inputs kept, $crashes crashes"
    [ "$crashes" = 0 ] || { tail -n 40 "$log"; failed=1; }
done
exit $failed
