#!/usr/bin/env bash
# Installs the three packages of target/packages in empty projects outside the repository, and runs the
# README's examples there. The Elixir package is installed twice: its library built from source, then
# downloaded, without cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$PWD/target/packages
readme=$PWD/README.md
# Compiled dependencies are kept between runs.
export CARGO_TARGET_DIR=$PWD/target/packages-build
home=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$home"' EXIT

# The first example of the README in a language.
example() { awk -v fence="\`\`\`$1" '$0 == "```" { if (inside) exit } inside { print } $0 == fence { inside = 1 }' "$readme"; }

# What each example prints of the digest of its bytes; white space does not count.
hex=$(printf 'bytes in memory' | sha256sum | head -c 64)
decimal=$(fold -w 2 <<<"$hex" | sed 's/^/0x/' | xargs printf '%d,')

# prints NAME TEXT COMMAND...: runs it, and fails unless it succeeds and its output has the text.
prints() {
    local name=$1 text=$2
    shift 2
    if "$@" >"$home/output" 2>&1 && tr -d ' \n' <"$home/output" | grep -qF -- "$text"; then
        echo "test-packages: $name: ok"
    else
        cat "$home/output" >&2
        echo "test-packages: $name: failed" >&2
        exit 1
    fi
}

# Until the crates are on crates.io, their tarballs take their places; the projects are the same with either.
mkdir "$home/.cargo" "$home/crate" "$home/store"
tar xf "$packages"/chunker-cdc-*.crate -C "$home/crate" --strip-components 1
tar xf "$packages"/chunker-store-*.crate -C "$home/store" --strip-components 1
cat >"$home/.cargo/config.toml" <<'TOML'
[patch.crates-io]
chunker-cdc = { path = "crate" }
chunker-store = { path = "store" }
TOML

rust() (
    mkdir -p "$home/rust/src"
    cd "$home/rust"
    { printf '[package]\nname = "example"\nedition = "2024"\n\n' && example toml; } >Cargo.toml
    example rust >src/main.rs
    cargo run --quiet
)
prints "the crate, in Rust" "${hex}015" rust
prints "the crate, all features and examples" Finished \
    cargo check --all-features --all-targets --manifest-path "$home/crate/Cargo.toml"

# javascript FOLDER ARGUMENT...: a project with the package and whatever else npm is told to install.
javascript() (
    mkdir "$home/$1"
    cd "$home/$1"
    shift
    echo '{ "private": true, "type": "module" }' >package.json
    npm install --silent --no-audit --no-fund "$packages"/chunker-cdc-[0-9]*.tgz "$@"
    { echo 'const file = new Blob(["a file"]);' && example js; } >example.js
    node example.js
    node --input-type=module --eval 'import { backend } from "chunker-cdc"; console.log(backend())'
)
addon=$packages/$(node npm/scripts/addons.mjs here)-$(scripts/version.sh).tgz
prints "the npm package, in Node.js by its addon" native javascript native "$addon"
prints "the npm package, in Node.js without it" "${hex}015" javascript wasm --omit=optional

# elixir FOLDER: a project that depends on the package in it.
elixir() (
    mkdir -p "$1/project/lib"
    cd "$1/project"
    cat >mix.exs <<'MIX'
defmodule Example.MixProject do
  use Mix.Project
  def project, do: [app: :example, version: "0.1.0", deps: [{:chunker, path: "../chunker"}]]
end
MIX
    example elixir >example.exs
    head -c 3000000 /dev/urandom >image.iso
    mix run example.exs
)
mkdir -p "$home/source/chunker"
tar xf "$packages"/chunker-[0-9]*.tar.gz -C "$home/source/chunker"
CHUNKER_BUILD=1 prints "the Hex package, built from source" "${decimal%,}>>,0,15}" elixir "$home/source"

# What the release does: the libraries are built, listed in the package, and served somewhere.
version=$(basename "$packages"/chunker-[0-9]*.tar.gz .tar.gz)
target=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$home/libraries" "$home/downloaded/chunker" "$home/bin"
cp -L "$home/source/project/_build/dev/lib/chunker/priv/native/chunker_nif.so" \
    "$home/libraries/chunker_nif-${version#chunker-}-$target.so"
python3 -u -m http.server --bind 127.0.0.1 --directory "$home/libraries" 0 >"$home/server" 2>&1 &
server=$!
until port=$(grep -o 'port [0-9]*' "$home/server"); do sleep 0.1; done
LIBRARIES=$home/libraries LIBRARIES_URL=http://127.0.0.1:${port#port } scripts/package.sh "$home/released"
tar xf "$home/released/$version.tar.gz" -C "$home/downloaded/chunker"
printf '#!/bin/sh\nexit 1\n' >"$home/bin/cargo"
chmod +x "$home/bin/cargo"
PATH=$home/bin:$PATH XDG_CACHE_HOME=$home/cache \
    prints "the Hex package, its library downloaded" "${decimal%,}>>,0,15}" elixir "$home/downloaded"
