#!/bin/sh
# Sourced. Expects `unit` and `patience` (seconds). Sets `start` to the start of the unit's process, as systemd writes it, and
# `limit` to the end of the time for its start, as `uptime` counts. Until then a missing answer means nothing.
. ./uptime.sh
start=$(systemctl show --timestamp=us+utc --property ExecMainStartTimestamp --value "${unit:?}")
# Somebody may have set the clock since then.
left=$(($(date -d "$start" +%s) + ${patience:?} - $(date +%s)))
[ "$left" -le "$patience" ] || left=$patience
read_uptime
# shellcheck disable=SC2034 # the program that sources this reads it
limit=$((uptime + left))
