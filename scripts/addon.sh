#!/usr/bin/env bash
# Builds the native addon for this machine, in target/addons, where the npm package of this tree finds it.
# It has besides what tests need: functions that panic.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --release --locked --package chunker-napi --features faults
case $(uname -s) in
    Darwin) built=libchunker_napi.dylib ;;
    *) built=libchunker_napi.so ;;
esac
name=$(node npm/scripts/addons.mjs here)
node npm/scripts/addons.mjs make "${CARGO_TARGET_DIR:-target}/release/$built" "$name" target/addons/test
mkdir -p npm/node_modules
ln -sfn "../../target/addons/test/$name" "npm/node_modules/$name"
