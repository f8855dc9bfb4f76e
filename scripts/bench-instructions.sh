#!/usr/bin/env bash
# bench-instructions.sh BASE: whether an operation takes over 1 % more instructions in the working tree than
# in the commit BASE. Both are built and counted here: numbers of other compilers and CPUs say nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(git rev-parse --verify "$1^{commit}")
export GUNGRAUN_RUNNER=$PWD/target/tools/bin/gungraun-runner
export RUSTFLAGS="--cfg chunker_scan=\"portable\""
out=$PWD/target/instructions

# count TREE NAME OPTION...: counts the benchmarks of a tree. Cargo takes two trees for one: each has a
# target directory of its own.
count() {
    local tree=$1 name=$2
    shift 2
    (cd "$tree" && CARGO_TARGET_DIR=$out/$name cargo bench --quiet --package chunker-cdc \
        --features nix,zstd,lz4 --bench instructions -- --home="$out/counts" --callgrind-metrics=ir "$@")
}

tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$base"
if [ ! -e "$tree/benches/instructions.rs" ]; then
    echo "instructions: $1 counts none"
    exit
fi
count "$tree" base --save-baseline=base >/dev/null
count . head --baseline=base --callgrind-limits=ir=1%
