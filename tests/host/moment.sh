#!/bin/bash
# Stands in for a command of a machine: notes each call, does the command's work, and stands still at one of the calls, so that a
# test can cut the power there. It has the name of the command, in a directory that comes first on PATH.
#
# /run/moments/at: number of the call, and "before" or "after" its work; without the file it only does the work.
# /run/moments/calls gets a line for each call. /run/moments/reached appears when it stands still.
name=${0##*/}
real=/usr/bin/$name
[ -x "$real" ] || real=/usr/sbin/$name
read -r wanted when 2> /dev/null < /run/moments/at || exec "$real" "$@"
# Questions change nothing, and their number depends on time.
case "$name $1" in "systemctl show" | "systemctl is-"* | "systemctl --quiet" | "systemctl list-"*) exec "$real" "$@" ;; esac

number=$(
    exec 8>> /run/moments/lock
    /usr/bin/flock 8
    echo "$name ${*//$'\n'/ }" | /usr/bin/cut -c 1-120 >> /run/moments/calls
    /usr/bin/wc -l < /run/moments/calls
)
[ "$number" = "$wanted" ] || exec "$real" "$@"
[ "$when" = before ] || "$real" "$@"
: > /run/moments/reached
exec /usr/bin/sleep 600
