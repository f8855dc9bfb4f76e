#!/usr/bin/env bash
# Loads native libraries for this machine that were built on another one, from target/addons/packages and
# target/libraries, and runs the vectors with them: with the addon in an empty project that has the npm package,
# where a file also goes through a store, and with the Elixir package's library if Elixir is installed.
# `load-libraries.sh pack` puts everything else that the project needs into target/load. Runs on Linux, macOS
# (bash 3.2) and Windows (Git's bash), and needs only Node.js.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = pack ]; then
    rm -rf target/load
    mkdir -p target/load
    npm/node_modules/.bin/tsc -p npm/test
    cp -r npm/test-out npm/test/bundlers/projects/{vectors,store}.js target/load
    npm --prefix npm pack ./npm --silent --pack-destination target/load >/dev/null
    exit
fi

name=$(node npm/scripts/addons.mjs here)
rm -rf target/load/project
mkdir -p target/load/project
cp -r target/load/{test-out,vectors.js,store.js} target/load/project
npm pack "./target/addons/packages/$name" --silent --pack-destination target/load >/dev/null
(
    cd target/load/project
    echo '{ "private": true, "type": "module" }' >package.json
    npm install --silent --no-audit --no-fund ../chunker-cdc-[0-9]*.tgz "../$name"-[0-9]*.tgz
    CHUNKER_BACKEND=native VECTORS=../../../tests/conformance node vectors.js
    CHUNKER_BACKEND=native node store.js
)

command -v mix >/dev/null || {
    echo "load-libraries: the library for Elixir was not loaded: Elixir is not installed" >&2
    exit "${ELIXIR_REQUIRED:-0}"
}
case $(uname -sm) in
    "Linux x86_64") library=x86_64-unknown-linux-gnu.so ;;
    "Linux aarch64") library=aarch64-unknown-linux-gnu.so ;;
    "Darwin x86_64") library=x86_64-apple-darwin.so ;;
    "Darwin arm64") library=aarch64-apple-darwin.so ;;
    MINGW*" x86_64" | MSYS*" x86_64") library=x86_64-pc-windows-gnu.dll ;;
    *) echo "load-libraries: no library is built for $(uname -sm)" >&2 && exit 1 ;;
esac
library=$(echo target/libraries/chunker_nif-[0-9]*-"$library")
cd nif
CHUNKER_NIF_PATH=../$library mix test --timeout 600000 test/conformance_test.exs test/codecs_conformance_test.exs
