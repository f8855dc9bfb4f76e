#!/usr/bin/env bash
# test-machines.sh [TARGET...]: runs the conformance vectors, the laws of manifests and those of the scan
# kernels on other machines, emulated by qemu: a big-endian one, one of 32 bits, and one with the
# portable kernel alone.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=(conformance conformance_codecs manifest scan_tiers)
[ $# -gt 0 ] || set -- s390x-unknown-linux-gnu i686-unknown-linux-gnu aarch64-unknown-linux-gnu

for target in "$@"; do
    machine=${target%%-*}
    gcc=$machine-linux-gnu-gcc
    sysroot=/usr/$machine-linux-gnu
    case $machine in
    aarch64) emulator=qemu-aarch64-static libc=libc6-dev-arm64-cross ;;
    i686) emulator=qemu-i386-static libc=libc6-dev-i386-cross ;;
    s390x) emulator=qemu-s390x-static libc=libc6-dev-s390x-cross ;;
    *) echo "machines: unknown target $target" >&2 && exit 1 ;;
    esac
    scripts/setup.sh "$gcc=gcc-$machine-linux-gnu" "$sysroot/include/stdio.h=$libc" "$emulator=qemu-user-static"
    rustup target list --installed | grep -qx "$target" || {
        echo "machines: adding the Rust target $target"
        rustup target add "$target" 2>/dev/null
    }

    name=$(tr a-z- A-Z_ <<<"$target")
    export "CARGO_TARGET_${name}_LINKER=$gcc" "CC_${target//-/_}=$gcc"
    export "CARGO_TARGET_${name}_RUNNER=$emulator -L $sysroot"
    echo "machines: $target"
    cargo test --quiet --package chunker-cdc --target "$target" --target-dir target/machines \
        --no-default-features --features serde,zstd,lz4,xz,bzip2,nix --test suite -- "${tests[@]/%/::}"
done
