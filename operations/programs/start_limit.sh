#!/bin/sh
# Sourced. Expects `unit` and `patience` (seconds). Sets `start` to the start of the unit's process, as systemd writes it, and
# `limit` to the second since 1970 at which the application has had time to start. Until then a missing answer means nothing.
start=$(systemctl show --timestamp=us+utc --property ExecMainStartTimestamp --value "${unit:?}")
# shellcheck disable=SC2034 # the program that sources this reads it
limit=$(($(date -d "$start" +%s) + ${patience:?}))
