#!/usr/bin/env bash
# All packages have the version and the repository of the workspace, and the changelog speaks of that version.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh)
differs=0
expect() { # FILE FOUND
    [ "$2" = "$version" ] || {
        echo "$1 has version ${2:-none}, the workspace has $version" >&2
        differs=1
    }
}
expect npm/package.json "$(node -p 'require("./npm/package.json").version')"
expect npm/package-lock.json "$(node -p 'require("./npm/package-lock.json").version')"
expect "the dependency chunker-cdc in Cargo.toml" "$(sed -n 's/^chunker-cdc = .*version = "\([^"]*\)".*/\1/p' Cargo.toml)"
expect "the dependency chunker-store in Cargo.toml" "$(sed -n 's/^chunker-store = .*version = "\([^"]*\)".*/\1/p' Cargo.toml)"
expect nif/mix.exs "$(sed -n 's/^  @version "\(.*\)"$/\1/p' nif/mix.exs)"
expect nif/examples/ingest/mix.exs "$(sed -n 's/^ *version: "\(.*\)",$/\1/p' nif/examples/ingest/mix.exs)"
expect nif/examples/binary_cache/mix.exs "$(sed -n 's/^ *version: "\(.*\)",$/\1/p' nif/examples/binary_cache/mix.exs)"
expect CHANGELOG.md "$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)"

repository=$(scripts/repository.sh)
expect_repository() { # FILE FOUND
    [ "$2" = "$repository" ] || {
        echo "$1 names the repository ${2:-none}, the workspace $repository" >&2
        differs=1
    }
}
expect_repository npm/package.json "$(node -p 'require("./npm/package.json").repository.url.replace(/^git\+|\.git$/g, "")')"
expect_repository nif/mix.exs "$(sed -n 's/^  @repository "\(.*\)"$/\1/p' nif/mix.exs)"
exit "$differs"
