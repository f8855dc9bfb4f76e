#!/usr/bin/env bash
# addon.sh test|demo: builds the native addon for this machine, in target/addons/test or target/addons/demo, and
# links the npm package of this tree to it. The one for tests also has functions that panic. The one for the demo
# cannot open stores in buckets, and is not optimized across crates.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-}
case $kind in
    test) profile=release features=(--features faults) ;;
    demo) profile=demo features=(--no-default-features) ;;
    *) echo "usage: scripts/addon.sh test|demo" >&2 && exit 2 ;;
esac
cargo build --quiet --profile "$profile" --locked --package chunker-napi "${features[@]}"
case $(uname -s) in
    Darwin) built=libchunker_napi.dylib ;;
    *) built=libchunker_napi.so ;;
esac
name=$(node npm/scripts/addons.mjs here)
node npm/scripts/addons.mjs make "${CARGO_TARGET_DIR:-target}/$profile/$built" "$name" "target/addons/$kind"
mkdir -p npm/node_modules
ln -sfn "../../target/addons/$kind/$name" "npm/node_modules/$name"
