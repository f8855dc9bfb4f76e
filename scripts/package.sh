#!/usr/bin/env bash
# Makes what is published, in target/packages or the folder that is named: the crates, the npm package
# (from npm/dist) and those of its native addon, and the Hex package, as the folder `hex`, where Mix
# publishes it, and as an archive of what it then holds.
#
# ADDONS names a folder of the addon's packages, as scripts/addons.sh makes them; by default it is the one
# of this machine, for tests.
#
# LIBRARIES names a folder of native libraries, each called chunker_nif-VERSION-TARGET.so or .dll, and
# LIBRARIES_URL says where they will be: the Hex package downloads that of its user's system from there.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh)
out=${1:-$PWD/target/packages}
hex=$out/hex
rm -rf "$out"
mkdir -p "$hex/native/chunker_nif"

# All at once: the NIF's crate depends on the others, which need not be published yet.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo package --no-verify --allow-dirty --package chunker-cdc --package chunker-store --package chunker-nif 2>"$log" || {
    cat "$log" >&2
    exit 1
}
cp "target/package/chunker-cdc-$version.crate" "target/package/chunker-store-$version.crate" "$out"

unpacked=$(mktemp -d)
trap 'rm -rf "$log" "$unpacked"' EXIT
npm --prefix npm pack ./npm --silent --pack-destination "$unpacked" >/dev/null
tar xf "$unpacked/chunker-cdc-$version.tgz" -C "$unpacked"
node npm/scripts/addons.mjs list "$unpacked/package"
for package in "$unpacked/package" "${ADDONS:-$PWD/target/addons/test}"/chunker-cdc-*; do
    npm pack "$package" --silent --pack-destination "$out" >/dev/null
done

# Cargo's form of the NIF's crate needs no workspace: it depends on the other crates by version, and
# its lock file has the checksums of that version.
tar xf "target/package/chunker-nif-$version.crate" -C "$hex/native/chunker_nif" --strip-components 1
cp nif/native/*.exs "$hex/native"
cp -r nif/lib nif/mix.exs nif/.formatter.exs nif/README.md CHANGELOG.md LICENSE-* "$hex"
if [ -n "${LIBRARIES:-}" ]; then
    {
        echo "%{url: \"${LIBRARIES_URL:?must be the address of the libraries}\", libraries: %{"
        for library in "$LIBRARIES"/chunker_nif-"$version"-*; do
            name=$(basename "$library")
            target=${name#"chunker_nif-$version-"}
            digest=$(sha256sum <"$library")
            echo "  \"${target%.*}\" => {\"$name\", \"${digest%% *}\"},"
        done
        echo "}}"
    } >"$hex/native/libraries.exs"
fi

cd "$hex"
mapfile -t files < <(mix run --no-compile --no-start -e 'Enum.each(Mix.Project.config()[:package][:files], &IO.puts/1)')
tar czf "$out/chunker-$version.tar.gz" --owner 0 --group 0 --sort name "${files[@]}"
