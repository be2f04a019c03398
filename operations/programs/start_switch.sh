#!/bin/sh
# Starts the switch of an environment as a transient unit and shows its output until it has ended. Fails unless the program
# itself, as root, reports success in its last line: systemd also counts a stopped unit as a success, and the output of a
# migration or a reason for a failure may end with any word.
#
# $1: unit, $2: unit of a release's commands, $3: program, $4: operator, $5: revision, $6: version that ran when the plan was
# made, the rest: arguments
set -eu
. ./lock.sh
. ./follow.sh
# The lock's file stays locked until the unit has started. Otherwise another run could find the lock free if this connection
# breaks before that.
require_lock
unit=$1 task_unit=$2 program=$3 who=$4 revision=$5 before=$6
shift 6
new_run
systemctl reset-failed "$unit" 2> /dev/null || true
systemd-run --quiet --unit="$unit" --service-type=exec --property="ExecStopPost=$program end" \
    --property=SyslogIdentifier="${unit%.service}" --property=LogExtraFields="$run" --setenv=RUN="$run" \
    --property=TimeoutStopSec=infinity --setenv=WHO="$who" --setenv=REVISION="$revision" --setenv=BEFORE="$before" \
    -- "$program" "$@" 9>&-
exec 9>&-
follow "$run" "$unit" "$task_unit"
[ -n "$seen" ] || {
    echo "the journal has no line of $unit, so it is not known how it ended: is /var/log or /run full, or" \
        "read-only? make releases tells" >&2
    exit 1
}
said_by_root "$run" "$unit" | grep -qE '^[a-z-]+ [^ ]+: done$'
