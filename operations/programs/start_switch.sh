#!/bin/sh
# Starts the switch of an environment as a transient unit and shows its output until it has ended. Succeeds if root wrote it down
# as good in the log of revisions: systemd also counts a stopped unit as a success, and the output of a migration or a reason for
# a failure may end with any word. The journal's last line of root can only take a success back.
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
# A record is a line with tabs between time, operator, action, version, revision, outcome and seconds. An action that was cut off
# before is recorded, too: it may be of the same kind, about another version.
known=$(2> /dev/null wc -l < "$revisions" || echo 0)
about=''
case $1 in release | rollback) about=$2 ;; esac
record() {
    tail -n +"$((known + 1))" "$revisions" 2> /dev/null |
        awk -F '\t' -v action="$1" -v about="$about" \
            '$3 == action && $6 != "left" && (about == "" || $4 == about) { last = $4 " " $6 } END { print last }'
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
! echo "$last" | grep -qE '^([a-z-]+ [^ ]+: )?FAILED: ' || exit 1
ended=$(record "$1")
case $ended in
    '')
        echo "$revisions does not say how $unit ended: is its disk full, or read-only? make releases tells" >&2
        exit 1
        ;;
    *' good')
        echo "$last" | grep -qE '^[a-z-]+ [^ ]+: done$' ||
            echo "$1 ${ended% *}: done, by $revisions: the journal lacks the last lines. Is /var/log full, or read-only?"
        ;;
    *)
        echo "$1 ${ended% *}: ${ended##* }, by $revisions: the journal lacks the reason. Is /var/log full, or read-only?" >&2
        exit 1
        ;;
esac
