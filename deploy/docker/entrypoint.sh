#!/bin/sh
# Every service starts here: `exec` gives its command the Dagster instance, the storage's address and no telemetry.
set -eu
exec analytics-dagster exec -- "$@"
