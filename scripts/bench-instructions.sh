#!/usr/bin/env bash
# bench-instructions.sh BASE: whether an operation takes over 1 % more instructions in the working tree than
# in the commit BASE. Both are built and counted here: numbers of other compilers and CPUs say nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(git rev-parse --verify "$1^{commit}")
export GUNGRAUN_RUNNER=$PWD/target/tools/bin/gungraun-runner
export CARGO_TARGET_DIR=$PWD/target/instructions RUSTFLAGS="--cfg chunker_scan=\"portable\""

# count TREE OPTION...: counts the benchmarks of a tree.
count() {
    local tree=$1
    shift
    (cd "$tree" && cargo bench --quiet --package chunker-cdc --features nix,zstd,lz4 --bench instructions -- \
        --home="$CARGO_TARGET_DIR/counts" --callgrind-metrics=ir "$@")
}

tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$base"
if [ ! -e "$tree/benches/instructions.rs" ]; then
    echo "instructions: $1 counts none"
    exit
fi
count "$tree" --save-baseline=base >/dev/null
count . --baseline=base --callgrind-limits=ir=1%
