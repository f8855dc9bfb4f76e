#!/bin/sh
# demo-elixir.sh: serves the upload page with nif/examples/ingest (STORE=dir: by default a temporary folder; PORT=4000).
set -eu
cd "$(dirname "$0")/../nif/examples/ingest"
if [ -z "${STORE:-}" ]; then
	STORE=$(mktemp -d)
	trap 'rm -rf "$STORE"' EXIT
fi

# The server runs in the background, so that signals reach the shell; +Bi lets it ignore Ctrl-C.
stopped=false server=''
trap 'stopped=true; [ -z "$server" ] || kill "$server"' HUP INT TERM
ELIXIR_ERL_OPTIONS=+Bi mix run serve.exs "$STORE" --port "${PORT:-4000}" \
	--page /page/=../../../npm/demo/page --page /page/=../../../npm/demo-out/page \
	--page /chunker-cdc/=../../../npm/dist &
server=$!
status=0
wait "$server" || status=$?
if $stopped; then
	wait "$server" || true # the signal ended only the first wait
	exit 0
fi
exit "$status"
