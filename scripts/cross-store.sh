#!/usr/bin/env bash
# Builds the command `chunker`, and with it the store with all remote features, for every system that the
# Elixir package's native library is for, or for the targets that are named. Zig links and compiles C for each.
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/zig.sh
[ $# -gt 0 ] || set -- "${zig_targets[@]}"
export CARGO_TARGET_DIR=$PWD/target/cross-store

failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "$@"; do
    triple=${target%%.*}
    zig_target "$triple"
    ending=""
    case $triple in *-windows-*) ending=.exe ;; esac
    # Whether it links does not depend on optimization, which takes most of the time.
    if RUSTFLAGS="" cargo zigbuild --quiet --locked --package chunker-cli --target "$target" \
        --config 'profile.dev.debug=false' --config 'profile.dev.strip="symbols"' 2>"$log"; then
        echo "cross-store: $target links: $(stat -c %s "$CARGO_TARGET_DIR/$triple/debug/chunker$ending") bytes"
    else
        cat "$log" >&2
        echo "cross-store: $target fails" >&2
        failed=1
    fi
done
exit $failed
