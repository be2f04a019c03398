#!/bin/bash
# Evaluates Elixir in a VM of its own beside the running node, or runs a line of shell: in a unit of systemd with the user, variables,
# limits and sandbox of the application. Output and exit status are those of the VM, or of the shell.
#
# $1: the application's unit file, $2: link to the running release, $3: its script, relative to it, $4: the script's word for
# this, or "shell" for a line of shell, $5: name of the new unit, $6: seconds that it may run, $7: seconds without a line on standard input after which it ends
#
# Standard input begins with the expression or line and a NUL byte. Then the caller sends a line every few seconds.
# When its input ends or stays silent, nobody waits for the expression any more, and the unit is stopped. sshd alone would notice
# a lost connection hours later.
set -euo pipefail
. ./unit_settings.sh
. ./running_release.sh
. ./text.sh
unit_path=$1 script=$3 eval=$4 unit=$5 seconds=$6 patience=$7
find_release "$2" "$script"
read_text "$patience"
exec 3<&0
words=("${alone[@]}" "$release/$script" "$eval" "$evaluate")
[ "$eval" != shell ] || words=("${alone[@]}" /bin/sh /dev/shm/text)
in_sandbox "$unit_path" "$release" --unit="$unit" --property="RuntimeMaxSec=$seconds" \
    -- "${from_text[@]}" "${words[@]}" 3<&- < <(printf %s "$text") &
task=$!
{
    while read -r -t "$patience" -u 3 _; do :; done
    systemctl stop "$unit"
} > /dev/null 2>&1 &
watch=$!
status=0
wait "$task" || status=$?
kill "$watch" 2> /dev/null || true
exit "$status"
