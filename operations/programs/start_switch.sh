#!/bin/sh
# Starts the switch of an environment as a transient unit and shows its output until it has ended. Fails unless the program
# itself reports success: systemd also counts a stopped unit as a success.
#
# $1: unit, $2: program, $3: operator, $4: revision, $5: version that ran when the plan was made, the rest: arguments
set -eu
. ./lock.sh
. ./follow.sh
# The lock's file stays locked until the unit has started. Otherwise another run could find the lock free if this connection
# breaks before that.
require_lock
unit=$1 program=$2 who=$3 revision=$4 before=$5 begin=$(date +%s.%6N)
shift 5
systemctl reset-failed "$unit" 2> /dev/null || true
systemd-run --quiet --unit="$unit" --service-type=exec --property="ExecStopPost=$program end" \
    --property=TimeoutStopSec=infinity --setenv=WHO="$who" --setenv=REVISION="$revision" --setenv=BEFORE="$before" \
    -- "$program" "$@" 9>&-
exec 9>&-
follow "$unit" "${program##*/}" "$begin"
tail -n 1 "$seen" | grep -q ': done$'
