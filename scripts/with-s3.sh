#!/bin/sh
# with-s3.sh COMMAND…: runs a command with S3 as moto (in Python, on this machine) plays it: the bucket `chunker`.
set -eu
venv=$(dirname "$0")/../target/s3-server
if ! [ -x "$venv/bin/python" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet 'moto[s3]==5.2.5' flask flask-cors
fi
port=${S3_PORT:-5823}
# One thread: with more, moto lets two conditional writes win.
"$venv/bin/python" - "$port" <<'PYTHON' >"$venv/log" 2>&1 &
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
PYTHON
server=$!
trap 'kill $server' EXIT
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
export AWS_ENDPOINT_URL="http://127.0.0.1:$port"
"$venv/bin/python" - <<'PYTHON'
import time, boto3
for attempt in range(50):
    try:
        boto3.client("s3").create_bucket(Bucket="chunker")
        break
    except Exception as error:
        time.sleep(0.2)
else:
    raise SystemExit(f"the server does not answer: {error}")
PYTHON
"$@"
