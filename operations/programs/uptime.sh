# shellcheck shell=sh
# shellcheck disable=SC2034
# Sourced. `read_uptime` sets `uptime` to the seconds since the machine started. Unlike the time of day nobody sets it, so waits
# that are measured with it end on time. bash's SECONDS follows the time of day.
read_uptime() { IFS='. ' read -r uptime _ < /proc/uptime; }
