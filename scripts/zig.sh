# To be sourced: installs Zig into target/tools, as linker and C compiler for every system, and puts it on
# the path. `zig_target TRIPLE` installs Rust's part; `zig_targets` are all systems of a release.

# glibc 2.28 is that of Debian 10 and RHEL 8.
zig_targets=(
    x86_64-unknown-linux-gnu.2.28 aarch64-unknown-linux-gnu.2.28
    x86_64-unknown-linux-musl aarch64-unknown-linux-musl
    x86_64-apple-darwin aarch64-apple-darwin
    x86_64-pc-windows-gnu
)

zig=$PWD/target/tools/zig
[ -x "$zig/bin/cargo-zigbuild" ] || {
    echo "$(basename "$0" .sh): installing Zig into target/tools"
    python3 -m venv "$zig"
    "$zig/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1 cargo-zigbuild==0.24.1
}
export PATH=$zig/bin:$PATH CARGO_ZIGBUILD_CACHE_DIR=$zig/cache

zig_target() {
    rustup target list --installed | grep -qx "$1" || rustup target add --quiet "$1"
}
