#!/bin/sh
# Prints how a unit's process last ended unless somebody asked for that: the number of restarts by systemd since somebody last
# started the unit, the reason, and the time in seconds since 1970. Reason and time are "unknown" without a journal.
# $1: unit.
unit=$1

# systemd sets the number back to 0 when a person or a program starts or restarts the unit, so a release is not counted.
restarts=$(systemctl show --property NRestarts --value "$unit")
[ "${restarts:-0}" != 0 ] || systemctl --quiet is-failed "$unit" || exit 0
# The newest record of systemd's about the unit: the fields $1 of a message $2 or $3, from sd-messages.h. Only systemd itself has
# process id 1: the application may write anything else to the journal.
newest() {
    journalctl --quiet --lines 1 --output export --output-fields "$1" _PID=1 "UNIT=$unit" "MESSAGE_ID=$2" "MESSAGE_ID=$3"
}

# SD_MESSAGE_UNIT_FAILURE_RESULT, SD_MESSAGE_UNIT_SUCCESS.
last=$(newest UNIT_RESULT d9b373ed55a64feb8242e02dbe79a49c 7ad2d189f7e94e70a38c781354912448)
reason=$(echo "$last" | sed -n 's/^UNIT_RESULT=\([a-z-]*\)$/\1/p')
# systemd sees a memory kill with the second version of control groups only: with the first one, it is a SIGKILL.
if [ "$reason" = signal ]; then
    exited=98e322203f7a4ed290d09fe03c09fe15 # SD_MESSAGE_UNIT_PROCESS_EXIT
    number=$(newest EXIT_STATUS "$exited" "$exited" | sed -n 's/^EXIT_STATUS=\([0-9]\{1,2\}\)$/\1/p')
    [ -z "$number" ] || reason=SIG$(kill -l "$number")
fi
# In microseconds.
time=$(echo "$last" | sed -n 's/^__REALTIME_TIMESTAMP=\([0-9]*\)[0-9]\{6\}$/\1/p')
[ -z "$time" ] || : "${reason:=success}"
echo "${restarts:-0} ${reason:-unknown} ${time:-unknown}"
