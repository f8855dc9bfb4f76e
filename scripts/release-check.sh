#!/usr/bin/env bash
# The packages in target/packages hold what they should and nothing else, and the changelog speaks of
# their version. With TAG, the name of a release, versions and changelog must be that release's, and the
# repository public; with REPOSITORY, its URL, that one.
set -euo pipefail
cd "$(dirname "$0")/.."

wrong=0
complain() {
    echo "release-check: $*" >&2
    wrong=1
}

scripts/check-versions.sh || wrong=1
version=$(scripts/version.sh)
section=$(scripts/changelog.sh)
grep -q '^- ' <<<"$section" || complain "CHANGELOG.md says nothing of $version"
if [ -n "${TAG:-}" ]; then
    [ "$TAG" = "v$version" ] || complain "the tag $TAG is not v$version"
    head -n 1 <<<"$section" | grep -qE ' - [0-9]{4}-[0-9]{2}-[0-9]{2}$' || complain "CHANGELOG.md has no date for $version"
    repository=$(scripts/repository.sh)
    case $repository in https://*.example/*) complain "Cargo.toml has no public repository, only $repository" ;; esac
    [ "$repository" = "${REPOSITORY:-$repository}" ] ||
        complain "the repository in Cargo.toml is $repository, the release's $REPOSITORY"
fi

# holds ARCHIVE BYTES ALLOWED FILE...: no file but those the expression matches, each FILE among them.
holds() {
    local archive=target/packages/$1 bytes=$2 allowed=$3 files extra
    shift 3
    files=$(tar tzf "$archive" | grep -v '/$' | sed -E 's,^(package|chunker-(cdc|store)-[^/]*)/,,')
    extra=$(grep -vE "^($allowed)$" <<<"$files" || true)
    [ -z "$extra" ] || complain "$archive should not hold $extra"
    for file in "$@"; do
        grep -qxF -- "$file" <<<"$files" || complain "$archive lacks $file"
    done
    [ "$(stat -c %s "$archive")" -le "$bytes" ] || complain "$archive is larger than $bytes bytes"
    echo "release-check: $archive: $(wc -l <<<"$files") files, $(stat -c %s "$archive") bytes"
}

licences="LICENSE-MIT LICENSE-APACHE"
mapfile -t core < <(git ls-files src examples ':!examples/exporters')
mapfile -t store < <(git ls-files store/src | sed 's,^store/,,')
mapfile -t nif < <(git ls-files nif/lib nif/native/chunker_nif/src | sed 's,^nif/,,')
mapfile -t entries < <(node -p '
    const files = (entry) => typeof entry === "string" ? [entry.slice(2)] : Object.values(entry).flatMap(files);
    files(require("./npm/package.json").exports).join("\n")')
addons=(linux-x64-gnu linux-x64-musl linux-arm64-gnu linux-arm64-musl darwin-x64 darwin-arm64 win32-x64-gnu)
wanted=$(tar xOf "target/packages/chunker-cdc-$version.tgz" package/package.json | node -p '
    Object.entries(JSON.parse(require("fs").readFileSync(0)).optionalDependencies).map((each) => each.join("-")).join("\n")')
[ "$wanted" = "$(printf "chunker-cdc-%s-$version\n" "${addons[@]}")" ] || complain "the npm package has not the addons as optional dependencies"
# shellcheck disable=SC2086
{
    for addon in "${addons[@]}"; do
        archive=chunker-cdc-$addon-$version.tgz
        # Without a release, those are there that were built.
        if [ -n "${ADDONS:-}" ] || [ -f "target/packages/$archive" ]; then
            holds "$archive" 5500000 'chunker\.node|package\.json|README\.md|LICENSE-(MIT|APACHE)' \
                chunker.node package.json README.md $licences
        fi
    done
    holds "chunker-cdc-$version.crate" 160000 \
        '(src|examples)/.*\.rs|src/observability/metrics\.md|(README|CHANGELOG)\.md|LICENSE-(MIT|APACHE)|Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json' \
        "${core[@]}" src/observability/metrics.md README.md CHANGELOG.md $licences
    holds "chunker-store-$version.crate" 200000 \
        'src/.*\.rs|README\.md|LICENSE-(MIT|APACHE)|Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json' \
        "${store[@]}" README.md $licences
    holds "chunker-cdc-$version.tgz" 1600000 \
        'dist/.*\.(js|d\.ts|wasm)|dist/inline/.*\.cjs|dist/cjs/package\.json|package\.json|README\.md|LICENSE-(MIT|APACHE)' \
        "${entries[@]}" README.md $licences
    holds "chunker-$version.tar.gz" 100000 \
        'lib/.*\.ex|native/(mix_compiler|precompiled|libraries)\.exs|native/chunker_nif/(src/.*\.rs|Cargo\.(toml|lock))|mix\.exs|\.formatter\.exs|(README|CHANGELOG)\.md|LICENSE-(MIT|APACHE)' \
        "${nif[@]}" native/mix_compiler.exs native/precompiled.exs native/chunker_nif/Cargo.toml native/chunker_nif/Cargo.lock \
        mix.exs .formatter.exs README.md CHANGELOG.md $licences
}
# A source build of the Hex package takes just the crates that are published with it.
for name in chunker-cdc chunker-store; do
    crate=$(sha256sum <"target/packages/$name-$version.crate")
    grep -A 3 "^name = \"$name\"" target/packages/hex/native/chunker_nif/Cargo.lock | grep -qF "checksum = \"${crate%% *}\"" ||
        complain "the Hex package is locked to another $name than $crate"
done
exit "$wrong"
