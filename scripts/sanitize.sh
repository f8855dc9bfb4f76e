#!/usr/bin/env bash
# sanitize.sh: AddressSanitizer over Rust and over the C of the codecs. First the tests of the codecs, and
# whether they leak; then those of the Elixir package, whose VM has the sanitizer's runtime preloaded.
set -euo pipefail
cd "$(dirname "$0")/.."

clang=$(command -v clang-19 || command -v clang)
runtime=libclang_rt.asan-$(uname -m).so
scripts/setup.sh "$("$clang" -print-resource-dir)/lib/linux/$runtime=libclang-rt-$("$clang" -dumpversion | cut -d. -f1)-dev"
cargo +nightly --version >/dev/null 2>&1 || {
    echo "sanitize: installing a nightly toolchain"
    rustup toolchain install nightly --profile minimal 2>/dev/null
}

# With a target, build scripts and macros are not sanitized.
target=$(rustc +nightly --version --verbose | sed -n 's/^host: //p')
export RUSTFLAGS=-Zsanitizer=address
export "CC_${target//-/_}=$clang" "CFLAGS_${target//-/_}=-fsanitize=address -fno-omit-frame-pointer"
sanitized=(--quiet --target "$target" --target-dir target/sanitize)

echo "sanitize: the codecs"
tests=(compression conformance_codecs edge_cases fuzz_seeds push_decoder)
cargo +nightly test "${sanitized[@]}" --package chunker-cdc --no-default-features \
    --features serde,zstd,lz4,xz,bzip2,nix --test suite --test scratch_allocations -- "${tests[@]/%/::}" a_warm_scratch the_counter

echo "sanitize: the Elixir package"
cargo +nightly build "${sanitized[@]}" --release --package chunker-nif
export CHUNKER_NIF_PATH=$PWD/target/sanitize/$target/release/libchunker_nif.so
cd nif
# The VM keeps much to its end.
MIX_ENV=test MIX_BUILD_PATH=$PWD/../target/sanitize/mix LD_PRELOAD=$("$clang" -print-file-name="$runtime") \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 mix test --timeout 600000
