#!/bin/sh
# Sourced. Expects `unit` and `patience` (seconds). Sets `limit` to the end of the time for the start of the unit's process, as
# `uptime` counts. Until then a missing answer means nothing.
. ./uptime.sh
started=$(systemctl show --property ExecMainStartTimestampMonotonic --value "${unit:?}")
read_uptime
# In microseconds. In some containers `uptime` counts from their own start, and systemd from the machine's.
left=$((${started:-0} / 1000000 + ${patience:?} - uptime))
[ "$left" -le "$patience" ] || left=$patience
# shellcheck disable=SC2034 # the program that sources this reads it
limit=$((uptime + left))
