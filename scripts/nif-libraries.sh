#!/usr/bin/env bash
# Builds the native library of the Elixir package for every system that a release has it for, or for the
# targets that are named, in target/libraries: chunker_nif-VERSION-TARGET.so or .dll. One machine does
# all: Zig is the linker and the C compiler for each, with the C libraries of each.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh)

source scripts/zig.sh
[ $# -gt 0 ] || set -- "${zig_targets[@]}"
export CARGO_TARGET_DIR=$PWD/target/nif-libraries

mkdir -p target/libraries
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "$@"; do
    triple=${target%%.*}
    zig_target "$triple"
    flags="" built=libchunker_nif.so ending=so
    case $triple in
        *-musl) flags="-C target-feature=-crt-static" ;; # a static library cannot be loaded
        *-darwin) built=libchunker_nif.dylib ;;          # the VM wants .so there too
        *-windows-*) built=chunker_nif.dll ending=dll ;;
    esac
    RUSTFLAGS=$flags cargo zigbuild --quiet --release --locked --package chunker-nif --target "$target" \
        --config 'profile.release.strip="symbols"' 2>"$log" || {
        cat "$log" >&2
        exit 1
    }
    library=target/libraries/chunker_nif-$version-$triple.$ending
    cp "$CARGO_TARGET_DIR/$triple/release/$built" "$library"
    # What the VM looks for; nothing but the names of exports is left.
    grep -qa nif_init "$library" || {
        echo "nif-libraries: $library has no nif_init" >&2
        exit 1
    }
    echo "nif-libraries: $library: $(stat -c %s "$library") bytes"
done
