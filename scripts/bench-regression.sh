#!/usr/bin/env bash
# Compares the working tree with the commit BASE: bench-regression.sh BASE [compare-benches.py's options]
# Fails if a benchmark is over 5 % slower, or if an operation takes over 1 % more instructions. Both versions are
# built and run here, since neither times nor counts carry over to another CPU or compiler. The report on times
# goes to GITHUB_STEP_SUMMARY, if that is set.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
base=$(git rev-parse --verify "$name^{commit}")
shift
out=$PWD/target/regression
mkdir -p "$out"
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$base"
[ -f "$tree/benches/Cargo.toml" ] || {
    echo "bench-regression: the benchmarks of $name belong to the core's package; name a version where benches/ is a package" >&2
    exit 2
}

# Each tree has its own target directory, because cargo takes two trees for one.

# count TREE NAME OPTION...: counts the instructions of a tree's operations, by the portable kernel.
count() {
    local tree=$1 name=$2
    shift 2
    (cd "$tree" && CARGO_TARGET_DIR=$out/count-$name GUNGRAUN_RUNNER=$tools/gungraun-runner \
        RUSTFLAGS="--cfg chunker_scan=\"portable\"" cargo bench --quiet --package benches \
        --features nix,zstd,lz4 --bench instructions -- --home="$out/counts" --callgrind-metrics=ir "$@")
}

# build TREE NAME: makes the benchmarks of a tree $out/NAME.
build() {
    local binary
    binary=$(cd "$1" && CARGO_TARGET_DIR=$out/build-$2 cargo bench --quiet --no-run --package benches --bench comprehensive \
        --features rayon,nix,zstd,lz4,xz,bzip2 --message-format json |
        sed -n 's/.*"name":"comprehensive".*"executable":"\([^"]*\)".*/\1/p')
    cp "$binary" "$out/$2"
}

tools=$PWD/target/tools/bin
status=0
count "$tree" base --save-baseline=base >/dev/null
count . head --baseline=base --callgrind-limits=ir=1% || status=$?

build "$tree" base
build . head
# One size of each operation: the one from which the default sizes cut, or a smaller one for slow codecs.
gated='^(cut_points_raw|chunk_data_eager|chunk_stream|hashing|signing)/.*1MB|^push/|^base32/|^manifest/'
gated+='|^compression/(zstd_l[139]|lz4)/nar/64KB|^decompression/.*64KB'
BENCH_LARGEST=1MB scripts/compare-benches.py "$out/base" "$out/head" "$out/rounds" --benchmarks "$gated" "$@"
.github/scripts/check_regression.py "$out/rounds" --summary "${GITHUB_STEP_SUMMARY:-$out/report.md}" || status=$?
exit $status
