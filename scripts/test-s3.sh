#!/bin/sh
# Tests the store on S3, as moto plays it on this machine, in Rust and on the BEAM.
set -eu
cd "$(dirname "$0")/.."
scripts/with-s3.sh cargo test --quiet --package chunker-store --features aws --test store --test crashes -- \
	--ignored --nocapture
cd nif && ../scripts/with-s3.sh mix test --only s3
