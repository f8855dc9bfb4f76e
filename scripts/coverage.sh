#!/usr/bin/env bash
# Prints the share of the lines that tests run, by file: of the crate, of the Elixir package (its Rust and
# its Elixir), and of the npm package. Fails where a part has less than 95 %.
#
# Not counted: tables that the compiler computes count as not run, though every chunk reads them; `wasm/`
# has conversions alone, and no instrumented build; npm/.c8rc.json leaves out generated files and those
# that only Chromium runs. Examples in the documentation are not counted as tests.
set -euo pipefail
cd "$(dirname "$0")/.."

minimum=95
export PATH=$PWD/target/tools/bin:$PATH

rustup component list --installed | grep -q '^llvm-tools' || {
    echo "coverage: installing llvm-tools by rustup"
    rustup --quiet component add llvm-tools
}

export CARGO_TARGET_DIR=$PWD/target/coverage RUSTFLAGS=
mkdir -p "$CARGO_TARGET_DIR"
(
    variables=$(cargo llvm-cov show-env --sh 2>/dev/null)
    eval "$variables"
    cargo llvm-cov clean --profraw-only

    echo "== the crate"
    cargo test --quiet --package chunker-cdc --all-features >"$CARGO_TARGET_DIR/rust.log" 2>&1 || {
        cat "$CARGO_TARGET_DIR/rust.log"
        exit 1
    }
    cargo llvm-cov report --fail-under-lines "$minimum"

    echo "== the Elixir package"
    cargo llvm-cov clean --profraw-only
    cd nif
    CARGO_PROFILE_RELEASE_LTO=off MIX_ENV=test MIX_BUILD_PATH=$CARGO_TARGET_DIR/mix mix test --cover
    cargo llvm-cov report --release --package chunker-nif --fail-under-lines "$minimum"
)

echo "== the npm package"
npm --prefix npm run --silent coverage
