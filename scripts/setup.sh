#!/usr/bin/env bash
# setup.sh [--demo] [COMMAND[=PACKAGE]...]: installs what `make test` needs beyond rustup, Node.js and git, or with
# --demo only what `make demo` needs; and each COMMAND, from the Debian package of that name or from PACKAGE. Does
# nothing, and says nothing, where everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# need COMMAND PACKAGE WHAT: collects the Debian packages that apt-get has to install.
missing=()
how=()
need() {
    command -v "$1" >/dev/null || [ -e "$1" ] || {
        missing+=("$2")
        how+=("$3")
    }
}

for tool in rustup cargo node npm; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install rustup (https://rustup.rs) and Node.js 20 or newer (https://nodejs.org)"
done
[ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20')" = true ] || fail "Node.js $(node --version) is too old: 20 or newer is needed"

need cc build-essential "a C compiler"
if [ "${1:-}" = --demo ]; then
    shift
else
    need python3 python3 "Python 3"
    for codec in zstd lz4 bzip2; do need "$codec" "$codec" "$codec"; done
    need xz xz-utils "xz"
    need b3sum b3sum "b3sum"
    need openssl openssl "OpenSSL"
    need nix-hash nix-bin "Nix"
    need mix elixir "Elixir 1.14 or newer"
    need dialyzer erlang-dialyzer "Dialyzer"
    [ -n "${CHROMIUM:-}" ] || need chromium chromium "Chromium, or the path of one in CHROMIUM"
fi
for command in "$@"; do need "${command%%=*}" "${command#*=}" "${command%%=*}"; done
# zstd is C, also in WebAssembly. Old releases of Debian and Ubuntu have no clang 19.
{ command -v clang-19 && command -v llvm-ar-19; } >/dev/null || { command -v clang && command -v llvm-ar; } >/dev/null || {
    missing+=(clang-19 llvm-19)
    how+=("clang and llvm")
}

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || fail "install by hand: $(printf '%s; ' "${how[@]}")"
    root=""
    [ "$(id -u)" = 0 ] || root=sudo
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    $root apt-get update >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
    apt-cache show clang-19 >/dev/null 2>&1 || missing=("${missing[@]//-19/}")
    say "installing ${missing[*]}"
    $root apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "apt-get install failed"
    }
fi

rustc --version >/dev/null 2>&1 || {
    say "installing the Rust toolchain of rust-toolchain.toml"
    rustup toolchain install
}
for target in wasm32-unknown-unknown wasm32v1-none; do
    rustup target list --installed | grep -qx "$target" || {
        say "adding the Rust target $target"
        rustup target add "$target" 2>/dev/null
    }
done
for component in clippy rust-src rustfmt; do
    rustup component list --installed | grep -q "^$component" || {
        say "adding the Rust component $component"
        rustup component add "$component" 2>/dev/null
    }
done

if [ ! npm/node_modules/.package-lock.json -nt npm/package-lock.json ]; then
    say "installing the npm packages of npm/package-lock.json"
    npm --prefix npm ci --silent
    touch npm/node_modules/.package-lock.json
fi
