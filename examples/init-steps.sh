#!/bin/sh
# One command with two init steps, a pre-stop hook and health endpoints, without a container: run it in one
# terminal; in another look at it with `curl -s 'localhost:9110/readyz?verbose'` and stop it with the line that it prints.
# (Ctrl-C would go to the command itself, whose foreground it is.) MONOPOD names the program if it is not in PATH.
#
# The steps run one after the other, each to success; a failing one would end it all with its code. On the stop,
# readiness goes first, the command serves on for three seconds, the hook runs, and only then comes the signal.
set -eu
state=$(mktemp -d)
echo "stop it with: kill -TERM $$"
exec "${MONOPOD:-monopod}" --health 127.0.0.1:9110 --log-level info \
    --init "touch $state/migrated" \
    --init "test -e $state/migrated" \
    --pre-stop "rm -r $state" \
    --drain 3s --grace 10s \
    -- sh -c 'trap "echo draining done, bye; exit 0" TERM; echo serving; while :; do sleep 1; done'
