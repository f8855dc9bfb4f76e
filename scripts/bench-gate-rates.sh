#!/usr/bin/env bash
# How often the regression gate errs: bench-gate-rates.sh SUITE [REPETITIONS]
# SUITE, a binary of benches/comprehensive.rs, is compared with itself, and with itself made slower by 10 %.
# Prints the verdicts of all benchmarks, and how many of the repetitions failed.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$(realpath "$1")
out=$PWD/target/gate-rates
rm -rf "$out"
mkdir -p "$out"
printf '#!/bin/sh\nBENCH_SLOWDOWN=10 exec "%s" "$@"\n' "$suite" >"$out/slower"
chmod +x "$out/slower"
export BENCH_LARGEST=1MB
for number in $(seq "${2:-20}"); do
    for head in "$suite" "$out/slower"; do
        scripts/compare-benches.py "$suite" "$head" "$out/rounds" --seconds 0.1 \
            --benchmarks '^(hashing/(sha256|blake3)/64KB|chunk_stream/nar/1MB|push/blake3/4KB|base32/nix_decode_32b|manifest/parse)$'
        status=0
        .github/scripts/check_regression.py "$out/rounds" >"$out/$(basename "$head").$number.md" || status=$?
        [ $status -lt 2 ] || exit $status
    done
done
for head in "$(basename "$suite")" slower; do
    echo "$head: $(cat "$out/$head".*.md | sed -n 's/^### Benchmarks: //p' |
        awk '{ for (i = 1; i < NF; i += 2) if ($i + 0 == $i) { key = $(i + 1); sub(",", "", key); sub("too", "too noisy", key); n[key] += $i } failed += $1 > 0 }
             END { for (key in n) printf "%d %s, ", n[key], key; printf "failed %d of %d", failed, NR }')"
done
