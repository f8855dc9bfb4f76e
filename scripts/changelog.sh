#!/usr/bin/env bash
# Prints what the changelog says of the workspace's version: the heading and what stands under it.
set -euo pipefail
cd "$(dirname "$0")/.."

awk -v heading="## [$(scripts/version.sh)]" 'index($0, "## ") == 1 { inside = index($0, heading) == 1 } inside' CHANGELOG.md
