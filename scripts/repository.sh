#!/usr/bin/env bash
# Prints the address of the repository, which is that of every package.
set -euo pipefail
cd "$(dirname "$0")/.."

sed -n 's/^repository = "\([^"]*\)".*/\1/p' Cargo.toml
