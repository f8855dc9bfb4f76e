#!/usr/bin/env bash
# Whether the working tree is slower than the commit BASE: bench-regression.sh BASE [compare-benches.py's options]
# Both are built here, and run in turn on this machine. With GITHUB_STEP_SUMMARY, the report goes there too.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(git rev-parse --verify "$1^{commit}")
shift
out=$PWD/target/regression
mkdir -p "$out"

# build TREE NAME: makes the benchmarks of a tree $out/NAME. Cargo takes two trees for one: each has a
# target directory of its own.
build() {
    local binary
    binary=$(cd "$1" && CARGO_TARGET_DIR=$out/build-$2 cargo bench --quiet --no-run --package chunker-cdc --bench comprehensive \
        --features rayon,nix,zstd,lz4,xz,bzip2 --message-format json |
        sed -n 's/.*"name":"comprehensive".*"executable":"\([^"]*\)".*/\1/p')
    cp "$binary" "$out/$2"
}

tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$base"
build "$tree" base
build . head
# Of each operation one size: that from which the default sizes cut, and a smaller one for slow codecs.
gated='^(cut_points_raw|chunk_data_eager|chunk_stream|hashing|signing)/.*1MB|^push/|^base32/|^manifest/'
gated+='|^compression/(zstd_l[139]|lz4)/nar/64KB|^decompression/.*64KB'
BENCH_LARGEST=1MB scripts/compare-benches.py "$out/base" "$out/head" "$out/rounds" --benchmarks "$gated" "$@"
.github/scripts/check_regression.py "$out/rounds" --summary "${GITHUB_STEP_SUMMARY:-$out/report.md}"
