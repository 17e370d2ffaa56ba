#!/bin/sh
# What the Lambda Web Adapter starts in place of a handler: an HTTP server on the port it probes.
# The keep-alive outlasts any execution environment: after a freeze an expired timer would close
# the connection under the adapter's next request.
here="${LAMBDA_TASK_ROOT:-.}"
PYTHONPATH="$here:/opt/python${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
cd "$here" || exit 1
exec python3 -m uvicorn app:app --host 127.0.0.1 --port "${AWS_LWA_PORT:-${PORT:-8080}}" \
	--timeout-keep-alive 86400 --no-access-log --log-level warning
