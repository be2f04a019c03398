#!/bin/sh
# Starts the switch of an environment as a transient unit and shows its output until it has ended. Fails unless the program
# itself, as root, reports success in its last line: systemd also counts a stopped unit as a success, and the output of a
# migration or a reason for a failure may end with any word. Where the journal lacks that line, the log of revisions counts.
#
# $1: unit, $2: unit of a release's commands, $3: program, $4: operator, $5: revision, $6: version that ran when the plan was
# made, $7: log of revisions, the rest: arguments
set -eu
. ./lock.sh
. ./follow.sh
# The lock's file stays locked until the unit has started. Otherwise another run could find the lock free if this connection
# breaks before that.
require_lock
unit=$1 task_unit=$2 program=$3 who=$4 revision=$5 before=$6 revisions=$7
shift 7
# A record is a line with tabs between time, operator, action, version, revision, outcome and seconds.
known=$(2> /dev/null wc -l < "$revisions" || echo 0)
record() {
    tail -n +"$((known + 1))" "$revisions" 2> /dev/null |
        awk -F '\t' -v action="$1" '$3 == action && $6 != "left" { last = $4 " " $6 } END { print last }'
}
new_run
systemctl reset-failed "$unit" 2> /dev/null || true
systemd-run --quiet --unit="$unit" --service-type=exec --property="ExecStopPost=$program end" \
    --property=SyslogIdentifier="${unit%.service}" --property=LogExtraFields="$run" --setenv=RUN="$run" \
    --property=TimeoutStopSec=infinity --setenv=WHO="$who" --setenv=REVISION="$revision" --setenv=BEFORE="$before" \
    -- "$program" "$@" 9>&-
exec 9>&-
follow "$run" "$unit" "$task_unit"
last=$(said_by_root "$run" "$unit")
! echo "$last" | grep -qE '^[a-z-]+ [^ ]+: done$' || exit 0
! echo "$last" | grep -qE '^([a-z-]+ [^ ]+: )?FAILED: ' || exit 1
ended=$(record "$1")
case $ended in
    '')
        echo "the journal does not say how $unit ended, and neither does $revisions: is /var/log or /run full, or read-only?" \
            "make releases tells" >&2
        exit 1
        ;;
    *' good') echo "$1 ${ended% *}: done, by $revisions: the journal lacks the last lines. Is /var/log full, or read-only?" ;;
    *)
        echo "$1 ${ended% *}: ${ended##* }, by $revisions: the journal lacks the reason. Is /var/log full, or read-only?" >&2
        exit 1
        ;;
esac
