#!/usr/bin/env bash
# Builds the packages of the native addon for every platform that a release has one for, or for those that
# are named (linux-x64-gnu, …), in target/addons/packages. One machine does all: Zig is the linker and the
# C compiler for each, with the C libraries of each.
set -euo pipefail
cd "$(dirname "$0")/.."

# glibc 2.28 is that of Debian 10 and RHEL 8, and the oldest that Node runs on.
declare -A targets=(
    [linux-x64-gnu]=x86_64-unknown-linux-gnu.2.28
    [linux-x64-musl]=x86_64-unknown-linux-musl
    [linux-arm64-gnu]=aarch64-unknown-linux-gnu.2.28
    [linux-arm64-musl]=aarch64-unknown-linux-musl
    [darwin-x64]=x86_64-apple-darwin
    [darwin-arm64]=aarch64-apple-darwin
    [win32-x64-gnu]=x86_64-pc-windows-gnu
)
[ $# -gt 0 ] || set -- linux-x64-gnu linux-x64-musl linux-arm64-gnu linux-arm64-musl darwin-x64 darwin-arm64 win32-x64-gnu

source scripts/zig.sh
export CARGO_TARGET_DIR=$PWD/target/addons/build

# The addon finds Node's functions in the process that loads it; the linker of Windows wants a library of
# them all the same, which may be empty.
node=$PWD/target/addons/node
mkdir -p "$node"
: >"$node/libnode.dll"
printf '!<arch>\n' | tee "$node/libnode.a" >"$node/libnode.dll.a"
export LIBNODE_PATH=$node

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for platform in "$@"; do
    target=${targets[$platform]:?}
    triple=${target%%.*}
    zig_target "$triple"
    flags="" built=libchunker_napi.so
    case $triple in
        *-musl) flags="-C target-feature=-crt-static" ;; # a static library cannot be loaded
        *-darwin) built=libchunker_napi.dylib ;;
        *-windows-*) built=chunker_napi.dll ;;
    esac
    RUSTFLAGS=$flags cargo zigbuild --quiet --release --locked --package chunker-napi --target "$target" \
        --config 'profile.release.strip="symbols"' 2>"$log" || {
        cat "$log" >&2
        exit 1
    }
    library=$CARGO_TARGET_DIR/$triple/release/$built
    # What Node looks for.
    grep -qa napi_register_module_v1 "$library" || {
        echo "addons: $library has no napi_register_module_v1" >&2
        exit 1
    }
    node npm/scripts/addons.mjs make "$library" "chunker-cdc-$platform" target/addons/packages
    echo "addons: chunker-cdc-$platform: $(stat -c %s "$library") bytes"
done
