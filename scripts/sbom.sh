#!/usr/bin/env bash
# Writes what the packages are made of, as CycloneDX, to target/sbom. The npm package has no dependencies
# but its addons; what is in its modules and in them are crates, as in the library of the Elixir package.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tool writes a file beside the manifest of every member of the workspace.
name=chunker-sbom
trap 'git ls-files --others --full-name -- "*$name.json" | xargs --no-run-if-empty rm' EXIT
target/tools/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 --all-features --target all \
    --no-build-deps --override-filename "$name"
rm -rf target/sbom
mkdir -p target/sbom
cp "$name.json" target/sbom/chunker-cdc.cdx.json
cp "wasm/$name.json" target/sbom/chunker-cdc-npm.cdx.json
cp "napi/$name.json" target/sbom/chunker-napi.cdx.json
cp "nif/native/chunker_nif/$name.json" target/sbom/chunker-nif.cdx.json
ls -l target/sbom
