#!/bin/sh
# Tests the store on S3, as moto plays it on this machine.
set -eu
cd "$(dirname "$0")/.."
scripts/with-s3.sh cargo test --quiet --package chunker-store --features aws --test store --test crashes -- \
	--ignored --nocapture
