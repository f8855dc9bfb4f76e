#!/usr/bin/env bash
# Prints the version of the workspace, which is that of every package.
set -euo pipefail
cd "$(dirname "$0")/.."

id=$(cargo pkgid chunker-cdc)
echo "${id##*[#@]}"
